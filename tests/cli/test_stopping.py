from __future__ import annotations

import signal

import pytest

from eqcirc.cli import stopping
from eqcirc.cli.stopping import Patience, Stopping


def test_the_first_signal_asks_and_the_second_stops(capfd: pytest.CaptureFixture[str]) -> None:
    with Stopping() as stopping:
        assert not stopping.asked()
        signal.raise_signal(signal.SIGTERM)
        assert stopping.asked()
        assert "stopping after this batch" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_where_no_batch_is_left_the_first_signal_stops_though_nobody_asked() -> None:
    with Stopping() as stopping:
        stopping.at_once()
        assert not stopping.asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_patience_says_once_what_is_waited_for_and_leaves_no_alarm(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "PATIENCE", 0.01)
    before = signal.getsignal(signal.SIGALRM)
    with Patience(lambda: "Godot"):
        signal.pause()
    assert capfd.readouterr().err == "0 s without news; waiting for Godot\n"
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before
