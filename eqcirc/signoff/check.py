"""What a check is, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eqcirc.signoff.bundle import Bundle


class Verdict(StrEnum):
    """How a check ended; one that was skipped has shown nothing."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Skipped(Exception):  # noqa: N818 - no error: the check does not apply, or its tool is not here
    """A check that cannot be made, and why."""


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes:
        problems: what is wrong, in sentences; none if all is well.
        found: what was looked at, in a sentence.
        tool: what looked, with its version.
        numbers: key figures by name, with their unit in the name.
        files: what a tool made on the way, to be looked at; by name.
    """

    problems: list[str]
    found: str
    tool: str = ""
    numbers: dict[str, float] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """A check of a bundle.

    Attributes:
        key: a word for reports and the command line.
        title: what it shows, in words.
        run: the check; raises `Skipped` where it cannot be made, `EqcircError` where the bundle keeps it from working.
    """

    key: str
    title: str
    run: Callable[[Bundle], Outcome]


@dataclass(frozen=True)
class Result:
    """A check that was run.

    Attributes:
        check: which one.
        verdict: how it ended.
        found: what was looked at, or why it was skipped.
        problems: what is wrong.
        tool: what looked.
        numbers: key figures.
        seconds: how long it took.
        files: what the tool made.
    """

    check: Check
    verdict: Verdict
    found: str
    problems: list[str]
    tool: str
    numbers: dict[str, float]
    seconds: float
    files: dict[str, bytes] = field(default_factory=dict)
