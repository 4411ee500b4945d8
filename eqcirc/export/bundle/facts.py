"""What a manifest says of a design beside its list of files."""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib.metadata import version
from typing import Any

from eqcirc.export.bundle.chips import CHIPS, usual
from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.ratings import UNITS
from eqcirc.text import ascii_line


def facts(design: Design, target: str) -> dict[str, Any]:
    """Return facts by name; no time and no place, so that they can be repeated.

    README.txt is written from these and the tables, so whoever has both can tell whether it is theirs.
    """
    structure, golden = design.structure, design.golden
    return {
        "design": design.digest,
        "name": design.circuit.name,
        "notes": [ascii_line(note) for note in design.head],
        "run": dict(design.facts),
        "target": target,
        "top": structure.top.name,
        "ports": [{"name": pin.name, "direction": pin.direction} for pin in structure.pins],
        "devices": _devices(design),
        "blocks": [{"cell": block.name, "kind": block.kind} for block in structure.blocks],
        "outputs": list(design.outputs),
        "units": {
            "voltage": "V",
            "current": "A",
            "resistance": "ohm",
            "conductance": "S",
            "capacitance": "F",
        },
        "temperature_celsius": 27,
        "vectors": len(golden),
        "phases": list(dict.fromkeys(golden.phase)),
        "held": golden.holding is not None,
        "operating_points": golden.evidence.words,
        "ratings": {
            letter: {unit: x for unit, x in zip(UNITS, rating, strict=True) if x is not None}
            for letter, rating in sorted(design.ratings.items())
        },
        "chips": _chips(design),
        "tools": tools(),
    }


def _devices(design: Design) -> dict[str, int]:
    """Return how many devices there are by their SPICE letter."""
    count = dict.fromkeys("rcldx", 0)
    for _, device in design.structure.devices():
        count[device.letter] += 1
    return {letter: n for letter, n in count.items() if n}


def _chips(design: Design) -> dict[str, Any] | None:
    """Return how many chips are in mc_samples.csv, and what differs between them; None where nothing does."""
    reality = usual(design)
    if reality is None:
        return None
    kinds = ascii_line(", ".join(map(repr, reality.kinds)), most=300)
    return {"count": CHIPS, "assumed": design.reality is None, "differ": kinds}


def tools() -> dict[str, str]:
    """Return versions of what made the bundle."""
    found = {name: version(name) for name in ("eqcirc", "numpy", "scipy")}
    path = shutil.which("ngspice")
    if path is not None:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=60, check=False
        ).stdout
        line = next((x for x in said.splitlines() if "ngspice-" in x), "")
        found["ngspice"] = line.partition("ngspice-")[2].split(" ")[0] or "unknown"
    return {"python": platform.python_version(), **found}
