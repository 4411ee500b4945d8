"""Benches of constant sources, most of which no tool here runs: what stands in them, statement by statement.

A bench joins the circuit to sources that apply the first golden vector. That for gnucap goes on to the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.gate import statements
from eqcirc.signoff.golden import INSTANCE, read_golden
from eqcirc.signoff.layouts import subcircuits
from eqcirc.text import one_line

BENCHES = {
    "tb_xyce.cir": ("dut.sp", "models_xyce.sp"),
    "tb_ltspice.cir": ("dut.sp", "models_ltspice.sp"),
    "mc_native.sp": ("mc_dut.sp", "models.sp"),
    "tb_tran.sp": ("dut.sp", "models.sp"),
    "tb_gnucap.ckt": ("dut.sp", "models_poly.sp"),
}
"""Files by what they include; models.sp stands in where there are no models of their own."""
_STATE = re.compile(r"\.nodeset v\(([a-z0-9_.]+)\)=(\S+)")
_HOW = (".op", ".end", ".options", ".tran")
"""Say how to run, not what."""
MOST_PORTS = 99  # of an instance in gnucap; larger circuits stand flat in these benches

Said = dict[str, list[str]]


def problems(name: str, bundle: Bundle) -> Iterator[str]:
    """Yield where a bench does not join, feed and hold the circuit as the first golden vector says."""
    wanted, there = expected(name, bundle), {}
    for _, statement in statements(bundle.text(name)):
        first, *words = statement.split()
        state = _STATE.fullmatch(statement)
        if state is not None:
            there[f".nodeset {state[1]}"] = [state[2]]
        elif first == ".include":
            there[f"{first} {' '.join(words)}"] = []
        elif first not in (*_HOW, ".modify"):
            there[first] = words
    for key in [*wanted, *(key for key in there if key not in wanted)]:
        said, asked = there.get(key), wanted.get(key)
        if said is None or asked is None or not _same(said, asked):
            texts = [one_line(" ".join(x[-3:]) if x is not None else "missing", 60) for x in (said, asked)]
            yield f"{name}: {one_line(key, 60)} {texts[0]}, expected {texts[1]}, by dut.sp and vector 0 of golden.csv"
            return
    if name == "tb_gnucap.ckt":
        yield from _modified(bundle)


def _modified(bundle: Bundle) -> Iterator[str]:
    """Yield where gnucap's sources are not those of a vector at the point that is to be it."""
    wanted = {f"v_eq_{q.name}": q.values for q in read_golden(bundle) if q.kind == "apply"}
    wanted |= {f"i_eq_feed_{q.name}": q.values for q in read_golden(bundle) if q.kind == "feed"}
    now, vector = {name: float(values[0]) for name, values in wanted.items()}, 0
    for number, statement in statements(bundle.text("tb_gnucap.ckt")):
        first, *words = statement.split()
        if first == ".modify":
            now |= {key: float(value) for key, _, value in (word.partition("=") for word in words)}
        elif first == ".op" and words == ["27"] and vector < bundle.manifest.vectors:
            off = [key for key, values in wanted.items() if now.get(key) != values[vector]]
            if off or now.keys() != wanted.keys():
                yield f"tb_gnucap.ckt, line {number}: {one_line(off, 60)} not as in vector {vector} of golden.csv"
                return
            vector += 1
    if vector != bundle.manifest.vectors:
        yield f"tb_gnucap.ckt applies {vector} vectors, expected {bundle.manifest.vectors}"


def expected(name: str, bundle: Bundle) -> Said:
    """Return what has to stand in a bench, by the first word of a statement."""
    circuit, models = BENCHES[name]
    wanted: Said = {
        f".include {models if bundle.has(models) else 'models.sp'}": [],
        f".include {circuit}": [],
    }
    ports, top = [port.name for port in bundle.manifest.ports], bundle.manifest.top
    if len(ports) <= MOST_PORTS:
        wanted[INSTANCE] = [*ports, top]
    else:
        for statement in subcircuits(bundle.text("dut.sp"))[top]:
            first, *words = statement.split()
            count = len(words) - 1 if first[0] == "x" else 2
            nets = [net if net in ports else f"{INSTANCE}.{net}" for net in words[:count]]
            wanted[first] = [*nets, *words[count:]]
    for q in read_golden(bundle):
        value = repr(float(q.values[0]))
        if q.kind == "apply":
            wanted[f"v_eq_{q.name}"] = [f"eq_{q.name}", "0", value]
            wanted[f"v_{q.name}"] = [f"eq_{q.name}", q.name, "0"]
        elif q.kind == "feed":
            wanted[f"i_eq_feed_{q.name}"] = ["0", q.name, value]
        elif q.kind == "node" and bundle.manifest.held and name != "tb_tran.sp":
            wanted[f".nodeset {q.name if q.name in ports else f'{INSTANCE}.{q.name}'}"] = [value]
    if name != "tb_gnucap.ckt":  # which says it with every .op
        wanted[".temp"] = ["27"]
    outputs = [f"v({port.name})" for port in bundle.manifest.ports if port.direction == "output"]
    printed = {"tb_xyce.cir": "dc", "mc_native.sp": "dc", "tb_tran.sp": "tran", "tb_gnucap.ckt": "op"}
    if name in printed:
        held = [f"i(v_{q.name})" for q in read_golden(bundle) if q.kind == "apply"]
        wanted[".print"] = [printed[name], *outputs, *(held if name == "tb_gnucap.ckt" else [])]
    if name == "mc_native.sp":
        wanted |= {"v_eq_vector": ["eq_vector", "0", "0"], ".dc": ["v_eq_vector", "0", "0", "1"]}
    return wanted


def _same(a: list[str], b: list[str]) -> bool:
    """Whether statements are the same, their last words as numbers if they are such."""
    if a == b:
        return True
    try:
        return a[:-1] == b[:-1] and float(a[-1]) == float(b[-1])
    except (ValueError, IndexError):
        return False
