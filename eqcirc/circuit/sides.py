"""Ends of parts, sorted by the scaling of the regions that they are in; circuits that are made of circuits need it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from eqcirc.devices import GyratorCrossbar, OneWayCrossbar, Share
from eqcirc.typing import Array, NodeArray

Ends = tuple[NodeArray, NodeArray]


class Side(NamedTuple):
    """Two ends of some parts that have one scaling s (part,), 0 where both are held; ends left out are at ground."""

    p: NodeArray
    n: NodeArray
    s: Array


def sides(p: NodeArray, n: NodeArray, scaling: Array) -> list[Side]:
    """Return ends as pairs of one scaling (node,), or each by itself if they differ."""
    s_p, s_n, ground = scaling[p], scaling[n], np.zeros_like(p)
    if ((s_p == s_n) | (s_p == 0) | (s_n == 0)).all():
        return [Side(p, n, np.where(s_p != 0, s_p, s_n))]
    return [Side(p, ground, s_p), Side(ground, n, s_n)]


def ratios(control: Array, out: Array) -> Array:
    """Return s_out/s_control (control, out); 0 where the control is held."""
    inverse = np.divide(1, control, out=np.zeros_like(control), where=control != 0)
    return np.asarray(inverse[:, None] * out)


def halves(element: GyratorCrossbar) -> tuple[OneWayCrossbar, OneWayCrossbar]:
    """Return what a gyrator crossbar carries forth, and what it carries back."""
    forth = OneWayCrossbar(
        name=element.name,
        value=element.value,
        trainable=element.trainable,
        bounds=element.bounds,
        share=element.share,
        programming=element.programming,
        rows=element.rows,
        columns=element.columns,
    )
    back = replace(
        forth,
        name=f"eq_held_{element.name}",
        value=-element.value,
        trainable=False,
        share=Share(element.name, -1.0),
        programming=None,
        backward=True,
    )
    return forth, back
