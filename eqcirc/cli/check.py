"""The command that checks an experiment: which rule, do the solvers agree, is the gradient right?"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from eqcirc.cli.inspect import Json, SourcePath

if TYPE_CHECKING:
    from eqcirc.experiment.opened import Opened
    from eqcirc.solvers.base import Solver
    from eqcirc.typing import Array
    from eqcirc.verify.check import Finding

DRIVEN = 6  # nodes between which reciprocity is measured


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
    picture: Annotated[
        Path | None, typer.Option(help="With --trials: picture to draw, .png, .pdf or .svg.")
    ] = None,
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

    from eqcirc.cli.output import print_json
    from eqcirc.cli.overrides import changed
    from eqcirc.errors import EngineError, SolverError
    from eqcirc.experiment.build import build_rule, build_solver
    from eqcirc.experiment.opened import first, open_source
    from eqcirc.learning.evaluate import targets_of
    from eqcirc.solvers.ideal.solver import IdealSolver
    from eqcirc.verify.advice import advise
    from eqcirc.verify.check import check as run_check

    _check_options(trials, picture, source if write else None)
    opened = open_source(source)
    change = [] if beta is None else [f"learning.beta={beta}"]
    experiment = changed(opened.experiment, change, "--beta")
    if trials:
        from eqcirc.cli.trials import trials as run_trials

        options: dict[str, Any] = {"engine": engine, "picture": picture, "write": write, "as_json": as_json}
        if not run_trials(opened, experiment, trials, samples, **options):
            raise typer.Exit(1)
        return
    choice, part = build_rule(experiment, opened.circuit), first(opened.data.train, samples)
    rule = choice.rule
    with ExitStack() as stack:
        solvers = []
        try:
            solvers.append(stack.enter_context(build_solver(experiment, opened.circuit, "ngspice")))
        except EngineError as error:
            logging.getLogger("eqcirc").warning("no comparison with ngspice: %s", error)
        targets = targets_of(part, rule.cost)
        some = (opened.parameters, part.inputs, targets)
        failure, findings, advice = None, [], None
        try:
            findings = run_check(
                rule,
                *some,
                *solvers,
                entries=entries,
                seed=experiment.seed,
                start=experiment.solver.begins,
            )
        except SolverError as error:
            failure = error
        measured = _reciprocity(opened, part.inputs[:1], solvers)
        if choice.exact or rule.objective:
            advice = advise(
                rule, *some, *solvers, IdealSolver(opened.circuit, start=experiment.solver.begins)
            )
    if as_json:
        content = {"rule": rule.name, "exact": choice.exact, "why": choice.why, "reciprocity": measured}
        content |= {"findings": [asdict(f) | {"holds": f.holds} for f in findings]}
        print_json(content | {"error": failure and str(failure), "advice": advice and asdict(advice)})
    elif failure is None:
        _print_findings(choice.why, measured, findings)
        if advice is not None:
            typer.echo(advice.sentence)
    if failure is not None:
        raise SolverError(f"{failure}. {advice.sentence}" if advice else str(failure)) from failure
    if not all(f.holds for f in findings):
        raise typer.Exit(1)


def _check_options(trials: int, picture: Path | None, written: Path | None) -> None:
    """Refuse options of trials without trials, and files that cannot be written, before anything is measured."""
    from eqcirc.errors import ConfigError
    from eqcirc.files import check_writable
    from eqcirc.report.picture import picture_format

    check_writable(picture, written if written is not None and written.is_file() else None)
    if not trials and (picture is not None or written is not None):
        raise ConfigError("--picture and --write are of --trials; say how many, for example --trials 50")
    if written is not None and written.is_dir():
        raise ConfigError(f"{written} is a run, whose experiment is past; give --write an experiment file")
    if picture is not None:
        picture_format(picture)


def _print_findings(why: str, reciprocity: dict[str, tuple[float, float]], findings: list[Finding]) -> None:
    """Print what a check measured."""
    from eqcirc.cli.output import print_table

    typer.echo(f"rule: {why}")
    for by, (plain, scaled) in reciprocity.items():
        typer.echo(
            f"reciprocity, measured by {by}: from a to b and from b to a differ by {plain:.1e} of the larger, "
            f"by {scaled:.1e} with the scaling s"
        )
    rows = [(f.name, f"{f.measured:.2e} {f.unit}".strip(), *_verdict(f)) for f in findings]
    print_table(["check", "measured", "bound", "holds"], rows)


def _verdict(finding: Finding) -> tuple[str, str]:
    """Return a bound and whether it holds, in words."""
    return ("any", "") if finding.bound is None else (f"{finding.bound:g}", "yes" if finding.holds else "NO")


def _reciprocity(opened: Opened, inputs: Array, solvers: list[Solver]) -> dict[str, tuple[float, float]]:
    """Return what solvers measure at the operating point of one sample, by their names."""
    import numpy as np

    from eqcirc.solvers.ideal.solver import IdealSolver
    from eqcirc.verify.check import reciprocity, some_nodes

    circuit, values = opened.circuit, opened.parameters
    ideal = IdealSolver(circuit, start=opened.experiment.solver.begins)
    free = ideal.solve(values, inputs).require().free[0]
    nodes = some_nodes(circuit, DRIVEN, np.random.default_rng(0))
    return {s.name: reciprocity(s, values, inputs[0], free, nodes) for s in (*solvers, ideal)}
