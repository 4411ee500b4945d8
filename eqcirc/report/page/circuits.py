"""The circuit as it ended: solvers against each other, trained values, voltages of hidden nodes."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Block, Cell, Conductance, CurrentSource, Element, TwoTerminal
from eqcirc.report.page.evidence import Evidence
from eqcirc.report.page.section import Picture, Section
from eqcirc.report.style import (
    BLUE,
    CYCLE,
    GREY,
    SEQUENTIAL,
    VERMILION,
    grid,
    new_figure,
    plain,
    styled,
    whole_numbers,
)
from eqcirc.typing import Array

FLOOR = 1e-17  # V, where equal doubles are drawn
MOST = 6  # elements or groups of nodes in a figure
SIDE = 256  # rows or columns of a map; more are averaged


def agreement(evidence: Evidence) -> Section:
    """Draw ngspice against the ideal solver."""
    section, seen = Section("agreement", "SPICE against ideal"), evidence.agreement
    if seen is None:
        section.text.append(f"No comparison: {evidence.missing.get('agreement', 'not measured')}")
        return section
    circuit = evidence.opened.circuit
    apart = np.abs(seen.ideal - seen.spice)
    names = ["free", *["nudged"] * (len(apart) - 1)]
    rng, rows = np.random.default_rng(0), []
    for phase, name in enumerate(names):
        spice, off = seen.spice[phase].ravel(), apart[phase].ravel()
        some = rng.permutation(len(spice))[:3000]
        rows.append(pd.DataFrame({"phase": name, "ngspice_V": spice[some], "difference_V": off[some]}))
    data = pd.concat(rows, ignore_index=True)
    edges = np.arange(-17.0, max(-8.0, np.ceil(np.log10(max(float(apart.max()), FLOOR)))) + 0.26, 0.25)
    with styled():
        figure = new_figure(6.8, 2.9)
        left, right = figure.subplots(1, 2)
        for name, colour in (("free", BLUE), ("nudged", VERMILION)):
            some_rows = data[data["phase"] == name]
            if some_rows.empty:
                continue
            off = np.maximum(some_rows["difference_V"], FLOOR)
            left.semilogy(
                some_rows["ngspice_V"], off, ".", ms=2, alpha=0.4, color=colour, label=name, rasterized=True
            )
            share = np.full(len(off), 100 / len(off))
            right.hist(np.log10(off), edges, weights=share, histtype="step", lw=1.3, color=colour, label=name)
        left.axhline(1e-9, color=GREY, lw=0.8, ls="--")
        left.text(0.02, 1.3e-9, "1 nV", transform=left.get_yaxis_transform(), fontsize=7, color=GREY)
        left.set_ylim(FLOOR / 2, max(1e-8, 5 * float(apart.max())))
        left.set_xlabel("node voltage by ngspice (V)")
        left.set_ylabel("|ideal − ngspice| (V)")
        left.legend(markerscale=4)
        right.set_xlabel("log₁₀ of |ideal − ngspice| in V")
        right.set_ylabel("share of node voltages (%)")
        right.legend()
        grid(left)
        grid(right)
    phase, sample, node = (int(k) for k in np.unravel_index(int(apart.argmax()), apart.shape))
    worst = plain(circuit.node_names[circuit.free_nodes[node]])
    section.parts.append(
        Picture(
            "agreement",
            f"Two solvers that share no code, {apart.shape[1]} samples and {apart.shape[2]} nodes: "
            f"the further below 1 nV, "
            f"the better. The worst node is {worst}, sample {sample}, {names[phase]} phase: "
            f"{apart.max():.2g} V apart. (Equal to the last bit is drawn at 1e-17 V.)",
            figure,
            data,
            "differences of node voltages between ngspice and the ideal solver",
        )
    )
    return section


def _unit(element: Element) -> str:
    if isinstance(element, Block | Conductance):
        return "S"
    return "A" if isinstance(element, CurrentSource) else "relative"


def values(evidence: Evidence) -> Section:
    """Draw histograms and maps of the trained values, before and after."""
    section = Section("values", "Trained values")
    if evidence.initial is None:
        section.text.append(f"Values before training are not shown: {evidence.missing['initial']}.")
    parameters = evidence.opened.parameters
    elements = [e for e in evidence.opened.circuit.trainable if e.name in parameters]
    if not elements:
        section.text.append("Nothing in the circuit is trained.")
        return section
    if len(elements) > MOST:
        section.text.append(f"The first {MOST} of {len(elements)} trained elements are shown.")
    section.parts.append(_histograms(evidence, elements[:MOST]))
    section.parts += [
        _map(evidence, e)
        for e in elements[:MOST]
        if min(parameters[e.name].shape[-2:]) > 2 and parameters[e.name].ndim >= 2
    ]
    return section


def _histograms(evidence: Evidence, elements: list[Element]) -> Picture:
    from matplotlib.ticker import EngFormatter

    rows = []
    wide = min(3, len(elements))
    high = -(-len(elements) // wide)
    with styled():
        figure = new_figure(2.3 * wide + 0.3, 2.1 * high + 0.4)
        axes = figure.subplots(high, wide, squeeze=False).ravel()
        for axis, element in zip(axes, elements, strict=False):
            after = evidence.opened.parameters[element.name].ravel()
            before = None if evidence.initial is None else evidence.initial[element.name].ravel()
            both = after if before is None else np.concatenate([before, after])
            low, top = float(both.min()), float(both.max())
            edges = np.linspace(low, top if top > low else low + (abs(low) or 1.0), 41)
            counts = {"after": np.histogram(after, edges)[0]}
            axis.stairs(counts["after"], edges, fill=True, color=BLUE, alpha=0.75, label="after")
            if before is not None:
                counts["before"] = np.histogram(before, edges)[0]
                axis.stairs(counts["before"], edges, color=VERMILION, lw=1.2, label="before")
            rows.append(
                pd.DataFrame({"element": element.name, "from": edges[:-1], "to": edges[1:], **counts})
            )
            unit = _unit(element)
            axis.set_title(plain(element.name))
            axis.xaxis.set_major_formatter(EngFormatter(sep=" "))
            axis.locator_params(axis="x", nbins=4)
            axis.set_xlabel(unit)
            axis.set_ylabel("values")
            grid(axis)
        for axis in axes[len(elements) :]:
            axis.axis("off")
        axes[0].legend()
    return Picture(
        "values",
        "How the trained values are spread before and after training. Peaks at either end are values that "
        "training pushed "
        "against their bounds: hardware with a wider range would be used.",
        figure,
        pd.concat(rows, ignore_index=True),
        "histograms of trained values",
    )


def _map(evidence: Evidence, element: Element) -> Picture:
    from matplotlib.ticker import EngFormatter

    after = _reduced(evidence.opened.parameters[element.name])
    shown = {"after": after}
    if evidence.initial is not None:
        before = _reduced(evidence.initial[element.name])
        shown = {"before": before, "after": after, "after − before": after - before}
    with styled():
        figure = new_figure(2.3 * len(shown) + 0.4, 2.6)
        limits = [
            float(f([m.min() if f is min else m.max() for k, m in shown.items() if "−" not in k]))
            for f in (min, max)
        ]
        for axis, (name, values) in zip(
            figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True
        ):
            either_sign = "−" in name or limits[0] < 0 < limits[1]
            reach = float(np.abs(values).max() if "−" in name else np.abs(limits).max()) or 1.0
            low, high = (-reach, reach) if either_sign else limits
            image = axis.imshow(
                values,
                cmap="PuOr" if either_sign else SEQUENTIAL,
                vmin=low,
                vmax=high,
                aspect="auto",
                interpolation="nearest",
            )
            axis.set_title(name)
            whole_numbers(axis.xaxis)
            whole_numbers(axis.yaxis)
            axis.set_xlabel("column (to)")
            axis.set_ylabel("row (from)")
            bar = figure.colorbar(image, ax=axis, format=EngFormatter(sep=" "))
            bar.ax.tick_params(labelsize=7)
            bar.set_label(_unit(element), fontsize=8)
            axis.spines[:].set_visible(False)
        figure.suptitle(plain(element.name), fontsize=9.5)
    row, column = (k.ravel() for k in np.indices(after.shape))
    data = pd.DataFrame({"row": row, "column": column, **{name: m.ravel() for name, m in shown.items()}})
    full = evidence.opened.parameters[element.name].shape
    less = "" if after.shape == full else f" Of {' × '.join(map(str, full))} values neighbours are averaged."
    return Picture(
        f"map-{element.name}",
        f"{plain(element.name)}: a row for each node that it comes from, a column for each node that it leads to. "
        f"Stripes in the "
        f"difference are features or nodes that training relied on, or left alone.{less}",
        figure,
        data,
        f"map of the values of {plain(element.name)}",
    )


def _reduced(values: Array) -> Array:
    """Return a matrix with at most `SIDE` rows and columns; more are averaged, further axes stand below one another."""
    matrix = values.reshape(-1, values.shape[-1])
    for axis in (0, 1):
        step = -(-matrix.shape[axis] // SIDE)
        if step > 1:
            starts = np.arange(0, matrix.shape[axis], step)
            sizes = np.diff([*starts, matrix.shape[axis]])
            matrix = np.add.reduceat(matrix, starts, axis=axis)
            matrix = matrix / (sizes[:, None] if axis == 0 else sizes)
    return matrix


def hidden(evidence: Evidence) -> Section:
    """Draw the voltages of hidden nodes, and those across the nonlinear parts over their laws."""
    section, answers = Section("hidden", "Hidden voltages"), evidence.answers
    circuit = evidence.opened.circuit
    if answers is None or not len(answers.voltages):
        section.text.append(
            f"Not shown: {evidence.missing.get('answers', 'no sample has an operating point')}"
        )
        return section
    groups = _hidden_groups(circuit)
    if groups:
        section.parts.append(_spread(answers.voltages, groups))
    else:
        section.text.append("The circuit has no hidden nodes.")
    devices = [e for e in circuit.elements if isinstance(e, TwoTerminal | Cell)][:MOST]
    if devices:
        section.parts.append(_used(answers.voltages, devices))
    elif groups:
        section.text.append("The circuit has no nonlinear parts.")
    return section


def _hidden_groups(circuit: Circuit) -> dict[str, np.ndarray]:
    """Return the free nodes that are no outputs, by the stem of their names."""
    hidden = np.setdiff1d(circuit.free_nodes, circuit.readout.nodes)
    groups: dict[str, list[int]] = {}
    for node in hidden.tolist():
        groups.setdefault(re.sub(r"_\d+$", "", circuit.node_names[node]), []).append(node)
    return {name: np.array(nodes) for name, nodes in list(groups.items())[:MOST]}


def _spread(voltages: Array, groups: dict[str, np.ndarray]) -> Picture:
    rows = []
    wide = min(3, len(groups))
    high = -(-len(groups) // wide)
    with styled():
        figure = new_figure(2.3 * wide + 0.3, 2.1 * high + 0.3)
        axes = figure.subplots(high, wide, squeeze=False).ravel()
        for k, (axis, (name, nodes)) in enumerate(zip(axes, groups.items(), strict=False)):
            volts = voltages[:, nodes].ravel()
            counts, edges = np.histogram(volts, 60)
            share = 100 * counts / counts.sum()
            axis.stairs(share, edges, fill=True, color=CYCLE[k], alpha=0.8)
            axis.set_title(f"{plain(name)} ({len(nodes)} nodes)")
            axis.set_xlabel("voltage (V)")
            axis.set_ylabel("share (%)")
            grid(axis)
            rows.append(
                pd.DataFrame({"nodes": name, "from_V": edges[:-1], "to_V": edges[1:], "share_percent": share})
            )
        for axis in axes[len(groups) :]:
            axis.axis("off")
    return Picture(
        "hidden",
        f"Voltages of hidden nodes over {len(voltages)} samples. One narrow peak says that the "
        f"layer hardly answers to its "
        "input; two peaks at the ends that it decides.",
        figure,
        pd.concat(rows, ignore_index=True),
        "histograms of hidden voltages",
    )


def _used(voltages: Array, devices: list[TwoTerminal | Cell]) -> Picture:
    from matplotlib.ticker import EngFormatter

    rows, shares = [], []
    wide = min(3, len(devices))
    high = -(-len(devices) // wide)
    with styled():
        figure = new_figure(2.5 * wide + 0.3, 2.2 * high + 0.3)
        axes = figure.subplots(high, wide, squeeze=False).ravel()
        for axis, device in zip(axes, devices, strict=False):
            ends = device.connections() if isinstance(device, TwoTerminal) else (device.cp, device.cn)
            across = (voltages[:, ends[0]] - voltages[:, ends[1]]).ravel()
            counts, edges = np.histogram(across, 60)
            middle = (edges[:-1] + edges[1:]) / 2
            current = device.law.evaluate(middle)[0]
            share = 100 * counts / counts.sum()
            axis.stairs(share, edges, fill=True, color=BLUE, alpha=0.6)
            law = axis.twinx()
            law.plot(middle, current, color=VERMILION, lw=1.3)
            law.yaxis.set_major_formatter(EngFormatter(unit="A", sep=" "))
            law.tick_params(colors=VERMILION, labelsize=7)
            law.spines["right"].set_visible(False)
            bent = float(_bent(device, across).mean())
            shares.append(f"{plain(device.name)} {bent:.0%}")
            axis.set_title(f"{plain(device.name)}: {bent:.0%} beyond the tangent")
            axis.set_xlabel("voltage across (V)")
            axis.set_ylabel("share (%)", color=BLUE)
            rows.append(
                pd.DataFrame(
                    {
                        "element": device.name,
                        "from_V": edges[:-1],
                        "to_V": edges[1:],
                        "share_percent": share,
                        "law_A": current,
                    }
                )
            )
        for axis in axes[len(devices) :]:
            axis.axis("off")
    return Picture(
        "nonlinearities",
        "Are the nonlinearities used? Voltages across them (blue) over the current of their law (vermilion). "
        "Beyond the tangent "
        f"are those where the current is off its tangent at 0 V by half or more: {', '.join(shares)}. "
        f"Near 0 % the circuit "
        "works as a linear one.",
        figure,
        pd.concat(rows, ignore_index=True),
        "voltages across nonlinear parts over their laws",
    )


def _bent(device: TwoTerminal | Cell, across: Array) -> np.ndarray:
    """Return where the current of a law is off its tangent at 0 V by half or more."""
    start, slope = (float(x[0]) for x in device.law.evaluate(np.zeros(1)))
    current, tangent = device.law.evaluate(across)[0], start + slope * across
    return np.asarray(np.abs(current - tangent) >= 0.5 * np.maximum(np.abs(current), np.abs(tangent)))
