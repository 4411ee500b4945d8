"""What the head of an exported netlist says of the experiment: where it comes from, how data become inputs, classes."""

from __future__ import annotations

from importlib.metadata import version

from eqcirc.data import Scaler
from eqcirc.devices.base import figure
from eqcirc.experiment.schema import Experiment


def deck_notes(experiment: Experiment, scaler: Scaler, classes: tuple[str, ...]) -> list[str]:
    """Return sentences for the head of a netlist.

    Args:
        experiment: that made the circuit.
        scaler: turns raw values into features.
        classes: names of the classes, in the order of the outputs; () for a regression.
    """
    notes = [f"experiment {experiment.name}, seed {experiment.seed}, by eqcirc {version('eqcirc')}"]
    scales = list(zip(scaler.offset.tolist(), scaler.factor.tolist(), strict=True))
    if not scaler.names and len(set(scales)) == 1:
        notes.append(f"features: {_scaled('raw value', *scales[0])}")
    else:
        names = scaler.names or tuple(f"raw value {k}" for k in range(len(scales)))
        notes += [f"feature {k}: {_scaled(names[k], *scale)}" for k, scale in enumerate(scales)]
    return notes + [f"class of output {k}: {name}" for k, name in enumerate(classes)]


def _scaled(name: str, offset: float, factor: float) -> str:
    return name if (offset, factor) == (0.0, 1.0) else f"({name} - {figure(offset)}) * {figure(factor)}"
