"""What one random circuit is asked, and what the independent referee (`oracle`) says to the answers.

An answer that is CONVERGED must be right; whatever is not right must have another status. Gradients are measured for
several beta, and with each goes its own bias as a user can measure it, without the referee:

    |g(beta) − g(beta/2)| · 2^p/(2^p − 1),   p = 2, centred nudges.

Gradients are compared as value·dC/dvalue, so that siemens, ohms, amperes and areas count alike.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from oracle import generate
from oracle.description import Resistor
from oracle.dynamics import settle
from oracle.generate import Case
from oracle.gradient import CrossEntropy, gradient
from oracle.gradient import SquaredError as SquaredErrorOracle
from oracle.modes import eigenvalues
from oracle.solve import Solution, operating_point
from oracle.spice import operating_point_by_spice
from translate import Translation, translate

from eqcirc import EqProp, IdealSolver, NgspiceSolver, SoftmaxCrossEntropy, SquaredError
from eqcirc.costs import Cost
from eqcirc.errors import CircuitError, EqcircError, SymmetryError
from eqcirc.solvers.base import OperatingPoints, Solver
from eqcirc.solvers.certificate import certificate
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.ngspice.pool import Limits
from eqcirc.solvers.ngspice.workers import LocalWorkers
from eqcirc.solvers.response import NEGLIGIBLE
from eqcirc.solvers.status import Status
from eqcirc.verify.gradients import adjoint_gradient

Kind = Literal["passive", "one_way", "active"]
RIGHT = 1e-8  # of the largest voltage
BETAS = 10.0 ** np.arange(-1.0, -9.0, -1.0)  # of the median conductance
FEW = slice(1, 6, 2)  # of them, where every solve follows a transient
SHAKES = 8  # of voltages, to see what their noise does to a gradient
PATIENCE = 20.0  # s, for one sweep of ngspice
STEPS = 6000  # of the referee's integration


@dataclass(frozen=True)
class Truth:
    """What the referee knows of a sample.

    Attributes:
        verdict: "rests" at `solution`, or why there is nothing to compare with.
        solution: the operating point.
        slopes: (trained part,) value·dC/dvalue there; None if the referee has none.
        size: length that errors of slopes are measured by: theirs, or what it is where the cost pulls at outputs
            with a thousandth of an ordinary force.
    """

    verdict: str
    solution: Solution | None = None
    slopes: np.ndarray | None = None
    size: float = 0.0


def measure(kind: Kind, seed: int) -> dict[str, Any]:
    """Ask and judge one circuit; return rows of answers and gradients."""
    began = time.perf_counter()
    case = getattr(generate, kind)(np.random.default_rng([9, seed]))
    record: dict[str, Any] = {"kind": kind, "seed": seed, "answers": [], "gradients": []}
    try:
        built = translate(case.description, f"{kind}{seed}")
    except EqcircError as error:
        return record | {"refused": str(error)}
    subject = _Subject(case, built, kind)
    record |= {"nodes": case.description.n_nodes, "parts": len(case.description.parts)}
    record["spice"] = [subject.by_plain_spice(k) for k in range(len(subject.truths))]
    workers = LocalWorkers(1)
    for name, solver in _engines(built, subject.proven, workers):
        record["answers"] += subject.answers(name, solver)
        record["gradients"] += subject.gradients(name, solver, record)
    workers.close()
    record["adjoint"] = subject.adjoint_errors()
    return record | {"seconds": time.perf_counter() - began}


def _engines(built: Translation, proven: bool, workers: LocalWorkers) -> Iterator[tuple[str, Solver]]:
    """Yield all solvers; what is followed in time is followed on the full netlist in any case."""
    yield "ideal", IdealSolver(built.circuit)
    limits = Limits(deadline=PATIENCE)
    if proven:
        yield "ngspice reduced", NgspiceSolver(built.circuit, workers=workers, limits=limits)
    yield "ngspice full", NgspiceSolver(built.circuit, workers=workers, limits=limits, netlist="full")


def allowance(row: dict[str, Any]) -> float:
    """Return by how much a gradient may be off, as far as can be known without the referee."""
    return 3 * (float(row["bias"]) + float(row["noise"]))


class _Subject:
    """One circuit with its samples, and what the referee says of them."""

    def __init__(self, case: Case, built: Translation, kind: Kind) -> None:
        self.case, self.built, self.kind = case, built, kind
        self.inputs = case.samples[:, : built.circuit.inputs.n_features]
        self.proven = certificate(Dynamics.of(built.circuit, None, self.inputs)).attracting
        samples = case.samples if self.proven else case.samples[:1]
        self.inputs = self.inputs[: len(samples)]
        self.parts = list(built.places)
        self.sizes = np.array([case.description.parts[k].value for k in self.parts])
        softmax = len(case.description.weights) > 1 and (case.targets.sum(axis=1) == 1).all()
        self.cost: Cost = SoftmaxCrossEntropy(case.softness) if softmax else SquaredError()
        self.targets = case.targets[: len(samples)]
        resistors = [p.g for p in case.description.parts if isinstance(p, Resistor)]
        unit = float(np.median(resistors)) / (case.softness if softmax else 1.0)
        self.betas = unit * (BETAS if self.proven else BETAS[FEW])
        self.truths = [self._truth(k, x) for k, x in enumerate(samples)]
        self.chosen: list[float] = []

    def _truth(self, k: int, x: np.ndarray) -> Truth:
        d = self.case.description
        if self.kind == "active":
            motion = settle(d, x, most_steps=STEPS)
            if motion.verdict != "rests" or motion.solution is None:
                return Truth(motion.verdict)
            solution = motion.solution
        else:
            solution = operating_point(d, x)
            if eigenvalues(d, x, solution).stable is False:
                return Truth("leaves")
        if not solution.converged:
            return Truth("not solved")
        target = self.targets[k].tolist()
        softmax = isinstance(self.cost, SoftmaxCrossEntropy)
        cost = CrossEntropy(target, self.case.softness) if softmax else SquaredErrorOracle(target)
        try:
            slopes = self.sizes * gradient(d, x, solution, cost, self.parts).values
        except ArithmeticError:
            return Truth("rests", solution)
        outputs = np.asarray(solution.outputs(d), float)[None]
        pull = np.abs(self.cost.gradient(outputs, self.targets[k : k + 1])).max()
        typical = float(self.cost.typical(outputs, self.targets[k : k + 1])[0])
        size = float(np.linalg.norm(slopes)) * max(1.0, NEGLIGIBLE * typical / max(pull, 1e-300))
        return Truth("rests", solution, slopes, size)

    def _noise(self, k: int, rule: EqProp, points: OperatingPoints) -> float:
        """Length of what slopes change by when the voltages they are made of have the noise that the solver says.

        Rounding to 53 bits at least. The voltages are shaken, so this holds for elements of every kind.
        """
        one = points.take(np.array([k]))
        assert one.noise is not None
        moved = float(np.linalg.norm(one.voltages[1] - one.voltages[2])) / 2
        volts = max(float(np.finfo(float).eps * np.abs(one.voltages).max()), float(one.noise[0]) * moved)
        slopes, rng = self._slopes(rule.gradient(one, None)), np.random.default_rng(0)
        shaken = []
        for _ in range(SHAKES):
            noisy = one.voltages + volts * rng.uniform(-1, 1, one.voltages.shape)
            found = rule.gradient(replace(one, voltages=noisy), None)
            shaken.append(float(np.linalg.norm(self._slopes(found) - slopes)))
        return max(shaken)

    def by_plain_spice(self, k: int) -> float | None:
        """Distance of the referee's own netlist in `ngspice -b` from its Newton's method; None without an answer."""
        solution = self.truths[k].solution
        if solution is None or self.kind == "active":
            return None
        answer = operating_point_by_spice(self.case.description, self.case.samples[k])
        return None if answer.voltages is None else _off(answer.voltages, solution)

    def answers(self, engine: str, solver: Solver) -> list[dict[str, Any]]:
        """Solve the free phase; one row for each sample."""
        try:
            points = solver.solve(None, self.inputs)
        except EqcircError as error:
            return [
                {"engine": engine, "status": type(error).__name__, "reason": str(error), "truth": t.verdict}
                for t in self.truths
            ]
        n = self.case.description.n_nodes
        return [
            {
                "engine": engine,
                "status": Status(int(points.status[k])).name,
                "reason": points.messages.get(k, Status(int(points.status[k])).words),
                "evidence": points.evidence.name,
                "truth": t.verdict,
                "error": None if t.solution is None else _off(points.free[k, :n], t.solution),
            }
            for k, t in enumerate(self.truths)
        ]

    def gradients(self, engine: str, solver: Solver, record: dict[str, Any]) -> list[dict[str, Any]]:
        """Measure EqProp's gradient at several beta and their halves; one row for each sample and beta.

        Every beta is tried in the ideal solver; ngspice gets those that were best for some sample there.
        """
        known = [k for k, t in enumerate(self.truths) if t.slopes is not None and t.slopes.any()]
        if not known:
            return []
        rows = []
        for beta in self.chosen or self.betas:
            try:
                whole, half = (self._at(solver, b) for b in (beta, beta / 2))
            except SymmetryError as error:
                record["rule_refused"] = str(error)
                return []
            except CircuitError:  # this netlist cannot hold the circuit, as `answers` has said
                return []
            rows += [self._row(engine, k, beta, whole, half) for k in known]
        if not self.chosen:
            for k in known:
                good = [row for row in rows if row["sample"] == k and row["status"] == "CONVERGED"]
                self.chosen += [min(good, key=allowance)["beta"]] if good else []
            self.chosen = sorted(set(self.chosen)) or self.betas[-1:].tolist()
        return rows

    def _at(self, solver: Solver, beta: float) -> tuple[EqProp, OperatingPoints]:
        rule = EqProp(self.built.circuit, self.cost, float(beta))
        return rule, solver.solve(None, self.inputs, rule.nudge(self.targets, None))

    def _row(
        self,
        engine: str,
        k: int,
        beta: float,
        whole: tuple[EqProp, OperatingPoints],
        half: tuple[EqProp, OperatingPoints],
    ) -> dict[str, Any]:
        row = {"engine": engine, "sample": k, "beta": float(beta)}
        for _, points in (whole, half):
            if not points.converged[k]:
                return row | {"status": Status(int(points.status[k])).name}
        slopes, halved = (self._slopes(r.gradient(p.take(np.array([k])), None)) for r, p in (whole, half))
        truth = self.truths[k]
        bias, error = (
            np.linalg.norm(x) / truth.size for x in (4 / 3 * (slopes - halved), slopes - truth.slopes)
        )
        noise = max(self._noise(k, *answer) for answer in (whole, half)) / truth.size
        return row | {"status": "CONVERGED", "bias": float(bias), "noise": noise, "error": float(error)}

    def adjoint_errors(self) -> list[float]:
        """Distance of the package's adjoint gradient from the referee's, for samples that the ideal solver finds."""
        points = IdealSolver(self.built.circuit).solve(None, self.inputs)
        errors = []
        for k, truth in enumerate(self.truths):
            if truth.slopes is None or not truth.slopes.any() or not points.converged[k]:
                continue
            one = slice(k, k + 1)
            found = adjoint_gradient(
                self.built.circuit, {}, self.inputs[one], self.targets[one], self.cost, points.free[one]
            )
            errors.append(float(np.linalg.norm(self._slopes(found) - truth.slopes) / truth.size))
        return errors

    def _slopes(self, found: dict[str, np.ndarray]) -> np.ndarray:
        places = (self.built.places[k] for k in self.parts)
        return self.sizes * np.array([found[p.element].ravel()[p.index] for p in places])


def _off(voltages: np.ndarray, solution: Solution) -> float:
    """Return the largest difference, as a part of the largest voltage."""
    exact = np.asarray(solution.voltages, float)
    return float(np.abs(voltages - exact).max() / max(np.abs(exact).max(), 1e-300))
