"""From an experiment file to objects: data, circuit, cost, rule, solvers, trainer."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import Biases, Feedback, LayerCells, LayerDiodes
from eqcirc.circuit.neuron import GyratorRecovery, LayerNeurons, Neuron, RLRecovery
from eqcirc.circuit.oscillators import Oscillators
from eqcirc.circuit.store import load_circuit
from eqcirc.costs import Cost, PhaseError, SoftmaxCrossEntropy, SquaredError
from eqcirc.data import Scaler, Splits, load_splits, scale
from eqcirc.devices import (
    Bounds,
    CellLaw,
    ClampDiode,
    Clipped,
    CubicDevice,
    DiodeLimited,
    EsakiDiode,
    Law,
    Probit,
    ShockleyDiode,
    Tanh,
)
from eqcirc.devices.presets import find_diode
from eqcirc.devices.tunnel_diode import TunnelDiode
from eqcirc.errors import ConfigError, EqcircError
from eqcirc.experiment.learning import Learning
from eqcirc.experiment.network import Cells, Diodes, Network, Neurons, OscillatorTable
from eqcirc.experiment.reality import imperfect
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.audit import Audit, AuditLimits
from eqcirc.learning.choice import Choice, choose_rule
from eqcirc.learning.optimizers import SGD, Adam, Optimizer
from eqcirc.learning.plan import Plan
from eqcirc.learning.reading import Reading
from eqcirc.learning.trainer import Trainer
from eqcirc.learning.writing import Writing
from eqcirc.solvers.base import Solver
from eqcirc.solvers.ensemble import Bath
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.netlist import Tolerances
from eqcirc.solvers.ngspice.pool import Limits
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.ngspice.workers import ClusterWorkers
from eqcirc.solvers.spiking import Window


def build_data(experiment: Experiment) -> tuple[Splits, Scaler]:
    """Load, split and scale the data; return them with what scales other raw values alike.

    Raises:
        DataError, ConfigError: see `eqcirc.data.load_splits`.
    """
    return scaled(experiment, raw_data(experiment))


def scaled(experiment: Experiment, raw: Splits) -> tuple[Splits, Scaler]:
    """Scale raw data as the experiment says.

    Raises:
        ConfigError: keys of the experiment do nothing with such data.
    """
    if raw.train.targets is not None:
        _no_targets_of_classes(experiment.learning)
    kind = experiment.data.scaling
    assert kind != "auto"  # replaced when the file was read
    return scale(raw, kind)


def raw_data(experiment: Experiment) -> Splits:
    """Load and split the data.

    Raises:
        DataError, ConfigError: see `eqcirc.data.load_splits`.
    """
    d = experiment.data
    try:
        return load_splits(
            d.name,
            path=d.path,
            label=d.label,
            targets=d.targets,
            columns=d.columns,
            drop=d.drop,
            validation=d.validation,
            test=d.test,
            seed=experiment.seed,
            limit=d.limit,
            samples=d.samples,
            noise=d.noise,
        )
    except ConfigError as error:  # its messages begin with the key
        raise ConfigError(f"data.{error}") from error


def _no_targets_of_classes(learning: Learning) -> None:
    """Refuse keys that do nothing in a regression."""
    for key in ("high", "low", "target_cosine"):
        if getattr(learning, key) != Learning.model_fields[key].default:
            raise ConfigError(
                f"learning.{key}: does nothing in a regression, whose targets are those of the data; leave it out"
            )


def build_circuit(experiment: Experiment, n_features: int, n_outputs: int) -> Circuit:
    """Build the circuit that is trained: the ideal one, or the chip of it that [reality] names.

    Raises:
        CircuitError: a value is out of range.
        ConfigError: the file of a diode cannot be used.
    """
    return imperfect(experiment.reality, build_ideal(experiment, n_features, n_outputs))


def build_ideal(experiment: Experiment, n_features: int, n_outputs: int) -> Circuit:
    """Build the ideal circuit with its initial conductances, or read it from its file.

    Raises:
        CircuitError: a value is out of range.
        ConfigError: the file of a diode cannot be used.
    """
    if experiment.circuit is not None:
        return load_circuit(experiment.circuit)
    n = experiment.network
    plan = build_oscillators(n) if n.kind == "oscillators" else build_plan(n)
    return plan.build(experiment.name, n_features, n_outputs, np.random.default_rng([experiment.seed, 1]))


def build_oscillators(n: Network) -> Oscillators:
    """Return what [network] says of oscillators, as Python has it.

    Raises:
        CircuitError: a value is out of range.
    """
    table = (n.oscillators or OscillatorTable()).model_dump()
    return Oscillators(hidden=n.hidden, **table)


def build_plan(n: Network) -> Layered:
    """Return what [network] says, as Python has it.

    Raises:
        CircuitError: a value is out of range.
        ConfigError: the file of a diode cannot be used.
    """
    return Layered(
        hidden=n.hidden,
        weights=n.weights,
        loaded=n.loaded,
        input_gain=n.input_gain,
        double_inputs=n.double_inputs,
        feedback=None if n.feedback is None else Feedback(**n.feedback.model_dump()),
        cells=None if n.cells is None else _cells(n.cells),
        biases=Biases(n.biases.kind, n.biases.voltage, n.biases.current),
        diodes=tuple(map(_diodes, n.diodes)) if isinstance(n.diodes, tuple) else _diodes(n.diodes),
        neurons=None if n.neurons is None else _neurons(n.neurons),
        gain=None if n.amplifiers is None else n.amplifiers.gain,
        kappa=None if n.amplifiers is None else n.amplifiers.kappa,
        differential=n.differential,
        leak=n.leak,
        skips=n.skips,
        residual=n.residual,
        bounds=Bounds(*n.bounds),
        initial=n.initial,
    )


def build_cost(experiment: Experiment) -> Cost:
    """Return the cost."""
    learning = experiment.learning
    if learning.cost == "squared_error":
        return SquaredError(learning.high, learning.low)
    if learning.cost == "phase_error":
        return PhaseError(learning.target_cosine, -learning.target_cosine)
    return SoftmaxCrossEntropy(learning.sharpness)


def build_rule(experiment: Experiment, circuit: Circuit) -> Choice:
    """Return the learning rule, and why it is that one.

    Raises:
        SymmetryError: the rule does not measure the gradient of the circuit.
        CircuitError: it cannot be applied to an element.
    """
    learning, reading = experiment.learning, None
    if learning.reading is not None:
        reading = Reading(**learning.reading.model_dump())
    return choose_rule(
        circuit,
        build_cost(experiment),
        learning.beta,
        name=learning.rule,
        variant=learning.variant,
        reading=reading,
        seed=experiment.seed,
        force=learning.force,
        bath=None if learning.bath is None else Bath(**learning.bath.model_dump()),
        window=_window(experiment),
    )


def _window(experiment: Experiment) -> Window | None:
    section = experiment.learning.window
    return None if section is None else Window(**section.model_dump())


def answering(experiment: Experiment) -> Window | None:
    """Return the window whose average spikes are the circuit's answer; None: its operating points are."""
    window = _window(experiment)
    return None if window is None else window.answering


def build_solver(
    experiment: Experiment, circuit: Circuit, engine: str | None = None, quarantine: Path | None = None
) -> Solver:
    """Return the solver of the experiment, or another `engine` ("ngspice" or "ideal").

    Netlists of samples that fail are kept in the folder `quarantine`, if given.

    Raises:
        EngineError: libngspice is missing.
    """
    s = experiment.solver
    if (engine or s.engine) == "ideal":
        return IdealSolver(circuit, start=s.begins)
    memory = None if s.memory is None else int(s.memory * 2**30)
    return NgspiceSolver(
        circuit,
        start=s.begins,
        netlist=s.netlist,
        workers=ClusterWorkers(s.cluster) if s.cluster else s.workers or os.cpu_count() or 1,
        sweep=s.sweep,
        tolerances=Tolerances(reltol=s.reltol),
        limits=Limits(s.deadline, memory),
        quarantine=quarantine,
    )


def build_optimizer(experiment: Experiment) -> Optimizer:
    """Return the optimizer."""
    learning = experiment.learning
    return Adam() if learning.optimizer == "adam" else SGD(momentum=learning.momentum)


def build_trainer(
    experiment: Experiment, data: Splits, choice: Choice, solver: Solver, other: Solver | None
) -> Trainer:
    """Return the trainer; `other` audits `solver` if given.

    Raises:
        ConfigError: circuit and data do not fit, targets out of reach, unknown element in learning_rate.
    """
    learning, a = experiment.learning, experiment.audit
    plan = Plan(
        epochs=learning.epochs,
        batch_size=learning.batch_size,
        learning_rate=learning.learning_rate,
        schedule=learning.schedule,
        final=learning.final,
        decay=learning.decay,
        keep=learning.keep,
        patience=learning.patience,
        failed_limit=learning.failed_limit,
        seed=experiment.seed,
    )
    limits = AuditLimits(
        a.warn_voltage,
        a.stop_voltage,
        a.warn_cosine,
        a.stop_cosine,
        a.warn_length,
        a.stop_length,
        a.warn_bias,
        a.stop_bias,
    )
    audit = Audit(other, a.every, a.samples, limits) if other is not None and a.every else None
    optimizer = build_optimizer(experiment)
    writing = None if learning.writing is None else Writing(**learning.writing.model_dump())
    return Trainer(
        solver,
        choice.rule,
        data,
        optimizer=optimizer,
        plan=plan,
        audit=audit,
        exact=choice.exact,
        writing=writing,
    )


def _diodes(section: Diodes) -> LayerDiodes | None:
    if section.kind == "none":
        return None
    law: Law
    if section.law == "clamp":
        law = ClampDiode(section.conductance, section.knee)
    else:
        law = ShockleyDiode(section.saturation_current, section.emission)
    return LayerDiodes(law, section.kind, section.rail)


def _cells(section: Cells) -> LayerCells:
    c = section
    kinds: dict[str, type[Tanh | DiodeLimited | Probit]] = {
        "tanh": Tanh,
        "diode_limited": DiodeLimited,
        "probit": Probit,
    }
    law: CellLaw
    if c.law == "clipped":
        law = Clipped(c.siemens, c.saturation, c.one_sided, c.knee)
    else:
        law = kinds[c.law](c.siemens, c.saturation, c.one_sided)
    return LayerCells(law, c.load)


def _neurons(section: Neurons) -> LayerNeurons:
    n = section
    recoveries: dict[str, RLRecovery | GyratorRecovery | None] = {
        "rl": RLRecovery(n.resistance, n.inductance),
        "gyrator": GyratorRecovery(n.gyration, n.leak, n.recovery_capacitance),
        "none": None,
    }
    diode = _diode(n)
    rest, bias = (_or_fall(key, getattr(n, key), diode) for key in ("rest", "bias"))
    neuron = Neuron(None, recoveries[n.recovery], n.capacitance, rest, bias, diode)
    return LayerNeurons(neuron, n.inhibition, n.train, n.span)


def _or_fall(key: str, value: float | str, diode: TunnelDiode | None) -> float:
    """Return a number, or the one of the steepest fall: a voltage to rest at, or a current for bias."""
    if not isinstance(value, str):
        return value
    if diode is None:
        raise ConfigError(f'network.neurons.{key}: "{value}" needs a device, got device = "none"')
    return diode.fall.voltage if key == "rest" else diode.fall.current


def _diode(section: Neurons) -> TunnelDiode | None:
    if section.device == "none":
        return None
    if section.device == "cubic":
        return TunnelDiode(CubicDevice(section.g1, section.v0))
    if section.device != "esaki":
        try:
            return find_diode(section.device)
        except EqcircError as error:
            raise ConfigError(f"network.neurons.device: {error}") from error
    numbers = section.diode.model_dump()
    own = {name: numbers.pop(name) for name in ("series_resistance", "capacitance", "inductance", "source")}
    return TunnelDiode(EsakiDiode(**numbers), **own)
