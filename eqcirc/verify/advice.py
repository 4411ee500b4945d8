"""On which side of the best nudging strength is a beta? The error is measured there, and a decade to either side.

    error(beta) = bias·beta^p + noise/beta

Too large, a nudge bends the circuit; too small, rounding drowns it. Only a second and a third point tell which.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from eqcirc.learning.rule import Measurement, Rule
from eqcirc.solvers.base import Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.status import Status
from eqcirc.typing import Array, Parameters
from eqcirc.verify.check import gradient_findings
from eqcirc.verify.gradients import descended_gradient

ROOM = 0.1  # of the bound: errors that are advised
MOST = 40  # decades that are looked for it in
WORSE = 3.0  # times the least error: the optimum has been passed

Side = Literal["below", "above", "neither"]


@dataclass(frozen=True)
class Tried:
    """A nudging strength.

    Attributes:
        beta: in the unit that the cost asks for.
        error: relative error of the whole gradient; infinite if a sample failed.
        excess: largest error of whole and elements over its bound.
    """

    beta: float
    error: float
    excess: float


@dataclass(frozen=True)
class Advice:
    """What to do about a gradient that is wrong.

    Attributes:
        side: of the best beta that the present one is on; "neither" if no beta near it is better, or it is not the
            cause.
        beta: that is better, if one was found.
        tried: all that was measured, the present one first.
        sentence: for people.
    """

    side: Side
    beta: float | None
    tried: tuple[Tried, ...]
    sentence: str


def advise(
    rule: Rule, parameters: Parameters, inputs: Array, targets: Array, *solvers: Solver
) -> Advice | None:
    """Return what is wrong with a rule's beta or its cost on some samples; None if nothing is.

    Args:
        rule: the learning rule.
        parameters: values by element name.
        inputs: (batch, n_features).
        targets: (batch, n_outputs).
        *solvers: that the rule is measured by; what is advised suits all of them.

    Raises:
        SolverError: a sample has no free phase; that is not for beta.
    """
    found = [a for s in solvers if (a := _advise(rule, parameters, inputs, targets, s)) is not None]
    same = [a for a in found if a.side == found[0].side and a.beta is not None]
    if not same:
        return found[0] if found else None
    return (max if same[0].side == "below" else min)(same, key=lambda a: a.beta or 0.0)


def _advise(
    rule: Rule, parameters: Parameters, inputs: Array, targets: Array, solver: Solver
) -> Advice | None:
    free = solver.solve(parameters, inputs).require().free
    hint = rule.cost.hint(rule.circuit.readout.read(free))
    ideal = IdealSolver(rule.circuit)
    exact = descended_gradient(rule, ideal, dict(parameters), inputs, targets, free)
    if exact is None:  # no objective that is known, so that no beta is an error
        return Advice("neither", None, (), hint) if hint else None
    rule = rule.with_reading(None, rule.seed)

    def measured(beta: float) -> Measurement:
        return rule.with_beta(beta).measure(solver, parameters, inputs, targets)

    def tried(beta: float) -> Tried:
        if beta > rule.most:
            return Tried(beta, math.inf, math.inf)
        found = measured(beta)
        if not found.points.converged.all():
            return Tried(beta, math.inf, math.inf)
        findings = gradient_findings(solver.name, rule, found, exact, targets)
        return Tried(beta, findings[0].measured, max(f.measured / f.bound for f in findings if f.bound))

    here = tried(rule.beta)
    if here.excess <= 1:
        return Advice("neither", None, (here,), hint) if hint else None
    low, high = tried(_decimal(rule.beta / 10)), tried(_decimal(rule.beta * 10))
    if math.isinf(low.excess) and math.isinf(high.excess):
        drowned = bool((measured(rule.beta).points.status == Status.UNRESOLVED).any())
        side: Side = "below" if drowned else "above"
    elif here.excess <= min(low.excess, high.excess):
        side = "neither"
    else:
        side = "below" if high.excess < low.excess else "above"
    if side == "neither":
        return Advice("neither", None, (here, low, high), hint or _around(here, low, high))
    below = side == "below"
    walked = _walk(tried, high if below else low, 10.0 if below else 0.1, 0.0 if below else ROOM)
    best = min(walked, key=lambda t: t.excess)
    words = hint or _sentence(side, here, walked[0], best)
    return Advice(side, best.beta if best.excess <= 1 else None, (here, *walked), words)


def _walk(tried: Callable[[float], Tried], first: Tried, factor: float, enough: float) -> list[Tried]:
    """Go on by decades until the excess is small enough, or grows again."""
    walked = [first]
    for _ in range(MOST):
        best = min(t.excess for t in walked)
        if best <= enough or walked[-1].excess > WORSE * best:
            break
        walked.append(tried(_decimal(walked[-1].beta * factor)))
    return walked


def _decimal(beta: float) -> float:
    """Return a number that reads as decades do: 1e-13, not 1.0000000000000002e-13."""
    return float(f"{beta:.6g}")


def _around(here: Tried, low: Tried, high: Tried) -> str:
    return (
        f"beta is not what is wrong: the error of the gradient is {_error(low)} at {low.beta:.0e}, {_error(here)} "
        f"at {here.beta:.0e} and {_error(high)} at {high.beta:.0e}; tighten the solver's tolerances"
    )


def _sentence(side: Side, here: Tried, beside: Tried, best: Tried) -> str:
    what = "small: its nudge drowns in rounding" if side == "below" else "large: its nudge bends the circuit"
    measured = f"error of the gradient {_error(here)}, {_error(beside)} at {beside.beta:.0e}"
    if best.excess > 1:
        return f"beta = {here.beta:.0e} is too {what} ({measured}), but no other beta is good enough either"
    return f"beta = {here.beta:.0e} is too {what} ({measured}): try learning.beta = {best.beta:.0e}"


def _error(one: Tried) -> str:
    return "not to be had" if math.isinf(one.error) else f"{one.error:.1e}"
