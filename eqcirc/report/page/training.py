"""What was trained, how learning went, and whether the updates were the gradient."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from eqcirc.report.page.evidence import Evidence
from eqcirc.report.page.schematic import schematic_figure
from eqcirc.report.page.section import Picture, Section, Table
from eqcirc.report.style import (
    CYCLE,
    GREEN,
    GREY,
    PARTS,
    grid,
    new_figure,
    plain,
    styled,
    whole_epochs,
    whole_numbers,
)
from eqcirc.text import one_line

NOTHING = 1e-17  # where equal doubles are drawn on a logarithmic axis


def trained(evidence: Evidence) -> Section:
    """Draw the circuit and say what it is made of."""
    circuit, section = evidence.opened.circuit, Section("circuit", "What was trained")
    figure, left_out = schematic_figure(circuit)
    rows = [
        (
            e.name,
            type(e).__name__,
            " × ".join(map(str, e.value.shape)),
            "trained" if e.trainable else "fixed",
        )
        for e in circuit.elements
    ]
    table = pd.DataFrame(rows, columns=["element", "kind", "values", "role"])
    if figure is None:
        section.text.append(
            "The circuit is not one of layers, or has many; its elements are listed, not drawn."
        )
    else:
        more = f" Not drawn: {', '.join(map(one_line, left_out))}." if left_out else ""
        section.parts.append(
            Picture(
                "circuit",
                "Rings are driven nodes, dots free ones; of every group of nodes the first two and the last one are "
                "drawn, with their number beside the dots. Every line between two columns is a part of a crossbar."
                f"{more} Output 0 is {circuit.readout.words(0, circuit.node_names)}, and so on.",
                figure,
                table,
                "schematic of the network",
            )
        )
    size = sum(value.size for value in evidence.opened.parameters.values())
    section.text.append(
        f"{len(circuit.free_nodes):,} free nodes, {circuit.inputs.n_features:,} features, "
        f"{circuit.readout.n_outputs:,} outputs, {size:,} trained values. Rule: "
        f"{one_line(evidence.summary.rule or evidence.facts.rule)}"
        + (f" ({one_line(evidence.summary.rule_why)})." if evidence.summary.rule_why else ".")
    )
    section.parts.append(Table(("element", "kind", "values", "role"), rows, "Elements of the circuit."))
    return section


def learning(evidence: Evidence) -> Section:
    """Draw error and cost over the epochs."""
    section, metrics = Section("learning", "Learning curves"), evidence.metrics
    if metrics.empty:
        section.text.append("No epoch is done yet.")
        return section
    facts = evidence.facts
    known = "train_accuracy" in metrics and bool(np.isfinite(metrics["train_accuracy"].astype(float)).any())
    with styled():
        figure = new_figure(3.4 * (1 + known) + 0.2, 2.9)
        axes = figure.subplots(1, 1 + known, squeeze=False)[0]
        if known:
            _curves(axes[0], metrics, "accuracy", "error (%)", facts.test_accuracy)
        _curves(axes[-1], metrics, "loss", f"cost ({evidence.cost_unit})", facts.test_loss)
    data = metrics.copy()
    data.loc[data.index[-1], ["test_accuracy", "test_loss"]] = [
        np.nan if x is None else x for x in (facts.test_accuracy, facts.test_loss)
    ]
    best = (
        ""
        if facts.test_accuracy is None
        else f" The test part, seen only at the end, scores {facts.test_accuracy:.2%}."
    )
    section.parts.append(
        Picture(
            "learning",
            "Falling curves that stay together learn; a validation curve that turns up while the training curve falls "
            f"has begun to learn by heart.{best}",
            figure,
            data,
            "error and cost over epochs",
        )
    )
    last = metrics.iloc[-1]
    section.text.append(
        f"{facts.epoch} of {facts.epochs} epochs: {one_line(facts.detail) or facts.state}. "
        f"{float(last.get('at_bounds', np.nan)):.1%} of the values ended at one of their bounds; "
        f"{metrics['failed'].sum():.0f} samples had no operating point in training."
    )
    return section


def _curves(axis: Axes, metrics: pd.DataFrame, key: str, label: str, test: float | None) -> None:
    def drawn(values: pd.Series[float]) -> np.ndarray:
        numbers = values.to_numpy(dtype=float)
        return 100 * (1 - numbers) if key == "accuracy" else numbers

    positive = True
    for part in ("train", "validation"):
        if f"{part}_{key}" in metrics:
            values = drawn(metrics[f"{part}_{key}"])
            axis.plot(metrics["epoch"], values, color=PARTS[part], label=part, marker="o", ms=2.5)
            positive &= not (values <= 0).any()
    if test is not None:
        value = float(drawn(pd.Series([test]))[0])
        axis.plot(metrics["epoch"].iloc[-1], value, "*", color=GREEN, ms=11, label="test", mec="white")
        positive &= value > 0
    if key == "loss" and positive:
        axis.set_yscale("log")
    whole_epochs(axis)
    axis.set_ylabel(label)
    axis.legend()
    grid(axis)


def updates(evidence: Evidence) -> Section:
    """Draw what the audits of the run found, and updates against the adjoint gradient at the trained values."""
    section = Section("updates", "Updates against the gradient")
    if evidence.audits.empty:
        section.text.append("The run made no audits: audit.every was 0, or ngspice was not there.")
    else:
        section.parts.append(_audits(evidence))
    if evidence.gradients is None:
        section.text.append(
            f"No gradients at the trained values: {evidence.missing.get('gradients', 'not measured')}"
        )
        return section
    section.parts += [_scatter(evidence), _sweep(evidence)]
    found = {name: evidence.gradients.cosine(name) for name in evidence.gradients.measured}
    section.text.append(
        "Cosine between update and adjoint gradient at the trained values: "
        + ", ".join(f"{value:.9f} by {name}" for name, value in found.items())
        + "."
    )
    return section


def _audits(evidence: Evidence) -> Picture:
    audits = evidence.audits
    panels = [
        ("1 − cosine", 1 - audits["cosine"], "1 − cosine of the two updates"),
        ("max_dv", audits["max_dv"], "largest difference of a node (V)"),
    ]
    if "bias" in audits:
        panels.append(("bias", audits["bias"], "error of the update for its beta"))
    with styled():
        figure = new_figure(2.5 * len(panels), 2.5)
        for axis, (_, values, label), colour in zip(
            figure.subplots(1, len(panels)), panels, CYCLE, strict=False
        ):
            axis.plot(audits["step"], np.maximum(values, NOTHING), "o-", ms=2.5, lw=1, color=colour)
            axis.set_yscale("log")
            whole_numbers(axis.xaxis)
            axis.set_xlabel("step")
            axis.set_ylabel(label)
            grid(axis)
    worst = audits["cosine"].min()
    return Picture(
        "audits",
        "Over training, some samples of a batch are solved again by the other solver and with half of beta. Low and "
        f"flat is good: the cosine of the updates by ngspice and by the ideal solver never fell below {worst:.9f}. "
        f"(Equal is "
        "drawn at 1e-17.)",
        figure,
        audits,
        "agreement of the solvers and bias of the updates over training",
    )


def _scatter(evidence: Evidence) -> Picture:
    gradients = evidence.gradients
    assert gradients is not None
    solver = "ngspice" if "ngspice" in gradients.measured else "ideal"
    measured, rows = gradients.measured[solver], []
    for name, exact in gradients.exact.items():
        scale = float(np.abs(exact).max()) or 1.0
        pairs = np.column_stack([exact.ravel(), measured[name].ravel()]) / scale
        some = np.random.default_rng(0).permutation(len(pairs))[:2000]
        rows.append(pd.DataFrame(pairs[some], columns=["exact", "measured"]).assign(element=name))
    data = pd.concat(rows, ignore_index=True)
    with styled():
        figure = new_figure(3.6, 3.3)
        axis = figure.subplots()
        axis.axline((0, 0), slope=1, color=GREY, lw=0.8)
        for k, name in enumerate(gradients.exact):
            colour, some_rows = CYCLE[k % len(CYCLE)], data[data["element"] == name]
            axis.plot(
                some_rows["exact"],
                some_rows["measured"],
                ".",
                ms=3,
                color=colour,
                label=plain(name),
                rasterized=True,
            )
        axis.set_xlabel("adjoint gradient / its largest entry")
        axis.set_ylabel(f"update by {solver} / the same")
        if len(rows) <= 10:
            axis.legend(markerscale=2)
        grid(axis)
    return Picture(
        "gradient",
        "Every point is a trained value (at most 2,000 of each element); on the line, the update of the "
        "rule is the gradient "
        "of the cost. Shown as parts of the largest entry of each element.",
        figure,
        data,
        "update against adjoint gradient, value by value",
    )


def _sweep(evidence: Evidence) -> Picture:
    gradients = evidence.gradients
    assert gradients is not None
    data = pd.DataFrame(gradients.sweep, columns=["beta", "relative_error"])
    with styled():
        figure = new_figure(3.6, 3.3)
        axis = figure.subplots()
        axis.loglog(data["beta"], np.maximum(data["relative_error"], NOTHING), "o-", ms=3.5)
        axis.axvline(gradients.beta, color=GREY, lw=1, ls="--", label="beta of the run")
        axis.set_xlabel("beta, in the unit of the experiment (A or S)")
        axis.set_ylabel("relative error of the gradient")
        axis.legend()
        grid(axis)
    gaps = " Missing points could not be measured." if data["relative_error"].isna().any() else ""
    return Picture(
        "beta",
        "Error of the update over the nudging strength, by the ideal solver at the trained values. "
        "Right of the valley beta "
        f"is so large that the update is no gradient any more, left of it rounding drowns the nudge.{gaps}",
        figure,
        data,
        "error of the gradient over beta",
    )
