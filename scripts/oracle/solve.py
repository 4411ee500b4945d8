"""Operating points: damped Newton in long doubles, then Newton in decimals until nothing moves any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.arithmetic import DECIMAL, LONG, digits
from oracle.description import Description, Vector
from oracle.equations import Circuit
from oracle.laws import begun, limited
from oracle.linear import Factors, SingularError, factor, solve

DIGITS = 50  # of the decimals
ENOUGH = 200  # Newton steps of one attempt


@dataclass(frozen=True)
class Solution:
    """An operating point.

    Attributes:
        voltages: Of all nodes, ground included, V (long doubles).
        amplifier_currents: What each amplifier's output delivers at b, A, in the order of the parts.
        branch_currents: From a to b of each branch, A, in the order of the parts.
        error_volts: The last Newton step in decimals, V: what was left before it is the square of that.
        converged: Whether that step was as small as the decimals allow.
        unknowns: All unknowns in decimals, in the order of `equations`.
        long_error_volts: How far Newton in long doubles alone had stayed from the result, V.
        method: What led there: "newton", "sources" or "time".
    """

    voltages: np.ndarray
    amplifier_currents: np.ndarray
    branch_currents: np.ndarray
    error_volts: float
    converged: bool
    unknowns: np.ndarray
    long_error_volts: float
    method: str

    def outputs(self, description: Description) -> np.ndarray:
        """The outputs, V."""
        return np.asarray(description.weights, np.longdouble) @ self.voltages


def operating_point(description: Description, x: Vector) -> Solution:
    """An operating point found from rest: the one and only where there is one, some one where there are several."""
    circuit = Circuit(description, x, LONG)
    z, found = newton(circuit, LONG.zeros(circuit.size))
    method = "newton"
    if not found:
        z, found = _source_stepping(description, x)
        method = "sources"
    if not found:
        z, found = _fictitious_time(circuit)
        method = "time"
    return _polished(description, x, circuit, z, found, method)


def from_start(description: Description, x: Vector, start: Vector) -> Solution:
    """The operating point to which Newton leads from given voltages of all nodes, or from given unknowns."""
    circuit = Circuit(description, x, LONG)
    z, found = newton(circuit, unknowns(circuit, start))
    return _polished(description, x, circuit, z, found, "newton")


def unknowns(circuit: Circuit, start: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Unknowns for voltages of all nodes (currents zero: one Newton step finds them), or unknowns as they are."""
    number = circuit.arithmetic.number
    z = circuit.arithmetic.zeros(circuit.size)
    if len(start) == circuit.size and len(start) != circuit.description.n_nodes:
        z[:] = [number(value) for value in start]
    elif len(start) == circuit.description.n_nodes:
        z[: len(circuit.free)] = [number(start[node]) for node in circuit.free]
    else:
        raise ValueError("neither one number per node nor one per unknown")
    return z


def newton(
    circuit: Circuit, z: np.ndarray, steps: int = ENOUGH, pull: float = 0.0
) -> tuple[np.ndarray, bool]:
    """Newton with junction limiting in long doubles, and whether it arrived.

    Each junction stands on its own voltage and is seen as its tangent there; `pull` siemens tie every free node to
    its voltage in z. Arrived: no junction was held back, and the steps have become small and no longer shrink.
    """
    tangents = [begun(part, v) for part, v in zip(circuit.junctions, circuit.across(z), strict=True)]
    start, last = z, np.inf
    tied = np.arange(len(circuit.free))
    for _ in range(steps):
        with np.errstate(all="ignore"):
            F, J = circuit.evaluate(z, tangents)
            F[tied] += pull * (z - start)[tied]
            J[tied, tied] += pull
            if not (np.isfinite(F).all() and np.isfinite(J).all()):
                return z, False
            try:
                step = -solve(factor(J), F)
            except SingularError:
                return z, False
        z = z + step
        wanted = circuit.across(z)
        tangents, before = [], tangents
        for part, new, old in zip(circuit.junctions, wanted, before, strict=True):
            tangents.append(limited(part, new, old))
        size = float(max(abs(step[tied]), default=0.0))
        if tangents == wanted and size < 1e-9 and size >= last / 2:
            return z, True
        last = size if tangents == wanted else np.inf
        if size == 0 and tangents == wanted:
            return z, True
    return z, bool(last < 1e-9)


def _source_stepping(description: Description, x: Vector) -> tuple[np.ndarray, bool]:
    """All sources raised from zero in steps that shrink where Newton fails."""
    share, step = 0.0, 0.1
    z = LONG.zeros(Circuit(description, x, LONG).size)
    while share < 1:
        goal = min(1.0, share + step)
        circuit = Circuit(description, x, LONG, goal)
        reached, found = newton(circuit, z, steps=60)
        if found:
            z, share, step = reached, goal, 2 * step
        else:
            step /= 4
        if step < 1e-5:
            return z, False
    return z, True


def _fictitious_time(circuit: Circuit) -> tuple[np.ndarray, bool]:
    """Implicit steps of a circuit with equal capacitors at all nodes, ever longer: a pull that fades away."""
    z, pull = LONG.zeros(circuit.size), 1.0
    for _ in range(ENOUGH):
        reached, found = newton(circuit, z, 60, pull)
        if found:
            z, pull = reached, pull / 3
        else:
            pull *= 4
        if pull < 1e-13:
            return newton(circuit, z)
        if pull > 1e9:
            break
    return z, False


def _polished(
    description: Description, x: Vector, circuit: Circuit, z: np.ndarray, found: bool, method: str
) -> Solution:
    exact, step = decimal_newton(description, x, z) if found else (z, np.inf)
    n, m = len(circuit.free), len(circuit.amplifiers)
    rounded = np.array([LONG.number(value) for value in exact], np.longdouble)
    return Solution(
        voltages=np.array(circuit.voltages(rounded), np.longdouble),
        amplifier_currents=rounded[n : n + m],
        branch_currents=rounded[n + m :],
        error_volts=float(step),
        converged=bool(step < 1e-20),
        unknowns=exact,
        long_error_volts=float(max(abs(rounded - z)[:n], default=0.0)),
        method=method,
    )


def decimal_newton(
    description: Description, x: Vector, start: np.ndarray, factors: Factors | None = None
) -> tuple[np.ndarray, float]:
    """Newton in decimals from near by, and its last step in volts; with `factors`, the Jacobian is not renewed.

    It ends where a step is at the rounding level, or where the steps have stopped shrinking.
    """
    with digits(DIGITS):
        circuit = Circuit(description, x, DECIMAL)
        z = np.array([DECIMAL.number(value) for value in start], object)
        n, last = len(circuit.free), np.inf
        for _ in range(60):
            F, J = circuit.evaluate(z)
            try:
                step = solve(factors or factor(J), F)
            except (SingularError, ArithmeticError):
                return z, np.inf
            size = float(max(abs(step[:n]), default=0))
            if size > 1 or not np.isfinite(size):
                return z, np.inf
            z = z - step
            if size < 1e-40 or (size < 1e-22 and size > last / 4):
                return z, size
            last = size
        return z, last
