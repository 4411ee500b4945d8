"""Self test of eigenvalues and transients: linear circuits by hand, van der Pol's oscillator, hard switch-ons."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np

from oracle import generate
from oracle.arithmetic import digits
from oracle.check import Table
from oracle.description import Amplifier, Branch, Capacitor, Cubic, Diode, Resistor
from oracle.dynamics import settle, transient
from oracle.modes import eigenvalues
from oracle.qr import matrix_eigenvalues
from oracle.selftest_parts import circuit
from oracle.solve import from_start, operating_point


def test_time(table: Table) -> None:
    """All checks of this module."""
    _matrices(table)
    _two_time_constants(table)
    _resonance(table)
    _linear_transients(table)
    _verdicts(table)
    _random_rest(table)


def _matrices(table: Table) -> None:
    """Eigenvalues that are known because the matrix was made from them, and a graded matrix."""
    rng = np.random.default_rng(1)
    worst = 0.0
    for n in (2, 7, 20, 40):
        known = np.sort(rng.uniform(-1, 1, n))
        rotation = np.linalg.qr(rng.normal(size=(n, n)))[0].astype(np.longdouble)
        for _ in range(3):  # a rotation in doubles becomes one in long doubles
            rotation = rotation @ (3 * np.eye(n) - rotation.T @ rotation) / 2
        values, errors = matrix_eigenvalues(rotation @ np.diag(known.astype(np.longdouble)) @ rotation.T)
        worst = max(worst, float(abs(np.sort(values.real) - known).max()), float(errors.max()))
    table.line("eigenvalues of matrices made from them", worst, 1e-16, 4)


def _two_time_constants(table: Table) -> None:
    """Two RC nodes: a quadratic equation, solved in decimals; time constants up to 18 decades apart."""
    worst, honest = 0.0, True
    for slow in (1e-9, 1e-3, 1e3):
        for g in (1e-9, 1e-4, 1.0):
            C1, C2, g1, g2, x = 1e-12, slow * 1e-6, 1e-3, 2e-7, g
            parts = (Resistor(1, 2, g1), Resistor(2, 3, x), Resistor(3, 0, g2))
            description = circuit(4, {1: 5.0}, *parts, Capacitor(2, 0, C1), Capacitor(3, 0, C2))
            modes = eigenvalues(description, [], operating_point(description, []))
            with digits(60):
                c1, c2, a, b, d = (Decimal(value) for value in (C1, C2, g1 + 0.0, g2, x))
                p, q = ((a + d) / c1 + (b + d) / c2), ((a + d) * (b + d) - d * d) / (c1 * c2)
                fast = -(p + (p * p - 4 * q).sqrt()) / 2
                expected = [float(q / fast), float(fast)]
            error = abs(modes.values.real.astype(float) / expected - 1)
            worst = max(worst, float(error.max()))
            honest &= bool((error <= modes.errors.astype(float) / np.abs(expected) + 4e-16).all())
    table.line("two time constants, relative", worst, 1e-14, 9)
    table.true("their error estimates hold", honest)


def _resonance(table: Table) -> None:
    """A coil and a capacitor with a part in 1e9 of damping or of the opposite: the sign must come out."""
    C, L = 1e-9, 1e-3
    omega = 1 / math.sqrt(L * C)
    for share in (1e-3, 1e-9, -1e-9):
        g = 2 * share * omega * C
        parts = (Branch(0.0, 1, 2, L), Capacitor(2, 0, C), Resistor(2, 0, g), Resistor(2, 3, 1e-15))
        description = circuit(4, {1: 1.0}, *parts, Resistor(3, 0, 1e-3), Capacitor(3, 0, 1e-15))
        modes = eigenvalues(description, [], operating_point(description, []))
        pair = modes.values[abs(modes.values.imag) > omega / 2]
        damping = -(g + 1e-15) / (2 * C)
        error = float(abs(pair.real / damping - 1).max()) if len(pair) == 2 else math.inf
        error = error if modes.stable is (share > 0) else math.inf
        table.line(f"damping of {share:g} beside a mode at 1e12/s", error, 1e-6)


def _linear_transients(table: Table) -> None:
    """RC and RLC by formula; charge that the sources' step moves at once."""
    U, g, C = 5.0, 1e-3, 1e-9
    description = circuit(3, {1: U}, Resistor(1, 2, g), Capacitor(2, 0, C))
    times, v = transient(description, [], 5e-6)
    worst = float(abs(v[:, 2] - U * (1 - np.exp(-times * g / C))).max())
    L, R = 1e-3, 200.0
    description = circuit(3, {1: U}, Branch(R, 1, 2, L), Capacitor(2, 0, C))
    times, v = transient(description, [], 5e-5)
    a, w = R / (2 * L), math.sqrt(1 / (L * C) - (R / (2 * L)) ** 2)
    expected = U * (1 - np.exp(-a * times) * (np.cos(w * times) + a / w * np.sin(w * times)))
    worst = max(worst, float(abs(v[:, 2] - expected).max()))
    divided = circuit(3, {1: U}, Capacitor(1, 2, 3 * C), Capacitor(2, 0, C), Resistor(2, 0, g))
    times, v = transient(divided, [], 1e-5)
    worst = max(worst, float(abs(v[:, 2] - 0.75 * U * np.exp(-times * g / (4 * C))).max()))
    # An inverting buffer drives the second capacitor; without inductance a branch is a resistor.
    parts = (Branch(1e3, 1, 2, 0.0), Capacitor(2, 0, C), Amplifier(2, 3, -2.0, 0.0), Branch(1e3, 3, 4, 0.0))
    times, v = transient(circuit(5, {1: U}, *parts, Capacitor(4, 0, C)), [], 1e-5)
    s = times / 1e-6
    worst = max(worst, float(abs(v[:, 4] + 2 * U * (1 - (1 + s) * np.exp(-s))).max()))
    table.line("transients by formula, V of 5", worst, 1e-5, 4)


def _verdicts(table: Table) -> None:
    v0, g1, C = 1.0, 1e-3, 1e-9
    for mu, amplitude in ((0.1, 2.0001), (1.0, 2.0086), (5.0, 2.0215)):  # of v'' - mu (1 - v^2) v' + v = 0
        L = mu * mu * C / g1**2
        push = Branch(1e6, 1, 2, 0.0)  # it takes a thousandth of the negative conductance
        parts = (Cubic(1, 0, 1.0, g1, v0), Capacitor(1, 0, C), Branch(0.0, 1, 0, L), push)
        motion = settle(circuit(3, {2: 1e-2}, *parts), [])
        expected = 2 * amplitude * v0 * math.sqrt(0.999)
        error = abs(motion.peak_to_peak[1] / expected - 1) if motion.verdict == "oscillates" else math.inf
        table.line(f"van der Pol's swing at mu = {mu:g}, relative", error, 1e-3)
    latch = circuit(2, {}, Cubic(1, 0, 1.0, g1, v0), Capacitor(1, 0, C))
    motion = settle(latch, [], longest=1e-3)
    table.true("a latch left at its summit balances there", motion.verdict == "balances")
    pushed = circuit(3, {2: 1e-3}, Cubic(1, 0, 1.0, g1, v0), Resistor(2, 1, 1e-6), Capacitor(1, 0, C))
    motion = settle(pushed, [])
    table.true("a pushed one falls to the right side", motion.verdict == "rests" and motion.voltages[1] > 1.7)
    worst = 0.0
    for volts in (1.5, 5.0, 50.0, 400.0):
        for n_junctions in (1, 3):
            stack = [
                Diode(k, k + 1 if k < n_junctions + 1 else 0, 1.0, 1e-14, 1.0)
                for k in range(2, n_junctions + 2)
            ]
            feed = (Capacitor(1, 2, 1e-9), Resistor(1, 2, 1e-3))
            description = circuit(n_junctions + 2, {1: volts}, *feed, *stack)
            motion = settle(description, [])
            point = operating_point(description, [])
            distance = float(abs(motion.voltages - point.voltages).max())
            worst = max(worst, distance if motion.verdict == "rests" else math.inf)
    table.line("junctions at 1.5 to 400 V at switch-on come to rest", worst, 1e-15, 8)


def _random_rest(table: Table) -> None:
    """Random circuits with one operating point come to rest there."""
    for kind in (generate.passive, generate.one_way):
        worst, cases, undecided = 0.0, 10, 0
        for seed in range(cases):
            case = kind(np.random.default_rng([1, seed]))
            motion = settle(case.description, case.samples[0])
            if motion.verdict == "undecided":  # rings on for more steps than it got
                undecided += 1
                continue
            point = operating_point(case.description, case.samples[0])
            distance = float(abs(motion.voltages - point.voltages).max())
            worst = max(worst, distance if motion.verdict == "rests" else math.inf)
        note = f"{undecided} undecided"
        table.line(f"{kind.__name__}: rest is the operating point, V", worst, 1e-15, cases, note)
    agree, cases = True, 0
    for seed in range(30):
        case = generate.active(np.random.default_rng([2, seed]))
        motion = settle(case.description, case.samples[0], most_steps=5000)
        if motion.verdict == "rests":
            again = from_start(case.description, case.samples[0], motion.voltages)
            agree &= again.converged and bool(abs(again.voltages - motion.voltages).max() < 1e-15)
            cases += 1
    table.true(f"active: rests are operating points ({cases} of 30 rest)", agree)
