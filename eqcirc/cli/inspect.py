"""Commands that look into a circuit: operating points, checks, netlists."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from eqcirc.cli.source import Source
    from eqcirc.solvers.base import Solver
    from eqcirc.typing import Array

DRIVEN = 6  # nodes between which reciprocity is measured

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
    """Solve operating points and print node voltages in volts, by both solvers side by side.

    Example: `eqcirc solve runs/digits --samples 2 --nodes all --csv voltages.csv`
    """
    import pandas as pd

    from eqcirc.cli.output import print_json, print_table, write_text
    from eqcirc.cli.source import open_source
    from eqcirc.experiment.build import build_solver
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
    for name in engines:
        with build_solver(opened.experiment, circuit, name) as solver:
            points = solver.solve(opened.parameters, x).require()
        columns[f"{name} (V)"] = points.free[:, shown].ravel().tolist()
        rungs |= points.rungs  # of ngspice, the one that has them
    if engine == "both":
        pairs = zip(columns["ngspice (V)"], columns["ideal (V)"], strict=True)
        columns["difference (V)"] = [a - b for a, b in pairs]
    table = pd.DataFrame(columns)
    if csv is not None:
        write_text(csv, table.to_csv(index=False))
    if as_json:
        content = {"columns": list(table.columns), "rows": table.to_numpy().tolist()}
        print_json(content | {"retried": {str(k): rung for k, rung in sorted(rungs.items())}})
    else:
        print_table(list(table.columns), table.to_numpy().tolist())
        for k, rung in sorted(rungs.items()):
            typer.echo(f"sample {k} needed {rung} before ngspice found an operating point", err=True)


def check(
    source: SourcePath,
    samples: Annotated[int, typer.Option(min=1, help="Training samples to check on.")] = 4,
    beta: Annotated[
        float | None, typer.Option(help="Nudging strength (A or S); that of the experiment by default.")
    ] = None,
    entries: Annotated[int, typer.Option(min=1, help="Conductances to check by finite differences.")] = 12,
    trials: Annotated[
        int,
        typer.Option(
            min=0, help="Random draws of all values: statistics of the gradients, and their error over beta."
        ),
    ] = 0,
    engine: Annotated[
        Literal["both", "ngspice", "ideal"], typer.Option(help="With --trials: solver.")
    ] = "both",
    picture: Annotated[Path | None, typer.Option(help="With --trials: PNG file to draw.")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="With --trials: put the recommended beta into the file.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the choice of the rule, agreement of the solvers, and gradients against adjoint and finite differences.

    Exit code 1 if a bound does not hold.

    Example: `eqcirc check runs/digits --samples 8`
    """
    from dataclasses import asdict

    from eqcirc.cli.output import print_json, print_table
    from eqcirc.cli.overrides import changed
    from eqcirc.cli.source import first, open_source
    from eqcirc.errors import ConfigError, EngineError
    from eqcirc.experiment.build import build_rule, build_solver
    from eqcirc.files import check_writable
    from eqcirc.learning.evaluate import targets_of
    from eqcirc.verify.check import check as run_check

    check_writable(picture, source if write and source.is_file() else None)
    opened = open_source(source)
    change = [] if beta is None else [f"learning.beta={beta}"]
    experiment = changed(opened.experiment, change, "--beta")
    if not trials and (picture is not None or write):
        raise ConfigError("--picture and --write are of --trials; say how many, for example --trials 50")
    if trials:
        from eqcirc.cli.trials import trials as run_trials

        options: dict[str, Any] = {"engine": engine, "picture": picture, "write": write, "as_json": as_json}
        if not run_trials(opened, experiment, trials, samples, **options):
            raise typer.Exit(1)
        return
    choice = build_rule(experiment, opened.circuit)
    rule = choice.rule
    part = first(opened.data.train, samples)
    with ExitStack() as stack:
        solvers = []
        try:
            solvers.append(stack.enter_context(build_solver(experiment, opened.circuit, "ngspice")))
        except EngineError as error:
            logging.getLogger("eqcirc").warning("no comparison with ngspice: %s", error)
        targets = targets_of(part, rule.cost)
        findings = run_check(
            rule,
            opened.parameters,
            part.inputs,
            targets,
            *solvers,
            entries=entries,
            seed=experiment.seed,
            start=experiment.solver.begins,
        )
        measured = _reciprocity(opened, part.inputs[:1], solvers)
    if as_json:
        content = {"rule": rule.name, "exact": choice.exact, "why": choice.why, "reciprocity": measured}
        print_json(content | {"findings": [asdict(f) | {"holds": f.holds} for f in findings]})
    else:
        typer.echo(f"rule: {choice.why}")
        for by, (plain, scaled) in measured.items():
            typer.echo(
                f"reciprocity, measured by {by}: from a to b and from b to a differ by {plain:.1e} of the larger, "
                f"by {scaled:.1e} with the scaling s"
            )
        rows = [
            (f.name, f"{f.measured:.2e} {f.unit}".strip(), f"{f.bound:g}", "yes" if f.holds else "NO")
            for f in findings
        ]
        print_table(["check", "measured", "bound", "holds"], rows)
        excess = max(f.measured / f.bound for f in findings if f.name.startswith(rule.name))
        if excess > 1 and rule.order and choice.exact:
            better = rule.beta * (2 * excess) ** (-1 / rule.order)
            typer.echo(f"the error of the contrast grows with beta: try learning.beta = {better:.0e}")
    if not all(f.holds for f in findings):
        raise typer.Exit(1)


def _reciprocity(opened: Source, inputs: Array, solvers: list[Solver]) -> dict[str, tuple[float, float]]:
    """Return what solvers measure at the operating point of one sample, by their names."""
    import numpy as np

    from eqcirc.solvers.ideal.solver import IdealSolver
    from eqcirc.verify.check import reciprocity, some_nodes

    circuit, values = opened.circuit, opened.parameters
    ideal = IdealSolver(circuit, start=opened.experiment.solver.begins)
    free = ideal.solve(values, inputs).require().free[0]
    nodes = some_nodes(circuit, DRIVEN, np.random.default_rng(0))
    return {s.name: reciprocity(s, values, inputs[0], free, nodes) for s in (*solvers, ideal)}


def netlist(
    source: SourcePath,
    form: Annotated[
        Literal["full", "reduced"],
        typer.Option(
            help="full: every element as built; reduced: inputs and amplifiers eliminated (scaled voltages)."
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
    from eqcirc.cli.source import open_source
    from eqcirc.errors import ConfigError
    from eqcirc.files import check_writable
    from eqcirc.solvers.ngspice.decks import export_deck

    check_writable(out)
    opened = open_source(source)
    if phase == "free":
        x = opened.samples(inputs, samples, scaled=scaled)
        text = export_deck(opened.circuit, opened.parameters, x, form, start=opened.experiment.solver.begins)
    else:
        if inputs is not None or form != "full":
            raise ConfigError(
                "a learning phase needs targets, so --phase takes samples of the training part (--samples), and the "
                "full form; leave out --inputs and --form"
            )
        text = _phase_deck(opened, phase, samples)
    if out is None:
        typer.echo(text, nl=False)
        return
    write_text(out, text)
    typer.echo(f"wrote {out} ({len(text.splitlines())} lines); run it with: ngspice -b {out}")


def _phase_deck(opened: Source, phase: str, samples: int) -> str:
    """Return the deck of a learning phase, by the rule that has it."""
    from eqcirc.cli.source import first
    from eqcirc.experiment.build import build_rule
    from eqcirc.learning.evaluate import targets_of
    from eqcirc.solvers.ideal.solver import IdealSolver
    from eqcirc.solvers.ngspice.decks import phase_deck

    learning = opened.experiment.learning
    asked = learning.model_copy(update={"rule": _RULES[phase]})
    experiment = opened.experiment.model_copy(update={"learning": asked})
    rule = build_rule(experiment, opened.circuit).rule
    part = first(opened.data.train, samples)
    solver = IdealSolver(opened.circuit, start=experiment.solver.begins)
    targets = targets_of(part, rule.cost)
    there = rule.phase(solver, opened.parameters, part.inputs, targets)
    note = f"{rule.name}: phase 0 is free, the others are nudged by {list(there.nudge.factors)} times {rule.beta:g}"
    return phase_deck(
        solver.on(there.circuit),
        there.circuit,
        opened.parameters,
        there.inputs,
        there.nudge,
        there.begin,
        note,
    )
