"""Signals while a circuit is trained: wishes to stop, and an alarm when a batch takes long."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

PATIENCE = 20.0  # seconds before somebody who waits is told what for


def say_at_once(text: str) -> None:
    """Write a line to standard error from a signal handler, which may have come in the middle of another write."""
    standard_error = 2
    start = "\n" if os.isatty(standard_error) else ""  # below the progress bar
    os.write(standard_error, f"{start}{text}\n".encode())


class Stopping:
    """Context manager: Ctrl-C and SIGTERM ask for a stop after the present batch, a second one stops at once.

    The trainer asks for the wish: `asked()`.
    """

    def __init__(self) -> None:
        """Start without a wish to stop."""
        self._asked = False
        self._at_once = False
        self._before: dict[signal.Signals, object] = {}

    def asked(self) -> bool:
        """Whether a stop was asked for."""
        return self._asked

    def at_once(self) -> None:
        """Let the next signal stop at once: there is no batch any more to be finished first."""
        self._at_once = True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._asked or self._at_once:
            raise KeyboardInterrupt
        self._asked = True
        say_at_once("stopping after this batch; once more to stop at once")

    def __enter__(self) -> Stopping:
        """Install the handlers."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        """Put the old handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


class Patience:
    """Says once what is waited for, when nothing has come for `PATIENCE` seconds. Usable as a context manager."""

    def __init__(self, waiting_for: Callable[[], str]) -> None:
        """Remember whom to ask what is waited for."""
        self._waiting_for = waiting_for
        self._said = False
        self._before: object = signal.SIG_DFL

    def start(self) -> None:
        """Begin to count."""
        self._before = signal.signal(signal.SIGALRM, self._say)
        self.start_again()

    def start_again(self) -> None:
        """Count from 0: something came."""
        if not self._said:
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)

    def stop(self) -> None:
        """Count no more."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)  # type: ignore[arg-type]

    def __enter__(self) -> Patience:
        """Begin to count; in the main thread only, which signals come to."""
        if threading.current_thread() is threading.main_thread():
            self.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Count no more."""
        if threading.current_thread() is threading.main_thread():
            self.stop()

    def _say(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._said = True
        say_at_once(f"{PATIENCE:.0f} s without news; waiting for {self._waiting_for()}")
