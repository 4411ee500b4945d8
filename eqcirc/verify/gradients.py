"""Reference gradients, to hold Equilibrium Propagation against.

    adjoint             Jᵀ·lam = −dC/dv at the free state,  dC/dtheta = lam·dF/dtheta
    finite differences  [8·(C(+h) − C(−h)) − (C(+2h) − C(−2h))]/(12·h), by solving the circuit anew

Both are exact up to rounding (and h⁴), need no symmetry, and share no step with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.costs import Cost
from eqcirc.devices import Element, SignedCrossbar
from eqcirc.errors import CircuitError
from eqcirc.learning.rule import Rule
from eqcirc.solvers.base import Solver
from eqcirc.solvers.equations import Equations
from eqcirc.typing import Array, Parameters

STEP = 1e-3  # of the parameter, to begin with
TYPICAL = 1e-3  # A or S: what a value without bounds may be worth, if it is less
MOVE = 1e-3
"""V. The parameter's step is made smaller until no node moves further between its ends. That is little against the
26 mV of a diode, so that the formula's error (fourth order) is small, and much against the rounding of a solver."""

Entry = tuple[str, tuple[int, ...]]
"""An element name and an index into its values."""


def adjoint_gradient(
    circuit: Circuit, parameters: Parameters, inputs: Array, targets: Array, cost: Cost, free: Array
) -> dict[str, Array]:
    """Return dC/dvalue of every trainable element, averaged over samples.

    Args:
        circuit: the circuit; it need not be symmetrizable.
        parameters: values by element name.
        inputs: (batch, n_features).
        targets: (batch, n_outputs).
        cost: the cost.
        free: (batch, node) voltages of the free phase, from any solver.
    """
    return sent_back(circuit, parameters, inputs, cost.gradient(circuit.readout.read(free), targets), free)


def sent_back(
    circuit: Circuit, parameters: Parameters, inputs: Array, errors: Array, free: Array
) -> dict[str, Array]:
    """Return the same for a cost whose derivatives by the outputs are `errors` (batch, n_outputs)."""
    plan = Reduction(circuit)
    equations = Equations(ReducedSystem(plan, parameters), circuit.fixed_voltages(inputs))
    nodes = circuit.free_nodes
    u = plan.collect(free)
    readout = circuit.readout
    pull = readout.spread(errors) * plan.voltage[readout.nodes]
    rhs = np.zeros_like(u)
    for k in np.flatnonzero(circuit.is_free[readout.nodes]):
        rhs[:, plan.unknown[readout.nodes[k]]] -= pull[:, k]
    transposed = equations.jacobian(u).transpose(0, 2, 1)
    reduced = np.linalg.solve(transposed, rhs[:, :, None])[:, :, 0]
    lam = np.zeros_like(free)
    lam[:, nodes] = reduced[:, plan.unknown[nodes]] * plan.current[nodes]
    values = circuit.values(parameters)
    found = circuit.summed(lambda e: e.sensitivity(values[e.name], lam / len(free), free))
    return circuit.chained(found, parameters)


def descended_gradient(
    rule: Rule, ideal: Solver, parameters: Parameters, inputs: Array, targets: Array, free: Array
) -> dict[str, Array] | None:
    """Return the gradient of what a rule descends, be it the cost or not, in the limit of a small beta.

    None where no formula is known. Arguments as those of `adjoint_gradient`; `ideal` is a solver of the rule's circuit.
    """
    errors = rule.output_errors(ideal, parameters, inputs, targets, free)
    return None if errors is None else sent_back(rule.circuit, parameters, inputs, errors, free)


def finite_differences(
    solver: Solver,
    parameters: Parameters,
    inputs: Array,
    targets: Array,
    cost: Cost,
    entries: Sequence[Entry],
) -> Array:
    """Return dC/dvalue at some entries, averaged over samples, by central differences of fourth order.

    What is programmed in levels moves as if they were dense: differences would see steps or nothing.

    Raises:
        SolverError: a sample did not converge.
    """
    circuit, parameters = _without_steps(solver.circuit, parameters)
    solver = solver if circuit is solver.circuit else solver.on(circuit)
    gradient = np.empty(len(entries))
    for k, (name, index) in enumerate(entries):
        h = _first_step(solver.circuit.element(name), abs(float(parameters[name][index])))
        points = _stencil(solver, parameters, inputs, name, index, h)
        while np.abs(points[2] - points[-2]).max() > MOVE:
            h /= 4
            points = _stencil(solver, parameters, inputs, name, index, h)
        c = {m: cost.value(solver.circuit.readout.read(v), targets).mean() for m, v in points.items()}
        gradient[k] = (8 * (c[1] - c[-1]) - (c[2] - c[-2])) / (12 * h)
    return gradient


def _without_steps(circuit: Circuit, parameters: Parameters) -> tuple[Circuit, Parameters]:
    """Return a circuit with the same values and slopes, in which small changes of what is asked for are seen."""
    asked, elements = dict(parameters), []
    for element in circuit.elements:
        at, programming = asked.get(element.name, element.value), element.programming
        if programming is None or element.share is not None or not programming.steps(at):
            elements.append(element)
            continue
        smooth, asked[element.name] = programming.smooth(at)
        elements.append(replace(element, programming=smooth))
    changed = any(a is not b for a, b in zip(elements, circuit.elements, strict=True))
    return (replace(circuit, elements=tuple(elements)), asked) if changed else (circuit, parameters)


def _first_step(element: Element, size: float) -> float:
    """Return the step to begin with, of an entry of that magnitude."""
    if element.bounds.lower > 0:
        return STEP * size  # a conductance must stay positive
    # a current or a signed weight may be zero and then has no size of its own
    limit = max(map(abs, element.bounds))
    h = STEP * (limit if np.isfinite(limit) else max(size, TYPICAL))
    kink = isinstance(element, SignedCrossbar) and size > 0  # of the load |W|, at 0
    return min(h, size / 4) if kink else h


def _stencil(
    solver: Solver, parameters: Parameters, inputs: Array, name: str, index: tuple[int, ...], h: float
) -> dict[int, Array]:
    """Return free-phase voltages (batch, node) with one entry moved by −2h, −h, h and 2h."""
    points = {}
    for m in (-2, -1, 1, 2):
        moved = dict(parameters) | {name: parameters[name].copy()}
        moved[name][index] += m * h
        points[m] = solver.solve(moved, inputs).require().free
    return points


def random_entries(parameters: Parameters, count: int, rng: np.random.Generator) -> list[Entry]:
    """Return `count` entries, spread evenly over the elements.

    Raises:
        CircuitError: there are no elements.
    """
    names = sorted(parameters)
    if not names:
        raise CircuitError(
            "the circuit has nothing to train, so there is no gradient to check; make an element trainable"
        )
    entries = []
    for k in range(count):
        name = names[k % len(names)]
        index = tuple(int(rng.integers(n)) for n in parameters[name].shape)
        entries.append((name, index))
    return entries


def relative_error(estimate: Array, reference: Array) -> float:
    """Return |estimate − reference| / |reference| in the Euclidean norm."""
    return float(np.linalg.norm(estimate - reference)) / max(float(np.linalg.norm(reference)), 1e-300)
