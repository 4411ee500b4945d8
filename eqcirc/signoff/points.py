"""Operating points of the golden vectors in simulators, each a check of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from eqcirc.errors import EngineError
from eqcirc.signoff import engines
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.check import Outcome, Skipped
from eqcirc.signoff.golden import Difference, at_vectors, compare, read_golden
from eqcirc.text import counted

SECONDS = 120.0
SETTLED = 1e-5  # V, and the same part of the largest current: what a transient's tolerances leave
GNUCAP_VOLTS = 3e-4  # its kT/q is another one: 1.9e-4 V were seen behind amplifiers
GNUCAP_AMPERES = 1e-4  # of the largest current
"""gnucap has other values of k and q, and stops iterating earlier."""

Simulate = Callable[[engines.Tool, str, float], engines.Vectors]


def ngspice(bundle: Bundle) -> Outcome:
    """Run tb_op.sp in plain ngspice."""
    tool = engines.ngspice_tool()
    if tool.path is None:
        raise EngineError(tool.missing)
    return _swept(bundle, tool, engines.ngspice)


def wasm(bundle: Bundle) -> Outcome:
    """Run tb_op.sp in a newer ngspice, built by others."""
    return _swept(bundle, engines.wasm_tool(), engines.wasm)


def _swept(bundle: Bundle, tool: engines.Tool, simulate: Simulate) -> Outcome:
    bundle.need("tb_op.sp", "golden.csv")
    deck = bundle.deck("tb_op.sp")
    if tool.path is None:
        raise Skipped(tool.missing)
    found = compared(bundle, simulate(tool, deck, SECONDS))
    return _outcome(bundle, tool, found, "node voltages and pin currents of tb_op.sp against golden.csv")


def compared(bundle: Bundle, vectors: engines.Vectors, path: str = "golden.csv") -> Difference:
    """Compare a sweep over all vectors with a table of what is expected."""
    manifest = bundle.manifest
    there = at_vectors(vectors, manifest.held, manifest.vectors)
    return compare(read_golden(bundle, path), there, {port.name for port in manifest.ports})


def settled(bundle: Bundle) -> Outcome:
    """Run tb_tran.sp in ngspice, which switches the circuit on: at the end it has to be at the first golden vector."""
    bundle.need("tb_tran.sp", "golden.csv")
    deck, tool = bundle.deck("tb_tran.sp"), engines.ngspice_tool()
    if tool.path is None:
        raise EngineError(tool.missing)
    course = engines.ngspice(tool, deck, SECONDS)
    golden = [replace(q, values=q.values[:1], tolerance=q.tolerance[:1]) for q in read_golden(bundle)]
    largest = max(float(np.abs(q.values).max()) for q in golden if q.kind == "branch")
    ports = {port.name for port in bundle.manifest.ports}
    end = {name: x[-1:] for name, x in course.items()}
    found = compare(golden, end, ports, volts=SETTLED, amperes=SETTLED * largest)
    words = (
        f"{found.compared} numbers at the end of tb_tran.sp against vector 0 of golden.csv, to {SETTLED:g} V"
    )
    return Outcome(found.problems, words, tool.version, found.numbers)


def gnucap(bundle: Bundle) -> Outcome:
    """Run tb_gnucap.ckt in gnucap."""
    bundle.need("tb_gnucap.ckt", "golden.csv")
    deck = bundle.deck("tb_gnucap.ckt")
    tool = engines.gnucap_tool()
    if tool.path is None:
        raise Skipped(tool.missing)
    golden = read_golden(bundle)
    largest = max(float(np.abs(q.values).max()) for q in golden if q.kind == "branch")
    found = compare(
        golden,
        engines.gnucap(tool, deck, SECONDS),
        {port.name for port in bundle.manifest.ports},
        volts=GNUCAP_VOLTS,
        amperes=GNUCAP_AMPERES * largest,
        partly=True,
    )
    what = f"output voltages (to {GNUCAP_VOLTS:g} V) and pin currents (to {GNUCAP_AMPERES:g} of the largest)"
    return _outcome(bundle, tool, found, f"{what} of tb_gnucap.ckt against golden.csv")


def _outcome(bundle: Bundle, tool: engines.Tool, found: Difference, what: str) -> Outcome:
    words = f"{counted(bundle.manifest.vectors, 'vector')}, {found.compared} numbers: {what}"
    return Outcome(found.problems, words, tool.version, found.numbers)
