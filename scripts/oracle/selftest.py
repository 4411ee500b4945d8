"""Hold the oracle against circuits solved by hand and against plain ngspice.

    cd scripts && python -m oracle.selftest [--circuits 100]

Prints a table; exits with 1 if a line fails. About five minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
import time

from oracle.check import Table
from oracle.selftest_parts import test_parts
from oracle.selftest_spice import test_spice
from oracle.selftest_time import test_time


def main() -> None:
    """Run all checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--circuits", type=int, default=100, help="random circuits of each kind for ngspice")
    count = parser.parse_args().circuits
    table = Table()
    test_parts(table)
    test_time(table)
    test_spice(table, count)
    seconds = time.monotonic() - table.started
    print(
        f"{len(table.failures)} of the lines fail: {table.failures}" if table.failures else "all lines pass",
        end="",
    )
    print(f"; {seconds:.0f} s")
    sys.exit(bool(table.failures))


if __name__ == "__main__":
    main()
