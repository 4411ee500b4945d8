"""Runs all checks of a bundle that can be run here, and says which could not.

To add a check, write a function from `Bundle` to `Outcome` and append it to `CHECKS`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from eqcirc.errors import ConfigError, EqcircError, nearest
from eqcirc.signoff import boards, layouts, netlists, points, readme, tables, twins, verilog, whole
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.check import Check, Outcome, Result, Skipped, Verdict
from eqcirc.text import one_line

CHECKS: tuple[Check, ...] = (
    Check("hashes", "the files are those that were exported", whole.hashes),
    Check("text", "the netlists hold no commands", netlists.readable),
    Check("ports", "ports stand in the same order everywhere", netlists.headers),
    Check("graph-klayout", "dut.sp and dut.cdl are the same circuit, says klayout", netlists.klayout),
    Check("graph-netgen", "dut.sp and dut.cdl are the same circuit, says netgen", netlists.netgen),
    Check("cadence", "the CDL for Cadence says the same as the plain one", netlists.flavours),
    Check("tables", "tables and parts lists are those of the netlist", tables.same),
    Check("readme", "README.txt says what the manifest and the tables say", readme.same),
    Check("twins", "files that nothing here runs say the same as those that something does", twins.same),
    Check("ngspice", "golden vectors in ngspice", points.ngspice),
    Check("ngspice-tran", "switched on, the circuit comes to the first golden vector", points.settled),
    Check("ngspice-wasm", "golden vectors in a newer ngspice", points.wasm),
    Check("gnucap", "golden vectors in gnucap", points.gnucap),
    Check("verilog-a", "the Verilog-A is well formed", verilog.syntax),
    Check("layout-lvs", "the layout is the circuit of dut.cdl (LVS)", layouts.lvs),
    Check("layout-ngspice", "what the layout holds has the same voltages", layouts.simulated),
    Check("board-kicad", "KiCad builds the board of the circuit", boards.read_back),
)
WORKERS = 2  # most of the time goes into other programs


@dataclass(frozen=True)
class Verification:
    """All results.

    Attributes:
        bundle: that was checked.
        results: in the order of the checks.
        seconds: how long it took.
    """

    bundle: Bundle
    results: tuple[Result, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether checks passed and none failed; those that were skipped count for nothing."""
        verdicts = [result.verdict for result in self.results]
        return Verdict.FAILED not in verdicts and Verdict.PASSED in verdicts

    def count(self, verdict: Verdict) -> int:
        """Return how many checks ended so."""
        return sum(result.verdict is verdict for result in self.results)


def verify_bundle(
    folder: Path | str,
    only: Sequence[str] = (),
    told: Callable[[Result], None] = lambda result: None,
) -> Verification:
    """Check a bundle by all tools that are here; nothing of it is run before its text was read and found harmless.

    Args:
        folder: of the bundle.
        only: keys of the checks that are wanted; all by default.
        told: is called with every result when it is there.

    Raises:
        CheckpointError: the folder is no bundle.
        ConfigError: there is no such check.
    """
    known = {check.key: check for check in CHECKS}
    for key in only:
        if key not in known:
            raise ConfigError(f"there is no check {one_line(key, 40)!r}: {nearest(key, known)}")
    wanted = [check for check in CHECKS if not only or check.key in only]
    begun = time.monotonic()
    bundle = Bundle(Path(folder))
    results: list[Result] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for result in pool.map(lambda check: run_check(check, bundle), wanted):
                told(result)
                results.append(result)
        except BaseException:  # Ctrl-C: what runs comes to its end, nothing else begins
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return Verification(bundle, tuple(results), time.monotonic() - begun)


def run_check(check: Check, bundle: Bundle) -> Result:
    """Run one check; whatever a strange bundle does to it makes it fail, not end."""
    begun = time.monotonic()
    verdict, outcome, found = Verdict.FAILED, Outcome([], ""), ""
    problems: list[str] = []
    try:
        outcome = check.run(bundle)
        verdict = Verdict.FAILED if outcome.problems else Verdict.PASSED
        found, problems = outcome.found, outcome.problems
    except Skipped as reason:
        verdict, found = Verdict.SKIPPED, str(reason)
    except EqcircError as error:
        problems = [str(error)]
    except Exception as error:
        problems = [
            f"the check broke off, the bundle is not as expected: {type(error).__name__}: {one_line(error)}"
        ]
    seconds = time.monotonic() - begun
    return Result(check, verdict, found, problems, outcome.tool, outcome.numbers, seconds, outcome.files)
