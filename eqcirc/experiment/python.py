"""Circuits and data built in Python get what experiment files get: a run directory, and all commands that take one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from eqcirc.circuit.circuit import Circuit
from eqcirc.data import Scaling, Splits
from eqcirc.errors import expect
from eqcirc.experiment.load import parse, title
from eqcirc.experiment.opened import Opened, open_run
from eqcirc.experiment.run import Run
from eqcirc.learning.observer import Listener

Table = Mapping[str, Any]
"""Keys of a table of the experiment file, and their values."""


def train(
    circuit: Circuit,
    data: Splits,
    folder: Path | str,
    *,
    seed: int = 0,
    scaling: Scaling | Literal["auto"] = "auto",
    learning: Table | None = None,
    solver: Table | None = None,
    audit: Table | None = None,
    reality: Table | None = None,
    begin: Path | str | None = None,
    overwrite: bool = False,
    observer: Listener | None = None,
) -> Opened:
    """Train a circuit on data, leave a run directory, and return it opened.

    The directory holds a copy of circuit and data, so `eqcirc resume`, `check`, `netlist`, `stability`, `predict` and
    the others work on it, and `open_run` opens it again. Interrupted, it is taken up by `eqcirc resume` or
    `Run.resume`, to the same bits.

    Args:
        circuit: with the values to begin with.
        data: raw; `scaling` says how inputs are made of it.
        folder: run directory to make.
        seed: of the order of samples, and of all that a rule draws.
        scaling: of the features, from the training part: "standard", "unit" or "none"; "auto" as in experiment files.
        learning: keys of [learning], such as ``{"epochs": 10, "learning_rate": 1e-7}``.
        solver: keys of [solver], such as ``{"engine": "ideal"}``.
        audit: keys of [audit].
        reality: keys of [reality], such as ``{"mismatch": {"sigma": 0.05}}``: the circuit is trained through that chip.
        begin: run directory or npz file whose values to begin with instead.
        overwrite: replace a run that is there.
        observer: is told how it goes: an `Observer` such as `ProgressBar()`, or a function of each epoch's metrics.

    Raises:
        ConfigError: an unknown key, a value out of range, or the folder is in use.
        CircuitError: the circuit has a law of somebody else's own, which no file can hold.
        SolverError: too many samples failed; the state is kept in the folder.
    """
    expect("circuit", circuit, Circuit, "a circuit, such as CircuitBuilder.build returns")
    expect("data", data, Splits, "Splits(train, validation, test), such as load_splits returns")
    tables = {"learning": learning, "solver": solver, "audit": audit, "reality": reality}
    for key, table in tables.items():
        expect(
            key, table, (Mapping, type(None)), f'keys of [{key}] and their values, such as {{"epochs": 10}}'
        )
    content: dict[str, Any] = {key: dict(table) for key, table in tables.items() if table is not None}
    content |= {"name": title(circuit.name), "seed": seed, "data": {"name": "npz", "scaling": scaling}}
    experiment = parse(content, "eqcirc.train")
    with Run.start(experiment, folder, overwrite=overwrite, begin=begin, circuit=circuit, data=data) as run:
        run.train(observer)
        run.finish()
    return open_run(folder)
