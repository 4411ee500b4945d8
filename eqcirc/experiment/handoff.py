"""A run, or a circuit built in Python, as a bundle for fabrication."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.data import Dataset
from eqcirc.errors import CheckpointError, DataError, SolverError, expect
from eqcirc.experiment.build import build_cost, build_ideal, build_rule
from eqcirc.experiment.deck_notes import deck_notes
from eqcirc.experiment.opened import Opened, first, open_source
from eqcirc.experiment.reality import build_reality
from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.folder import check_folder
from eqcirc.export.bundle.ratings import ratings
from eqcirc.export.bundle.targets import ALL, check_target
from eqcirc.export.bundle.write import write_bundle
from eqcirc.learning.evaluate import targets_of
from eqcirc.solvers.base import Nudge
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.typing import Array, Parameters

VECTORS = 8  # samples of the golden vectors


def export_bundle(
    source: Path | str | Opened | Circuit,
    folder: Path | str,
    *,
    parameters: Parameters | None = None,
    inputs: Array | None = None,
    nudge: Nudge | None = None,
    target: str = ALL,
    vectors: int = VECTORS,
    rating: Sequence[str] = (),
) -> Path:
    """Write a bundle for fabrication: netlists, golden vectors, tables and a manifest. See docs/fabrication.md.

    Args:
        source: a run directory, an experiment file, what `open_run` returns, or a circuit.
        folder: to make; a bundle in it is replaced.
        parameters: values by element name; of a circuit only.
        inputs: (n, n_features) samples of the golden vectors; of a circuit only.
        nudge: of those samples, for nudged vectors; of a circuit only.
        target: "spice", "cdl", "layout", "board" or "all".
        vectors: how many samples of the test part of a run.
        rating: what parts bear, such as "r:W=0.1" and "d:V=75".

    Returns:
        the folder.

    Raises:
        ConfigError: the folder holds something else than a bundle.
        CircuitError: the circuit has something that no netlist can say.
        SolverError: a sample has no operating point that the circuit stays at.
    """
    folder = Path(folder)
    check_target(target)
    check_folder(folder)
    borne = ratings(rating)
    if isinstance(source, Circuit):
        if inputs is None:
            raise DataError("expected inputs (n, n_features) for the golden vectors of a circuit, got None")
        asked = source.parameters | source.given(parameters or {})
        design = Design(source, asked, np.atleast_2d(np.asarray(inputs, np.float64)), nudge, ratings=borne)
    else:
        expect("source", source, (str, Path, Opened), "a run directory, an opened run or a circuit")
        opened = source if isinstance(source, Opened) else open_source(Path(source))
        design = replace(design_of(opened, vectors), ratings=borne)
    write_bundle(design, folder, target)
    return folder


def design_of(opened: Opened, vectors: int = VECTORS) -> Design:
    """Return the design of a run: its data give golden vectors and scores; without them there are free vectors only.

    Raises:
        DataError: neither the data are there, nor samples in the run.
    """
    experiment, circuit = opened.experiment, opened.circuit
    section = experiment.reality
    ideal = None
    if section is not None:
        ideal = build_ideal(experiment, opened.known.n_features, opened.known.n_outputs)
    part, nudge = None, None
    try:
        part = opened.part("test")
    except (DataError, CheckpointError):
        inputs = opened.samples(None, vectors)
    else:
        some = first(part, vectors) if vectors < part.n_samples else part
        inputs = some.inputs
        nudge = _nudge(opened, some)
    notes = [f"experiment {experiment.name}, seed {experiment.seed}"]
    notes += deck_notes(experiment, opened.scaler, opened.known.classes)[1:]
    return Design(
        circuit,
        opened.parameters,
        inputs,
        nudge,
        start=experiment.solver.begins,
        cost=build_cost(experiment),
        data=part,
        ideal=ideal,
        reality=None if section is None else build_reality(section),
        chip_seed=0 if section is None else section.seed,
        outputs=tuple(opened.known.output_names()),
        facts={"experiment": experiment.name, "seed": experiment.seed, "trained": opened.is_run},
        notes=tuple(notes),
    )


def _nudge(opened: Opened, some: Dataset) -> Nudge | None:
    """Return how the run's rule nudges the circuit; None if it nudges another one, or not by a phase."""
    try:
        rule = build_rule(opened.experiment, opened.circuit).rule
        solver = IdealSolver(opened.circuit, start=opened.experiment.solver.begins)
        phase = rule.phase(solver, opened.parameters, some.inputs, targets_of(some, rule.cost))
    except SolverError:
        return None
    return phase.nudge if phase.circuit is opened.circuit else None
