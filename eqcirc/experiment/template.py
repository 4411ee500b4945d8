"""A commented experiment file, made from the schema so that the two cannot drift apart."""

from __future__ import annotations

from typing import Any

import tomli_w
from pydantic import BaseModel

from eqcirc.experiment.schema import Amplifiers, Experiment


def template(experiment: Experiment) -> str:
    """Return TOML text with every key of the schema, its value in `experiment`, meaning and unit."""
    lines = ["# An eqcirc experiment. Train it with: eqcirc train <this file>", "# SI units throughout.", ""]
    return "\n".join([*lines, *_table(experiment, ())]) + "\n"


def _table(section: BaseModel, path: tuple[str, ...]) -> list[str]:
    """Return a table: its own keys first, then the tables within."""
    lines: list[str] = []
    if path:
        lines += [f"[{'.'.join(path)}]  # {_first_line(section)}"]
    tables: list[str] = []
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            tables += _table(value, (*path, name))
        elif value is None and name == "amplifiers":
            tables += [f"# {line}" if line else "" for line in _table(Amplifiers(), (*path, name))]
        else:
            lines.append(_entry(name, value, info.description or ""))
    return [*lines, "", *tables]


def _entry(name: str, value: Any, description: str) -> str:
    """Return `key = value  # meaning`; a key without a value is commented out."""
    if value is None:
        return f"# {name} =  # {description}"
    if isinstance(value, tuple):
        value = [list(v) if isinstance(v, tuple) else v for v in value]
    text = tomli_w.dumps({name: value}).strip().replace("\n", " ").replace("[     ", "[").replace("     ", "")
    return f"{text.replace(', ]', ']').replace(',]', ']')}  # {description}"


def _first_line(section: BaseModel) -> str:
    return (type(section).__doc__ or "").splitlines()[0]
