"""eqcirc physical."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Result

Command = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("one_worker")

KNOWN = """
[physical]
capacitance = 2e-12
settle = 1
write_joules = 1e-12
[[physical.ratings]]
kind = "synapse"
volts = 1e-3
watts = 1.0
"""


@pytest.fixture
def source(eqcirc: Command) -> str:
    """An experiment, and beside it known.toml."""
    Path("known.toml").write_text(KNOWN)
    return "tiny.toml"


def test_power_is_said_without_anything_else(eqcirc: Command, source: str) -> None:
    text = eqcirc("physical", source)
    assert text.code == 0
    for words in ("W an inference", "needs a capacitance", "needs physical.write_volts", "shockley_diode"):
        assert words in text.out
    found = eqcirc("physical", source, "--json").json
    assert found["samples"] == 4
    assert found["imbalance"] < 1e-9
    assert found["settled"] == found["noise"] == []
    total = sum(row["mean (W)"] for row in found["power"]["layer"])
    assert total == pytest.approx(0, abs=1e-9 * found["mean_watts"])


def test_what_is_known_is_used_and_ratings_are_held_against_it(eqcirc: Command, source: str) -> None:
    given = ("physical", source, "--physical", "known.toml", "--samples", 3)
    text = eqcirc(*given)
    assert text.code == 1
    assert "rated 0.001 V" in text.err
    assert "2e-12 F at every node" in text.out
    found = eqcirc(*given, "--json").json
    assert len(found["settled"]) == len(found["noise"]) == 1
    assert found["update_joules"] == pytest.approx(1e-12 * found["synapses"])
    used = {(s["kind"], s["quantity"]): s["used"] for s in found["seen"]}
    assert used["synapse", "volts"] > 1 > used["synapse", "watts"]
    assert used["amplifier", "volts"] is None
    slower = eqcirc(*given, "--capacitance", 4e-12, "--settle", 2, "--json").json
    assert len(slower["settled"]) == 2
    assert slower["settled"][0]["seconds"] == pytest.approx(2 * found["settled"][0]["seconds"], rel=1e-2)


def test_a_run_through_both_engines(eqcirc: Command) -> None:
    assert eqcirc("train", "tiny.toml", "--out", "run").code == 0
    ideal, other = (
        eqcirc("physical", "run", "--engine", engine, "--json").json for engine in ("ideal", "ngspice")
    )
    assert other["mean_watts"] == pytest.approx(ideal["mean_watts"], rel=1e-9)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--physical", "tiny.toml"), "tiny.toml has no table [physical]"),
        (("--capacitance", -1), "expected between 1e-18 and 1 F"),
        (("--samples", 0), "--samples"),
        (("--physical", "missing.toml"), "missing.toml"),
    ],
)
def test_what_it_cannot_do_is_said(
    eqcirc: Command, source: str, given: tuple[object, ...], message: str
) -> None:
    result = eqcirc("physical", source, *given)
    assert result.code in (2, 3, 4)
    assert message in result.err
