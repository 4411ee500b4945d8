"""The command that hands a trained circuit off to fabrication."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eqcirc.cli.inspect import SourcePath


def export(
    source: SourcePath,
    to: Annotated[
        Path,
        typer.Option(
            help="Folder to make; a bundle that is there is replaced, anything else refused.",
            show_default=False,
        ),
    ],
    target: Annotated[str, typer.Option(help="Which files: spice, cdl, layout, board or all.")] = "all",
    vectors: Annotated[
        int, typer.Option(min=1, help="How many samples of the test part become golden vectors.")
    ] = 8,
    rating: Annotated[
        list[str] | None,
        typer.Option(
            help="What parts bear, for the margins of limits.csv: r:W=0.1, d:V=75, ... Letter of the device, unit V, A "
            "or W; several times for several."
        ),
    ] = None,
) -> None:
    """Write a bundle for fabrication: netlists, layout netlists, golden vectors, tables and a manifest.

    Example: `eqcirc export runs/digits --to digits-bundle`
    """
    from dataclasses import replace

    from eqcirc.experiment.handoff import design_of
    from eqcirc.experiment.opened import open_source
    from eqcirc.export.bundle.folder import check_folder
    from eqcirc.export.bundle.ratings import ratings
    from eqcirc.export.bundle.targets import check_target
    from eqcirc.export.bundle.write import write_bundle
    from eqcirc.text import shell

    check_target(target)
    check_folder(to)
    borne = ratings(rating or ())
    design = replace(design_of(open_source(source), vectors), ratings=borne)
    files = write_bundle(design, to, target)
    typer.echo(
        f"wrote {to}: {len(files)} files, {len(design.structure.pins)} pins, {len(design.golden)} golden vectors; "
        f"check them with: eqcirc verify {shell(to)}"
    )
