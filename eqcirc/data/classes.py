"""Classes have names outside, as their files call them, and numbers 0, 1, … inside.

Names stand in a natural order: numbers by value, text sorted. 1 and 1.0 are one class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eqcirc.data.checks import Labels
from eqcirc.errors import DataError, nearest
from eqcirc.text import one_line


def number_classes(
    file: object, where: str, cells: Sequence[Any] | NDArray[Any], known: tuple[str, ...] = ()
) -> tuple[Labels, tuple[str, ...]]:
    """Return the class number of every cell, and the names of the classes.

    Args:
        file: what messages call the file.
        where: what they call the column.
        cells: whole numbers or text, none empty.
        known: names of classes that are numbered already, such as those of a trained circuit; () for any.

    Raises:
        DataError: numbers with fractions, numbers among text, or a class that is not known.
    """
    spelt, inverse = np.unique(np.asarray(cells).astype(str), return_inverse=True)
    names = [one_line(cell) for cell in spelt.tolist()]
    numbers = [_number(name) for name in names]
    if any(number is not None for number in numbers):
        names = [_whole(file, where, *pair) for pair in zip(names, numbers, strict=True)]
    order = sorted(set(names), key=_by_value)
    if known:
        strange = [name for name in order if name not in known]
        if strange:
            raise DataError(
                f"{file}: expected classes that are known in {where}, got {strange[0]!r}; {nearest(strange[0], known)}"
            )
        order = list(known)
    index = {name: k for k, name in enumerate(order)}
    numbered = np.array([index[name] for name in names], dtype=np.int64)
    return numbered[inverse], tuple(order)


def _number(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None


def _whole(file: object, where: str, name: str, number: float | None) -> str:
    """Return the name of a class among numbers."""
    if number is None:
        raise DataError(
            f"{file}: expected either numbers or text as classes in {where}, got {name!r} among numbers; repair or "
            "rename it"
        )
    if not number.is_integer():
        raise DataError(
            f"{file}: expected whole numbers or text as classes in {where}, got {name}; name numbers to predict as "
            "targets"
        )
    return str(int(number))


def _by_value(name: str) -> tuple[float, str]:
    number = _number(name)
    return (0.0 if number is None else number), name
