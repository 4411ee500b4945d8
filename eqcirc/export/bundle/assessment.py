"""What is measured of a design once, for several tables: the scorer, the bands, and every score that was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from eqcirc.export.bundle.bands import ALLOWANCE, TRIALS, WIDEST, Bands, bands
from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.files import File
from eqcirc.export.bundle.scoring import Scorer
from eqcirc.export.bundle.tables import table
from eqcirc.learning.evaluate import Score

COLUMNS = ("case", "samples", "failed", "loss", "accuracy", "note")


@dataclass(eq=False)
class Assessment:
    """Of one design.

    Attributes:
        design: the design.
        scores: what was scored, with a note each, in order.
    """

    design: Design
    scores: list[tuple[str, Score, str]] = field(default_factory=list)

    @cached_property
    def scorer(self) -> Scorer | None:
        """Scores variants; None where data or cost are not known."""
        scorer = Scorer.of(self.design)
        if scorer is not None:
            self.scores.append(
                ("as exported", scorer.score(), "ideal solver, first samples of the test part")
            )
        return scorer

    @cached_property
    def bands(self) -> Bands | None:
        """Bands of the trained values; None where they cannot be measured."""
        scorer = self.scorer
        if scorer is None or not scorer.values:
            return None
        found = bands(scorer)
        score = self.scores[0][1]
        why = f"all of {TRIALS} chips drawn within the bands stayed below a loss of {found.allowed:.6g}"
        limit = Score(found.allowed, float("nan"), 0, score.samples)
        self.scores.append(
            (f"allowed: loss + {ALLOWANCE:.0%}", limit, f"{why}; no band is wider than {WIDEST:.0%}")
        )
        worst = Score(found.worst, float("nan"), 0, score.samples)
        self.scores.append(
            ("all values at the bad end of their bands", worst, "independent errors never are")
        )
        return found

    def note(self, case: str, score: Score, why: str = "") -> None:
        """Keep a score for the table."""
        self.scores.append((case, score, why))

    def scores_csv(self) -> File:
        """Return the table of all scores."""
        rows = ((case, s.samples, s.failed, s.loss, s.accuracy, why) for case, s, why in self.scores)
        return File("scores.csv", table(COLUMNS, rows), "loss and accuracy of what the other tables propose")
