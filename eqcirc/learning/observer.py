"""Who hears how a training run goes: an object that is told of every batch, or a function that is told of epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from eqcirc.errors import ConfigError

if TYPE_CHECKING:
    from eqcirc.learning.trainer import Trainer


class Observer(Protocol):
    """Is told how a run goes."""

    def on_batch(self, trainer: Trainer, samples: int) -> None:
        """A batch of `samples` is done."""
        ...

    def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """An epoch is done; `row` is its line of the metrics."""
        ...


Listener = Observer | Callable[[dict[str, Any]], object]
"""What `Trainer.run` takes: a plain function is called after every epoch, with its line of the metrics."""


class Several:
    """Tells several observers, in their order."""

    def __init__(self, *observers: Observer) -> None:
        """Remember whom to tell."""
        self._observers = observers

    def on_batch(self, trainer: Trainer, samples: int) -> None:
        """See `Observer.on_batch`."""
        for observer in self._observers:
            observer.on_batch(trainer, samples)

    def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """See `Observer.on_epoch`."""
        for observer in self._observers:
            observer.on_epoch(trainer, row)


class _Epochs:
    """Calls a function after every epoch."""

    def __init__(self, function: Callable[[dict[str, Any]], object]) -> None:
        self._function = function

    def on_batch(self, trainer: Trainer, samples: int) -> None:
        pass

    def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
        self._function(dict(row))


def observing(listener: Listener | None) -> Observer | None:
    """Return an observer for what a caller gave.

    Raises:
        ConfigError: it is neither an observer nor a function.
    """
    if listener is None:
        return None
    if not isinstance(listener, type) and hasattr(listener, "on_batch") and hasattr(listener, "on_epoch"):
        return listener
    if callable(listener) and not isinstance(listener, type):
        return _Epochs(listener)
    raise ConfigError(
        f"observer = {listener!r}: expected a function of an epoch's line of the metrics, such as print, or an object "
        "with on_batch and on_epoch, such as ProgressBar()"
    )
