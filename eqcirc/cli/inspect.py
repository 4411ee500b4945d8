"""Commands that look into a circuit: operating points and netlists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from eqcirc.experiment.opened import Opened

SourcePath = Annotated[
    Path,
    typer.Argument(
        help="Run directory (trained values) or experiment file (initial values).", show_default=False
    ),
]
Inputs = Annotated[
    Path | None,
    typer.Option(
        help="CSV file of samples: one line each, one column for each feature, a header with the names of the "
        "features. Raw values, to be scaled as the training data were."
    ),
]
Scaled = Annotated[bool, typer.Option("--scaled", help="The values of --inputs are scaled already.")]
Samples = Annotated[int, typer.Option(min=1, help="Without --inputs: how many samples of the test part.")]
_RULES = {"nudged": "eqprop", "turned": "asym_ep", "doubled": "dyadic"}
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def solve(
    source: SourcePath,
    inputs: Inputs = None,
    scaled: Scaled = False,
    samples: Samples = 3,
    engine: Annotated[Literal["both", "ngspice", "ideal"], typer.Option(help="Solver.")] = "both",
    nodes: Annotated[Literal["outputs", "all"], typer.Option(help="Which nodes to show.")] = "outputs",
    csv: Annotated[Path | None, typer.Option(help="Also write the table to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Solve operating points: node voltages in volts by both solvers side by side, outputs, and what they mean.

    A sample that fails costs only itself; exit code 1 if there is one.

    Example: `eqcirc solve runs/digits --samples 2 --nodes all --csv voltages.csv`
    """
    import numpy as np
    import pandas as pd

    from eqcirc.cli.output import print_json, print_table, write_text
    from eqcirc.experiment.build import build_cost, build_solver
    from eqcirc.experiment.opened import open_source
    from eqcirc.experiment.predict import meaning
    from eqcirc.files import check_writable

    check_writable(csv)
    opened = open_source(source)
    x = opened.samples(inputs, samples, scaled=scaled)
    engines = ["ngspice", "ideal"] if engine == "both" else [engine]
    circuit = opened.circuit
    shown = circuit.readout.nodes if nodes == "outputs" else circuit.free_nodes
    columns: dict[str, Any] = {
        "sample": [k for k in range(len(x)) for _ in shown],
        "node": [circuit.node_names[n] for _ in x for n in shown],
    }
    rungs: dict[int, str] = {}
    problems: dict[str, dict[int, str]] = {}
    for name in engines:
        with build_solver(opened.experiment, circuit, name) as solver:
            points = solver.solve(opened.parameters, x)
        shown_voltages = np.where(points.converged[:, None], points.free, np.nan)
        columns[f"{name} (V)"] = shown_voltages[:, shown].ravel().tolist()
        rungs |= points.rungs  # of ngspice, the one that has them
        problems[name] = points.problems
    if engine == "both":
        pairs = zip(columns["ngspice (V)"], columns["ideal (V)"], strict=True)
        columns["difference (V)"] = [a - b for a, b in pairs]
    table = pd.DataFrame(columns)
    read, cost = circuit.readout.read(shown_voltages), build_cost(opened.experiment)
    meant = meaning(read, cost, opened.known, problems[engines[-1]]).frame()
    if csv is not None:
        write_text(csv, table.to_csv(index=False))
    if as_json:
        content = {"columns": list(table.columns), "rows": table.to_numpy().tolist()}
        content |= {"outputs": {"columns": list(meant.columns), "rows": meant.to_numpy().tolist()}}
        print_json(content | {"retried": {str(k): rung for k, rung in sorted(rungs.items())}})
    else:
        print_table(list(table.columns), table.to_numpy().tolist())
        typer.echo(
            f"\noutputs, by {engines[-1]}; output 0 is {circuit.readout.words(0, circuit.node_names)}, and so on"
        )
        print_table(
            ["sample", *meant.columns], [[k, *row] for k, row in enumerate(meant.to_numpy().tolist())]
        )
        for k, rung in sorted(rungs.items()):
            typer.echo(f"sample {k} needed {rung} before ngspice found an operating point", err=True)
    for name, some in problems.items():
        for k, why in some.items():
            typer.secho(f"sample {k}, by {name}: {why}", fg=typer.colors.YELLOW, err=True)
    if any(problems.values()):
        raise typer.Exit(1)


def netlist(
    source: SourcePath,
    form: Annotated[
        Literal["full", "reduced", "subckt"],
        typer.Option(
            help="full: every element as built; reduced: inputs and amplifiers eliminated (scaled voltages); subckt: "
            "the subcircuit alone, without sources and analysis."
        ),
    ] = "full",
    phase: Annotated[
        Literal["free", "nudged", "turned", "doubled"],
        typer.Option(
            help="free: the operating point; nudged, turned or doubled: the learning phase of eqprop, asym_ep or "
            "dyadic, for samples of the training part."
        ),
    ] = "free",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; standard output by default.")
    ] = None,
    inputs: Inputs = None,
    scaled: Scaled = False,
    samples: Samples = 1,
) -> None:
    """Write a self-contained deck: `ngspice -b FILE` prints the output voltages of every sample, in every phase.

    Example: `eqcirc netlist runs/digits --out digits.sp && ngspice -b digits.sp`
    """
    from eqcirc.cli.output import write_text
    from eqcirc.errors import ConfigError
    from eqcirc.experiment.deck_notes import deck_notes
    from eqcirc.experiment.opened import open_source
    from eqcirc.files import check_writable
    from eqcirc.solvers.ngspice.decks import export_deck, export_subcircuit
    from eqcirc.text import shell

    check_writable(out)
    opened = open_source(source)
    notes = deck_notes(opened.experiment, opened.scaler, opened.known.classes)
    if form == "subckt":
        if inputs is not None or scaled or phase != "free":
            raise ConfigError(
                "--form subckt is of the circuit alone; leave out --inputs, --scaled and --phase"
            )
        text = export_subcircuit(opened.circuit, opened.parameters, notes)
    elif phase == "free":
        x = opened.samples(inputs, samples, scaled=scaled)
        begins = opened.experiment.solver.begins
        text = export_deck(opened.circuit, opened.parameters, x, form, start=begins, notes=notes)
    else:
        if inputs is not None or form != "full":
            raise ConfigError(
                "a learning phase needs targets, so --phase takes samples of the training part (--samples), and the "
                "full form; leave out --inputs and --form"
            )
        text = _phase_deck(opened, phase, samples, notes)
    if out is None:
        typer.echo(text, nl=False)
        return
    write_text(out, text)
    then = "" if form == "subckt" else f"; run it with: ngspice -b {shell(out)}"
    typer.echo(f"wrote {out} ({len(text.splitlines())} lines){then}")


def _phase_deck(opened: Opened, phase: str, samples: int, notes: list[str]) -> str:
    """Return the deck of a learning phase, by the rule that has it."""
    from eqcirc.errors import ConfigError
    from eqcirc.experiment.build import build_rule
    from eqcirc.experiment.opened import first
    from eqcirc.learning.evaluate import targets_of
    from eqcirc.solvers.ideal.solver import IdealSolver
    from eqcirc.solvers.ngspice.decks import phase_deck

    learning = opened.experiment.learning
    if learning.rule in ("coupled", "free_energy", "free_energy_path"):
        raise ConfigError(
            f"--phase {phase} is of rule = {_RULES[phase]!r}, and beta = {learning.beta:g} of rule = {learning.rule!r} "
            "is no small nudge; take an experiment with another rule and its beta"
        )
    if learning.rule == "stoch_ep":
        raise ConfigError(
            f"--phase {phase}: the learning phases of rule = 'stoch_ep' are windows in time, and no operating points"
        )
    asked = learning.model_copy(update={"rule": _RULES[phase]})
    experiment = opened.experiment.model_copy(update={"learning": asked})
    rule = build_rule(experiment, opened.circuit).rule
    part = first(opened.data.train, samples)
    solver = IdealSolver(opened.circuit, start=experiment.solver.begins)
    targets = targets_of(part, rule.cost)
    there = rule.phase(solver, opened.parameters, part.inputs, targets)
    note = f"{rule.name}: phase 0 is free, the others are nudged by {list(there.nudge.factors)} times {rule.beta:g}"
    holds = "sources B_eq_hold keep phase 0 where the circuit rests at these values; with others, only later ones move"
    return phase_deck(
        solver.on(there.circuit),
        there.circuit,
        opened.parameters,
        there.inputs,
        there.nudge,
        there.begin,
        note,
        [holds, *notes],
    )
