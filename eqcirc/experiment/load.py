"""Reading and writing experiment files, with errors that name the key and the nearest valid one."""

from __future__ import annotations

import tomllib
import types
import typing
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from eqcirc.errors import ConfigError, nearest
from eqcirc.experiment.schema import Experiment


def load_experiment(path: Path | str) -> Experiment:
    """Read an experiment file.

    Raises:
        ConfigError: the file is missing, is not TOML, or holds unknown keys or values out of range (all are listed).
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"no experiment file {path}; write one with 'eqcirc init', or see circuits/*.toml"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"experiment file {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"experiment file {path} is not valid TOML: {error}") from error
    return parse(content, str(path))


def parse(content: dict[str, Any], where: str) -> Experiment:
    """Check the content of an experiment file.

    Raises:
        ConfigError: lists every wrong key; `where` names the file.
    """
    try:
        return Experiment.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{where}: " + "\n".join(_explain(error.errors(), content))) from error


def to_toml(experiment: Experiment) -> str:
    """Return the experiment with all defaults written out; keys without a value are left out."""
    return tomli_w.dumps(experiment.model_dump(mode="json", exclude_none=True))


def differences(one: Experiment, other: Experiment) -> list[str]:
    """Return the dotted keys that differ and matter: how many workers solve does not change a result."""
    first, second = flatten(one.model_dump(mode="json")), flatten(other.model_dump(mode="json"))
    keys = sorted(first.keys() | second.keys())
    return [
        k for k in keys if first.get(k) != second.get(k) and k not in ("solver.workers", "solver.deadline")
    ]


def flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def _explain(problems: list[ErrorDetails], content: dict[str, Any]) -> list[str]:
    """Turn pydantic's problems into sentences, each with the dotted key."""
    paths = [_path(problem["loc"], content) for problem in problems]
    sentences = []
    for path, problem in zip(paths, problems, strict=True):
        deeper = any(other[: len(path)] == path and len(other) > len(path) for other in paths)
        if not deeper:  # a table that fits none of several forms is reported once, where it goes wrong
            sentences.append(_sentence(path, problem))
    return list(dict.fromkeys(sentences))


def _sentence(path: list[int | str], problem: ErrorDetails) -> str:
    key = ".".join(str(part) for part in path) or "the file"
    if problem["type"] == "extra_forbidden":
        return f"unknown key '{key}': {nearest(str(path[-1]), _section(path[:-1]).model_fields)}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    got = problem.get("input")
    shown = "" if isinstance(got, dict) else f", got {got!r}"
    return f"{key}: {message[0].lower()}{message[1:]}{shown}"


def _path(location: tuple[int | str, ...], content: Any) -> list[int | str]:
    """Return the keys of the file in pydantic's location, which also names the members of unions."""
    path: list[int | str] = []
    for part in location:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(part)
    return path


def _section(location: list[int | str]) -> type[BaseModel]:
    """Return the schema of a table of the file."""
    model: type[BaseModel] = Experiment
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the schema that an annotation such as `Diodes | None` holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, tuple):
        return next((m for a in typing.get_args(annotation) if (m := _model_in(a))), None)
    return None
