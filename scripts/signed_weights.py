"""What signed weights cost as a circuit: accuracy and area of conductances, ideal signed weights and dual rails.

    OPENBLAS_NUM_THREADS=1 python scripts/signed_weights.py

Handwritten digits, one hidden layer of FitzHugh-Nagumo neurons or of the diodes of circuits/digits.toml. Three learning
rates are tried for each kind of weights; every seed, with its own split, picks one by its validation part, and the test
part counts for that one only. Seed 0 is trained once more through ngspice.
Writes results/signed_weights.json, .md and .png. About 20 minutes on two cores.
"""

from __future__ import annotations

import itertools
import tomllib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import numpy as np
from common import RESULTS, ROOT, Report
from matplotlib.figure import Figure
from scipy import stats

from eqcirc import Circuit
from eqcirc.circuit.builder import GROUND
from eqcirc.devices import Conductance, SignedCrossbar
from eqcirc.experiment.build import build_circuit, build_data, build_rule, build_solver, build_trainer
from eqcirc.experiment.load import parse
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.evaluate import targets_of
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array, Parameters
from eqcirc.verify.stability import stability_certificate

SEEDS = range(8)
HIDDEN, EPOCHS = 16, 10
FASTER = (0.5, 1.0, 2.0)  # tried factors of the learning rates
COMPARED, FULL = 64, 8  # test samples whose voltages are compared; in netlists with every resistor

DIODES = tomllib.loads((ROOT / "circuits" / "digits.toml").read_text(encoding="utf-8"))
FHN = {
    "neurons": {"device": "cubic", "g1": 3e-3, "v0": 1.0, "resistance": 330.0, "inductance": 2e-5},
    "input_gain": 20.0,
    "biases": {"voltage": 20.0},
    "bounds": [1e-7, 1e-4],
}
NEURONS = {
    # rates (S a step), other keys of learning, largest first weight (S), leak of unloaded nodes (S); the leaks were
    # chosen before, of 3e-4 and 1e-3 or 3e-5 and 1e-4, by the validation part of seed 0
    "FHN": ({"w1": 2e-6, "b1": 2e-6, "w2": 1e-6, "b2": 1e-6}, {"beta": 1e-7}, 1e-5, 3e-4),
    "diodes": (DIODES["learning"]["learning_rate"], {}, 3e-6, 1e-4),
}
KINDS = {
    "conductance": (HIDDEN, {}),
    "conductance, wide": (2 * HIDDEN, {}),  # as many resistors as dual rail
    "signed, unloaded": (HIDDEN, {"weights": "signed", "loaded": False}),
    "signed, loaded": (HIDDEN, {"weights": "signed"}),
    "dual rail": (HIDDEN, {"weights": "dual_rail"}),
}
CONFIDENCE = 0.95
GAINS = {  # kinds in pairs: by how many points of accuracy the first is above the second, at least
    ("dual rail", "signed, loaded"): 0.0,  # better
    ("conductance, wide", "dual rail"): -1.0,  # not much worse
}
CASES = list(itertools.product(NEURONS, KINDS))
Gains = dict[str, tuple[float, float, float]]  # low end, mean and high end
SUM = "sum of conductances and transconductances"  # in the table, the picture and docs/how-to-choose.md


def main() -> None:
    """Train everything and write."""
    report = Report(__file__)
    jobs = [(*case, faster, seed) for case in CASES for faster in FASTER for seed in SEEDS]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        runs = list(pool.map(ideal_run, jobs))
    rows = [summarise(*case, [r for r in runs if (r["neurons"], r["weights"]) == case]) for case in CASES]
    rows = [row | spice_run(row) for row in rows]
    report.content |= {
        "settings": {"epochs": EPOCHS, "hidden": HIDDEN, "seeds": list(SEEDS)},
        "rows": [{k: v for k, v in row.items() if k != "parameters"} for row in rows],
        "tried": [{k: v for k, v in run.items() if k != "parameters"} for run in runs],
    }
    claims(report, {(row["neurons"], row["weights"]): row for row in rows})
    report.write()
    table(rows, report.content["gains"])
    draw(report, rows)


def experiment(neurons: str, weights: str, faster: float, seed: int) -> Experiment:
    """Return the experiment."""
    rates, learning, first, leak = NEURONS[neurons]
    hidden, kind = KINDS[weights]
    network = DIODES["network"] | {"hidden": [hidden]} | kind
    if neurons == "FHN":
        network = {k: v for k, v in network.items() if k not in ("diodes", "amplifiers")} | FHN
    if not kind.get("loaded", True):
        network["leak"] = leak
    lowest, highest = network["bounds"]
    signed = kind.get("weights") == "signed"
    network |= {
        "bounds": [-highest if signed else lowest, highest],
        "initial": [-first if signed else lowest, first],
    }
    own = {"learning_rate": {name: faster * rate for name, rate in rates.items()}, "epochs": EPOCHS}
    return parse(
        {
            "name": "signed-weights",
            "seed": seed,
            "data": DIODES["data"] | {"validation": 0.2},
            "network": network,
            "learning": DIODES["learning"] | learning | own,
            "solver": {"sweep": 16},
        },
        __file__,
    )


def train(e: Experiment, engine: str) -> dict[str, Any]:
    """Train and score the validation and test parts."""
    data, _ = build_data(e)
    circuit = build_circuit(e, data.train.n_features, data.train.n_outputs)
    with build_solver(e, circuit, engine) as solver:
        trainer = build_trainer(e, data, build_rule(e, circuit), solver, None)
        trainer.run()
        validation, test = (trainer.score(part).accuracy for part in ("validation", "test"))
    return {"validation": validation, "test": test, "parameters": trainer.parameters}


def ideal_run(job: tuple[str, str, float, int]) -> dict[str, Any]:
    """Train one setting with the ideal solver; what is known about the trained circuit."""
    neurons, weights, faster, seed = job
    e = experiment(*job)
    run = train(e, "ideal")
    circuit, values = built(e), run["parameters"]
    proven = stability_certificate(circuit, values)
    run |= {"neurons": neurons, "weights": weights, "faster": faster, "seed": seed}
    run |= {"certified": proven.attracting} | area(circuit, values)
    print(*job, f"validation {run['validation']:.4f}", flush=True)
    return run


def built(e: Experiment) -> Circuit:
    """Return the circuit of an experiment on digits."""
    return build_circuit(e, 64, 10)


def area(circuit: Circuit, values: Parameters) -> dict[str, Any]:
    """Count resistors, transconductors and nodes, and sum conductances."""
    resistors = circuit.resistors(values)
    signed = [e for e in circuit.elements if isinstance(e, SignedCrossbar)]
    held = {e.name: not circuit.is_free[e.rows[0]] for e in signed}  # the way back into a source does nothing
    return {
        "hidden": sum(name.startswith("h1") for name in circuit.node_names),
        "resistors": len(resistors),
        "conductance": resistors.sum(),
        "transconductors": sum(e.value.size * (1 if held[e.name] else 2) for e in signed),
        "transconductance": sum(np.abs(values[e.name]).sum() * (1 if held[e.name] else 2) for e in signed),
        "nodes": len(circuit.free_nodes),
        "norm_w2": np.linalg.norm(values["w2"], 2) if signed else None,
    }


def summarise(neurons: str, weights: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a table's row needs: of each seed the run with the best validation accuracy."""
    chosen = [max((r for r in runs if r["seed"] == seed), key=lambda r: r["validation"]) for seed in SEEDS]
    test = [r["test"] for r in chosen]
    mean = {k: np.mean([r[k] for r in chosen]) for k in ("conductance", "transconductance")}
    return chosen[0] | mean | {
        "faster": [r["faster"] for r in chosen],
        "test": test,
        "mean": np.mean(test),
        "certified": [r["certified"] for r in chosen],
    }  # fmt: skip


def spice_run(row: dict[str, Any]) -> dict[str, Any]:
    """Train seed 0 of a row through ngspice, and hold it against the ideal solver."""
    e = experiment(row["neurons"], row["weights"], row["faster"][0], 0)
    spice = train(e, "ngspice")
    difference = max(np.abs(spice["parameters"][k] - v).max() for k, v in row["parameters"].items())
    circuit, (data, _) = built(e), build_data(e)
    rule = build_rule(e, circuit).rule
    few, targets = data.test.inputs[:COMPARED], targets_of(data.test, rule.cost)[:COMPARED]
    found = {}
    for engine in ("ngspice", "ideal"):
        one = e.model_copy(update={"solver": e.solver.model_copy(update={"workers": 1})})
        with build_solver(one, circuit, engine) as solver:
            nudge = rule.nudge(targets, spice["parameters"])
            points = [solver.solve(spice["parameters"], few, nudge).require() for _ in range(5)]
        found[engine] = (points[0].voltages, 1e3 * min(p.seconds for p in points) / len(few))
    print(row["neurons"], row["weights"], "through ngspice", spice["test"], flush=True)
    return {
        "ngspice_test": spice["test"],
        "ngspice_parameter_difference": difference,
        "ngspice_voltage_difference": np.abs(found["ngspice"][0] - found["ideal"][0]).max(),
        "ngspice_ms": found["ngspice"][1],
        "ideal_ms": found["ideal"][1],
    }


def half_circuit(e: Experiment, values: Parameters) -> tuple[Circuit, dict[str, Array]]:
    """Return single nodes with the weights g+ − g− and, as resistors to ground, the loads g+ + g−."""
    highest = e.network.bounds[1]
    single = {"weights": "signed", "bounds": (-highest, highest), "initial": None}
    circuit = built(e.model_copy(update={"network": e.network.model_copy(update=single)}))
    load = np.zeros(circuit.n_nodes)
    for element in circuit.elements:
        if isinstance(element, SignedCrossbar):
            both = values[element.name].sum(axis=0)
            load[element.rows] += both.sum(axis=1)
            load[element.columns] += both.sum(axis=0)
    nodes = circuit.free_nodes[load[circuit.free_nodes] > 0]
    loads = Conductance(name="loads", value=load[nodes], a=nodes, b=np.full(len(nodes), GROUND))
    bare = [replace(e, loaded=False) if isinstance(e, SignedCrossbar) else e for e in circuit.elements]
    circuit = replace(circuit, elements=(*bare, loads))
    return circuit, {name: plus - minus for name, (plus, minus) in values.items()}


def halves(row: dict[str, Any]) -> tuple[float, float]:
    """Return the largest |v+ + v−| and |v+ − half circuit| in volts, both by ngspice with every resistor in it."""
    e = experiment(row["neurons"], row["weights"], row["faster"][0], 0)
    whole = built(e)
    half, weights = half_circuit(e, row["parameters"])
    inputs = build_data(e)[0].test.inputs[:FULL]
    voltages = []
    for circuit, values in ((whole, row["parameters"]), (half, weights)):
        with NgspiceSolver(circuit, netlist="full", sweep=FULL) as solver:
            voltages.append(solver.solve(values, inputs).require().free)
    place = {name: k for k, name in enumerate(whole.node_names)}
    odd, equal = [], []
    for node in half.free_nodes.tolist():
        layer, k = half.node_names[node].split("_")
        rails = ("op", "on") if layer == "o" else (layer, f"{layer}n")
        plus, minus = (place[f"{rail}_{k}"] for rail in rails)
        odd.append(voltages[0][:, plus] + voltages[0][:, minus])
        equal.append(voltages[0][:, plus] - voltages[1][:, node])
    return float(np.abs(odd).max()), float(np.abs(equal).max())


def claims(report: Report, rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Record what is claimed."""
    pairs = [halves(rows[neurons, "dual rail"]) for neurons in NEURONS]
    report.claim("trained dual rails in ngspice: largest |v+ + v−| (V)", max(p[0] for p in pairs), "<= 1e-9")
    report.claim("and half circuit: largest difference (V)", max(p[1] for p in pairs), "<= 1e-9")
    for neurons, (better, worse) in itertools.product(NEURONS, GAINS):
        low, mean, high = gain(rows[neurons, better]["test"], rows[neurons, worse]["test"])
        interval = f"{CONFIDENCE:.0%} interval of the mean over {len(SEEDS)} seeds in pairs"
        report.content.setdefault("gains", {})[f"{neurons}: {better} above {worse}"] = low, mean, high
        report.claim(
            f"{neurons}: {better} above {worse}, {interval}, lower end (points)",
            low,
            f">= {GAINS[better, worse]:g}",
        )
    every = rows.values()
    voltage = max(r["ngspice_voltage_difference"] for r in every)
    report.claim("all networks: largest |ngspice − ideal| voltage (V)", voltage, "<= 1e-9")
    trained = max(abs(r["ngspice_test"] - r["test"][0]) for r in every)
    report.claim(
        "all networks: test accuracy if trained through ngspice, largest difference", trained, "<= 0.003"
    )
    bare = sum(not all(r["certified"]) for r in every)
    report.claim("networks not proven to have one, stable operating point after training", bare, "<= 0")


def gain(better: list[float], worse: list[float]) -> tuple[float, float, float]:
    """Return the mean difference of accuracies in points, seed by seed, between the ends of its confidence interval."""
    points = 100 * (np.array(better) - np.array(worse))
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, len(points) - 1) * stats.sem(points)
    return float(points.mean() - reach), float(points.mean()), float(points.mean() + reach)


def millisiemens(row: dict[str, Any]) -> float:
    """Return what stands for area: the sum of all conductances and transconductances."""
    return 1e3 * float(row["conductance"] + row["transconductance"])


def table(rows: list[dict[str, Any]], gains: Gains | None = None) -> None:
    """Write the tables."""
    lines = [
        f"| neurons | weights | hidden nodes | test accuracy, mean ({len(SEEDS)} seeds) | resistors | transconductors"
        f" | {SUM}, mS | free nodes | ms a sample, ngspice | ms, ideal | through ngspice, seed 0 |",
        "|" + "---|" * 11,
    ]
    for r in rows:
        cells = [
            r["neurons"],
            r["weights"],
            r["hidden"],
            f"{r['mean']:.1%} ({min(r['test']):.1%} to {max(r['test']):.1%})",
            r["resistors"],
            r["transconductors"] or "—",
            f"{millisiemens(r):.3g}",
            r["nodes"],
            f"{r['ngspice_ms']:.2f}",
            f"{r['ideal_ms']:.3f}",
            f"{r['ngspice_test']:.1%}",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    if gains:
        lines += [
            "",
            f"| points of accuracy, seed by seed | mean | {CONFIDENCE:.0%} interval |",
            "|---|---|---|",
        ]
        lines += [
            f"| {name} | {mean:+.1f} | {low:+.1f} to {high:+.1f} |"
            for name, (low, mean, high) in gains.items()
        ]
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / "signed_weights.md").write_text(text, encoding="utf-8")


def draw(report: Report, rows: list[dict[str, Any]]) -> None:
    """Draw accuracy, number of parts and their conductance, a line for each kind of weights."""
    figure = Figure(figsize=(10.0, 3.6), layout="constrained")
    score, parts, siemens = figure.subplots(1, 3, sharey=True)
    for k, neurons in enumerate(NEURONS):
        group = [r for r in rows if r["neurons"] == neurons]
        at = np.arange(len(KINDS)) + 0.3 * (k - 0.5)
        accuracy = 100 * np.array([r["test"] for r in group])
        mean = accuracy.mean(axis=1)
        spread = np.abs(mean - [accuracy.min(axis=1), accuracy.max(axis=1)])
        score.errorbar(mean, at, xerr=spread, fmt="o", capsize=3, color=f"C{k}", label=neurons)
        total = [millisiemens(r) for r in group]
        bars = siemens.barh(at, total, 0.28, color=f"C{k}")
        siemens.bar_label(bars, [f"{x:.3g}" for x in total], padding=2, fontsize=8)
    resistors, ideal = (np.array([r[part] for r in group]) for part in ("resistors", "transconductors"))
    at = np.arange(len(KINDS))
    parts.barh(at, resistors, 0.5, color="0.4", label="resistors")
    bars = parts.barh(at, ideal, 0.5, left=resistors, color="0.4", alpha=0.4, label="ideal transconductors")
    parts.bar_label(bars, [f"{x:,}" for x in resistors + ideal], padding=2, fontsize=8)
    score.set_yticks(at, list(KINDS))
    score.invert_yaxis()
    labels = ("test accuracy (%), mean and range", "parts", SUM.replace(" and", "\nand") + " (mS)")
    for axis, label in zip((score, parts, siemens), labels, strict=True):
        axis.set_xlabel(label)
        axis.grid(alpha=0.25, axis="x")
    for axis in (parts, siemens):
        axis.set_xlim(right=1.25 * axis.dataLim.xmax)  # room for the numbers
    figure.legend(*score.get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize=8)
    parts.legend(fontsize=8, loc="center right")
    figure.suptitle("Handwritten digits: what the sign of a weight costs", fontsize=10)
    figure.savefig(report.picture(), dpi=130)


if __name__ == "__main__":
    main()
