"""Files that no tool here runs, against those that some does: they say the same in another language."""

from __future__ import annotations

import re
from collections.abc import Iterator

from eqcirc.export.bundle.flavours import b_sources
from eqcirc.export.bundle.verilog import contribution
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.check import Outcome, Skipped
from eqcirc.signoff.gate import statements
from eqcirc.signoff.golden import read_golden
from eqcirc.signoff.layouts import subcircuits
from eqcirc.text import counted, one_line

_DRAWN = re.compile(r"\{([^*{}]+)\*exp\(agauss\([^()]*\)\)\}")
_BENCHES = ("tb_xyce.cir", "tb_ltspice.cir", "mc_native.sp")
_BRACKETS = {"models_xyce.sp": ("{", "}"), "models_ltspice.sp": ("", "")}


def same(bundle: Bundle) -> Outcome:
    """Compare Verilog-A, models and benches of other simulators with ours, and mc_dut.sp with dut.sp."""
    problems: list[str] = []
    compared = 0
    if bundle.has("models.sp"):
        ours = bundle.text("models.sp")
        for name, brackets in _BRACKETS.items():
            if bundle.has(name):
                compared += 1
                problems += _differ(name, bundle.text(name), b_sources(ours, *brackets), "models.sp")
        for cell, cards in subcircuits(ours).items():
            if bundle.has(f"va/{cell}.va"):
                compared += 1
                problems += _module(f"va/{cell}.va", bundle.text(f"va/{cell}.va"), cards)
    if bundle.has("golden.csv"):
        for name in _BENCHES:
            if bundle.has(name):
                compared += 1
                problems += _applied(name, bundle)
    if bundle.has("dut.sp") and bundle.has("mc_dut.sp"):
        compared += 1
        nominal = _DRAWN.sub(r"\1", bundle.text("mc_dut.sp"))
        problems += _differ("mc_dut.sp", nominal, bundle.text("dut.sp"), "dut.sp")
    if not compared:
        raise Skipped("the bundle has no such files")
    return Outcome(
        problems,
        f"{counted(compared, 'file')} against models.sp, dut.sp and golden.csv, statement by statement",
    )


def _differ(name: str, text: str, wanted: str, source: str) -> Iterator[str]:
    """Yield the first statement that is another one."""
    there = [statement for _, statement in statements(text)]
    expected = [statement for _, statement in statements(wanted)]
    for a, b in zip(there, expected, strict=False):
        if a != b:
            yield f"{name}: {one_line(a, 80)}, expected {one_line(b, 80)} as in {source}"
            return
    if len(there) != len(expected):
        yield f"{name} has {len(there)} statements, expected {len(expected)} as in {source}"


def _applied(name: str, bundle: Bundle) -> Iterator[str]:
    """Yield where a bench does not apply and feed the first golden vector."""
    wanted = {f"v_eq_{q.name}": q.values[0] for q in read_golden(bundle) if q.kind == "apply"}
    wanted |= {f"i_eq_feed_{q.name}": q.values[0] for q in read_golden(bundle) if q.kind == "feed"}
    there = {words[0]: words[-1] for _, text in statements(bundle.text(name)) if (words := text.split())}
    for source, value in wanted.items():
        try:
            applied = float(there.get(source, "nan"))
        except ValueError:
            applied = float("nan")
        if applied != value:
            yield f"{name}: {source} is {one_line(there.get(source, 'missing'), 40)}, golden.csv has {value:.9g}"


def _module(name: str, text: str, cards: list[str]) -> Iterator[str]:
    """Yield where the contributions of a module are not those of the cards of a block."""
    there = [line.strip() for line in text.splitlines() if "<+" in line and not line.startswith("//")]
    expected = [contribution(card).strip() for card in cards]
    if there != expected:
        yield f"{name}: {one_line(there, 80)}, expected {one_line(expected, 80)} as in models.sp"
