"""From a `Design` to a folder."""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.files import File
from eqcirc.export.bundle.folder import check_folder, manifest, write_folder
from eqcirc.export.bundle.targets import ALL, files_of


def write_bundle(design: Design, folder: Path, target: str = ALL) -> list[File]:
    """Write the bundle of a design and return its files.

    Raises:
        ConfigError: the folder holds something else, or there is no such target.
        SolverError: a golden vector has no operating point.
        CheckpointError: the folder cannot be written.
    """
    check_folder(folder)
    files = files_of(design, target)
    everything = [manifest(facts(design, target), files), *files]
    write_folder(folder, everything)
    return everything


def facts(design: Design, target: str) -> dict[str, Any]:
    """Return what the manifest says beside its list of files; no time and no place, so that it can be repeated."""
    structure, golden = design.structure, design.golden
    return {
        "design": design.digest,
        "name": design.circuit.name,
        "run": dict(design.facts),
        "target": target,
        "top": structure.top.name,
        "ports": [{"name": pin.name, "direction": pin.direction} for pin in structure.pins],
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
        "held": golden.holding is not None,
        "operating_points": golden.evidence.words,
        "tools": tools(),
    }


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
