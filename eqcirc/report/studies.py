"""Studies for people: their tables as text, and figures of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eqcirc.text import one_line

if TYPE_CHECKING:
    import pandas as pd

PERCENT = ("mean", "deviation", "least", "5 %", "median", "95 %", "most", "lost")


def cells(table: pd.DataFrame, score: str) -> tuple[list[str], list[list[Any]]]:
    """Return columns and rows of a table for people: accuracies in percent, a yield in one column, nothing empty."""
    import pandas as pd

    shares = ("yield passed", "yield chips", "yield share", "yield low", "yield high")
    percent = (*PERCENT, "alone", "alone ±", "left out", "left out ±") if score == "accuracy" else ()
    kept = [name for name in table if name not in shares and table[name].notna().any()]
    rows: list[list[Any]] = []
    for _, line in table.iterrows():
        row: list[Any] = []
        for name in kept:
            value: Any = line[str(name)]
            if pd.isna(value):
                row.append("")
            elif name in percent:
                row.append(f"{value:.2%}")
            elif name == "recovered":
                row.append(f"{value:.0%}")
            else:
                row.append(f"{value:.5g}" if isinstance(value, float) else one_line(value))
        if "yield share" in table:
            row.append(_yield(line))
        rows.append(row)
    return [*map(str, kept), *(["yield (95 % interval)"] if "yield share" in table else [])], rows


def in_short(table: Mapping[str, Any]) -> str:
    """Return the keys of a kind of non-ideality and their values; nothing of those that are empty."""
    said = ((key, f"{value:g}" if isinstance(value, float) else str(value)) for key, value in table.items())
    return ", ".join(f"{key} {value}" for key, value in said if value not in ("[]", "()"))


def _yield(line: pd.Series[Any]) -> str:
    share, low, high = (line[f"yield {key}"] for key in ("share", "low", "high"))
    if math.isnan(share):
        return ""
    return f"{line['yield passed']:.0f} of {line['yield chips']:.0f}: {share:.0%} ({low:.0%} to {high:.0%})"
