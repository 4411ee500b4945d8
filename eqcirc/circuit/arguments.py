"""What callers of builder and layered networks pass: names, node numbers, widths, ranges, and values that fit them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real
from reprlib import repr as short
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eqcirc.errors import CircuitError, nearest
from eqcirc.typing import Array, NodeArray

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_NUMBERED = re.compile(r".*_\d+")
RESERVED_PREFIX = "eq_"
SPICE_WORDS = ("alli", "gnd", "temper", "agauss", "aunif", "gauss", "limit", "unif")
"""Of ngspice: all currents, ground, the temperature, and functions that draw numbers wherever it reads them."""

Nodes = int | Sequence[int] | NodeArray


def check_name(what: str, name: str) -> None:
    """Raise `CircuitError` for a name of `what` (nodes, element) that netlists cannot carry."""
    if not _NAME.fullmatch(name) or _NUMBERED.fullmatch(name) or name.startswith(RESERVED_PREFIX):
        raise CircuitError(
            f"{what} {name!r}: a name is lower case letters, digits and _, starts with a letter but not "
            f"with {RESERVED_PREFIX!r}, and does not end in _<number>"
        )
    if name in SPICE_WORDS:
        raise CircuitError(f"{what} {name!r}: this name has a meaning of its own in SPICE; choose another")


def node_numbers(name: str, nodes: Nodes, count: int) -> NodeArray:
    """Return nodes as an index array (n,), or raise `CircuitError` unless all are among the first `count`."""
    array = _array(nodes)
    if array is None or array.ndim > 1 or ((array < 0) | (array >= count)).any():
        raise CircuitError(f"{name!r}: expected node numbers made by this builder, got {short(nodes)}")
    return np.atleast_1d(array)


def pairs_of(things: str, what: str, pairs: object) -> NodeArray:
    """Return pairs of numbered things as an index array (m, 2), or raise `CircuitError` that says `what` they are."""
    array = _array(pairs)
    if array is None or (array.size and (array.ndim != 2 or array.shape[1] != 2)):
        raise CircuitError(
            f"{what}: expected pairs of {things}, as in [(0, 2), (1, 3)] or [] for none, got {short(pairs)}"
        )
    return array.reshape(-1, 2)


def _array(numbers: object) -> NodeArray | None:
    """Return whole numbers as an array; None if they are none, or rows of several lengths."""
    try:
        array = np.asarray(numbers)
    except ValueError:
        return None
    return array.astype(np.intp) if array.dtype.kind in "iu" or not array.size else None


def fit(name: str, what: str, value: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return numbers broadcast to an array of their own of that shape, or raise `CircuitError`."""
    array = _numbers(name, what, value)
    try:
        return np.array(np.broadcast_to(array, shape))
    except ValueError as error:
        raise CircuitError(
            f"{name!r}: expected {what} of shape {shape}, or one for all, got shape {array.shape}"
        ) from error


def same_length(
    name: str, first: NodeArray, second: NodeArray, value: ArrayLike
) -> tuple[NodeArray, NodeArray, Array]:
    """Return two node lists and a value as arrays (n,), what is single repeated; or raise `CircuitError`."""
    number = _numbers(name, "values", value)
    lengths = {array.size for array in (first, second, number)} - {1}
    if number.ndim > 1 or len(lengths) > 1:
        raise CircuitError(
            f"{name!r}: nodes and values do not fit together: {len(first)} and {len(second)} nodes, "
            f"values of shape {number.shape}"
        )
    shape = (lengths.pop() if lengths else 1,)
    one, two = (np.array(np.broadcast_to(nodes, shape)) for nodes in (first, second))
    return one, two, np.array(np.broadcast_to(number, shape))


def _numbers(name: str, what: str, value: ArrayLike) -> Array:
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise CircuitError(f"{name!r}: expected {what} to be numbers, got {short(value)}") from error


def number(what: str, value: Any, expected: str, right: Callable[[float], bool] = math.isfinite) -> None:
    """Raise `CircuitError` unless a value is a finite number that is right."""
    if not (isinstance(value, Real) and math.isfinite(value) and right(float(value))):
        raise CircuitError(f"{what} = {value!r}: expected {expected}")


def made_of(what: str, value: Any, kind: type) -> None:
    """Raise `CircuitError` unless a value is of a kind."""
    if not isinstance(value, kind):
        raise CircuitError(f"{what} = {value!r}: expected {kind.__name__}(...)")


def one_of(what: str, value: Any, valid: tuple[str, ...]) -> None:
    """Raise `CircuitError` unless a value is one of a few names."""
    if value not in valid:
        raise CircuitError(f"{what} = {value!r}: expected one of its names; {nearest(str(value), valid)}")


def widths(hidden: Any) -> tuple[int, ...]:
    """Return the widths of layers as a tuple, or raise `CircuitError`."""
    found = tuple(hidden) if isinstance(hidden, Iterable) else (None,)
    if not all(isinstance(width, Integral) and int(width) >= 1 for width in found):
        raise CircuitError(
            f"hidden = {hidden!r}: expected the number of nodes of each hidden layer, 1 or more, such as (16,) or "
            "(32, 32), or () for none"
        )
    return tuple(int(width) for width in found)


def pair(what: str, values: Any) -> tuple[float, float]:
    """Return a lower and an upper value, or raise `CircuitError`."""
    try:
        lower, upper = map(float, values)
    except (TypeError, ValueError) as error:
        raise CircuitError(
            f"{what} = {values!r}: expected a lower and an upper value in siemens, such as (1e-7, 1e-5)"
        ) from error
    if math.isnan(lower) or math.isnan(upper):
        raise CircuitError(f"{what} = {values!r}: expected two numbers, such as (1e-7, 1e-5)")
    return lower, upper


def generator(seed: Any) -> np.random.Generator:
    """Return a generator as it is, or a new one from a seed; raise `CircuitError` for anything else."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise CircuitError(
            f"rng = {seed!r}: expected a generator of random numbers or a seed, a whole number from 0"
        ) from error
