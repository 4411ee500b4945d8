"""Parts between nodes whose voltages are phases: what they ask of energies, gradients block by block, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from eqcirc.circuit.builder import CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import SignedDevice, Sine
from eqcirc.errors import CircuitError
from eqcirc.typing import Array

RNG = np.random.default_rng(0)
COUPLINGS = RNG.normal(size=(2, 3))
INPUTS = RNG.normal(size=(2, 2))


def circuit() -> Circuit:
    b = CircuitBuilder("phases")
    x, r, c = b.input("x", 2), b.nodes("r", 2), b.nodes("c", 3)
    b.phase_input("input", x, r, INPUTS)
    b.phase_coupling("couple", r, c, COUPLINGS)
    b.phase_device("bias", c, [0.2, -0.1, 0.4], trainable=True)
    b.phase_device("second", c, [-0.2, 0.3, 0.1], harmonic=2, trainable=True)
    b.phase_device("beside", r[0], -0.3, to=r[1], trainable=True)
    return b.build(c)


def energy(v: Array, name: str) -> Array:
    """dE/dvalue of one sample, written once more; nodes are ground, two inputs, two rows, three columns."""
    x, r, c = v[1:3], v[3:5], v[5:]
    parts = {
        "input": -x[:, None] * np.cos(r),
        "couple": -np.cos(r[:, None] - c),
        "bias": -np.cos(c),
        "second": -0.5 * np.cos(2 * c),
        "beside": -np.cos(r[:1] - r[1:]),
    }
    return np.asarray(parts[name])


@pytest.mark.parametrize("name", ["input", "couple", "bias", "second", "beside"])
@pytest.mark.parametrize("apart", [1.0, 1e-6])
def test_contrasts_are_those_of_the_energy(name: str, apart: float) -> None:
    rng = np.random.default_rng(1)
    plus = rng.uniform(-3, 3, (4, 8))
    minus = plus + apart * rng.uniform(-1, 1, (4, 8))
    plus[:, 0] = minus[:, 0] = 0.0
    minus[:, 1:3] = plus[:, 1:3]
    scaling = np.array([0, 0, 0, 1.0, 1, 1, 1, 1])
    element = circuit().element(name)
    found = element.contrast(element.value, scaling, plus, minus)
    wanted = sum(energy(a, name) - energy(b, name) for a, b in zip(plus, minus, strict=True))
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-14 + 1e-9 * apart)


@pytest.mark.parametrize("name", ["input", "couple", "bias", "second", "beside"])
@pytest.mark.parametrize("held", [False, True])
def test_samples_count_in_a_contrast_as_much_as_their_scaling_says(name: str, held: bool) -> None:
    """The same as sample by sample, and where the rows are held by a source, too."""
    rng = np.random.default_rng(3)
    plus, minus = rng.uniform(-3, 3, (2, 4, 8))
    plus[:, 0] = minus[:, 0] = 0.0
    scaling = np.array([0, 0, 0, *([0.0, 1] if held else [1.0, 1]), 1, 1, 1])
    each = scaling * np.array([[1.0], [-2.0], [0.3], [0.0]])
    element = circuit().element(name)
    found = element.contrast(element.value, each, plus, minus)
    parts = [element.contrast(element.value, each[k], plus[[k]], minus[[k]]) for k in range(4)]
    np.testing.assert_allclose(found, np.sum(parts, axis=0), rtol=1e-12, atol=1e-13)
    whole = element.contrast(element.value, scaling, plus, minus)
    once = [element.contrast(element.value, scaling, plus[[k]], minus[[k]]) for k in range(4)]
    np.testing.assert_allclose(whole, np.sum(once, axis=0), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["input", "couple", "bias", "second", "beside"])
def test_sensitivities_are_contrasts_of_little_steps(name: str) -> None:
    rng = np.random.default_rng(2)
    v, lam = rng.uniform(-3, 3, (4, 8)), rng.normal(size=(4, 8))
    v[:, 0] = lam[:, 0] = lam[:, 1] = lam[:, 2] = 0.0
    element, step = circuit().element(name), 1e-6
    ones = np.array([0, 0, 0, 1.0, 1, 1, 1, 1])
    wanted = element.contrast(element.value, ones, v + step * lam, v - step * lam) / (2 * step)
    np.testing.assert_allclose(element.sensitivity(element.value, lam, v), wanted, rtol=1e-7, atol=1e-8)


def test_what_cannot_be_a_phase_part_is_refused() -> None:
    b = CircuitBuilder("wrong")
    x, r, c = b.input("x", 2), b.nodes("r", 2), b.nodes("c", 3)
    with pytest.raises(CircuitError, match=r"device 'large': \[0\] = 1e\+06 A is beyond 1000 A"):
        b.phase_device("large", r[0], 1e6)
    with pytest.raises(CircuitError, match="expected one node for each row and for each column"):
        b.phase_coupling("couple", r, c, COUPLINGS)
        other = np.array([[3, 4, 3], [4, 3, 4]])
        element = b._elements[-1]
        type(element)(name="other", value=COUPLINGS, anode=other, cathode=other + 2)  # type: ignore[call-arg]
    b.phase_input("loose", c[:2], r, np.ones((2, 2)))
    b.phase_input("input", x, np.concatenate([r, c]), np.ones((2, 5)))
    with pytest.raises(
        CircuitError, match=r"phase input 'loose': expected inputs or rails .*, got node 'c_0'"
    ):
        b.build(c)


def test_a_sine_stays_within_its_range() -> None:
    with pytest.raises(CircuitError, match="frequency must be between"):
        Sine(frequency=0.0)
    nothing = np.empty(0, np.intp)
    assert not SignedDevice(
        name="none", value=np.empty(0), anode=nothing, cathode=nothing, law=Sine()
    ).passive
