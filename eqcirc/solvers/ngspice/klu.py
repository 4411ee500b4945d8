"""KLU, a matrix solver that ngspice may have beside its own Sparse 1.3: found by asking, used where it is faster.

Version 39 ignores the option without a word, versions from 42 on may be built without KLU. So a tiny netlist is
solved with the option, and ngspice says which solver it took.

Only sweeps take it. Transients do not: with KLU, ngspice 44 cannot hold a node at its `.ic` ("KLU mode cannot
create a new element"). Retries do not: a sample that KLU gives up is handed to Sparse, so none is lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from eqcirc.solvers.ngspice.shared import Spice

OPTION = ".options klu pivrel=0.1"
"""At ngspice's own pivrel of 1e-3, KLU takes pivots so small that rounding exceeds the tolerance of a sweep: Newton's
iteration then goes on until it happens to stand still, up to eight times as long."""

LEAST = 500
"""Lines of a netlist from which on KLU is taken. A line is about one entry of the matrix. Measured by
`scripts/bench_klu.py`: below, both take about as long, since what they solve is a small part of the time."""

PROBE = ("* which solver", "v1 a 0 1", "r1 a b 1k", "r2 b 0 1k", OPTION, ".end")
_TAKEN = re.compile(r"Using KLU\b")


def has_klu(spice: Spice) -> bool:
    """Return whether this library solves with KLU when it is told to."""
    spice.words.clear()
    solved = False
    if spice.load(list(PROBE)) == 0:
        spice.command("op")
        solved = spice.current_plot().startswith("op") and any(_TAKEN.match(said) for said in spice.words)
        spice.command("destroy all")
        spice.command("remcirc")
    spice.words.clear()
    return solved


def pays(lines: Sequence[str]) -> bool:
    """Return whether a netlist is large enough for KLU. Only the netlist decides, so any worker decides alike."""
    return len(lines) >= LEAST
