"""The contract of ensembles: a circuit in a bath of white noise, and averages over what it does there.

An independent white current of density S (two-sided, A²/Hz) enters every node that has a capacitor C. With the signed
co-content E (dE/dv = s·F) the node voltages then have the law

    rho(v) ∝ exp(−E(v)/T),      T = s·S/(2·C)   in watts, the same at every node

so nodes of equal C and s get currents of equal density. Proof: dv = −F/C·dt + (√S/C)·dW has the mobility 1/(s·C) and
the diffusion S/(2·C²); the Fokker-Planck equation has no flow where their ratio is T.

It is not Johnson noise: 4·k·T·g comes with the conductances, and whatever they are, a circuit of resistors and
capacitors has the law exp(−½·C·v²/kT) about its operating point. That law does not depend on g, so nothing could be
learnt from it about dE/dg.

Source: Uhlenbeck & Ornstein 1930, Phys. Rev. 36, 823; Risken 1989, "The Fokker-Planck Equation", chapter 6;
White 1997, Simulation 69, 323 (burn-in); Goodman & Weare 2010 and emcee (autocorrelation).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from emcee.autocorr import integrated_time

from eqcirc.errors import ConfigError, SolverError, whole_number
from eqcirc.typing import Array

if TYPE_CHECKING:
    from eqcirc.solvers.base import OperatingPoints

MOST_BURN_IN = 0.5  # of a chain; one that still drifts then has not arrived


@dataclass(frozen=True)
class Bath:
    """What the circuit is put into, and how long it is looked at.

    Attributes:
        temperature: T in watts.
        chains: independent courses of each sample; errors are told from how far they are apart.
        length: of a chain, in slowest time constants of the circuit, burn-in included.
        draws: states that are kept, for each of these.
        step: of time, in fastest time constants; None for what suits the engine.
        common: whether all phases of a chain get the same noise, so that it cancels in their contrast.
        seed: of the noise.
    """

    temperature: float
    chains: int = 8
    length: float = 200.0
    draws: int = 4
    step: float | None = None
    common: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        _positive("temperature", self.temperature, "watts")
        _positive("length", self.length, "slowest time constants")
        if self.step is not None:
            _positive("step", self.step, "fastest time constants")
        whole_number("bath: chains", self.chains)
        whole_number("bath: draws", self.draws)
        if self.length * self.draws < 8:
            raise ConfigError(
                f"bath: length·draws = {self.length * self.draws:g}: expected at least 8 states of a chain, to "
                "tell its beginning from the rest"
            )


def glance(temperature: float) -> Bath:
    """Return the bath of a single look at each sample: four slowest time constants after its operating point."""
    return Bath(temperature, chains=1, length=4.0, draws=2)


def _positive(name: str, value: object, unit: str) -> None:
    if not (isinstance(value, int | float) and np.isfinite(value) and value > 0):
        raise ConfigError(f"bath: {name} = {value!r}: expected a positive, finite number of {unit}")


@dataclass(frozen=True, eq=False)
class Ensemble:
    """States of a circuit in a bath.

    Attributes:
        voltages: (phase, batch, chain, draw, node) in volts, after the burn-in; phase 0 is free.
        points: operating points of the free phase, where all chains began; what failed there is NaN here.
        interval: seconds between two draws.
        burned: draws of every chain that were left out at its beginning.
        step: seconds of the integrator.
        seconds: wall time.
    """

    voltages: Array
    points: OperatingPoints
    interval: float
    burned: int
    step: float
    seconds: float = 0.0

    @property
    def last(self) -> OperatingPoints:
        """What the first chain of the free phase was at in the end, in place of the operating points."""
        return replace(self.points, voltages=self.voltages[:1, :, 0, -1])

    @property
    def mean(self) -> Array:
        """Average voltages (phase, batch, node)."""
        return np.asarray(self.voltages.mean(axis=(2, 3)))

    def __repr__(self) -> str:
        """Say how much there is."""
        phases, samples, chains, draws, _ = self.voltages.shape
        return f"Ensemble({samples} samples, {phases} phases, {chains} chains of {draws} states)"


def average(series: Array) -> tuple[float, float]:
    """Return the mean of a quantity (chain, draw) and its standard error, autocorrelation allowed for."""
    count, tau = series.size, correlation(series)
    return float(series.mean()), float(np.sqrt(series.var() * min(tau, count) / count))


def standard_errors(series: Array) -> Array:
    """Return standard errors of the means of quantities (chain, draw, …), autocorrelation allowed for."""
    flat = series.reshape(*series.shape[:2], -1)
    return np.array([average(flat[:, :, k])[1] for k in range(flat.shape[2])]).reshape(series.shape[2:])


def correlation(series: Array) -> float:
    """Return the integrated autocorrelation time of a quantity (chain, draw), in draws; 1 for independent ones."""
    if series.shape[1] < 4 or not np.ptp(series) > 0:
        return 1.0
    return max(1.0, float(integrated_time(series.T[:, :, None], quiet=True, tol=0)[0]))


def burn_in(series: Array, strict: bool = True) -> int:
    """Return how many draws to leave out at the beginning of series (draw, quantity): White's marginal standard error.

    It is smallest where what is left is long and alike.

    Raises:
        SolverError: it still falls in the middle: the series drifts. Only if `strict`.
    """
    draws = len(series)
    scaled = (series - series.mean(axis=0)) / np.maximum(series.std(axis=0), 1e-300)
    most = int(MOST_BURN_IN * draws)
    errors = [scaled[k:].var(axis=0).sum() / (draws - k) for k in range(most + 1)]
    best = int(np.argmin(errors))
    if strict and best == most and draws >= 40:
        raise SolverError(
            f"ensemble: after {draws} draws a chain still drifts; make it longer (length), or look whether the circuit "
            "has states that it hardly ever leaves"
        )
    return best
