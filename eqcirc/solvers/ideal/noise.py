"""Noise of the ideal circuit, by adjoint transfer.

For each output, K(ω)ᵀ·λ = readᵀ with K(ω) = dG/dx + jω·Q of `solvers.dynamics`; a current source of density S between
nodes a and b gives the output |λ_a − λ_b|²·S, whatever the number of sources.

Source: Rohrer, Nagel, Meyer & Weber 1971, "Computationally efficient electronic-circuit noise calculations".
"""

from __future__ import annotations

import numpy as np

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.constants import BOLTZMANN, ELEMENTARY_CHARGE, TEMPERATURE
from eqcirc.devices import ShockleyDiode, TwoTerminal
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.noise import Band, Noise
from eqcirc.sparse import dense
from eqcirc.typing import Array, NodeArray, Parameters

KELVINS = 4 * BOLTZMANN * TEMPERATURE  # 4·k·T, in joules


def noise(plan: Reduction, parameters: Parameters | None, inputs: Array, free: Array, band: Band) -> Noise:
    """Return the noise of the outputs of one sample (n_features,) at its operating point (node,)."""
    dynamics = Dynamics(Equations(ReducedSystem(plan, parameters), plan.circuit.fixed_voltages(inputs[None])))
    at, _ = dynamics.bare.linearise(plan.collect(free[None]))
    k = dynamics.jacobian(at)[0]
    q = dynamics.storage if dynamics.stores else np.zeros_like(k)
    read = np.zeros((plan.circuit.readout.n_outputs, dynamics.size))
    read[:, plan.outputs.unknowns] = dense(plan.outputs.read)
    sources = _sources(plan, dynamics, free)
    at_once = [_density(plan, dynamics, k + 2j * np.pi * f * q, read, sources) for f in _distinct(band, q)]
    density = np.broadcast_to(np.array(at_once), (len(band.frequencies), len(read)))
    return Noise(band.frequencies, density)


def _distinct(band: Band, q: Array) -> Array:
    """Return the frequencies to look at: one where nothing is stored, for the noise is white then."""
    return band.frequencies if q.any() else band.frequencies[:1]


def _sources(plan: Reduction, dynamics: Dynamics, free: Array) -> list[tuple[NodeArray, NodeArray, Array]]:
    """Return nodes and densities in A²/Hz of the current sources of all parts."""
    found, values = [], dynamics.system.values
    for element in plan.circuit.elements:
        resistors = element.noisy(values[element.name])
        found.append((resistors.out_p, resistors.out_n, KELVINS * resistors.value))
        if isinstance(element, TwoTerminal) and isinstance(element.law, ShockleyDiode):
            across = free[element.anode] - free[element.cathode]
            current = values[element.name] * element.law.evaluate(across)[0] + element.law.leak * across
            found.append((element.anode, element.cathode, 2 * ELEMENTARY_CHARGE * np.abs(current)))
    return found


def _density(
    plan: Reduction,
    dynamics: Dynamics,
    matrix: np.ndarray,
    read: Array,
    sources: list[tuple[NodeArray, NodeArray, Array]],
) -> Array:
    """Return the density (n_outputs,) of the outputs at one frequency."""
    adjoint = np.linalg.solve(matrix.T, read.T).T
    at = np.zeros((len(read), plan.circuit.n_nodes), np.complex128)  # 1 A into a node makes so many volts
    nodes = plan.circuit.free_nodes
    at[:, nodes] = adjoint[:, plan.unknown[nodes]] * plan.current[nodes]
    total = np.zeros(len(read))
    for a, b, siemens in sources:
        total += np.abs(at[:, a] - at[:, b]) ** 2 @ siemens
    start = dynamics.n
    for mesh in plan.meshes:  # a voltage in series with each resistance, own or shared
        through = adjoint[:, start : start + len(mesh.a)] @ mesh.incidence.T
        total += np.abs(through) ** 2 @ (KELVINS * dynamics.system.values[mesh.name])
        start += len(mesh.a)
    return total
