"""The command that asks for power, ratings, settling, energies and noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from eqcirc.cli.inspect import Json, SourcePath
from eqcirc.cli.runs import Workers, on
from eqcirc.cli.scores import Engine

if TYPE_CHECKING:
    from eqcirc.analysis.physical import Conditions, PhysicalFigures

UNITS = {"volts": "V", "amperes": "A", "watts": "W"}


def physical(
    source: SourcePath,
    part: Annotated[Literal["train", "validation", "test"], typer.Option(help="Part of the data.")] = "test",
    samples: Annotated[
        int | None, typer.Option(min=1, help="How many samples of it; all by default.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--physical", help="Experiment file whose table [physical] is meant; that of the run by default."
        ),
    ] = None,
    capacitance: Annotated[
        float | None, typer.Option(help="Parasitic capacitance at every node, in farads.")
    ] = None,
    settle: Annotated[
        int | None,
        typer.Option(min=1, help="How many samples are followed in time, and asked for their noise."),
    ] = None,
    engine: Engine = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Physical figures: power by layer and device class, ratings, settling time, energies, noise of the outputs.

    What is known of surroundings and devices (capacitance, write pulse, ratings) stands in the table [physical].
    Exit code 1 if a device sees more than its rating.

    Example: `eqcirc physical runs/digits --capacitance 1e-12 --samples 50`
    """
    from dataclasses import replace

    from eqcirc.cli.output import print_json
    from eqcirc.experiment.opened import first, open_source
    from eqcirc.experiment.physical import conditions_of, figures_of

    opened = open_source(source)
    given = conditions_of(opened, file)
    if capacitance is not None:
        given = replace(given, capacitance=capacitance)
    if settle is not None:
        given = replace(given, settle=settle)
    data = opened.part(part)
    chosen = data if samples is None else first(data, samples)
    experiment = on(opened.experiment, workers, None)
    found = figures_of(opened, chosen.inputs, given, engine, experiment)
    if as_json:
        print_json(_content(found, part))
    else:
        _show(found, given, part)
    for seen in found.exceeded:
        typer.secho(
            f"{seen.kind}: {seen.largest.value:.4g} {UNITS[seen.quantity]} in part {seen.largest.part} of "
            f"{seen.largest.element} at sample {seen.largest.sample}, rated {seen.rating:g} {UNITS[seen.quantity]}",
            fg=typer.colors.YELLOW,
            err=True,
        )
    if found.exceeded:
        raise typer.Exit(1)


def _content(found: PhysicalFigures, part: str) -> dict[str, Any]:
    """Return what JSON shows."""
    from dataclasses import asdict

    power = found.power
    tables = {key: power.by(key) for key in ("layer", "kind", "element")}
    return {
        "part": part,
        "engine": found.engine,
        "samples": found.samples,
        "failed": found.failed,
        "mean_watts": power.mean,
        "worst_watts": power.worst[0],
        "worst_sample": power.worst[1],
        "imbalance": power.imbalance,
        "power": {key: table.to_dict("records") for key, table in tables.items()},
        "seen": [asdict(s) | {"used": s.used} for s in found.seen],
        "settled": [asdict(s) for s in found.settled],
        "synapses": found.synapses,
        "update_joules": found.update_joules,
        "noise": [asdict(n) for n in found.noise],
    }


def _show(found: PhysicalFigures, given: Conditions, part: str) -> None:
    from eqcirc.cli.output import print_pairs, print_table

    watts, worst = found.power.worst
    pairs = {
        "samples": f"{found.samples} of the {part} part, by {found.engine}",
        "power": f"{found.power.mean:.4g} W an inference, mean; {watts:.4g} W at most, sample {worst}",
        "balance": f"sources and parts differ by {found.power.imbalance:.1g} of the largest share",
    }
    if found.failed:
        pairs["failed"] = f"{found.failed} samples have no operating point and are left out"
    print_pairs(pairs | _in_time(found, given))
    for key in ("layer", "kind"):
        typer.echo()
        table = found.power.by(key)
        print_table(list(table.columns), table.to_numpy().tolist())
    typer.echo(
        "\nnegative: delivers power; amplifiers and other active parts are sources. Largest values of each kind:"
    )
    columns = ["kind", "largest", "unit", "rating", "used", "element", "part", "sample"]
    rows = [
        [
            s.kind,
            s.largest.value,
            UNITS[s.quantity],
            "not given" if s.rating is None else f"{s.rating:g}",
            "" if s.rating is None else f"{s.used:.1%}",
            s.largest.element,
            s.largest.part,
            s.largest.sample,
        ]
        for s in found.seen
    ]
    print_table(columns, rows)


def _in_time(found: PhysicalFigures, given: Conditions) -> dict[str, str]:
    """Return what needs more than operating points, or what it needs."""
    pairs = {}
    if found.settled:
        slowest = max(found.settled, key=lambda s: s.seconds)
        joules = [s.joules for s in found.settled]
        where = (
            f"{given.capacitance:g} F at every node"
            if given.capacitance
            else "what the circuit stores itself"
        )
        pairs["settling"] = (
            f"{slowest.seconds:.4g} s to {given.tolerance:g} at most, at {slowest.node} of sample {slowest.sample}; "
            f"{len(joules)} samples, {where}"
        )
        pairs["inference"] = (
            f"{sum(joules) / len(joules):.4g} J, mean, {max(joules):.4g} J at most: power times settling time"
        )
    else:
        pairs["settling"] = "needs a capacitance: --capacitance, or physical.capacitance"
    if found.update_joules is None:
        pairs["update"] = "needs physical.write_volts and write_seconds, or write_joules, of a write pulse"
    else:
        pairs["update"] = f"{found.update_joules:.4g} J: one pulse for each of {found.synapses} synapses"
    if found.noise:
        most = max(found.noise, key=lambda n: max(n.rms))
        gap = min(n.gap for n in found.noise)
        pairs["noise"] = (
            f"{max(most.rms):.4g} V rms at most, {most.lowest:.3g} to {most.highest:.3g} Hz; least gap of the two "
            f"largest outputs {gap:.4g} V; {len(found.noise)} samples"
        )
    else:
        pairs["noise"] = "needs a capacitance or a band: --capacitance, or physical.band"
    return pairs
