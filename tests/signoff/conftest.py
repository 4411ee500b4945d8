from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from faults import copy_with

from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import Biases
from eqcirc.experiment.handoff import export_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a small network with diodes and amplifiers, of every target."""
    plan = Layered(
        hidden=(4,),
        input_gain=1.0,
        biases=Biases(voltage=1.0),
        gain=4.0,
        bounds=(1e-7, 1e-5),
        initial=(5e-7, 5e-6),
    )
    circuit = plan.build("small", 3, 2, 0)
    x = np.array([[1.0, -0.5, 0.2], [-0.7, 0.9, 0.4], [0.1, 0.3, -1.0]])
    return export_bundle(circuit, tmp_path_factory.mktemp("bundles") / "small", inputs=x)


@pytest.fixture
def changed(bundle: Path, tmp_path: Path) -> Callable[[Mapping[str, bytes]], Path]:
    """Copy the bundle with other files, and a manifest that agrees."""
    return lambda contents: copy_with(bundle, tmp_path / "changed", contents)
