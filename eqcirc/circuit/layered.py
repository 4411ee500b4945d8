"""Layered networks: crossbars between layers, diodes or neurons for the nonlinearity, amplifiers against decay.

    inputs ──w1── h1 ▷ y1 ──w2── h2 ▷ y2 ── … ── outputs
             b1 ──┘             b2 ──┘

Layer 0 are the driven nodes, layers 1…n hidden, the last one the outputs. Names: crossbars w<l> into layer l, biases
b<l>, skip connections skip<k>to<l>, residuals res<l> from hidden layer l to the next, neurons n<l>_…, nodes h<l> and
(behind amplifiers) y<l>, outputs o (op and on if differential), leaks leak<l>.

How weights get a sign: conductances have none, but inputs can be doubled and outputs differential; signed weights are
ideal couplings between single nodes; dual-rail weights are resistors between pairs of nodes (h<l> and h<l>n, …);
one-way weights are transconductors, which load nothing: forth into layer l (w<l>) and, with feedback, back to the layer
before (back<l>). Then cells c<l> may be the nonlinearity, from the sums h<l> to the nodes y<l>.

Predictive weights are gyrators from what predicts (inputs and y<l>) to errors e<l>, which are what is predicted less
the value h<l> and draw the value to it (err<l>); cells are bidirectional sources. Such a network is at rest where a
feedforward one of the same weights is, and carries errors back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, cast, get_args

import numpy as np

from eqcirc.circuit.arguments import generator, made_of, number, one_of, pair, pairs_of, widths
from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layers import Biases, Feedback, LayerCells, LayerDiodes
from eqcirc.circuit.neuron import LayerNeurons
from eqcirc.devices import BentLaw, Bounds
from eqcirc.devices.conductance import HIGHEST, LOWEST
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray

Weights = Literal["conductance", "signed", "dual_rail", "one_way", "predictive"]

BOUNDS = Bounds(1e-7, 1e-5)  # S
CAPACITANCE = 1e-12
"""F. Of values and of what cells drive in predictive networks: errors without one follow at once, so the circuit goes
down in energy. How much does not matter to where it comes to rest."""


@dataclass(frozen=True)
class Layered:
    """What to build; `build` makes the circuit. Defaults are those of [network] in an experiment file.

    Attributes:
        hidden: number of nodes of each hidden layer, pairs of nodes for dual-rail weights.
        weights: "conductance"; "signed": couplings of either sign (`devices.signed`); "dual_rail": four resistors for
            each weight (`devices.dual_rail`), all nodes in pairs, inputs doubled, outputs differential; "one_way":
            transconductors (`devices.one_way`), whose nodes need a leak; "predictive": gyrators to error nodes
            (`devices.gyrator_crossbar`), whose leak is also what couples errors and values.
        feedback: of one-way weights; None for a feedforward network.
        cells: of all hidden layers, in place of the diodes; with one-way and predictive weights only.
        loaded: whether signed weights load their nodes; if not, the nodes need a leak or neurons.
        input_gain: volts at a driven node for a feature of one.
        double_inputs: drive a second node with −x for each feature, so that conductances can subtract; of no effect
            with other weights.
        biases: trainable offsets.
        diodes: nonlinearity, one for all hidden layers or one for each; None for a linear layer.
        neurons: of all hidden layers, in place of the diodes.
        gain: voltage gain of the amplifier behind every hidden node; None for no amplifiers.
        kappa: reverse current gain of the amplifiers; None for 1/gain.
        differential: read each output as the difference of two nodes; of no effect but with conductances.
        leak: conductance from every hidden and output node to ground, in siemens; 0 for none.
        skips: pairs (from, to) of layers that are not neighbours, joined by a further crossbar.
        residual: first value, in siemens, of trained conductances from node k of each hidden layer to node k of the
            next; all have one width. None for none.
        bounds: limits of trained conductances or signed weights, in siemens.
        initial: range that first values are drawn from, uniformly, in siemens; None for the bounds.
    """

    hidden: tuple[int, ...] = (64,)
    weights: Weights = "conductance"
    loaded: bool = True
    input_gain: float = 10.0
    double_inputs: bool = True
    biases: Biases = field(default_factory=Biases)
    feedback: Feedback | None = None
    cells: LayerCells | None = None
    diodes: LayerDiodes | tuple[LayerDiodes | None, ...] | None = field(default_factory=LayerDiodes)
    neurons: LayerNeurons | None = None
    gain: float | None = None
    kappa: float | None = None
    differential: bool = True
    leak: float = 0.0
    skips: tuple[tuple[int, int], ...] = ()
    residual: float | None = None
    bounds: Bounds = BOUNDS
    initial: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Take plain tuples and lists, and check each argument by itself."""
        object.__setattr__(self, "hidden", widths(self.hidden))
        skips = pairs_of("layers", "skips", self.skips).tolist()
        object.__setattr__(self, "skips", tuple((start, end) for start, end in skips))
        if isinstance(self.diodes, list):
            object.__setattr__(self, "diodes", tuple(self.diodes))
        made_of("biases", self.biases, Biases)
        if self.cells is not None:
            made_of("cells", self.cells, LayerCells)
        if self.feedback is not None:
            made_of("feedback", self.feedback, Feedback)
        if self.neurons is not None:
            made_of("neurons", self.neurons, LayerNeurons)
        for d in self.diodes if isinstance(self.diodes, tuple) else (self.diodes,):
            if d is not None:
                made_of("diodes", d, LayerDiodes)
        for name in ("input_gain", "gain", "kappa", "leak", "residual"):
            value = getattr(self, name)
            if value is not None or name in ("input_gain", "leak"):
                number(name, value, "a finite number")
        object.__setattr__(self, "bounds", Bounds(*pair("bounds", self.bounds)))
        if self.initial is not None:
            object.__setattr__(self, "initial", pair("initial", self.initial))
        one_of("weights", self.weights, get_args(Weights))

    def build(self, name: str, n_features: int, n_outputs: int, rng: np.random.Generator | int) -> Circuit:
        """Return the circuit with random initial conductances, drawn by a generator or from a seed.

        Raises:
            CircuitError: a value is out of range, or a skip connection joins layers that do not exist.
        """
        _check(self)
        return _Assembly(self, name, n_features, n_outputs, generator(rng)).circuit()


def _check(plan: Layered) -> None:
    """Raise `CircuitError` for what only shows when the parts are put together, or during training."""
    lower, upper = plan.bounds
    of_either_sign = plan.weights in ("signed", "one_way", "predictive")
    if of_either_sign and not -HIGHEST <= lower < 0 < upper <= HIGHEST:
        raise CircuitError(
            f"bounds {lower:g} to {upper:g} S: expected a range of signed weights around 0, such as "
            f"{-abs(upper):g} to {abs(upper):g} S, of up to {HIGHEST:g} S in magnitude"
        )
    if not of_either_sign and not LOWEST <= lower < upper <= HIGHEST:
        raise CircuitError(
            f"bounds {lower:g} to {upper:g} S: expected a range of conductances "
            f"between {LOWEST:g} and {HIGHEST:g} S"
        )
    low, high = plan.initial or plan.bounds
    if not lower <= low <= high <= upper:
        raise CircuitError(
            f"initial conductances {low:g} to {high:g} S: expected a range within the bounds "
            f"{lower:g} to {upper:g} S"
        )
    if isinstance(plan.diodes, tuple) and len(plan.diodes) != len(plan.hidden):
        raise CircuitError(
            f"diodes: expected one entry for each of {len(plan.hidden)} hidden layers, got {len(plan.diodes)}"
        )
    _check_residual(plan)
    if plan.weights == "predictive":
        _check_predictive(plan)
    elif plan.weights != "one_way" and (plan.feedback or plan.cells):
        raise CircuitError(
            f'feedback and cells need weights = "one_way", got {plan.weights!r}, which carry back what they carry forth'
        )
    if plan.cells is not None and plan.gain is not None:
        raise CircuitError("cells stand where amplifiers would; expected gain = None with them")
    last = len(plan.hidden) + 1
    for start, end in plan.skips:
        if not 0 <= start < end - 1 < last:
            raise CircuitError(
                f"skip connection from layer {start} to layer {end}: expected to pass over at least one "
                f"layer; layer 0 is the input, layer {last} the output"
            )


def _check_predictive(plan: Layered) -> None:
    if plan.leak <= 0 or (plan.hidden and plan.cells is None):
        raise CircuitError(
            'weights = "predictive": expected a leak, the conductance of the errors (such as 1e-4 S), and cells in '
            f"hidden layers, got leak = {plan.leak:g} S and cells = {plan.cells}"
        )
    for name in ("feedback", "neurons", "residual"):
        if getattr(plan, name) is not None:
            raise CircuitError(f'weights = "predictive" carry errors back; expected {name} = None with them')


def _check_residual(plan: Layered) -> None:
    if plan.residual is None:
        return
    if len(plan.hidden) < 2 or len(set(plan.hidden)) > 1:
        raise CircuitError(
            f"residual: expected at least two hidden layers of one width, got {list(plan.hidden)}"
        )
    limits = _positive(plan.bounds)
    if not limits.lower <= plan.residual <= limits.upper:
        raise CircuitError(
            f"residual {plan.residual:g} S: expected a conductance within the bounds "
            f"{limits.lower:g} to {limits.upper:g} S"
        )


def _positive(bounds: Bounds) -> Bounds:
    """Return bounds for conductances: signed weights may have others."""
    return Bounds(max(LOWEST, bounds.lower), bounds.upper)


class _Assembly:
    """Builds one layered circuit."""

    def __init__(
        self, plan: Layered, name: str, n_features: int, n_outputs: int, rng: np.random.Generator
    ) -> None:
        self.plan, self.rng, self.b = plan, rng, CircuitBuilder(name)
        self.n_features, self.n_outputs = n_features, n_outputs
        self.rails = self._bias_rails()
        self._sums: dict[int, NodeArray] = {}  # nodes of hidden layers, in front of what bends

    def circuit(self) -> Circuit:
        plan, last = self.plan, len(self.plan.hidden) + 1
        senders = {0: self._inputs()}  # nodes that a layer presents to later ones
        for layer, size in enumerate(plan.hidden, start=1):
            nodes = self._sums[layer] = self._nodes(f"h{layer}", size)
            self._feed(layer, nodes, senders)
            if plan.residual is not None and layer > 1:
                self.b.conductance(
                    f"res{layer - 1}",
                    senders[layer - 1],
                    nodes,
                    plan.residual,
                    trainable=True,
                    bounds=_positive(plan.bounds),
                )
            if plan.cells is not None:
                nodes = self._cells(layer, nodes, plan.cells)
            elif plan.neurons is None:
                self._diodes(layer, nodes)
            else:
                plan.neurons.add(self.b, f"n{layer}", nodes, 2 if plan.weights == "dual_rail" else 1)
            senders[layer] = self._amplified(layer, nodes)
            self._tied(layer, senders[layer])
        outputs, negative = self._outputs()
        both = outputs if negative is None else np.concatenate([outputs, negative])
        self._feed(last, both, senders)
        self._tied(last, both)
        return self.b.build(outputs, negative)

    def _inputs(self) -> NodeArray:
        gain = self.plan.input_gain
        x = self.b.input("x", self.n_features, gain=gain)
        if not self._both_signs(self.plan.double_inputs):
            return x
        return np.concatenate([x, self.b.input("xn", self.n_features, gain=-gain)])

    def _both_signs(self, wanted: bool) -> bool:
        """Whether there is a node of either sign: always with dual rails, never with signed weights."""
        return self.plan.weights == "dual_rail" or (self.plan.weights == "conductance" and wanted)

    def _nodes(self, name: str, size: int) -> NodeArray:
        """Add the nodes of a hidden layer; with dual rails the + nodes and then the − nodes."""
        nodes = self.b.nodes(name, size)
        if self.plan.weights != "dual_rail":
            return nodes
        return np.concatenate([nodes, self.b.nodes(f"{name}n", size)])

    def _outputs(self) -> tuple[NodeArray, NodeArray | None]:
        if not self._both_signs(self.plan.differential):
            return self.b.nodes("o", self.n_outputs), None
        return self.b.nodes("op", self.n_outputs), self.b.nodes("on", self.n_outputs)

    def _bias_rails(self) -> NodeArray:
        if self.plan.biases.kind != "rail":
            return np.empty(0, np.intp)
        v = self.plan.biases.voltage
        positive = self.b.rail("biasp", v)
        return np.concatenate([positive, self.b.rail("biasn", -v)]) if self._both_signs(True) else positive

    def _random(self, *shape: int) -> Array:
        low, high = self.plan.initial or self.plan.bounds
        return self.rng.uniform(low, high, shape)

    def _crossbar(self, name: str, rows: NodeArray, columns: NodeArray) -> None:
        m, n, bounds = len(rows), len(columns), self.plan.bounds
        if self.plan.weights == "conductance":
            self.b.crossbar(name, rows, columns, self._random(m, n), bounds=bounds)
        elif self.plan.weights == "signed":
            loaded = self.plan.loaded
            self.b.signed_crossbar(name, rows, columns, self._random(m, n), loaded=loaded, bounds=bounds)
        elif self.plan.weights == "one_way":
            self._one_way(name, rows, columns)
        elif self.plan.weights == "predictive":
            self.b.gyrator_crossbar(name, rows, columns, self._random(m, n), bounds=bounds)
        else:
            self.b.dual_rail_crossbar(name, rows, columns, self._random(2, m // 2, n // 2), bounds=bounds)

    def _one_way(self, name: str, rows: NodeArray, columns: NodeArray) -> None:
        """Add transconductors forth, and back to rows that no source holds; values beyond the bounds are cut."""
        feedback, bounds = self.plan.feedback, self.plan.bounds
        forth = self._random(len(rows), len(columns))
        tied = feedback is not None and feedback.kind == "tied"  # they come back from behind the cells
        if feedback is None or tied or not name.startswith("w") or name == "w1":
            self.b.one_way_crossbar(name, rows, columns, forth, bounds=bounds)
            return
        forth, back = (np.clip(x, *bounds) for x in feedback.weights(forth, self._random(*forth.shape)))
        self.b.one_way_crossbar(name, rows, columns, forth, bounds=bounds)
        self.b.one_way_crossbar(f"back{name.removeprefix('w')}", columns, rows, back.T, bounds=bounds)

    def _tied(self, layer: int, senders: NodeArray) -> None:
        """Lead what a layer presents back to the sums of the layer before it, by tied weights."""
        feedback = self.plan.feedback
        if feedback is not None and feedback.kind == "tied" and layer > 1:
            sums = self._sums[layer - 1]
            self.b.returning_crossbar(f"back{layer}", f"w{layer}", sums, senders, feedback.strength)

    def _cells(self, layer: int, sums: NodeArray, cells: LayerCells) -> NodeArray:
        """Add cells behind the sums of a layer, and return the nodes that they drive."""
        nodes = self._nodes(f"y{layer}", len(sums))
        if self.plan.weights == "predictive":
            law = cast(BentLaw, cells.law)  # the source refuses any other
            self.b.bidirectional_source(f"c{layer}", sums, nodes, law, cells.load)
            self.b.capacitor(f"hold{layer}", nodes, GROUND, CAPACITANCE)
            return nodes
        self.b.cell(f"c{layer}", (GROUND, nodes), (sums, GROUND), cells.law)
        self.b.conductance(f"load{layer}", nodes, GROUND, cells.load)
        return nodes

    def _feed(self, layer: int, nodes: NodeArray, senders: dict[int, NodeArray]) -> None:
        """Connect a layer to the one before it, to its skip connections and to its bias."""
        if self.plan.weights == "predictive":
            nodes = self._errors(layer, nodes)
        self._crossbar(f"w{layer}", senders[layer - 1], nodes)
        for start, end in self.plan.skips:
            if end == layer:
                self._crossbar(f"skip{start}to{end}", senders[start], nodes)
        if self.plan.biases.kind == "rail":
            self._crossbar(f"b{layer}", self.rails, nodes)
        elif self.plan.biases.kind == "current":
            limit = self.plan.biases.current
            self.b.current_source(f"b{layer}", nodes, 0.0, trainable=True, bounds=Bounds(-limit, limit))
        if self.plan.leak:
            self.b.conductance(f"leak{layer}", nodes, GROUND, self.plan.leak)

    def _errors(self, layer: int, values: NodeArray) -> NodeArray:
        """Add errors to values, and return them: what predicts values flows into errors."""
        errors = self._nodes(f"e{layer}", len(values))
        self.b.gyrator(f"err{layer}", errors, values, self.plan.leak)
        self.b.capacitor(f"store{layer}", values, GROUND, CAPACITANCE)
        return errors

    def _diodes(self, layer: int, nodes: NodeArray) -> None:
        d = self.plan.diodes[layer - 1] if isinstance(self.plan.diodes, tuple) else self.plan.diodes
        if d is None:
            return
        high, low = self._rail(f"dp{layer}", d.rail), self._rail(f"dn{layer}", -d.rail)
        above = below = nodes
        if d.kind == "one_sided":
            half = len(nodes) // 2
            if half == 0:
                raise CircuitError(
                    f"hidden layer {layer}: one_sided diodes need at least 2 nodes, an excitatory and an "
                    "inhibitory one"
                )
            above, below = nodes[half:], nodes[:half]
        self.b.device(f"up{layer}", above, high, d.law)
        self.b.device(f"down{layer}", low, below, d.law)

    def _rail(self, name: str, voltage: float) -> NodeArray | int:
        return self.b.rail(name, voltage) if voltage else GROUND

    def _amplified(self, layer: int, nodes: NodeArray) -> NodeArray:
        if self.plan.gain is None:
            return nodes
        outputs = self._nodes(f"y{layer}", self.plan.hidden[layer - 1])
        self.b.amplifier(f"a{layer}", nodes, outputs, self.plan.gain, self.plan.kappa)
        return outputs
