"""A commented experiment file, made from the schema so that the two cannot drift apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from eqcirc.experiment.load import model_in, parse, title
from eqcirc.experiment.schema import Experiment

_WIDEST = 40  # characters; comments behind longer entries are not aligned

_FEW_FEATURES: dict[str, Any] = {
    "data": {"scaling": "standard"},
    "network": {"hidden": [16], "input_gain": 2.0, "biases": {"voltage": 2.0}},
    "learning": {"batch_size": 16, "epochs": 60, "learning_rate": 4e-7},
    "solver": {"sweep": 8},
}
_IMAGES: dict[str, Any] = {
    "data": {"scaling": "none"},
    "network": {"hidden": [100], "input_gain": 20.0, "biases": {"voltage": 20.0}},
    "learning": {"batch_size": 64, "epochs": 10, "sharpness": 5.0},
    "audit": {"every": 200},
}
_SUITED: dict[str, dict[str, Any]] = {
    "xor": _FEW_FEATURES
    | {"data": {"scaling": "none"}}
    | {"learning": _FEW_FEATURES["learning"] | {"batch_size": 4, "epochs": 100}},
    "moons": _FEW_FEATURES,
    "iris": _FEW_FEATURES,
    "csv": _FEW_FEATURES,
    "npz": _FEW_FEATURES,
    "mnist": _IMAGES,
    "fashion-mnist": _IMAGES,
}
"""What differs from the schema's defaults, which suit the digits, by data set."""


def starting_point(
    data: str, *, path: Path | None = None, label: str = "label", targets: tuple[str, ...] = ()
) -> Experiment:
    """Return an experiment that trains reasonably on a data set.

    Args:
        data: name of the data set.
        path: of the file of csv or npz data, as the experiment file is to name it; data.csv or data.npz by default.
        label: column of the class in a csv file.
        targets: columns to predict instead.

    Raises:
        ConfigError: there is no such data set.
    """
    content = {section: dict(table) for section, table in _SUITED.get(data, {}).items()}
    network = content.setdefault("network", {})
    network |= {"initial": [1e-7, 3e-6], "amplifiers": {"gain": 4.0}}
    content["data"] = content.get("data", {}) | {"name": data}
    if targets:
        content["data"]["targets"] = list(targets)
        content["learning"] = content["learning"] | {"cost": "squared_error"}
    elif label != "label":
        content["data"]["label"] = label
    name = data if path is None else title(path.name.partition(".")[0])
    experiment = parse({"name": name, **content}, "init")
    if data not in ("csv", "npz"):
        return experiment
    path = path or Path(f"data.{data}")  # seen from the experiment file: not made absolute, as parsing would
    return experiment.model_copy(update={"data": experiment.data.model_copy(update={"path": path})})


def template(experiment: Experiment) -> str:
    """Return TOML text with every key of the schema, its value in `experiment`, meaning and unit.

    Keys and tables without a value are commented out, with an example.
    """
    head = [
        "# An eqcirc experiment. Train it with: eqcirc train <this file>",
        "# SI units throughout. Lines that begin with # are optional keys; remove the # to use one.",
        "# Keys of a choice that is not made (momentum with adam) are refused, unless they stay at their defaults.",
        "",
    ]
    return "\n".join([*head, *_keys(experiment, "")]).rstrip() + "\n"


def _keys(section: BaseModel, path: str) -> list[str]:
    """Return the lines of a table: its own keys first, then the tables within."""
    entries: list[tuple[str, str]] = []
    tables: list[str] = []
    for name, info in type(section).model_fields.items():
        value, inner = getattr(section, name), model_in(info.annotation)
        title = f"{path}.{name}".lstrip(".")
        if inner is None:
            entries.append((_entry(name, value, info), info.description or ""))
        elif isinstance(value, BaseModel):
            tables += _table(f"[{title}]", value, title)
        elif value is None:
            tables += [
                f"# {line}" if line else "" for line in _table(f"[{title}]", inner.model_construct(), title)
            ]
        elif value:
            for part in value:
                tables += _table(f"[[{title}]]", part, title)
        elif value == info.default:  # an example
            tables += [f"# {line}" if line else "" for line in _table(f"[[{title}]]", inner(), title)]
        else:
            entries.append((_entry(name, value, info), info.description or ""))
    width = max((len(entry) for entry, _ in entries if len(entry) <= _WIDEST), default=0)
    return [*(f"{entry:<{width}}  # {meaning}" for entry, meaning in entries), "", *tables]


def _table(header: str, section: BaseModel, path: str) -> list[str]:
    meaning = (type(section).__doc__ or "").splitlines()[0]
    return [f"{header}  # {meaning}", *_keys(section, path)]


def _entry(name: str, value: Any, info: FieldInfo) -> str:
    """Return `key = value`; a key without a value is commented out and shows an example."""
    if value is None:
        return f"# {name} = {_inline((info.examples or [''])[0])}"
    return f"{name} = {_inline(value)}"


def _inline(value: Any) -> str:
    """Return a value as TOML on one line."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(name)} = {_inline(part)}' for name, part in value.items())} }}"
    if isinstance(value, tuple):
        return f"[{', '.join(_inline(part) for part in value)}]"
    if isinstance(value, float):
        return repr(value).replace("e-0", "e-")
    return tomli_w.dumps({"x": str(value) if isinstance(value, Path) else value}).removeprefix("x = ").strip()


def _key(name: str) -> str:
    """Return a key, in quotes if it needs them."""
    return tomli_w.dumps({name: 0}).partition(" = ")[0]
