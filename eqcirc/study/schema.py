"""The study file: which circuit, what is not ideal about it, on how many chips, and what is asked of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tomli_w
from pydantic import AfterValidator, Field, field_validator

from eqcirc.experiment.load import read_toml, validated
from eqcirc.experiment.reality import Reality
from eqcirc.experiment.section import Count, Finite, Positive, Section, Switch, Whole, from_folder

Arm = Literal["transfer", "in-situ", "fine-tuned"]
Engine = Literal["ideal", "ngspice"]


class InSitu(Section):
    """Training through each chip, from the first step on."""

    epochs: Count | None = Field(None, description="passes; those of the experiment if left out")


class FineTuning(Section):
    """Training through each chip, from the transferred values on."""

    epochs: Count = Field(5, description="passes")
    rate: Positive = Field(0.25, description="factor of the experiment's learning rate")


class Corner(Section):
    """Conditions under which all chips are measured once more; nothing is trained in them."""

    celsius: Finite | None = Field(None, description="°C; temperature of Shockley diodes")
    supply: Positive | None = Field(None, description="factor of the voltages of all rails")


class Study(Section):
    """A study."""

    name: str = Field("study", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="title")
    experiment: Annotated[Path, AfterValidator(from_folder)] = Field(
        description="experiment file, trained first on the ideal circuit; or a run directory, seen from this file"
    )
    chips: Count = Field(50, description="number of chips")
    first: Whole = Field(0, description="number of the first one")
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)] = Field(
        ("transfer",), description="transfer, in-situ, fine-tuned"
    )
    trained: Count | None = Field(
        None, description="chips of the arms that train, the first ones; all if left out"
    )
    engine: Engine = Field("ideal", description="that trains through chips: ideal or ngspice")
    scored_by: Annotated[tuple[Engine, ...], Field(min_length=1)] = Field(
        ("ideal",), description="ideal, ngspice or both"
    )
    part: Literal["train", "validation", "test"] = Field("test", description="part of the data that scores")
    samples: Count | None = Field(None, description="that score, the first ones; all if left out")
    target: Finite | None = Field(
        None, description="accuracy to reach, 0 to 1; of a regression, loss not to exceed"
    )
    ranking: Switch = Field(
        False, description="also with each kind of non-ideality alone, and with all but one"
    )
    corners: tuple[Corner, ...] = Field((), description="further conditions")
    in_situ: InSitu = Field(InSitu(), description="")
    fine_tuning: FineTuning = Field(FineTuning(), description="")
    reality: Reality = Field(
        description="what is not ideal, as in experiment files; the key chip does nothing"
    )

    @field_validator("arms", "scored_by", "corners")
    @classmethod
    def _once(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        """Refuse what is there twice."""
        if len(set(map(repr, values))) < len(values):
            raise ValueError("expected each value once")
        return values


def load_study(path: Path | str) -> Study:
    """Read a study file.

    Raises:
        ConfigError: the file is missing, is not TOML, or holds unknown keys or values out of range (all are listed).
    """
    path = Path(path)
    content = read_toml(path, "study file", "see circuits/studies/digits.toml and docs/studies.md")
    return validated(Study, content, str(path), path.parent)


def to_toml(study: Study) -> str:
    """Return a study as TOML, all defaults written out."""
    return tomli_w.dumps(study.model_dump(mode="json", exclude_none=True))
