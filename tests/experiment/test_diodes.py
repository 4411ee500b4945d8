"""Tunnel diodes in experiment files: by name, or with the numbers of a fit."""

from __future__ import annotations

import tomllib
import typing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.devices import EsakiDiode, TwoTerminal
from eqcirc.devices.fit import fit
from eqcirc.devices.iv_curve import IVCurve
from eqcirc.devices.presets import PRESETS
from eqcirc.devices.tunnel_diode import TunnelDiode, save_diode
from eqcirc.errors import ConfigError
from eqcirc.experiment.build import build_circuit
from eqcirc.experiment.load import parse, to_toml
from eqcirc.experiment.schema import Diode, Neurons


def circuit(neurons: dict[str, Any]) -> Any:
    content = {"data": {"name": "xor"}, "network": {"hidden": [3], "neurons": neurons}}
    experiment = parse(content, "test")
    assert parse(tomllib.loads(to_toml(experiment)), "again") == experiment
    return build_circuit(experiment, 2, 2)


def test_the_schema_knows_every_preset_and_the_defaults_of_the_law() -> None:
    names = typing.get_args(Neurons.model_fields["device"].annotation)
    assert set(names) == {"cubic", "esaki", "none", *PRESETS}
    whole = asdict(EsakiDiode()) | {k: v for k, v in vars(TunnelDiode(EsakiDiode())).items() if k != "law"}
    assert Diode().model_dump() == whole


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_by_name(name: str) -> None:
    built = circuit({"device": name})
    device = built.element("n1_device")
    assert isinstance(device, TwoTerminal)
    assert device.law == PRESETS[name].law
    np.testing.assert_array_equal(built.element("n1_device_junction").value, PRESETS[name].capacitance)


def test_the_file_of_a_fit_fits_into_an_experiment(tmp_path: Path) -> None:
    v = np.linspace(0, 0.52, 105)
    found = fit(IVCurve(v, EsakiDiode(fall_exponent=1.3).evaluate(v)[0]), series_resistance=0.5)
    save_diode(tmp_path / "fit.toml", found.diode)
    numbers = tomllib.loads((tmp_path / "fit.toml").read_text())
    assert numbers.pop("device") == "esaki"
    built = circuit({"device": "esaki", "diode": numbers})
    assert built.element("n1_device").law == found.law
    np.testing.assert_allclose(built.element("n1_device_lead").value, 2.0)


def test_wrong_numbers_are_named() -> None:
    with pytest.raises(ConfigError, match=r"neurons\.diode\.peak_curent.: did you mean .peak_current"):
        circuit({"device": "esaki", "diode": {"peak_curent": 1e-3}})
    with pytest.raises(ConfigError, match="unknown value '1n3717': did you mean '1n3716'"):
        circuit({"device": "1n3717"})
