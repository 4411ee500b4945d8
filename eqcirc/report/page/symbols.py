"""Circuit symbols (IEC and common usage), drawn along a wire from one point to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from eqcirc.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]
Stroke = list[Point]

WIRE = {"color": "black", "lw": 0.9, "solid_capstyle": "round", "solid_joinstyle": "round"}


def _zigzag() -> list[Stroke]:
    x = np.linspace(-0.16, 0.16, 9)
    y = [0, 0.06, -0.06, 0.06, -0.06, 0.06, -0.06, 0.06, 0]
    return [list(zip(x.tolist(), y, strict=True))]


def _diode() -> list[Stroke]:
    return [[(-0.1, 0.11), (-0.1, -0.11), (0.09, 0), (-0.1, 0.11)], [(0.09, 0.11), (0.09, -0.11)]]


def _tunnel_diode() -> list[Stroke]:
    triangle, bar = _diode()
    return [triangle, [(0.03, 0.11), *bar, (0.03, -0.11)]]


def _capacitor() -> list[Stroke]:
    return [[(-0.04, 0.13), (-0.04, -0.13)], [(0.04, 0.13), (0.04, -0.13)]]


def _coil() -> list[Stroke]:
    angle = np.linspace(np.pi, 0, 12)
    x = np.concatenate([0.06 * np.cos(angle) + centre for centre in (-0.12, 0.0, 0.12)])
    return [list(zip(x.tolist(), np.tile(0.08 * np.sin(angle), 3).tolist(), strict=True))]


def _current_source() -> list[Stroke]:
    angle = np.linspace(0, 2 * np.pi, 30)
    circle = list(zip((0.13 * np.cos(angle)).tolist(), (0.13 * np.sin(angle)).tolist(), strict=True))
    return [circle, [(0.09, 0), (-0.09, 0)], [(-0.03, 0.05), (-0.09, 0), (-0.03, -0.05)]]


def _one_way() -> list[Stroke]:
    return [[(-0.11, 0.12), (-0.11, -0.12), (0.13, 0), (-0.11, 0.12)]]


def _box() -> list[Stroke]:
    return [[(-0.15, 0.09), (0.15, 0.09), (0.15, -0.09), (-0.15, -0.09), (-0.15, 0.09)]]


SYMBOLS: dict[str, tuple[Callable[[], list[Stroke]], float, float]] = {
    "resistor": (_zigzag, -0.16, 0.16),
    "diode": (_diode, -0.1, 0.09),
    "tunnel diode": (_tunnel_diode, -0.1, 0.09),
    "capacitor": (_capacitor, -0.04, 0.04),
    "coil": (_coil, -0.18, 0.18),
    "current source": (_current_source, -0.13, 0.13),
    "transconductor": (_one_way, -0.11, 0.13),
    "part": (_box, -0.15, 0.15),
}
"""Strokes along the x axis, and where the wires meet them."""


def part(
    axis: Axes, kind: str, start: Point, end: Point, at: float = 0.5, size: float = 1.0, **style: object
) -> None:
    """Draw a part in the wire from `start` to `end`, its middle at the share `at` of the way; diodes point to `end`."""
    first, last = np.array(start), np.array(end)
    along = (last - first) / max(float(np.linalg.norm(last - first)), 1e-12)
    turn = np.array([along, [-along[1], along[0]]])
    middle = first + at * (last - first)
    strokes, left, right = SYMBOLS[kind]
    options = {**WIRE, **style}
    for near, reach in ((first, left), (last, right)):
        _stroke(axis, np.array([near, middle + size * reach * along]), options)
    for stroke in strokes():
        _stroke(axis, middle + size * np.array(stroke) @ turn, options)


def _stroke(axis: Axes, points: Array, options: dict[str, object]) -> None:
    axis.plot(points[:, 0], points[:, 1], **options)  # type: ignore[arg-type]


def wire(axis: Axes, *points: Point) -> None:
    """Draw a wire through points."""
    _stroke(axis, np.array(points), dict(WIRE))


def ground(axis: Axes, x: float, y: float) -> None:
    """Draw ground below a point."""
    for k, half in enumerate((0.13, 0.085, 0.04)):
        wire(axis, (x - half, y - 0.05 * k), (x + half, y - 0.05 * k))


def rail(axis: Axes, x: float, y: float, label: str) -> None:
    """Draw the bar of a supply below a point, with its name or voltage."""
    wire(axis, (x - 0.12, y), (x + 0.12, y))
    axis.text(x, y - 0.05, label, ha="center", va="top", fontsize=5.5)


def amplifier(axis: Axes, start: Point, end: Point, label: str) -> None:
    """Draw an amplifier between two points of one height."""
    (x0, y), (x1, _) = start, end
    middle = (x0 + x1) / 2
    wire(axis, start, (middle - 0.2, y))
    wire(axis, (middle + 0.22, y), end)
    wire(
        axis, (middle - 0.2, y + 0.22), (middle - 0.2, y - 0.22), (middle + 0.22, y), (middle - 0.2, y + 0.22)
    )
    axis.text(middle - 0.07, y, label, ha="center", va="center", fontsize=5.5)


def node(
    axis: Axes, x: float, y: float, label: str = "", *, held: bool = False, follows: bool = False
) -> None:
    """Draw a node: a dot, or a ring where a source holds it; the name is on the side where no lines are."""
    axis.plot([x], [y], "o", ms=4.5, mfc="white" if held else "black", mec="black", mew=0.9, zorder=4)
    if held:
        axis.text(x - 0.14, y, label, ha="right", va="center", fontsize=6)
    else:
        side = "right" if follows else "left"
        axis.text(x + (-0.02 if follows else 0.05), y + 0.08, label, ha=side, va="bottom", fontsize=6)
