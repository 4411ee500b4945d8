"""Scale inputs by what the training part alone tells, so that nothing of the test part leaks into it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from eqcirc.data.dataset import Splits
from eqcirc.errors import ConfigError, DataError, nearest
from eqcirc.typing import Array

Scaling = Literal["none", "unit", "standard"]

SUITED: dict[str, Scaling] = {"xor": "none", "digits": "unit", "mnist": "unit", "fashion-mnist": "unit"}
"""What built-in data need: pixels share one scale. Columns of a table differ in unit, and have one each."""


def suited(data: str) -> Scaling:
    """Return the scaling that a data set needs, by the name that `eqcirc.data.load_splits` knows it by."""
    return SUITED.get(data, "standard")


@dataclass(frozen=True, eq=False)
class Scaler:
    """The map ``(inputs - offset) * factor`` of each feature.

    Attributes:
        offset: (n_features,), in the unit of the raw data.
        factor: (n_features,), in its inverse.
        names: What each feature is called, () if they have no names.
    """

    offset: Array
    factor: Array
    names: tuple[str, ...] = ()

    @classmethod
    def fit(cls, kind: Scaling, inputs: Array) -> Scaler:
        """Fit to training inputs (n_samples, n_features).

        Args:
            kind: 'none' changes nothing; 'unit' takes the least value of the whole array to 0 and the
                greatest to 1 (one map for all features, as pixels need); 'standard' gives each feature
                mean 0 and standard deviation 1. What does not vary becomes 0.
            inputs: The training part.

        Raises:
            ConfigError: `kind` is unknown.
        """
        n_features = inputs.shape[1]
        if kind == "none":
            return cls(np.zeros(n_features), np.ones(n_features))
        if kind == "unit":
            least, greatest = inputs.min(), inputs.max()
            factor = _inverse(np.atleast_1d(greatest - least), np.atleast_1d(np.abs(inputs).max()))
            return cls(np.full(n_features, least), np.full(n_features, factor[0]))
        if kind == "standard":
            return cls(inputs.mean(axis=0), _inverse(inputs.std(axis=0), np.abs(inputs).max(axis=0)))
        raise ConfigError(f"scaling: unknown kind {kind!r}; {nearest(kind, get_args(Scaling))}")

    def apply(self, inputs: Array) -> Array:
        """Scale inputs (n_samples, n_features).

        Raises:
            DataError: The number of features is not the one the scaler was fitted to.
        """
        if inputs.ndim != 2 or inputs.shape[1] != len(self.offset):
            raise DataError(
                f"scaling: expected inputs of shape (samples, {len(self.offset)}), got {inputs.shape}"
            )
        with np.errstate(over="ignore"):  # whoever takes the inputs refuses what is not finite
            return np.asarray((inputs - self.offset) * self.factor)


def scale(splits: Splits, kind: Scaling) -> tuple[Splits, Scaler]:
    """Fit a `Scaler` to the training part and apply it to every part."""
    scaler = replace(Scaler.fit(kind, splits.train.inputs), names=splits.train.names)
    train, test = (replace(part, inputs=scaler.apply(part.inputs)) for part in (splits.train, splits.test))
    validation = splits.validation
    if validation is not None:
        validation = replace(validation, inputs=scaler.apply(validation.inputs))
    return Splits(train, validation, test), scaler


def _inverse(spread: Array, peak: Array) -> Array:
    # A constant feature such as 0.1 has a deviation of some rounding errors, which must not be blown up to 1.
    varies = spread > np.maximum(8 * np.finfo(np.float64).eps * peak, np.finfo(np.float64).tiny)
    return np.divide(1.0, spread, out=np.zeros_like(spread), where=varies)
