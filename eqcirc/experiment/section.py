"""What all tables of the experiment file have in common: kinds of values, no unknown keys, no keys that do nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationInfo, field_validator

# Strict: true is not the number 1, and "1e-7" in quotes is not a number.
Finite = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Positive = Annotated[Finite, Field(gt=0)]
NotNegative = Annotated[Finite, Field(ge=0)]
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
    """

    choice: str
    values: tuple[str | None, ...]
    keys: tuple[str, ...]


class Section(BaseModel):
    """A table of the file: no unknown keys, no changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    branches: ClassVar[tuple[Branch, ...]] = ()

    @field_validator("*")
    @classmethod
    def _has_an_effect(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse a value of a branch that is not chosen; the default may stand, as in files with all keys."""
        for choice, values, keys in cls.branches:
            if info.field_name not in keys or choice not in info.data or info.data[choice] in values:
                continue
            default = cls.model_fields[info.field_name].get_default()
            if value != default:
                right = " or ".join(_said(choice, v) for v in values)
                known = "" if default is None or isinstance(default, BaseModel) else f", {default}"
                raise ValueError(
                    f"does nothing with {_said(choice, info.data[choice])}, only with {right}; "
                    f"leave it out (or at its default{known}), or choose that"
                )
        return value


def _said(choice: str, value: Any) -> str:
    """Return a choice as a reader of the file would say it."""
    if value is None:
        return f"no {choice}"
    return f"a table {choice}" if isinstance(value, BaseModel) else f'{choice} = "{value}"'
