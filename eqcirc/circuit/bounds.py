"""The bounds of trained elements that name none: the window of their kind, widened to their first values."""

from __future__ import annotations

import numpy as np

from eqcirc.devices import (
    BidirectionalSource,
    Bounds,
    Cell,
    Conductance,
    Crossbar,
    CurrentSource,
    DualRailCrossbar,
    Element,
    Gyrator,
    GyratorCrossbar,
    InputCurrent,
    OneWayCrossbar,
    PhaseCoupling,
    PhaseInput,
    RLMesh,
    SignedCrossbar,
    SignedDevice,
    Transconductor,
    TwoTerminal,
)
from eqcirc.devices.base import UNBOUNDED
from eqcirc.devices.conductance import DEFAULT_BOUNDS
from eqcirc.devices.signed import DEFAULT_BOUNDS as SIGNED_BOUNDS
from eqcirc.errors import CircuitError

CURRENT_BOUNDS = Bounds(-1e-3, 1e-3)  # A
AREA_BOUNDS = Bounds(0.1, 10.0)
OHM_BOUNDS = Bounds(1e2, 1e6)  # ohm
PHASE_BOUNDS = Bounds(-1.0, 1.0)  # A, of parts between nodes whose voltages are phases
STANDARD: dict[type[Element], Bounds] = {
    Conductance: DEFAULT_BOUNDS,
    Crossbar: DEFAULT_BOUNDS,
    DualRailCrossbar: DEFAULT_BOUNDS,
    Gyrator: DEFAULT_BOUNDS,
    BidirectionalSource: DEFAULT_BOUNDS,
    GyratorCrossbar: SIGNED_BOUNDS,
    OneWayCrossbar: SIGNED_BOUNDS,
    SignedCrossbar: SIGNED_BOUNDS,
    Transconductor: SIGNED_BOUNDS,
    CurrentSource: CURRENT_BOUNDS,
    Cell: AREA_BOUNDS,
    TwoTerminal: AREA_BOUNDS,
    RLMesh: OHM_BOUNDS,
    InputCurrent: CURRENT_BOUNDS,
    SignedDevice: PHASE_BOUNDS,
    PhaseCoupling: PHASE_BOUNDS,
    PhaseInput: PHASE_BOUNDS,
}


def given(element: Element, bounds: object) -> Bounds:
    """Return the bounds of an element that names some.

    Raises:
        CircuitError: they are no interval, or its ends are values that the element cannot have.
    """
    what = f"element {element.name!r}: bounds"
    try:
        lower, upper = map(float, bounds)  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise CircuitError(
            f"{what} {bounds!r}: expected a lower and an upper value, as in (1e-7, 1e-5)"
        ) from error
    if not lower <= upper:
        raise CircuitError(f"{what} {lower:g} to {upper:g}: expected a lower value, then a higher one")
    for end in (lower, upper):
        if element.trainable and np.isfinite(end):
            try:
                element.check(np.full_like(element.value, end))
            except CircuitError as error:
                raise CircuitError(
                    f"{what} {lower:g} to {upper:g}: learning may drive values to an end that they cannot have: {error}"
                ) from error
    return Bounds(lower, upper)


def standard(element: Element) -> Bounds:
    """Return the bounds of an element that names none."""
    bounds, value = STANDARD.get(type(element), UNBOUNDED), element.value
    if not element.trainable:
        return bounds
    if isinstance(element, Gyrator) and (value < 0).all():
        bounds = Bounds(-bounds.upper, -bounds.lower)
    return Bounds(min(bounds.lower, float(value.min())), max(bounds.upper, float(value.max())))
