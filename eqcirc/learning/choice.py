"""Which learning rule is exact for a circuit, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.scaling import symmetry
from eqcirc.costs import Cost
from eqcirc.errors import ConfigError, SymmetryError, nearest
from eqcirc.learning.asym_ep import AsymEP
from eqcirc.learning.coupled import Coupled
from eqcirc.learning.dyadic import Dyadic
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.free_energy import OBJECTIVE, FreeEnergy, Thermal
from eqcirc.learning.free_energy_path import FreeEnergyPath
from eqcirc.learning.phases import PHASES, Variant
from eqcirc.learning.reading import Reading
from eqcirc.learning.rule import Rule
from eqcirc.learning.stoch_ep import OBJECTIVE as OBJECTIVE_OF_RATES
from eqcirc.learning.stoch_ep import StochEP
from eqcirc.learning.vector_field import VectorField
from eqcirc.solvers.ensemble import Bath
from eqcirc.solvers.spiking import Window
from eqcirc.typing import Array

Name = Literal[
    "auto",
    "eqprop",
    "asym_ep",
    "dyadic",
    "vector_field",
    "coupled",
    "free_energy",
    "free_energy_path",
    "stoch_ep",
]


@dataclass(frozen=True)
class Choice:
    """A rule for a circuit.

    Attributes:
        rule: the rule.
        exact: whether what it measures is the gradient of the cost, up to its beta.
        why: in one sentence.
    """

    rule: Rule
    exact: bool
    why: str


def choose_rule(
    circuit: Circuit,
    cost: Cost,
    beta: float,
    *,
    name: Name = "auto",
    variant: Variant = "centred",
    reading: Reading | None = None,
    seed: int = 0,
    force: bool = False,
    bath: Bath | None = None,
    window: Window | None = None,
) -> Choice:
    """Return a learning rule, by default the simplest one that is exact for the circuit.

    Args:
        circuit: the circuit.
        cost: what is minimised.
        beta: nudging strength, in siemens for the squared error and in amperes for the cross-entropy; for "coupled" the
            part of the way to the target.
        name: of the rule; "auto" for `EqProp` where a scaling exists, else `AsymEP`.
        variant: which phases are contrasted; `Dyadic` has one only.
        reading: how voltages are read.
        seed: of what is drawn.
        force: whether a rule may be one that does not measure the gradient.
        bath: of "free_energy" and "free_energy_path".
        window: of "stoch_ep".

    Raises:
        ConfigError: there is no such rule or variant.
        SymmetryError: the rule does not measure the gradient of this circuit; names the element that is the reason.
        CircuitError: an element that cannot be turned around, or has no image.
    """
    for what, word, valid in (("rule", name, get_args(Name)), ("variant", variant, tuple(PHASES))):
        if word not in valid:
            raise ConfigError(f"unknown {what} {word!r}: {nearest(str(word), valid)}")
    if window is not None and name != "stoch_ep":
        raise ConfigError(
            f"a window ([learning.window]) does nothing with rule {name!r}; leave it out, or take stoch_ep"
        )
    thermal = {"free_energy": FreeEnergy, "free_energy_path": FreeEnergyPath}.get(name)
    if thermal is not None:
        choice = _thermal(thermal(circuit, cost, beta, _needed(bath)), reading)
    elif bath is not None:
        raise ConfigError(
            f"a bath ([learning.bath]) does nothing with rule {name!r}; leave it out, or take free_energy or "
            "free_energy_path"
        )
    elif name == "stoch_ep":
        choice = _spiking(StochEP(circuit, cost, beta, window or Window(), variant), reading)
    else:
        choice = _choice(circuit, cost, beta, name, variant, force)
    rule = choice.rule.with_reading(reading, seed)
    return Choice(rule, choice.exact, choice.why)


def _choice(circuit: Circuit, cost: Cost, beta: float, name: Name, variant: Variant, force: bool) -> Choice:
    if name == "coupled":
        rule = Coupled(circuit, cost, beta, variant)
        return Choice(rule, False, f"coupled learning descends an objective of its own, {rule.objective}")
    reason = _obstacle(circuit)
    if name == "dyadic":
        why = "Dyadic EP is exact for every circuit whose devices have an image, whatever beta"
        return Choice(Dyadic(circuit, cost, beta), True, why)
    if name == "asym_ep" or (name == "auto" and reason):
        why = reason.reason if reason else "a scaling s exists, so AsymEP is Equilibrium Propagation"
        return Choice(AsymEP(circuit, cost, beta, variant), True, f"{why}: AsymEP is exact up to its beta")
    if name != "vector_field" and not reason:
        why = "a scaling s makes the Jacobian symmetric: Equilibrium Propagation is exact up to its beta"
        return Choice(EqProp(circuit, cost, beta, variant), True, why)
    if not force:
        advice = 'use rule = "auto", "asym_ep" or "dyadic", or force it (learning.force = true, --force)'
        if reason:
            raise SymmetryError(reason.reason, f": {name} would not measure the gradient; {advice}")
        raise SymmetryError("a vector field knows no scaling s", f", and is for comparison; {advice}")
    why = reason.reason if reason else "it knows no scaling s"
    return Choice(
        VectorField(circuit, cost, beta, variant), False, f"{why}: a vector field measures no gradient"
    )


def _needed(bath: Bath | None) -> Bath:
    if bath is None:
        raise ConfigError(
            "rules of finite temperature need a bath: [learning.bath] with a temperature in watts, for example 1e-9"
        )
    return bath


def _thermal(rule: Thermal, reading: Reading | None) -> Choice:
    if reading is not None:
        raise ConfigError(
            "[learning.reading] is of rules that read operating points; a bath has noise of its own"
        )
    why = (
        f"in a bath of {rule.bath.temperature:g} W, {rule.name} is the gradient of {OBJECTIVE}, at any beta; that is "
        "not the cost at the operating point, and the Johnson noise of the resistors would be the wrong noise for it"
    )
    return Choice(rule, False, why)


def _spiking(rule: StochEP, reading: Reading | None) -> Choice:
    if reading is not None:
        raise ConfigError(
            "[learning.reading] is of rules that read operating points; rates have noise of their own"
        )
    why = (
        f"comparators with noise spike, and {rule.name} contrasts rates: the gradient of {OBJECTIVE_OF_RATES}; here "
        f"N = {rule.window.memory:g}, and windows of {rule.window.decisions} decisions leave noise"
    )
    return Choice(rule, False, why)


def _obstacle(circuit: Circuit) -> SymmetryError | None:
    """Return why the circuit has no scaling, or will have none when its values are trained."""
    try:
        symmetry(circuit)
        if circuit.scaling_varies:
            symmetry(circuit, _moved(circuit))
    except SymmetryError as error:
        return error
    return None


def _moved(circuit: Circuit) -> dict[str, Array]:
    """Return trained values as training may leave them: each moved by itself."""
    rng = np.random.default_rng(0)
    moved = {}
    for element in circuit.trainable:
        value = element.value * rng.uniform(0.7, 1.4, element.value.shape)
        moved[element.name] = np.clip(value, *element.bounds)
    return moved
