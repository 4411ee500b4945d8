"""The command that checks a bundle for fabrication."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from eqcirc.signoff.check import Result

_COLOURS = {"passed": typer.colors.GREEN, "failed": typer.colors.RED, "skipped": typer.colors.YELLOW}


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder of a bundle, as 'eqcirc export' writes it.")],
    only: Annotated[
        list[str] | None, typer.Option(help="Key of a check; may be given several times. All by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Check a bundle by every tool that is here, and say which checks were skipped and why.

    Hashes, netlists against one another, golden vectors in simulators, the layout, the board. Writes
    verify/report.json and verify/report.html into the bundle. Exit code 1 if a check fails or none passes; one that
    is skipped counts for nothing.

    Example: `eqcirc verify digits-bundle`
    """
    from eqcirc.cli.output import print_json
    from eqcirc.signoff.check import Verdict
    from eqcirc.signoff.page import as_json as content
    from eqcirc.signoff.page import check_place, write_reports
    from eqcirc.signoff.verify import verify_bundle
    from eqcirc.text import shell

    check_place(folder)
    found = verify_bundle(folder, only or (), told=(lambda result: None) if as_json else _show)
    paths = write_reports(found)
    if as_json:
        print_json(content(found))
    else:
        counts = ", ".join(f"{found.count(verdict)} {verdict}" for verdict in Verdict)
        typer.echo(f"\n{counts}; {found.seconds:.0f} s; wrote {shell(paths[-1])}")
    if not found.passed:
        raise typer.Exit(1)


def _show(result: Result) -> None:
    """Print a result as soon as it is there."""
    from eqcirc.signoff.page import figures
    from eqcirc.text import lines

    typer.secho(f"{result.verdict:<8}", nl=False, fg=_COLOURS[str(result.verdict)])
    by = f" [{lines(result.tool)}]" if result.tool else ""
    more = f"; {figures(result)}" if result.numbers else ""
    typer.echo(f"{result.check.key}: {lines(result.found or result.check.title)}{more}{by}")
    for problem in result.problems:
        typer.echo(f"         {lines(problem)}")
