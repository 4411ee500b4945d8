"""Stochastic neurons: do comparators with noise fire as the normal law says, and do their rates learn?

    python scripts/verify_stochastic.py [--decisions 20000]

- the probit law in ngspice against the error function, and both engines on networks of probit cells;
- one comparator with noise in ngspice, 20,000 decisions at each of nine voltages, against the normal law; the same by a
  deck of its own for `ngspice -b`, with TRNOISE in place of the source that eqcirc takes;
- the bias of sampled rates against the mean field, over the memory N of rates: it falls with 1/N;
- the contrast of rates in the mean field against the adjoint gradient, over beta;
- the gradient that spikes measure, over the number of decisions, by both engines.
Writes results/verify_stochastic.json and .png.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from common import ROOT, Report
from scipy.special import erf

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import Biases, Feedback, LayerCells
from eqcirc.costs import SquaredError
from eqcirc.devices import Bounds, Probit
from eqcirc.experiment.build import build_rule
from eqcirc.experiment.opened import first, open_source
from eqcirc.learning.evaluate import targets_of
from eqcirc.learning.rule import flat
from eqcirc.learning.stoch_ep import StochEP
from eqcirc.report.style import new_figure, styled
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.spiking import Window
from eqcirc.typing import Array
from eqcirc.verify.gradients import adjoint_gradient

SIEMENS, NOISE = 1e-5, 0.4  # S, V
MEMORIES = (4, 8, 16, 32, 64, 128)
BETAS = (1e-5, 1e-6, 1e-7, 1e-8)  # S


def normal(x: Array) -> Array:
    """Φ by the error function, which eqcirc does not use."""
    return np.asarray(0.5 * (1 + erf(x / np.sqrt(2))))


def neuron(law: Probit) -> Circuit:
    """One cell; its rate is 1 V where it always fires."""
    b = CircuitBuilder("neuron")
    x, rate = b.input("x"), b.nodes("rate")
    b.cell("cell", (GROUND, rate), (x, GROUND), law)
    b.conductance("load", rate, GROUND, SIEMENS)
    return b.build(rate)


def network(seed: int, *, hidden: tuple[int, ...] = (5, 3)) -> Circuit:
    """A network with weights back that are tied to those forth."""
    plan = Layered(
        hidden,
        "one_way",
        input_gain=1.0,
        biases=Biases("current"),
        feedback=Feedback("tied", strength=0.5),
        cells=LayerCells(Probit.of_noise(NOISE, 5 * SIEMENS), 5 * SIEMENS),
        leak=5 * SIEMENS,
        bounds=Bounds(-2 * SIEMENS, 2 * SIEMENS),
    )
    return plan.build(f"network {seed}", 3, 2, seed)


def samples(seed: int, count: int = 4) -> tuple[Array, Array]:
    """Inputs and targets."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, 3)), rng.uniform(-0.4, 0.4, (count, 2))


def laws(report: Report) -> None:
    """The law itself, and both engines on networks of it."""
    volts, worst = np.linspace(-3, 3, 121), 0.0
    for one_sided in (True, False):
        law = Probit.of_noise(NOISE, SIEMENS, one_sided=one_sided)
        fires = normal(volts / NOISE)
        with NgspiceSolver(circuit := neuron(law)) as spice:
            found = spice.solve(None, volts[:, None]).require().free[:, circuit.readout.nodes[0]]
        worst = max(worst, float(np.abs(found - (fires if one_sided else 2 * fires - 1)).max()))
    report.claim(
        "probit law in ngspice against the error function, in parts of its largest", worst, "<= 1e-9"
    )
    apart = []
    for seed in range(10):
        circuit, (inputs, _) = network(seed), samples(seed)
        with NgspiceSolver(circuit) as spice:
            found = spice.solve(None, inputs).require().free
        apart.append(float(np.abs(found - IdealSolver(circuit).solve(None, inputs).free).max()))
    report.claim(
        "ngspice against ideal voltages, 10 networks of probit cells, worst (V)", max(apart), "<= 1e-9"
    )


def firing(report: Report, decisions: int) -> dict[str, Array]:
    """One comparator through ngspice against the normal law."""
    volts = np.linspace(-0.8, 0.8, 9)
    circuit, fires = neuron(Probit.of_noise(NOISE, SIEMENS)), normal(volts / NOISE)
    error = np.sqrt(fires * (1 - fires) / decisions)
    began = time.perf_counter()
    with NgspiceSolver(circuit) as spice:
        rates = spice.spikes(None, volts[:, None], Window(decisions, memory=0.05, begin="rest"))
    found = rates.mean[0, :, circuit.readout.nodes[0]]
    seconds = (time.perf_counter() - began) / decisions / len(volts)
    z = float(np.abs((found - fires) / error).max())
    report.claim(f"one comparator, {decisions} decisions: largest |ΔP| in standard errors", z, "<= 4")
    own = np.array([_own_deck(v, decisions) for v in volts[::2]])
    off = (own - fires[::2]) / error[::2]  # no claim: nothing seeds TRNOISE
    report.content["firing"] = {
        "volts": volts.tolist(),
        "normal law": fires.tolist(),
        "ngspice": found.tolist(),
        "own deck with TRNOISE, every other one": own.tolist(),
        "its difference in standard errors": off.tolist(),
    }
    report.content["seconds a decision of one comparator"] = seconds
    return {"volts": volts, "found": found, "error": error}


def _own_deck(volts: float, decisions: int) -> float:
    """Return how often a comparator fires by plain ngspice, looked at where TRNOISE draws its numbers."""
    step = 1e-6
    deck = f"""comparator with noise
v_in x 0 {volts}
v_noise n 0 trnoise({NOISE} {step} 0 0)
b_fired f 0 v=u(v(x)+v(n))
.control
tran {step} {decisions * step} {step} {step}
linearize v(f)
let fires = mean(v(f))
print fires
.endc
.end
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "deck.sp")
        path.write_text(deck, "ascii")
        said = subprocess.run(
            ["ngspice", "-b", str(path)], capture_output=True, text=True, check=False
        ).stdout
    return float(next(line for line in said.splitlines() if line.startswith("fires")).split("=")[1])


def bias(report: Report) -> dict[str, Array]:
    """How far sampled rates are from the mean field, over the memory of a rate: a neuron that inhibits itself."""
    b = CircuitBuilder("recurrent")
    x, total, rate = b.input("x"), b.nodes("sum"), b.nodes("rate")
    b.one_way_crossbar("w", x, total, 0.5 * SIEMENS)
    b.one_way_crossbar("back", rate, total, -1.5 * SIEMENS)
    b.conductance("load", np.concatenate([total, rate]), GROUND, SIEMENS)
    b.cell("cell", (GROUND, rate), (total, GROUND), Probit.of_noise(0.3, SIEMENS))
    circuit, inputs = b.build(rate), np.array([[0.3]])
    solver = IdealSolver(circuit)
    mean_field = solver.solve(None, inputs).free[0, rate[0]]
    off, errors = [], []
    for memory in MEMORIES:
        window = Window(20_000, memory, chains=4000 if memory < 64 else 16_000)
        found = solver.spikes(None, inputs, window).voltages[0, 0, :, rate[0]]
        off.append(found.mean() - mean_field)
        errors.append(found.std() / np.sqrt(len(found)))
    n, off_at, error = np.array(MEMORIES, float), np.array(off), np.array(errors)
    late = n >= 32
    slope = np.polyfit(np.log(n[late]), np.log(off_at[late]), 1, w=(off_at / error)[late])[0]
    report.claim("bias of sampled rates over N = 32 to 128: |slope + 1|", abs(float(slope) + 1), "<= 0.1")
    # what fluctuates a little: r' = r + (fired − r)/N, so var(r) = P(1 − P)/(2N(1 + g)), g the gain of the loop
    x = (0.5 * 0.3 - 1.5 * mean_field) / 0.3
    density = np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)
    gain, bend = 1.5 * density / 0.3, -x * density / 0.3**2
    theory = 0.5 * bend * 1.5**2 * mean_field * (1 - mean_field) / (2 * (1 + gain)) / (1 + gain)
    limit = float(np.polyfit(1 / n, n * off_at, 2, w=1 / (n * error))[-1])
    report.claim(
        "N times the bias, for large N, against linear noise theory", abs(limit / theory - 1), "<= 0.05"
    )
    report.content["bias"] = {
        "N": MEMORIES,
        "bias (V)": off,
        "standard error": errors,
        "N times the bias for large N (V)": limit,
        "linear noise theory (V)": theory,
    }
    return {"n": n, "off": off_at, "error": error}


def in_the_mean_field(report: Report) -> None:
    """The contrast of rates without noise against the adjoint gradient."""
    errors = np.zeros((10, len(BETAS)))
    for seed in range(10):
        circuit, (inputs, targets) = network(seed), samples(seed)
        solver = IdealSolver(circuit)
        free = solver.solve(None, inputs).require().free
        exact = flat(adjoint_gradient(circuit, circuit.parameters, inputs, targets, SquaredError(), free))
        for k, beta in enumerate(BETAS):
            rule = StochEP(circuit, SquaredError(), beta, Window())
            phases = solver.solve(None, inputs, rule.nudge(targets)).require().voltages
            errors[seed, k] = np.linalg.norm(flat(rule.gradient(phases, None)) - exact) / np.linalg.norm(
                exact
            )
    report.claim(
        "contrast in the mean field against adjoint, beta = 1e-8 S, worst of 10",
        errors[:, -1].max(),
        "<= 1e-5",
    )
    slope = np.polyfit(np.log(BETAS[:3]), np.log(errors[:, :3].T), 1)[0]
    report.claim("its order in beta: largest |slope - 2|", float(np.abs(slope - 2).max()), "<= 0.1")
    report.content["mean field"] = {"beta": BETAS, "relative error": errors.tolist()}


def cosines(report: Report) -> dict[str, Array]:
    """What spikes measure on the first values of the digits' network, and through ngspice on a small one."""
    opened = open_source(ROOT / "circuits" / "digits-spiking.toml")
    rule = build_rule(opened.experiment, opened.circuit).rule
    part, solver = first(opened.data.train, 32), IdealSolver(opened.circuit)
    targets = targets_of(part, rule.cost)
    free = solver.solve(None, part.inputs).require().free
    exact = adjoint_gradient(opened.circuit, opened.parameters, part.inputs, targets, rule.cost, free)
    assert isinstance(rule, StochEP)
    counts, curves = (30, 100, 300, 1000, 3000, 10_000), {}
    for common in (True, False):
        found = []
        for decisions in counts:
            window = Window(decisions, memory=50, settle=3, common=common)
            measured = StochEP(opened.circuit, rule.cost, rule.beta, window).measure(
                solver, None, part.inputs, targets
            )
            gradient = measured.gradient()
            found.append([_cosine(gradient[name], exact[name]) for name in sorted(exact)])
        curves["common" if common else "own"] = np.array(found)
    whole = curves["common"][-1]
    report.claim(
        "digits' network, 10,000 decisions: cosine with the gradient, worst element", whole.min(), ">= 0.95"
    )
    report.content["cosines"] = {"decisions": counts, "elements": sorted(exact)} | {
        name: values.tolist() for name, values in curves.items()
    }
    circuit, (inputs, targets) = network(0), samples(0, 2)
    free = IdealSolver(circuit).solve(None, inputs).require().free
    wanted = flat(adjoint_gradient(circuit, circuit.parameters, inputs, targets, SquaredError(), free))
    with NgspiceSolver(circuit) as spice:
        small = StochEP(circuit, SquaredError(), SIEMENS, Window(10_000, memory=50, settle=3))
        gradient = small.measure(spice, None, inputs, targets).gradient()
    cosine = _cosine(flat(gradient), wanted)
    report.claim(
        "3-5-3-2 network through ngspice, 10,000 decisions: cosine with the gradient", cosine, ">= 0.95"
    )
    return {"counts": np.array(counts), **curves}


def _cosine(a: Array, b: Array) -> float:
    return float(a.ravel() @ b.ravel() / np.linalg.norm(a) / np.linalg.norm(b))


def draw(report: Report, fired: dict[str, Array], off: dict[str, Array], found: dict[str, Array]) -> None:
    """Draw what was measured."""
    with styled():
        figure = new_figure(10.0, 3.2)
        left, middle, right = figure.subplots(1, 3)
        fine = np.linspace(-1, 1, 201)
        left.plot(fine, normal(fine / NOISE), label="normal law")
        left.errorbar(fired["volts"], fired["found"], 4 * fired["error"], fmt="o", ms=3, label="ngspice")
        left.set(xlabel="voltage (V)", ylabel="firing probability")
        left.legend()
        middle.errorbar(off["n"], off["off"], 2 * off["error"], fmt="o", ms=3, label="sampled − mean field")
        middle.plot(off["n"], off["off"][2] * off["n"][2] / off["n"], label="1/N")
        middle.set(xscale="log", yscale="log", xlabel="decisions in a rate, N", ylabel="bias of a rate (V)")
        middle.legend()
        for name, label in (("common", "same noise in all phases"), ("own", "noise of its own")):
            right.plot(found["counts"], found[name].min(axis=1), "o-", ms=3, label=label)
        right.axhline(0.95, lw=0.8, ls=":")
        right.set(xscale="log", xlabel="decisions", ylabel="cosine with the gradient, worst element")
        right.legend()
        figure.savefig(report.picture(), dpi=150)


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--decisions", type=int, default=20_000, help="of one comparator, at each voltage")
    options = parser.parse_args()
    report = Report(__file__)
    laws(report)
    in_the_mean_field(report)
    fired = firing(report, options.decisions)
    off = bias(report)
    found = cosines(report)
    draw(report, fired, off, found)
    report.write()


if __name__ == "__main__":
    main()
