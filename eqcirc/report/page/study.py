"""A study on a page: what the chips score, how many reach the target, what each non-ideality costs, and corners."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from eqcirc.report.page.section import Picture, Section, Table
from eqcirc.report.studies import cells, in_short
from eqcirc.report.style import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILION, grid, new_figure, plain, styled
from eqcirc.study.results import Results
from eqcirc.text import one_line

COLOURS = {"transfer": VERMILION, "in-situ": BLUE, "fine-tuned": GREEN}
MOST_PROBLEMS = 20


def sections(found: Results) -> list[Section]:
    """Return the parts of a page about a study."""
    made = [_chips(found)]
    if found.study.target is not None and any(len(found.of(arm)) for arm in found.study.arms):
        made.append(_yields(found))
    if found.study.ranking and not found.ranking().empty:
        made.append(_ranking(found))
    if found.study.corners:
        made.append(_corners(found))
    return made


def cards(found: Results) -> list[tuple[str, str]]:
    """Return the figures at the head of the page."""
    arms = found.arms()
    rows = [] if arms.empty else arms[arms["celsius"].isna() & arms["supply"].isna()].to_dict("records")
    unit = "%" if found.score == "accuracy" else ""
    made = [(f"{_shown(found, row['mean'])} {unit}", _card(found, row)) for row in rows]
    return [*made, (f"{found.done} / {found.total}", "units of work done")]


def _card(found: Results, row: Mapping[Hashable, Any]) -> str:
    what = "ideal circuit" if row["arm"] == "ideal" else f"{row['arm']}, mean of {row['chips']} chips"
    return f"{found.score}, {what}" + (f", {row['engine']}" if len(found.study.scored_by) > 1 else "")


def _shown(found: Results, value: object) -> str:
    number = float(value)  # type: ignore[arg-type]
    return f"{100 * number:.2f}" if found.score == "accuracy" else f"{number:.4g}"


def _factor(found: Results) -> tuple[float, str]:
    """Return what scores are multiplied by in figures, and the label of their axis."""
    return (100.0, "accuracy (%)") if found.score == "accuracy" else (1.0, "cost")


def _chips(found: Results) -> Section:
    """Draw the score of every chip, arm by arm."""
    section, study = Section("chips", "What the chips score"), found.study
    tables = study.reality.model_dump(mode="json", exclude_none=True)
    kinds = ", ".join(f"{kind} ({in_short(t)})" for kind, t in tables.items() if isinstance(t, dict))
    section.text.append(
        f"{study.chips} chips of series {study.reality.seed}, from number {study.first} on; not ideal: "
        f"{one_line(kinds, 1000)}."
    )
    if found.done < found.total:
        section.text.append(f"Partial: {found.done} of {found.total} units of work are done.")
    some = list(found.problems.items())[:MOST_PROBLEMS]
    section.text += [f"No result of {key}: {one_line(why, 300)}" for key, why in some]
    drawn = [
        (arm, engine) for engine in study.scored_by for arm in study.arms if len(found.of(arm, engine=engine))
    ]
    if drawn:
        section.parts.append(_strips(found, drawn))
    arms = found.arms()
    if not arms.empty:
        nominal = arms[arms["celsius"].isna() & arms["supply"].isna()].drop(columns=["celsius", "supply"])
        section.parts.append(_table(found, nominal, "Nominal conditions."))
        if "recovered" in nominal:
            section.text.append(_recovered(nominal))
    return section


def _recovered(arms: pd.DataFrame) -> str:
    said = [
        f"{row['arm']} {row['recovered']:.0%} ({row['engine']})"
        for row in arms.to_dict("records")
        if pd.notna(row["recovered"])
    ]
    if not said:
        return "Transfer loses nothing that could be recovered."
    return f"Of what transfer loses, training through the same chips gets back: {', '.join(said)}."


def _table(found: Results, frame: pd.DataFrame, caption: str) -> Table:
    columns, rows = cells(frame, found.score)
    return Table(tuple(columns), [tuple(str(cell) for cell in row) for row in rows], caption)


def _strips(found: Results, drawn: Sequence[tuple[str, str]]) -> Picture:
    factor, label = _factor(found)
    rng, rows = np.random.default_rng(0), []
    several = len(found.study.scored_by) > 1
    with styled():
        figure = new_figure(1.6 + 1.35 * len(drawn), 3.4)
        axis = figure.subplots()
        for k, (arm, engine) in enumerate(drawn):
            values = factor * np.asarray(found.of(arm, engine=engine), np.float64)
            colour = COLOURS.get(arm, GREY)
            axis.boxplot(
                values,
                positions=[k],
                widths=0.55,
                showfliers=False,
                medianprops={"color": BLACK},
                boxprops={"color": GREY},
            )
            axis.plot(
                k + rng.uniform(-0.2, 0.2, len(values)), values, "o", ms=3, color=colour, alpha=0.7, mew=0
            )
            rows.append(
                pd.DataFrame(
                    {"arm": arm, "engine": engine, "chip": found.of(arm, engine=engine).index, label: values}
                )
            )
        for engine, style in zip(found.study.scored_by, ("--", ":"), strict=False):
            axis.axhline(
                factor * found.ideal(engine), color=BLACK, lw=1, ls=style, label=f"ideal circuit ({engine})"
            )
        _target(axis, found, factor)
        names = [f"{arm}\n{engine}" if several else arm for arm, engine in drawn]
        axis.set_xticks(
            range(len(drawn)), [f"{name}\n{len(row)} chips" for name, row in zip(names, rows, strict=True)]
        )
        axis.set_ylabel(label)
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        axis.grid(axis="y", alpha=0.25, lw=0.6)
    return Picture(
        "chips",
        "Every point is a chip; boxes hold the middle half, with the median as a line. The gap between the dashed line "
        "and a cloud is what devices cost; a cloud that is higher and narrower has learnt around them.",
        figure,
        pd.concat(rows, ignore_index=True),
        "scores of all chips by arm",
    )


def _target(axis: Axes, found: Results, factor: float) -> None:
    target = found.study.target
    if target is not None:
        axis.axhline(factor * target, color=ORANGE, lw=1.2, label=f"target {factor * target:g}")


def _yields(found: Results) -> Section:
    """Draw which share of chips reaches which target."""
    section, study = Section("yield", "Yield"), found.study
    factor, label = _factor(found)
    rows = []
    with styled():
        figure = new_figure(5.4, 3.2)
        axis = figure.subplots()
        for arm in study.arms:
            values = np.sort(found.counted(arm))
            if not len(values):
                continue
            steps = np.unique(values[np.isfinite(values)])
            good = [
                (values >= x).mean() if found.score == "accuracy" else (values <= x).mean() for x in steps
            ]
            colour = COLOURS.get(arm, GREY)
            axis.plot(
                factor * steps,
                100 * np.array(good),
                drawstyle="steps-pre" if found.score == "accuracy" else "steps-post",
                color=colour,
                label=arm,
            )
            rows.append(pd.DataFrame({"arm": arm, label: factor * steps, "yield (%)": 100 * np.array(good)}))
            passed = found.passed(values)
            assert passed is not None
            assert study.target is not None
            share, low, high = (100 * x for x in (passed.share, passed.low, passed.high))
            axis.errorbar(
                factor * study.target,
                share,
                [[share - low], [high - share]],
                fmt="o",
                ms=4,
                color=colour,
                capsize=3,
            )
            section.text.append(
                f"{arm}: {passed.passed} of {passed.chips} chips reach the target, {share:.1f} % "
                f"(95 % interval {low:.1f} to {high:.1f} %, Wilson)."
            )
        assert study.target is not None
        axis.axvline(factor * study.target, color=ORANGE, lw=1.2, label="target")
        axis.set_xlabel(f"{label} to reach")
        axis.set_ylabel("yield (%)")
        axis.set_ylim(-3, 103)
        axis.legend()
        grid(axis)
    caption = (
        f"Share of chips that reach a target, over the target; whiskers are 95 % intervals at that of the study. "
        f"By the {study.scored_by[0]} solver."
    )
    section.parts.append(
        Picture("yield", caption, figure, pd.concat(rows, ignore_index=True), "yield over target")
    )
    return section


def _ranking(found: Results) -> Section:
    """Draw what each kind of non-ideality costs."""
    section, frame = Section("ranking", "What each non-ideality costs"), found.ranking()
    factor, label = _factor(found)
    names = [name for name in ("alone", "left out") if name in frame]
    if not names:
        section.text.append("Nothing to rank: there is one kind only, or no chip is done.")
        return section
    words = {"alone": "that kind only: what is lost", "left out": "all but that kind: what is won"}
    at, high = np.arange(len(frame))[::-1], 0.8 / len(names)
    with styled():
        figure = new_figure(6.4, 0.9 + 0.45 * len(frame))
        axis = figure.subplots()
        for k, (name, colour) in enumerate(zip(names, (VERMILION, BLUE), strict=False)):
            place = at + high * ((len(names) - 1) / 2 - k)
            errors = 2 * factor * frame[f"{name} ±"].to_numpy(dtype=float)
            axis.barh(
                place, factor * frame[name], high, xerr=errors, color=colour, label=words[name], capsize=2
            )
        axis.axvline(0, color=BLACK, lw=0.8)
        axis.set_yticks(at, [plain(kind) for kind in frame["kind"]])
        axis.set_xlabel("accuracy (percentage points)" if found.score == "accuracy" else label)
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        axis.grid(axis="x", alpha=0.25, lw=0.6)
    section.parts.append(
        Picture(
            "ranking",
            "The longest bar is what to mend first. Transferred values, the same chips for all bars; whiskers are "
            "twice the standard error of the mean. Where the two bars of a kind differ, kinds act together.",
            figure,
            frame,
            "cost of each kind of non-ideality",
        )
    )
    section.parts.append(_table(found, frame, "Lost alone, and won if left out; ± is one standard error."))
    return section


def condition(celsius: float | None, supply: float | None) -> str:
    """Return conditions in words."""
    said = [] if celsius is None else [f"{celsius:g} °C"]
    said += [] if supply is None else [f"supply × {supply:g}"]
    return ", ".join(said) or "nominal"


def _corners(found: Results) -> Section:
    """Draw the arms under all conditions."""
    section, study = Section("corners", "Corners"), found.study
    factor, label = _factor(found)
    rows = []
    with styled():
        figure = new_figure(2.2 + 1.15 * len(found.conditions), 3.2)
        axis = figure.subplots()
        at = np.arange(len(found.conditions))
        for k, arm in enumerate(study.arms):
            for place, where in zip(at, found.conditions, strict=True):
                values = factor * np.asarray(found.of(arm, condition=where), np.float64)
                if len(values):
                    low, middle, high = (float(np.percentile(values, q)) for q in (5, 50, 95))
                    rows.append(
                        {
                            "arm": arm,
                            "condition": condition(*where),
                            "5 %": low,
                            "median": middle,
                            "95 %": high,
                        }
                    )
                    axis.errorbar(
                        place + 0.14 * (k - (len(study.arms) - 1) / 2),
                        middle,
                        [[middle - low], [high - middle]],
                        fmt="o",
                        ms=5,
                        capsize=3,
                        color=COLOURS.get(arm, GREY),
                        label=arm if place == 0 else None,
                    )
        ideal = [factor * found.ideal("", where) for where in found.conditions]
        axis.plot(at, ideal, "_", color=BLACK, ms=22, mew=1.4, label="ideal circuit")
        rows += [
            {"arm": "ideal", "condition": condition(*where), "median": value}
            for where, value in zip(found.conditions, ideal, strict=True)
        ]
        _target(axis, found, factor)
        axis.set_xticks(at, [condition(*where).replace(", ", "\n") for where in found.conditions])
        axis.set_ylabel(label)
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        axis.grid(axis="y", alpha=0.25, lw=0.6)
    section.parts.append(
        Picture(
            "corners",
            "The same values under other conditions, nothing trained in them: medians, and 5 to 95 % of the chips. "
            "Where the ideal circuit falls, too, the circuit depends on that condition itself, not on its devices.",
            figure,
            pd.DataFrame(rows),
            "scores by temperature and supply",
        )
    )
    arms = found.arms()
    if not arms.empty:
        section.parts.append(
            _table(
                found,
                arms[arms["celsius"].notna() | arms["supply"].notna()],
                "Other conditions than the nominal ones.",
            )
        )
    return section
