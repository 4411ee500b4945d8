"""Output stages of amplifiers: offset, output resistance and saturation against equations written down by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.scaling import symmetry
from eqcirc.errors import CircuitError
from eqcirc.reality import AmplifierErrors, Reality
from eqcirc.solvers.ideal.solver import IdealSolver
from tests.case import S

GAIN, KAPPA, OHMS, LOAD = 4.0, 0.25, 2e4, 5 * S


def stage() -> Circuit:
    """A resistor into an amplifier, and a load behind it."""
    b = CircuitBuilder("stage")
    x, h, y = b.input("x"), b.nodes("h"), b.nodes("y")
    b.conductance("feed", x, h, S, trainable=True)
    b.amplifier("amp", h, y, GAIN, KAPPA)
    b.conductance("load", y, GROUND, LOAD, trainable=True)
    return b.build(y)


def solved(reality: AmplifierErrors, x: float) -> tuple[float, float, dict[str, float]]:
    """Voltage at the input and the output of the amplifier, and what was drawn."""
    chip = Reality(amplifiers=reality).chip(stage(), number=1)
    v = IdealSolver(chip.circuit).solve(chip.parameters, [[x]]).require().free[0]
    drawn = {kind: float(d["amp"][0]) for kind, d in chip.draws.items()}
    return float(v[2]), float(v[3]), drawn


@pytest.mark.parametrize(("sigma", "tracking"), [(0.0, True), (0.2, True), (0.2, False)])
def test_an_offset_and_a_resistance_are_in_series_with_the_output(sigma: float, tracking: bool) -> None:
    """Kirchhoff's law with an ideal source at the output, whose current is reflected as a whole."""
    errors = AmplifierErrors(sigma=sigma, tracking=tracking, offset=0.3, output_ohms=OHMS)
    h, y, drawn = solved(errors, 0.7)
    offset, factor = drawn["amplifiers.offset"], drawn.get("amplifiers", 1.0)
    gain, kappa = GAIN * factor, KAPPA * (factor if tracking else 1.0)
    assert (factor == 1) == (sigma == 0)
    assert offset != 0
    # into h: S·(x − h) = kappa·i;   i = (A·h + offset − y)/R = LOAD·y
    system = np.array([[S, kappa * LOAD], [gain / OHMS, -1 / OHMS - LOAD]])
    expected = np.linalg.solve(system, [S * 0.7, -offset / OHMS])
    np.testing.assert_allclose([h, y], expected, rtol=1e-10)


@pytest.mark.parametrize("x", [-3.0, 0.02, 1.0, 5.0])
def test_saturation_holds_the_output_and_loads_the_input(x: float) -> None:
    limit = 0.5
    h, y, _ = solved(AmplifierErrors(output_ohms=OHMS, saturation=limit), x)
    width = 0.1 * limit

    def clamp(volts: float) -> float:
        over = abs(volts) - limit
        size = 0.0 if over < 0 else over**2 / (2 * width) if over < width else over - width / 2
        return float(np.sign(volts) * 100 / OHMS * size)

    def behind(output: float) -> float:
        """What is left of Kirchhoff's law at the input if the output is there."""
        current = LOAD * output + clamp(output)
        source = output + OHMS * current
        return S * (x - source / GAIN) - KAPPA * current

    expected = brentq(behind, -2 * limit, 2 * limit, xtol=1e-15)
    assert y == pytest.approx(expected, rel=1e-9)
    assert abs(y) < 1.2 * limit
    if abs(x) > 0.5:
        assert abs(y) > limit
        assert abs(h) < abs(x), "the clamps' current is drawn from the input"
    else:
        assert y == pytest.approx(solved(AmplifierErrors(output_ohms=OHMS), x)[1], rel=1e-12)


def test_constants_and_clamps_leave_the_scaling_as_it_was() -> None:
    ideal = stage()
    chip = Reality(amplifiers=AmplifierErrors(0.0, True, 0.1, OHMS, 0.5)).chip(ideal).circuit
    s = symmetry(chip)
    np.testing.assert_allclose(s[: ideal.n_nodes], symmetry(ideal))


def test_each_amplifier_draws_for_itself_and_gains_as_before() -> None:
    b = CircuitBuilder("two")
    x, h, y = b.input("x", 2), b.nodes("h", 2), b.nodes("y", 2)
    b.conductance("feed", x, h, S, trainable=True)
    b.amplifier("amp", h, y, GAIN)
    b.conductance("load", y, GROUND, LOAD)
    circuit = b.build(y)
    alone = Reality(amplifiers=AmplifierErrors(0.05)).chip(circuit)
    among = Reality(amplifiers=AmplifierErrors(0.05, offset=0.1, output_ohms=10.0)).chip(circuit)
    np.testing.assert_array_equal(alone.draws["amplifiers"]["amp"], among.draws["amplifiers"]["amp"])
    one, two = among.draws["amplifiers.offset"]["amp"]
    assert one != two
    assert (among.circuit.element("eq_amp_0").value, among.circuit.element("eq_amp_out").value[0]) == (
        pytest.approx(GAIN * alone.draws["amplifiers"]["amp"][0]),
        0.1,
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"offset": 0.1}, "need an output resistance"),
        ({"saturation": 1.0}, "need an output resistance"),
        ({"output_ohms": 0.0}, "output_ohms must be between"),
        ({"output_ohms": 1.0, "saturation": -1.0}, "saturation must be between"),
        ({"output_ohms": 1.0, "offset": -1.0}, "offset must be between"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, float], message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        AmplifierErrors(**given)  # type: ignore[arg-type]
