"""Noise through ngspice: `.noise` of the full netlist at its operating point, one run for each output.

An output is read by a source that controls nothing, so that weighted and differential outputs are one node.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import RLMesh
from eqcirc.devices.base import number
from eqcirc.errors import SolverError
from eqcirc.solvers.ngspice.netlist import Netlist, full_netlist, nodesets
from eqcirc.solvers.ngspice.pool import Limits, Pool, in_session
from eqcirc.solvers.ngspice.session import Session
from eqcirc.solvers.noise import Band, Noise
from eqcirc.typing import Array, Parameters

AC = "v_eq_ac eq_ac 0 dc 0 ac 1"  # .noise wants to know what its input is, and eqcirc does not
BEYOND = 1 + 1e-6  # of the last frequency, so that rounding does not leave it out


def noise(
    circuit: Circuit, parameters: Parameters | None, inputs: Array, free: Array, band: Band, pool: Pool
) -> Noise:
    """Return the noise of the outputs of one sample (n_features,) at its operating point (node,).

    Raises:
        SolverError: R-L branches share resistances, or ngspice found no noise.
    """
    for mesh in (e for e in circuit.elements if isinstance(e, RLMesh) and len(e.shared)):
        raise SolverError(
            f"noise of {circuit.name!r}: R-L branches {mesh.name!r} share resistances, which "
            "its netlist has as controlled sources, without noise; ask the ideal solver"
        )
    netlist = full_netlist(circuit, parameters, circuit.fixed_voltages(inputs[None]))
    guess = nodesets(netlist.saved, free[circuit.free_nodes])
    netlist = replace(netlist, lines=[*netlist.lines, *guess], saved=[])
    frequencies = band.frequencies
    command = (
        f"noise v(eq_read) v_eq_ac dec {band.per_decade} {number(frequencies[0])} "
        f"{number(frequencies[-1] * BEYOND)}"
    )
    readers = [_reader(circuit, row) for row in circuit.readout.weights.toarray()]
    found, said = pool.call(_each, netlist, readers, command)
    if found is None or any(len(points) != len(frequencies) for points in found):
        raise SolverError(f"ngspice found no noise of {circuit.name!r}: {said or 'no word why'}")
    return Noise(frequencies, np.stack([points[:, 1] ** 2 for points in found], axis=1))


def _reader(circuit: Circuit, weights: Array) -> str:
    """Return the source whose voltage is an output."""
    names = (circuit.node_names[n] for n in circuit.readout.nodes.tolist())
    terms = [f"{number(w)}*v({name})" for name, w in zip(names, weights.tolist(), strict=True) if w != 0]
    return f"b_eq_read eq_read 0 v={'+'.join(terms).replace('+-', '-')}"


def _each(
    netlist: Netlist, readers: list[str], command: str, limits: Limits
) -> tuple[list[Array] | None, str]:
    """Return frequencies and densities (k, 2) of every output, in a worker; None if there is no answer."""

    def run(session: Session) -> tuple[list[Array] | None, str]:
        found = []
        for reader in readers:
            points = session.analyse(
                netlist, [AC, reader], command, vectors=["frequency", "onoise_spectrum"], plots=2
            )
            if not len(points):
                return None, session.said()
            found.append(points)
        return found, ""

    return in_session(run, limits)
