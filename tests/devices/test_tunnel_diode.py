"""Whole tunnel diodes: files, presets, and what surrounds the junction in a circuit."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc import GROUND, CircuitBuilder, IdealSolver, NgspiceSolver
from eqcirc.circuit.neuron import Neuron
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.devices import CubicDevice, EsakiDiode, PolynomialDevice
from eqcirc.devices.presets import PRESETS, find_diode
from eqcirc.devices.tunnel_diode import TunnelDiode, read_diode, save_diode
from eqcirc.errors import CircuitError, ConfigError
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.stability import stability

WHOLE = TunnelDiode(EsakiDiode(), 2.0, 5e-12, 4e-10, "a test")


@pytest.mark.parametrize(
    "diode",
    [WHOLE, TunnelDiode(CubicDevice(3e-3, 0.2), source="centre 0.2 V"), *PRESETS.values()],
)
def test_a_file_gives_back_what_was_written(diode: TunnelDiode, tmp_path: Path) -> None:
    save_diode(tmp_path / "d.toml", diode, {"rms": 1e-6, "errors": {"peak_current": math.inf}})
    assert read_diode(tmp_path / "d.toml") == diode
    assert find_diode(tmp_path / "d.toml") == diode


def test_what_a_file_leaves_out_has_its_default(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text('device = "esaki"\npeak_current = 1e-3\nseries_resistance = 1\n')
    assert read_diode(tmp_path / "d.toml") == TunnelDiode(EsakiDiode(1e-3), 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected device = one of cubic, esaki, polynomial, shockley, table, got None"),
        ('device = "gunn"', "got 'gunn'"),
        ('device = "esaki"\npeak_curent = 1e-3', "unknown key 'peak_curent': did you mean 'peak_current'"),
        ('device = "esaki"\npeak_current = "1 mA"', "peak_current: expected a number, got '1 mA'"),
        ('device = "esaki"\npeak_current = {}', "peak_current: expected a number"),
        ('device = "polynomial"\nlow = 0.0', "device = 'polynomial' needs the keys coefficients, low, high"),
        ("device = ", "is not valid TOML"),
    ],
)
def test_files_that_are_no_diode_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_diode(tmp_path / "d.toml")


def test_other_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file of a diode"):
        read_diode(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="did you mean '1n3716'"):
        find_diode("1N3717")

    class Unnamed(CubicDevice):
        """A law that files have no name for."""

    with pytest.raises(ConfigError, match="law Unnamed"):
        save_diode(tmp_path / "d.toml", TunnelDiode(Unnamed()))
    with pytest.raises(CircuitError, match="an inductance of 1e-09 H needs a series resistance"):
        TunnelDiode(EsakiDiode(), inductance=1e-9)
    with pytest.raises(CircuitError, match="series resistance must be between 0"):
        TunnelDiode(EsakiDiode(), -1.0)


@pytest.mark.parametrize("diode", [WHOLE, TunnelDiode(CubicDevice(3e-3, 0.2)), *PRESETS.values()])
def test_the_fall_is_the_steepest_point_of_the_whole_diode(diode: TunnelDiode) -> None:
    v = np.linspace(-0.1, 0.47, 200_001)
    current, _ = diode.law.evaluate(v)
    slope = np.diff(current) / np.diff(v + diode.series_resistance * current)
    k = int(np.argmin(slope))
    across = v[k] + diode.series_resistance * current[k]
    np.testing.assert_allclose(diode.fall, (across, current[k]), rtol=1e-3, atol=3e-5)
    assert diode.largest_load == pytest.approx(-1 / slope[k], rel=1e-6)


def test_a_load_line_below_the_largest_meets_the_curve_once() -> None:
    """Through the steepest point, where a little more resistance makes three crossings of one."""
    curve, (v, i) = WHOLE.curve(0.6, 200_001), WHOLE.fall

    def crossings(ohms: float) -> int:
        above = curve.current > i - (curve.voltage - v) / ohms
        return int(np.count_nonzero(np.diff(above)))

    assert crossings(0.999 * WHOLE.largest_load) == 1
    assert crossings(1.01 * WHOLE.largest_load) == 3
    assert TunnelDiode(EsakiDiode(), 50.0).largest_load == 0, "the curve across its leads folds back"


def test_leads_that_fold_the_curve_leave_its_forward_voltage() -> None:
    bare, folded = TunnelDiode(EsakiDiode()), TunnelDiode(EsakiDiode(), 50.0)
    with pytest.raises(CircuitError, match="with 50 ohm in series the current is no function of the voltage"):
        folded.curve(0.6)
    added = 50.0 * bare.curve(0.6).peak.current
    assert folded.forward_voltage(0.6) == pytest.approx(bare.forward_voltage(0.6) + added, rel=5e-3)


def test_a_diode_that_never_falls_has_no_steepest_point() -> None:
    buried = TunnelDiode(EsakiDiode(peak_current=1e-6, excess_current=1e-2))
    with pytest.raises(CircuitError, match="its current never falls"):
        _ = buried.fall
    assert buried.largest_load == math.inf


@pytest.mark.parametrize(
    ("name", "peak", "valley", "forward"),
    [
        ("1n3716", (0.102, 4.73e-3), (0.428, 1.01e-3), 0.522),
        ("mbd1057", (0.0615, 194e-6), (0.216, 9.8e-6), 0.448),
        ("mbd2057", (0.0683, 331e-6), (0.237, 53e-6), 0.444),
    ],
)
def test_presets_have_these_figures(
    name: str, peak: tuple[float, float], valley: tuple[float, float], forward: float
) -> None:
    diode = find_diode(name.upper())
    curve = diode.curve(0.6)
    np.testing.assert_allclose(curve.peak, peak, rtol=2e-2)
    np.testing.assert_allclose(curve.valley, valley, rtol=2e-2)
    assert diode.forward_voltage(0.6) == pytest.approx(forward, rel=2e-3)


def test_the_published_model_is_the_preset_less_a_constant(
    batch: Callable[[str], tuple[str, dict[str, Any]]],
) -> None:
    """The subcircuit of the source, its lines as published, in ngspice."""
    model = (
        ".subckt td 1 2\n.param Vp=100mV Ip=4.7mA Vv=370mV Vt=26mV Vpp=525mV Iv=370uA\n"
        "Bthermal 1 2 I=Ip*exp(-Vpp/Vt)*(exp(v(1,2)/Vt)-1)\nBtunnel 1 2 I=Ip*(v(1,2)/Vp)*exp(1-v(1,2)/Vp)\n"
        "Bexcess 1 2 I=Iv*exp(v(1,2)-Vv)\n.ends td\n"
    )
    _, found = batch(
        f"* model\n{model}v1 a 0 0\nx1 a 0 td\n.options reltol=1e-12 abstol=1e-18\n.dc v1 0 0.55 0.01\n.end\n"
    )
    current, _ = PRESETS["1n3716"].law.evaluate(found["v(a)"])
    np.testing.assert_allclose(-found["i(v1)"], current + 370e-6 * math.exp(-0.37), rtol=1e-8)


def test_the_published_polynomial_is_the_preset(batch: Callable[[str], tuple[str, dict[str, Any]]]) -> None:
    """Above 0 V; below, the published line gives another current, for ngspice's ^ takes |v|."""
    line = "B1 a 0 I=0.007358*V(a,0)-0.08607*V(a,0)^2+0.2911*V(a,0)^3+0.03922*V(a,0)^4-1.693*V(a,0)^5+2.099*V(a,0)^6"
    _, found = batch(
        f"* model\nv1 a 0 0\n{line}\n.options reltol=1e-12 abstol=1e-18\n.dc v1 -0.06 0.47 0.01\n.end\n"
    )
    v, current = found["v(a)"], PRESETS["mbd1057"].law.evaluate(found["v(a)"])[0]
    np.testing.assert_allclose(-found["i(v1)"][v > -1e-9], current[v > -1e-9], rtol=1e-9, atol=1e-15)
    assert abs(-found["i(v1)"][0] - current[0]) > 1e-4


def biased(diode: TunnelDiode, area: float = 1.0) -> Any:
    b = CircuitBuilder("biased diode")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("supply", x, out, 0.05)
    b.capacitor("load", out, GROUND, 1e-10)
    b.device("td", out, GROUND, diode, area=area)
    return b.build(out)


@pytest.mark.parametrize("area", [1.0, 1.7])
@pytest.mark.parametrize(
    "diode",
    [WHOLE, TunnelDiode(EsakiDiode(), 2.0), PRESETS["mbd1057"]],
    ids=["whole", "resistance", "capacitance"],
)
def test_both_solvers_see_the_whole_diode(
    diode: TunnelDiode, area: float, spice: Callable[..., NgspiceSolver]
) -> None:
    """The terminal current is the supply's; the curve of the diode gives the same at the terminal voltage."""
    circuit, inputs = biased(diode, area), np.array([[0.05], [0.2], [0.55]])
    ideal = IdealSolver(circuit).solve(None, inputs).require().free
    ngspice = spice(circuit).solve(None, inputs).require().free
    np.testing.assert_allclose(ngspice, ideal, atol=1e-10)
    out = ideal[:, circuit.readout.nodes[0]]
    curve = diode.curve(0.6, 200_001)
    expected = np.interp(out, curve.voltage, area * curve.current)
    np.testing.assert_allclose(0.05 * (inputs[:, 0] - out), expected, rtol=1e-7)


def test_lead_and_capacitance_enter_the_dynamics() -> None:
    """Growth of a biased diode against the three equations of load, lead and junction, written out."""
    circuit = biased(WHOLE)
    solution = IdealSolver(circuit).solve(None, np.array([[0.2]])).require().free
    plan = Reduction(circuit)
    dynamics = Dynamics(Equations(ReducedSystem(plan, None), circuit.fixed_voltages(np.array([[0.2]]))))
    u = np.linalg.lstsq(np.eye(plan.n), solution[0, circuit.free_nodes], rcond=None)[0][None]
    found = stability(dynamics, u)
    names = list(circuit.node_names)
    _, (slope,) = WHOLE.law.evaluate(solution[:, names.index("td_inner_0")])
    matrix = np.array(
        [
            [-0.05 / 1e-10, -1 / 1e-10, 0],
            [1 / 4e-10, -2.0 / 4e-10, -1 / 4e-10],
            [0, 1 / 5e-12, -slope / 5e-12],
        ]
    )
    assert slope < 0, "in the falling part"
    assert found.growth[0] == pytest.approx(np.linalg.eigvals(matrix).real.max(), rel=1e-6)


def test_a_neuron_takes_a_whole_diode() -> None:
    b = CircuitBuilder("neuron")
    x, v = b.input("x"), b.nodes("v", 2)
    b.conductance("drive", x, v, 0.05)
    neuron = Neuron(diode=WHOLE)
    assert neuron.law is WHOLE.law
    neuron.add(b, "n", v, area=[1.0, 2.0])
    circuit = b.build(v)
    names = [e.name for e in circuit.elements]
    assert {"n_device", "n_device_lead", "n_device_junction"} <= set(names)
    np.testing.assert_allclose(circuit.element("n_device_junction").value, [5e-12, 1e-11])
    np.testing.assert_allclose(circuit.element("n_device_lead").value, [2.0, 1.0])


def test_polynomial_presets_rise_beyond_their_range() -> None:
    for diode in PRESETS.values():
        if isinstance(diode.law, PolynomialDevice):
            assert (diode.law.evaluate(np.array([-1.0, -0.06, 0.47, 1.0]))[1] > 0).all()
