"""What a study found, as far as it is: scores, distributions with yields, what each kind of non-ideality costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eqcirc.experiment.chips import Yield, counted, distribution
from eqcirc.study.directory import StudyDirectory
from eqcirc.study.schema import Study
from eqcirc.study.work import ALL, NOTHING, ONLY, WITHOUT, kinds_of, units
from eqcirc.typing import Array

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("arm", "kinds", "chip", "celsius", "supply", "engine", "accuracy", "loss", "failed", "samples")


@dataclass(frozen=True, eq=False)
class Results:
    """Results of a study.

    Attributes:
        folder: study directory.
        study: what was asked.
        frame: a row for each unit, corner and engine that is done; no celsius and supply: nominal conditions.
        problems: why units have no result, by their key.
        done: units that are done, those with a problem included.
        total: units that there are.
    """

    folder: Path
    study: Study
    frame: pd.DataFrame
    problems: dict[str, str]
    done: int
    total: int

    @property
    def score(self) -> str:
        """What scores: "accuracy", or "loss" in a regression."""
        return "accuracy" if self.frame["accuracy"].notna().any() else "loss"

    @cached_property
    def conditions(self) -> list[tuple[float | None, float | None]]:
        """Temperatures and supplies, the nominal ones first."""
        return [(None, None), *((corner.celsius, corner.supply) for corner in self.study.corners)]

    def of(
        self,
        arm: str,
        kinds: str = ALL,
        engine: str = "",
        condition: tuple[float | None, float | None] = (None, None),
    ) -> pd.Series[float]:
        """Return the scores of chips that have one, by chip; those of the first engine by default."""
        return self._rows(arm, kinds, engine, condition)[self.score].astype(float).dropna()

    def counted(
        self, arm: str, engine: str = "", condition: tuple[float | None, float | None] = (None, None)
    ) -> Array:
        """Return the scores of an arm as yields count them: the loss of a chip that fails samples is infinite."""
        found = self._rows(arm, ALL, engine, condition)
        scores = found[self.score].to_numpy(np.float64)
        return scores if self.score == "accuracy" else counted(scores, found["failed"].to_numpy(np.float64))

    def _rows(
        self, arm: str, kinds: str, engine: str, condition: tuple[float | None, float | None]
    ) -> pd.DataFrame:
        f = self.frame
        there = (
            (f["arm"] == arm) & (f["kinds"] == kinds) & (f["engine"] == (engine or self.study.scored_by[0]))
        )
        for name, value in zip(("celsius", "supply"), condition, strict=True):
            there &= f[name].isna() if value is None else f[name] == value
        return f[there].set_index("chip")

    def ideal(self, engine: str = "", condition: tuple[float | None, float | None] = (None, None)) -> float:
        """Return the score of the ideal circuit; NaN if it is not known yet."""
        found = self.of("ideal", NOTHING, engine, condition)
        return float(found.iloc[0]) if len(found) else float("nan")

    def worse(self, scores: Array | float, than: Array | float) -> Any:
        """Return by how much scores are worse: less accuracy, or more loss."""
        apart = np.subtract(than, scores)
        return apart if self.score == "accuracy" else -apart

    def passed(self, scores: Array) -> Yield | None:
        """Return the yield of chips with such scores, see `counted`, at the target of the study; None without one."""
        target = self.study.target
        if target is None or not len(scores):
            return None
        good = scores >= target if self.score == "accuracy" else scores <= target
        return Yield.of(int(good.sum()), len(scores))

    def arms(self) -> pd.DataFrame:
        """Return distribution, yield and what is lost and recovered, for each arm, engine and condition.

        `recovered` is the share of what transfer loses that training through the chip gets back, on the same chips;
        `failed` the number of samples without an operating point, on all of them, where there are any.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for condition in self.conditions:
            for engine in self.study.scored_by:
                where = dict(zip(("celsius", "supply"), condition, strict=True)) | {"engine": engine}
                ideal, moved = self.ideal(engine, condition), self.of("transfer", ALL, engine, condition)
                if not np.isnan(ideal):
                    rows.append({"arm": "ideal"} | where | {"chips": 0, "mean": ideal})
                for arm in self.study.arms:
                    found = self.of(arm, ALL, engine, condition)
                    everything = self.counted(arm, engine, condition)
                    failed = self._rows(arm, ALL, engine, condition)["failed"].astype(float)
                    if len(everything):
                        row = self._arm(arm, found, ideal, moved, everything)
                        lost = {"failed": float(failed.sum())} if failed.any() else {}
                        rows.append({"arm": arm} | where | row | lost)
        return pd.DataFrame(rows)

    def _arm(
        self, arm: str, found: pd.Series[float], ideal: float, moved: pd.Series[float], everything: Array
    ) -> dict[str, Any]:
        row: dict[str, Any] = {"chips": len(everything)} | distribution(np.asarray(found, np.float64))
        row["lost"] = self.worse(row["mean"], ideal)
        same = found.index.intersection(moved.index)
        if arm != "transfer" and len(same):
            lost = float(self.worse(moved[same].mean(), ideal))
            got = lost - float(self.worse(found[same].mean(), ideal))
            row["recovered"] = got / lost if lost > 0 else float("nan")
        passed = self.passed(everything)
        return row | ({} if passed is None else {f"yield {k}": v for k, v in asdict(passed).items()})

    def ranking(self) -> pd.DataFrame:
        """Return what each kind of non-ideality costs on transferred chips, the dearest first.

        `alone`: what is lost with that kind only. `left out`: what is won if all kinds but that one are there. Both
        with the standard error of the mean over the chips.
        """
        import pandas as pd

        rows, ideal, everything = [], self.ideal(), self.of("transfer")
        for name in kinds_of(self.study) if self.study.ranking else ():
            row: dict[str, Any] = {"kind": name}
            alone, without = self.of("transfer", ONLY + name), self.of("transfer", WITHOUT + name)
            if len(alone):
                row |= _mean("alone", self.worse(np.asarray(alone, np.float64), ideal))
            same = without.index.intersection(everything.index)
            if len(same):
                won = self.worse(
                    np.asarray(everything[same], np.float64), np.asarray(without[same], np.float64)
                )
                row |= _mean("left out", won)
            rows.append(row)
        found = pd.DataFrame(rows)
        return found.sort_values("alone", ascending=False, ignore_index=True) if "alone" in found else found

    def content(self) -> dict[str, Any]:
        """Return all that JSON can hold of it."""
        tables = {"arms": self.arms(), "ranking": self.ranking()}
        return {
            "name": self.study.name,
            "folder": str(self.folder),
            "done": self.done,
            "total": self.total,
            "score": self.score,
            "target": self.study.target,
            "problems": self.problems,
        } | {name: _records(table) for name, table in tables.items()}


def open_study(folder: Path | str) -> Results:
    """Read what a study has found so far.

    Raises:
        CheckpointError: the folder holds no study.
    """
    import pandas as pd

    directory = StudyDirectory(folder)
    study = directory.study()
    rows: list[dict[str, Any]] = []
    problems, done, everything = {}, 0, units(study)
    for unit in sorted(everything, key=lambda unit: unit.key):
        found = directory.load(unit)
        if found is None:
            continue
        done += 1
        rows += found[0]
        if found[1]:
            problems[unit.key] = found[1]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return Results(directory.path, study, frame, problems, done, len(everything))


def _mean(name: str, values: Array) -> dict[str, float]:
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
    return {name: float(values.mean()), f"{name} ±": error}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows; what is not known is None."""
    rows = table.astype(object).where(table.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in rows.to_dict("records")]
