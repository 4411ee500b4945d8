"""`--set key=value`: change keys of an experiment from the command line."""

from __future__ import annotations

import tomllib
from typing import Any

from eqcirc.errors import ConfigError
from eqcirc.experiment.load import model_in, parse
from eqcirc.experiment.schema import Experiment
from eqcirc.experiment.section import Section


def changed(experiment: Experiment, changes: list[str], option: str = "--set") -> Experiment:
    """Return the experiment with keys replaced; `changes` are like ``learning.epochs=5``, `option` asked for them.

    Keys that do nothing with what is chosen now are dropped, unless they are in `changes` themselves.

    Raises:
        ConfigError: not of that form, unknown key, or value out of range.
    """
    if not changes:
        return experiment
    content = experiment.model_dump(mode="json", exclude_unset=True)
    given = []
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {change!r}: expected key=value, for example learning.epochs=5")
        *sections, last = key.strip().split(".")
        table: dict[str, Any] = content
        for section in sections:
            inner = table.setdefault(section, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"--set {change!r}: {section!r} is a value, not a table")
            table = inner
        table[last] = _value(text.strip())
        given.append(f"{key.strip()}.")
    _drop_branches_left(Experiment, content, given)
    return parse(content, option)


def _drop_branches_left(
    section: type[Section], table: dict[str, Any], given: list[str], path: str = ""
) -> None:
    """Drop keys of branches that are not chosen; `given` keys, what is in them and around them stay."""
    for branch in section.branches:
        value = table.get(branch.choice, section.model_fields[branch.choice].default)
        value = tuple(value) if isinstance(value, list) else value
        if branch.matter(value.lower() if isinstance(value, str) else value):  # devices are in any case
            continue
        for key in branch.keys:
            name = f"{path}{key}."
            if not any(name.startswith(own) or own.startswith(name) for own in given):
                table.pop(key, None)
    for key, info in section.model_fields.items():
        inner, content = model_in(info.annotation), table.get(key)
        if isinstance(content, dict) and inner is not None and issubclass(inner, Section):
            _drop_branches_left(inner, content, given, f"{path}{key}.")


def _value(text: str) -> Any:
    """Read a TOML value; anything that is not one is a string, so that quotes can be left out."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
