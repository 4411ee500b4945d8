"""What every measuring script shares: claims, and where and how results are written."""

from __future__ import annotations

import json
import math
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


def _plain(value: Any) -> Any:
    """Return what JSON can hold: numpy scalars as numbers, NaN as null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value
