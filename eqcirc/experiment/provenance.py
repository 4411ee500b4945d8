"""Where a run comes from: the machine and its programs, and the circuit that was trained."""

from __future__ import annotations

import hashlib
import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from eqcirc.circuit.circuit import Circuit

PACKAGES = ("eqcirc", "numpy", "scipy", "PySpice", "pandas", "scikit-learn")


def environment() -> dict[str, Any]:
    """Return versions, machine and command line, as recorded with every run and result."""
    return {
        "command": shlex.join(sys.argv),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def fingerprint(circuit: Circuit) -> str:
    """Return a digest of everything in a circuit that training does not change."""
    digest = hashlib.sha256()

    def add(*parts: object) -> None:
        for part in parts:
            digest.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
            digest.update(b"|")

    inputs, readout = circuit.inputs, circuit.readout
    add(
        circuit.node_names,
        circuit.rails,
        inputs.node,
        inputs.feature,
        inputs.gain,
        inputs.offset,
        readout.nodes,
        readout.weights.indptr,
        readout.weights.indices,
        readout.weights.data,
    )
    for element in circuit.elements:
        add(type(element).__name__, element.name, element.trainable, element.bounds, element.terminals())
        add(getattr(element, "law", None), getattr(element, "kappa", None))
        if not element.trainable:
            add(element.value)
        if element.programming is not None:
            add(element.programming.key)
    return digest.hexdigest()


def _processor() -> str:
    """Return the processor's name; /proc/cpuinfo knows more than `platform` on Linux."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    return next(
        (line.partition(": ")[2] for line in text.splitlines() if line.startswith("model name")), "unknown"
    )
