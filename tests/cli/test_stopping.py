from __future__ import annotations

import signal

import pytest

from eqcirc.cli.stopping import Stopping


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
