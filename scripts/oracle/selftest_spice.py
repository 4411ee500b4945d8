"""Self test against plain ngspice: facts about its laws, then many random circuits at rest and in time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from oracle import generate
from oracle.arithmetic import DECIMAL, FLOAT, digits
from oracle.check import Table
from oracle.description import Description, Resistor, Vector, mistakes
from oracle.dynamics import settle, transient
from oracle.equations import Circuit
from oracle.flow import Flow
from oracle.generate import Case
from oracle.gradient import SquaredError, gradient
from oracle.linear import factor, solve
from oracle.selftest_parts import LAWS, VT, circuit
from oracle.solve import DIGITS, Solution, from_start, operating_point
from oracle.spice import TOLERANCES, Spice, operating_point_by_spice, run, transient_by_spice
from oracle.storage import with_storage

TIGHTEST = "reltol=1e-13 vntol=1e-15 abstol=1e-18"
KINDS: tuple[Callable[[np.random.Generator], Case], ...] = (
    generate.passive,
    generate.one_way,
    generate.active,
)


def test_spice(table: Table, count: int = 100) -> None:
    """All checks of this module; `count` random circuits of each kind."""
    _laws(table)
    _diode_and_gmin(table)
    _weakly_fed(table)
    for kind in KINDS:
        _operating_points(table, kind, count)
    for kind in KINDS:
        _gradients(table, kind, 10)
    for kind in KINDS:
        _transients(table, kind, 8)


def _laws(table: Table) -> None:
    """Each kind of junction behind 1 S: ngspice against the operating point, which the formulas have confirmed."""
    worst, cases = 0.0, 0
    for part, _, volts in LAWS:
        for v in volts:
            description = circuit(3, {1: v}, part, Resistor(2, 1, 1.0))
            expected = float(operating_point(description, []).voltages[2])
            answer = operating_point_by_spice(description, [], [0.0, v, expected], (TIGHTEST, *TOLERANCES))
            error = abs(answer.voltages[2] - expected) if answer.voltages is not None else math.inf
            worst, cases = max(worst, float(error) / (1e-15 * (1 + abs(v)))), cases + 1
    table.line("laws of ngspice's elements (units of rounding)", worst, 2.0, cases)


def _diode_and_gmin(table: Table) -> None:
    """ngspice adds gmin once per diode, whatever its area or m: seen with gmin = 1e-6."""
    lines = ["V1 1 0 -1", "D1 1 0 dm area=5", "V2 2 0 -1", "D2 2 0 dm m=5", ".model dm d(is=1e-14 n=1)"]
    answer, _ = run([*lines, ".options gmin=1e-6 reltol=1e-11", ".op"])
    expected = 5e-14 * (1 - (3 * VT / math.e) ** 3) + 1e-6
    worst = max(abs(answer[f"i(v{k})"][0] / expected - 1) for k in (1, 2)) if answer else math.inf
    table.line("gmin is not multiplied by the area", float(worst), 1e-12, 2)


def _weakly_fed(table: Table) -> None:
    """Where doubles fail: ngspice adds 1 S and a weak conductance in one entry of its matrix."""
    for weak, limit in ((1e-6, 1e-9), (1e-9, 1e-6), (1e-12, 1e-3)):
        description = circuit(
            4, {1: 1.0}, Resistor(1, 2, weak), Resistor(2, 3, 1.0), Resistor(3, 0, weak / 3)
        )
        solution, answer = operating_point(description, []), operating_point_by_spice(description, [])
        found = answer.voltages if answer.voltages is not None else np.full(4, np.inf)
        error = float(abs(found - solution.voltages).max())
        table.line(f"1 S between nodes fed by {weak:g} S: ngspice's error, V", error, limit)


def _operating_points(table: Table, kind: Callable[[np.random.Generator], Case], count: int) -> None:
    """ngspice alone, and ngspice started at the operating point, in units of the largest voltage."""
    name, wrong, longest = kind.__name__, 0, 0.0
    alone, started = _Tally(), _Tally()
    for seed in range(count):
        case = kind(np.random.default_rng([3, seed]))
        description, x = case.description, case.samples[0]
        solution = operating_point(description, x)
        still = solution.converged and _flow_rests(description, x, solution)
        wrong += bool(mistakes(description)) or not still
        longest = max(longest, solution.long_error_volts / float(abs(solution.voltages).max()))
        several = kind is generate.active
        alone.add(description, x, solution, operating_point_by_spice(description, x), several)
        answer = operating_point_by_spice(description, x, solution.voltages)
        started.add(description, x, solution, answer, several=False)
    table.line(f"{name}: without an operating point, or not at rest", wrong, 0, count)
    table.line(f"{name}: long doubles alone, relative", longest, 1e-14, count)
    for label, tally in (("alone", alone), ("with nodeset", started)):
        table.line(
            f"{name}: ngspice {label}, worst", max(tally.errors), 1e-6, len(tally.errors), tally.note()
        )
        table.line(
            f"{name}: ngspice {label}, nine in ten", float(np.quantile(tally.errors, 0.9)), 1e-11, count
        )


@dataclass
class _Tally:
    """What many operating points by ngspice had to say."""

    errors: list[float] = field(default_factory=list)
    gave_up: int = 0
    loose: int = 0
    elsewhere: int = 0
    nowhere: int = 0

    def add(
        self, description: Description, x: Vector, solution: Solution, answer: Spice, several: bool
    ) -> None:
        """Compare an answer with the solution, or where there are `several` with the one that is near by."""
        if answer.voltages is None:
            self.gave_up += 1
            return
        self.loose += answer.tolerances != TOLERANCES[0]
        error = _distance(answer.voltages, solution)
        if several and not error < 1e-7:
            other = from_start(description, x, answer.voltages)
            error = _distance(answer.voltages, other) if other.converged else math.inf
            if not error < 1e-7:  # ngspice calls it converged, and it is no operating point
                self.nowhere += 1
                return
            self.elsewhere += 1
        self.errors.append(error)

    def note(self) -> str:
        """In words."""
        counts = {
            "gave up": self.gave_up,
            "needed looser tolerances": self.loose,
            "at another operating point": self.elsewhere,
            "at no operating point": self.nowhere,
        }
        words = [f"{count} {what}" for what, count in counts.items() if count]
        return "; ".join([f"median {np.median(self.errors):.0e}", *words])


def _distance(voltages: np.ndarray, solution: Solution) -> float:
    return float(abs(voltages - solution.voltages).max() / abs(solution.voltages).max())


def _flow_rests(description: Description, x: np.ndarray, solution: Solution) -> bool:
    """The equations written a second time, in `flow`, stand still there within rounding."""
    flow = Flow(with_storage(description), x)
    point = Circuit(description, x, FLOAT)
    driven = {part.b for part in point.amplifiers}
    volts = [solution.voltages[node] for node in point.free if node not in driven]
    state = np.array([*volts, *solution.branch_currents[flow.coils]], float)
    size = abs(flow.jacobian(0.0, state)) @ (abs(state) + 1e-9)
    return bool((abs(flow(0.0, state)) <= 1e-12 * size).all())


def _gradients(table: Table, kind: Callable[[np.random.Generator], Case], count: int) -> None:
    """Against one solution of the transposed equations, in decimals."""
    worst, own, cases = 0.0, 0.0, 0
    for seed in range(count):
        case = kind(np.random.default_rng([4, seed]))
        solution = operating_point(case.description, case.samples[0])
        found = gradient(case.description, case.samples[0], solution, SquaredError(case.targets[0]))
        largest = float(abs(found.values).max(initial=0.0))
        expected = _adjoint(case, solution, found.parts)
        for value, error, wanted in zip(found.values, found.errors, expected, strict=True):
            worst = max(worst, abs(value - wanted) / max(abs(wanted), 1e-20 * largest) if largest else 0.0)
            own = max(own, error / abs(value) if abs(value) > 1e-20 * largest else 0.0)
            cases += 1
    note = f"own estimate {own:.0e}"
    table.line(f"{kind.__name__}: gradients against the adjoint, relative", worst, 1e-12, cases, note)


def _adjoint(case: Case, solution: Solution, parts: list[int]) -> list[float]:
    """-y dF/d(value) with y J = dC/dz; F is linear in almost all values, so its difference is its derivative."""
    description, x = case.description, case.samples[0]
    with digits(DIGITS):
        now = Circuit(description, x, DECIMAL)
        _, J = now.evaluate(solution.unknowns)
        v = now.voltages(solution.unknowns)
        slope = DECIMAL.zeros(now.size)
        for weights, target in zip(description.weights, case.targets[0], strict=True):
            row = [DECIMAL.number(weight) for weight in weights]
            error = sum(w * volts for w, volts in zip(row, v, strict=True)) - DECIMAL.number(target)
            slope[: len(now.free)] += [error * row[node] for node in now.free]
        y = solve(factor(J.T), slope)
        values = []
        for k in parts:
            value = DECIMAL.number(description.parts[k].value)
            h = value / 10**15
            ends = [
                Circuit(description.with_value(k, value + side * h), x, DECIMAL).evaluate(solution.unknowns)[
                    0
                ]
                for side in (1, -1)
            ]
            values.append(float(-(y * (ends[0] - ends[1])).sum() / (2 * h)))
    return values


def _transients(table: Table, kind: Callable[[np.random.Generator], Case], count: int) -> None:
    """Voltages at the end of a transient, before the circuit has come to rest, in units of the largest.

    What differs is ngspice's trapezoidal rule: a tenth of its step leaves a hundredth of the difference.
    """
    worst, cases, gave_up = 0.0, 0, 0
    for seed in range(count):
        case = kind(np.random.default_rng([5, seed]))
        description, x = with_storage(case.description, parasitic=1e-12), case.samples[0]
        motion = settle(description, x, most_steps=3000)
        stop = motion.time * 0.2
        _, voltages = transient(description, x, stop)
        answer = transient_by_spice(description, x, stop, stop / 4000)
        if answer.voltages is None:
            gave_up += 1
            continue
        error = abs(answer.voltages[-1] - voltages[-1]).max() / abs(voltages).max()
        worst, cases = max(worst, float(error)), cases + 1
    note = f"{gave_up} where ngspice gave up"
    table.line(f"{kind.__name__}: transients end as ngspice's do, relative", worst, 3e-4, cases, note)
