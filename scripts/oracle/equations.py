"""Modified nodal analysis, part by part, in any arithmetic.

Unknowns z: the voltages of all nodes that are not held (outputs of amplifiers among them), then one current per
amplifier (what its output delivers into the rest of the circuit), then one current per branch.
Equations F(z) = 0: at each such node the sum of the currents that leave it; v_b - gain v_a per amplifier;
v_a - v_b - R i - shared per branch. Every current of a part enters one sum and leaves another as the same number, so
that Kirchhoff's law holds part by part however large the current is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from oracle.arithmetic import Arithmetic
from oracle.description import (
    JUNCTIONS,
    Amplifier,
    Branch,
    Capacitor,
    Coupling,
    Description,
    Gyrator,
    Input,
    Resistor,
    Shared,
    Source,
    Transconductor,
    Vector,
)
from oracle.laws import law

Slopes = Sequence[tuple[int, Any]]  # derivative of a current by an unknown; unknown -1 is a held node


class Circuit:
    """The equations of a description at one input; `share` scales all sources."""

    def __init__(self, description: Description, x: Vector, arithmetic: Arithmetic, share: float = 1.0):
        self.arithmetic, self.description = arithmetic, description
        self.parts = [arithmetic.part(part) for part in description.parts]
        number, scale = arithmetic.number, arithmetic.number(share)
        self.scale = scale
        self.held = {0: number(0.0)} | {
            node: number(volts) * scale for node, volts in description.rails.items()
        }
        self.injected: list[tuple[int, Any]] = []
        for table in (description.inputs, description.current_inputs):
            for entry in table:
                node, feature, gain, offset = Input(*entry)
                value = (number(gain) * number(x[feature]) + number(offset)) * scale
                if table is description.inputs:
                    self.held[node] = value
                else:
                    self.injected.append((node, value))
        self.free = [node for node in range(description.n_nodes) if node not in self.held]
        self.at = [-1] * description.n_nodes
        for k, node in enumerate(self.free):
            self.at[node] = k
        self.amplifiers = [part for part in self.parts if isinstance(part, Amplifier)]
        self.branches = [part for part in self.parts if isinstance(part, Branch)]
        self.junctions = [part for part in self.parts if isinstance(part, JUNCTIONS)]
        self.first_branch = len(self.free) + len(self.amplifiers)
        self.size = self.first_branch + len(self.branches)

    def voltages(self, z: np.ndarray) -> list[Any]:
        """Voltages of all nodes."""
        return [z[k] if k >= 0 else self.held[node] for node, k in enumerate(self.at)]

    def across(self, z: np.ndarray) -> list[Any]:
        """Voltages across the junctions."""
        v = self.voltages(z)
        return [v[part.a] - v[part.c] for part in self.junctions]

    def evaluate(self, z: np.ndarray, tangents: Sequence[Any] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """F(z) and dF/dz; with `tangents`, each junction is replaced by its tangent at that voltage."""
        sums = _Sums(self, z, tangents)
        for part in self.parts:
            sums.add(part)
        for node, amps in self.injected:
            sums.flow(0, node, amps, ())
        return sums.F, sums.J

    def storage(self) -> np.ndarray:
        """Q of the dynamics Q dz/dt = -(F, with the sign of branch rows such that dz/dt = +F there)."""
        Q = self.arithmetic.zeros(self.size, self.size)
        for part in self.parts:
            if isinstance(part, Capacitor):
                for row, sign in ((self.at[part.a], 1), (self.at[part.b], -1)):
                    for column, other in ((self.at[part.a], 1), (self.at[part.b], -1)):
                        if row >= 0 and column >= 0:
                            Q[row, column] += sign * other * part.farad
        for k, part in enumerate(self.branches):
            Q[self.first_branch + k, self.first_branch + k] = part.henry
        return Q


class _Sums:
    """F and J while the parts are added one by one."""

    def __init__(self, circuit: Circuit, z: np.ndarray, tangents: Sequence[Any] | None):
        self.circuit, self.z, self.at = circuit, z, circuit.at
        self.v = circuit.voltages(z)
        self.F = circuit.arithmetic.zeros(circuit.size)
        self.J = circuit.arithmetic.zeros(circuit.size, circuit.size)
        self.tangents = iter(tangents) if tangents is not None else None
        self.amplifier, self.branch = len(circuit.free), circuit.first_branch  # the next one's unknown

    def flow(self, a: int, b: int, current: Any, slopes: Slopes) -> None:
        """A current leaves node a and enters node b."""
        for row, sign in ((self.at[a], 1), (self.at[b], -1)):
            if row >= 0:
                self.F[row] += sign * current
                for column, slope in slopes:
                    if column >= 0:
                        self.J[row, column] += sign * slope

    def conductance(self, a: int, b: int, g: Any) -> None:
        """The current g (v_a - v_b) leaves a and enters b."""
        self.flow(a, b, g * (self.v[a] - self.v[b]), [(self.at[a], g), (self.at[b], -g)])

    def equation(self, row: int, value: Any, slopes: Slopes) -> None:
        """Add to an equation that is not a node's."""
        self.F[row] += value
        for column, slope in slopes:
            if column >= 0:
                self.J[row, column] += slope

    def add(self, part: Any) -> None:
        """The currents of one part."""
        at, v = self.at, self.v
        if isinstance(part, Resistor):
            self.conductance(part.a, part.b, part.g)
        elif isinstance(part, JUNCTIONS):
            self._junction(part)
        elif isinstance(part, Source):
            self.flow(0, part.node, part.amps * self.circuit.scale, ())
        elif isinstance(part, Transconductor):
            current = part.gm * (v[part.cp] - v[part.cn])
            self.flow(part.out_p, part.out_n, current, [(at[part.cp], part.gm), (at[part.cn], -part.gm)])
        elif isinstance(part, Gyrator):
            self.flow(part.a, 0, part.gm * v[part.b], [(at[part.b], part.gm)])
            current = part.gm * (v[part.a] - v[part.ref])
            self.flow(0, part.b, current, [(at[part.a], part.gm), (at[part.ref], -part.gm)])
        elif isinstance(part, Coupling):
            self._coupling(part)
        elif isinstance(part, Amplifier):
            self._amplifier(part)
        elif isinstance(part, Branch):
            self._branch(part)
        elif isinstance(part, Shared):
            one, other = self.circuit.first_branch + part.i, self.circuit.first_branch + part.j
            drop = part.r_ohm * (self.z[one] - self.z[other])
            self.equation(one, -drop, [(one, -part.r_ohm), (other, part.r_ohm)])
            self.equation(other, drop, [(one, part.r_ohm), (other, -part.r_ohm)])
        elif not isinstance(part, Capacitor):  # a capacitor carries no direct current
            raise TypeError(type(part).__name__)

    def _junction(self, part: Any) -> None:
        v = self.v[part.a] - self.v[part.c]
        tangent = v if self.tangents is None else next(self.tangents)
        current, slope = law(part, tangent, self.circuit.arithmetic)
        slopes = [(self.at[part.a], slope), (self.at[part.c], -slope)]
        self.flow(part.a, part.c, current + slope * (v - tangent), slopes)

    def _coupling(self, part: Coupling) -> None:
        """A loaded coupling is a resistor between r and c, or for w < 0 between r and a mirrored c."""
        at, v, w, r, c = self.at, self.v, part.w, part.r, part.c
        if not part.loaded:
            self.flow(c, 0, -w * v[r], [(at[r], -w)])
            self.flow(r, 0, -w * v[c], [(at[c], -w)])
        elif w >= 0:
            self.conductance(c, r, w)
        else:
            for node in (r, c):
                self.flow(node, 0, -w * (v[r] + v[c]), [(at[r], -w), (at[c], -w)])

    def _amplifier(self, part: Amplifier) -> None:
        at, v, unknown = self.at, self.v, self.amplifier
        self.amplifier += 1
        kappa = 1 / part.gain if part.kappa is None else part.kappa
        self.flow(0, part.b, self.z[unknown], [(unknown, 1)])
        self.flow(part.a, 0, kappa * self.z[unknown], [(unknown, kappa)])
        self.equation(unknown, v[part.b] - part.gain * v[part.a], [(at[part.b], 1), (at[part.a], -part.gain)])

    def _branch(self, part: Branch) -> None:
        at, v, unknown = self.at, self.v, self.branch
        self.branch += 1
        current = self.z[unknown]
        self.flow(part.a, part.b, current, [(unknown, 1)])
        slopes = [(at[part.a], 1), (at[part.b], -1), (unknown, -part.r_ohm)]
        self.equation(unknown, v[part.a] - v[part.b] - part.r_ohm * current, slopes)
