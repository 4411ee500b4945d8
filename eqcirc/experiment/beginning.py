"""Values to begin with: those of another run, or of a file, and where they came from."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.errors import CircuitError, ConfigError
from eqcirc.experiment.data_record import recorded_names
from eqcirc.learning import checkpoint
from eqcirc.typing import Array


def values_from(
    path: Path | str, circuit: Circuit, names: tuple[str, ...] = (), classes: tuple[str, ...] = ()
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return values (by element) for all trainable elements of a circuit, and their provenance.

    Args:
        path: a run directory, whose best values are taken if it keeps those, or an npz file of arrays by element.
        circuit: that is to begin with them.
        names: of the features that it is to be trained on, and
        classes: of its outputs; those of a run must be the same, in the same order. () where they have none.

    Raises:
        ConfigError: nothing is there, or no values that fit the circuit.
        CheckpointError: the run is damaged.
    """
    path = Path(path)
    if path.is_dir():
        arrays, facts = _of_run(path)
        _same_meaning(path, names, classes)
    else:
        arrays, facts = _of_file(path)
    wanted = [e.name for e in circuit.trainable]
    missing = sorted(set(wanted) - set(arrays))
    if missing:
        raise ConfigError(
            f"{path} has no values for {', '.join(missing)} of circuit {circuit.name!r}; it has those of "
            f"{', '.join(sorted(arrays)) or 'nothing'}"
        )
    values = {name: np.asarray(arrays[name], np.float64) for name in wanted}
    try:
        circuit.check(values)
    except CircuitError as error:
        raise ConfigError(f"values of {path} do not fit circuit {circuit.name!r}: {error}") from error
    for e in circuit.trainable:
        outside = (values[e.name] < e.bounds.lower) | (values[e.name] > e.bounds.upper)
        if outside.any():
            raise ConfigError(
                f"{path}: {int(outside.sum())} values of {e.name} are outside its bounds {e.bounds.lower:g} to "
                f"{e.bounds.upper:g} {e.unit}; widen the bounds"
            )
    return values, {"path": str(path.absolute()), **facts}


def _same_meaning(folder: Path, names: tuple[str, ...], classes: tuple[str, ...]) -> None:
    """Refuse values that were trained for other features or classes, or for the same in another order."""
    known = recorded_names(folder)
    for what, old, new in (("features", known[0], names), ("classes", known[1], classes)):
        if old and new and old != new:
            apart = "in another order" if sorted(old) == sorted(new) else "others"
            raise ConfigError(
                f"the values of {folder} are for the {what} {', '.join(old)}; these data have {apart}: "
                f"{', '.join(new)}. Bring the columns into that order with data.columns, or rename them"
            )


def _of_run(folder: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    arrays, meta = checkpoint.load(folder)
    experiment = meta.get("experiment") or {}
    kind = "best" if experiment.get("learning", {}).get("keep") == "best" else "parameter"
    values = _named(arrays, f"{kind}.") or _named(arrays, "parameter.")
    facts = {key: meta.get(key) for key in ("epoch", "sha256", "circuit")}
    return values, {"run": experiment.get("name"), "seed": experiment.get("seed"), **facts}


def _of_file(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    try:
        content = path.read_bytes()
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise ConfigError(f"expected a run directory or an npz file of values, there is no {path}") from error
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise ConfigError(
            f"{path}: expected a run directory, or an npz file with an array for each trained element "
            f"(numpy.savez(path, **values)), got something else"
        ) from error
    return _named(arrays, "parameter.") or arrays, {"sha256": hashlib.sha256(content).hexdigest()}


def _named(arrays: dict[str, Array], prefix: str) -> dict[str, Array]:
    """Return the arrays whose names begin so, without that beginning."""
    return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
