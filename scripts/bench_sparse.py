"""Time and memory of large sparse circuits: a chain of resistors, and a crossbar whose wires have resistance.

    OPENBLAS_NUM_THREADS=1 python scripts/bench_sparse.py [--chain 12000] [--crossbar 128]

Every solve has a process of its own, whose largest memory is read, with that of the ngspice worker.
Writes results/bench_sparse.json. Some minutes.
"""

from __future__ import annotations

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from common import Report

from eqcirc import Circuit, CircuitBuilder, IdealSolver, NgspiceSolver
from eqcirc.circuit.builder import GROUND
from eqcirc.solvers.base import Solver

G = 1e-3  # S, of the chain
WIRE, LOAD = 1.0, 1e-2  # S, of the crossbar


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chain", type=int, default=12_000)
    parser.add_argument("--crossbar", type=int, default=128)
    options = parser.parse_args()
    report = Report(__file__)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for what, size in (("chain", options.chain), ("crossbar", options.crossbar)):
        for engine in ("ideal", "reduced", "full"):
            with ProcessPoolExecutor(1) as alone:
                row = rows[what, engine] = alone.submit(solve, what, size, engine).result()
            print(
                f"{what} of {size}, {engine}: {row['seconds']:.1f} s, {row['megabytes']:.0f} MB", flush=True
            )
    report.content["solves"] = [
        {"circuit": what, "engine": engine} | {k: v for k, v in row.items() if k != "outputs"}
        for (what, engine), row in rows.items()
    ]
    exact = 1 / (options.chain + 1)
    for engine in ("ideal", "reduced", "full"):
        off = float(np.abs(rows["chain", engine]["outputs"] / exact - 1).max())
        report.claim(
            f"chain of {options.chain}, {engine}: end against 1/(n + 1) of its input", off, "<= 1e-8"
        )
        if engine == "ideal":
            continue
        apart = float(
            np.abs(rows["crossbar", engine]["outputs"] - rows["crossbar", "ideal"]["outputs"]).max()
        )
        report.claim(f"crossbar of {options.crossbar}, {engine} against ideal outputs (V)", apart, "<= 1e-9")
    most = max(row["megabytes"] for row in rows.values())
    report.claim("largest memory of all (MB)", most, "<= 2000")
    report.write()


def solve(what: str, size: int, engine: str) -> dict[str, Any]:
    """Build, solve, and say what it took."""
    began = time.perf_counter()
    circuit, inputs = chain(size) if what == "chain" else crossbar(size)
    with solver(circuit, engine) as one:
        outputs = circuit.readout.read(one.solve(None, inputs).require().free)
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    memory = sum(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1e3
    return {"outputs": outputs, "seconds": time.perf_counter() - began, "megabytes": memory}


def solver(circuit: Circuit, engine: str) -> Solver:
    """Return the solver."""
    if engine == "ideal":
        return IdealSolver(circuit)
    return NgspiceSolver(circuit, netlist="full" if engine == "full" else "reduced")


def chain(n: int) -> tuple[Circuit, np.ndarray]:
    """Return n nodes in a row, with a resistor to the input, between neighbours, and to ground."""
    b = CircuitBuilder("chain")
    x, node = b.input("x"), b.nodes("n", n)
    b.conductance("between", np.concatenate([x, node[:-1]]), node, G, trainable=True)
    b.conductance("end", node[-1], GROUND, G)
    return b.build(node[-1]), np.array([[1.0]])


def crossbar(n: int) -> tuple[Circuit, np.ndarray]:
    """Return n rows and columns of wire segments, a cell at every crossing, and loads at the columns' ends."""
    b, rng = CircuitBuilder("crossbar"), np.random.default_rng(0)
    x = b.input("x", n)
    rows, columns = (b.nodes(name, n * n).reshape(n, n) for name in ("r", "c"))
    b.conductance("cell", rows.ravel(), columns.ravel(), rng.uniform(1e-6, 1e-4, n * n), trainable=True)
    b.conductance("feed", x, rows[:, 0], WIRE)
    b.conductance("row", rows[:, :-1].ravel(), rows[:, 1:].ravel(), WIRE)
    b.conductance("column", columns[:-1].ravel(), columns[1:].ravel(), WIRE)
    b.conductance("load", columns[-1], GROUND, LOAD)
    return b.build(columns[-1]), rng.uniform(0, 1, (2, n))


if __name__ == "__main__":
    main()
