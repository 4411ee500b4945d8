"""The devices in circuits/devices: each loads, says where it is from, and makes chips of a network in its range."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eqcirc.circuit.layered import Layered
from eqcirc.devices import Bounds
from eqcirc.experiment.load import load_experiment
from eqcirc.experiment.physical import conditions
from eqcirc.experiment.reality import build_reality
from eqcirc.learning.writing import Writing

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "circuits" / "devices").glob("*.toml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_device_has_a_source_and_makes_chips(file: Path) -> None:
    text, experiment = file.read_text(), load_experiment(file)
    assert "\n# source: " in text
    assert "\n# left out: " in text
    assert experiment.reality is not None
    bounds = Bounds(*experiment.network.bounds)
    window = experiment.reality.window
    assert window is not None
    assert window.lowest <= bounds.lower < bounds.upper <= window.highest
    circuit = Layered(hidden=(20,), bounds=bounds).build("network", 4, 2, 0)
    reality = build_reality(experiment.reality)
    chip, other = (reality.chip(circuit, number=k) for k in (0, 1))
    asked, there = circuit.parameters["w1"], chip.values["w1"]
    assert np.abs(there - asked).max() > 0 or experiment.learning.writing is not None
    assert np.corrcoef(asked.ravel(), there.ravel())[0, 1] > 0.9
    if experiment.learning.writing is None:
        assert not np.array_equal(there, other.values["w1"])
    else:
        Writing(**experiment.learning.writing.model_dump())
    conditions(experiment.physical)


def test_there_are_devices_of_every_common_kind() -> None:
    assert {f.stem for f in FILES} >= {"mcp41050", "ad5292", "rram-multilevel", "rram-pulsed", "pcm", "sonos"}


def test_a_potentiometer_takes_the_resistances_of_its_codes() -> None:
    experiment = load_experiment(ROOT / "circuits/devices/mcp41050.toml")
    assert experiment.reality is not None
    reality = build_reality(experiment.reality.model_copy(update={"mismatch": None}))
    circuit = Layered(hidden=(20,), bounds=Bounds(*experiment.network.bounds)).build("network", 4, 2, 0)
    ohms = 1 / reality.chip(circuit).values["w1"]
    code = (ohms - 75) / (50e3 / 256)
    np.testing.assert_allclose(code, np.round(code), atol=5e-3)
