"""A real Dask scheduler and two worker processes give the same bits as the local pool, also when one is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from eqcirc.errors import EngineError
from eqcirc.experiment.load import load_experiment, parse
from eqcirc.experiment.run import Run
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.ngspice.workers import ClusterWorkers
from tests.catalogue import random_layered

ROOT = Path(__file__).resolve().parents[3]

# third-party: tornado and distributed leave sockets to the garbage collector
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def scheduler_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cluster")
    path = folder / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker"]
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    commands = [[*dask, *local, "--port", "0", "--scheduler-file", str(path)]]
    for k in range(2):
        spill = ["--local-directory", str(folder / str(k))]
        commands.append([*worker, *local, "--scheduler-file", str(path), "--nthreads", "1", *spill])
    log = (folder / "log").open("w")
    processes = [subprocess.Popen(c, stdout=log, stderr=log, start_new_session=True) for c in commands]
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    yield path
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    log.close()


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A scheduler without any worker, and its file."""
    path = tmp_path / "scheduler.json"
    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--no-dashboard",
    ]
    command += ["--port", "0", "--scheduler-file", str(path)]
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=nowhere, stderr=nowhere, start_new_session=True) as process:
        for _ in range(600):
            if path.exists():
                break
            time.sleep(0.1)
        yield path, process
        process.kill()


@pytest.fixture(scope="module")
def workers(scheduler_file: Path) -> Iterator[ClusterWorkers]:
    workers = ClusterWorkers(str(scheduler_file))
    workers._client.wait_for_workers(2, timeout=60)
    yield workers
    workers.close()


def test_the_cluster_gives_the_bits_of_the_local_pool(workers: ClusterWorkers) -> None:
    example = random_layered(np.random.default_rng(5), (6, 4))
    cluster = NgspiceSolver(example.circuit, workers=workers, sweep=1)
    with NgspiceSolver(example.circuit, sweep=1) as local:
        expected = local.solve(None, example.inputs, example.nudge()).require()
    found = cluster.solve(None, example.inputs, example.nudge()).require()
    np.testing.assert_array_equal(found.voltages, expected.voltages)


def test_a_killed_worker_is_replaced_and_its_sweep_done_elsewhere(workers: ClusterWorkers) -> None:
    example = random_layered(np.random.default_rng(5), (6, 4))
    cluster = NgspiceSolver(example.circuit, workers=workers, sweep=1)
    before = cluster.solve(None, example.inputs).require()
    pids = workers._client.run(os.getpid)
    os.kill(next(iter(pids.values())), signal.SIGKILL)
    after = cluster.solve(None, example.inputs).require()
    np.testing.assert_array_equal(after.voltages, before.voltages)
    workers._client.wait_for_workers(2, timeout=60)


def test_training_on_the_cluster_ends_with_the_same_parameters(
    scheduler_file: Path, workers: ClusterWorkers, tmp_path: Path
) -> None:
    del workers  # only that they are up
    content = load_experiment(ROOT / "circuits" / "digits.toml").model_dump(mode="json", exclude_unset=True)
    content["data"] |= {"limit": 64}
    content["learning"] |= {"epochs": 1}
    results = {}
    for name, where in {"local": {"workers": 2}, "cluster": {"cluster": str(scheduler_file)}}.items():
        experiment = parse({**content, "solver": {**content["solver"], **where}}, name)
        with Run.start(experiment, tmp_path / name) as run:
            run.train()
            results[name] = run.trainer.parameters
            metrics = (tmp_path / name / "metrics.csv").read_bytes()
            results[name]["metrics"] = np.frombuffer(metrics, np.uint8)
    for key, value in results["local"].items():
        np.testing.assert_array_equal(results["cluster"][key], value)


def test_no_scheduler_is_an_error_that_names_the_address(tmp_path: Path) -> None:
    with pytest.raises(
        EngineError, match="expected an address such as tcp://host:8786 or an existing scheduler file"
    ):
        ClusterWorkers("nowhere.json")
    stale = tmp_path / "stale.json"
    stale.write_text(json.dumps({"type": "Scheduler", "address": "tcp://127.0.0.1:9"}))
    with pytest.raises(EngineError, match="no Dask scheduler answers there"):
        ClusterWorkers(str(stale))


def test_a_scheduler_that_dies_is_an_error_that_says_how_to_go_on(
    doomed: tuple[Path, subprocess.Popen[bytes]],
) -> None:
    path, scheduler = doomed
    example = random_layered(np.random.default_rng(5), (6, 4))
    with NgspiceSolver(example.circuit, workers=ClusterWorkers(str(path))) as solver:
        threading.Timer(1.0, scheduler.kill).start()  # while the sweep waits for a worker
        with pytest.raises(
            EngineError, match=r"the scheduler of the cluster is out of reach; go on with 'eqcirc resume'"
        ):
            solver.solve(None, example.inputs)


def test_ctrl_c_twice_ends_a_run_that_waits_for_workers(
    doomed: tuple[Path, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    path, _ = doomed
    waiting = "from eqcirc.learning.trainer import Trainer; step = Trainer._step\n"
    waiting += "Trainer._step = lambda *a: (print('begun', flush=True), step(*a))\n"
    code = f"{waiting}from eqcirc.cli.app import main; main()"
    options = ["--cluster", str(path), "--out", str(tmp_path / "run"), "--set", "solver.engine=ngspice"]
    command = [sys.executable, "-c", code, "train", str(ROOT / "circuits" / "xor.toml"), *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped at once" in err
