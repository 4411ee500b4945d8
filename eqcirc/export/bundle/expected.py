"""Tables of what goes in and what must come out: golden.csv and pins.csv."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.files import File
from eqcirc.export.bundle.golden import ABSOLUTE_VOLTS, RELATIVE, current_tolerance
from eqcirc.export.bundle.tables import table

GOLDEN = ("vector", "sample", "phase", "kind", "name", "value", "unit", "abs_tol", "rel_tol")
PINS = (
    *("position", "pin", "direction", "v_min_V", "v_max_V", "i_max_A", "feature", "gain_V", "offset_V"),
    *("fixed_V", "meaning"),
)


def golden_csv(design: Design) -> File:
    """Return the golden vectors, one number a line."""
    return File(
        "golden.csv", table(GOLDEN, _golden_rows(design)), "golden vectors: inputs and what must come of them"
    )


def _golden_rows(design: Design) -> Iterator[tuple[Any, ...]]:
    structure, golden, circuit = design.structure, design.golden, design.circuit
    held = [pin for pin in structure.pins if pin.direction != "output"]
    outputs = [pin for pin in structure.pins if pin.direction == "output"]
    amperes = current_tolerance(golden)
    for k in range(len(golden)):
        which = (k, int(golden.sample[k]), golden.phase[k])
        for pin in held:
            yield *which, "apply", pin.name, golden.voltages[k, pin.node], "V", None, None
        for pin in outputs:
            if golden.fed[:, pin.node].any():
                yield *which, "feed", pin.name, golden.fed[k, pin.node], "A", None, None
        for node in circuit.free_nodes.tolist():
            value = golden.voltages[k, node]
            yield *which, "node", structure.nets[node], value, "V", ABSOLUTE_VOLTS, RELATIVE
        for pin in held:
            yield *which, "branch", pin.name, golden.currents[k, pin.node], "A", amperes, RELATIVE


def pins_csv(design: Design) -> File:
    """Return the ports in the order of the .subckt, with what is applied and what was seen there."""
    return File("pins.csv", table(PINS, _pin_rows(design)), "pins of the circuit, in the order of its ports")


def _pin_rows(design: Design) -> Iterator[tuple[Any, ...]]:
    circuit, golden = design.circuit, design.golden
    inputs = circuit.inputs
    driven = {int(n): k for k, n in enumerate(inputs.node)}
    rails = {rail.node: rail.voltage for rail in circuit.rails}
    for position, pin in enumerate(design.structure.pins, start=1):
        v = golden.voltages[:, pin.node]
        currents = golden.fed if pin.direction == "output" else golden.currents
        k = driven.get(pin.node)
        feature: tuple[Any, ...] = (None, None, None)
        if k is not None:
            feature = (int(inputs.feature[k]), float(inputs.gain[k]), float(inputs.offset[k]))
        fixed = 0.0 if pin.direction == "common" else rails.get(pin.node)
        most = float(np.abs(currents[:, pin.node]).max())
        yield (
            position,
            pin.name,
            pin.direction,
            float(v.min()),
            float(v.max()),
            most,
            *feature,
            fixed,
            pin.note,
        )
