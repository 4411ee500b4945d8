"""Runs a study: trains the ideal circuit, hands units to processes, and writes each result as it comes."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from eqcirc.errors import ConfigError, EngineError, EqcircError
from eqcirc.experiment.build import build_ideal, build_rule
from eqcirc.experiment.directory import RunDirectory
from eqcirc.experiment.load import load_experiment
from eqcirc.experiment.opened import Opened, first, open_run
from eqcirc.experiment.run import Run
from eqcirc.experiment.schema import Experiment
from eqcirc.files import write_atomically
from eqcirc.learning.observer import Listener
from eqcirc.solvers.ngspice.pool import LOST
from eqcirc.solvers.ngspice.workers import ClusterWorkers, LocalWorkers, Workers
from eqcirc.study.directory import IDEAL, StudyDirectory, values_digest
from eqcirc.study.results import Results, open_study
from eqcirc.study.schema import Study, load_study
from eqcirc.study.work import Bench, Unit, circuit_of, samples_of, units, work

LOOK = 0.3  # seconds between looks at a wish to stop


class StudyObserver(Protocol):
    """Is told how a study goes."""

    def training(self, run: Run) -> Listener | None:
        """The ideal circuit is going to be trained; return who is told how that goes."""
        ...

    def on_units(self, done: float, total: float, unit: Unit | None, problem: str) -> None:
        """A unit is done (None: none yet), `done` of `total` work with it; `problem` says why it has no result."""
        ...


def run_study(
    study: Study | Path | str,
    folder: Path | str,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    observer: StudyObserver | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Results:
    """Run a study, or go on with one: what its folder holds already is not done again.

    Whenever it is stopped, killed too, the same call goes on with it, to the same results.

    Args:
        study: a study, or its file.
        folder: study directory.
        workers: processes; all cores by default. Changes no result.
        cluster: Dask scheduler to run on instead.
        observer: is told how it goes.
        stop: a wish to stop; units under way are given up then.

    Returns:
        The results, partial ones if it was stopped.

    Raises:
        ConfigError: the study cannot be, or the folder holds something else.
        EqcircError: a circuit of it cannot be built or trained through, see `experiment.build`.
    """
    study = study if isinstance(study, Study) else load_study(study)
    directory = StudyDirectory(folder)
    with directory.claimed(study):
        opened = _ideal(study, directory, observer, stop)
        if opened is not None:
            bench = _bench(study, opened)
            directory.pin(values_digest(opened.parameters))
            _check(bench)
            _spread(bench, directory, _workers(study, workers, cluster), observer, stop)
        results = open_study(folder)
        write_atomically(directory.path / "chips.csv", results.frame.to_csv(index=False).encode())
        directory.write_json("summary.json", results.content())
    return results


def _ideal(
    study: Study, directory: StudyDirectory, observer: StudyObserver | None, stop: Callable[[], bool]
) -> Opened | None:
    """Return the trained ideal circuit; None if its training was stopped."""
    if study.experiment.is_dir():
        opened = open_run(study.experiment)
        if opened.experiment.reality is not None:
            raise ConfigError(
                f"{study.experiment} was trained through a chip; a study needs a run on the ideal circuit"
            )
        return opened
    folder = directory.path / IDEAL
    if (folder / "summary.json").is_file() and not study.experiment.is_file():  # it is not needed any more
        return open_run(folder)
    experiment = _experiment(study, load_experiment(study.experiment))
    begun = (folder / "run.json").is_file()
    if (folder / "summary.json").is_file() and not RunDirectory(folder).experiment(experiment)[1]:
        return open_run(folder)
    with Run.resume(folder, experiment) if begun else Run.start(experiment, folder) as run:
        if not run.train(None if observer is None else observer.training(run), stop):
            return None
        run.finish()
    return open_run(folder)


def _experiment(study: Study, experiment: Experiment) -> Experiment:
    """Return how the ideal circuit is trained."""
    solver = experiment.solver.model_copy(update={"engine": study.engine})
    return experiment.model_copy(update={"reality": None, "solver": solver})


def _bench(study: Study, opened: Opened) -> Bench:
    part, known = opened.part(study.part), opened.known
    if study.target is not None and part.targets is None and not 0 <= study.target <= 1:
        raise ConfigError(f"target = {study.target:g}: expected an accuracy from 0 to 1")
    experiment = _experiment(study, opened.experiment)
    alone = experiment.solver.model_copy(
        update={"workers": 1, "cluster": None}
    )  # units are spread, not sweeps
    circuit = build_ideal(opened.experiment, known.n_features, known.n_outputs)
    return Bench(
        study,
        experiment.model_copy(update={"solver": alone}),
        circuit,
        opened.parameters,
        part if study.samples is None else first(part, study.samples),
        opened.data,
    )


def _check(bench: Bench) -> None:
    """Build one circuit of each sort before the work, and see that there is a rule where it is trained.

    Raises:
        EqcircError: see `experiment.build`.
    """
    seen: set[tuple[str, str]] = set()
    for unit in units(bench.study):
        if (unit.arm, unit.kinds) in seen:
            continue
        seen.add((unit.arm, unit.kinds))
        for corner in bench.study.corners:
            circuit_of(bench, unit, corner)
        circuit = circuit_of(bench, unit)
        if unit.trains:
            build_rule(bench.experiment, circuit)


def _workers(study: Study, count: int | None, cluster: str | None) -> Workers:
    if cluster is not None:
        return ClusterWorkers(cluster)
    return LocalWorkers(count or os.cpu_count() or 1, engine="ngspice" in (study.engine, *study.scored_by))


def _spread(
    bench: Bench,
    directory: StudyDirectory,
    workers: Workers,
    observer: StudyObserver | None,
    stop: Callable[[], bool],
) -> None:
    """Hand out the units that are not done, and write what comes; one that failed before is tried again."""
    assert bench.data is not None
    sizes = (bench.part.n_samples, bench.data.train.n_samples)
    cost = {unit: samples_of(bench.study, bench.experiment, unit, *sizes) for unit in units(bench.study)}
    left = [unit for unit in cost if (found := directory.load(unit)) is None or found[1]]
    total = float(sum(cost.values()))
    done = total - sum(cost[unit] for unit in left)
    light = replace(bench, data=None)
    try:
        if observer is not None:
            observer.on_units(done, total, None, "")
        executor = workers.executor()
        running: dict[Future[list[dict[str, Any]]], Unit] = {
            executor.submit(work, bench if unit.trains else light, unit): unit for unit in left
        }
        while running and not stop():
            for future in wait(running, LOOK, FIRST_COMPLETED).done:
                unit = running.pop(future)
                rows, problem = _outcome(future, workers)
                directory.save(unit, rows, problem)
                done += cost[unit]
                if observer is not None:
                    observer.on_units(done, total, unit, problem)
    finally:
        workers.close()


def _outcome(future: Future[list[dict[str, Any]]], workers: Workers) -> tuple[list[dict[str, Any]], str]:
    """Return the rows of a unit, or why there are none."""
    try:
        return future.result(), ""
    except EqcircError as error:
        return [], str(error)
    except MemoryError:
        return [], "out of memory"
    except workers.died as error:
        return [], f"its process died: {error}"
    except workers.lost as error:
        raise EngineError(LOST) from error
