"""Checks of what a layered network is to be, before anything is built."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from eqcirc.devices import Bounds
from eqcirc.devices.conductance import HIGHEST, LOWEST
from eqcirc.errors import CircuitError, nearest

if TYPE_CHECKING:
    from eqcirc.circuit.layered import Layered


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
    return lower, upper


def generator(seed: Any) -> np.random.Generator:
    """Return a generator as it is, or a new one from a seed; raise `CircuitError` for anything else."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise CircuitError(
            f"rng = {seed!r}: expected a generator of random numbers or a seed, a whole number from 0"
        ) from error


def positive(bounds: Bounds) -> Bounds:
    """Return bounds for conductances: signed weights may have others."""
    return Bounds(max(LOWEST, bounds.lower), bounds.upper)


def check(plan: Layered) -> None:
    """Raise `CircuitError` for what only shows when the parts are put together, or during training."""
    lower, upper = plan.bounds
    if plan.weights == "signed" and not -HIGHEST <= lower < 0 < upper <= HIGHEST:
        raise CircuitError(
            f"bounds {lower:g} to {upper:g} S: expected a range of signed weights around 0, such as "
            f"{-abs(upper):g} to {abs(upper):g} S, of up to {HIGHEST:g} S in magnitude"
        )
    if plan.weights != "signed" and not LOWEST <= lower < upper <= HIGHEST:
        raise CircuitError(
            f"bounds {lower:g} to {upper:g} S: expected a range of conductances "
            f"between {LOWEST:g} and {HIGHEST:g} S"
        )
    low, high = plan.initial or plan.bounds
    if not lower <= low <= high <= upper:
        raise CircuitError(
            f"initial conductances {low:g} to {high:g} S: expected a range within the bounds "
            f"{lower:g} to {upper:g} S"
        )
    if isinstance(plan.diodes, tuple) and len(plan.diodes) != len(plan.hidden):
        raise CircuitError(
            f"diodes: expected one entry for each of {len(plan.hidden)} hidden layers, got {len(plan.diodes)}"
        )
    _check_residual(plan)
    last = len(plan.hidden) + 1
    for start, end in plan.skips:
        if not 0 <= start < end - 1 < last:
            raise CircuitError(
                f"skip connection from layer {start} to layer {end}: expected to pass over at least one "
                f"layer; layer 0 is the input, layer {last} the output"
            )


def _check_residual(plan: Layered) -> None:
    if plan.residual is None:
        return
    if len(plan.hidden) < 2 or len(set(plan.hidden)) > 1:
        raise CircuitError(
            f"residual: expected at least two hidden layers of one width, got {list(plan.hidden)}"
        )
    limits = positive(plan.bounds)
    if not limits.lower <= plan.residual <= limits.upper:
        raise CircuitError(
            f"residual {plan.residual:g} S: expected a conductance within the bounds "
            f"{limits.lower:g} to {limits.upper:g} S"
        )
