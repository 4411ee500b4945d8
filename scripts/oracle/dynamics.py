"""Transients from rest: where a circuit comes to stand, or that it keeps swinging.

At t = 0 nothing is charged and all sources are on. Storage is that of `storage.with_storage`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import Radau

from oracle.description import Description, Vector
from oracle.flow import Flow
from oracle.modes import eigenvalues
from oracle.solve import Solution, from_start, operating_point
from oracle.storage import with_storage

RELATIVE, ABSOLUTE = 1e-7, 1e-9  # tolerances of the integration; the second in units of the largest drive
NEAR = 1e-6  # of the largest voltage: how near to an operating point Newton takes over
# Swings that must look alike, and how much alike: few or irregular ones where no stable operating point is known, many
# where one is, since what swings there may be a ringing that dies away slowly.
QUICK, IRREGULAR, STRICT = (5, 3e-3), (50, 0.1), (50, 1e-3)


@dataclass(frozen=True)
class Motion:
    """What became of a circuit.

    Attributes:
        verdict: "rests" on a stable operating point; "balances" on an unstable one and was never pushed off;
            "oscillates"; or "undecided".
        solution: The operating point, where it rests or balances.
        voltages: Of all nodes at the end, V; the operating point's where it rests.
        peak_to_peak: Of all nodes over the later half of the time, V.
        time: s until the verdict.
        steps: Integration steps until the verdict.
    """

    verdict: str
    solution: Solution | None
    voltages: np.ndarray
    peak_to_peak: np.ndarray
    time: float
    steps: int


def settle(
    description: Description,
    x: Vector,
    longest: float = np.inf,
    most_steps: int = 20000,
    **storage: float,
) -> Motion:
    """Integrate from rest until a verdict, or for `longest` seconds or `most_steps` steps.

    Args:
        storage: For `with_storage`.
    """
    complete = with_storage(description, **storage)
    flow = Flow(complete, x)
    solver, trail = _solver(flow, longest), _Trail(flow)
    steps, next_look, point, growth = 0, 200, None, 0.0
    while solver.status == "running" and steps < most_steps:
        _hold_back(solver, flow, growth)
        solver.step()
        steps += 1
        trail.append(solver.t, solver.y)
        if steps % 5 == 0:
            point = _operating_point(flow, complete, x, trail)
            modes = eigenvalues(complete, x, point) if point is not None else None
            if modes is not None and modes.stable:
                return trail.motion("rests", point)
            growth = 0.0 if modes is None else float(modes.values.real.max())
        if steps >= next_look:
            next_look += 100 + steps // 20
            alike = trail.swings(*QUICK) or trail.swings(*IRREGULAR)
            if point is None and alike and _keeps_swinging(complete, x, trail):
                return trail.motion("oscillates", None)
    point = _operating_point(flow, complete, x, trail)
    if point is not None:
        return trail.motion("balances", point)
    return trail.motion("undecided", None)


def transient(
    description: Description, x: Vector, stop: float, **storage: float
) -> tuple[np.ndarray, np.ndarray]:
    """Times, s, and voltages of all nodes at each of them, V, from rest to `stop`, at the integrator's own steps."""
    flow = Flow(with_storage(description, **storage), x)
    solver, trail = _solver(flow, stop), _Trail(flow)
    while solver.status == "running":
        _hold_back(solver, flow)
        solver.step()
        trail.append(solver.t, solver.y)
    if solver.status != "finished":
        raise ArithmeticError(f"the integration stops at {solver.t} s")
    return np.array(trail.times), trail.between(0.0, stop)


def _solver(flow: Flow, longest: float) -> Radau:
    start, slope = flow.start(), flow(0.0, flow.start())
    volts = max(1e-3, float(abs(flow.given).max()))
    siemens = np.abs(flow.incidence).T @ np.abs(flow.siemens) + 1e-12
    siemens[[*flow.circuit.held]] = np.inf
    # A coil's current matters most to the weaker of the nodes at its ends.
    weak = np.array([min(siemens[[part.a, part.b]]) for part in flow.coil_parts])
    amps = volts * np.where(np.isfinite(weak), weak, 1e-3)
    atol = ABSOLUTE * np.concatenate([np.full(flow.n, volts), amps])
    # The first step moves no state by more than 1e-6 of its scale: junctions that stand at many volts at switch-on
    # discharge their nodes within some 1e-20 s, and Radau's own guess would leap over that.
    with np.errstate(divide="ignore"):
        first = float(np.min(1e3 * atol / abs(slope), initial=1e-3))
    return Radau(flow, 0.0, start, longest, first_step=first, rtol=RELATIVE, atol=atol, jac=flow.jacobian)


def _hold_back(solver: Radau, flow: Flow, growth: float = 0.0) -> None:
    """No step longer than a growing mode takes to grow: long implicit steps would damp it instead.

    Args:
        growth: What is known better than doubles can tell, 1/s: the fastest growth around a point near by.
    """
    values = np.linalg.eigvals(flow.jacobian(solver.t, solver.y))
    growing = values.real[values.real > 1e-12 * abs(values).max(initial=0.0)]
    fastest = max(growth, float(growing.max(initial=0.0)))
    solver.max_step = 0.5 / fastest if fastest > 0 else np.inf


def _operating_point(flow: Flow, description: Description, x: Vector, trail: _Trail) -> Solution | None:
    """The operating point right here, if there is one: no voltage and no coil's current is far from it."""
    state = trail.states[-1]
    v = flow.voltages(state)
    try:
        step = np.linalg.solve(flow.jacobian(0.0, state), flow(0.0, state))
    except np.linalg.LinAlgError:
        return None
    near = NEAR * max(1e-3, float(abs(v).max()))
    moved = flow.expand @ step[: flow.n]
    if not abs(moved).max(initial=0.0) < near:
        return None
    point = from_start(description, x, v - moved)
    if not point.converged or abs(point.voltages - v).max() > 3 * near:
        return None
    still = abs(point.branch_currents[flow.coils] - state[flow.n :]) <= 3 * NEAR * trail.largest_currents
    return point if still.all() else None


def _keeps_swinging(description: Description, x: Vector, trail: _Trail) -> bool:
    """Whether what looks like an oscillation is none of the ringings that a stable operating point has."""
    points = [from_start(description, x, trail.middle()), operating_point(description, x)]
    modes = [eigenvalues(description, x, point) for point in points if point.converged]
    stable = [mode.values for mode in modes if mode.stable is not False]
    if not stable:
        return True
    values = np.concatenate(stable)
    ringing = abs(values.real[abs(values.imag) > abs(values.real)])
    # By now, each of them would have lost a quarter between one window and the next.
    return trail.swings(*STRICT) and bool((ringing * trail.times[-1] > 1).all())


class _Trail:
    """Where the states have been."""

    def __init__(self, flow: Flow):
        self.flow = flow
        self.times, self.states = [0.0], [flow.start()]
        self.largest_currents = np.full(len(flow.coils), 1e-12)  # of the coils, A

    def append(self, time: float, state: np.ndarray) -> None:
        """One more step."""
        self.times.append(time)
        self.states.append(state.copy())
        self.largest_currents = np.maximum(self.largest_currents, abs(state[self.flow.n :]))

    def between(self, low: float, high: float) -> np.ndarray:
        """Voltages of all nodes at the steps between two times."""
        first, last = np.searchsorted(self.times, [low, high])
        states = np.array(self.states[first : last + 1])
        return states[:, : self.flow.n] @ self.flow.expand.T + self.flow.given

    def middle(self) -> np.ndarray:
        """Voltages of all nodes, in the middle of their later swings."""
        now = self.between(self.times[-1] / 2, self.times[-1])
        return (now.max(axis=0) + now.min(axis=0)) / 2

    def swings(self, periods: int, alike: float) -> bool:
        """Whether the later half of the time shows the same swings as the quarter before it, and enough of them."""
        end = self.times[-1]
        now, before = self.between(end / 2, end), self.between(end / 4, end / 2)
        if len(now) < 50 or len(before) < 50:
            return False
        reach = np.ptp(now, axis=0)
        node = int(np.argmax(reach))
        if reach[node] < 1e-4 * max(1e-3, abs(now).max()):
            return False
        ratio = np.ptp(before[:, node]) / reach[node]
        seen = min(_periods(now[:, node]), 2 * _periods(before[:, node]))
        return bool(seen >= periods and abs(ratio - 1) < alike)

    def motion(self, verdict: str, solution: Solution | None) -> Motion:
        """The verdict with what goes with it."""
        end = self.times[-1]
        recent = self.between(end / 2, end)
        voltages = recent[-1] if solution is None else solution.voltages
        return Motion(verdict, solution, voltages, np.ptp(recent, axis=0), end, len(self.times) - 1)


def _periods(wave: np.ndarray) -> int:
    """How often a wave rises through the middle of its range, after having been well below it."""
    low, high = wave.min(), wave.max()
    levels = np.where(wave < low + 0.4 * (high - low), -1, np.where(wave > low + 0.6 * (high - low), 1, 0))
    levels = levels[levels != 0]
    return int(np.sum(np.diff(levels) > 0))
