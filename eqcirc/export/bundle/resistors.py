"""Which elements are resistors: transconductances are in siemens, too, but no resistor stands for one."""

from __future__ import annotations

from eqcirc.devices import Conductance, Crossbar, DualRailCrossbar, Element


def is_resistor(element: Element) -> bool:
    """Whether every value of an element, in siemens, is that of a resistor."""
    return isinstance(element, Conductance | Crossbar | DualRailCrossbar)


def ohms(element: Element, value: float) -> float | None:
    """Return the resistance that a value means; None where it means none."""
    if is_resistor(element):
        return 1 / value
    return value if element.unit == "ohm" else None
