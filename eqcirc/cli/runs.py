"""Commands that make, continue and finish training runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eqcirc.errors import ConfigError
from eqcirc.text import shell

if TYPE_CHECKING:
    from eqcirc.experiment.run import Run
    from eqcirc.experiment.schema import Experiment

Config = Annotated[Path, typer.Argument(help="Experiment file (TOML).", show_default=False)]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", "-w", min=1, help="ngspice processes; all cores by default. Changes no result."
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(help="Dask scheduler to run on: tcp://host:8786 or a scheduler file. Changes no result."),
]
RunFolder = Annotated[Path, typer.Argument(help="Run directory.", show_default=False)]
Tensorboard = Annotated[
    Path | None,
    typer.Option(help="Folder for TensorBoard files of the metrics (pip install 'eqcirc[tensorboard]')."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("experiment.toml"),
    data: Annotated[
        str,
        typer.Option(
            help="Data set: xor, moons, iris, digits, mnist, fashion-mnist, or a file of your own (.csv, .txt, .npz)."
        ),
    ] = "digits",
    label: Annotated[str, typer.Option(help="Column of a file that holds the class.")] = "label",
    targets: Annotated[
        list[str] | None, typer.Option(help="Column to predict in volts, instead of a class (repeatable).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented experiment file with every key, its unit and default.

    Example: `eqcirc init my.toml --data iris`, or `eqcirc init mine.toml --data table.csv --label species`
    """
    from eqcirc.cli.output import write_text
    from eqcirc.data import load_splits
    from eqcirc.experiment.template import starting_point, template

    if path.exists() and not force:
        raise ConfigError(f"{path} exists; choose another name or use --force")
    file, columns = Path(data), tuple(targets or ())
    if file.suffix:
        kind = "npz" if file.suffix == ".npz" else "csv"
        load_splits(kind, path=file, label=label, targets=columns)  # says what is wrong with it
        seen = Path(os.path.relpath(file, path.parent))
        experiment = starting_point(kind, path=seen, label=label, targets=columns)
    elif columns or label != "label":
        raise ConfigError(f"--label and --targets are columns of a file; {data!r} has none: --data FILE.csv")
    else:
        experiment = starting_point(data)
    write_text(path, template(experiment))
    first = "set data.path in it, then " if data in ("csv", "npz") else ""
    typer.echo(f"wrote {path}; {first}train it with: eqcirc train {shell(path)}")


def train(
    config: Config,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run directory; `runs/NAME` by default.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a run that is there already.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Replace the seed of the experiment.")] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Replace a key: `--set learning.epochs=5` (repeatable). A path counts from the working directory; "
            "in the file it counts from the folder of the file.",
        ),
    ] = None,
    begin: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Begin with the values of another run, or of an npz file (fine-tuning); it is recorded.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Take a rule that does not measure the gradient; all results say so."),
    ] = False,
    workers: Workers = None,
    cluster: Cluster = None,
    tensorboard: Tensorboard = None,
    as_json: Json = False,
) -> None:
    """Train a circuit and leave a run directory behind.

    Ctrl-C finishes the present batch and leaves a run that `eqcirc resume` takes up.

    Example: `eqcirc train circuits/digits.toml --out runs/digits --seed 1`
    """
    from eqcirc.cli.overrides import changed
    from eqcirc.experiment.load import load_experiment
    from eqcirc.experiment.run import Run

    experiment = changed(load_experiment(config), change or [])
    experiment = changed(experiment, [] if seed is None else [f"seed={seed}"], "--seed")
    experiment = changed(experiment, ["learning.force=true"] if force else [], "--force")
    folder = out or Path("runs") / experiment.name
    with Run.start(on(experiment, workers, cluster), folder, overwrite=overwrite, begin=begin) as run:
        _drive(run, as_json, tensorboard)


def resume(
    folder: RunFolder,
    config: Annotated[
        Path | None, typer.Option(help="Experiment file that the run must match; differing keys are named.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Go on with another value of audit.*, learning.epochs, patience, keep or failed_limit: "
            "`--set audit.every=0` (repeatable). The run records it.",
        ),
    ] = None,
    workers: Workers = None,
    cluster: Cluster = None,
    tensorboard: Tensorboard = None,
    as_json: Json = False,
) -> None:
    """Continue a run that was interrupted, or that an audit or failing samples stopped.

    With unchanged keys the result has the same bits as that of an undisturbed run.

    Example: `eqcirc resume runs/digits`
    """
    with _taken_up(folder, config, change, workers, cluster) as run:
        _drive(run, as_json, tensorboard)


def finish(
    folder: RunFolder,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="As for `resume`: `--set learning.keep=best` takes the best epoch so far."
        ),
    ] = None,
    workers: Workers = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Score a run as it is, without training: summary, picture and netlist of its last or best values.

    `eqcirc resume` can still take it up afterwards.

    Example: `eqcirc finish runs/digits --set learning.keep=best`
    """
    with _taken_up(folder, None, change, workers, cluster) as run:
        _report(run, as_json)


def _taken_up(
    folder: Path, config: Path | None, change: list[str] | None, workers: int | None, cluster: str | None
) -> Run:
    """Return a run at its last checkpoint, with some keys changed."""
    from eqcirc.cli.overrides import changed
    from eqcirc.experiment.directory import RunDirectory
    from eqcirc.experiment.load import load_experiment
    from eqcirc.experiment.run import Run

    experiment = load_experiment(config) if config else RunDirectory(folder).config()
    return Run.resume(folder, on(changed(experiment, change or []), workers, cluster))


def on(experiment: Experiment, workers: int | None, cluster: str | None) -> Experiment:
    """Return the experiment with other workers, if any are given."""
    given = {"workers": workers, "cluster": cluster}
    update = {key: value for key, value in given.items() if value is not None}
    return experiment.model_copy(update={"solver": experiment.solver.model_copy(update=update)})


def _drive(run: Run, as_json: bool, tensorboard: Path | None) -> None:
    """Train with a progress bar, until done or interrupted, and report."""
    from contextlib import ExitStack, closing

    from eqcirc.cli.output import ProgressBar
    from eqcirc.cli.stopping import Stopping
    from eqcirc.errors import SolverError
    from eqcirc.learning.observer import Observer, Several
    from eqcirc.report.tensorboard import TensorBoard

    trainer = run.trainer
    state, where = trainer.state, shell(run.folder.path)
    again = f"go on with: eqcirc resume {where}"
    if trainer.done:
        why = state.ended or "all epochs are done"
        typer.secho(f"nothing left to train: {why}; the run is scored once more", err=True)
    try:
        with Stopping() as stopping:
            with ProgressBar(trainer, quiet=as_json) as bar, ExitStack() as stack:
                observers: list[Observer] = [bar]
                if tensorboard is not None:
                    observers.append(stack.enter_context(closing(TensorBoard(tensorboard))))
                try:
                    done = run.train(Several(*observers), stopping.asked)
                except SolverError:
                    typer.secho(
                        f"the run was saved after step {trainer.step} of {trainer.steps}: score it as it is with: "
                        f"eqcirc finish {where}; or {again}, if need be with --set audit.every=0 or "
                        "--set learning.failed_limit=0.5",
                        err=True,
                    )
                    raise
            if not done:
                typer.secho(
                    f"stopped in epoch {state.epoch + 1} after batch {state.batch}; {again}", err=True
                )
                raise typer.Exit(130)
            stopping.at_once()
            _report(run, as_json)
    except KeyboardInterrupt:
        typer.secho(f"stopped at once; the last checkpoint is whole, {again}", err=True)
        raise typer.Exit(130) from None


def _report(run: Run, as_json: bool) -> None:
    """Score a run, write what it leaves behind, and say so."""
    from eqcirc.cli.output import print_json, print_pairs

    summary = run.finish()
    summary |= {"run": str(run.folder.path), "picture": str(run.folder.path / "run.png")}
    print_json(summary) if as_json else print_pairs(_summary_pairs(summary, run.trainer.rule.cost.unit))


def _summary_pairs(summary: dict[str, Any], unit: str) -> dict[str, str]:
    """Return the summary of a run as pairs for `print_pairs`."""
    from eqcirc.cli.output import score_pairs
    from eqcirc.text import counted

    score = {key: summary[f"test_{key}"] for key in ("accuracy", "loss", "failed", "samples")}
    pairs = {f"test {name}": text for name, text in score_pairs(**score, unit=unit).items()}
    if "max_dv" in summary:
        pairs["ngspice − ideal"] = (
            f"{summary['max_dv']:.1e} V at most, {summary['compared_samples']} test samples"
        )
    if "audit_worst_dv" in summary:
        pairs["audits"] = (
            f"{summary['audit_worst_dv']:.1e} V at most, "
            f"cosine of the updates at least {summary['audit_worst_cosine']:.9f}, for their beta "
            f"{summary['audit_worst_bias']:.1e} off at most"
        )
    steps, epochs = counted(summary["steps"], "step"), counted(summary["epochs"], "epoch")
    trained = f"{steps}, {epochs}, by {summary['engine']}"
    ending = {} if summary["ended"] == "all epochs done" else {"ended": summary["ended"]}
    if summary["kept"] != "last":
        ending["values"] = summary["kept"]
    return {"trained": trained, **ending, **pairs, "run": summary["run"], "picture": summary["picture"]}
