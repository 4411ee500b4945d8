"""The experiment file: every key with its meaning, unit, default and range.

`circuits/*.toml` are such files; `eqcirc init` writes one with these descriptions as comments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    ValidationInfo,
)
from pydantic_core import PydanticKnownError

from eqcirc.devices.conductance import HIGHEST, LOWEST

# Strict: true is not the number 1, and "1e-7" in quotes is not a number.
Finite = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Positive = Annotated[Finite, Field(gt=0)]
NotNegative = Annotated[Finite, Field(ge=0)]
Share = Annotated[Finite, Field(ge=0, lt=1)]
Cosine = Annotated[Finite, Field(ge=-1, le=1)]
Siemens = Annotated[Finite, Field(ge=LOWEST, le=HIGHEST)]
Whole = Annotated[int, Strict(), Field(ge=0)]
Count = Annotated[int, Strict(), Field(ge=1)]
Switch = Annotated[bool, Strict()]


def _from_folder(path: Path, info: ValidationInfo) -> Path:
    """Make a path absolute: it counts from the folder of the experiment file, if there is one."""
    folder = (info.context or {}).get("folder", Path())
    return Path(folder, path.expanduser()).absolute()


def _rising(window: tuple[float, float]) -> tuple[float, float]:
    if window[0] >= window[1]:
        raise ValueError(f"expected a lower value, then a higher one, got {list(window)}")
    return window


def _of_its_sign(siemens: float, info: ValidationInfo) -> float:
    """Let signed weights have either sign, and conductances none."""
    lowest = -HIGHEST if info.data.get("weights") == "signed" else LOWEST
    if siemens < lowest:
        raise PydanticKnownError("greater_than_equal", {"ge": lowest})
    return siemens


Weight = Annotated[Finite, Field(le=HIGHEST), AfterValidator(_of_its_sign)]


def _one_or_many(value: Any) -> str:
    return "list" if isinstance(value, list | tuple) else "table"


def _number_or_table(value: Any) -> str:
    return "table" if isinstance(value, dict) else "number"


class Section(BaseModel):
    """A table of the file: no unknown keys, no changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    """Data set, how it is split and scaled."""

    name: Literal["xor", "moons", "iris", "digits", "mnist", "fashion-mnist", "csv", "npz"] = Field(
        "digits", description="xor, moons, iris, digits, mnist, fashion-mnist, csv or npz"
    )
    path: Annotated[Path, AfterValidator(_from_folder)] | None = Field(
        None,
        examples=["data.csv"],
        description="file of csv/npz, or folder with the idx files of mnist (else downloaded)",
    )
    label: str = Field("label", description="column of a csv file that holds the class 0, 1, …")
    targets: tuple[str, ...] = Field(
        (), description="columns of a csv file to predict in volts, instead of a class"
    )
    validation: Share = Field(0.1, description="share of all samples that model choices may look at")
    test: Share = Field(0.2, description="share of all samples that only the final score looks at")
    scaling: Literal["none", "unit", "standard"] = Field(
        "unit",
        description="none; unit: all inputs to 0…1; standard: zero mean, unit variance (training part only)",
    )
    limit: Count | None = Field(None, examples=[1000], description="train on so many samples only")
    samples: Count = Field(400, description="points of the moons")
    noise: NotNegative = Field(0.1, description="standard deviation of the moons' points, in radii")


class Diodes(Section):
    """Diodes at every hidden node."""

    kind: Literal["antiparallel", "one_sided", "none"] = Field(
        "antiparallel",
        description="antiparallel: both signs clamped; one_sided: half excitatory, half inhibitory; none",
    )
    law: Literal["shockley", "clamp"] = Field("shockley", description="shockley, or clamp (near-ideal)")
    rail: NotNegative = Field(0.0, description="V; the diodes go to rails at ± this voltage (0: ground)")
    saturation_current: Positive = Field(1e-9, description="A; IS of a shockley diode")
    emission: Positive = Field(1.0, description="N of a shockley diode")
    conductance: Positive = Field(1e-2, description="S; slope of a clamp when on")
    knee: Positive = Field(1e-2, description="V; width of a clamp's knee")


class Diode(Section):
    """Tunnel diode of device = "esaki", as `eqcirc fit` writes it."""

    peak_current: Positive = Field(4.7e-3, description="A; of the tunnel current")
    peak_voltage: Positive = Field(65e-3, description="V; of the tunnel current")
    excess_current: Positive = Field(0.45e-3, description="A; at valley_voltage")
    excess_slope: Positive = Field(4.0, description="1/V; excess current grows as exp(slope·v)")
    valley_voltage: Positive = Field(0.35, description="V; where excess_current is counted")
    saturation_current: Positive = Field(9.7e-12, description="A; of the diode current")
    slope_voltage: Positive = Field(25.85e-3, description="V; N·kT/q of the diode current")
    fall_exponent: Annotated[Finite, Field(ge=1, le=3)] = Field(
        1.0, description="how steeply the current falls"
    )
    series_resistance: NotNegative = Field(0.0, description="ohm; 0 for none")
    capacitance: NotNegative = Field(0.0, description="F; of the junction, 0 for none")
    inductance: NotNegative = Field(0.0, description="H; of the leads, 0 for none")
    source: str = Field("", description="where the numbers come from")


class Neurons(Section):
    """FitzHugh-Nagumo neuron at every hidden node, in place of the diodes."""

    device: Literal[
        "cubic", "esaki", "1n3716", "mbd1057", "mbd2057", "mbd3057", "mbd4057", "mbd5057", "none"
    ] = Field(
        "cubic",
        description="N-shaped device: cubic, esaki (tunnel diode), one of 1n3716 and mbd1057 … mbd5057, none",
    )
    g1: Positive = Field(3e-3, description="S; conductance of a cubic device at 0 V is -g1")
    v0: Positive = Field(1.0, description="V; the current of a cubic device falls between -v0 and v0")
    recovery: Literal["rl", "gyrator", "none"] = Field(
        "rl",
        description="branch that pulls back: rl (resistor and inductor), gyrator (with a capacitor), none",
    )
    resistance: Positive = Field(330.0, description="ohm; rl: below 1/g1 there is always one operating point")
    inductance: Positive = Field(2e-5, description="H; rl")
    gyration: Positive = Field(2e-3, description="S; gyrator")
    leak: Positive = Field(1e-3, description="S; gyrator: from the recovery node to ground")
    recovery_capacitance: Positive = Field(1e-10, description="F; gyrator: of the recovery node")
    inhibition: Siemens | None = Field(
        None,
        examples=[1e-4],
        description="S; gyrator: joins recovery nodes of neighbours in a ring, not joined if left out",
    )
    capacitance: Positive = Field(1e-9, description="F; of the membrane, the hidden node")
    rest: Finite = Field(0.0, description="V; what recovery pulls the membrane to")
    bias: Finite = Field(0.0, description="A; current into the membrane")
    train: tuple[
        Literal["area", "bias", "resistance", "gyrator", "leak", "recovery_bias", "inhibition"], ...
    ] = Field(
        (),
        description="trained parts: area, bias, resistance, gyrator, leak, recovery_bias, inhibition",
    )
    span: Annotated[Finite, Field(gt=1)] = Field(
        2.0,
        description="trained parts stay between 1/span and span times their first value, currents within "
        "±span times it (at least ±1 mA)",
    )
    diode: Diode | None = Field(None, description="numbers of device = esaki")


class Amplifiers(Section):
    """Bidirectional amplifier behind every hidden node."""

    gain: Positive = Field(4.0, description="V/V; voltage gain A forward")
    kappa: Positive | None = Field(
        None, examples=[0.25], description="A/A; current gain back, 1/gain if left out"
    )


class Biases(Section):
    """Trainable offset of every node."""

    kind: Literal["rail", "current", "none"] = Field(
        "rail", description="rail: conductances to rails at ±voltage; current: current sources; none"
    )
    voltage: Positive = Field(10.0, description="V; of the bias rails")
    current: Positive = Field(1e-5, description="A; largest bias current")


class Network(Section):
    """The circuit: a layered resistive network."""

    hidden: tuple[Count, ...] = Field((64,), description="nodes of each hidden layer; [] for none")
    weights: Literal["conductance", "signed", "dual_rail"] = Field(
        "conductance",
        description="conductance; signed: ideal, either sign; dual_rail: four resistors between pairs of nodes",
    )
    loaded: Switch = Field(True, description="signed: each weight loads its nodes with its magnitude")
    input_gain: Finite = Field(10.0, description="V at a driven node for an input of 1")
    double_inputs: Switch = Field(
        True, description="conductance: drive a second node with -x for each input; dual_rail always does"
    )
    differential: Switch = Field(
        True, description="conductance: read outputs as differences of two nodes; dual_rail always does"
    )
    leak: NotNegative = Field(0.0, description="S; from every hidden and output node to ground, 0 for none")
    skips: tuple[tuple[Whole, Whole], ...] = Field(
        (), description="extra crossbars [from, to] between layers (0: input)"
    )
    residual: Siemens | None = Field(
        None,
        examples=[1e-4],
        description="S; from node k of each hidden layer to node k of the next, trained; none if left out",
    )
    bounds: Annotated[tuple[Weight, Weight], AfterValidator(_rising)] = Field(
        (1e-7, 1e-5), description="S; limits of trained weights; of either sign if signed: [-1e-5, 1e-5]"
    )
    initial: tuple[Weight, Weight] | None = Field(
        None,
        examples=[(1e-7, 3e-6)],
        description="S; range of initial weights (uniform), the bounds if left out",
    )
    biases: Biases = Field(Biases(), description="offsets")
    diodes: Annotated[
        Annotated[Diodes, Tag("table")] | Annotated[tuple[Diodes, ...], Tag("list")],
        Discriminator(_one_or_many),
    ] = Field(
        Diodes(),
        description="nonlinearity: one table for all hidden layers or a list with one for each",
    )
    neurons: Neurons | None = Field(None, description="leave the table out for diodes")
    amplifiers: Amplifiers | None = Field(None, description="leave the table out for none")


class Learning(Section):
    """Cost, Equilibrium Propagation, optimizer."""

    cost: Literal["cross_entropy", "squared_error"] = Field(
        "cross_entropy", description="what the nudge minimises"
    )
    sharpness: Positive = Field(10.0, description="1/V; cross_entropy is that of softmax(sharpness·output)")
    high: Finite = Field(0.1, description="V; squared_error: target of the right class")
    low: Finite = Field(-0.1, description="V; squared_error: target of the other classes")
    beta: Positive = Field(1e-7, description="nudging strength: A for cross_entropy, S for squared_error")
    variant: Literal["centred", "positive", "negative"] = Field(
        "centred", description="which nudged phases to contrast"
    )
    optimizer: Literal["adam", "sgd"] = Field("adam", description="adam or sgd")
    momentum: Share = Field(0.0, description="of sgd")
    learning_rate: Annotated[
        Annotated[Positive, Tag("number")] | Annotated[dict[str, Positive], Tag("table")],
        Discriminator(_number_or_table),
    ] = Field(
        2e-7,
        description="one, or { w1 = 2e-7, … } for each element; adam: a step in its unit, sgd: step = rate·dC/dg",
    )
    schedule: Literal["constant", "cosine", "exponential"] = Field(
        "cosine", description="of the learning rate"
    )
    final: Share = Field(0.0, description="cosine: factor of the rate at the end")
    decay: Annotated[Positive, Field(le=1)] = Field(0.99, description="exponential: factor for each epoch")
    batch_size: Count = Field(32, description="samples for one update")
    epochs: Count = Field(30, description="passes over the training part")
    keep: Literal["last", "best"] = Field(
        "last", description="last epoch, or the best by validation accuracy"
    )
    failed_limit: Share = Field(
        0.1, description="share of a batch that may fail to converge before the run stops"
    )


class Solver(Section):
    """What solves the operating points in training."""

    engine: Literal["ngspice", "ideal"] = Field("ngspice", description="ngspice or ideal (numpy)")
    start: Literal["auto", "cold", "relax"] = Field(
        "auto",
        description="free phase of N-shaped devices: cold (from 0 V), relax (follows the circuit in time), auto",
    )
    netlist: Literal["reduced", "full"] = Field(
        "reduced", description="reduced: inputs and amplifiers eliminated exactly, fast; full: every element"
    )
    workers: Count | None = Field(
        None,
        examples=[2],
        description="ngspice processes; all cores if left out. Results do not depend on it",
    )
    cluster: str | None = Field(
        None,
        examples=["tcp://10.0.0.1:8786"],
        description="Dask scheduler (address or scheduler file) to run on instead of this machine",
    )
    sweep: Count = Field(32, description="samples in one netlist; smaller spreads a batch over more workers")
    deadline: Positive = Field(
        600.0, description="s; a sweep that takes longer is given up and its worker replaced"
    )
    memory: Positive | None = Field(
        None, examples=[2.0], description="GiB of address space; a worker that wants more is replaced"
    )
    reltol: Positive = Field(1e-11, description="ngspice: relative tolerance of Newton's iteration")


class AuditSection(Section):
    """Check by the other solver during training."""

    every: Whole = Field(50, description="steps between audits; 0 for none")
    samples: Count = Field(8, description="samples compared in an audit")
    warn_voltage: Positive = Field(1e-6, description="V; warn beyond this difference of a node voltage")
    stop_voltage: Positive = Field(1e-3, description="V; stop beyond this difference")
    warn_cosine: Cosine = Field(0.9999, description="warn below this cosine between the two updates")
    stop_cosine: Cosine = Field(0.9, description="stop below this cosine")


class Experiment(Section):
    """An experiment: what to build, on which data, how to train it."""

    name: str = Field(
        "digits", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="title of circuit and run"
    )
    seed: Whole = Field(0, description="of split, initial conductances and order of samples")
    data: Data = Field(Data(), description="")
    network: Network = Field(Network(), description="")
    learning: Learning = Field(Learning(), description="")
    solver: Solver = Field(Solver(), description="")
    audit: AuditSection = Field(AuditSection(), description="")
