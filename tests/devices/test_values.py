"""Values and shapes out of range are refused, with the element's name."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.costs import SoftmaxCrossEntropy
from eqcirc.devices import (
    Amplifier,
    ClampDiode,
    Conductance,
    Crossbar,
    CubicDevice,
    CurrentSource,
    Element,
    EsakiDiode,
    PolynomialDevice,
    ShockleyDiode,
    Transconductor,
    TwoTerminal,
)
from eqcirc.errors import CircuitError

NAN, INF = float("nan"), float("inf")
ONE, TWO = np.array([1]), np.array([2])


def conductance(value: float) -> Element:
    return Conductance(name="part", value=np.array([value]), a=ONE, b=TWO)


def crossbar(value: float) -> Element:
    return Crossbar(name="part", value=np.array([[1e-5, value]]), rows=ONE, columns=np.array([2, 3]))


def current_source(value: float) -> Element:
    return CurrentSource(name="part", value=np.array([value]), node=ONE)


def area(value: float) -> Element:
    return TwoTerminal(name="part", value=np.array([value]), anode=ONE, cathode=TWO, law=ShockleyDiode())


def gain(value: float) -> Element:
    return Amplifier(name="part", value=np.array([value]), source=ONE, output=TWO)


def kappa(value: float) -> Element:
    return Amplifier(name="part", value=np.array([4.0]), source=ONE, output=TWO, kappa=value)


def transconductor(value: float) -> Element:
    return Transconductor(name="part", value=np.array([value]), out_p=ONE, out_n=TWO, cp=TWO, cn=ONE)


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (conductance, (0.0, -1e-6, 1e-13, 1e4, NAN, INF)),
        (crossbar, (0.0, -1e-6, 1e-13, 1e4, NAN, INF)),
        (current_source, (1e4, -1e4, NAN, INF)),
        (area, (0.0, -1.0, 1e7, NAN, INF)),
        (gain, (0.0, -1e-5, 1e-5, 1e5, -1e5, NAN, INF)),
        (kappa, (-1e-5, 1e-5, 1e5, -1e5, NAN, INF)),
        (transconductor, (0.0, 1e4, -1e4, NAN, INF)),
    ],
    ids=lambda x: x.__name__ if callable(x) else "",
)
def test_values_out_of_range_are_refused_by_name(
    make: Callable[[float], Element], values: tuple[float, ...]
) -> None:
    for value in values:
        with pytest.raises(CircuitError, match="'part'"):
            make(value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ShockleyDiode(0.0), "diode: saturation current IS must be between 1e-25 and 1 A, got 0"),
        (lambda: ShockleyDiode(1e-9, 0.0), "diode: emission coefficient N"),
        (lambda: ShockleyDiode(NAN), "diode: saturation current IS"),
        (lambda: ClampDiode(conductance=0.0), "clamp diode: conductance"),
        (lambda: ClampDiode(knee=2e3), "clamp diode: knee must be between 1e-06 and 1000 V, got 2000"),
        (lambda: CubicDevice(g1=0.0), "cubic device: g1 must be between 1e-12 and 1000 S, got 0"),
        (lambda: CubicDevice(v0=NAN), "cubic device: v0"),
        (lambda: EsakiDiode(peak_voltage=65.0e3), "tunnel diode: peak voltage"),
        (lambda: EsakiDiode(excess_slope=-1.0), "tunnel diode: excess slope"),
        (lambda: PolynomialDevice((1.0, INF), -1.0, 1.0), "polynomial device: coefficient c2"),
        (
            lambda: PolynomialDevice((1.0, -1.0), -1.0, 1.0),
            "got -1 S at 1 V; beyond, it would fall without end",
        ),
        (lambda: SoftmaxCrossEntropy(0.0), "cross-entropy: sharpness K"),
    ],
)
def test_laws_and_costs_refuse_parameters_out_of_range(make: Callable[[], object], message: str) -> None:
    with pytest.raises(CircuitError, match=re.escape(message)):
        make()


def test_the_first_bad_value_is_shown_with_its_place() -> None:
    value = np.full((3, 2), 1e-5)
    value[1, 0] = value[2, 1] = -1
    with pytest.raises(CircuitError, match=re.escape("conductance [1, 0] = -1 (and 1 more) S")):
        Crossbar(name="w", value=value, rows=np.array([1, 2, 3]), columns=np.array([4, 5]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Conductance(name="part", value=np.ones(2), a=ONE, b=TWO),
        lambda: Crossbar(name="part", value=np.ones((2, 2)), rows=ONE, columns=TWO),
        lambda: CurrentSource(name="part", value=np.ones(2), node=ONE),
        lambda: TwoTerminal(name="part", value=np.ones(2), anode=ONE, cathode=TWO, law=ShockleyDiode()),
        lambda: Amplifier(name="part", value=np.ones(2), source=ONE, output=TWO),
        lambda: Transconductor(name="part", value=np.ones(2), out_p=ONE, out_n=ONE, cp=TWO, cn=TWO),
    ],
)
def test_shapes_that_do_not_fit_are_refused_by_name(make: Callable[[], Element]) -> None:
    with pytest.raises(CircuitError, match="'part'"):
        make()


def test_a_crossbar_takes_a_node_once() -> None:
    with pytest.raises(CircuitError, match="both row and column"):
        Crossbar(name="w", value=np.ones((1, 1)), rows=ONE, columns=ONE)


def test_a_group_of_amplifiers_has_one_gain_that_stays() -> None:
    two = np.array([3, 4])
    with pytest.raises(CircuitError, match="one group has one gain"):
        Amplifier(name="amp", value=np.array([2.0, 3.0]), source=np.array([1, 2]), output=two)
    amplifier = Amplifier(name="amp", value=np.array([2.0, 2.0]), source=np.array([1, 2]), output=two)
    assert amplifier.current_gain == 0.5
    amplifier.check(np.array([2.0, 2.0]))
    with pytest.raises(CircuitError, match="the gain 2 is fixed"):
        amplifier.check(np.array([2.0, 3.0]))
    with pytest.raises(CircuitError, match="not trainable"):
        amplifier.sensitivity(amplifier.value, np.zeros((1, 5)), np.zeros((1, 5)))


@pytest.mark.parametrize("voltage", [NAN, INF, 1e5])
def test_rails_have_a_finite_voltage(voltage: float) -> None:
    with pytest.raises(CircuitError, match="rail 'bias': voltage"):
        CircuitBuilder("rails").rail("bias", voltage)


def test_parameters_are_checked_like_first_values() -> None:
    b = CircuitBuilder("divider")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("top", x, out, 1e-5, trainable=True)
    b.conductance("bottom", out, GROUND, 1e-5)
    circuit = b.build(out)
    with pytest.raises(CircuitError, match="'top'"):
        circuit.values({"top": np.array([-1.0])})
    with pytest.raises(CircuitError, match="did you mean 'top'"):
        circuit.values({"tip": np.array([1e-5])})
    with pytest.raises(CircuitError, match="shape"):
        circuit.values({"top": np.array([1e-5, 1e-5])})
