"""The contract of spikes: a circuit whose probit cells are comparators with noise, and averages over what they do.

Every comparator compares its control with a normal voltage that is drawn anew each `period`, and drives the current of
its decision meanwhile (`devices.probit`): it fires with the probability Φ(v/σ) that the probit law has as its mean. A
capacitor at the nodes that comparators drive makes rates of decisions: they forget within `memory` periods. The circuit
itself is the mean field of that spiking one. With so few as N = memory decisions in a rate, the sums fluctuate, and
averages are off the mean field by a part that falls with 1/N, since the law bends.

Source: Lin, Jiang & Sengupta 2025 (arXiv 2511.11320), spiking units whose mean field has an energy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from eqcirc.errors import ConfigError, nearest, whole_number
from eqcirc.typing import Array

if TYPE_CHECKING:
    from eqcirc.solvers.base import OperatingPoints

Begin = Literal["mean_field", "rest"]


@dataclass(frozen=True)
class Window:
    """How the comparators decide, and how long they are looked at.

    Attributes:
        decisions: of every comparator that are averaged.
        memory: time constant of the rates, in decisions.
        settle: time constants that pass before.
        begin: where rates begin: at the mean field, which is solved first; or at rest, all at 0 V, as hardware does.
        chains: independent courses of each sample; errors are told from how far they are apart.
        common: whether all phases of a chain get the same noise, so that it cancels in their contrast.
        period: seconds from one decision to the next.
        seed: of the noise.
    """

    decisions: int = 500
    memory: float = 20.0
    settle: float = 5.0
    begin: Begin = "mean_field"
    chains: int = 1
    common: bool = True
    period: float = 1e-6
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        whole_number("window: decisions", self.decisions)
        whole_number("window: chains", self.chains)
        if self.begin not in get_args(Begin):
            raise ConfigError(f"window: begin = {self.begin!r}: {nearest(str(self.begin), get_args(Begin))}")
        for name, unit in (("memory", "decisions"), ("settle", "time constants"), ("period", "seconds")):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and np.isfinite(value) and value > 0):
                raise ConfigError(f"window: {name} = {value!r}: expected a positive, finite number of {unit}")

    @property
    def answering(self) -> Window | None:
        """What the circuit answers in: this window, where rates begin at rest; None where the mean field is solved."""
        return self if self.begin == "rest" else None

    @property
    def before(self) -> int:
        """Decisions before the window."""
        return int(np.ceil(self.settle * self.memory))


@dataclass(frozen=True, eq=False)
class Rates:
    """What rates were, on average over the window.

    Attributes:
        voltages: (phase, batch, chain, node) in volts; phase 0 is free. NaN for samples that have no mean field.
        points: operating points of the mean field, the free phase, where all chains began; of chains that began at
            rest, the averages of the free phase.
        seconds: wall time.
    """

    voltages: Array
    points: OperatingPoints
    seconds: float = 0.0

    @property
    def mean(self) -> Array:
        """Averages (phase, batch, node) over the chains, too."""
        return np.asarray(self.voltages.mean(axis=2))

    def __repr__(self) -> str:
        """Say how much there is."""
        phases, samples, chains, _ = self.voltages.shape
        return f"Rates({samples} samples, {phases} phases, {chains} chains)"
