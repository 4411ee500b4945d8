"""Ctrl-C and SIGTERM ask for a stop after the present batch; a second one stops at once."""

from __future__ import annotations

import signal
from types import FrameType


class Stopping:
    """Context manager that turns the first SIGINT or SIGTERM into a question that the trainer asks: `asked()`."""

    def __init__(self) -> None:
        """Start without a wish to stop."""
        self._asked = False
        self._before: dict[signal.Signals, object] = {}

    def asked(self) -> bool:
        """Whether a stop was asked for."""
        return self._asked

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def __enter__(self) -> Stopping:
        """Install the handlers."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        """Put the old handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
