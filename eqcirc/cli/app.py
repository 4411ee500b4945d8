"""The command line. Heavy imports happen inside the commands, so that help and completion are quick."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from eqcirc.cli import inspect, reports, runs, scores
from eqcirc.cli.check import check
from eqcirc.cli.chips import chips
from eqcirc.cli.doctor import doctor
from eqcirc.cli.export import export
from eqcirc.cli.fit import fit
from eqcirc.cli.stability import stability
from eqcirc.cli.stopping import Patience
from eqcirc.cli.turing import turing
from eqcirc.cli.verify import verify
from eqcirc.errors import EqcircError, SolverError
from eqcirc.text import lines


class _Commands(TyperGroup):
    """The commands; what typer says about a wrong value is put in the words of eqcirc."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with Patience(lambda: f"eqcirc {ctx.invoked_subcommand or ''} (Ctrl-C stops it)"):
                return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ").replace("Input should", "it should")
            problems: list[Any] = getattr(error.__cause__, "errors", list)()  # those of pydantic
            if problems and repr(problems[0]["input"]) not in error.message:
                error.message += f", got {problems[0]['input']}"
            raise


app = typer.Typer(
    name="eqcirc",
    cls=_Commands,
    help="Train analog circuits with Equilibrium Propagation, with ngspice in the loop.",
    epilog=(
        "Exit codes: 0 done, 1 a check failed, 2 wrong option or experiment file, 3 data, 4 circuit, 5 solver or "
        "simulator, 6 run directory or checkpoint, 130 interrupted."
    ),
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_COMMANDS: tuple[Callable[..., None], ...] = (
    runs.init,
    runs.train,
    runs.resume,
    runs.finish,
    scores.evaluate,
    scores.predict,
    chips,
    reports.runs,
    reports.compare,
    reports.report,
    inspect.solve,
    check,
    inspect.netlist,
    export,
    verify,
    stability,
    turing,
    fit,
    doctor,
)
for _command in _COMMANDS:
    app.command()(_command)


class _Log(logging.Handler):
    """Shows warnings like errors, on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.secho(
            f"{record.levelname.lower()}: {lines(record.getMessage())}", fg=typer.colors.YELLOW, err=True
        )


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"eqcirc {version('eqcirc')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version
    logging.getLogger("eqcirc").handlers = [_Log()]


def main() -> None:
    """Run the command line; errors become one message and an exit code, never a traceback."""
    # set before numpy loads: its matrices are small here, and its threads would take the cores of the workers
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app()
    except EqcircError as error:
        typer.secho(f"error: {lines(error)}", fg=typer.colors.RED, err=True)
        sys.exit(error.exit_code)
    except OSError as error:  # a disk that is full, or a device that fails, in the middle of writing
        typer.secho(f"error: {lines(error)}", fg=typer.colors.RED, err=True)
        sys.exit(EqcircError.exit_code)
    except MemoryError as error:
        typer.secho(
            f"error: out of memory ({error}); take a smaller batch_size or fewer samples, or a smaller network. What a "
            "run had saved is kept",
            fg=typer.colors.RED,
            err=True,
        )
        sys.exit(SolverError.exit_code)
