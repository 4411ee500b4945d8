"""The command that asks how much of a trained circuit survives real devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from eqcirc.cli.runs import Cluster, Json, RunFolder, Workers, on
from eqcirc.cli.scores import Engine


def chips(
    folder: RunFolder,
    reality: Annotated[
        Path | None,
        typer.Option(help="Experiment file whose table [reality] is meant; that of the run by default."),
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Number of chips.")] = 20,
    first: Annotated[int, typer.Option(min=0, help="Number of the first chip.")] = 0,
    target: Annotated[
        float | None,
        typer.Option(help="Accuracy that a chip has to reach, 0 to 1; of a regression, loss not to exceed."),
    ] = None,
    part: Annotated[Literal["train", "validation", "test"], typer.Option(help="Part of the data.")] = "test",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="CSV file of all chips to write.")] = None,
    save: Annotated[
        Path | None, typer.Option(help="Folder for a JSON file of each chip: what was drawn, and its values.")
    ] = None,
    engine: Engine = None,
    workers: Workers = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Program the trained values into many imperfect chips: distribution of the score, and yield at a target.

    Example: `eqcirc chips runs/digits --reality real.toml -n 50 --target 0.9`
    """
    import numpy as np
    import pandas as pd

    from eqcirc.cli.output import print_json, print_pairs, write_text
    from eqcirc.errors import ConfigError
    from eqcirc.experiment.chips import Yield, chips_of, counted, distribution, reality_of, row, score_chips
    from eqcirc.experiment.opened import open_run
    from eqcirc.files import check_folder_writable, check_writable

    check_writable(out)
    if save is not None:
        check_folder_writable(save)
    opened = open_run(folder)
    section, data = reality_of(opened, reality), opened.part(part)
    regression = data.targets is not None
    if target is not None and not regression and not 0 <= target <= 1:
        raise ConfigError(f"--target: expected an accuracy from 0 to 1, got {target:g}")
    experiment = on(opened.experiment, workers, cluster)
    made = chips_of(opened, section, range(first, first + count))
    rows: list[dict[str, Any]] = []
    for chip, score in score_chips(opened, experiment, made, data, engine):
        rows.append(row(chip, score))
        if save is not None:
            save.mkdir(parents=True, exist_ok=True)
            chip.save(save / f"chip{chip.number}.json")
    table = pd.DataFrame(rows)
    if out is not None:
        write_text(out, table.to_csv(index=False))
    what = "loss" if regression else "accuracy"
    values = table[what].to_numpy(np.float64)
    used = engine or experiment.solver.engine
    found: dict[str, Any] = {"part": part, "engine": used, "chips": count, "first": first, "score": what}
    found |= distribution(values)
    failed = table["failed"].to_numpy()
    if failed.any():
        found["failed"] = {"samples": int(failed.sum()), "chips": int((failed > 0).sum())}
    if target is not None:
        passed = int((counted(values, failed) <= target).sum() if regression else (values >= target).sum())
        found |= {"target": target, "yield": vars(Yield.of(passed, count))}
    if as_json:
        print_json(found | {"rows": rows})
        return
    reached, lost = found.pop("yield", None), found.pop("failed", None)
    pairs = {key: f"{value:.4g}" if isinstance(value, float) else str(value) for key, value in found.items()}
    if lost is not None:
        pairs["failed"] = (
            f"{lost['samples']} of {table['samples'].sum()} samples, on {lost['chips']} chips, have no answer: "
            + (
                "left out of the loss, and such a chip reaches no target"
                if regression
                else "counted as wrong"
            )
        )
    if reached is not None:
        pairs["yield"] = (
            f"{reached['passed']} of {count} chips, {reached['share']:.1%} "
            f"(95 % interval {reached['low']:.1%} to {reached['high']:.1%}, Wilson)"
        )
    print_pairs(pairs)
