"""Turing's theory of a lattice of neurons: which patterns grow out of its uniform state, and how fast.

Near the uniform state v*, with a = −law'(v*), a perturbation whose Laplacian eigenvalue is λ grows as exp(σ·t):

    C·σ·v  = (a − g·λ)·v − gm·w
    Cw·σ·w = gm·v − (gw + h·λ)·w              R-L branches: gm = 1, gw = R, h = shared resistance, Cw = L

    σ = ½·(p − q) + sqrt(¼·(p + q)² − gm²/(C·Cw)),    p = (a − g·λ)/C,  q = (gw + h·λ)/Cw

Open ends carry the modes cos(π·k·(j + ½)/n), k half waves, λ = 2 − 2·cos(π·k/n); a ring k whole waves, with 2·k in
place of k. On a grid the λ of rows and columns add up. A Turing pattern grows where σ < 0 at λ = 0 and σ > 0 at some
λ > 0: where (a − g·λ)·(gw + h·λ) > gm². So it takes inhibitors that diffuse, and further than activators do.

Source: Turing 1952, "The chemical basis of morphogenesis"; on networks: Nakao & Mikhailov 2010.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from scipy.optimize import newton

from eqcirc.analysis.wavelength import modes
from eqcirc.circuit.lattice import Lattice
from eqcirc.circuit.neuron import GyratorRecovery, Neuron, RLRecovery
from eqcirc.devices import CubicDevice, EsakiDiode
from eqcirc.devices.tunnel_diode import TunnelDiode
from eqcirc.errors import CircuitError
from eqcirc.typing import Array

Device = Literal["cubic", "esaki"]

_REST = 0.125  # V, in the steepest fall of the tunnel diode: twice its peak voltage, nearly
_ESAKI = EsakiDiode()

LATTICES: dict[Device, Lattice] = {
    "cubic": Lattice(
        shape=(96,),
        neuron=Neuron(CubicDevice(1e-3, 1.0), GyratorRecovery(2e-3, 1e-3, 1e-10), 1e-9),
        activator=1.2e-3,
        inhibitor=20e-3,
    ),
    "esaki": Lattice(
        shape=(96,),
        neuron=Neuron(
            _ESAKI,
            GyratorRecovery(50e-3, 25e-3, 1e-10),
            1e-9,
            rest=_REST,
            bias=float(_ESAKI.evaluate(np.array(_REST))[0]),
        ),
        activator=30e-3,
        inhibitor=500e-3,
    ),
}
"""Lattices whose uniform state gives way to a pattern of about ten sites a wave."""


class _Cell(NamedTuple):
    """The parameters of `dispersion` that do not depend on λ."""

    a: float
    gm: float
    gw: float
    c: float
    cw: float


@dataclass(frozen=True, eq=False)
class Dispersion:
    """Growth of the modes of a lattice.

    Attributes:
        modes: (mode, dimension) half waves along every dimension; whole waves if the lattice is periodic.
        wavelengths: (mode,) in sites; infinite for the uniform mode, which is the first.
        growth: (mode,) σ in 1/s, the real part where there is an imaginary one.
    """

    modes: np.ndarray
    wavelengths: Array
    growth: Array

    @property
    def fastest(self) -> int:
        """Index of the mode that grows fastest, the uniform one aside."""
        return 1 + int(self.growth[1:].argmax())

    @property
    def wavelength(self) -> float:
        """Wavelength of the fastest mode, in sites."""
        return float(self.wavelengths[self.fastest])

    @property
    def rate(self) -> float:
        """Growth of the fastest mode, in 1/s."""
        return float(self.growth[self.fastest])

    @property
    def unstable(self) -> np.ndarray:
        """(mode,) true for modes that grow, the uniform one aside."""
        return np.asarray((self.growth > 0) & np.isfinite(self.wavelengths))

    @property
    def patterns(self) -> bool:
        """Whether a Turing pattern grows: some mode does, and the uniform one does not."""
        return bool(self.unstable.any() and self.growth[0] < 0)


def dispersion(lattice: Lattice) -> Dispersion:
    """Return the growth of every mode of a lattice around its uniform state.

    Raises:
        CircuitError: the neurons have no recovery or no device, a diode with leads, or no uniform state near their
            resting voltage.
    """
    cell = _cell(lattice.neuron)
    waves, q = modes(lattice.shape, lattice.periodic)
    links = np.where(np.array(lattice.shape) == 2, 1, 2) if lattice.periodic else 2  # a ring of two has one
    laplacian = (links * (1 - np.cos(q))).sum(axis=1)
    with np.errstate(divide="ignore"):
        wavelengths = 2 * np.pi / np.linalg.norm(q, axis=1)
    return Dispersion(
        waves, wavelengths, growth(cell, lattice.activator, lattice.inhibitor or 0.0, laplacian)
    )


def growth(cell: _Cell, g: float, h: float, laplacian: Array) -> Array:
    """Return the real part of σ at Laplacian eigenvalues λ, in 1/s."""
    p = (cell.a - g * laplacian) / cell.c
    q = (cell.gw + h * laplacian) / cell.cw
    root = np.sqrt((p + q) ** 2 / 4 - cell.gm**2 / (cell.c * cell.cw) + 0j)
    return np.asarray((p - q) / 2 + root.real)


def uniform_state(neuron: Neuron) -> float:
    """Return the membrane voltage v* of a lone neuron: the operating point next to its resting voltage.

    Raises:
        CircuitError: there is none that Newton's method finds from there.
    """
    law = neuron.law
    if law is None or neuron.recovery is None:
        raise CircuitError("Turing patterns need neurons with an N-shaped device and recovery")
    r = neuron.recovery
    pull = r.gyration**2 / r.leak if isinstance(r, GyratorRecovery) else 1 / r.resistance

    def leaving(v: float) -> float:
        return float(law.evaluate(np.array(v))[0]) + pull * (v - neuron.rest) - neuron.bias

    def slope(v: float) -> float:
        return float(law.evaluate(np.array(v))[1]) + pull

    try:
        return float(newton(leaving, neuron.rest, slope, tol=1e-15, maxiter=200))
    except RuntimeError as error:
        raise CircuitError(f"no uniform state near the resting voltage {neuron.rest:g} V: {error}") from error


def recovery_state(neuron: Neuron, v: float) -> float:
    """Return what recovery is at when the membrane stays at v: volts of its node, or amperes of its branch."""
    r = neuron.recovery
    if isinstance(r, GyratorRecovery):
        return r.gyration / r.leak * (v - neuron.rest)
    return (v - neuron.rest) / r.resistance if r else 0.0


def _cell(neuron: Neuron) -> _Cell:
    v, r = uniform_state(neuron), neuron.recovery
    assert neuron.law is not None
    a, c = -float(neuron.law.evaluate(np.array(v))[1]), neuron.capacitance
    if neuron.diode:
        _without_leads(neuron.diode)
        c += neuron.diode.capacitance
    if isinstance(r, RLRecovery):
        return _Cell(a, 1.0, r.resistance, c, r.inductance)
    assert r is not None
    return _Cell(a, r.gyration, r.leak, c, r.capacitance)


def _without_leads(diode: TunnelDiode) -> None:
    if diode.series_resistance:
        raise CircuitError(
            f"Turing patterns: expected a diode without leads, got a series resistance of {diode.series_resistance:g} "
            "ohm; linear theory takes the junction alone: set series_resistance and inductance to 0"
        )


def around_diode(diode: TunnelDiode) -> Lattice:
    """Return the lattice of tunnel diodes with another diode, resting where its current falls most steeply.

    All conductances are in proportion to that fall, so that the same modes grow. The membranes' capacitance includes
    the diode's own.

    Raises:
        CircuitError: the diode has leads, which this theory does not know, or its current does not fall.
    """
    _without_leads(diode)
    base = LATTICES["esaki"]
    r = base.neuron.recovery
    assert isinstance(r, GyratorRecovery)
    k = diode.law.steepest_fall / _cell(base.neuron).a
    rest, bias = diode.fall
    neuron = replace(
        base.neuron,
        law=diode.law,
        recovery=replace(r, gyration=k * r.gyration, leak=k * r.leak),
        capacitance=max(base.neuron.capacitance, diode.capacitance),
        rest=rest,
        bias=bias,
    )
    return replace(base, neuron=neuron, activator=k * base.activator, inhibitor=k * (base.inhibitor or 0.0))


def with_inductors(lattice: Lattice) -> Lattice:
    """Return the same lattice with R-L branches and shared resistances in place of gyrators: i = gm·w.

    Raises:
        CircuitError: its neurons have no gyrators.
    """
    r = lattice.neuron.recovery
    if not isinstance(r, GyratorRecovery):
        raise CircuitError(f"expected a lattice of gyrator neurons, got recovery {r!r}")
    square = r.gyration**2
    branch = RLRecovery(r.leak / square, r.capacitance / square)
    shared = None if lattice.inhibitor is None else lattice.inhibitor / square
    return replace(lattice, neuron=replace(lattice.neuron, recovery=branch), inhibitor=shared)
