"""What is tried, one rung after the other, when ngspice finds no operating point for a sample.

ngspice itself has tried Newton's iteration, gmin stepping and source stepping from a cold start before. Rungs:

1. *small steps*: from the sample before, whose solution is known, in sixteenths; tables are linear in between.
2. *fine stepping*: gmin and source stepping with many small fixed steps instead of the adaptive ones.
3. *relaxation*: capacitors at every node, and a transient from rest until it stands still.

A sample that was followed in time has one rung only, its own state as a start: others could lead elsewhere.

A rung that yields a state hands it on as a start (.nodeset on every node), from which the sample's phases are
solved as usual; so whatever a rung does, the answer is an operating point of the unchanged circuit.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from eqcirc.devices.base import number
from eqcirc.solvers.ngspice.cards import SAMPLE
from eqcirc.solvers.ngspice.netlist import Netlist
from eqcirc.typing import Array

STEPS = 16  # a power of two, so that the last step lands on the sample exactly
FINE = ".options gminsteps=100 srcsteps=100 itl1=1000 itl2=500"
CAPACITANCE, DURATION = 1e-9, 0.1  # F, s: at least ten time constants of nodes with 0.1 uS


class Analyser(Protocol):
    """Runs one analysis on a freshly loaded netlist."""

    def analyse(self, netlist: Netlist, extra: list[str], *commands: str) -> Array:
        """Load the netlist with extra lines, run commands, return the points (point, saved) of the last one."""
        ...


def climb(
    analyser: Analyser, netlist: Netlist, sample: int, settled: Array | None = None
) -> tuple[Array, str] | None:
    """Return voltages (point, saved) of a sample and the name of the rung that won; None if all failed.

    One that `settled` at some voltages (saved,) is solved from there alone.
    """
    if settled is not None:
        points = _from(analyser, netlist, sample, settled[None], 1)
        return (points, "settled state") if len(points) == netlist.points else None
    for rung in (small_steps, fine_stepping, relaxation):
        points = rung(analyser, netlist, sample)
        if len(points) == netlist.phases and np.isfinite(points).all():
            return points, rung.__name__.replace("_", " ")
    return None


def small_steps(analyser: Analyser, netlist: Netlist, sample: int) -> Array:
    """Walk from the sample before."""
    if sample == 0:
        return np.empty((0, len(netlist.saved)))
    points = analyser.analyse(netlist, [], f"dc v_{SAMPLE} {sample - 1} {sample} {1 / STEPS}")
    return _from(analyser, netlist, sample, points, STEPS + 1)


def fine_stepping(analyser: Analyser, netlist: Netlist, sample: int) -> Array:
    """Let ngspice step its gmin and sources finely."""
    return analyser.analyse(netlist, [FINE], netlist.sweep(sample, sample))


def relaxation(analyser: Analyser, netlist: Netlist, sample: int) -> Array:
    """Let the circuit come to rest."""
    capacitors = [f"c_eq_{k} {node} 0 {CAPACITANCE}" for k, node in enumerate(netlist.saved)]
    commands = (f"alter v_{SAMPLE} = {sample}", f"tran {DURATION / 1000} {DURATION} uic")
    points = analyser.analyse(netlist, capacitors, *commands)
    return _from(analyser, netlist, sample, points, 2)


def _from(analyser: Analyser, netlist: Netlist, sample: int, points: Array, least: int) -> Array:
    """Solve the phases of a sample from the last of some points, if there are at least so many."""
    if len(points) < least:
        return points[:0]
    start = zip(netlist.saved, points[-1].tolist(), strict=True)
    nodesets = [f".nodeset v({node})={number(volts)}" for node, volts in start]
    return analyser.analyse(netlist, nodesets, netlist.sweep(sample, sample))
