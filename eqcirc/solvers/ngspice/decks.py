"""Self-contained decks for people: they run with plain `ngspice -b` and hold no commands."""

from __future__ import annotations

from typing import Literal

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.solvers.ngspice.netlist import full_netlist, reduced_netlist
from eqcirc.typing import Array, Parameters


def export_deck(
    circuit: Circuit, parameters: Parameters | None, inputs: Array, form: Literal["full", "reduced"] = "full"
) -> str:
    """Return a deck that sweeps over samples (n, n_features) and prints the voltages of the output nodes."""
    fixed = circuit.fixed_voltages(inputs)
    if form == "full":
        printed = [circuit.node_names[n] for n in circuit.readout.nodes.tolist()]
        return full_netlist(circuit, parameters, fixed).deck(printed)
    plan = Reduction(circuit)
    netlist = reduced_netlist(ReducedSystem(plan, parameters), fixed)
    return netlist.deck([netlist.saved[k] for k in plan.unknown[circuit.readout.nodes].tolist()])
