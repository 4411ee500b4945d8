"""How far each trained value may be off, if devices err independently of one another.

Each edge gets a band in inverse proportion to its sensitivity, so that all contribute alike to the spread of the loss.
How wide they may be is then measured, with values drawn within them: sensitivities know only slopes, the loss bends.

What a band means: errors are uniform within it and independent from edge to edge. All of TRIALS chips that were drawn
so kept the loss within ALLOWANCE, on the samples that were scored. If more than a part q of such chips did not, this
would happen with probability (1 - q)^TRIALS or less: 1 % for q = 5 %. Every width that is tried meets chips of its own,
so none is chosen by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from eqcirc.export.bundle.scoring import Scorer
from eqcirc.typing import Array

ALLOWANCE = 0.05
"""By how much of itself the loss may rise."""
WIDEST = 0.2
"""Half a band is at most this part of its value: sensitivities say nothing of what is further off."""
TRIALS = 90  # chips within the bands
SHARE, CONFIDENCE = 0.95, 0.99
"""Of such chips keep to the allowance at least, with this confidence: SHARE**TRIALS is 1 - CONFIDENCE."""
HALVINGS = 30


@dataclass(frozen=True, eq=False)
class Bands:
    """Bands of all trained values, by element name.

    Attributes:
        sensitivity: d(loss)/d(value).
        half: half a band, in the unit of the value.
        loss: without any error.
        allowed: largest loss that is allowed for; all draws kept to it.
        worst: loss with every value at the bad end of its band at once, which independent errors never are.
    """

    sensitivity: Mapping[str, Array]
    half: Mapping[str, Array]
    loss: float
    allowed: float
    worst: float


def bands(scorer: Scorer) -> Bands:
    """Return bands as wide as the allowance permits, up to a factor of two."""
    sensitivity = scorer.gradient()
    loss = scorer.score().loss
    allowed = loss * (1 + ALLOWANCE)
    share = (allowed - loss) / max(1, sum(g.size for g in sensitivity.values())) ** 0.5
    rng = np.random.default_rng(0)
    half = _halves(scorer, sensitivity, share)
    for _ in range(HALVINGS):
        drawn = ({n: rng.uniform(-1, 1, g.shape) for n, g in sensitivity.items()} for _ in range(TRIALS))
        if all(_loss(scorer, half, way) <= allowed for way in drawn):
            break
        share /= 2
        half = _halves(scorer, sensitivity, share)
    worst = _loss(scorer, half, {n: np.sign(g) for n, g in sensitivity.items()})
    return Bands(sensitivity, half, loss, allowed, worst)


def _halves(scorer: Scorer, sensitivity: Mapping[str, Array], share: float) -> dict[str, Array]:
    """Return half bands, each of which moves the loss by `share` or is as wide as any may be."""
    return {
        name: np.minimum(WIDEST * np.abs(scorer.values[name]), share / np.maximum(np.abs(g), 1e-300))
        for name, g in sensitivity.items()
    }


def _loss(scorer: Scorer, half: Mapping[str, Array], way: Mapping[str, Array]) -> float:
    """Return the loss with every value moved by its half band times `way`."""
    return scorer.score({n: value + half[n] * way[n] for n, value in scorer.values.items()}).loss
