"""What all tables of the experiment file have in common: kinds of values, no unknown keys, no keys that do nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationInfo, field_validator

# Strict: true is not the number 1, and "1e-7" in quotes is not a number.
Finite = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Positive = Annotated[Finite, Field(gt=0)]
NotNegative = Annotated[Finite, Field(ge=0)]
Share = Annotated[Finite, Field(ge=0, lt=1)]
Whole = Annotated[int, Strict(), Field(ge=0)]
Count = Annotated[int, Strict(), Field(ge=1)]
Switch = Annotated[bool, Strict()]


def from_folder(path: Path, info: ValidationInfo) -> Path:
    """Make a path absolute: it counts from the folder of the experiment file, if there is one."""
    folder = (info.context or {}).get("folder", Path())
    return Path(folder, path.expanduser()).absolute()


class Branch(NamedTuple):
    """Keys that matter only with some values of another key of the same table.

    Attributes:
        choice: the key that decides; it stands before `keys` in the table.
        values: of `choice` with which `keys` matter; None if a table is left out.
        keys: that do nothing with any other value.
        unless: the other way round: they do nothing with `values`, and matter with any other.
    """

    choice: str
    values: tuple[Any, ...]
    keys: tuple[str, ...]
    unless: bool = False

    def matter(self, value: Any) -> bool:
        """Whether the keys do something with that value of the choice."""
        return (value in self.values) != self.unless


class Section(BaseModel):
    """A table of the file: no unknown keys, no changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    branches: ClassVar[tuple[Branch, ...]] = ()

    @field_validator("*")
    @classmethod
    def _has_an_effect(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse a value of a branch that is not chosen; the default may stand, as in files with all keys.

        A run that was recorded before its key was refused keeps to be read: there it becomes the default.
        """
        for branch in cls.branches:
            choice = branch.choice
            if (
                info.field_name not in branch.keys
                or choice not in info.data
                or branch.matter(info.data[choice])
            ):
                continue
            default = cls.model_fields[info.field_name].get_default()
            if value != default and (info.context or {}).get("recorded"):
                return default
            if value != default:
                right = " or ".join(_said(choice, v) for v in branch.values)
                only, that = ("", "another") if branch.unless else (f", only with {right}", "that")
                known = "" if default in (None, ()) or isinstance(default, BaseModel) else f", {default}"
                raise ValueError(
                    f"does nothing with {_said(choice, info.data[choice])}{only}; "
                    f"leave it out (or at its default{known}), or choose {that}"
                )
        return value


def _said(choice: str, value: Any) -> str:
    """Return a choice as a reader of the file would say it."""
    if value is None:
        return f"no {choice}"
    if isinstance(value, BaseModel):
        return f"a table {choice}"
    return f"{choice} = {list(value) if isinstance(value, tuple) else json.dumps(value, default=str)}"
