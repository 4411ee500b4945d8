"""Circuits of the package put before the independent referee (`oracle`): its operating points and gradients.

Node k stays node k, and the parts of an element keep the order of its values. `translate` goes the other way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from oracle.description import (
    Amplifier,
    Branch,
    Capacitor,
    Cubic,
    Description,
    Diode,
    Esaki,
    Gyrator,
    Input,
    Part,
    Resistor,
    Shared,
    Source,
)
from oracle.gradient import CrossEntropy, SquaredError, gradient
from oracle.solve import from_start, operating_point

from eqcirc import Circuit, EqProp, SoftmaxCrossEntropy, devices
from eqcirc.costs import Cost
from eqcirc.devices import CubicDevice, Element, EsakiDiode, ShockleyDiode
from eqcirc.solvers.base import Solver
from eqcirc.solvers.status import Status
from eqcirc.typing import Array, Parameters
from eqcirc.verify.gradients import relative_error

PRECISE = 1e-6  # relative error of a gradient


def describe(circuit: Circuit) -> Description:
    """Describe the circuit at its own values; every part is in the group of its element's name.

    Raises:
        TypeError: an element that has no counterpart here.
    """
    x, read = circuit.inputs, circuit.readout
    rows = zip(x.node.tolist(), x.feature.tolist(), x.gain.tolist(), x.offset.tolist(), strict=True)
    weights = np.zeros((read.n_outputs, circuit.n_nodes))
    weights[:, read.nodes] = read.weights.toarray()
    return Description(
        n_nodes=circuit.n_nodes,
        rails={int(rail.node): float(rail.voltage) for rail in circuit.rails},
        inputs=tuple(Input(*row) for row in rows),
        current_inputs=(),
        parts=tuple(part for element in circuit.elements for part in _parts(element)),
        weights=weights,
    )


@dataclass(frozen=True)
class Referee:
    """What the referee says of a batch.

    Attributes:
        voltages: (batch, node) of the free phase.
        places: of each element, places of its flattened values.
        values: of each element, what stands there.
        slopes: of each element, dC/dvalue there, averaged over the batch.
    """

    voltages: Array
    places: dict[str, np.ndarray]
    values: list[Array]
    slopes: list[Array]

    def errors(self, gradient: Parameters) -> list[float]:
        """Return the relative error of each element's part of a gradient, in the Euclidean norm."""
        return [relative_error(*pair) for pair in zip(self._of(gradient), self.slopes, strict=True)]

    def error(self, gradient: Parameters) -> float:
        """Return that of all elements as value·dC/dvalue, so that siemens, amperes and areas count alike."""
        return self.distance(self._of(gradient), self.slopes)

    def bias(self, whole: Parameters, half: Parameters) -> float:
        """Return the error that is left in a centred estimate, from one with half of its beta: without the truth."""
        return self.distance(self._of(whole), self._of(half)) * 4 / 3

    def distance(self, some: list[Array], other: list[Array]) -> float:
        """Return the length of a difference of gradients, as a part of the gradient."""
        values, slopes, difference = (
            np.concatenate(x)
            for x in (self.values, self.slopes, [a - b for a, b in zip(some, other, strict=True)])
        )
        return float(np.linalg.norm(values * difference) / np.linalg.norm(values * slopes))

    def _of(self, gradient: Parameters) -> list[Array]:
        return [gradient[name].ravel()[some] for name, some in self.places.items()]


@dataclass(frozen=True)
class Trial:
    """What became of one sample at one beta.

    Attributes:
        beta: the nudging strength.
        status: name of the status.
        error: of the gradient, relative, whatever the status says; infinite without nudged states.
        bias: what halving beta shows of it.
        noise: what the solver says of rounding.
        nonlinearity: what the solver says of the distance to the linear response.
    """

    beta: float
    status: str
    error: float
    bias: float
    noise: float
    nonlinearity: float

    @property
    def accepted(self) -> bool:
        """Whether the solver calls it good."""
        return self.status == Status.CONVERGED.name

    @property
    def allowed(self) -> float:
        """By how much it may be off, as far as can be known without the referee; see `referee.allowance`."""
        return PRECISE + 3 * self.bias + 10 * self.noise

    @property
    def facts(self) -> dict[str, Any]:
        """All of it by name, for a file; JSON knows no infinity."""
        return vars(self) | {"error": self.error if np.isfinite(self.error) else None}


def trials(
    solver: Solver, rule: EqProp, inputs: Array, targets: Array, referees: Sequence[Referee]
) -> list[Trial]:
    """Try a rule on a batch, each sample with a referee of its own."""
    rules = rule, rule.with_beta(rule.beta / 2)
    found = [solver.solve(None, inputs, r.nudge(targets, None)) for r in rules]
    rows = []
    for k, referee in enumerate(referees):
        taken = [replace(p.take(np.array([k])), status=np.zeros(1, np.int8)) for p in found]
        whole, half = (r.gradient(p, None) for r, p in zip(rules, taken, strict=True))
        told = (float(x[k]) for x in (found[0].noise, found[0].nonlinearity) if x is not None)
        status = Status(int(found[0].status[k])).name
        error = np.nan_to_num(referee.error(whole), nan=np.inf)
        rows.append(Trial(rule.beta, status, float(error), referee.bias(whole, half), *told))
    return rows


def ask(
    circuit: Circuit,
    cost: Cost,
    inputs: Array,
    targets: Array,
    places: dict[str, np.ndarray],
    near: Array | None = None,
) -> Referee:
    """Ask for operating points, those next to voltages `near` (batch, node) if given, and for derivatives there."""
    description = describe(circuit)
    groups = [part.group for part in description.parts]
    parts = [groups.index(name) + k for name, some in places.items() for k in some.tolist()]
    voltages, slopes = [], np.zeros(len(parts))
    for k, (x, y) in enumerate(zip(inputs, targets.tolist(), strict=True)):
        found = operating_point(description, x) if near is None else from_start(description, x, near[k])
        if not found.converged:
            raise ArithmeticError(f"{circuit.name}, sample {k}: the referee finds no operating point")
        judged = CrossEntropy(y, cost.sharpness) if isinstance(cost, SoftmaxCrossEntropy) else SquaredError(y)
        slopes += gradient(description, x, found, judged, parts).values / len(inputs)
        voltages.append(np.asarray(found.voltages, float))
    cuts = np.cumsum([len(some) for some in places.values()])[:-1]
    values = np.array([description.parts[k].value for k in parts])
    return Referee(np.array(voltages), places, np.split(values, cuts), np.split(slopes, cuts))


def some_places(parameters: Parameters, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw places, as many of every element."""
    return {name: rng.choice(value.size, count) for name, value in parameters.items()}


def _parts(element: Element) -> Iterator[Part]:
    own: dict[str, Any] = {"group": element.name, "trainable": element.trainable}
    value = element.value
    match element:
        case devices.Crossbar():
            ends = np.meshgrid(element.rows, element.columns, indexing="ij")
            yield from (Resistor(*row, **own) for row in _rows(*ends, value))
        case devices.Conductance():
            yield from (Resistor(*row, **own) for row in _rows(element.a, element.b, value))
        case devices.TwoTerminal():
            kind, constants = _law(element.law)
            rows = _rows(element.anode, element.cathode, value)
            yield from (kind(*row, *constants, **own) for row in rows)
        case devices.Amplifier():
            rows = _rows(element.source, element.output, value)
            yield from (Amplifier(*row, element.kappa, **own) for row in rows)
        case devices.CurrentSource():
            yield from (Source(*row, **own) for row in _rows(element.node, value))
        case devices.Gyrator():
            rows = _rows(value, element.a, element.b, element.reference)
            yield from (Gyrator(*row, **own) for row in rows)
        case devices.Capacitor():
            yield from (Capacitor(*row, **own) for row in _rows(element.a, element.b, value))
        case devices.RLMesh():
            n = len(element.a)
            rows = _rows(value[:n], element.a, element.b, element.inductance)
            yield from (Branch(*row, **own) for row in rows)
            yield from (Shared(*row, **own) for row in _rows(value[n:], *element.shared.T))
        case _:
            raise TypeError(
                f"element {element.name!r}: the referee has no parts for {type(element).__name__}"
            )


def _rows(*columns: Array) -> Iterator[tuple[Any, ...]]:
    """Yield rows of plain numbers."""
    return zip(*(np.ravel(column).tolist() for column in columns), strict=True)


def _law(law: devices.Law) -> tuple[type[Part], tuple[float, ...]]:
    match law:
        case ShockleyDiode():
            return Diode, (law.saturation_current, law.emission)
        case CubicDevice():
            return Cubic, (law.g1, law.v0)
        case EsakiDiode():
            tunnel = law.peak_current, law.peak_voltage
            excess = law.excess_current, law.excess_slope, law.valley_voltage
            return Esaki, (*tunnel, *excess, law.saturation_current, law.slope_voltage, law.fall_exponent)
    raise TypeError(f"no part of the referee for {type(law).__name__}")
