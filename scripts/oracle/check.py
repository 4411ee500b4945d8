"""The table of a self test: one line per check, with the worst error found and what is allowed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Table:
    """Lines of (name, worst error, limit, cases); printed as they come."""

    failures: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def line(self, name: str, worst: float, limit: float, cases: int = 1, note: str = "") -> None:
        """A check passes where the worst error is at most the limit (and not NaN)."""
        passed = worst <= limit
        if not passed:
            self.failures.append(name)
        verdict = "ok  " if passed else "FAIL"
        print(f"{verdict} {name:<58} {worst:9.2e} <= {limit:7.1e}  {cases:4d} cases  {note}", flush=True)

    def true(self, name: str, holds: bool, note: str = "") -> None:
        """A check that holds or does not."""
        self.line(name, 0.0 if holds else 1.0, 0.5, 1, note)
