"""Tunnel diodes in experiment files: by name, with numbers, or the file of a fit; and where they rest."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.devices import CubicDevice, EsakiDiode, TwoTerminal
from eqcirc.devices.fit import fit
from eqcirc.devices.iv_curve import IVCurve
from eqcirc.devices.presets import PRESETS
from eqcirc.devices.tunnel_diode import TunnelDiode, save_diode
from eqcirc.errors import CheckpointError, ConfigError
from eqcirc.experiment.build import build_circuit
from eqcirc.experiment.load import DIODE, differences, load_experiment, parse, to_toml
from eqcirc.experiment.network import Diode
from eqcirc.experiment.run import Run
from eqcirc.solvers.ideal.solver import IdealSolver


def circuit(neurons: dict[str, Any], folder: Path | None = None) -> Any:
    content = {"data": {"name": "xor"}, "network": {"hidden": [3], "neurons": neurons}}
    experiment = parse(content, "test", folder)
    assert differences(parse(tomllib.loads(to_toml(experiment)), "again"), experiment) == {}
    return build_circuit(experiment, 2, 2)


def test_the_schema_has_the_defaults_of_the_law() -> None:
    whole = asdict(EsakiDiode()) | {k: v for k, v in vars(TunnelDiode(EsakiDiode())).items() if k != "law"}
    assert Diode().model_dump() == whole


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_by_name_in_any_case(name: str) -> None:
    built = circuit({"device": name.upper()})
    device = built.element("n1_device")
    assert isinstance(device, TwoTerminal)
    assert device.law == PRESETS[name].law
    np.testing.assert_array_equal(built.element("n1_device_junction").value, PRESETS[name].capacitance)


def test_the_file_of_a_fit_is_a_device(tmp_path: Path) -> None:
    v = np.linspace(0, 0.52, 105)
    found = fit(IVCurve(v, EsakiDiode(fall_exponent=1.3).evaluate(v)[0]), series_resistance=0.5)
    save_diode(tmp_path / "fit.toml", found.diode, {"rms": found.rms})
    built = circuit({"device": "fit.toml"}, tmp_path)
    assert built.element("n1_device").law == found.law
    np.testing.assert_allclose(built.element("n1_device_lead").value, 2.0)


def test_the_numbers_of_a_diode_are_keys_too() -> None:
    built = circuit({"device": "esaki", "diode": {"peak_current": 1e-3, "series_resistance": 0.5}})
    assert built.element("n1_device").law == EsakiDiode(1e-3)
    np.testing.assert_allclose(built.element("n1_device_lead").value, 2.0)


def test_wrong_numbers_are_named() -> None:
    with pytest.raises(ConfigError, match=r"neurons\.diode\.peak_curent.: did you mean .peak_current"):
        circuit({"device": "esaki", "diode": {"peak_curent": 1e-3}})


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("1n3717", "unknown value '1n3717', and no .toml file: did you mean '1n3716'"),
        ("none.toml", r"no file of a diode .*none\.toml: No such file .*; write one with 'eqcirc fit'"),
        (
            "foreign.toml",
            r".*foreign\.toml: expected device = one of cubic, esaki, polynomial, shockley, table, got None",
        ),
        (
            "range.toml",
            r".*range\.toml: tunnel diode: peak voltage must be between 0\.001 and 1000 V, got 65000",
        ),
        (3, "expected text in quotes, got 3"),
    ],
)
def test_wrong_devices_are_named(device: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "foreign.toml").write_text('name = "an experiment"\n')
    (tmp_path / "range.toml").write_text('device = "esaki"\npeak_voltage = 65e3\n')
    with pytest.raises(ConfigError, match=rf"^(test: )?network\.neurons\.device: {message}"):
        circuit({"device": device}, tmp_path)


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A folder with an experiment and the file of its diode."""
    bench = tmp_path / "bench"
    bench.mkdir()
    save_diode(bench / "mine.toml", PRESETS["mbd1057"])
    (bench / "experiment.toml").write_text(
        '[data]\nname = "xor"\nscaling = "none"\n[learning]\nepochs = 1\n[solver]\nengine = "ideal"\n'
        '[network]\nhidden = [2]\n[network.neurons]\ndevice = "mine.toml"\nrest = "fall"\nbias = "fall"\n'
    )
    return bench


def law(run: Run) -> Any:
    device = run.circuit.element("n1_device")
    assert isinstance(device, TwoTerminal)
    return device.law


def test_a_run_takes_its_diode_along(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be moved, its first file can go, and commands are called from anywhere."""
    with Run.start(load_experiment(bench / "experiment.toml"), bench / "run"):
        pass
    moved = (bench / "run").rename(bench.parent / "moved")
    (bench / "mine.toml").unlink()
    with Run.resume(moved) as run:
        run.train()
    monkeypatch.chdir(moved)
    with Run.resume(Path()) as run:
        assert law(run) == PRESETS["mbd1057"].law
    with Run.start(load_experiment(moved / "config.toml"), moved, overwrite=True) as run:
        assert law(run) == PRESETS["mbd1057"].law
    assert (moved / DIODE).is_file()
    with Run.start(parse({"data": {"name": "xor"}}, "test"), moved, overwrite=True):
        assert not (moved / DIODE).exists()


def test_another_diode_is_another_circuit(bench: Path) -> None:
    with Run.start(load_experiment(bench / "experiment.toml"), bench / "run"):
        pass
    with Run.resume(bench / "run", load_experiment(bench / "experiment.toml")):
        pass
    save_diode(bench / "mine.toml", PRESETS["mbd2057"])
    with pytest.raises(CheckpointError, match="belongs to another circuit"):
        Run.resume(bench / "run", load_experiment(bench / "experiment.toml"))


def test_a_run_of_an_older_version_names_a_file_that_may_move(bench: Path) -> None:
    """Its config.toml and its checkpoint hold the absolute path, and it has no copy."""
    with Run.start(load_experiment(bench / "experiment.toml"), bench / "run"):
        pass
    (bench / "run" / DIODE).unlink()
    for name in ("config.toml", "checkpoint.json"):
        path = bench / "run" / name
        text = path.read_text().replace(f'"{DIODE}"', f'"{bench / "mine.toml"}"')
        path.write_text(text.replace('"format": 2', '"format": 1'))  # which had no checksum of the JSON
    with Run.resume(bench / "run"):
        pass
    (bench / "mine.toml").rename(bench / "run" / "here.toml")
    with pytest.raises(ConfigError, match=r"network\.neurons\.device: no file of a diode .*mine\.toml"):
        Run.resume(bench / "run")
    config = bench / "run" / "config.toml"
    config.write_text(config.read_text().replace(str(bench / "mine.toml"), "here.toml"))
    with Run.resume(bench / "run") as run:
        assert law(run) == PRESETS["mbd1057"].law


@pytest.mark.parametrize(
    "neurons",
    [
        {"device": "mbd2057", "resistance": 100.0, "inductance": 1e-9},
        {"device": "cubic", "v0": 0.3},
        {"device": "esaki", "diode": {"series_resistance": 3.0}, "resistance": 30.0, "inductance": 1e-9},
        {"device": "esaki", "recovery": "gyrator", "gyration": 50e-3, "leak": 25e-3},
    ],
)
def test_neurons_rest_in_the_fall(neurons: dict[str, Any]) -> None:
    """Without inputs and other conductances the membrane stays where the current falls most steeply."""
    built = circuit(neurons | {"rest": "fall", "bias": "fall"})
    device = built.element("n1_device")
    weak = {name: np.full_like(value, 1e-7) for name, value in built.parameters.items()}
    free = IdealSolver(built, start="relax").solve(weak, np.zeros((1, 2))).require().free[0]
    v = np.linspace(-0.1, 0.4, 10_001)
    steepest = v[np.argmin(device.law.evaluate(v)[1])]
    np.testing.assert_allclose(free[device.anode], steepest, atol=2e-4)


def test_numbers_and_words_may_be_mixed() -> None:
    built = circuit({"device": "1n3716", "rest": 0.2, "bias": "fall"})
    assert 0.2 in {rail.voltage for rail in built.rails}
    np.testing.assert_array_equal(built.element("n1_bias").value, PRESETS["1n3716"].fall.current)
    cubic = circuit({"rest": "fall", "bias": "fall"})
    assert cubic.element("n1_device").law == CubicDevice(3e-3, 1.0)
    assert not {"n1_bias", "n1_rest"} & {e.name for e in cubic.elements}, "it falls most steeply at 0 V"


@pytest.mark.parametrize("key", ["rest", "bias"])
def test_no_device_has_no_fall(key: str) -> None:
    with pytest.raises(ConfigError, match=f'network.neurons.{key}: "fall" needs a device'):
        circuit({"device": "none", key: "fall"})
