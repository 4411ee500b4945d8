"""Which nudged phases a rule solves, and how it makes one derivative of them.

    positive      [E(+beta) − E(0)]/beta                      error of order beta
    negative      [E(0) − E(−beta)]/beta                      beta
    random        one of these two, drawn anew for every batch; the first errors average out
    centred       D(beta) = [E(+beta) − E(−beta)]/(2·beta)    beta²
    richardson    [4·D(beta) − D(2·beta)]/3                   beta⁴

Source: Laborieux et al. 2021 (arXiv 2006.03824), centred and random nudges; Richardson 1911, the extrapolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Variant = Literal["centred", "positive", "negative", "random", "richardson"]


class Pair(NamedTuple):
    """Two phases whose difference counts `weight` times, over `span` betas; phase 0 is the free one."""

    weight: float
    plus: int
    minus: int
    span: float


@dataclass(frozen=True)
class Phases:
    """Phases of a variant.

    Attributes:
        factors: of beta, in the nudged phases.
        pairs: what is made of the phases.
        order: power of beta that the error grows with.
    """

    factors: tuple[float, ...]
    pairs: tuple[Pair, ...]
    order: int


PHASES: dict[Variant, Phases] = {
    "centred": Phases((1.0, -1.0), (Pair(1.0, 1, 2, 2.0),), 2),
    "positive": Phases((1.0,), (Pair(1.0, 1, 0, 1.0),), 1),
    "negative": Phases((-1.0,), (Pair(1.0, 0, 1, 1.0),), 1),
    "richardson": Phases((1.0, -1.0, 2.0, -2.0), (Pair(4 / 3, 1, 2, 2.0), Pair(-1 / 3, 3, 4, 4.0)), 4),
}
PHASES["random"] = PHASES["positive"]  # or the other one
