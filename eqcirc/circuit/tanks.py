"""Coupled LC oscillators: an oscillator network at the level of its elements, and the phase circuit that it stands for.

    every node   coil L, capacitor C, device −g1·(v − v³/(3·v0²)); A = 2·v0·√(1 − G/g1), G the load on the node
    coupling     g > 0: a resistor g between two nodes; g < 0: a pair of transconductors and |g| to ground at both,
                 so that a coupling loads its nodes with |g|; a trimming load makes all G equal, and so all amplitudes
    bias         current I·cos(ωt) into the node
    injection    current s·v·cos(2ωt) into the node: the second harmonic

With v_i = A·cos(ωt + φ_i), and averaged over a cycle, phases follow the phase circuit (`devices.phases`) with 1 F and

    J_ij = g_ij/(2·C),     h_i = I_i/(2·A·C),     K_i = s_i/(4·C)          (in 1/s, or A),

so that the difference of two coupled phases dies out at the rate g/C. Left out of that: amplitudes bend with the phases
by about g/g1, and the frequency is lower than 1/√(LC) by (g1/ωC)²/16, which all oscillators have in common.

Source: Adler 1946 (Proc. IRE 34, 351), injection locking; Wang & Roychowdhury 2019 (arXiv 1903.07163), injection at 2ω;
van der Pol 1926, the amplitude.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import CubicDevice
from eqcirc.devices.base import in_range, number
from eqcirc.errors import CircuitError
from eqcirc.typing import Array

WEAKEST = 1e-12  # S; a coupling below it is none


@dataclass(frozen=True, eq=False)
class Tanks:
    """What to build.

    Attributes:
        coupling: (n, n) symmetric couplings g in siemens, of either sign; the diagonal counts for nothing.
        bias: (n,) amplitude I of the injected current at ω in amperes, of either sign.
        injection: (n,) transconductance s in siemens that the second harmonic modulates.
        frequency: of the tanks in Hz, 1/(2π·√(LC)).
        capacitance: C in farads.
        g1: conductance at 0 V of the device that feeds a tank is −g1, in siemens.
        v0: voltage around which that device bends.
        driven: frequency of bias and injection in Hz; None for `running`.
    """

    coupling: Array
    bias: Array
    injection: Array
    frequency: float = 1e6
    capacitance: float = 1e-9
    g1: float = 3e-4
    v0: float = 0.5
    driven: float | None = None

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        n = len(self.bias)
        if self.coupling.shape != (n, n) or self.injection.shape != (n,) or n < 1:
            raise CircuitError(
                f"tanks: expected couplings (n, n), biases (n,) and injections (n,), got {self.coupling.shape}, "
                f"{self.bias.shape} and {self.injection.shape}"
            )
        if not np.array_equal(self.coupling, self.coupling.T):
            raise CircuitError("tanks: expected symmetric couplings: what goes from a to b goes from b to a")
        in_range("tanks", "frequency", self.frequency, 1e-3, 1e12, "Hz")
        in_range("tanks", "capacitance", self.capacitance, 1e-18, 1.0, "F")
        in_range("tanks", "g1", self.g1, 1e-12, 1e3, "S")
        if not self.load < self.g1:
            raise CircuitError(
                f"tanks: couplings load a node with {self.load:g} S, and the device feeds it with g1 = {self.g1:g} S: "
                "nothing would oscillate; expected weaker couplings, or a larger g1"
            )

    @cached_property
    def between(self) -> Array:
        """(n, n) couplings, zero on the diagonal."""
        g = self.coupling.copy()
        np.fill_diagonal(g, 0.0)
        return np.where(np.abs(g) > WEAKEST, g, 0.0)

    @property
    def load(self) -> float:
        """Load on every node in siemens, by couplings and trimming."""
        return float(np.abs(self.between).sum(axis=1).max())

    @property
    def amplitude(self) -> float:
        """A in volts."""
        return 2 * self.v0 * math.sqrt(1 - self.load / self.g1)

    @property
    def inductance(self) -> float:
        """L in henries."""
        return 1 / ((2 * math.pi * self.frequency) ** 2 * self.capacitance)

    @property
    def running(self) -> float:
        """Frequency in Hz at which tanks by themselves run, but for the fourth order of g1/ωC."""
        w, fed = 2 * math.pi * self.frequency * self.capacitance, self.g1 - self.load
        return float(self.frequency * (1 - (fed / w) ** 2 / 16))

    @property
    def reference(self) -> float:
        """Frequency in Hz of bias and injection, against which phases are read."""
        return self.running if self.driven is None else self.driven

    def build(self, name: str) -> Circuit:
        """Return the circuit, without what drives it (`drives`); its outputs are all nodes, v_0 and so on."""
        b, n = CircuitBuilder(name), len(self.bias)
        v = b.nodes("v", n)
        b.device("feed", v, GROUND, CubicDevice(self.g1, self.v0))
        b.capacitor("tank", v, GROUND, self.capacitance)
        b.rl_branches("coil", v, GROUND, 0.0, self.inductance)
        here, there = np.nonzero(np.triu(self.between, 1))
        g = self.between[here, there]
        plus, minus = g > 0, g < 0
        if plus.any():
            b.conductance("join", v[here[plus]], v[there[plus]], g[plus])
        if minus.any():
            a, c, size = v[here[minus]], v[there[minus]], -g[minus]
            b.transconductor("forth", (c, GROUND), (a, GROUND), size)
            b.transconductor("back", (a, GROUND), (c, GROUND), size)
        # resistors that join load both ends; transconductors load none
        missing = self.load - np.where(self.between > 0, self.between, 0.0).sum(axis=1)
        some = missing > WEAKEST
        if some.any():
            b.conductance("trim", v[some], GROUND, missing[some])
        return b.build(v)

    def drives(self) -> list[str]:
        """Return SPICE lines of the injected currents, whose phase 0 is that of cos(ωt) at time 0."""
        turn, lines = number(2 * math.pi * self.reference), []
        for k, (i, s) in enumerate(zip(self.bias.tolist(), self.injection.tolist(), strict=True)):
            if i:
                lines.append(f"b_eq_bias{k} 0 v_{k} i={number(i)}*cos({turn}*time)")
            if s:
                lines.append(f"b_eq_second{k} 0 v_{k} i={number(s)}*v(v_{k})*cos(2*{turn}*time)")
        return lines

    def start(self, phases: Array) -> tuple[Array, Array]:
        """Return node voltages (node,), ground first, and coil currents (n,) of oscillators at `phases` (n,)."""
        volts = self.amplitude * np.cos(phases)
        amperes = self.amplitude / (2 * math.pi * self.frequency * self.inductance) * np.sin(phases)
        return np.concatenate([[0.0], volts]), amperes

    def phase_circuit(self, name: str) -> Circuit:
        """Return the phase circuit; seconds are those of the tanks, values in amperes are rates in 1/s over 1 F."""
        b, n = CircuitBuilder(name), len(self.bias)
        phi = b.nodes("v", n)
        here, there = np.nonzero(np.triu(self.between, 1))
        if here.size:
            rate = self.between[here, there] / (2 * self.capacitance)
            b.phase_device("join", phi[here], self._unit * rate, to=phi[there])
        for label, value, harmonic in (
            ("bias", self.bias / (2 * self.amplitude * self.capacitance), 1),
            ("second", self.injection / (4 * self.capacitance), 2),
        ):
            some = value != 0
            if some.any():
                b.phase_device(label, phi[some], self._unit * value[some], harmonic=harmonic)
        b.capacitor("phase", phi, GROUND, self._unit)
        return b.build(phi)

    @cached_property
    def _unit(self) -> float:
        """Farads at every phase: as many as bring the strongest rate to 1 A, far within the range of values."""
        rates = [
            np.abs(self.between).max(initial=0.0) / (2 * self.capacitance),
            np.abs(self.bias).max() / (2 * self.amplitude * self.capacitance),
            np.abs(self.injection).max() / (4 * self.capacitance),
        ]
        return 1 / max(1.0, *map(float, rates))
