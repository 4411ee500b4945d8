"""Pictures and tables of the measuring scripts, drawn anew from the recorded results."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], ModuleType]:
    """Import a script that writes nothing into the repository."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))

    def load(name: str) -> ModuleType:
        module = importlib.import_module(name)
        monkeypatch.setattr(module, "RESULTS", tmp_path, raising=False)
        return module

    return load


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """What is drawn, instead of written."""
    drawn: list[Figure] = []

    def keep(figure: Figure, *_: Any, **__: Any) -> None:
        figure.draw_without_rendering()
        drawn.append(figure)

    monkeypatch.setattr(Figure, "savefig", keep)
    return drawn


def recorded(script: Callable[[str], ModuleType], name: str) -> Any:
    """A report with the content of a recorded one."""
    report = script("common").Report(name)
    report.content = json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return report


def test_the_sum_of_conductances_is_one_figure_in_table_picture_and_guide(
    script: Callable[[str], ModuleType], figures: list[Figure], tmp_path: Path
) -> None:
    module, report = script("signed_weights"), recorded(script, "signed_weights")
    rows = report.content["rows"]
    module.table(rows)
    module.draw(report, rows)
    lines = (tmp_path / "signed_weights.md").read_text(encoding="utf-8").splitlines()
    column = [cell.strip() for cell in lines[0].split("|")].index(f"{module.SUM}, mS")
    in_table = {tuple(line.split("|")[1:3]): line.split("|")[column].strip() for line in lines[2:]}
    panel = figures[0].axes[-1]
    assert " ".join(panel.get_xlabel().split()) == f"{module.SUM} (mS)"
    assert sorted(text.get_text() for text in panel.texts) == sorted(in_table.values())
    guide = (ROOT / "docs" / "how-to-choose.md").read_text(encoding="utf-8")
    assert f"| {module.SUM}, FHN / diodes |" in guide
    loaded = [float(in_table[f" {neurons} ", " signed, loaded "]) for neurons in ("FHN", "diodes")]
    assert f"| {loaded[0]:.2g} / {loaded[1]:.2g} mS |" in guide


@pytest.mark.parametrize(("hidden", "least"), [("1024", 9), ("1024-1024", 5)])
def test_errors_of_wide_networks_are_plain_per_cent(
    script: Callable[[str], ModuleType], figures: list[Figure], hidden: str, least: int
) -> None:
    module = script("bench_wide")
    module.draw(recorded(script, f"bench_wide_{hidden}"))
    (axis,) = figures[0].axes
    low, high = axis.get_ylim()
    ticks = zip(axis.get_yticks(), axis.get_yticklabels(), strict=True)
    shown = [text.get_text() for tick, text in ticks if low <= tick <= high]
    assert len(shown) >= least
    assert all(re.fullmatch(r"[\d.]+", text) for text in shown), shown
    assert not any(text.get_text() for text in axis.get_yticklabels(minor=True))


def test_the_picture_of_random_circuits_explains_all_its_lines(
    script: Callable[[str], ModuleType], figures: list[Figure]
) -> None:
    report = recorded(script, "verify_circuits")
    script("verify_circuits").draw(report, report.content["circuits"])
    left, right = figures[0].axes
    assert right.get_ylabel()
    variants = {line.get_label(): line for line in left.get_legend().get_lines()}
    assert variants.keys() == {"positive", "negative", "centred"}
    assert variants["positive"].get_linestyle() != variants["negative"].get_linestyle()
    bounds = [line for line in right.lines if line.get_linestyle() in ("--", ":")]
    assert {line.get_label() for line in bounds} == {"bound of gradients: 1e-6", "bound of voltages: 1e-9 V"}
