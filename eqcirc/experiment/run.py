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
from eqcirc.circuit.store import circuit_bytes, load_circuit
from eqcirc.data import Splits
from eqcirc.data.archive import splits_bytes
from eqcirc.errors import CheckpointError, EngineError, EqcircError, SolverError
from eqcirc.experiment import data_record
from eqcirc.experiment.beginning import values_from
from eqcirc.experiment.build import build_circuit, build_rule, build_solver, build_trainer, raw_data, scaled
from eqcirc.experiment.deck_notes import deck_notes
from eqcirc.experiment.directory import DATA, RunDirectory
from eqcirc.experiment.load import CIRCUIT
from eqcirc.experiment.provenance import fingerprint
from eqcirc.experiment.reality import imperfect
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.evaluate import evaluate
from eqcirc.learning.observer import Listener, observing
from eqcirc.learning.trainer import Trainer
from eqcirc.report.figures import learning_figure
from eqcirc.solvers.base import Solver
from eqcirc.solvers.ngspice.decks import export_deck

log = logging.getLogger("eqcirc")

COMPARED = 64  # test samples whose SPICE and ideal voltages are compared at the end


class Run:
    """One training run: the objects of an experiment, bound to a run directory. Use as a context manager."""

    def __init__(
        self,
        experiment: Experiment,
        folder: Path | str,
        *,
        circuit: Circuit | None = None,
        data: Splits | None = None,
    ) -> None:
        """Build data, circuit, solvers and trainer.

        Args:
            experiment: what to build and how to train it.
            folder: run directory.
            circuit: the ideal circuit, if it is not to be built as the experiment says.
            data: the same for the data, raw.

        Raises:
            EqcircError: anything in the experiment that does not work, see `experiment.build`.
        """
        self.experiment = experiment
        self.folder = RunDirectory(folder)
        self.raw = raw_data(experiment) if data is None else data
        self.data, self.scaler = scaled(experiment, self.raw)
        train = self.data.train
        if circuit is None:
            self.circuit = build_circuit(experiment, train.n_features, train.n_outputs)
        else:
            self.circuit = imperfect(experiment.reality, circuit)
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
    def start(
        cls,
        experiment: Experiment,
        folder: Path | str,
        *,
        overwrite: bool = False,
        begin: Path | str | None = None,
        circuit: Circuit | None = None,
        data: Splits | None = None,
    ) -> Run:
        """Begin a new run.

        Args:
            experiment: what to build and how to train it.
            folder: run directory.
            overwrite: replace a run that is there.
            begin: run directory or file whose values to begin with (fine-tuning), see `experiment.beginning`.
            circuit: a circuit built in Python, which the run keeps a copy of; values to begin with are its own.
            data: data from Python, raw, which the run keeps a copy of.

        Raises:
            ConfigError: the folder is in use, or the values of `begin` do not fit.
            CircuitError: `circuit` has a law of somebody else's own, which no file can hold.
        """
        files: dict[str, bytes] = {}
        home = Path(folder).absolute()
        if circuit is not None:
            files[CIRCUIT] = circuit_bytes(circuit)
            experiment = experiment.model_copy(update={"circuit": home / CIRCUIT})
        elif experiment.circuit is not None:
            files[CIRCUIT] = circuit_bytes(load_circuit(experiment.circuit))
        if data is not None:
            files[DATA] = splits_bytes(data)
            section = experiment.data.model_copy(update={"name": "npz", "path": home / DATA})
            experiment = experiment.model_copy(update={"data": section})
        run = cls(experiment, folder, circuit=circuit, data=data)
        facts: dict[str, Any] = {"circuit": fingerprint(run.circuit)}
        if begin is not None:
            run.trainer.state.parameters, facts["begun_from"] = values_from(
                begin, run.circuit, run.scaler.names, run.data.train.classes
            )
        run._stack.enter_context(run.folder.claimed(overwrite=overwrite))
        run.folder.create(experiment, files, facts)
        run._record_data()
        run.save()
        return run

    @classmethod
    def resume(cls, folder: Path | str, experiment: Experiment | None = None) -> Run:
        """Take up a run at its last checkpoint.

        Args:
            folder: run directory.
            experiment: if given, must be the one that the run was started with, on the same data, but for keys that a
                run may change (`experiment.load.CHANGEABLE`): more epochs, other audits. What changed is recorded.

        Raises:
            CheckpointError: no run, damaged, another circuit, other data, or another experiment (names the keys that
                differ).
            DataError: the data file cannot be read.
        """
        experiment, changes = RunDirectory(folder).experiment(experiment)
        data_record.check_data(Path(folder), experiment)
        run = cls(experiment, folder)
        run._stack.enter_context(run.folder.locked())
        run.folder.restore(run.trainer)
        if changes:
            run.trainer.state.ended = ""
            run.folder.note_changes(experiment, changes, run.trainer)
            run.save()
        if data_record.recorded_shape(run.folder.path, experiment) is None:  # a run of an older version
            run._record_data()
        return run

    def _record_data(self) -> None:
        """Write down what the run has to know when the data are gone."""
        record = data_record.data_record(self.experiment, self.scaler, self.data.train)
        self.folder.write(data_record.SAMPLES, data_record.samples_table(self.raw))
        self.folder.write_json(data_record.NAME, record)

    def save(self) -> None:
        """Write a checkpoint and the tables.

        Raises:
            CheckpointError: the disk is full; the previous checkpoint is whole.
        """
        self.folder.save(self.trainer, self.experiment)

    def train(self, observer: Listener | None = None, stop: Callable[[], bool] = lambda: False) -> bool:
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
        test = evaluate(solver, parameters, self.data.test, trainer.rule.cost, trainer.rule.answers_in)
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
            "steps": trainer.step,
            "ended": self._ending(),
            "kept": f"best, of epoch {trainer.state.best_epoch}"
            if self.experiment.learning.keep == "best"
            else "last",
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

    def _ending(self) -> str:
        """Say why the run ended when it did."""
        trainer = self.trainer
        if trainer.state.ended:
            return trainer.state.ended
        if trainer.done:
            return "all epochs done"
        return f"finished early, after {trainer.step} of {trainer.steps} steps"

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
        if self.other is None or self.trainer.rule.answers_in is not None:
            return None  # what spikes from rest may have a mean field that nobody ever solved, and that is hard to
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

    def __init__(self, run: Run, observer: Listener | None) -> None:
        self._run, self._observer = run, observing(observer)
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
