"""Self test of operating points and gradients: circuits that can be solved by hand, one kind of part at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from oracle.check import Table
from oracle.description import (
    Amplifier,
    Branch,
    Capacitor,
    Clamp,
    Coupling,
    Cubic,
    Description,
    Diode,
    Esaki,
    Gyrator,
    Input,
    Part,
    Poly,
    Resistor,
    Shared,
    Source,
    Transconductor,
    mistakes,
)
from oracle.gradient import CrossEntropy, SquaredError, gradient
from oracle.solve import from_start, operating_point

VT = 1.38064852e-23 * 300.15 / 1.6021766208e-19


def circuit(n: int, rails: dict[int, float], *parts: Part, **fields: Any) -> Description:
    """A circuit whose outputs are its nodes."""
    empty: dict[str, Any] = {"inputs": (), "current_inputs": (), "weights": np.eye(n)}
    return Description(n_nodes=n, rails=rails, parts=parts, **(empty | fields))


def test_parts(table: Table) -> None:
    """All checks of this module."""
    _strong_wires(table)
    _junctions(table)
    _linear_parts(table)
    _descriptions(table)
    _gradients(table)


def _error(description: Description, expected: dict[int, Any], x: Iterable[float] = ()) -> float:
    """Largest error of some node voltages, V; infinite where Newton failed."""
    solution = operating_point(description, list(x))
    if not solution.converged:
        return math.inf
    return max(float(abs(solution.voltages[node] - np.longdouble(volts))) for node, volts in expected.items())


def _exact(solution: Any, description: Description, node: int) -> Fraction:
    free = [k for k in range(description.n_nodes) if k not in description.held_nodes()]
    return Fraction(solution.unknowns[free.index(node)])


def _strong_wires(table: Table) -> None:
    """A wire of 1 S between nodes that 1e-9 S or 1e-18 S feed: by rational numbers, to 30 digits."""
    worst, worst_long, cases = 0.0, 0.0, 0
    for weak in (1e-9, 1e-12, 1e-15, 1e-18):
        for ratio in (1.0, 3.0, 1e-3):
            parts = (Resistor(1, 2, weak), Resistor(2, 3, 1.0), Resistor(3, 0, weak * ratio))
            description = circuit(4, {1: 50.0}, *parts)
            solution = operating_point(description, [])
            a, b = Fraction(weak), Fraction(weak * ratio)
            v2 = Fraction(50) * a * (1 + b) / (a * (1 + b) + b)
            worst = max(worst, abs(float(_exact(solution, description, 2) / v2 - 1)))
            worst_long = max(worst_long, solution.long_error_volts / float(v2))
            cases += 1
    table.line("1 S wire between nodes fed by 1e-9 to 1e-18 S, decimals", worst, 1e-28, cases)
    table.line("the same, long doubles alone", worst_long, 1e-12, cases)


def _diode_current(v: float, area: float, i_s: float, n: float) -> float:
    u = n * VT
    if v >= -3 * u:
        return area * i_s * math.expm1(v / u) + 1e-18 * v
    return -area * i_s * (1 + (3 * u / (math.e * v)) ** 3) + 1e-18 * v


def _esaki_current(v: float, p: Esaki) -> float:
    x = v / p.vp
    tunnel = p.ip * x * (math.exp((1 - x**p.m) / p.m) if v >= 0 else math.exp(1 / p.m - x))
    excess = p.ix * (math.exp(p.a2 * (v - p.vv)) - math.exp(-p.a2 * p.vv))
    return p.area * (tunnel + excess + p.i_s * math.expm1(v / p.vs))


def _poly_current(v: float, p: Poly) -> float:
    x = min(max(v, p.low), p.high)
    slope = sum(k * c * x ** (k - 1) for k, c in enumerate(p.coefficients, start=1))
    return p.area * (sum(c * x**k for k, c in enumerate(p.coefficients, start=1)) + slope * (v - x))


def _ramp(v: float) -> float:
    return max(v, 0.0)


ESAKI = Esaki(2, 0, 1.5, ip=1e-3, vp=0.065, ix=1e-5, a2=8.0, vv=0.4, i_s=1e-12, vs=0.03, m=1.5)
POLY = Poly(2, 0, 2.0, (1e-3, -2e-4, 5e-5), -2.0, 3.0)
LAWS: list[tuple[Any, Callable[[float], float], list[float]]] = [
    (
        Diode(2, 0, 3.0, 1e-14, 1.3),
        lambda v: _diode_current(v, 3.0, 1e-14, 1.3),
        [0.7, 0.3, -0.05, -0.0999, -0.11, -5.0, -50.0],
    ),
    (
        Diode(2, 0, 300.0, 1e-14, 1.3, 1e-13, gmin_times_area=True),
        lambda v: _diode_current(v, 300.0, 1e-14, 1.3) + (3e-11 - 1e-18) * v,
        [0.5, -5.0],
    ),
    (
        Clamp(2, 0, 2.0, 1e-3, 0.2),
        lambda v: 2 * 1e-3 * (_ramp(v) ** 2 - _ramp(v - 0.2) ** 2) / 0.4,
        [-3.0, 0.1, 0.2, 7.0],
    ),
    (Cubic(2, 0, 2.0, 1e-3, 0.5), lambda v: 2e-3 * (v**3 / 0.75 - v), [-2.0, 0.1, 0.6, 3.0]),
    (ESAKI, lambda v: _esaki_current(v, ESAKI), [-0.3, -0.01, 0.03, 0.1, 0.3, 0.6]),
    (replace(ESAKI, m=1.0), lambda v: _esaki_current(v, replace(ESAKI, m=1.0)), [0.03, 0.3]),
    (POLY, lambda v: _poly_current(v, POLY), [-5.0, -1.0, 1.5, 9.0]),
]


def _junctions(table: Table) -> None:
    """Choose the voltage, compute the rail that leads to it through a resistor, and find the voltage again."""
    for part, current, volts in LAWS:
        worst = 0.0
        for v in volts:
            for g in (1e-3, 1e-5):
                description = circuit(3, {1: v + current(v) / g}, Resistor(1, 2, g), part)
                solution = from_start(description, [], [0.0, description.rails[1], v * 1.001])
                slope = abs(current(v + 1e-6) - current(v - 1e-6)) / 2e-6
                # Rounding the rail to a double moves v by this much.
                allowed = 4e-16 * (abs(v) + abs(description.rails[1]) * g / (g + slope)) + 1e-16
                error = abs(float(solution.voltages[2]) - v) if solution.converged else math.inf
                worst = max(worst, error / allowed)
        name = f"{type(part).__name__} behind a resistor (units of rounding)"
        table.line(name, worst, 20.0, 2 * len(volts))


def _linear_parts(table: Table) -> None:
    """Formulas worked out by hand."""
    g1, g2, g3, gm = 1e-3, 4e-4, 7e-5, 3e-4
    U = 2.5
    cases: list[tuple[str, Description, dict[int, float]]] = []

    def case(name: str, description: Description, **volts: float) -> None:
        cases.append((name, description, {int(key[1:]): value for key, value in volts.items()}))

    feed, load = Resistor(1, 2, g1), Resistor(2, 0, g2)
    case(
        "current into a node", circuit(3, {1: U}, feed, load, Source(2, 1e-3)), v2=(g1 * U + 1e-3) / (g1 + g2)
    )
    two = circuit(4, {1: U}, feed, load, Resistor(3, 0, g3), Transconductor(gm, 3, 0, 2, 1))
    v2 = g1 * U / (g1 + g2)
    case("transconductor", two, v2=v2, v3=-gm * (v2 - U) / g3)
    # g1 (v2 - U) + gm v3 = 0 and g3 v3 = gm (v2 - U0)
    case(
        "gyrator against a rail",
        circuit(5, {1: U, 4: 0.3}, feed, Resistor(3, 0, g3), Gyrator(gm, 2, 3, 4)),
        v2=(g1 * U + gm * gm * 0.3 / g3) / (g1 + gm * gm / g3),
        v3=gm / g3 * ((g1 * U + gm * gm * 0.3 / g3) / (g1 + gm * gm / g3) - 0.3),
    )
    for gain, kappa in ((5.0, 0.0), (-3.0, 0.0), (4.0, None), (-0.2, None), (2.0, 0.7)):
        back = 1 / gain if kappa is None else kappa
        # delivered at 3: g3 gain v2; leaves 2: back times that
        v2 = g1 * U / (g1 + g2 + back * g3 * gain)
        description = circuit(4, {1: U}, feed, load, Amplifier(2, 3, gain, kappa), Resistor(3, 0, g3))
        case(f"amplifier {gain} {kappa}", description, v2=v2, v3=gain * v2)
    chain = (
        Amplifier(1, 2, -2.0, None),
        Amplifier(2, 3, 3.0, 0.0),
        Amplifier(3, 4, 0.5, None),
        Resistor(4, 0, 1.0),
    )
    case(
        "amplifiers in a row behind a held node", circuit(5, {1: U}, *chain), v2=-2 * U, v3=-6 * U, v4=-3 * U
    )
    for w in (2e-4, -2e-4):
        loaded = (feed, load, Resistor(3, 0, g3), Coupling(w, 2, 3, loaded=True))
        # g_a v2 - w v3 = g1 U and g_b v3 - w v2 = 0
        a, b = g1 + g2 + abs(w), g3 + abs(w)
        v2 = g1 * U / (a - w * w / b)
        case(f"loaded coupling {w}", circuit(4, {1: U}, *loaded), v2=v2, v3=w * v2 / b)
        bare = (feed, load, Resistor(3, 0, g3), Coupling(w / 10, 2, 3))
        v2 = g1 * U / (g1 + g2 - (w / 10) ** 2 / g3)
        case(f"unloaded coupling {w / 10}", circuit(4, {1: U}, *bare), v2=v2, v3=w / 10 * v2 / g3)
    ideal = circuit(4, {1: U}, feed, Branch(0.0, 2, 3, 1e-3), Resistor(3, 0, g2))
    case("ideal coil", ideal, v2=g1 * U / (g1 + g2), v3=g1 * U / (g1 + g2))
    _, j = _shared_currents(U, 100.0, 50.0, 20.0)
    pair = (Branch(100.0, 1, 0, 1e-3), Branch(50.0, 0, 2, 0.0), Resistor(2, 0, 1e3), Shared(20.0, 0, 1))
    case("branches with a shared resistance", circuit(3, {1: U}, *pair), v2=j / 1e3)
    drive = {"inputs": (Input(1, 0, 2.0, 0.1),), "current_inputs": (Input(2, 1, 1e-3, 2e-4),)}
    v2 = (g1 * (2 * 0.7 + 0.1) + 1e-3 * (-0.4) + 2e-4) / (g1 + g2)
    worst = _error(circuit(3, {}, feed, load, Capacitor(2, 0, 1e-9), **drive), {2: v2}, [0.7, -0.4])
    for name, description, volts in cases:
        error = _error(description, volts)
        worst = max(worst, error)
        if error > 1e-13:
            table.line(name, error, 1e-13)
    table.line("linear parts by hand, V", worst, 1e-13, len(cases) + 1)


def _shared_currents(U: float, R: float, other: float, r: float) -> tuple[float, float]:
    """Currents of U -> (R) -> ground and of ground -> (other) -> 1 mohm -> ground, that share r."""
    i, j = np.linalg.solve([[R + r, -r], [-r, other + r + 1e-3]], [U, 0.0])
    return float(i), float(j)


def _descriptions(table: Table) -> None:
    good = circuit(3, {1: 1.0}, Resistor(1, 2, 1.0))
    bad = [
        circuit(4, {1: 1.0}, Resistor(1, 2, 1.0), Capacitor(2, 3, 1e-9)),
        circuit(3, {1: 1.0}, Amplifier(0, 1, 2.0), Resistor(1, 2, 1.0)),
        circuit(3, {1: 1.0}, Branch(0.0, 1, 2, 0.0)),
        circuit(3, {1: 1.0}, Resistor(1, 5, 1.0), Resistor(1, 2, 1.0)),
        circuit(3, {1: 1.0}, Resistor(1, 2, 1.0), Shared(1.0, 0, 1)),
    ]
    table.true("mistakes in descriptions are found", not mistakes(good) and all(mistakes(d) for d in bad))


def _gradients(table: Table) -> None:
    """Divider, diode and amplifier: derivatives by hand."""
    U, g1, g2, y = 2.0, 1e-3, 4e-4, 0.3
    parts = (
        Resistor(1, 2, g1, trainable=True),
        Resistor(2, 0, g2, trainable=True),
        Source(2, 0.0, trainable=True),
    )
    description = circuit(3, {1: U}, *parts, weights=np.array([[0.0, 0.0, 1.0], [0.0, 1.0, -1.0]]))
    total = g1 + g2
    v = g1 * U / total
    dv = np.array([g2 * U / total**2, -g1 * U / total**2, 1 / total])
    solution = operating_point(description, [])
    found = gradient(description, [], solution, SquaredError([y, 0.1]))
    expected = ((v - y) - (U - v - 0.1)) * dv
    worst = float(abs(found.values / expected - 1).max())
    K, target = 3.0, np.array([0.2, 0.8])
    found = gradient(description, [], solution, CrossEntropy(list(target), K))
    p = np.exp(K * np.array([v, U - v]))
    p /= p.sum()
    expected = ((p - target) @ [1, -1]) * dv
    worst = max(worst, float(abs(found.values / expected - 1).max()))
    worst = max(worst, abs(found.cost + float(target @ np.log(p)) / K))
    table.line(
        "gradient of a divider, both costs", worst, 1e-13, 6, f"own error estimate {found.errors.max():.0e}"
    )
    area, i_s = 3.0, 1e-14
    diode = Diode(2, 0, area, i_s, 1.0, trainable=True)
    description = circuit(
        3, {1: U}, Resistor(1, 2, g1, trainable=True), diode, weights=np.array([[0.0, 0.0, 1.0]])
    )
    solution = operating_point(description, [])
    v = float(solution.voltages[2])
    slope = g1 + area * i_s * math.exp(v / VT) / VT + 1e-18
    found = gradient(description, [], solution, SquaredError([y]))
    expected = (v - y) * np.array([(U - v) / slope, -i_s * math.expm1(v / VT) / slope])
    table.line("gradient of a diode", float(abs(found.values / expected - 1).max()), 1e-12, 2)
    gain, g3 = -4.0, 7e-5
    amplifier = Amplifier(2, 3, gain, None, trainable=True)
    others = (Resistor(1, 2, g1), Resistor(2, 0, g2), Resistor(3, 0, g3))
    description = circuit(4, {1: U}, amplifier, *others, weights=np.array([[0.0, 0, 0, 1]]))
    found = gradient(description, [], operating_point(description, []), SquaredError([y]))
    v2 = g1 * U / (g1 + g2 + g3)
    table.line(
        "gradient by a gain with kappa = 1/gain", abs(found.values[0] / ((gain * v2 - y) * v2) - 1), 1e-13
    )
