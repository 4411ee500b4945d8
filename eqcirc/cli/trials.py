"""`eqcirc check --trials`: statistics of measured gradients over random values, and the error over beta."""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

if TYPE_CHECKING:
    import numpy as np

    from eqcirc.circuit.circuit import Circuit
    from eqcirc.experiment.opened import Opened
    from eqcirc.experiment.schema import Experiment
    from eqcirc.learning.choice import Choice
    from eqcirc.learning.rule import Rule
    from eqcirc.typing import Array
    from eqcirc.verify.trials import Curve, Draw, Statistic

log = logging.getLogger("eqcirc")

Engine = Literal["both", "ngspice", "ideal"]
DECADES, POINTS = (-4.5, 1.5), 13  # of the experiment's beta
CURVE_DRAWS = 8


@dataclass
class _Measured:
    """What was measured, by engine."""

    statistics: dict[str, list[Statistic]] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    pairs: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)

    def best(self, name: str) -> tuple[float, float]:
        """Return beta of the least error, as measured and as predicted."""
        return self.curves[name].measured_best, self.curves[name].predicted_best


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
    from eqcirc.errors import ConfigError
    from eqcirc.experiment.build import build_rule
    from eqcirc.report.gradients import gradient_figure
    from eqcirc.verify.check import BIAS

    choice = build_rule(experiment, opened.circuit)
    rule, draws = choice.rule, _weighty(_draws(opened, experiment, count, samples))
    known = all(d.descended for d in draws)
    sought = choice.exact or (rule.objective is not None and known)  # else no beta is right
    if write and not sought:
        raise ConfigError(f"--write: no beta can be recommended for {rule.name}; {choice.why}")
    engines = ("ngspice", "ideal") if engine == "both" else (engine,)
    measured = _measured(opened.circuit, experiment, rule, draws, engines)
    if picture is not None:
        title = f"{opened.circuit.name}: {rule.name}, {len(draws)} random draws of all values"
        if rule.objective:
            title += (
                f"\n{rule.name} has an objective of its own; exact is the gradient of {_exact(rule, known)}"
            )
        elif not choice.exact:
            title += f"\n{rule.name}: its updates are no gradients"
        gradient_figure(picture, measured.pairs, measured.curves, title=title, unit=rule.unit)
    best = measured.curves[engines[0]].recommended if rule.order else rule.beta
    recommended = best if sought else None
    if as_json:
        _print_json(choice, draws, measured, recommended)
    else:
        typer.echo(f"rule: {choice.why}")
        _print(rule, draws, measured, _exact(rule, known), recommended)
        if picture is not None:
            typer.echo(f"wrote {picture}")
    if write and recommended is not None:
        _write(opened.path, recommended)
    errors = [next(s.mean for s in rows if s.name == "error") for rows in measured.statistics.values()]
    right = not known or all(error <= BIAS[rule.order] for error in errors)
    return right and not any(measured.failed.values())


def _measured(
    circuit: Circuit, experiment: Experiment, rule: Rule, draws: list[Draw], engines: Sequence[str]
) -> _Measured:
    """Measure gradients of draws by some engines, at the rule's beta and at others."""
    import numpy as np

    from eqcirc.experiment.build import build_solver
    from eqcirc.verify.trials import Trial, curve, measure, statistics

    betas = rule.beta * np.logspace(*DECADES, POINTS)
    scale = [max(float(np.abs(d.exact).max()), 1e-300) for d in draws]
    exact = np.concatenate([d.exact / size for d, size in zip(draws, scale, strict=True)])
    found = _Measured()
    for name in engines:
        with build_solver(experiment, circuit, name) as solver:
            gradients = [measure(rule, solver, some) for some in draws]
            compared = [Trial.of(g, d.exact) for g, d in zip(gradients, draws, strict=True)]
            found.statistics[name] = statistics(compared)
            found.curves[name] = curve(rule, solver, draws[:CURVE_DRAWS], betas[betas <= rule.most])
        found.pairs[name] = (
            exact,
            np.concatenate([g / size for g, size in zip(gradients, scale, strict=True)]),
        )
        found.failed[name] = sum(not np.isfinite(g).all() for g in gradients)
        if found.failed[name]:
            log.warning(
                "%d of %d draws failed by %s, and count in no mean: a sample of theirs has no operating point, or none "
                "on the branch of the free one when it is nudged by %g %s",
                *(found.failed[name], len(draws), name, rule.beta, rule.unit),
            )
    return found


def _print_json(choice: Choice, draws: list[Draw], measured: _Measured, recommended: float | None) -> None:
    """Print all figures as one object."""
    from dataclasses import asdict

    from eqcirc.cli.output import print_json

    print_json(
        {
            "rule": choice.rule.name,
            "exact": choice.exact,
            "why": choice.why,
            "trials": len(draws),
            "failed": measured.failed,
            "adjoint_against_differences": max(d.differences for d in draws),
            "recommended_beta": recommended,
            "statistics": {name: [asdict(s) for s in rows] for name, rows in measured.statistics.items()},
            "curves": {
                name: {
                    "beta": c.betas.tolist(),
                    "median_error": c.median.tolist(),
                    "best": measured.best(name),
                }
                for name, c in measured.curves.items()
            },
        }
    )


def _exact(rule: Rule, known: bool) -> str:
    """Say what the gradient is of that measured ones are held against."""
    if rule.objective is None:
        return "the cost"
    return "its own objective" if known else "the cost, which it does not descend"


def _weighty(draws: list[Draw]) -> list[Draw]:
    """Leave out draws in which next to nothing is learnt: rounding would be measured, and a beta advised for it."""
    from eqcirc.verify.trials import FAINT, faint_draws

    faint = faint_draws(draws)
    if faint:
        log.warning(
            "%d of %d draws have next to no gradient (below %g of the median), and are left out: %s",
            *(len(faint), len(draws), FAINT, ", ".join(map(str, faint))),
        )
    return [d for k, d in enumerate(draws) if k not in faint]


def _print(rule: Rule, draws: list[Draw], measured: _Measured, exact: str, recommended: float | None) -> None:
    """Print statistics by engine, and where the error is least over beta: as measured, and as predicted."""
    import math

    from eqcirc.cli.output import print_table
    from eqcirc.verify.trials import GOOD

    apart = max(d.differences for d in draws)
    typer.echo(
        f"{len(draws)} random draws of all values; adjoint against finite differences: {apart:.1e} at most"
    )
    against = "adjoint" if rule.objective is None else f"the adjoint of {exact}"
    for name, rows in measured.statistics.items():
        table = [(s.name, f"{s.mean:.6g}", f"{s.low:.6g} to {s.high:.6g}", f"{s.worst:.6g}") for s in rows]
        print_table([f"{rule.name} ({name}) against {against}", "mean", "95 % interval", "worst"], table)
        least, predicted = measured.best(name)
        words = "" if math.isnan(predicted) else f", predicted {predicted:.1e}"
        if rule.order and recommended is not None:
            typer.echo(
                f"least error at beta = {_with_unit(f'{least:.1e}', rule)}{words}; now {rule.beta:.1e}"
            )
    if recommended is None:
        typer.echo("no beta is recommended: none makes this the gradient of the cost")
    elif rule.order:
        typer.echo(
            f"recommended: beta = {_with_unit(f'{recommended:.2g}', rule)}, the largest with errors below {GOOD:g} in "
            "all draws, or the best one"
        )


def _with_unit(beta: str, rule: Rule) -> str:
    return f"{beta} {rule.unit}".strip()


def _draws(opened: Opened, experiment: Experiment, count: int, samples: int) -> list[Draw]:
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
