"""Parts of oscillator Ising machines, in which the voltage of a node is the phase of an oscillator: 1 V for 1 rad.

All are two-terminal devices with the law `Sine` and values of either sign, in amperes; with φ_i the node voltages,

    SignedDevice    bias h·sin(φ_i) or second harmonic K·sin(2·φ_i), to ground     E = −h·cos φ_i, −½·K·cos 2φ_i
    PhaseCoupling   J_rc·sin(φ_r − φ_c) between every row node and column node     E = −J_rc·cos(φ_r − φ_c)
    PhaseInput      Σ_i x_i·J_ic·sin(φ_c), x_i the voltages of held nodes          E = −Σ x_i·J_ic·cos φ_c

(up to a constant). With a capacitor at every node, C·dφ/dt = −dE/dφ: the averaged equation of coupled oscillators.

Learning  dC/dJ: the contrast of these E; block-wise, in products of sines and cosines
SPICE     SignedDevice and PhaseCoupling a B source for each device; PhaseInput the sum of its inputs as the voltage of
          a helper node (a transconductance for each input, 1 A into 1 ohm is 1 V), and a B source that multiplies it
Range     |value| <= 1e3 A
Source    Gower 2025 (arXiv 2505.02103), equation of the energy; Wang & Roychowdhury 2019 (arXiv 1903.07163)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from eqcirc.devices.base import Element, first, number
from eqcirc.devices.sine import Sine
from eqcirc.devices.two_terminal import TwoTerminal
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray

LARGEST = 1e3  # A


def refuse_phases(name: str, elements: Iterable[Element], what: str) -> None:
    """Raise `CircuitError` if voltages of a circuit are phases: it stands for tanks, which have power and parts."""
    for element in elements:
        if isinstance(element, SignedDevice):
            raise CircuitError(
                f"{name!r} has no {what}: the node voltages that {element.name!r} acts on are phases of oscillators; "
                "ask the circuit of their tanks (eqcirc.circuit.tanks)"
            )


@dataclass(frozen=True, eq=False, kw_only=True)
class SignedDevice(TwoTerminal):
    """Devices whose values (n,), in amperes for a law of 1 A, have either sign; zero is none."""

    law: Sine

    unit = "A"

    @property
    def passive(self) -> bool:
        """False: a negative value gives power."""
        return False

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or a value outside the valid range."""
        Element.check(self, value)
        bad = np.abs(value) > LARGEST
        if bad.any():
            raise CircuitError(
                f"device {self.name!r}: {first(bad, value)} A is beyond {LARGEST:g} A in magnitude"
            )


@dataclass(frozen=True, eq=False, kw_only=True)
class PhaseCoupling(SignedDevice):
    """Couplings (rows, columns): `anode` and `cathode` have the shape of the values, a node for each row and column."""

    law: Sine = field(default_factory=Sine)

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        super().__post_init__()
        grid = (self.anode == self.anode[:, :1]).all() and (self.cathode == self.cathode[:1]).all()
        if not grid or self.law != Sine():
            raise CircuitError(
                f"phase coupling {self.name!r}: expected one node for each row and for each column, and sin(v) as law"
            )

    @property
    def rows(self) -> NodeArray:
        """Nodes of the rows."""
        return self.anode[:, 0]

    @property
    def columns(self) -> NodeArray:
        """Nodes of the columns."""
        return np.asarray(self.cathode[0])

    def terminals(self) -> NodeArray:
        """Return all nodes that the element touches, rows first."""
        return np.concatenate([self.rows, self.columns])

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return every row-column pair."""
        return self.anode.ravel(), self.cathode.ravel()

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return the sum over the batch of (lam_r − lam_c)·sin(v_r − v_c), (rows, columns)."""
        r, c = self.rows, self.columns
        (sr, cr), (sc, cc) = _sine_cosine(v[:, r]), _sine_cosine(v[:, c])
        left = (lam[:, r] * sr).T @ cc - (lam[:, r] * cr).T @ sc
        return np.asarray(left - sr.T @ (lam[:, c] * cc) + cr.T @ (lam[:, c] * sc))

    def contrast(self, value: Array, scaling: Array, plus: Array, minus: Array) -> Array:
        """Return the sum over the batch of s·[cos(minus_r − minus_c) − cos(plus_r − plus_c)], (rows, columns).

        That is 2·sin(mean)·sin(half the difference), of which no digit is lost where the phases are next to each other.
        """
        r, c = self.rows, self.columns
        middle, half = 0.5 * (plus + minus), 0.5 * (plus - minus)
        (smr, cmr), (smc, cmc) = _sine_cosine(middle[:, r]), _sine_cosine(middle[:, c])
        (sdr, cdr), (sdc, cdc) = _sine_cosine(half[:, r]), _sine_cosine(half[:, c])
        rows = np.stack([smr * sdr, -smr * cdr, -cmr * sdr, cmr * cdr])
        columns = np.stack([cmc * cdc, cmc * sdc, smc * cdc, smc * sdc])
        at_r, at_c = scaling[..., r], scaling[..., c]
        by_row, by_column = 2 * at_r * rows, 2 * at_c * columns
        held = ~np.atleast_2d(at_r != 0).any(axis=0)  # rows; elsewhere the scaling is the same at both ends
        result = np.einsum("qbr,qbc->rc", by_row, columns, optimize=True)
        if held.any():
            result[held] = np.einsum("qbr,qbc->rc", rows[..., held], by_column, optimize=True)
        return np.asarray(result)

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return one line for each coupling."""
        return [
            self.law.card(
                f"{self.name}_{i}_{j}",
                node[int(self.anode[i, j])],
                node[int(self.cathode[i, j])],
                "",
                float(x),
            )
            for (i, j), x in np.ndenumerate(value)
        ]


@dataclass(frozen=True, eq=False, kw_only=True)
class PhaseInput(SignedDevice):
    """Devices from `anode` (columns,) to `cathode`, each as strong as a sum of held voltages times values.

    Attributes:
        control: (rows,) nodes held by inputs or rails.
    """

    control: NodeArray
    law: Sine = field(default_factory=Sine)

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        shape = (len(self.control), len(self.anode))
        if self.anode.shape != self.cathode.shape or self.value.shape != shape:
            raise CircuitError(
                f"phase input {self.name!r}: expected values of shape {shape} for {shape[0]} controls and {shape[1]} "
                f"nodes, got {self.value.shape}"
            )
        self.check(self.value)

    def terminals(self) -> NodeArray:
        """Return fed and controlling nodes."""
        return np.concatenate([super().terminals(), self.control])

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return the sum over the batch of x·(lam_a − lam_c)·law(v), (rows, columns)."""
        current, _ = self.law.evaluate(v[:, self.anode] - v[:, self.cathode])
        return np.asarray(v[:, self.control].T @ ((lam[:, self.anode] - lam[:, self.cathode]) * current))

    def contrast(self, value: Array, scaling: Array, plus: Array, minus: Array) -> Array:
        """Return the sum over the batch of x·s·(co-content at `plus` − at `minus`), (rows, columns)."""
        a, c, half = self.anode, self.cathode, 0.5 * self.law.frequency
        at_a, at_c = scaling[..., a], scaling[..., c]
        s = np.where(at_a != 0, at_a, at_c)
        after, before = plus[:, a] - plus[:, c], minus[:, a] - minus[:, c]
        work = np.sin(half * (after + before)) * np.sin(
            half * (after - before)
        )  # the difference of two cosines
        return np.asarray(plus[:, self.control].T @ (s * self.law.amplitude / half * work))

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return the sums as voltages of helper nodes, and a B source for each column."""
        lines = []
        for k, (a, c) in enumerate(zip(self.anode.tolist(), self.cathode.tolist(), strict=True)):
            field = f"eq_{self.name}_{k}"
            lines += [
                f"g_{self.name}_{i}_{k} 0 {field} {node[x]} 0 {number(j)}"
                for i, (x, j) in enumerate(zip(self.control.tolist(), value[:, k].tolist(), strict=True))
                if j != 0
            ]
            across = f"v({node[a]})" if node[c] == "0" else f"v({node[a]},{node[c]})"
            current = f"v({field})*{self.law.expression(across)}"
            lines += [f"r_{field} {field} 0 1", f"b_{self.name}_{k} {node[a]} {node[c]} i={current}"]
        return lines


def _sine_cosine(angle: Array) -> tuple[Array, Array]:
    return np.sin(angle), np.cos(angle)
