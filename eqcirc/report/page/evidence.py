"""What a report shows of one run: read from its folder, or measured once; nothing is drawn here."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eqcirc.data import Dataset, Scaler
from eqcirc.errors import EqcircError
from eqcirc.experiment import data_record
from eqcirc.experiment.build import build_circuit, build_cost, build_rule, build_solver
from eqcirc.experiment.compare import progress_of
from eqcirc.experiment.listing import RunFacts, Summary, read_summary, run_facts
from eqcirc.experiment.opened import Opened, open_run
from eqcirc.learning.evaluate import CHUNK, answers, targets_of
from eqcirc.learning.rule import Measurement, Rule, flat
from eqcirc.solvers.base import Solver
from eqcirc.text import one_line
from eqcirc.typing import Array
from eqcirc.verify.gradients import adjoint_gradient, relative_error

if TYPE_CHECKING:
    import pandas as pd

SPREAD = 512  # samples whose node voltages are kept for histograms
PAIRED = 32  # samples that both solvers solve, free and nudged
SWEPT = 8  # samples at which beta is varied
BETAS = np.logspace(-3, 3, 13)  # of the experiment's beta


@dataclass(frozen=True, eq=False)
class Answers:
    """What the circuit says of samples.

    Attributes:
        outputs: (n, n_outputs) in volts; NaN without an operating point.
        voltages: (some, node) of the first ones that have one.
        engine: that solved them.
    """

    outputs: Array
    voltages: Array
    engine: str


@dataclass(frozen=True, eq=False)
class Agreement:
    """The same phases by both solvers.

    Attributes:
        spice, ideal: (phase, sample, free node) in volts; phase 0 is the free one, the others are nudged.
    """

    spice: Array
    ideal: Array


@dataclass(frozen=True, eq=False)
class Gradients:
    """Updates against the adjoint gradient, at the trained values.

    Attributes:
        exact: by element.
        measured: by solver and element.
        sweep: (beta, relative error) by the ideal solver; NaN where the rule could not measure.
        beta: of the experiment.
    """

    exact: dict[str, Array]
    measured: dict[str, dict[str, Array]]
    sweep: Array
    beta: float

    def cosine(self, solver: str) -> float:
        """Return the cosine of the angle between an update and the gradient."""
        one, other = flat(self.measured[solver]), flat(self.exact)
        return float(one @ other / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-300))


@dataclass(eq=False)
class Evidence:
    """All that is shown of one run.

    Attributes:
        name: short, for people and files.
        opened: the run.
        facts, summary: what it says of itself.
        provenance: content of run.json.
        metrics: a row for each epoch.
        audits: a row for each audit.
        initial: values that training began with, by element; None if they are not known.
        part: test part, scaled; None when the data are gone.
        answers: to the test part, or to the samples that the run keeps.
        agreement, gradients: None where they could not be measured.
        missing: why something is missing, by what it is: "data", "agreement", "gradients", "initial", "answers".
    """

    name: str
    opened: Opened
    facts: RunFacts
    summary: Summary
    provenance: dict[str, Any]
    metrics: pd.DataFrame
    audits: pd.DataFrame
    initial: dict[str, Array] | None = None
    part: Dataset | None = None
    answers: Answers | None = None
    agreement: Agreement | None = None
    gradients: Gradients | None = None
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def scaler(self) -> Scaler:
        """What makes inputs of raw values."""
        return self.opened.scaler

    @property
    def cost_unit(self) -> str:
        """Unit of the cost."""
        return build_cost(self.opened.experiment).unit


def gather(folder: Path | str, name: str = "", engine: str | None = None) -> Evidence:
    """Read a run and measure what a report shows of it.

    Args:
        folder: run directory.
        name: what to call it; the name of its experiment by default.
        engine: "ngspice" or "ideal" for the test part; that of the run by default.

    Raises:
        CheckpointError: not a run directory, or its checkpoint is damaged.
    """
    opened = open_run(folder)
    path = opened.path
    evidence = Evidence(
        name or opened.experiment.name,
        opened,
        run_facts(path),
        read_summary(path, run_facts(path).epoch) or Summary(),
        _provenance(path),
        *progress_of(path),
    )
    _initial(evidence)
    inputs, targets = _samples(evidence)
    if inputs is None:
        return evidence
    with ExitStack() as stack:
        solvers: dict[str, Solver] = {}
        for which in ("ideal", "ngspice"):
            try:
                solvers[which] = stack.enter_context(build_solver(opened.experiment, opened.circuit, which))
            except EqcircError as error:
                evidence.missing["agreement"] = one_line(error, 400)
        _ask(evidence, solvers, engine or opened.experiment.solver.engine, inputs)
        some = inputs[:PAIRED]
        rule = build_rule(opened.experiment, opened.circuit).rule.with_reading(None)
        measured = _measure(evidence, solvers, rule, some, None if targets is None else targets[:PAIRED])
        if measured and targets is not None:
            _gradients(evidence, solvers["ideal"], rule, measured, some, targets)
    return evidence


def _provenance(folder: Path) -> dict[str, Any]:
    """Return the content of run.json; somebody may have cut it."""
    path = folder / "run.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _initial(evidence: Evidence) -> None:
    """Build the circuit once more for the values that it began with."""
    opened = evidence.opened
    if evidence.provenance.get("begun_from"):
        evidence.missing["initial"] = (
            "the run began with the values of another one, so those before training are not known here"
        )
        return
    circuit = build_circuit(opened.experiment, opened.known.n_features, opened.known.n_outputs)
    evidence.initial = circuit.parameters


def _samples(evidence: Evidence) -> tuple[Array | None, Array | None]:
    """Return inputs and targets: of the test part, or of what the run keeps of it, which has no targets."""
    opened = evidence.opened
    try:
        part = evidence.part = opened.part("test")
    except EqcircError as error:
        evidence.missing["data"] = one_line(error, 400)
    else:
        return part.inputs, targets_of(part, build_cost(opened.experiment))
    try:
        return opened.samples(opened.path / data_record.SAMPLES, 0), None
    except EqcircError as error:
        evidence.missing["answers"] = one_line(error, 400)
        return None, None


def _ask(evidence: Evidence, solvers: dict[str, Solver], engine: str, inputs: Array) -> None:
    """Solve the samples once."""
    solver = solvers.get(engine) or solvers["ideal"]
    outputs, kept, enough = [], [], 0
    for begin in range(0, len(inputs), CHUNK):
        opened = evidence.opened
        points = answers(solver, opened.parameters, inputs[begin : begin + CHUNK], opened.window)
        read = solver.circuit.readout.read(points.free)
        read[~points.converged] = np.nan
        outputs.append(read)
        if enough < SPREAD:
            kept.append(points.free[points.converged][: SPREAD - enough])
            enough += len(kept[-1])
    evidence.answers = Answers(np.concatenate(outputs), np.concatenate(kept), solver.name)


def _measure(
    evidence: Evidence, solvers: dict[str, Solver], rule: Rule, inputs: Array, targets: Array | None
) -> dict[str, Measurement]:
    """Let the rule measure by both solvers, or only solve the free phase where targets are not known."""
    opened = evidence.opened
    measured: dict[str, Measurement] = {}
    points = {}
    try:
        for name, solver in solvers.items():
            if targets is None:
                points[name] = solver.solve(opened.parameters, inputs)
            else:
                measured[name] = rule.measure(solver, opened.parameters, inputs, targets)
                points[name] = measured[name].points
    except EqcircError as error:
        evidence.missing["gradients"] = one_line(error, 400)
        evidence.missing.setdefault("agreement", one_line(error, 400))
        return {}
    if any(not found.at_rest for found in measured.values()):
        evidence.missing["agreement"] = (
            "the network spikes from rest, so the two solvers differ by their noise"
        )
    elif len(points) == 2:
        both = points["ngspice"].converged & points["ideal"].converged
        free = opened.circuit.free_nodes
        if both.any():
            evidence.agreement = Agreement(
                *(points[name].voltages[:, both][:, :, free] for name in ("ngspice", "ideal"))
            )
        else:
            evidence.missing["agreement"] = "no sample has an operating point by both solvers"
    if targets is None:
        evidence.missing["gradients"] = evidence.missing["data"]
    return measured


def _gradients(
    evidence: Evidence,
    ideal: Solver,
    rule: Rule,
    measured: dict[str, Measurement],
    inputs: Array,
    targets: Array,
) -> None:
    """Hold the updates against the adjoint gradient of the same samples, and vary beta."""
    opened = evidence.opened
    circuit, parameters, cost = opened.circuit, opened.parameters, rule.cost
    good = np.logical_and.reduce([m.points.converged for m in measured.values()])
    if not good.any():
        evidence.missing["gradients"] = "no sample has all its operating points"
        return
    targets = targets[: len(inputs)]
    free = measured["ideal"].points.free[good]
    try:
        exact = adjoint_gradient(circuit, parameters, inputs[good], targets[good], cost, free)
        few = np.flatnonzero(good)[:SWEPT]
        own = adjoint_gradient(
            circuit, parameters, inputs[few], targets[few], cost, measured["ideal"].points.free[few]
        )
    except (EqcircError, np.linalg.LinAlgError) as error:
        evidence.missing["gradients"] = one_line(error, 400)
        return
    sweep = []
    for factor in BETAS:
        error_at = np.nan
        try:
            seen = rule.with_beta(rule.beta * factor).measure(ideal, parameters, inputs[few], targets[few])
            if seen.points.converged.all():
                error_at = relative_error(flat(seen.gradient()), flat(own))
        except EqcircError:
            pass
        sweep.append((rule.beta * factor, error_at))
    evidence.gradients = Gradients(
        exact, {name: m.take(good).gradient() for name, m in measured.items()}, np.array(sweep), rule.beta
    )


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file of a run; "" if it is none."""
    if not path.is_file():  # a pipe would never end
        return ""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
