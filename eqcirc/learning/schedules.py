"""Learning-rate schedules: a factor of the base rate, as a function of the progress of a run.

constant      1
cosine        f + (1 − f)·½·(1 + cos(pi·progress)),  f the final factor
exponential   decay^epoch, held within an epoch
"""

from __future__ import annotations

import math
from typing import Literal

ScheduleName = Literal["constant", "cosine", "exponential"]


def factor(
    schedule: ScheduleName, progress: float, epochs: int, *, final: float = 0.0, decay: float = 0.99
) -> float:
    """Return the factor of the learning rate.

    Args:
        schedule: which one.
        progress: share of the run that is done, in [0, 1).
        epochs: length of the run.
        final: factor at the end of a cosine schedule.
        decay: factor from one epoch to the next of an exponential schedule.
    """
    if schedule == "cosine":
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))
    if schedule == "exponential":
        return float(decay ** math.floor(progress * epochs + 1e-9))
    return 1.0
