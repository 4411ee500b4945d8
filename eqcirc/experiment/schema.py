"""The experiment file: every key with its meaning, unit, default and range.

`circuits/*.toml` are such files; `eqcirc init` writes one with these descriptions as comments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from eqcirc.circuit.oscillators import QUADRATURE
from eqcirc.data.scaling import suited
from eqcirc.experiment.learning import Learning
from eqcirc.experiment.network import Network
from eqcirc.experiment.reality import Reality
from eqcirc.experiment.section import (
    Branch,
    Count,
    Finite,
    NotNegative,
    Positive,
    Section,
    Share,
    Whole,
    from_folder,
)
from eqcirc.solvers.free_phase import InitialState, Start

Cosine = Annotated[Finite, Field(ge=-1, le=1)]


class Data(Section):
    """Data set, how it is split and scaled."""

    branches = (
        Branch("name", ("csv",), ("targets", "label", "columns", "drop")),
        Branch("targets", ((),), ("label",)),
        Branch("name", ("moons",), ("samples", "noise")),
        Branch("name", ("xor",), ("validation",), unless=True),
        Branch("name", ("moons", "iris", "digits", "csv", "npz"), ("test",)),
    )

    name: Literal["xor", "moons", "iris", "digits", "mnist", "fashion-mnist", "csv", "npz"] = Field(
        "digits", description="xor, moons, iris, digits, mnist, fashion-mnist, csv or npz"
    )
    path: Annotated[Path, AfterValidator(from_folder)] | None = Field(
        None,
        examples=["data.csv"],
        description="file of csv/npz, or folder with the idx files of mnist (else downloaded), seen from this file",
    )
    targets: tuple[str, ...] = Field(
        (), description="columns of a csv file to predict in volts, instead of a class"
    )
    label: str = Field(
        "label", description="column of a csv file that holds the class, whole numbers or text"
    )
    columns: tuple[str, ...] = Field(
        (), description="columns of a csv file that are the features; [] for all others"
    )
    drop: tuple[str, ...] = Field((), description="columns of a csv file that are no features")
    validation: Share = Field(0.1, description="share of all samples that model choices may look at")
    test: Share = Field(0.2, description="share of all samples that only the final score looks at")
    scaling: Literal["auto", "none", "unit", "standard"] = Field(
        "auto",
        validate_default=True,
        description="none; unit: all columns alike to 0…1, as pixels need; standard: each column to mean 0, "
        "deviation 1; auto: standard for tables, unit for images, none for xor; by the training part alone",
    )
    limit: Count | None = Field(None, examples=[1000], description="train on so many samples only")
    samples: Count = Field(400, description="points of the moons")
    noise: NotNegative = Field(0.1, description="standard deviation of the moons' points, in radii")

    @field_validator("scaling")
    @classmethod
    def _as_the_data_need(cls, scaling: str, info: ValidationInfo) -> str:
        """Replace "auto", so that a run records what it was."""
        return suited(info.data["name"]) if scaling == "auto" and "name" in info.data else scaling


class Initial(Section):
    """What is written into a circuit that remembers, before its inputs are applied; nothing if left out."""

    voltages: dict[str, Finite] | None = Field(
        None, examples=[{"h1_0": 1.0}], description="V by node name: charged at first"
    )
    everywhere: Finite = Field(0.0, description="V; all other nodes are charged to this instead")
    pulse: tuple[Finite, ...] | None = Field(
        None,
        examples=[(1.0, 0.0)],
        description="scaled inputs that stand until the circuit rests, then its own do",
    )


class Solver(Section):
    """What solves the operating points in training."""

    branches = (Branch("initial", (None,), ("start",)), Branch("cluster", (None,), ("workers",)))

    initial: Initial | None = Field(None, description="")
    engine: Literal["ngspice", "ideal"] = Field(
        "ngspice",
        description="ngspice or ideal (numpy); the other one checks, so that the keys of both count",
    )
    start: Literal["auto", "cold", "relax"] = Field(
        "auto",
        description="free phase of N-shaped devices: cold (from 0 V), relax (follows the circuit in time), auto",
    )
    netlist: Literal["reduced", "full"] = Field(
        "reduced", description="reduced: inputs and amplifiers eliminated exactly, fast; full: every element"
    )
    cluster: str | None = Field(
        None,
        examples=["tcp://10.0.0.1:8786"],
        description="Dask scheduler (address or scheduler file) to run on instead of this machine",
    )
    workers: Count | None = Field(
        None,
        examples=[2],
        description="ngspice processes of this machine; all cores if left out. Results do not depend on it",
    )
    sweep: Count = Field(32, description="samples in one netlist; smaller spreads a batch over more workers")
    deadline: Positive = Field(
        600.0, description="s; a sweep that takes longer is given up and its worker replaced"
    )
    memory: Positive | None = Field(
        None, examples=[2.0], description="GiB of address space; a worker that wants more is replaced"
    )
    reltol: Positive = Field(1e-11, description="ngspice: relative tolerance of Newton's iteration")

    @property
    def begins(self) -> Start | InitialState:
        """Return how the free phase is found, as solvers take it."""
        if self.initial is None:
            return self.start
        return InitialState(self.initial.voltages or {}, self.initial.pulse, self.initial.everywhere)


class AuditSection(Section):
    """Check by the other solver during training."""

    branches = (
        Branch(
            "every",
            (0,),
            (
                *("samples", "warn_voltage", "stop_voltage", "warn_cosine", "stop_cosine"),
                *("warn_length", "stop_length", "warn_bias", "stop_bias"),
            ),
            unless=True,
        ),
    )

    every: Whole = Field(50, description="steps between audits; 0 for none")
    samples: Count = Field(8, description="samples compared in an audit")
    warn_voltage: Positive = Field(1e-6, description="V; warn beyond this difference of a node voltage")
    stop_voltage: Positive = Field(1e-3, description="V; stop beyond this difference")
    warn_cosine: Cosine = Field(0.9999, description="warn below this cosine between the two updates")
    stop_cosine: Cosine = Field(0.9, description="stop below this cosine")
    warn_length: Positive = Field(0.01, description="warn beyond this relative difference of their lengths")
    stop_length: Positive = Field(0.5, description="stop beyond this relative difference of their lengths")
    warn_bias: Positive = Field(0.1, description="warn beyond this relative error of the update for its beta")
    stop_bias: Positive = Field(0.5, description="stop beyond this error; it is measured with half of beta")


class Ratings(Section):
    """What the devices of a class may see; eqcirc physical names the classes."""

    kind: str = Field(
        "synapse", description="class of devices: synapse, resistor, shockley_diode, amplifier, …"
    )
    volts: Positive | None = Field(None, examples=[5.5], description="V; across a device")
    amperes: Positive | None = Field(None, examples=[1e-3], description="A; through it")
    watts: Positive | None = Field(None, examples=[1e-2], description="W; in it")


class Physical(Section):
    """What physical figures depend on and the circuit does not say; training does not depend on it."""

    capacitance: Positive | None = Field(
        None, examples=[1e-12], description="F; parasitic, from every free node to ground"
    )
    tolerance: Annotated[Finite, Field(ge=1e-9, lt=1)] = Field(
        0.01, description="an output has settled so near to its end, in parts of the largest one"
    )
    settle: Count = Field(3, description="samples that are followed in time, and asked for their noise")
    band: tuple[Positive, Positive] | None = Field(
        None, examples=[(1.0, 1e6)], description="Hz; of the noise; all frequencies if left out"
    )
    write_volts: Positive | None = Field(None, examples=[1.0], description="V; of a write pulse")
    write_seconds: Positive | None = Field(None, examples=[1e-7], description="s; its length")
    write_joules: Positive | None = Field(
        None, examples=[1e-12], description="J; energy of a write pulse, in place of volts and seconds"
    )
    ratings: tuple[Ratings, ...] = Field((), description="a table for each class of devices")


class Experiment(Section):
    """An experiment: what to build, on which data, how to train it."""

    branches = (Branch("circuit", (None,), ("network",)),)

    name: str = Field(
        "digits", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="title of circuit and run"
    )
    seed: Whole = Field(0, description="of split, initial conductances and order of samples")
    circuit: Annotated[Path, AfterValidator(from_folder)] | None = Field(
        None,
        examples=["circuit.npz"],
        description="file that eqcirc.save_circuit wrote, in place of [network]",
    )
    data: Data = Field(Data(), description="")
    network: Network = Field(Network(), description="")
    reality: Reality | None = Field(None, description="leave the table out for an ideal circuit")
    physical: Physical | None = Field(None, description="")
    learning: Learning = Field(Learning(), description="")
    solver: Solver = Field(Solver(), validate_default=True, description="")
    audit: AuditSection = Field(AuditSection(), description="")

    @field_validator("learning")
    @classmethod
    def _of_phases(cls, learning: Learning, info: ValidationInfo) -> Learning:
        """Hold that the cost of phases goes with a circuit of phases: another cost takes an angle for a voltage."""
        if info.data.get("circuit") is not None or "network" not in info.data:
            return learning
        phases, kind = learning.cost == "phase_error", info.data["network"].kind
        if phases != (kind == "oscillators"):
            right = (
                'cost = "phase_error"' if kind == "oscillators" else 'another cost, or kind = "oscillators"'
            )
            raise ValueError(f'cost = "{learning.cost}" with network.kind = "{kind}": expected {right}')
        return learning

    @field_validator("solver")
    @classmethod
    def _from_quadrature(cls, solver: Solver, info: ValidationInfo) -> Solver:
        """Let phases start at π/2 unless the file says where, so that a run records it."""
        network = info.data.get("network")
        if solver.initial is not None or network is None or network.kind != "oscillators":
            return solver
        return solver.model_copy(update={"initial": Initial(everywhere=QUADRATURE)})
