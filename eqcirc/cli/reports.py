"""Commands that look at finished work: what runs there are, how they differ, and a page about each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eqcirc.cli.runs import Json
from eqcirc.cli.scores import Engine
from eqcirc.errors import ConfigError
from eqcirc.text import one_line, shell

if TYPE_CHECKING:
    from eqcirc.experiment.listing import RunFacts

RunFolders = Annotated[list[Path], typer.Argument(help="Run directories.", show_default=False)]


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder to look in, and below it.")] = Path("runs"),
    as_json: Json = False,
) -> None:
    """List runs: how far they are, how they ended, rule, engine and test score.

    A run is running, unfinished, not scored, finished, finished early or damaged. Nothing is solved.

    Example: `eqcirc runs` or `eqcirc runs results --json`
    """
    from dataclasses import asdict

    from eqcirc.cli.output import print_json, print_table
    from eqcirc.experiment.listing import find_runs, run_facts

    facts = [run_facts(path) for path in find_runs(folder)]
    if as_json:
        print_json({"folder": str(folder), "runs": [asdict(fact) for fact in facts]})
        return
    if not facts:
        typer.echo(f"no runs in {shell(folder)}; 'eqcirc train' makes them")
        return
    columns = ["run", "state", "epochs", "rule", "engine", "test", "cost", "seed", "detail"]
    print_table(columns, [_row(fact) for fact in facts])


def _row(fact: RunFacts) -> list[str]:
    """Return the cells of a run; what is not known is empty."""
    done = "" if fact.epoch is None else f"{fact.epoch}/{fact.epochs}"
    accuracy = "" if fact.test_accuracy is None else f"{fact.test_accuracy:.2%}"
    cost = "" if fact.test_loss is None else f"{fact.test_loss:.4g}"
    rule = fact.rule if fact.exact else f"{fact.rule} (no gradient)"
    seed = "" if fact.seed is None else str(fact.seed)
    return [one_line(fact.run), fact.state, done, rule, fact.engine, accuracy, cost, seed, fact.detail]


def compare(
    folders: RunFolders,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Picture of the learning curves, .png, .pdf or .svg.")
    ] = None,
    engine: Engine = None,
    as_json: Json = False,
) -> None:
    """Compare runs with the first one: configuration, results, and a paired test of their answers.

    The test asks all runs the same test samples: McNemar's exact test of right and wrong answers, a paired bootstrap of
    the errors in a regression. It is left out, with the reason, where test parts differ.

    Example: `eqcirc compare runs/digits runs/wide -o compare.png`
    """
    from eqcirc.cli.output import print_json, print_table
    from eqcirc.experiment.compare import compare_runs, comparison_json
    from eqcirc.files import check_writable
    from eqcirc.report.comparison import cells, comparison_figure
    from eqcirc.report.picture import picture_format

    if out is not None:
        picture_format(out)
        check_writable(out)
    found = compare_runs(*folders, engine=engine)
    if out is not None:
        comparison_figure(out, found)
    if as_json:
        print_json(comparison_json(found) | ({} if out is None else {"picture": str(out)}))
        return
    for title, table in (("configuration", found.configuration), ("result", found.results)):
        print_table([title, *found.names], cells(table))
        if table.empty:
            typer.echo("nothing that changes a result differs")
        typer.echo()
    for sentence in found.sentences():
        typer.echo(sentence)
    if out is not None:
        typer.echo(f"wrote {out}")


def report(
    folders: Annotated[list[Path], typer.Argument(help="Run or study directories.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder to write into; `report` in the run directory, if there is one run."
        ),
    ] = None,
    engine: Engine = None,
    pdf: Annotated[bool, typer.Option(help="Write the page as PDF, too, if weasyprint is installed.")] = True,
    as_json: Json = False,
) -> None:
    """Write a page about runs: one HTML file that needs nothing else, and its figures as SVG, PNG and CSV.

    It shows the circuit, learning curves, right and wrong answers, SPICE against the ideal solver, updates against the
    gradient, trained values, hidden voltages, and how to make the run again. Several runs are compared first. Studies
    get a page, too: scores of all chips, yield, what each non-ideality costs, corners.

    Example: `eqcirc report runs/digits -o digits-report`
    """
    from eqcirc.cli.output import print_json
    from eqcirc.report.page.page import write_report

    if out is None and len(folders) > 1:
        raise ConfigError("a report of several runs needs a folder: -o FOLDER")
    made = write_report(*folders, folder=out or folders[0] / "report", engine=engine, pdf=pdf)
    if as_json:
        paths = {"page": str(made.page), "pdf": None if made.pdf is None else str(made.pdf)}
        print_json(paths | {"why_no_pdf": made.why_no_pdf, "figures": [str(path) for path in made.figures]})
        return
    typer.echo(f"wrote {shell(made.page)}" + ("" if made.pdf is None else f" and {shell(made.pdf)}"))
    typer.echo(
        f"{len(made.figures)} files of figures and their data in {shell(made.page.parent / 'figures')}"
    )
    if pdf and made.pdf is None:
        typer.secho(f"no PDF: {made.why_no_pdf}", fg=typer.colors.YELLOW, err=True)
