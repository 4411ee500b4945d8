"""What every measuring script shares: claims, and where and how results are written."""

from __future__ import annotations

import cProfile
import json
import math
import pstats
import sys
from pathlib import Path
from typing import Any

from eqcirc.experiment.provenance import environment

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"


class Report:
    """Collects claims and figures, and writes `results/<script>.json`."""

    def __init__(self, script: str) -> None:
        """Name the report after the script's file."""
        self.script = self.name = Path(script).stem
        self.claims: list[dict[str, Any]] = []
        self.content: dict[str, Any] = {}

    def claim(self, text: str, measured: float, bound: str) -> None:
        """Record a claim; `bound` is like ``<= 1e-9`` or ``>= 0.97``."""
        sign, number = bound.split()
        if sign not in ("<=", ">="):
            raise ValueError(f"{text}: {bound!r}: expected a bound like '<= 1e-9' or '>= 0.97'")
        limit = float(number)
        holds = measured <= limit if sign == "<=" else measured >= limit
        self.claims.append({"claim": text, "bound": bound, "measured": measured, "holds": bool(holds)})
        print(f"{'holds   ' if holds else 'DOES NOT HOLD'} {text}: {measured:.4g} ({bound})", flush=True)

    def write(self) -> None:
        """Write the JSON file."""
        RESULTS.mkdir(exist_ok=True)
        words = ["PATH" if Path(word).exists() else word for word in sys.argv[1:]]  # a path is nobody else's
        facts = environment() | {"command": " ".join(["python", f"scripts/{self.script}.py", *words])}
        text = json.dumps(_plain(facts | {"claims": self.claims} | self.content), indent=1)
        (RESULTS / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")

    def picture(self) -> Path:
        """Return the path of the script's picture."""
        RESULTS.mkdir(exist_ok=True)
        return RESULTS / f"{self.name}.png"


def slowest(profile: cProfile.Profile) -> dict[str, float]:
    """Return the functions that take most of the time by themselves, in parts of it."""
    stats: Any = pstats.Stats(profile)
    own = sorted(((row[2], key) for key, row in stats.stats.items()), reverse=True)[:6]
    return {f"{Path(key[0]).name}:{key[2]}": round(seconds / stats.total_tt, 3) for seconds, key in own}


def _plain(value: Any) -> Any:
    """Return what JSON can hold: numpy scalars as numbers, NaN as null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value
