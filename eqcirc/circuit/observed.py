"""A circuit whose outputs are observed: each is drawn, through a conductance, to what was read there.

The current beta·(output − y)/s leaves the output node, s its scaling: a conductance beta/s to a source at y, in
Norton's form. This is the nudge of the squared error with beta as it is, as parts of a circuit; a differential output
has the conductance between its two nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eqcirc.circuit.circuit import Circuit, Inputs
from eqcirc.devices import Conductance, InputCurrent
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray


@dataclass(frozen=True, eq=False)
class Observed:
    """An observed circuit.

    Attributes:
        circuit: its first nodes are those of the original; what is read at the outputs are further features, in volts.
    """

    circuit: Circuit

    def inputs(self, inputs: Array, readings: Array) -> Array:
        """Return samples of the observed circuit for samples of the original and readings, (batch, …) each."""
        return np.concatenate([inputs, readings], axis=1)


def observed(circuit: Circuit, beta: float, scaling: Array) -> Observed:
    """Observe the outputs of a circuit with conductances beta/s.

    Args:
        circuit: the circuit.
        beta: in siemens.
        scaling: s (node,) of `circuit.scaling`.

    Raises:
        CircuitError: an output is neither the voltage of a free node nor a difference of two alike, or s < 0 there.
    """
    plus, minus = _ends(circuit, scaling)
    siemens = beta / scaling[plus]
    first, count = circuit.n_nodes, circuit.readout.n_outputs
    controls = np.arange(first, first + count)
    old = circuit.inputs
    inputs = Inputs(
        np.concatenate([old.node, controls]),
        np.concatenate([old.feature, old.n_features + np.arange(count)]),
        np.concatenate([old.gain, np.ones(count)]),
        np.concatenate([old.offset, np.zeros(count)]),
    )
    away = np.flatnonzero(minus)
    parts = (
        Conductance(name="eq_observed", value=siemens, a=plus, b=minus),
        InputCurrent(name="eq_reading", value=siemens, control=controls, node=plus),
        *(
            [InputCurrent(name="eq_away", value=-siemens[away], control=controls[away], node=minus[away])]
            if away.size
            else []
        ),
    )
    names = (*circuit.node_names, *(f"eq_y{k}" for k in range(count)))
    whole = replace(
        circuit,
        name=f"{circuit.name}, observed",
        node_names=names,
        inputs=inputs,
        elements=(*circuit.elements, *parts),
    )
    return Observed(whole)


def _ends(circuit: Circuit, scaling: Array) -> tuple[NodeArray, NodeArray]:
    """Return the nodes that outputs are the differences of; ground for the second one of single nodes."""
    readout = circuit.readout
    plus, minus = (np.zeros(readout.n_outputs, np.intp) for _ in range(2))
    for k, row in enumerate(readout.weights.toarray()):
        here = readout.nodes[np.flatnonzero(row)]
        values = sorted(row[row != 0].tolist())
        ends = {1.0: 0, -1.0: 0} | dict(zip(row[row != 0].tolist(), here.tolist(), strict=True))
        plus[k], minus[k] = ends[1.0], ends[-1.0]
        there = here[circuit.is_free[here]]
        if (
            values not in ([1.0], [-1.0, 1.0])
            or there.size < here.size
            or (scaling[here] != scaling[plus[k]]).any()
        ):
            raise CircuitError(
                f"output {k} of {circuit.name!r} is {readout.words(k, circuit.node_names)}: expected the voltage of a "
                "free node, or a difference of two free nodes of one scaling, where a conductance can observe it"
            )
        if scaling[plus[k]] <= 0:
            raise CircuitError(
                f"output {k} of {circuit.name!r} has a negative scaling (s = {scaling[plus[k]]:g}): the energy has no "
                "minimum there, so it is no prior"
            )
    return plus, minus
