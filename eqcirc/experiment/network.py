"""The part [network] of the experiment file: every key with its meaning, unit, default and range."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Strict, Tag, ValidationInfo
from pydantic_core import PydanticKnownError

from eqcirc.circuit.layered import BOUNDS
from eqcirc.devices.conductance import HIGHEST, LOWEST
from eqcirc.devices.presets import PRESETS
from eqcirc.errors import nearest
from eqcirc.experiment.section import (
    Branch,
    Count,
    Finite,
    NotNegative,
    Positive,
    Section,
    Switch,
    Whole,
    from_folder,
)

Siemens = Annotated[Finite, Field(ge=LOWEST, le=HIGHEST)]


def _rising(window: tuple[float, float]) -> tuple[float, float]:
    if window[0] >= window[1]:
        raise ValueError(f"expected a lower value, then a higher one, got {list(window)}")
    return window


def _of_its_sign(siemens: float, info: ValidationInfo) -> float:
    """Let signed weights have either sign, and conductances none."""
    lowest = -HIGHEST if info.data.get("weights") in ("signed", "one_way", "predictive") else LOWEST
    if siemens < lowest:
        raise PydanticKnownError("greater_than_equal", {"ge": lowest})
    return siemens


Weight = Annotated[Finite, Field(le=HIGHEST), AfterValidator(_of_its_sign)]


def _one_or_many(value: Any) -> str:
    return "list" if isinstance(value, list | tuple) else "table"


def _number_or_word(value: Any) -> str:
    return "word" if isinstance(value, str) else "number"


_DEVICES = ("cubic", "esaki", *PRESETS, "none")


def _device(name: str, info: ValidationInfo) -> str:
    """Return a name in small letters, or the absolute path of a file; it is read when the circuit is built."""
    if name.lower() in _DEVICES:
        return name.lower()
    if not name.endswith(".toml"):
        raise ValueError(f"unknown value {name!r}, and no .toml file: {nearest(name, _DEVICES)}")
    return str(from_folder(Path(name), info))


OrFall = Annotated[
    Annotated[Finite, Tag("number")] | Annotated[Literal["fall"], Tag("word")],
    Discriminator(_number_or_word),
]


class Diodes(Section):
    """Diodes at every hidden node."""

    branches = (
        Branch(
            "kind",
            ("antiparallel", "one_sided"),
            ("law", "rail", "saturation_current", "emission", "conductance", "knee"),
        ),
        Branch("law", ("shockley",), ("saturation_current", "emission")),
        Branch("law", ("clamp",), ("conductance", "knee")),
    )

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
    """Numbers of device = "esaki"; a file that `eqcirc fit` wrote is a device itself."""

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

    branches = (
        Branch("device", ("cubic",), ("g1", "v0")),
        Branch("device", ("esaki",), ("diode",)),
        Branch("recovery", ("rl",), ("resistance", "inductance")),
        Branch("recovery", ("gyrator",), ("gyration", "leak", "recovery_capacitance", "inhibition")),
        Branch("recovery", ("rl", "gyrator"), ("rest",)),
        Branch("train", ((),), ("span",), unless=True),
    )

    device: Annotated[str, Strict(), AfterValidator(_device)] = Field(
        "cubic",
        description="N-shaped device: cubic, esaki (tunnel diode), one of 1n3716 and mbd1057 … mbd5057, "
        "a file that `eqcirc fit` wrote (my_diode.toml), none",
    )
    g1: Positive = Field(3e-3, description="S; conductance of a cubic device at 0 V is -g1")
    v0: Positive = Field(1.0, description="V; the current of a cubic device falls between -v0 and v0")
    recovery: Literal["rl", "gyrator", "none"] = Field(
        "rl",
        description="branch that pulls back: rl (resistor and inductor), gyrator (with a capacitor), none",
    )
    resistance: Positive = Field(
        330.0, description="ohm; rl: below 1/g1 (1/steepest fall) there is always one operating point"
    )
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
    rest: OrFall = Field(
        0.0,
        description='V; what recovery pulls the membrane to; "fall": where the device\'s current falls most steeply',
    )
    bias: OrFall = Field(
        0.0,
        description='A; current into the membrane; "fall": the device\'s current where it falls most steeply',
    )
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
    diode: Diode = Field(Diode(), description="numbers of device = esaki")


class Cells(Section):
    """One-way cell behind every hidden node, in place of the diodes."""

    branches = (Branch("law", ("clipped",), ("knee",)),)

    law: Literal["tanh", "clipped", "diode_limited", "probit"] = Field(
        "tanh", description="tanh, clipped, diode_limited; probit: the mean of a comparator with noise"
    )
    siemens: Siemens = Field(1e-5, description="S; slope at 0 V, the steepest one")
    saturation: Positive = Field(1e-6, description="A; current around which it bends")
    one_sided: Switch = Field(False, description="let only positive currents through")
    knee: Annotated[Finite, Field(ge=1e-6, le=1)] = Field(
        0.1, description="of clipped, as a part of saturation/siemens"
    )
    load: Siemens = Field(1e-5, description="S; of the node that it drives")


class Feedback(Section):
    """One-way weights from each layer back to the one before it."""

    branches = (
        Branch("kind", ("antisymmetric", "rotated"), ("asymmetry",)),
        Branch("kind", ("tied",), ("strength",)),
    )

    kind: Literal["antisymmetric", "rotated", "tied"] = Field(
        "antisymmetric",
        description="antisymmetric: W + a·R and W - a·R; rotated: W and W turned by a·90 degrees to R; tied: W and "
        "strength·W, in training, too, and in front of the cells",
    )
    asymmetry: NotNegative = Field(0.0, description="a: 0 for weights that begin alike in both directions")
    strength: Positive = Field(1.0, description="tied: of weights back, in parts of those forth")


class Amplifiers(Section):
    """Bidirectional amplifier behind every hidden node."""

    gain: Positive = Field(4.0, description="V/V; voltage gain A forward")
    kappa: Positive | None = Field(
        None, examples=[0.25], description="A/A; current gain back, 1/gain if left out"
    )


class Biases(Section):
    """Trainable offset of every node."""

    branches = (Branch("kind", ("rail",), ("voltage",)), Branch("kind", ("current",), ("current",)))

    kind: Literal["rail", "current", "none"] = Field(
        "rail", description="rail: conductances to rails at ±voltage; current: current sources; none"
    )
    voltage: Positive = Field(10.0, description="V; of the bias rails")
    current: Positive = Field(1e-5, description="A; largest bias current")


class OscillatorTable(Section):
    """Oscillator Ising machine: couplings in amperes between phases, 1 V for 1 rad."""

    branches = ()

    input_gain: Positive = Field(1.0, description="V at an input for an input of 1; couplings count as often")
    bounds: Annotated[tuple[Finite, Finite], AfterValidator(_rising)] = Field(
        (-2.0, 2.0), description="A; limits of trained couplings, biases and injections"
    )
    initial: NotNegative = Field(0.05, description="A; couplings of the inputs begin within ± this")
    coupling: NotNegative = Field(0.1, description="A; the other couplings begin within ± this")
    injection: Finite = Field(0.0, description="A; second harmonic K of hidden oscillators")
    output_injection: Finite = Field(-0.5, description="A; second harmonic K of the outputs")
    train_injection: Switch = Field(False, description="let learning change the second harmonics")


class Network(Section):
    """The circuit: a layered resistive network, or one of oscillators."""

    branches = (
        Branch(
            "kind",
            ("layered",),
            (
                *(
                    "weights",
                    "loaded",
                    "input_gain",
                    "double_inputs",
                    "differential",
                    "leak",
                    "skips",
                    "residual",
                ),
                *("bounds", "initial", "biases", "feedback", "cells", "neurons", "diodes", "amplifiers"),
            ),
        ),
        Branch("kind", ("oscillators",), ("oscillators",)),
        Branch("hidden", ((),), ("cells", "neurons", "diodes", "amplifiers"), unless=True),
        Branch("weights", ("signed",), ("loaded",)),
        Branch("weights", ("conductance",), ("double_inputs", "differential")),
        Branch("weights", ("one_way",), ("feedback",)),
        Branch("weights", ("one_way", "predictive"), ("cells",)),
        Branch("neurons", (None,), ("diodes",)),
        Branch("cells", (None,), ("neurons", "diodes")),
    )

    kind: Literal["layered", "oscillators"] = Field(
        "layered",
        description="layered; oscillators: of hidden and the table oscillators, none of the other keys",
    )
    hidden: tuple[Count, ...] = Field(
        (64,), description="nodes of each hidden layer; [] for none, then without amplifiers and diodes"
    )
    weights: Literal["conductance", "signed", "dual_rail", "one_way", "predictive"] = Field(
        "conductance",
        description="conductance; signed: ideal, either sign; dual_rail: four resistors between pairs of nodes; "
        "one_way: transconductors, need a leak; predictive: gyrators to errors, need a leak and cells",
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
        BOUNDS[:], description="S; limits of trained weights; of either sign if signed: [-1e-5, 1e-5]"
    )
    initial: tuple[Weight, Weight] | None = Field(
        None,
        examples=[(1e-7, 3e-6)],
        description="S; range of initial weights (uniform), the bounds if left out",
    )
    biases: Biases = Field(Biases(), description="offsets")
    feedback: Feedback | None = Field(
        None, description="one_way: leave the table out for a feedforward network"
    )
    cells: Cells | None = Field(None, description="one_way, predictive: leave the table out for diodes")
    neurons: Neurons | None = Field(None, description="leave the table out for diodes")
    diodes: Annotated[
        Annotated[Diodes, Tag("table")] | Annotated[tuple[Diodes, ...], Tag("list")],
        Discriminator(_one_or_many),
    ] = Field(
        Diodes(),
        description="nonlinearity: one table for all hidden layers or a list with one for each",
    )
    amplifiers: Amplifiers | None = Field(None, description="leave the table out for none")
    oscillators: OscillatorTable | None = Field(None, description="leave the table out for its defaults")
