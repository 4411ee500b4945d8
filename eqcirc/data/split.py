"""Cut one data set into disjoint parts, each with the class proportions of the whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eqcirc.data.dataset import Dataset, Splits
from eqcirc.errors import ConfigError, DataError


def split(dataset: Dataset, validation: float, test: float, seed: int) -> Splits:
    """Cut `dataset` into three disjoint parts, each with the class proportions of the whole.

    Args:
        dataset: What to cut; samples of a regression are only shuffled.
        validation: Share of the whole in [0, 1); 0 gives `Splits.validation` None.
        test: Share of the whole in (0, 1).
        seed: Non-negative; the same seed gives the same parts.

    Raises:
        ConfigError: The shares are out of range or leave nothing to train on.
        DataError: There are too few samples for these shares.
    """
    if test == 0:
        raise ConfigError(
            "test: expected a share above 0, got 0; without test samples there is nothing to report"
        )
    train, (validation_part, test_part) = hold_out(dataset, {"validation": validation, "test": test}, seed)
    assert test_part is not None  # only a share of 0 gives None
    return Splits(train, validation_part, test_part)


def hold_out(dataset: Dataset, shares: dict[str, float], seed: int) -> tuple[Dataset, list[Dataset | None]]:
    """Cut off a part for each named share of the whole; return the rest and the parts (None for share 0).

    Raises:
        ConfigError: A share lies outside [0, 1) or they add up to 1 or more.
        DataError: A part would be empty, or a class would be missing from the rest.
    """
    _check_shares(shares)
    sizes = [round(share * dataset.n_samples) for share in shares.values()]
    for (part, share), size in zip(shares.items(), sizes, strict=True):
        if share > 0 and size == 0:
            raise DataError(
                f"{dataset.name}: {part} = {share} of {dataset.n_samples} samples is none; raise the share"
            )
    *parts, rest = np.split(stratified_order(dataset, seed), np.cumsum(sizes))
    _check_rest(dataset, rest)
    return dataset.take(rest), [dataset.take(part) if len(part) else None for part in parts]


def stratified_order(dataset: Dataset, seed: int) -> NDArray[np.int64]:
    """Return a seeded shuffle (n_samples,) of which every stretch has about the class shares of the whole.

    Member r of a class of c samples is put at the relative position (r + 1/2)/c, so the members of each class
    are spread evenly; ties stay in random order.
    """
    shuffled = np.random.default_rng(seed).permutation(dataset.n_samples)
    if dataset.labels is None:
        return shuffled
    labels = dataset.labels[shuffled]
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return shuffled[np.argsort(position, kind="stable")]


def _check_shares(shares: dict[str, float]) -> None:
    for part, share in shares.items():
        if not 0 <= share < 1:
            raise ConfigError(f"{part}: expected a share of the whole in [0, 1), got {share}")
    if sum(shares.values()) >= 1:
        raise ConfigError(f"{' + '.join(shares)}: expected shares below 1 in sum, got {sum(shares.values())}")


def _check_rest(dataset: Dataset, rest: NDArray[np.int64]) -> None:
    if len(rest) == 0:
        raise DataError(
            f"{dataset.name}: {dataset.n_samples} samples leave none for training; lower the shares"
        )
    if dataset.labels is None:
        return
    missing = np.setdiff1d(dataset.labels, dataset.labels[rest])
    if len(missing):
        count = np.count_nonzero(dataset.labels == missing[0])
        raise DataError(
            f"{dataset.name}: class {missing[0]} has {count} sample(s), none of them left for training; "
            f"add samples or lower the shares"
        )
