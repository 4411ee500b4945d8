"""Networks of FitzHugh-Nagumo neurons: engines, gradients, stability and branches, over random networks.

    OPENBLAS_NUM_THREADS=1 python scripts/verify_fhn.py [--networks 20]

Networks of 5 to 14 neurons, cubic and Esaki, R-L and gyrator recovery, with and without inhibitor coupling, every kind
of parameter trained; gradients are held against those of an independent referee (`scripts/oracle`), in 50 decimals.
Then bistable networks, nudged until they flip, and an example that only differs in a capacitor and oscillates.
Writes results/verify_fhn.json, .md and .png. Some ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
from common import RESULTS, Report
from describe import ask, some_places, trials
from matplotlib.figure import Figure

from eqcirc import Bounds, CircuitBuilder, Course, EqProp, IdealSolver, NgspiceSolver, SquaredError
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.lattice import Lattice
from eqcirc.circuit.neuron import GyratorRecovery, Neuron, RLRecovery
from eqcirc.devices import Conductance, CubicDevice, EsakiDiode, Law
from eqcirc.devices.rail import Rail
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.ideal.transient import Motion
from eqcirc.solvers.ngspice.pool import Limits, Pool
from eqcirc.solvers.ngspice.workers import LocalWorkers
from eqcirc.solvers.status import Status
from eqcirc.verify.gradients import adjoint_gradient
from eqcirc.verify.stability import stability_certificate, stability_report

BATCH = 3
WIDE = Bounds(1e-12, 1e3)
ANY = Bounds(-1.0, 1.0)
PLACES = 1  # values of every element whose derivatives are compared, in each network
FLIPPED = 6  # bistable networks that are pushed over
TINY, STRONG, BEYOND = (
    (1e-6, 1e-5),
    (1e-4, 2e-4, 4e-4),
    1e-3,
)  # S, their nudges; a device's steepest fall is 1 mS
FLIP_SECONDS = 1e-4  # a hundred time constants of a membrane


@dataclass(frozen=True)
class Device:
    """A law with the conductance and voltage that networks of it are built in.

    Attributes:
        law: the N-shaped device.
        siemens: its steepest fall.
        volts: width of its falling part.
        centre: voltage in the middle of it.
        small: beta of the gradient check, in siemens.
        large: betas of the slopes.
        bound: what the relative error at the small beta may be.
    """

    law: Law
    siemens: float
    volts: float
    centre: float
    small: float
    large: tuple[float, ...]
    bound: float


DEVICES = {
    "cubic": Device(CubicDevice(), 1e-3, 1.0, 0.0, 1e-7, (3e-6, 1e-6, 3e-7), 1e-6),
    "Esaki": Device(EsakiDiode(), 26e-3, 0.06, 0.125, 1e-5, (3e-4, 1e-4, 3e-5), 1e-5),
}
KINDS = [
    (device, recovery, coupled)
    for device, recovery, coupled in itertools.product(DEVICES, ("R-L", "gyrator"), (False, True))
]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=20)
    count = parser.parse_args().networks
    report = Report(__file__)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        groups = list(pool.map(measure, *zip(*KINDS, strict=True), [count] * len(KINDS)))
    report.content["groups"] = groups
    for group in groups:
        device, where = DEVICES[group["device"]], f"{group['name']}, {group['networks']} stable networks"
        report.claim(f"{where}: ngspice against Newton (relative)", group["dv"], "<= 1e-11")
        for engine in ("ideal", "ngspice"):
            what = f"{where}: EqProp by {engine} against the referee's gradient at beta = {device.small:g} S"
            report.claim(what, group[f"eqprop_{engine}"], f"<= {device.bound:g}")
        report.claim(f"{where}: adjoint against the referee's gradient", group["adjoint"], "<= 1e-10")
        for variant, order in (("positive", 1), ("centred", 2)):
            off = max(abs(s - order) for s in group["slopes"][variant])
            report.claim(
                f"{where}: slope of the {variant} error is {order}, largest deviation", off, "<= 0.1"
            )
    report.claim("networks with a neuron on the falling part, share", falling(groups), ">= 0.5")
    bistable(report)
    flips(report)
    oscillating(report)
    table(report, groups)
    draw(report, groups)
    report.write()


def measure(device: str, recovery: str, coupled: bool, count: int) -> dict[str, object]:
    """Return the worst figures over `count` stable networks of one kind."""
    name = f"{device} {recovery}{', inhibitors coupled' if coupled else ''}"
    rows, tried = [], 0
    began = time.perf_counter()
    while len(rows) < count:
        row = examine(
            DEVICES[device],
            recovery,
            coupled,
            np.random.default_rng([KINDS.index((device, recovery, coupled)), tried]),
        )
        tried += 1
        rows += [] if row is None else [row]
    worst = {
        key: max(row[key] for row in rows) for key in ("dv", "eqprop_ideal", "eqprop_ngspice", "adjoint")
    }
    slopes = {v: [row["slopes"][v] for row in rows] for v in ("positive", "centred")}
    print(f"{name}: {tried} networks drawn, {time.perf_counter() - began:.0f} s", flush=True)
    return worst | {
        "name": name,
        "device": device,
        "networks": count,
        "drawn": tried,
        "slopes": slopes,
        "falling": [row["falling"] for row in rows],
        "certified": sum(row["certified"] for row in rows),
        "errors": [row["errors"] for row in rows],
    }


def examine(d: Device, recovery: str, coupled: bool, rng: np.random.Generator) -> dict[str, object] | None:
    """Return the figures of one network, or None if it is not stable for every sample."""
    circuit = network(d, recovery, coupled, rng)
    inputs = d.centre + d.volts * rng.uniform(-2, 2, (BATCH, 2))
    targets = d.centre + d.volts * rng.uniform(-0.5, 0.5, (BATCH, 3))
    values, cost = circuit.parameters, SquaredError()
    rule = EqProp(circuit, cost, d.small)
    with ExitStack() as stack:
        ideal, ngspice = (stack.enter_context(s) for s in (IdealSolver(circuit), NgspiceSolver(circuit)))
        points = {"ideal": ideal.solve(values, inputs, rule.nudge(targets, values))}
        if not points["ideal"].converged.all():
            return None
        points["ngspice"] = ngspice.solve(values, inputs, rule.nudge(targets, values)).require()
        free = points["ideal"].free
        referee = ask(circuit, cost, inputs, targets, some_places(values, PLACES, rng), near=free)
        errors = {
            variant: [
                referee.error(
                    r.gradient(ideal.solve(values, inputs, r.nudge(targets, values)).require(), values)
                )
                for r in (EqProp(circuit, cost, beta, variant) for beta in d.large)
            ]
            for variant in ("positive", "centred")
        }
        adjoint = adjoint_gradient(circuit, values, inputs, targets, cost, free)
    scale = np.abs(points["ideal"].voltages).max()
    membranes = [k for k, name in enumerate(circuit.node_names) if name.startswith("v_")]
    _, slope = d.law.evaluate(free[:, membranes])
    return {
        "dv": np.abs(points["ngspice"].voltages - points["ideal"].voltages).max() / scale,
        "adjoint": referee.error(adjoint),
        "errors": errors,
        "slopes": {v: np.polyfit(np.log(d.large), np.log(e), 1)[0] for v, e in errors.items()},
        "falling": int((slope < 0).sum(axis=1).max()),
        "certified": stability_certificate(circuit).unique,
    } | {f"eqprop_{name}": referee.error(rule.gradient(p, values)) for name, p in points.items()}


def network(d: Device, recovery: str, coupled: bool, rng: np.random.Generator) -> Circuit:
    """Return a random network of 5 to 14 neurons, 2 inputs and 3 outputs, with every kind of parameter trained."""
    n, g = int(rng.integers(5, 15)), d.siemens
    b = CircuitBuilder("random neurons")
    x, v = b.input("x", 2), b.nodes("v", n)
    b.crossbar("w", x, v, g * rng.uniform(0.05, 0.3, (2, n)), bounds=WIDE)
    i, j = np.triu_indices(n, 1)
    some = rng.random(len(i)) < 3 / n
    some[[0, -1]] = True
    i, j = i[some], j[some]
    b.conductance("activator", v[i], v[j], g * rng.uniform(0.02, 0.3, len(i)), trainable=True, bounds=WIDE)
    bias = float(d.law.evaluate(np.array(d.centre))[0])
    wide = {"area": Bounds(0.01, 100), "bias": ANY}
    area = rng.uniform(0.7, 1.3, n)
    if recovery == "R-L":
        rl = RLRecovery(1 / (g * rng.uniform(0.8, 1.5)), 0.2e-9 / g**2)
        neuron = Neuron(d.law, rl, 1e-9, d.centre, bias)
        ohms = rng.uniform(0.02, 0.3, len(i)) / g
        neuron.add(
            b,
            "cell",
            v,
            area=area,
            trainable=("area", "bias", "resistance"),
            bounds=wide | {"resistance": Bounds(1e-2, 1e9)},
            shared=list(zip(i.tolist(), j.tolist(), strict=True)) if coupled else (),
            shared_ohms=ohms if coupled else (),
        )
        return b.build(v[-3:])
    gyrator = GyratorRecovery(g * rng.uniform(1.0, 1.5), g, 0.2e-9)
    kinds = ("area", "bias", "gyrator", "leak", "recovery_bias")
    neuron = Neuron(d.law, gyrator, 1e-9, d.centre, bias)
    bounds = wide | {"gyrator": WIDE, "leak": WIDE, "recovery_bias": ANY}
    w = neuron.add(b, "cell", v, area=area, trainable=kinds, bounds=bounds)
    if coupled and w is not None:
        b.conductance(
            "inhibitor", w[i], w[j], g * rng.uniform(0.02, 0.3, len(i)), trainable=True, bounds=WIDE
        )
        return b.build([*v[-2:], w[0]])  # a recovery node is read too
    return b.build(v[-3:])


def falling(groups: list[dict[str, object]]) -> float:
    """Return the share of networks in which a neuron sits on the falling part of its device."""
    numbers = np.concatenate([group["falling"] for group in groups])
    return float((numbers > 0).mean())


def bistable(report: Report) -> None:
    """Networks with many operating points: what a plain `op` finds, and what relaxation finds."""
    plain, flagged, order = 0, 0, {"ideal": 0.0, "ngspice": 0.0}
    networks = 20
    for k in range(networks):
        rng = np.random.default_rng([11, k])
        circuit = memories(20, rng)
        inputs = rng.uniform(-0.5, 0.5, (6, 1))
        with ExitStack() as stack:
            ngspice = stack.enter_context(NgspiceSolver(circuit))
            naive = NgspiceSolver(circuit, netlist="full")  # not used to solve: its netlists, run cold
            pool = Pool(LocalWorkers(1), Limits())
            stack.callback(pool.close)
            ((_, swept),) = pool.run(naive.netlists(None, inputs[:1]))
            cold = np.zeros((1, circuit.n_nodes))
            cold[:, circuit.free_nodes] = swept.voltages[0]
            found = stability_report(circuit, None, inputs[:1], cold)
            plain += int(leaves(circuit, inputs[:1], cold))
            flagged += int(not found.stable[0])
            for solver in (IdealSolver(circuit), ngspice):
                shuffle = rng.permutation(6)
                first, again = (solver.solve(None, x).require().free for x in (inputs, inputs[shuffle]))
                order[solver.name] = max(order[solver.name], float(np.abs(again - first[shuffle]).max()))
    report.content["bistable"] = {"networks": networks, "cold op unstable": plain, "flagged": flagged}
    report.claim("bistable: operating points of a cold op that a transient leaves, of 20", plain, ">= 15")
    report.claim("bistable: of those flagged as unstable, share", flagged / max(plain, 1), ">= 1")
    for engine, moved in order.items():
        report.claim(f"bistable, {engine}: change when samples are reordered (V)", moved, "<= 1e-9")


def flips(report: Report) -> None:
    """Nudges that push neurons over into their other state, which no gradient survives, and small ones that do not.

    The targets are the opposite of the outputs. A transient from the free state says whether a nudge flips a neuron: of
    a circuit that has the nudge built in, so that nothing of how solvers judge phases is used.
    """
    rows = []
    for k in range(FLIPPED):
        rng = np.random.default_rng([13, k])
        circuit = memories(20, rng)
        inputs = rng.uniform(-0.5, 0.5, (6, 1))
        places = some_places(circuit.parameters, 4, rng)
        with IdealSolver(circuit) as ideal, NgspiceSolver(circuit) as ngspice:
            free = ideal.solve(None, inputs).require().free
            targets, one = -circuit.readout.read(free), np.eye(len(inputs), dtype=bool)
            referees = [
                ask(circuit, SquaredError(), inputs[m], targets[m], places, near=free[m]) for m in one
            ]
            for beta in (*TINY, *STRONG, BEYOND):
                flipped = [flipped_by(circuit, *x, beta) for x in zip(inputs, free, targets, strict=True)]
                for solver in (ideal, ngspice):
                    tried = trials(solver, EqProp(circuit, SquaredError(), beta), inputs, targets, referees)
                    rows += [
                        t.facts
                        | {"engine": solver.name, "network": k, "flipped": f, "accepted": t.accepted}
                        | {"wrong": t.accepted and not t.error <= t.allowed}
                        for t, f in zip(tried, flipped, strict=True)
                    ]
        print(f"flips, network {k}", flush=True)
    report.content["flips"] = rows
    pushed, most = [r for r in rows if r["flipped"]], f"{1e3 * max(STRONG):g} mS"
    strong, beyond = ([r for r in pushed if r["beta"] in betas] for betas in (STRONG, (BEYOND,)))
    report.claim(f"bistable: answers to nudges up to {most} that flip a neuron", len(strong), ">= 100")
    report.claim("bistable: accepted of those", sum(r["accepted"] for r in strong), "<= 0")
    what = f"bistable, beta = {1e3 * BEYOND:g} mS, as much as a neuron conducts: flips accepted, of {len(beyond)}"
    report.claim(what, sum(r["accepted"] for r in beyond), "<= 0")
    small = [r for r in rows if r["beta"] in TINY]
    refused = sum(not r["accepted"] for r in small)
    report.claim(f"bistable: refused at {1e3 * max(TINY):g} mS and less, of {len(small)}", refused, "<= 0")
    good = [r for r in rows if r["accepted"] and r["beta"] != BEYOND]
    text = (
        "accepted beyond 3 times the bias that halving beta shows and 10 times the noise that the solver says"
    )
    report.claim(
        f"bistable: gradients up to {most} {text}, of {len(good)}", sum(r["wrong"] for r in good), "<= 0"
    )


def flipped_by(
    circuit: Circuit, sample: np.ndarray, free: np.ndarray, target: np.ndarray, beta: float
) -> bool:
    """Whether a membrane changes sides when conductances beta to the targets are connected to the outputs."""
    n, outputs = circuit.n_nodes, circuit.readout.nodes
    held = np.arange(n, n + len(outputs))
    pull = Conductance(name="nudge", value=np.full(len(outputs), beta), a=outputs, b=held)
    nudged = replace(
        circuit,
        node_names=(*circuit.node_names, *(f"target{k}" for k in range(len(outputs)))),
        rails=(*circuit.rails, *map(Rail, held.tolist(), target.tolist())),
        elements=(*circuit.elements, pull),
    )
    course = Course(FLIP_SECONDS, start=np.concatenate([free, target]), inputs=sample)
    end = IdealSolver(nudged).transient(course).require_rest().end
    membranes = [k for k, name in enumerate(circuit.node_names) if name.startswith("v_")]
    return bool((np.sign(end[membranes]) != np.sign(free[membranes])).any())


def memories(n: int, rng: np.random.Generator) -> Circuit:
    """Return a ring of neurons of which each has two stable states (three crossings of its load line)."""
    b = CircuitBuilder("bistable")
    x, v = b.input("x"), b.nodes("v", n)
    b.crossbar("w", x, v, rng.uniform(0.02e-3, 0.2e-3, (1, n)), bounds=WIDE)
    b.conductance("ring", v, np.roll(v, 1), 0.05e-3, trainable=True, bounds=WIDE)
    b.current_source("bias", v, rng.normal(0, 0.05e-3, n))
    Neuron(CubicDevice(), GyratorRecovery(1e-3, 4e-3, 1e-10)).add(b, "cell", v)
    return b.build(v[:3])


def leaves(circuit: Circuit, inputs: np.ndarray, voltages: np.ndarray) -> bool:
    """Whether the circuit leaves an operating point after a push of a microvolt: a transient, not an eigenvalue."""
    dynamics = Dynamics.of(circuit, None, inputs)
    start = dynamics.state(dynamics.plan.collect(voltages))
    push = 1e-6 * np.random.default_rng(0).normal(size=start.shape)
    end, *_ = Motion(dynamics).run(start + push, 300 * dynamics.slowest)
    return bool(np.abs(end - start).max() > 1e-2)


def oscillating(report: Report) -> None:
    """The same operating point, stable or not, by the capacitor of the recovery alone."""
    rows = {}
    for ratio in (1.0, 2.0):
        neuron = Neuron(CubicDevice(), GyratorRecovery(1.5e-3, 1.5e-3, ratio * 1e-9), bias=0.05e-3)
        circuit = Lattice((12,), neuron, activator=0.1e-3).build("oscillator")
        inputs = np.empty((1, 0))
        with NgspiceSolver(circuit) as ngspice:
            solvers = (IdealSolver(circuit), ngspice, IdealSolver(circuit, start="relax"))
            states = [solver.solve(None, inputs) for solver in solvers]
            relaxed = NgspiceSolver(circuit, start="relax")
            with relaxed:
                states.append(relaxed.solve(None, inputs))
        free = next((s.free for s in states if s.converged[0]), None)
        rows[ratio] = [Status(int(s.status[0])).name for s in states]
        if free is None:  # the point itself: that of the stable twin
            free = rows["free"]
        rows.setdefault("free", free)
        found = stability_report(circuit, None, inputs, free)
        rows[f"growth {ratio:g}"] = float(found.growth[0])
        rows[f"curvature {ratio:g}"] = float(found.curvature[0])
        rows[f"hertz {ratio:g}"] = float(found.frequency[0])
    del rows["free"]
    report.content["oscillator"] = rows
    report.claim("Hopf example, Cw/C = 1: growth (1/s)", rows["growth 1"], "<= 0")
    report.claim("Hopf example, Cw/C = 2: growth (1/s)", rows["growth 2"], ">= 0")
    report.claim("Hopf example: curvature, the same for both (S)", rows["curvature 2"], ">= 0")
    accepted = sum(status == "CONVERGED" for status in rows[1.0])
    refused = sum(status != "CONVERGED" for status in rows[2.0])
    report.claim("Hopf example: solvers (of 4) that accept Cw/C = 1", accepted, ">= 4")
    report.claim("Hopf example: solvers (of 4) that refuse Cw/C = 2", refused, ">= 4")


def table(report: Report, groups: list[dict[str, object]]) -> None:
    """Write the table."""
    lines = [
        "| networks | stable, of drawn | certified | on the fall | ngspice − Newton | EqProp ideal | "
        "EqProp ngspice | adjoint |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for g in groups:
        falls = sum(n > 0 for n in g["falling"])
        lines.append(
            f"| {g['name']} | {g['networks']} of {g['drawn']} | {g['certified']} | {falls} | {g['dv']:.1e} | "
            f"{g['eqprop_ideal']:.1e} | {g['eqprop_ngspice']:.1e} | {g['adjoint']:.1e} |"
        )
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / f"{report.name}.md").write_text(text, encoding="utf-8")


def draw(report: Report, groups: list[dict[str, object]]) -> None:
    """Draw the error of the gradient over beta."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    for axis, (name, device) in zip(figure.subplots(1, 2), DEVICES.items(), strict=True):
        for group in (g for g in groups if g["device"] == name):
            for errors in group["errors"]:
                axis.loglog(device.large, errors["positive"], color="#d1242f", lw=0.6, alpha=0.4)
                axis.loglog(device.large, errors["centred"], color="#1f6feb", lw=0.6, alpha=0.4)
        axis.plot([], [], color="#d1242f", label="one nudged phase: slope 1")
        axis.plot([], [], color="#1f6feb", label="centred: slope 2")
        axis.set_title(f"{name} neurons", fontsize=10)
        axis.set_xlabel("beta (S)")
        axis.set_ylabel("relative error of the gradient")
        axis.grid(alpha=0.25, which="both")
        axis.set_xticks(device.large, [f"{beta:g}" for beta in device.large])
        axis.tick_params(axis="x", which="minor", labelbottom=False)
        axis.legend(frameon=False)
    figure.savefig(report.picture(), dpi=130)


if __name__ == "__main__":
    main()
