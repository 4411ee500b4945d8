"""The bounds of trained elements that name none: the window of their kind, widened to their first values."""

from __future__ import annotations

from eqcirc.devices import (
    Bounds,
    Cell,
    Conductance,
    Crossbar,
    CurrentSource,
    DualRailCrossbar,
    Element,
    Gyrator,
    InputCurrent,
    OneWayCrossbar,
    RLMesh,
    SignedCrossbar,
    Transconductor,
    TwoTerminal,
)
from eqcirc.devices.base import UNBOUNDED
from eqcirc.devices.conductance import DEFAULT_BOUNDS
from eqcirc.devices.signed import DEFAULT_BOUNDS as SIGNED_BOUNDS

CURRENT_BOUNDS = Bounds(-1e-3, 1e-3)  # A
AREA_BOUNDS = Bounds(0.1, 10.0)
OHM_BOUNDS = Bounds(1e2, 1e6)  # ohm
STANDARD: dict[type[Element], Bounds] = {
    Conductance: DEFAULT_BOUNDS,
    Crossbar: DEFAULT_BOUNDS,
    DualRailCrossbar: DEFAULT_BOUNDS,
    Gyrator: DEFAULT_BOUNDS,
    OneWayCrossbar: SIGNED_BOUNDS,
    SignedCrossbar: SIGNED_BOUNDS,
    Transconductor: SIGNED_BOUNDS,
    CurrentSource: CURRENT_BOUNDS,
    Cell: AREA_BOUNDS,
    TwoTerminal: AREA_BOUNDS,
    RLMesh: OHM_BOUNDS,
    InputCurrent: CURRENT_BOUNDS,
}


def standard(element: Element) -> Bounds:
    """Return the bounds of an element that names none."""
    bounds, value = STANDARD.get(type(element), UNBOUNDED), element.value
    if not element.trainable:
        return bounds
    if isinstance(element, Gyrator) and (value < 0).all():
        bounds = Bounds(-bounds.upper, -bounds.lower)
    return Bounds(min(bounds.lower, float(value.min())), max(bounds.upper, float(value.max())))
