"""FitzHugh-Nagumo neurons: an N-shaped device, a capacitor, and a recovery branch that pulls back later.

    membrane v   C·dv/dt = bias − area·law(v) − (recovery current) − (currents to other nodes)
    R-L          L·di/dt = v − E − R·i                                 recovery current i
    gyrator      Cw·dw/dt = gm·(v − E) − leak·w − (currents to other w)    recovery current gm·w

The gyrator is the R-L branch with i = gm·w, L = Cw/gm², R = leak/gm²; its w is a node, so that the recovery of
neurons can be coupled by resistors. Without either, the membrane alone is an ordinary energy-based neuron.

Source: FitzHugh 1961; Nagumo, Arimoto, Yoshizawa 1962; the mixed potential: Brayton & Moser 1964.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eqcirc.circuit.bounds import CURRENT_BOUNDS
from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.devices import Bounds, CubicDevice, Law
from eqcirc.devices.tunnel_diode import TunnelDiode
from eqcirc.errors import CircuitError
from eqcirc.typing import NodeArray

CURRENTS = ("bias", "recovery_bias")
SPAN = 10.0  # trained parts without bounds of their own stay within this factor of their first value


def around(value: ArrayLike, span: float = SPAN, *, current: bool = False) -> Bounds:
    """Return bounds of a trained part that starts at `value`: from 1/span of the least to span times the largest.

    A current may change its sign: it stays within ±span times the largest, or ±1 mA if that is more.
    """
    least, largest = float(np.min(value)), float(np.max(value))
    if not current:
        return Bounds(least / span, largest * span)
    limit = max(span * abs(least), span * abs(largest), CURRENT_BOUNDS.upper)
    return Bounds(-limit, limit)


@dataclass(frozen=True)
class RLRecovery:
    """A resistor and an inductor in series.

    Attributes:
        resistance: R in ohms.
        inductance: L in henries.
    """

    resistance: float = 500.0
    inductance: float = 5e-5


@dataclass(frozen=True)
class GyratorRecovery:
    """A gyrator and a recovery node with a capacitor.

    Attributes:
        gyration: gm in siemens.
        leak: conductance from the recovery node to ground, in siemens.
        capacitance: Cw in farads.
    """

    gyration: float = 2e-3
    leak: float = 1e-3
    capacitance: float = 1e-10


@dataclass(frozen=True)
class Neuron:
    """What every neuron of a group consists of.

    Attributes:
        law: N-shaped device from the membrane to ground; None for none, which leaves a linear circuit.
        recovery: its kind and values; None for none.
        capacitance: C of the membrane, in farads.
        rest: E, the voltage that recovery pulls the membrane to, in volts.
        bias: current into the membrane, in amperes.
        diode: a whole tunnel diode, with leads and capacitance, for the device; `law` is then that of its junction.
    """

    law: Law | None = field(default_factory=CubicDevice)
    recovery: RLRecovery | GyratorRecovery | None = field(default_factory=RLRecovery)
    capacitance: float = 1e-9
    rest: float = 0.0
    bias: float = 0.0
    diode: TunnelDiode | None = None

    def __post_init__(self) -> None:
        """Take the diode's law."""
        if self.diode:
            object.__setattr__(self, "law", self.diode.law)

    @property
    def parts(self) -> dict[str, float]:
        """Values of the parts that these neurons have and that learning may change, by the names of `add`."""
        parts = {"bias": self.bias} | ({"area": 1.0} if self.law else {})
        if isinstance(self.recovery, RLRecovery):
            parts["resistance"] = self.recovery.resistance
        if isinstance(self.recovery, GyratorRecovery):
            parts |= {"gyrator": self.recovery.gyration, "leak": self.recovery.leak, "recovery_bias": 0.0}
        return parts

    def add(
        self,
        b: CircuitBuilder,
        name: str,
        membrane: NodeArray,
        *,
        area: ArrayLike = 1.0,
        trainable: Collection[str] = (),
        bounds: dict[str, Bounds] | None = None,
        shared: Sequence[tuple[int, int]] = (),
        shared_ohms: ArrayLike = (),
    ) -> NodeArray | None:
        """Put a neuron at every membrane node.

        Args:
            b: builder that has made the membrane nodes.
            name: of the group; its elements are <name>_device, _membrane, _bias, _recovery, ...
            membrane: nodes (n,).
            area: of the devices.
            trainable: which of area, bias, resistance, gyrator, leak, recovery_bias learning may change.
            bounds: intervals of those; what is left out stays between a tenth of its least and ten times its largest
                first value, own and shared resistances in one window; currents within ±10 times it, or ±1 mA if
                that is more.
            shared: pairs of R-L branches that share a resistance.
            shared_ohms: that resistance.

        Returns:
            the recovery nodes (n,) of gyrator neurons.

        Raises:
            CircuitError: a value is out of range, or something is to be trained that this neuron has not got.
        """
        part = _Trained(self, name, trainable, bounds or {})
        if self.law:
            b.device(
                f"{name}_device", membrane, GROUND, self.diode or self.law, area=area, **part("area", area)
            )
        b.capacitor(f"{name}_membrane", membrane, GROUND, self.capacitance)
        if self.bias or "bias" in trainable:
            b.current_source(f"{name}_bias", membrane, self.bias, **part("bias", self.bias))
        rest = b.rail(f"{name}_rest", self.rest) if self.rest and self.recovery else GROUND
        r = self.recovery
        if isinstance(r, RLRecovery):
            b.rl_branches(
                f"{name}_recovery",
                membrane,
                rest,
                r.resistance,
                r.inductance,
                shared=shared,
                shared_ohms=shared_ohms,
                **part("resistance", [r.resistance, *(np.ravel(shared_ohms) if len(shared) else ())]),
            )
        if not isinstance(r, GyratorRecovery):
            return None
        nodes = b.nodes(f"{name}_w", len(membrane))
        b.gyrator(
            f"{name}_gyrator", membrane, nodes, r.gyration, reference=rest, **part("gyrator", r.gyration)
        )
        b.conductance(f"{name}_leak", nodes, GROUND, r.leak, **part("leak", r.leak))
        b.capacitor(f"{name}_store", nodes, GROUND, r.capacitance)
        if "recovery_bias" in trainable:
            b.current_source(f"{name}_wbias", nodes, 0.0, **part("recovery_bias", 0.0))
        return nodes


class _Trained:
    """Answers which options of a part say that it is trained, and within which bounds."""

    def __init__(
        self, neuron: Neuron, name: str, trainable: Collection[str], bounds: dict[str, Bounds]
    ) -> None:
        for wanted in (*trainable, *bounds):
            if wanted not in neuron.parts:
                raise CircuitError(
                    f"neurons {name!r}: cannot train {wanted!r}; these neurons have "
                    f"{', '.join(sorted(neuron.parts))}"
                )
        self.trainable, self.bounds = trainable, bounds

    def __call__(self, part: str, value: ArrayLike) -> dict[str, Any]:
        if part not in self.trainable:
            return {}
        default = around(value, current=part in CURRENTS)
        return {"trainable": True, "bounds": self.bounds.get(part, default)}


@dataclass(frozen=True)
class LayerNeurons:
    """The neurons of a layer, one at every node.

    Attributes:
        neuron: what each consists of.
        inhibition: conductance (S) between the recovery nodes of neighbours, which form a ring; None for none.
        train: which of area, bias, resistance, gyrator, leak, recovery_bias and inhibition learning may change.
        span: trained parts stay between 1/span and span times their first value; currents, which may change
            their sign, within ±span times it, or ±1 mA if that is more.
    """

    neuron: Neuron = field(default_factory=lambda: Neuron(CubicDevice(3e-3), RLRecovery(330.0, 2e-5)))
    inhibition: float | None = None
    train: tuple[str, ...] = ()
    span: float = 2.0

    def add(self, b: CircuitBuilder, name: str, nodes: NodeArray, rails: int = 1) -> None:
        """Put neurons at the nodes (n,) of a layer; with 2 rails the + nodes and then the − nodes, a ring of each.

        Raises:
            CircuitError: a value is out of range, or something is to be trained that these neurons have not got.
        """
        if not self.span > 1:
            raise CircuitError(f"neurons {name!r}: expected a span above 1, got {self.span:g}")
        own = [part for part in self.train if part != "inhibition" or self.inhibition is None]
        parts = self.neuron.parts.items()
        bounds = {k: around(value, self.span, current=k in CURRENTS) for k, value in parts}
        recovery = self.neuron.add(b, name, nodes, trainable=own, bounds=bounds)
        if self.inhibition is not None:
            self._inhibit(b, name, recovery, rails, self.inhibition)

    def _inhibit(
        self, b: CircuitBuilder, name: str, recovery: NodeArray | None, rails: int, siemens: float
    ) -> None:
        """Join the recovery nodes of neighbours in a ring, one for each rail."""
        size = 0 if recovery is None else len(recovery) // rails
        if recovery is None or size < 2:
            found = size or type(self.neuron.recovery).__name__
            raise CircuitError(
                f"neurons {name!r}: inhibition joins the recovery nodes of neighbours; it needs gyrator neurons "
                f"and at least two of them, got {found}"
            )
        rings = recovery.reshape(rails, size)
        links = size if size > 2 else 1
        b.conductance(
            f"{name}_inhibition",
            rings[:, :links].ravel(),
            np.roll(rings, -1, axis=1)[:, :links].ravel(),
            siemens,
            trainable="inhibition" in self.train,
            bounds=around(siemens, self.span),
        )
