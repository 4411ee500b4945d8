"""Oscillator Ising machines in layers, as phase circuits: a node is an oscillator, its voltage the phase in radians.

    inputs ──w1── h1 ──w2── h2 ── … ── outputs          b<l>: h·sin φ, k<l>: K·sin 2φ, 1 F at every node
             b1,k1 ┘       b2,k2 ┘

Layer 0 are the inputs, whose features multiply their couplings; the others are coupled in layers. Names: couplings
w<l> into layer l, biases b<l>, second harmonics k<l>, capacitors c<l>, nodes h<l>, outputs o. A network starts with all
phases at π/2, where cosines of either sign are as near (`quadrature`), and an output o names its class by cos o.

Hidden oscillators without injection (K = 0) turn to where inputs and outputs pull them, a smooth function. K < 0 at the
outputs holds them near π/2, so that they feel the nudge: at 0 and π its force is zero.

Source: Gower 2025 (arXiv 2505.02103).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from eqcirc.circuit.arguments import generator, number, pair, widths
from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Bounds
from eqcirc.devices.phases import LARGEST
from eqcirc.errors import CircuitError
from eqcirc.solvers.free_phase import InitialState
from eqcirc.typing import NodeArray

BOUNDS = Bounds(-2.0, 2.0)  # A
QUADRATURE = math.pi / 2  # rad, or V
CAPACITANCE = 1.0  # F: with it, seconds are those of the averaged equation


@dataclass(frozen=True)
class Oscillators:
    """What to build; `build` makes the circuit. Defaults are those of [network] in an experiment file.

    Attributes:
        hidden: number of oscillators of each hidden layer.
        input_gain: volts at an input for a feature of one; a coupling counts as often.
        bounds: limits of all trained values, in amperes.
        initial: couplings of the inputs begin within ± this, in amperes.
        coupling: likewise the other ones.
        injection: first value of the second harmonic of hidden oscillators, in amperes.
        output_injection: likewise of the outputs.
        train_injection: whether learning may change the second harmonics.
    """

    hidden: tuple[int, ...] = (40,)
    input_gain: float = 1.0
    bounds: Bounds = BOUNDS
    initial: float = 0.05
    coupling: float = 0.1
    injection: float = 0.0
    output_injection: float = -0.5
    train_injection: bool = False

    def __post_init__(self) -> None:
        """Take plain tuples and lists, and check each argument by itself."""
        object.__setattr__(self, "hidden", widths(self.hidden))
        object.__setattr__(self, "bounds", Bounds(*pair("bounds", self.bounds)))
        lower, upper = self.bounds
        if not -LARGEST <= lower < upper <= LARGEST:
            raise CircuitError(
                f"bounds {lower:g} to {upper:g} A: expected a lower value, then a higher one, within ±{LARGEST:g} A"
            )
        for name in ("initial", "coupling", "injection", "output_injection", "input_gain"):
            number(name, getattr(self, name), "a finite number")
        for name in ("initial", "coupling"):
            value = getattr(self, name)
            if not 0 <= value <= min(-lower, upper):
                raise CircuitError(
                    f"{name} = {value:g} A: expected first couplings of both signs within the bounds "
                    f"{lower:g} to {upper:g} A"
                )
        if self.train_injection and not all(
            lower <= x <= upper for x in (self.injection, self.output_injection)
        ):
            raise CircuitError(
                f"injection = {self.injection:g} A, output_injection = {self.output_injection:g} A: expected trained "
                f"values within the bounds {lower:g} to {upper:g} A"
            )

    def build(self, name: str, n_features: int, n_outputs: int, rng: np.random.Generator | int) -> Circuit:
        """Return the circuit with random initial couplings, drawn by a generator or from a seed.

        Raises:
            CircuitError: a value is out of range.
        """
        b, draws = CircuitBuilder(name), generator(rng)
        before, nodes = b.input("x", n_features, gain=self.input_gain), np.empty(0, np.intp)
        last = len(self.hidden) + 1
        for layer, size in enumerate((*self.hidden, n_outputs), start=1):
            nodes = b.nodes("o" if layer == last else f"h{layer}", size)
            most = self.initial if layer == 1 else self.coupling
            value = draws.uniform(-most, most, (len(before), size))
            join = b.phase_input if layer == 1 else b.phase_coupling
            join(f"w{layer}", before, nodes, value, bounds=self.bounds)
            self._finish(b, layer, nodes, self.output_injection if layer == last else self.injection)
            before = nodes
        return b.build(nodes)

    def _finish(self, b: CircuitBuilder, layer: int, nodes: NodeArray, injection: float) -> None:
        """Add biases, second harmonics and capacitors of a layer."""
        b.phase_device(f"b{layer}", nodes, 0.0, trainable=True, bounds=self.bounds)
        if injection or self.train_injection:
            b.phase_device(
                f"k{layer}",
                nodes,
                injection,
                harmonic=2,
                trainable=self.train_injection,
                bounds=self.bounds if self.train_injection else None,
            )
        b.capacitor(f"c{layer}", nodes, GROUND, CAPACITANCE)


def quadrature() -> InitialState:
    """Return the state that an oscillator network starts from: every phase at π/2."""
    return InitialState(everywhere=QUADRATURE)
