"""Reading and writing experiment files, with errors that name the key and the nearest valid one."""

from __future__ import annotations

import re
import reprlib
import tomllib
import typing
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from eqcirc.errors import ConfigError, nearest
from eqcirc.experiment.schema import Experiment
from eqcirc.text import shell

S = TypeVar("S", bound=BaseModel)

DIODE = "diode.toml"
"""What a run calls its copy of the file that network.neurons.device names."""

CIRCUIT = "circuit.npz"
"""What a run calls its copy of the file that `circuit` names."""

CHANGEABLE = ("audit.", "learning.epochs", "learning.patience", "learning.keep", "learning.failed_limit")
"""Beginnings of keys that a run may go on with other values of; what it did until then stays as it is."""

_WITHOUT_EFFECT = ("data.path", "solver.workers", "solver.cluster", "solver.deadline", "solver.memory")
"""Keys that change no result: where data lie and where sweeps run. (What is in the data is checked elsewhere.)"""


def load_experiment(path: Path | str, *, recorded: bool = False) -> Experiment:
    """Read an experiment file, or what a run `recorded` as its own.

    Raises:
        ConfigError: the file is missing, is not TOML, or holds unknown keys or values out of range (all are listed).
    """
    path = Path(path)
    content = read_toml(path, "experiment file", "write one with 'eqcirc init', or see circuits/*.toml")
    return parse(content, str(path), path.parent, recorded=recorded)


def read_toml(path: Path, what: str, advice: str) -> dict[str, Any]:
    """Read a TOML file of some kind.

    Raises:
        ConfigError: the file is missing (then `advice` says what to do), empty, or no TOML.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a mark in front
    except FileNotFoundError as error:
        raise ConfigError(f"no {what} {path}; {advice}") from error
    except IsADirectoryError as error:
        article = "an" if what[0] in "aeiou" else "a"
        raise ConfigError(
            f"expected {article} {what}, got the folder {path}; a run in it goes on with "
            f"'eqcirc resume {shell(path)}'"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{what} {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{what} {path} is not valid TOML: {error}") from error
    if not content:
        raise ConfigError(
            f"{what} {path} is empty: expected at least the data to train on; 'eqcirc init' writes a file "
            "with every key"
        )
    return content


def parse(
    content: dict[str, Any], where: str, folder: Path | None = None, *, recorded: bool = False
) -> Experiment:
    """Check the content of an experiment file.

    Args:
        content: what the file holds.
        where: name of the file, for messages.
        folder: what relative paths in it count from; the working directory if not given.
        recorded: whether a run left it behind; keys that do nothing are then taken as not set.

    Raises:
        ConfigError: lists every wrong key.
    """
    return validated(Experiment, content, where, folder, recorded=recorded)


def validated(
    model: type[S], content: dict[str, Any], where: str, folder: Path | None = None, *, recorded: bool = False
) -> S:
    """Check the content of a file of some schema; the arguments are those of `parse`.

    Raises:
        ConfigError: lists every wrong key.
    """
    try:
        return model.model_validate(content, context={"folder": folder or Path(), "recorded": recorded})
    except ValidationError as error:
        sentences = list(dict.fromkeys(_sentence(problem, content, model) for problem in error.errors()))
        if len(sentences) == 1:
            raise ConfigError(f"{where}: {sentences[0]}") from error
        raise ConfigError("\n  ".join([f"{where}: {len(sentences)} problems", *sentences])) from error


def diode_file(experiment: Experiment) -> Path | None:
    """Return the file that network.neurons.device names, if it names one."""
    neurons = experiment.network.neurons
    return Path(neurons.device) if neurons is not None and neurons.device.endswith(".toml") else None


def recorded(experiment: Experiment) -> dict[str, Any]:
    """Return the experiment as a run keeps it: plain values with all defaults, and its own names for files it copies.

    Keys without a value are left out.
    """
    content = experiment.model_dump(mode="json", exclude_none=True)
    if experiment.circuit is not None:
        content["circuit"] = CIRCUIT
        del content["network"]
    if diode_file(experiment) is not None:
        content["network"]["neurons"]["device"] = DIODE
    return content


def to_toml(experiment: Experiment, folder: Path | None = None) -> str:
    """Return `recorded(experiment)` as TOML; data in `folder`, where it will lie, are named as seen from there."""
    content, data = recorded(experiment), experiment.data.path
    if folder is not None and data is not None and data.is_relative_to(folder.absolute()):
        content["data"]["path"] = str(data.relative_to(folder.absolute()))
    return tomli_w.dumps(content)


def decisive(experiment: Experiment) -> dict[str, Any]:
    """Return `recorded(experiment)` without the keys that change no result."""
    content = recorded(experiment)
    for key in _WITHOUT_EFFECT:
        section, _, name = key.partition(".")
        content.get(section, {}).pop(name, None)
    return content


def differences(one: Experiment, other: Experiment) -> dict[str, tuple[Any, Any]]:
    """Return both values of the dotted keys that differ and change a result; None for a key without a value."""
    first, second = flatten(decisive(one)), flatten(decisive(other))
    pairs = {k: (first.get(k), second.get(k)) for k in sorted(first.keys() | second.keys())}
    return {k: (old, new) for k, (old, new) in pairs.items() if old != new}


def changeable(key: str) -> bool:
    """Whether a run may go on with another value of a dotted key."""
    return key.startswith(CHANGEABLE)


def in_words(changes: dict[str, tuple[Any, Any]]) -> str:
    """Return differences as ``learning.epochs = 20 (was 400), …``."""
    nothing = "not set"
    return ", ".join(
        f"{key} = {nothing if new is None else new} (was {nothing if old is None else old})"
        for key, (old, new) in changes.items()
    )


def title(text: str) -> str:
    """Return text as an experiment may be called."""
    letters = "".join(c if (c.isascii() and c.isalnum()) or c in "._-" else "-" for c in text).lstrip("._-")
    return letters or "experiment"


def flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def _sentence(problem: ErrorDetails, content: dict[str, Any], model: type[BaseModel]) -> str:
    """Say what is wrong at which dotted key, and what would be right."""
    path, got = _path(problem["loc"], content), problem["input"]
    key = ".".join(str(part) for part in path)
    if problem["type"] == "extra_forbidden":
        return f"unknown key '{key}': {nearest(str(path[-1]), _section(path[:-1], model).model_fields)}"
    if problem["type"] == "literal_error":
        valid = re.findall("'(.*?)'", problem["ctx"]["expected"])
        return f"{key}: unknown value {got!r}: {nearest(str(got), valid)}"
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}"
    expected = _EXPECTED.get(problem["type"], f"another value ({problem['msg']})")
    sentence = f"expected {expected.format(**problem.get('ctx', {}))}, got {reprlib.repr(got)}"
    return f"{key}: {sentence}" if key else sentence


_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a table",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "missing": "one more value",
    "model_type": "a table",
    "path_type": "a path",
    "string_pattern_mismatch": "letters, digits, '.', '_' and '-', the first one a letter or digit",
    "string_type": "text in quotes",
    "too_long": "at most {max_length} values",
    "tuple_type": "a list",
}
"""By pydantic's type of problem, in the words of TOML."""


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


def _section(location: list[int | str], model: type[BaseModel]) -> type[BaseModel]:
    """Return the schema of a table of a file."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = model_in(model.model_fields[part].annotation) or model
    return model


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the schema that an annotation such as `Amplifiers | None` holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in typing.get_args(annotation) if (m := model_in(a))), None)
