"""The command that asks, over many chips, what of a circuit survives its devices."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eqcirc.cli.runs import Cluster, Json
from eqcirc.cli.stopping import Patience
from eqcirc.text import shell

if TYPE_CHECKING:
    from eqcirc.experiment.run import Run
    from eqcirc.learning.observer import Listener
    from eqcirc.study.results import Results
    from eqcirc.study.work import Unit

LINES = 10.0  # seconds between lines of progress where there is no terminal


def study(
    file: Annotated[Path, typer.Argument(help="Study file (TOML).", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Study directory; `studies/NAME` by default.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", "-w", min=1, help="Processes; all cores by default. Changes no result."),
    ] = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Ask many imperfect chips: transfer, training in situ, fine-tuning; yield; what each non-ideality costs; corners.

    Every chip is a file of its own, so the same command goes on where it was stopped or killed, to the same results.
    `eqcirc report STUDY` makes a page of them.

    Example: `eqcirc study circuits/studies/digits.toml -o studies/digits -w 2`
    """
    from eqcirc.cli.output import print_json
    from eqcirc.cli.stopping import Stopping
    from eqcirc.study.directory import StudyDirectory
    from eqcirc.study.run import run_study
    from eqcirc.study.schema import load_study

    asked = load_study(file)
    folder = out or Path("studies") / asked.name
    with Stopping() as stopping, _Bar(quiet=as_json) as bar:
        try:
            found = run_study(
                asked, folder, workers=workers, cluster=cluster, observer=bar, stop=stopping.asked
            )
        except KeyboardInterrupt:
            typer.secho(f"stopped at once; go on with: {StudyDirectory(folder).again}", err=True)
            raise typer.Exit(130) from None
    print_json(found.content()) if as_json else _show(found)
    for key, problem in found.problems.items():
        typer.secho(f"{key}: {problem}", fg=typer.colors.YELLOW, err=True)
    if found.done < found.total:
        typer.secho(
            f"stopped after {found.done} of {found.total} units; go on with: {StudyDirectory(folder).again}",
            err=True,
        )
        raise typer.Exit(130)
    if found.problems:
        raise typer.Exit(1)


def _show(found: Results) -> None:
    """Print the tables."""
    from eqcirc.cli.output import print_table
    from eqcirc.report.studies import cells

    arms, ranking = found.arms(), found.ranking()
    for table in (arms, ranking):
        if not table.empty:
            print_table(*cells(table, found.score))
            typer.echo()
    if "recovered" in arms:
        typer.echo("recovered: share of what transfer loses that training through the same chips gets back")
    if not ranking.empty:
        typer.echo("alone: lost with that kind only; left out: won without it; ±: standard error of the mean")
    typer.echo(f"{found.done} of {found.total} units done, all scores in {shell(found.folder / 'chips.csv')}")
    typer.echo(f"a page: eqcirc report {shell(found.folder)}")


class _Bar:
    """Progress with the time that is left, on standard error: a bar, or a line now and then without a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._quiet = quiet
        console = Console(stderr=True, soft_wrap=True)
        self._terminal = console.is_terminal and not quiet
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not self._terminal,
        )
        self._task: Any = None
        self._began = self._said = time.monotonic()
        self._first = 0.0
        self._patience = Patience(lambda: "the chips under way")

    def training(self, run: Run) -> Listener | None:
        from eqcirc.cli.output import ProgressBar

        if not self._quiet:
            typer.echo(f"training the ideal circuit in {run.folder.path}", err=True)
        return ProgressBar(run.trainer, quiet=self._quiet)

    def on_units(self, done: float, total: float, unit: Unit | None, problem: str) -> None:
        del problem  # they are printed in the end
        self._patience.start_again()
        if unit is None:
            self._began = self._said = time.monotonic()
            self._first = done
            self._bar.start()
            self._task = self._bar.add_task("chips", total=total, completed=int(done))
            if done and not self._quiet:
                typer.echo(f"{done / total:.0%} of the work is there already", err=True)
            return
        self._bar.update(self._task, completed=done, description=unit.key)
        now = time.monotonic()
        if not self._terminal and not self._quiet and now - self._said > LINES:
            self._said = now
            left = (now - self._began) * (total - done) / max(done - self._first, 1e-9)
            typer.echo(f"{done / total:.0%} done ({unit.key}), about {_duration(left)} left", err=True)

    def __enter__(self) -> _Bar:
        self._patience.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()
        self._patience.stop()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
