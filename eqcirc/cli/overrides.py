"""`--set key=value`: change keys of an experiment from the command line."""

from __future__ import annotations

import tomllib
from typing import Any

from eqcirc.errors import ConfigError
from eqcirc.experiment.load import parse
from eqcirc.experiment.schema import Experiment


def changed(experiment: Experiment, changes: list[str], option: str = "--set") -> Experiment:
    """Return the experiment with keys replaced; `changes` are like ``learning.epochs=5``, `option` asked for them.

    Raises:
        ConfigError: not of that form, unknown key, or value out of range.
    """
    if not changes:
        return experiment
    content = experiment.model_dump(mode="json", exclude_unset=True)
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
    return parse(content, option)


def _value(text: str) -> Any:
    """Read a TOML value; anything that is not one is a string, so that quotes can be left out."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
