"""One tree of errors. Every message says what was expected, what came, where, and what to do.

The command line maps each family to an exit code (`EqcircError.exit_code`) and prints no traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Integral

from eqcirc.text import one_line


class EqcircError(Exception):
    """Base of everything that eqcirc raises on purpose."""

    exit_code = 1


class ConfigError(EqcircError):
    """An experiment file, a command-line option or an argument is wrong."""

    exit_code = 2


class DataError(EqcircError):
    """A data file is missing, corrupt, or holds values that cannot be used."""

    exit_code = 3


class CircuitError(EqcircError):
    """A circuit cannot be built: bad value, floating node, short, unknown device."""

    exit_code = 4


class SymmetryError(CircuitError):
    """No diagonal scaling makes the circuit's Jacobian symmetric, so Equilibrium Propagation does not apply.

    Attributes:
        reason: why, naming the element; a sentence without its end.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        """Make a message of the reason and of what can be done."""
        super().__init__(f"{reason}{advice}")
        self.reason = reason


class SolverError(EqcircError):
    """An operating point could not be found."""

    exit_code = 5


class EngineError(SolverError):
    """The circuit simulator is missing, died, or refused the netlist."""


class EngineLeftError(EngineError):
    """The simulator called exit() in its process; it cannot be used there any more."""


class UnmeasuredError(EngineError):
    """Samples whose simulator died, so that there is no score: not the circuit failed, but the measurement."""


class AuditError(SolverError):
    """The two solvers disagree by more than the stop threshold."""


class CheckpointError(EqcircError):
    """A run directory or checkpoint is missing, damaged, or belongs to another circuit or config."""

    exit_code = 6


def whole_number(what: str, value: object, least: int = 1) -> None:
    """Raise `ConfigError` unless a value is a whole number from `least` on."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{what} = {value!r}: expected a whole number from {least}")


def expect(what: str, value: object, kind: type | tuple[type, ...], expected: str) -> None:
    """Raise `ConfigError` unless a value is of a kind; `expected` says how to make one."""
    if not isinstance(value, kind):
        raise ConfigError(f"{what} = {one_line(repr(value), 60)}: expected {expected}")


def nearest(word: str, valid: Iterable[str]) -> str:
    """Return a hint such as ``did you mean 'hidden'? Valid: hidden, readout.`` for a misspelt word."""
    names = sorted(valid)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}Valid: {', '.join(names)}."
