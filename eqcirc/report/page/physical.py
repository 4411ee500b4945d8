"""Physical figures of a run: where its power goes, what devices see, how long an answer takes and what it costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eqcirc.analysis.physical import Conditions, PhysicalFigures
from eqcirc.errors import EqcircError
from eqcirc.experiment.physical import conditions_of, figures_of
from eqcirc.report.page.evidence import Evidence
from eqcirc.report.page.section import Picture, Section, Table
from eqcirc.report.style import BLACK, CYCLE, new_figure, plain, styled
from eqcirc.text import one_line
from eqcirc.typing import Array

SAMPLES = 64  # of the test part
UNITS = {"volts": "V", "amperes": "A", "watts": "W"}


def physical(evidence: Evidence) -> Section:
    """Draw power by layer and class of devices, and list what else is known."""
    section, opened = Section("physical", "Physical figures"), evidence.opened
    try:
        inputs = _inputs(evidence)
        given = conditions_of(opened)
        found = figures_of(opened, inputs, given, "ideal")
    except EqcircError as error:
        section.text.append(f"Not known: {one_line(error, 400)}")
        return section
    watts, worst = found.power.worst
    section.text.append(
        f"{found.samples} samples of the test part by the {found.engine} solver. An inference takes "
        f"{eng(found.power.mean, 'W')} on average, {eng(watts, 'W')} at most (sample {worst}); what sources deliver "
        f"and what parts take differ by {found.power.imbalance:.1g} of the largest share."
    )
    section.text += _in_time(found, given)
    section.parts.append(_power(found))
    rows = [
        (
            seen.kind,
            eng(seen.largest.value, UNITS[seen.quantity]),
            "not given" if seen.rating is None else eng(seen.rating, UNITS[seen.quantity]),
            "" if seen.rating is None else f"{seen.used:.0%}",
            f"{one_line(seen.largest.element)} {seen.largest.part}, sample {seen.largest.sample}",
        )
        for seen in found.seen
    ]
    caption = "The largest voltage, current and power that a device of each class sees, against its rating."
    section.parts.append(Table(("class", "largest", "rating", "used", "where"), rows, caption))
    return section


def _inputs(evidence: Evidence) -> Array:
    """Return some samples; those that the run keeps if the data are gone."""
    if evidence.part is not None:
        return evidence.part.inputs[:SAMPLES]
    from eqcirc.experiment import data_record

    return evidence.opened.samples(evidence.opened.path / data_record.SAMPLES, 0)


def eng(value: float, unit: str) -> str:
    """Return a number with its unit, the power of ten as a prefix."""
    from matplotlib.ticker import EngFormatter

    return EngFormatter(unit=unit, places=3)(value)


def _in_time(found: PhysicalFigures, given: Conditions) -> list[str]:
    """Return what needs more than operating points, or what is needed for it."""
    said, missing = [], []
    if found.settled:
        slowest, joules = max(found.settled, key=lambda s: s.seconds), [s.joules for s in found.settled]
        said.append(
            f"Settling to {given.tolerance:g} of the largest output takes {eng(slowest.seconds, 's')} at most "
            f"({len(joules)} samples), an inference {eng(float(np.mean(joules)), 'J')}: power times settling time."
        )
    else:
        missing.append("settling time and energy of an inference (capacitance)")
    if found.update_joules is not None:
        said.append(
            f"One write pulse at each of {found.synapses:,} synapses takes {eng(found.update_joules, 'J')}."
        )
    else:
        missing.append("energy of an update (a write pulse)")
    if found.noise:
        most = max(max(noise.rms) for noise in found.noise)
        said.append(f"Johnson and shot noise of the outputs: {eng(most, 'V')} rms at most.")
    else:
        missing.append("noise of the outputs (capacitance or a band)")
    if missing:
        said.append(f"Not known, for [physical] of the experiment does not say enough: {', '.join(missing)}.")
    return said


def _power(found: PhysicalFigures) -> Picture:
    from matplotlib.ticker import EngFormatter

    tables = {"layer": found.power.by("layer"), "kind": found.power.by("kind")}
    most = max(len(table) for table in tables.values())
    with styled():
        figure = new_figure(7.2, 1.2 + 0.26 * most)
        axes = figure.subplots(1, 2)
        for axis, (key, table) in zip(axes, tables.items(), strict=True):
            at = np.arange(len(table))[::-1]
            axis.barh(at, table["mean (W)"], 0.7, color=CYCLE[0])
            axis.axvline(0, color=BLACK, lw=0.8)
            axis.set_yticks(at, [plain(name, 24) for name in table[key]])
            axis.xaxis.set_major_formatter(EngFormatter(sep=" "))
            axis.locator_params(axis="x", nbins=4)
            axis.set_xlabel("power of an inference (W), mean")
            axis.set_title(f"by {'class of devices' if key == 'kind' else key}")
            axis.grid(axis="x", alpha=0.25, lw=0.6)
    data = pd.concat([t.rename(columns={key: "name"}).assign(by=key) for key, t in tables.items()])
    return Picture(
        "power",
        "Where the power of an inference goes, mean over the samples; what delivers power is negative. The longest bar "
        "is where saving starts.",
        figure,
        data,
        "power of an inference by layer and by class of devices",
    )
