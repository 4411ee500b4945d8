"""`eqcirc check --trials`: statistics of measured gradients over random values, and the error over beta."""

from __future__ import annotations

import logging
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

if TYPE_CHECKING:
    import numpy as np

    from eqcirc.circuit.circuit import Circuit
    from eqcirc.experiment.opened import Opened
    from eqcirc.experiment.schema import Experiment
    from eqcirc.learning.rule import Rule
    from eqcirc.typing import Array
    from eqcirc.verify.trials import Curve, Statistic

log = logging.getLogger("eqcirc")

Engine = Literal["both", "ngspice", "ideal"]
DECADES, POINTS = (-4.5, 1.5), 13  # of the experiment's beta
CURVE_DRAWS = 8


def trials(
    opened: Opened,
    experiment: Experiment,
    count: int,
    samples: int,
    *,
    engine: Engine,
    picture: Path | None,
    write: bool,
    as_json: bool,
) -> bool:
    """Measure, print, draw; return whether the gradients are gradients, by the bounds of `check`."""
    from dataclasses import asdict

    import numpy as np

    from eqcirc.cli.output import print_json
    from eqcirc.experiment.build import build_rule, build_solver
    from eqcirc.report.gradients import gradient_figure
    from eqcirc.verify.check import BIAS
    from eqcirc.verify.trials import FAINT, Trial, curve, faint_draws, measure, statistics

    choice = build_rule(experiment, opened.circuit)
    rule, draws = choice.rule, _draws(opened, experiment, count, samples)
    betas = rule.beta * np.logspace(*DECADES, POINTS)
    found: dict[str, list[Statistic]] = {}
    curves: dict[str, Curve] = {}
    pairs: dict[str, Any] = {}
    for name in ("ngspice", "ideal") if engine == "both" else (engine,):
        with build_solver(experiment, opened.circuit, name) as solver:
            gradients = [measure(rule, solver, some) for some in draws]
            found[name] = statistics([Trial.of(g, d.exact) for g, d in zip(gradients, draws, strict=True)])
            curves[name] = curve(rule, solver, draws[:CURVE_DRAWS], betas)
        scale = [max(float(np.abs(d.exact).max()), 1e-300) for d in draws]
        exact = np.concatenate([d.exact / size for d, size in zip(draws, scale, strict=True)])
        pairs[name] = exact, np.concatenate([g / size for g, size in zip(gradients, scale, strict=True)])
    unit = "S" if experiment.learning.cost == "squared_error" else "A"
    apart = max(d.differences for d in draws)
    faint = faint_draws(draws)
    if faint:
        log.warning(
            "%d of %d draws have next to no gradient (below %g of the median), so that their relative errors say "
            "little: %s",
            *(len(faint), count, FAINT, ", ".join(map(str, faint))),
        )
    best = {name: (c.measured_best, c.predicted_best) for name, c in curves.items()}
    if picture is not None:
        title = f"{opened.circuit.name}: {rule.name}, {count} random draws of all values"
        gradient_figure(picture, pairs, curves, title=title, unit=unit)
    recommended = next(iter(curves.values())).recommended if rule.order else rule.beta
    if as_json:
        content: dict[str, Any] = {
            "rule": rule.name,
            "exact": choice.exact,
            "why": choice.why,
            "trials": count,
        }
        content |= {"adjoint_against_differences": apart, "recommended_beta": recommended}
        content |= {"statistics": {name: [asdict(s) for s in rows] for name, rows in found.items()}}
        content |= {
            "curves": {
                name: {"beta": c.betas.tolist(), "median_error": c.median.tolist(), "best": best[name]}
                for name, c in curves.items()
            }
        }
        print_json(content)
    else:
        typer.echo(f"rule: {choice.why}")
        typer.echo(
            f"{count} random draws of all values; adjoint against finite differences: {apart:.1e} at most"
        )
        _print(rule, found, best, unit, recommended)
        if picture is not None:
            typer.echo(f"wrote {picture}")
    if write:
        _write(opened.path, recommended)
    return all(next(s.mean for s in rows if s.name == "error") <= BIAS[rule.order] for rows in found.values())


def _print(
    rule: Rule,
    found: dict[str, list[Statistic]],
    best: dict[str, tuple[float, float]],
    unit: str,
    recommended: float,
) -> None:
    """Print statistics by engine, and where the error is least over beta: as measured, and as predicted."""
    import math

    from eqcirc.cli.output import print_table
    from eqcirc.verify.trials import GOOD

    for name, rows in found.items():
        table = [(s.name, f"{s.mean:.6g}", f"{s.low:.6g} to {s.high:.6g}", f"{s.worst:.6g}") for s in rows]
        print_table([f"{rule.name} ({name}) against adjoint", "mean", "95 % interval", "worst"], table)
        measured, predicted = best[name]
        words = "" if math.isnan(predicted) else f", predicted {predicted:.1e}"
        if rule.order:
            typer.echo(f"least error at beta = {measured:.1e} {unit}{words}; now {rule.beta:.1e}")
    if rule.order:
        typer.echo(
            f"recommended: beta = {recommended:.2g} {unit}, the largest with errors below {GOOD:g} in all draws, "
            "or the best one"
        )


def _draws(opened: Opened, experiment: Experiment, count: int, samples: int) -> list[Any]:
    """Return draws of all values as the experiment would begin with them, and of samples of the training part."""
    import numpy as np

    from eqcirc.experiment.build import build_circuit, build_rule
    from eqcirc.learning.evaluate import targets_of
    from eqcirc.verify.trials import draw

    rule, part = build_rule(experiment, opened.circuit).rule, opened.data.train
    draws = []
    for k in range(count):
        seeded = experiment.model_copy(update={"seed": experiment.seed + k})
        values = build_circuit(seeded, part.n_features, part.n_outputs).parameters
        if experiment.circuit is not None:  # a file has one set of values
            values = _scattered(opened.circuit, np.random.default_rng([experiment.seed, k, 1]))
        rows = np.random.default_rng([experiment.seed, k]).permutation(part.n_samples)[:samples]
        some = part.take(rows)
        targets = targets_of(some, rule.cost)
        draws.append(draw(rule, values, some.inputs, targets, seed=k, start=experiment.solver.begins))
    return draws


def _scattered(circuit: Circuit, rng: np.random.Generator) -> dict[str, Array]:
    """Return values about those of a circuit: each between half and twice as much, within its bounds."""
    import numpy as np

    return {
        e.name: np.clip(e.value * 2 ** rng.uniform(-1, 1, e.value.shape), *e.bounds)
        for e in circuit.trainable
    }


def _write(path: Path, beta: float) -> None:
    """Put a nudging strength into an experiment file, and leave the rest of it as it is.

    Raises:
        ConfigError: it is a run, or the file names no beta.
    """
    from eqcirc.cli.output import write_text
    from eqcirc.errors import ConfigError

    if path.is_dir():
        raise ConfigError(f"{path} is a run, whose experiment is past; give --write an experiment file")
    text = path.read_text(encoding="utf-8-sig")
    wanted = tomllib.loads(text)
    wanted.setdefault("learning", {})["beta"] = float(f"{beta:.2g}")
    changed, times = re.subn(
        r"^(\s*beta\s*=\s*)[^\s#]+", lambda found: f"{found[1]}{beta:.2g}", text, count=1, flags=re.MULTILINE
    )
    if not times:
        changed, times = re.subn(
            r"^\[\s*learning\s*\][^\n]*$",
            lambda found: f"{found[0]}\nbeta = {beta:.2g}",
            text,
            count=1,
            flags=re.MULTILINE,
        )
    if not times:
        changed = f"{text.rstrip()}\n\n[learning]\nbeta = {beta:.2g}\n"
    try:
        right = tomllib.loads(changed) == wanted
    except tomllib.TOMLDecodeError:
        right = False
    if not right:
        raise ConfigError(
            f"{path}: its table [learning] is written in a way that --write does not know; put beta = {beta:.2g} "
            "into it"
        )
    write_text(path, changed)
    typer.echo(f"wrote beta = {beta:.2g} into {path}")
