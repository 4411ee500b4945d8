"""What the circuit says of the test part: confusion, worst samples, decision regions, predicted against true values."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from eqcirc.data import Dataset
from eqcirc.experiment.build import build_cost
from eqcirc.experiment.scores import details
from eqcirc.learning.evaluate import outputs_of, score, targets_of
from eqcirc.report.page.evidence import Evidence
from eqcirc.report.page.section import Picture, Section, Table
from eqcirc.report.style import CYCLE, GREY, SEQUENTIAL, grid, new_figure, plain, styled
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.text import one_line, quantity
from eqcirc.typing import Array

WORST = 12  # samples that are shown
NAMED = 20  # classes that are counted in a picture
MESH = 90  # points of decision regions along each feature
IMAGES = ("digits", "mnist", "fashion-mnist")
LEAST_IMAGE = 49  # pixels of an image in data without names of columns


def answers(evidence: Evidence) -> Section:
    """Draw what the circuit answers, and where it is wrong."""
    section, part, found = Section("answers", "Answers to the test part"), evidence.part, evidence.answers
    if part is None or found is None:
        section.text.append(f"Left out, for the test part is gone: {evidence.missing.get('data', '')}")
        return section
    good = np.asarray(np.isfinite(found.outputs).all(axis=1))
    scored = score(found.outputs, good, part, build_cost(evidence.opened.experiment))
    what = "" if math.isnan(scored.accuracy) else f"{scored.accuracy:.2%} right, "
    cost = quantity(f"{scored.loss:.4g}", evidence.cost_unit)
    section.text.append(
        f"{part.n_samples:,} samples by the {found.engine} solver: {what}mean cost {cost}, "
        f"{scored.failed} without an operating point."
    )
    if part.labels is not None:
        section.parts.append(_confusion(evidence, part, found.outputs, good))
        worst = _worst(evidence, part, found.outputs, good)
        if worst is not None:
            section.parts.append(worst)
        if part.n_features == 2:
            section.parts.append(_regions(evidence, part))
    elif good.any():
        section.parts += [
            _regression(evidence, part, found.outputs, good),
            _largest(evidence, part, found.outputs, good),
        ]
    columns, rows = details(
        found.outputs, good, part, evidence.opened.known, build_cost(evidence.opened.experiment)
    )
    section.parts.append(
        Table(
            tuple(columns),
            [tuple(_shown(value) for value in row) for row in rows[:100]],
            "Scores of the test part.",
        )
    )
    return section


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else one_line(value, 60)


def _winner(evidence: Evidence, outputs: Array, good: np.ndarray) -> np.ndarray:
    best = build_cost(evidence.opened.experiment).preference(np.nan_to_num(outputs)).argmax(axis=1)
    return np.where(good, best, -1)


def _confusion(evidence: Evidence, part: Dataset, outputs: Array, good: np.ndarray) -> Picture:
    assert part.labels is not None
    n, names = part.n_classes, [plain(name, 14) for name in part.classes]
    winner = _winner(evidence, outputs, good)
    counts = np.zeros((n, n), int)
    np.add.at(counts, (part.labels[good], winner[good]), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = float(np.clip(0.36 * n + 1.6, 3.0, 7.0))
    with styled():
        figure = new_figure(size + 0.5, size)
        axis = figure.subplots()
        image = axis.imshow(100 * share, cmap=SEQUENTIAL, vmin=0, vmax=100)
        if n <= NAMED:
            for row, column in np.argwhere(counts > 0).tolist():
                colour = "black" if share[row, column] > 0.6 else "white"
                axis.text(
                    column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=7, color=colour
                )
            turned = 45 if max(map(len, names)) > 4 else 0
            axis.set_xticks(range(n), names, rotation=turned, ha="right" if turned else "center")
            axis.set_yticks(range(n), names)
        axis.set_xlabel("answer of the circuit")
        axis.set_ylabel("true class")
        axis.spines[:].set_visible(False)
        figure.colorbar(image, ax=axis, label="share of the true class (%)", shrink=0.8)
    off = counts - np.diag(np.diag(counts))
    said = "No sample is taken for another class."
    if off.any():
        true, taken = np.unravel_index(int(off.argmax()), off.shape)
        said = f"Most often {names[true]} is taken for {names[taken]} ({off[true, taken]} samples)."
    rows = [(part.classes[i], part.classes[j], int(counts[i, j])) for i in range(n) for j in range(n)]
    return Picture(
        "confusion",
        f"Numbers of samples; the diagonal is right. {said}",
        figure,
        pd.DataFrame(rows, columns=["true", "answer", "samples"]),
        "confusion matrix",
    )


def _costs(evidence: Evidence, part: Dataset, outputs: Array, good: np.ndarray) -> Array:
    """Return the cost of every sample; the worst of all without an operating point."""
    cost = build_cost(evidence.opened.experiment)
    costs = np.full(len(outputs), np.inf)
    costs[good] = cost.value(outputs[good], targets_of(part, cost)[good])
    return costs


def _worst(evidence: Evidence, part: Dataset, outputs: Array, good: np.ndarray) -> Picture | Table | None:
    assert part.labels is not None
    winner, costs = _winner(evidence, outputs, good), _costs(evidence, part, outputs, good)
    order = np.lexsort((-costs, winner == part.labels))[:WORST]
    names = (*part.classes, "nothing")
    said = [(names[part.labels[k]], names[winner[k]]) for k in order.tolist()]
    wrong = int((winner != part.labels).sum())
    text = f"{wrong} of {part.n_samples} answers are wrong; these samples cost most"
    if not _is_image(evidence, part):
        rows = [
            (str(k), one_line(true, 40), one_line(answer, 40), f"{costs[k]:.3g}")
            for k, (true, answer) in zip(order.tolist(), said, strict=True)
        ]
        return Table(("sample", "true", "answer", f"cost ({evidence.cost_unit})"), rows, f"{text}.")
    side = math.isqrt(part.n_features)
    wide = min(6, len(order))
    high = -(-len(order) // wide)
    with styled():
        figure = new_figure(1.05 * wide, 1.32 * high)
        for axis in (axes := figure.subplots(high, wide, squeeze=False).ravel()):
            axis.axis("off")
        for axis, k, (true, answer) in zip(axes, order.tolist(), said, strict=False):
            axis.imshow(part.inputs[k].reshape(side, side), cmap="gray_r", interpolation="nearest")
            axis.set_title(f"{plain(true, 9)} → {plain(answer, 9)}", fontsize=8)
    pixels = pd.DataFrame(part.inputs[order], columns=[f"pixel {k}" for k in range(part.n_features)])
    head = pd.DataFrame(
        {"sample": order, "true": [t for t, _ in said], "answer": [a for _, a in said], "cost": costs[order]}
    )
    return Picture(
        "worst",
        f"{text} (true class → answer). Would a person know them?",
        figure,
        pd.concat([head, pixels], axis=1),
        "worst samples as pictures",
    )


def _is_image(evidence: Evidence, part: Dataset) -> bool:
    """Whether the features are the pixels of a square picture."""
    square = math.isqrt(part.n_features) ** 2 == part.n_features
    known = evidence.opened.experiment.data.name in IMAGES
    return square and (known or (not part.names and part.n_features >= LEAST_IMAGE))


def _regions(evidence: Evidence, part: Dataset) -> Picture:
    from matplotlib.colors import ListedColormap

    assert part.labels is not None
    opened, scaler = evidence.opened, evidence.scaler
    low, high = (
        np.minimum(part.inputs.min(axis=0), opened.known.limits[0]),
        np.maximum(part.inputs.max(axis=0), opened.known.limits[1]),
    )
    margin = 0.08 * np.where(high > low, high - low, 1.0)
    lines = [np.linspace(low[k] - margin[k], high[k] + margin[k], MESH) for k in range(2)]
    mesh = np.stack(np.meshgrid(*lines), axis=-1).reshape(-1, 2)
    with IdealSolver(opened.circuit, start=opened.experiment.solver.begins) as solver:
        outputs, good = outputs_of(solver, opened.parameters, mesh, opened.window)
    winner = np.ma.masked_less(_winner(evidence, outputs, good).reshape(MESH, MESH), 0)
    factor = np.where(scaler.factor != 0, scaler.factor, 1.0)
    raw = [line / factor[k] + scaler.offset[k] for k, line in enumerate(lines)]
    points = part.inputs / factor + scaler.offset
    n = part.n_classes
    colours = [CYCLE[k % len(CYCLE)] for k in range(n)]
    marks = "osD^v<>"
    with styled():
        figure = new_figure(5.4, 4.0)
        axis = figure.subplots()
        axis.pcolormesh(
            *raw,
            winner,
            cmap=ListedColormap(colours),
            vmin=-0.5,
            vmax=n - 0.5,
            alpha=0.25,
            rasterized=True,
            lw=0,
        )
        for k in range(n):
            own = points[part.labels == k]
            axis.plot(
                *own.T,
                marks[k % len(marks)],
                ms=3.5,
                color=colours[k],
                mec="white",
                mew=0.4,
                label=plain(part.classes[k], 24),
            )
        names = part.names or ("feature 0", "feature 1")
        axis.set_xlabel(plain(names[0]))
        axis.set_ylabel(plain(names[1]))
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    x, y = np.meshgrid(*raw)
    answer = [part.classes[k] if k >= 0 else "" for k in _winner(evidence, outputs, good).tolist()]
    return Picture(
        "regions",
        "Background: what the circuit answers (ideal solver) in raw values of both features; points: the test part. "
        "White "
        "would be inputs without an operating point.",
        figure,
        pd.DataFrame({names[0]: x.ravel(), names[1]: y.ravel(), "answer": answer}),
        "decision regions",
    )


def _regression(evidence: Evidence, part: Dataset, outputs: Array, good: np.ndarray) -> Picture:
    assert part.targets is not None
    names = evidence.opened.known.output_names()[:6]
    wide = min(3, len(names))
    high = -(-len(names) // wide)
    with styled():
        figure = new_figure(2.6 * wide + 0.3, 2.5 * high)
        axes = figure.subplots(high, wide, squeeze=False).ravel()
        for k, (axis, name) in enumerate(zip(axes, names, strict=False)):
            true, found = part.targets[good, k], outputs[good, k]
            axis.axline((float(true.mean()), float(true.mean())), slope=1, color=GREY, lw=0.9)
            axis.plot(true, found, ".", ms=3, color=CYCLE[0], rasterized=True)
            axis.set_title(plain(name, 30))
            axis.set_xlabel("target (V)")
            axis.set_ylabel("output (V)")
            grid(axis)
        for axis in axes[len(names) :]:
            axis.axis("off")
    data = {f"target {name} (V)": part.targets[:, k] for k, name in enumerate(names)}
    data |= {f"output {name} (V)": outputs[:, k] for k, name in enumerate(names)}
    return Picture(
        "regression",
        "Every point is a test sample; on the line, the output is the target. A slope below "
        "that of the line is a circuit "
        "that dares too little.",
        figure,
        pd.DataFrame(data),
        "outputs over targets",
    )


def _largest(evidence: Evidence, part: Dataset, outputs: Array, good: np.ndarray) -> Table:
    assert part.targets is not None
    costs = _costs(evidence, part, outputs, good)
    rows = []
    for k in np.argsort(-costs)[:WORST].tolist():
        target, found = (", ".join(f"{x:.4g}" for x in values[k]) for values in (part.targets, outputs))
        rows.append((str(k), target, found, f"{costs[k]:.3g}"))
    return Table(
        ("sample", "target (V)", "output (V)", f"cost ({evidence.cost_unit})"), rows, "The largest errors."
    )
