"""The contract between solvers and everything that uses them.

`solve(parameters, inputs, nudge)` finds the operating points of a whole mini-batch: the free phase and, when a
nudge is given, the nudged ones. Trainer, rules, checks and reports know only this file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from numbers import Real
from types import TracebackType

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import Cost
from eqcirc.errors import CircuitError, ConfigError, DataError, SolverError, expect
from eqcirc.solvers.ensemble import Bath, Ensemble
from eqcirc.solvers.noise import Band, Noise
from eqcirc.solvers.spiking import Rates, Window
from eqcirc.solvers.status import Evidence, Status
from eqcirc.solvers.waveforms import Course, Waveforms
from eqcirc.typing import Array, NodeArray, Parameters


def check_beta(beta: float) -> None:
    """Raise `ConfigError` for a nudging strength that is none."""
    number = isinstance(beta, Real) and not isinstance(beta, bool)  # True would count as 1
    if not (number and np.isfinite(beta) and beta > 0):
        shown = f"{beta:g}" if number else repr(beta)
        raise ConfigError(
            f"beta = {shown}: expected a positive, finite nudging strength; without a nudge there is no contrast "
            "between the phases to learn from"
        )


@dataclass(frozen=True, eq=False)
class Nudge:
    """A cost that pulls at the outputs: −factor·beta·weight·dC/dv is injected at each output node.

    Attributes:
        cost: the cost C(outputs, targets).
        targets: (batch, n_outputs).
        beta: nudging strength, in siemens for the squared error and in amperes for the cross-entropy.
        factors: of beta, one for each phase after the free one.
        weight: (output node,) 1/s of `circuit.scaling`; ones if not given.
    """

    cost: Cost
    targets: Array
    beta: float
    factors: tuple[float, ...] = (1.0, -1.0)
    weight: Array | None = None

    def __post_init__(self) -> None:
        """Check beta."""
        check_beta(self.beta)

    def take(self, samples: np.ndarray | slice) -> Nudge:
        """Return the nudge of some samples."""
        return replace(self, targets=self.targets[samples])

    def check(self, batch: int, outputs: int) -> None:
        """Raise `DataError` unless there are finite targets for every sample and output."""
        if self.targets.shape != (batch, outputs) or not np.isfinite(self.targets).all():
            raise DataError(
                f"nudge: expected finite targets of shape {(batch, outputs)} (samples, outputs), "
                f"got {self.targets.shape}"
            )

    def strengths(self, nodes: int) -> Array:
        """Return weight, or ones."""
        return np.ones(nodes) if self.weight is None else self.weight


@dataclass(frozen=True, eq=False)
class OperatingPoints:
    """Result of a solve.

    Attributes:
        voltages: (phase, batch, node) in volts; phase 0 is free. NaN where there is no operating point.
        status: (batch,) of `Status`.
        iterations: Newton iterations of all samples and phases together, as far as the engine tells.
        seconds: wall time.
        messages: for failed samples, the engine's own words.
        rungs: for samples that only a retry solved, what won.
        nonlinearity: (batch,) distance of the nudged states from the linear response of the free one, as a part of
            it; NaN where that is not known, None without nudged phases.
        noise: (batch,) how much of that response may be rounding, as a part of it; None without nudged phases.
        evidence: why the free states that converged are those of the circuit.
    """

    voltages: Array
    status: np.ndarray
    iterations: int = 0
    seconds: float = 0.0
    messages: dict[int, str] = field(default_factory=dict)
    rungs: dict[int, str] = field(default_factory=dict)
    nonlinearity: Array | None = None
    noise: Array | None = None
    evidence: Evidence = Evidence.PROVEN

    def __repr__(self) -> str:
        """Say how many, and what became of them; the numbers are in the attributes."""
        phases, samples, nodes = self.voltages.shape
        bad = int((~self.converged).sum())
        state = f"{bad} failed ({self.explain(1)})" if bad else "all converged"
        return f"OperatingPoints({samples} samples, {phases} phases, {nodes} nodes: {state})"

    def take(self, samples: np.ndarray) -> OperatingPoints:
        """Return some samples (a mask or numbers), without messages."""
        off, noise = (None if x is None else x[samples] for x in (self.nonlinearity, self.noise))
        return replace(
            self,
            voltages=self.voltages[:, samples],
            status=self.status[samples],
            messages={},
            rungs={},
            nonlinearity=off,
            noise=noise,
        )

    @property
    def converged(self) -> np.ndarray:
        """(batch,) true where every phase can be trusted."""
        return np.asarray(self.status == Status.CONVERGED)

    @property
    def free(self) -> Array:
        """Voltages (batch, node) of the free phase."""
        return np.asarray(self.voltages[0])

    def require(self) -> OperatingPoints:
        """Return self if every sample converged; raise `SolverError` listing the failures otherwise."""
        bad = np.flatnonzero(~self.converged)
        if bad.size:
            raise SolverError(f"{bad.size} of {len(self.status)} samples failed: {self.explain()}")
        return self

    @property
    def problems(self) -> dict[int, str]:
        """Why samples failed, by their numbers."""
        failed = np.flatnonzero(~self.converged).tolist()
        return {k: self.messages.get(k, Status(int(self.status[k])).words) for k in failed}

    def explain(self, most: int = 3) -> str:
        """Describe the first few failures."""
        return "; ".join(f"sample {k}: {why}" for k, why in list(self.problems.items())[:most])


class Solver(ABC):
    """Finds operating points of one circuit. Use as a context manager, or call `close`."""

    name = ""

    def __init__(self, circuit: Circuit) -> None:
        """Bind to a circuit."""
        expect(
            "circuit", circuit, Circuit, "a Circuit, as Layered(...).build and CircuitBuilder.build make it"
        )
        self.circuit = circuit
        self._others: dict[Circuit, Solver] = {}

    def __repr__(self) -> str:
        """Name the solver and what it solves."""
        return f"{type(self).__name__}({self.circuit!r})"

    @abstractmethod
    def solve(
        self,
        parameters: Parameters | None,
        inputs: Array,
        nudge: Nudge | None = None,
        begin: Array | None = None,
    ) -> OperatingPoints:
        """Solve the free phase and the phases of `nudge` for every sample.

        Args:
            parameters: values by element name; elements left out keep the circuit's values.
            inputs: (batch, n_features).
            nudge: phases to add.
            begin: (batch, node) voltages that the circuit is at already, at rest. The free phase is the operating
                point there; a sample that has none so near fails. None starts as the solver was told to.

        Raises:
            CircuitError: unusable parameters.
            DataError: unusable inputs, or a `begin` of another shape or not finite.
            EngineError: the simulator is missing or refuses the netlist.
        """

    def on(self, circuit: Circuit) -> Solver:
        """Return a solver of this kind for another circuit, with the same tolerances and in the same processes.

        It is made once for a circuit, begins from the state that this one writes, if it writes one, and closes with it.

        Raises:
            CircuitError: that state cannot be written into this one's circuit.
        """
        if circuit not in self._others:
            self._others[circuit] = self._on(circuit)
        return self._others[circuit]

    def _on(self, circuit: Circuit) -> Solver:
        raise SolverError(f"the {self.name or type(self).__name__} solver solves one circuit only")

    def transient(self, course: Course) -> Waveforms:
        """Follow the circuit in time, one sample in the free phase.

        Raises:
            CircuitError: nothing in the circuit stores energy, or the start does not fit to it.
            SolverError: the solver cannot follow it, or gave up on the way.
        """
        raise SolverError(f"the {self.name or type(self).__name__} solver has no transients")

    def _moving(self, nodes: NodeArray) -> NodeArray:
        """Return nodes that a current can be driven into: those whose voltage no source holds."""
        other = np.setdiff1d(nodes, self.circuit.free_nodes)
        if other.size:
            raise CircuitError(
                f"transfer in {self.circuit.name!r}: expected free nodes, between 0 and {self.circuit.n_nodes - 1} and "
                f"not held by a source; got {other.tolist()}"
            )
        return nodes

    def transfer(self, parameters: Parameters | None, inputs: Array, free: Array, nodes: NodeArray) -> Array:
        """Return how voltages answer to small currents at an operating point: volts at a node for 1 A into another.

        Args:
            parameters: values by element name.
            inputs: (n_features,), one sample.
            free: (node,) its free phase.
            nodes: (k,) free nodes.

        Returns:
            (k, k) ohms; a row for each node that is read, a column for each that is driven.

        Raises:
            CircuitError: a node that is held, or none of the circuit's.
            SolverError: the solver cannot say.
        """
        raise SolverError(f"the {self.name or type(self).__name__} solver has no small-signal transfer")

    def noise(self, parameters: Parameters | None, inputs: Array, free: Array, band: Band) -> Noise:
        """Return how much the outputs fluctuate about an operating point, see `solvers.noise`.

        Args:
            parameters: values by element name.
            inputs: (n_features,), one sample.
            free: (node,) its free phase.
            band: frequencies.

        Raises:
            SolverError: the solver cannot say.
        """
        raise SolverError(f"the {self.name or type(self).__name__} solver has no noise analysis")

    def ensemble(
        self, parameters: Parameters | None, inputs: Array, bath: Bath, nudge: Nudge | None = None
    ) -> Ensemble:
        """Return states of the circuit in a bath of white noise, free and in the phases of `nudge`.

        Args:
            parameters: values by element name.
            inputs: (batch, n_features).
            bath: its temperature, and how much is looked at.
            nudge: phases to add; beta may be of any size.

        Raises:
            CircuitError: a circuit that has no Boltzmann law in such a bath.
            SolverError: no sample has an operating point to begin at, chains run away or drift, or the solver cannot
                say.
        """
        raise SolverError(f"the {self.name or type(self).__name__} solver has no ensembles")

    def spikes(
        self, parameters: Parameters | None, inputs: Array, window: Window, nudge: Nudge | None = None
    ) -> Rates:
        """Return average rates of the circuit with comparators for its probit cells, see `solvers.spiking`.

        Args:
            parameters: values by element name.
            inputs: (batch, n_features).
            window: how comparators decide, and how long they are looked at.
            nudge: phases to add; beta may be of any size.

        Raises:
            CircuitError: the circuit has no probit cells, or parts that are neither these nor linear.
            SolverError: no sample has a mean field to begin at, voltages run away, or the solver cannot say.
        """
        raise SolverError(f"the {self.name or type(self).__name__} solver has no spikes")

    def close(self) -> None:  # noqa: B027  a solver without processes has nothing to release
        """Release processes, if there are any."""

    def __enter__(self) -> Solver:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
