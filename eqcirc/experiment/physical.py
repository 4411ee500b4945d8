"""[physical]: what is known of surroundings, devices and writing, and the physical figures of a run under it."""

from __future__ import annotations

from pathlib import Path

from eqcirc.analysis.physical import Conditions, PhysicalFigures, physical_figures
from eqcirc.analysis.ratings import Rating
from eqcirc.errors import ConfigError
from eqcirc.experiment.build import build_solver
from eqcirc.experiment.load import load_experiment
from eqcirc.experiment.opened import Opened
from eqcirc.experiment.schema import Experiment, Physical
from eqcirc.typing import Array


def conditions(section: Physical | None) -> Conditions:
    """Return what [physical] says, as Python has it; nothing is known without the table."""
    if section is None:
        return Conditions()
    values = section.model_dump()
    values["ratings"] = tuple(Rating(**rating) for rating in values["ratings"])
    return Conditions(**values)


def conditions_of(opened: Opened, file: Path | None = None) -> Conditions:
    """Return the conditions of an experiment file, or those of the run.

    Raises:
        ConfigError: the file has no table [physical].
    """
    if file is None:
        return conditions(opened.experiment.physical)
    section = load_experiment(file).physical
    if section is None:
        raise ConfigError(
            f"{file} has no table [physical]; it says what is known, such as capacitance = 1e-12"
        )
    return conditions(section)


def figures_of(
    opened: Opened,
    inputs: Array,
    given: Conditions,
    engine: str | None = None,
    experiment: Experiment | None = None,
) -> PhysicalFigures:
    """Return the physical figures of an opened run or experiment.

    Args:
        opened: whose circuit and values.
        inputs: samples (batch, n_features), scaled.
        given: under which conditions.
        engine: "ngspice" or "ideal"; that of the experiment by default.
        experiment: with other options of the solver.

    Raises:
        EngineError: libngspice is missing.
        EqcircError: see `physical_figures`.
    """
    with build_solver(experiment or opened.experiment, opened.circuit, engine) as solver:
        return physical_figures(solver, opened.parameters, inputs, given)
