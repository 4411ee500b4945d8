"""Equilibrium as inference: a circuit whose outputs are observed rests at the mode of a posterior distribution.

    prior        p(v) ∝ exp(−E(v)/T)               E the signed co-content in watts, T in watts
    observation  y = output + noise, of variance σ²
    posterior    p(v|y) ∝ exp(−[E(v) + β·½·Σ(output − y)²]/T),        β = T/σ²

The mode is where the circuit comes to rest with the conductance β from every output to a source at y: the nudged state
of the squared error. The Hessian of E there is diag(s)·J, so with Z = J⁻¹, what the voltage of a node does for a small
current into another one,

    covariance_ab = T·Z_ab/s_b

of linear circuits exactly; of others it is that of the Gaussian that fits the mode (Laplace), and the mode is no mean.
Nodes behind gyrators (s < 0), such as the errors of predictive coding, are no variables: they follow.

T comes in only through the noise: it is the intensity of equal and independent noise at nodes with equal capacitors,
not a temperature of the resistors (Johnson noise would make another distribution).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.observed import observed
from eqcirc.circuit.scaling import symmetry
from eqcirc.devices import Amplifier, Capacitor, CurrentSource, LinearElement
from eqcirc.errors import ConfigError, DataError, SolverError
from eqcirc.solvers.base import OperatingPoints, Solver
from eqcirc.typing import Array, NodeArray, Parameters

NEGATIVE = -1e-9  # of the largest eigenvalue: beyond it a covariance is none


@dataclass(frozen=True, eq=False)
class Posterior:
    """What is known of a circuit's voltages after its outputs were observed.

    Attributes:
        mode: (batch, node) the most probable voltages; the means where `gaussian`.
        nodes: (k,) the free nodes that are variables.
        covariance: (batch, k, k) of their voltages, V².
        gaussian: whether the circuit is linear; if not, the covariance is Laplace's approximation at the mode.
        beta: the conductance T/σ² in siemens.
        points: the operating points of the observed circuit, with a status for each sample.
    """

    mode: Array
    nodes: NodeArray
    covariance: Array
    gaussian: bool
    beta: float
    points: OperatingPoints

    @property
    def deviation(self) -> Array:
        """Standard deviations (batch, k) in volts."""
        return np.asarray(np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2)))

    def __repr__(self) -> str:
        """Say what it is; the numbers are in the attributes."""
        kind = "Gaussian" if self.gaussian else "mode, and Laplace's approximation around it"
        return f"Posterior({kind}: {len(self.mode)} samples, {len(self.nodes)} nodes, beta = {self.beta:g} S)"


def posterior(
    solver: Solver,
    parameters: Parameters | None,
    inputs: Array,
    readings: Array,
    sigma: float,
    temperature: float,
) -> Posterior:
    """Return the posterior of a circuit's voltages, given noisy readings of its outputs.

    Args:
        solver: of the circuit; either engine.
        parameters: values by element name; None for the circuit's own.
        inputs: (batch, n_features).
        readings: (batch, n_outputs) what was read, in volts.
        sigma: standard deviation of the readings, in volts.
        temperature: T in watts.

    Raises:
        SymmetryError: the circuit has no energy.
        CircuitError: outputs that no conductance can observe.
        ConfigError: sigma or temperature is no positive number.
        DataError: unusable inputs or readings.
        SolverError: a sample has no operating point, or the energy has no minimum there.
    """
    for name, value in (("sigma", sigma), ("temperature", temperature)):
        if not (np.isfinite(value) and value > 0):
            raise ConfigError(f"{name} = {value!r}: expected a positive, finite number")
    circuit, beta = solver.circuit, temperature / sigma**2
    inputs, readings = (np.atleast_2d(np.asarray(x, np.float64)) for x in (inputs, readings))
    circuit.fixed_voltages(inputs)
    wanted = (len(inputs), circuit.readout.n_outputs)
    if readings.shape != wanted or not np.isfinite(readings).all():
        raise DataError(
            f"readings: expected finite voltages of shape {wanted} (samples, outputs), got shape {readings.shape}"
        )
    s = symmetry(circuit, parameters)
    whole = observed(circuit, beta, s)
    samples, other = whole.inputs(inputs, readings), solver.on(whole.circuit)
    points = other.solve(parameters, samples).require()
    nodes = np.flatnonzero(s > 0)
    gaussian = _linear(circuit)
    found = np.stack(
        [
            _covariance(other, parameters, sample, v, nodes, temperature / s[nodes])
            for sample, v in zip(samples[: 1 if gaussian else None], points.free, strict=False)
        ]
    )
    shape = (len(inputs), len(nodes), len(nodes))
    mode = points.free[:, : circuit.n_nodes]
    return Posterior(mode, nodes, np.broadcast_to(found, shape), gaussian, beta, points)


def _covariance(
    solver: Solver, parameters: Parameters | None, sample: Array, free: Array, nodes: NodeArray, scale: Array
) -> Array:
    """Return T·Z/s (k, k), symmetrised against rounding; refuse one that is none."""
    found = solver.transfer(parameters, sample, free, nodes) * scale
    found = (found + found.T) / 2
    values = np.linalg.eigvalsh(found)
    if values[0] < NEGATIVE * values[-1]:
        raise SolverError(
            f"{solver.circuit.name!r} rests at a saddle of its energy: exp(-E/T) is no distribution around it"
        )
    return found


def _linear(circuit: Circuit) -> bool:
    """Whether the energy is quadratic."""
    kinds = LinearElement | CurrentSource | Amplifier | Capacitor
    return all(isinstance(e, kinds) for e in circuit.elements)
