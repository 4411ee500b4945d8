"""The table [learning] of an experiment file, and the tables in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Strict, Tag, ValidationInfo, field_validator

from eqcirc.experiment.section import (
    Branch,
    Count,
    Finite,
    NotNegative,
    Positive,
    Section,
    Share,
    Switch,
)
from eqcirc.learning.choice import Name
from eqcirc.learning.phases import Variant
from eqcirc.learning.plan import ADAM_RATE
from eqcirc.solvers.spiking import Begin


def _number_or_table(value: Any) -> str:
    return "table" if isinstance(value, dict) else "number"


class Reading(Section):
    """How the rule reads the voltages that it learns from."""

    branches = (Branch("bits", (None,), ("full_scale",), unless=True),)

    noise: NotNegative = Field(0.0, description="V; standard deviation, every node in every phase by itself")
    phase_noise: NotNegative = Field(0.0, description="V; of what all nodes of one phase have in common")
    bits: Annotated[int, Strict(), Field(ge=1, le=52)] | None = Field(
        None, examples=[12], description="of the converter; left out for no rounding"
    )
    full_scale: Positive = Field(1.0, description="V; the converter goes from -full_scale to full_scale")


class Writing(Section):
    """How updates of trained resistors are written: in pulses that lead from one bound to the other."""

    pulses_up: Count = Field(100, description="from the lowest value to the highest one")
    pulses_down: Count = Field(100, description="back")
    bend_up: NotNegative = Field(
        0.0, description="nonlinearity: the first step up is e^bend times the last one"
    )
    bend_down: NotNegative = Field(0.0, description="of the way down")
    noise: NotNegative = Field(0.0, description="standard deviation that a pulse adds, in parts of the range")
    rounding: Literal["random", "nearest"] = Field(
        "random", description="of the number of pulses; random: right on average"
    )


class BathSection(Section):
    """White noise of its own at every node, for rules of finite temperature."""

    temperature: Positive = Field(1e-9, description="W; states have the law exp(-energy/temperature)")
    chains: Count = Field(8, description="independent courses of each sample")
    length: Positive = Field(50.0, description="of a course, in slowest time constants of the circuit")
    draws: Count = Field(4, description="states that are kept, for each of these")
    step: Positive | None = Field(
        None,
        examples=[0.02],
        description="in fastest time constants; left out: 0.02 for ngspice, 0.2 for ideal",
    )
    common: Switch = Field(
        True, description="the same noise in all phases, so that it cancels in their contrast"
    )


class WindowSection(Section):
    """Comparators with noise in place of probit cells, for stoch_ep."""

    decisions: Count = Field(500, description="of every comparator that are averaged")
    memory: Positive = Field(20.0, description="time constant of the rates, in decisions: N")
    settle: Positive = Field(5.0, description="time constants that pass before")
    begin: Begin = Field(
        "mean_field", description="mean_field: solved first; rest: all at 0 V, as hardware does"
    )
    chains: Count = Field(1, description="independent courses of each sample")
    common: Switch = Field(
        True, description="the same noise in all phases, so that it cancels in their contrast"
    )
    period: Positive = Field(1e-6, description="s; from one decision to the next, in ngspice")


class Learning(Section):
    """Cost, learning rule, optimizer."""

    branches = (
        Branch("rule", ("auto", "eqprop", "asym_ep", "vector_field", "coupled", "stoch_ep"), ("variant",)),
        Branch("rule", ("stoch_ep",), ("window",)),
        Branch("cost", ("cross_entropy",), ("sharpness",)),
        Branch("cost", ("squared_error",), ("high", "low")),
        Branch("cost", ("phase_error",), ("target_cosine",)),
        Branch("optimizer", ("sgd",), ("momentum",)),
        Branch("schedule", ("cosine",), ("final",)),
        Branch("schedule", ("exponential",), ("decay",)),
    )

    cost: Literal["cross_entropy", "squared_error", "phase_error"] = Field(
        "cross_entropy",
        description="what the nudge minimises: cross_entropy, squared_error; phase_error: of oscillators",
    )
    sharpness: Positive = Field(10.0, description="1/V; cross_entropy is that of softmax(sharpness·output)")
    high: Finite = Field(0.1, description="V; squared_error: target of the right class")
    low: Finite = Field(-0.1, description="V; squared_error: target of the other classes")
    target_cosine: Annotated[Finite, Field(gt=0, le=1)] = Field(
        0.5, description="phase_error: target of the right class, and with a minus sign of the other classes"
    )
    rule: Name = Field(
        "auto",
        description="auto: eqprop where the circuit allows it, else asym_ep; dyadic: a second circuit, exact; "
        "vector_field: for comparison; coupled: an objective of its own; free_energy, free_energy_path: finite "
        "temperature, any beta; stoch_ep: spikes of probit cells with tied weights back",
    )
    force: Switch = Field(False, description="take a rule that does not measure the gradient, and say so")
    beta: Positive = Field(
        1e-7,
        description="nudging strength: A for cross_entropy and phase_error, S for squared_error; coupled: part of the "
        "way, up to 1",
    )
    variant: Variant = Field(
        "centred",
        description="phases to contrast: centred; positive, negative: one-sided; random: of either sign; richardson",
    )
    reading: Reading | None = Field(
        None, description="how voltages are read; perfectly if the table is left out"
    )
    bath: BathSection | None = Field(None, description="of free_energy and free_energy_path: noise")
    window: WindowSection | None = Field(None, description="of stoch_ep: how long spikes are looked at")
    writing: Writing | None = Field(None, description="exact if the table is left out")
    optimizer: Literal["adam", "sgd"] = Field("adam", description="adam or sgd")
    momentum: Share = Field(0.0, description="of sgd")
    learning_rate: (
        Annotated[
            Annotated[Positive, Tag("number")] | Annotated[dict[str, Positive], Tag("table")],
            Discriminator(_number_or_table),
        ]
        | None
    ) = Field(
        None,
        examples=[2e-7],
        validate_default=True,
        description="one if all have one unit, or { w1 = 2e-7, … }; adam: a step in its unit, 2e-7 if left out; "
        "sgd: step = rate·dC/dg, proposed if left out",
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
    patience: Count | None = Field(
        None, examples=[10], description="epochs without a better validation score that end the run early"
    )
    failed_limit: Share = Field(
        0.1, description="share of a batch that may fail to converge before the run stops"
    )

    @field_validator("learning_rate")
    @classmethod
    def _of_adam(cls, rate: Any, info: ValidationInfo) -> Any:
        """Write out the default of Adam, whose steps are as large as its rate; that of sgd needs a gradient."""
        return ADAM_RATE if rate is None and info.data.get("optimizer") == "adam" else rate
