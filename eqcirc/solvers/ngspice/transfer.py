"""Small-signal transfer through ngspice: `.ac` of the full netlist at its operating point, so slow that nothing stores.

For each node that is driven, 1 A of it goes in, and the voltages of all are read.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices.base import number
from eqcirc.errors import SolverError
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.ngspice.netlist import Netlist, full_netlist, nodesets
from eqcirc.solvers.ngspice.pool import Limits, Pool, in_session
from eqcirc.solvers.ngspice.session import Session
from eqcirc.typing import Array, NodeArray, Parameters

SLOWLY = 1e-6  # of the frequency at which the slowest capacitor or coil begins to count


def transfer(
    circuit: Circuit, parameters: Parameters | None, free: Array, inputs: Array, nodes: NodeArray, pool: Pool
) -> Array:
    """Return volts at nodes (k,) for 1 A into each of them, (k, k), ohms; see `Solver.transfer`."""
    netlist = full_netlist(circuit, parameters, circuit.fixed_voltages(inputs[None]))
    guess = nodesets(netlist.saved, free[circuit.free_nodes])
    netlist = replace(netlist, lines=[*netlist.lines, *guess])
    names = [circuit.node_names[n] for n in nodes.tolist()]
    dynamics = Dynamics.of(circuit, parameters, inputs[None])
    hertz = SLOWLY / dynamics.slowest if dynamics.stores else 1.0
    columns, said = pool.call(_driven, netlist, names, f"ac lin 1 {number(hertz)} {number(hertz)}")
    if columns is None:
        raise SolverError(
            f"ngspice found no small-signal response of {circuit.name!r}: {said or 'no word why'}"
        )
    return np.stack(columns, axis=1)


def _driven(
    netlist: Netlist, names: list[str], command: str, limits: Limits
) -> tuple[list[Array] | None, str]:
    """Return the voltages of the nodes for each of them driven, in a worker; None if there is no answer."""

    def columns(session: Session) -> tuple[list[Array] | None, str]:
        found = []
        for name in names:
            source = [f"i_eq_ac 0 {name} dc 0 ac 1"]
            points = session.analyse(netlist, source, command, vectors=names)
            if not len(points):
                return None, session.said()
            found.append(points[0])
        return found, ""

    return in_session(columns, limits)
