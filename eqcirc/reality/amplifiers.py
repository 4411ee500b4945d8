"""What is not ideal about bidirectional amplifiers: gain, offset, output resistance, saturation.

    gain          A_k = exp(sigma·z)·A,   kappa_k = kappa·A_k/A if the reverse gain tracks, else kappa
    output stage  v_in ──▷ A·v_in ── x ──[R]── y ,   clamps from y to +V and from −V to y
    offset        v_out = A·v_in + offset·z

z is standard normal, a new one for each amplifier and figure.

An amplifier scales nodes by s_out = s_in·kappa/A. Where kappa/A is the same all over a layer, inputs and outputs may
each be tied to one another by crossbars. Where the reverse gain does not track, circuits of two and more amplified
layers have no scaling, and training through them by Equilibrium Propagation is refused. Measuring them is not.

An offset is a voltage in series with the output. Behind the output resistance it is, exactly, a current offset/R into
y, and kappa times that out of v_in, as for all that the output delivers: constants, which change no Jacobian. So an
offset needs an output resistance, which every amplifier has.

Saturation by a law v_out(v_in) would be one-way where it bends: there would be no energy, and Equilibrium Propagation
would give no gradient. Resistor and clamps are two-terminal parts, so both stay exact. The price is theirs:
what the clamps carry is drawn from the input, kappa times, so that an amplifier that is overdriven loads its input.
Large resistances keep that small. Bandwidth, noise and supply currents are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Amplifier, ClampDiode, Conductance, CurrentSource, Element, TwoTerminal
from eqcirc.devices.base import in_range
from eqcirc.devices.rail import LARGEST, Rail
from eqcirc.errors import CircuitError
from eqcirc.reality.draws import Draws
from eqcirc.reality.kind import concerned, with_elements
from eqcirc.typing import Array, NodeArray

STIFF = (
    100.0  # conductance of a clamp, in parts of that of the output: an output goes beyond V by a few percent
)
KNEE = 0.1  # of V: width of the bend


@dataclass(frozen=True)
class AmplifierErrors:
    """Errors of amplifiers.

    Attributes:
        sigma: standard deviation of the logarithm of the voltage gain.
        tracking: whether the current gain back errs in proportion.
        offset: standard deviation of the offset at the output, in volts.
        output_ohms: output resistance in ohms; None for none.
        saturation: voltage in volts beyond which clamps at the output conduct, of either sign; None for none.
    """

    sigma: float = 0.0
    tracking: bool = True
    offset: float = 0.0
    output_ohms: float | None = None
    saturation: float | None = None

    name: ClassVar[str] = "amplifiers"

    def __post_init__(self) -> None:
        """Check the ranges."""
        what = "reality.amplifiers"
        in_range(what, "sigma", self.sigma, 0, 1, "")
        in_range(what, "offset", self.offset, 0, LARGEST, "V")
        if self.output_ohms is not None:
            in_range(what, "output_ohms", self.output_ohms, 1e-3, 1e12, "ohm")
        elif self.offset or self.saturation is not None:
            raise CircuitError(
                f"{what}: offset and saturation need an output resistance; give output_ohms, in ohms"
            )
        if self.saturation is not None:
            in_range(what, "saturation", self.saturation, 1e-5, LARGEST, "V")

    def applied(self, circuit: Circuit, draws: Draws) -> Circuit:
        """See `Kind.applied`; one group has one gain, so gain errors make a group of every amplifier."""
        concerned(circuit, self.name, lambda e: isinstance(e, Amplifier), "amplifiers")
        if self.output_ohms is not None:
            circuit = self._staged(circuit, draws)
        return with_elements(circuit, lambda e: self._gains(e, draws)) if self.sigma else circuit

    def _gains(self, element: Element, draws: Draws) -> Iterator[Element]:
        """Return amplifiers with gains of their own, or an element as it is."""
        if not isinstance(element, Amplifier):
            yield element
            return
        back = self._back(element, draws)
        drawn = draws.lognormal(self.name, element.name, element.value.shape, self.sigma)
        for k, factor in enumerate(drawn.tolist()):
            yield replace(
                element,
                name=f"eq_{element.name}_{k}",
                value=np.array([element.gain * factor]),
                source=element.source[[k]],
                output=element.output[[k]],
                kappa=float(back[k]),
            )

    def _back(self, amplifier: Amplifier, draws: Draws) -> Array:
        """Return the current gains back (n,) of amplifiers on this chip."""
        kappa = np.full(amplifier.value.shape, amplifier.current_gain)
        if not (self.sigma and self.tracking):
            return kappa
        return kappa * draws.lognormal(self.name, amplifier.name, amplifier.value.shape, self.sigma)

    def _staged(self, circuit: Circuit, draws: Draws) -> Circuit:
        """Give every amplifier an output stage."""
        names, rails = list(circuit.node_names), list(circuit.rails)
        ends: NodeArray | None = None
        if self.saturation is not None:
            ends = np.array([len(names), len(names) + 1])
            names += ["eq_saturation_p", "eq_saturation_n"]
            rails += [
                Rail(int(node), v) for node, v in zip(ends, (self.saturation, -self.saturation), strict=True)
            ]
        elements: list[Element] = []
        for element in circuit.elements:
            elements += (
                self._stage(element, names, ends, draws) if isinstance(element, Amplifier) else [element]
            )
        return replace(circuit, node_names=tuple(names), rails=tuple(rails), elements=tuple(elements))

    def _stage(
        self, amplifier: Amplifier, names: list[str], ends: NodeArray | None, draws: Draws
    ) -> Iterator[Element]:
        """Return an amplifier onto inner nodes, whose names are added to `names`, and its output stage."""
        assert self.output_ohms is not None
        name, y, n = amplifier.name, amplifier.output, len(amplifier.output)
        x = np.arange(len(names), len(names) + n)
        names += [f"eq_{name}_x{k}" for k in range(n)]
        yield replace(amplifier, output=x)
        siemens = np.full(n, 1 / self.output_ohms)
        yield Conductance(name=f"eq_{name}_out", value=siemens, a=x, b=y)
        if self.offset:
            volts = draws.normal(f"{self.name}.offset", name, (n,), self.offset)
            into = np.concatenate([siemens * volts, -self._back(amplifier, draws) * siemens * volts])
            yield CurrentSource(
                name=f"eq_{name}_offset", value=into, node=np.concatenate([y, amplifier.source])
            )
        if ends is not None and self.saturation is not None:
            clamp = ClampDiode(STIFF / self.output_ohms, KNEE * self.saturation)
            above, below = (np.full(n, end) for end in ends)
            anode, cathode = np.concatenate([y, below]), np.concatenate([above, y])
            yield TwoTerminal(
                name=f"eq_{name}_clamp", value=np.ones(2 * n), anode=anode, cathode=cathode, law=clamp
            )
