"""Training runs: start, resume, and what is written at the end."""

from __future__ import annotations

import io
import logging
import math
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.errors import CheckpointError, EngineError, EqcircError, SolverError
from eqcirc.experiment import data_record
from eqcirc.experiment.build import build_circuit, build_data, build_rule, build_solver, build_trainer
from eqcirc.experiment.deck_notes import deck_notes
from eqcirc.experiment.directory import RunDirectory
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.evaluate import evaluate
from eqcirc.learning.trainer import Observer, Trainer
from eqcirc.report.figures import learning_figure
from eqcirc.solvers.base import Solver
from eqcirc.solvers.ngspice.decks import export_deck

log = logging.getLogger("eqcirc")

COMPARED = 64  # test samples whose SPICE and ideal voltages are compared at the end


class Run:
    """One training run: the objects of an experiment, bound to a run directory. Use as a context manager."""

    def __init__(self, experiment: Experiment, folder: Path | str) -> None:
        """Build data, circuit, solvers and trainer.

        Raises:
            EqcircError: anything in the experiment that does not work, see `experiment.build`.
        """
        self.experiment = experiment
        self.folder = RunDirectory(folder)
        self.data, self.scaler = build_data(experiment)
        self.circuit: Circuit = build_circuit(
            experiment, self.data.train.n_features, self.data.train.n_outputs
        )
        self._stack = ExitStack()
        self.solver = self._stack.enter_context(
            build_solver(experiment, self.circuit, quarantine=self.folder.path / "quarantine")
        )
        self.other = self._other_solver()
        self.choice = build_rule(experiment, self.circuit)
        if not self.choice.exact:
            log.warning("%s", self.choice.why)
        self.trainer: Trainer = build_trainer(experiment, self.data, self.choice, self.solver, self.other)

    @classmethod
    def start(cls, experiment: Experiment, folder: Path | str, *, overwrite: bool = False) -> Run:
        """Begin a new run.

        Raises:
            ConfigError: the folder is in use.
        """
        run = cls(experiment, folder)
        run._stack.enter_context(run.folder.claimed(overwrite=overwrite))
        run.folder.create(experiment, run.circuit, run.scaler)
        run.save()
        return run

    @classmethod
    def resume(cls, folder: Path | str, experiment: Experiment | None = None) -> Run:
        """Take up a run at its last checkpoint.

        Args:
            folder: run directory.
            experiment: if given, must be the one that the run was started with, on the same data.

        Raises:
            CheckpointError: no run, damaged, another circuit, other data, or another experiment (names the keys that
                differ).
            DataError: the data file cannot be read.
        """
        run = cls(RunDirectory(folder).experiment(experiment), folder)
        run._stack.enter_context(run.folder.locked())
        run.folder.restore(run.trainer)
        if not (run.folder.path / data_record.NAME).exists():  # a run of an older version
            run.folder.write_json(data_record.NAME, data_record.data_record(run.experiment, run.scaler))
        return run

    def save(self) -> None:
        """Write a checkpoint and the tables.

        Raises:
            CheckpointError: the disk is full; the previous checkpoint is whole.
        """
        self.folder.save(self.trainer, self.experiment)

    def train(self, observer: Observer | None = None, stop: Callable[[], bool] = lambda: False) -> bool:
        """Train to the end, or until `stop()`; a checkpoint is written after every epoch and at the end.

        Raises:
            SolverError, AuditError: the state before the batch that failed has been saved, if that was possible.
            CheckpointError: the disk is full.
        """
        try:
            done = self.trainer.run(_Saver(self, observer), stop)
        except EqcircError:
            # Batches are all or nothing, so the state is whole. After anything else, such as a second Ctrl-C in the
            # middle of a batch, it may not be, and the last checkpoint stays.
            with suppress(CheckpointError):
                self.save()
            raise
        if not done:
            self.save()
        return done

    def finish(self) -> dict[str, Any]:
        """Score the trained circuit on the test part; write netlist, picture and summary; return the summary."""
        trainer, solver = self.trainer, self.solver
        parameters = trainer.parameters
        test = evaluate(solver, parameters, self.data.test, trainer.rule.cost)
        summary: dict[str, Any] = {
            "engine": solver.name,
            "rule": trainer.rule.name,
            "rule_is_exact": self.choice.exact,
            "rule_why": self.choice.why,
            "test_accuracy": test.accuracy,
            "test_loss": test.loss,
            "test_failed": test.failed,
            "test_samples": test.samples,
            "epochs": trainer.state.epoch,
            "steps": trainer.state.epoch * trainer.n_batches,
        }
        inputs = self.data.test.inputs[:COMPARED]
        pairs = self._agreement(inputs)
        if pairs is not None:
            summary |= {"max_dv": float(np.abs(pairs[0] - pairs[1]).max()), "compared_samples": len(pairs[0])}
        if trainer.state.audits:
            summary["audit_worst_dv"] = max(a["max_dv"] for a in trainer.state.audits)
            summary["audit_worst_cosine"] = min(a["cosine"] for a in trainer.state.audits)
            summary["audit_worst_bias"] = max(a.get("bias", 0.0) for a in trainer.state.audits)
        self._write_netlist(inputs)
        trained = sum(value.size for value in parameters.values())
        title = f"{self.experiment.name}: {len(self.circuit.free_nodes)} free nodes, {trained} trained values"
        if not self.choice.exact:
            own = (
                f"it descends {trainer.rule.objective}"
                if trainer.rule.objective
                else "its updates are no gradients"
            )
            title += f"\n{trainer.rule.name}: {own}"
        picture = io.BytesIO()
        unit = trainer.rule.cost.unit
        learning_figure(picture, trainer.state.metrics, pairs, test=test, title=title, cost_unit=unit)
        self.folder.write("run.png", picture.getvalue())
        self.folder.write_json("summary.json", {k: _plain(v) for k, v in summary.items()})
        return summary

    def _write_netlist(self, inputs: np.ndarray) -> None:
        """Write the deck of the first sample, unless it has no operating point to export."""
        start = self.experiment.solver.begins
        try:
            notes = deck_notes(self.experiment, self.scaler, self.data.train.classes)
            deck = export_deck(self.circuit, self.trainer.parameters, inputs[:1], start=start, notes=notes)
        except SolverError as error:
            log.warning("no netlist.sp: %s", error)
            return
        self.folder.write("netlist.sp", deck)

    def _agreement(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Return node voltages (sample, free node) by ngspice and by the ideal solver, where both converged."""
        if self.other is None:
            return None
        spice, ideal = (
            (self.solver, self.other) if self.solver.name == "ngspice" else (self.other, self.solver)
        )
        one, two = (s.solve(self.trainer.parameters, inputs) for s in (spice, ideal))
        both = one.converged & two.converged
        free = self.circuit.free_nodes
        return (one.free[both][:, free], two.free[both][:, free]) if both.any() else None

    def _other_solver(self) -> Solver | None:
        """Return the solver that checks; None if that would be ngspice and it is not installed."""
        other = "ideal" if self.solver.name == "ngspice" else "ngspice"
        try:
            return self._stack.enter_context(build_solver(self.experiment, self.circuit, other))
        except EngineError as error:
            log.warning("no audits and no comparison with ngspice: %s", error)
            return None

    def __enter__(self) -> Run:
        """Return self."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop worker processes."""
        self._stack.close()


class _Saver:
    """Writes checkpoint and timing after every epoch, and passes the news on."""

    def __init__(self, run: Run, observer: Observer | None) -> None:
        self._run, self._observer = run, observer
        self._began, self._samples = time.perf_counter(), 0

    def on_batch(self, trainer: Trainer, samples: int) -> None:
        self._samples += samples
        if self._observer:
            self._observer.on_batch(trainer, samples)

    def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
        seconds = time.perf_counter() - self._began
        self._run.save()
        rate = self._samples / seconds
        self._run.folder.append_timing(
            {"epoch": row["epoch"], "seconds": seconds, "samples_per_second": rate}
        )
        self._began, self._samples = time.perf_counter(), 0
        if self._observer:
            self._observer.on_epoch(trainer, row)


def _plain(value: Any) -> Any:
    """Return None for NaN, which JSON does not know."""
    return None if isinstance(value, float) and math.isnan(value) else value
