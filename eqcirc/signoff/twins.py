"""Files that no tool here runs, against those that some does: they say the same in another language."""

from __future__ import annotations

import re
from collections.abc import Iterator

from eqcirc.errors import DataError
from eqcirc.export.bundle.flavours import b_sources
from eqcirc.export.bundle.verilog import contribution
from eqcirc.signoff import benches, mismatch, spectre
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.check import Outcome, Skipped
from eqcirc.signoff.gate import statements
from eqcirc.signoff.layouts import subcircuits
from eqcirc.signoff.netlists import ports_of
from eqcirc.text import counted, one_line

_LAW = re.compile(r"\* [^:]+: \w+, \w+\(.*\)$")
_SPECTRE = ("dut.scs", "mc_spectre.scs")
_BRACKETS = {"models_xyce.sp": ("{", "}"), "models_ltspice.sp": ("", "")}


def same(bundle: Bundle) -> Outcome:
    """Compare Verilog-A, netlists, models and benches of other simulators with ours, and mc_dut.sp with dut.sp."""
    compared = list(_compared(bundle))
    if not compared:
        raise Skipped("the bundle has no such files")
    return Outcome(
        [problem for problems in compared for problem in problems],
        f"{counted(len(compared), 'file')} against models.sp, dut.sp and golden.csv, statement by statement",
    )


def _compared(bundle: Bundle) -> Iterator[Iterator[str]]:
    """Yield what is wrong with each file that there is something to compare with."""
    if bundle.has("models.sp"):
        ours = bundle.text("models.sp")
        for name, brackets in _BRACKETS.items():
            if bundle.has(name):
                yield _differ(name, bundle.text(name), b_sources(ours, *brackets), "models.sp")
                yield _laws(name, bundle.text(name), ours)
        if bundle.has("models_poly.sp"):
            yield _poly(bundle.text("models_poly.sp"), ours)
            yield _laws("models_poly.sp", bundle.text("models_poly.sp"), ours)
        for cell, cards in subcircuits(ours).items():
            if bundle.has(f"va/{cell}.va"):
                yield _module(
                    f"va/{cell}.va", bundle.text(f"va/{cell}.va"), cards, ports_of(ours)[cell], ours
                )
    if not bundle.has("dut.sp"):
        return
    if bundle.has("golden.csv"):
        yield from (benches.problems(name, bundle) for name in benches.BENCHES if bundle.has(name))
    if bundle.has("mc_dut.sp"):
        nominal = mismatch.nominal_spice(bundle.text("mc_dut.sp"))
        yield _differ("mc_dut.sp", nominal, bundle.text("dut.sp"), "dut.sp")
    if bundle.has("models.sp"):
        yield from (_spectre(name, bundle) for name in _SPECTRE if bundle.has(name))


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


def _poly(text: str, ours: str) -> Iterator[str]:
    """Yield where models_poly.sp differs from models.sp, but for what POLY says in place of a B source."""
    there = [statement for _, statement in statements(text)]
    expected = [statement for _, statement in statements(ours)]
    for k, statement in enumerate(expected[: len(there)]):
        if statement.startswith("b_") and " poly(1) " in there[k]:
            _, a, b, _ = statement.split(maxsplit=3)
            first, *ends = there[k].split()[:6]
            if [first, *ends] == [f"g_{statement.split()[0][2:]}", a, b, "poly(1)", a, b]:
                expected[k] = there[k]
    yield from _differ("models_poly.sp", "\n".join(there), "\n".join(expected), "models.sp")


def _spectre(name: str, bundle: Bundle) -> Iterator[str]:
    """Yield where a netlist for Spectre is not the circuit, with its mismatch taken out."""
    text = mismatch.nominal_spectre(bundle.text(name))
    try:
        ours = spectre.of_spice(bundle.text("models.sp")) | spectre.of_spice(bundle.text("dut.sp"))
    except (ValueError, KeyError) as error:
        raise DataError(f"dut.sp or models.sp holds what no bundle does: {one_line(error)}") from error
    yield from spectre.differences(name, spectre.of_spectre(name, text), ours, "dut.sp and models.sp")


def _module(name: str, text: str, cards: list[str], ports: tuple[str, ...], ours: str) -> Iterator[str]:
    """Yield where a module has other ports or contributions than a block has ports and cards."""
    there = [line.strip() for line in text.splitlines() if line and not line.startswith("//")]
    said = ", ".join(ports)
    cell = name.removeprefix("va/").removesuffix(".va")
    head = ['`include "disciplines.vams"', f"module {cell}({said});", f"inout {said};", f"electrical {said};"]
    expected = [*head, "analog begin", *(contribution(card).strip() for card in cards), "end", "endmodule"]
    for a, b in zip(there, expected, strict=False):
        if a != b:
            yield f"{name}: {one_line(a, 80)}, expected {one_line(b, 80)} as in models.sp"
            return
    if len(there) != len(expected):
        yield f"{name} has {len(there)} lines, expected {len(expected)} as in models.sp"
    yield from _laws(name, text.replace("//", "*"), ours)


def _laws(name: str, text: str, ours: str) -> Iterator[str]:
    """Yield a comment about the law of a block that models.sp does not have."""
    known = set(ours.splitlines())
    for line in text.splitlines():
        if _LAW.match(line) and line not in known:
            yield f"{name}: {one_line(line, 80)} is not in models.sp"
