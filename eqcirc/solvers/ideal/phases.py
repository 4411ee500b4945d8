"""Oscillator Ising machines in matrix form: the same equations for whole batches, in products of sines and cosines.

    F_i = f_i·sin φ_i + 2·K_i·sin φ_i·cos φ_i + Σ_j J_ij·(sin φ_i·cos φ_j − cos φ_i·sin φ_j),    f = h + x·J_in

Inputs are folded into the field f, one product for a batch. Phases fall into E, which are not coupled to one another
(a hidden layer), and K, the rest with the outputs. The Jacobian has a diagonal block on E, which leaves

    S = H_KK − H_KE·D⁻¹·H_EK,     Σ_e J_ek·J_el·cos(φ_e − φ_k)·cos(φ_e − φ_l)/D_e :

products of sines and cosines of K with three sums over e, which are matrix products with J_ek·J_el. So no array has
more entries than rows times phases. `PhasePlan.of` says whether a circuit has this form; all others are solved as ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.devices import Capacitor, Element, PhaseCoupling, PhaseInput, SignedDevice, Sine
from eqcirc.solvers.equations import PRECISION, Equations, Linearised
from eqcirc.solvers.linear.choice import independent_set
from eqcirc.typing import Array, NodeArray, as_slice

MOST_KEPT = 100  # phases of K; where more would be left, all stay, and the rest is dense


class Coupled(NamedTuple):
    """Values of one circuit, in single or double precision.

    Attributes:
        across: (E, K) couplings J between the two groups.
        inner: (K, K) symmetric couplings within K.
        second: (n,) K of the second harmonic.
        products: (E, pair) J_ek·J_el of the pairs k <= l.
        storage: (n,) capacitances in farads.
    """

    across: Array
    inner: Array
    second: Array
    products: Array
    storage: Array


class Point(NamedTuple):
    """The equations at some phases: F, the diagonal of their Jacobian, sines and cosines; all (row, n)."""

    residual: Array
    diagonal: Array
    sine: Array
    cosine: Array


class Factors(NamedTuple):
    """A factorised Jacobian: D⁻¹ (row, E), cos/D and sin/D (row, E), S (row, K, K)."""

    inverse: Array
    cosine: Array
    sine: Array
    schur: Array


@dataclass(frozen=True, eq=False)
class PhasePlan:
    """Which phase is where; made once for a circuit.

    Attributes:
        plan: the reduction.
        apart: E, unknowns that are not coupled to one another.
        kept: K, the others.
    """

    plan: Reduction
    apart: NodeArray
    kept: NodeArray

    @classmethod
    def of(cls, plan: Reduction) -> PhasePlan | None:
        """Return the plan of an oscillator network; None for any other circuit."""
        free = plan.circuit.free_nodes
        plain = (plan.voltage[free] == 1).all() and (plan.current[free] == 1).all()
        if not plain or plan.n != len(free) or not all(_fits(plan, e) for e in plan.circuit.elements):
            return None
        if not any(isinstance(e, SignedDevice) for e in plan.circuit.elements):
            return None
        forced = np.zeros(plan.n, bool)
        forced[plan.outputs.unknowns] = True
        rows, columns = plan.pairs
        pattern = plan.pattern().tolil()
        pattern[rows, columns] = 1.0
        apart = independent_set(pattern.tocsr(), forced)
        if plan.n - len(apart) > MOST_KEPT:
            apart = apart[:0]
        return cls(plan, apart, np.setdiff1d(np.arange(plan.n), apart))

    @cached_property
    def e(self) -> NodeArray | slice:
        """E as a slice if possible."""
        return as_slice(self.apart) if len(self.apart) else slice(0, 0)

    @cached_property
    def k(self) -> NodeArray | slice:
        """K likewise."""
        return as_slice(self.kept)

    @cached_property
    def pairs(self) -> tuple[NodeArray, NodeArray]:
        """Pairs k <= l of K."""
        return np.triu_indices(len(self.kept))

    @cached_property
    def place(self) -> NodeArray:
        """(K, K) number of the pair."""
        n = len(self.kept)
        place = np.zeros((n, n), np.intp)
        place[self.pairs] = np.arange(len(self.pairs[0]))
        return np.maximum(place, place.T)

    @cached_property
    def outputs(self) -> NodeArray:
        """Places (m,) of the output unknowns in K."""
        return np.searchsorted(self.kept, self.plan.outputs.unknowns)

    def coupling(self, system: ReducedSystem) -> Array:
        """Return J (n, n), symmetric."""
        plan, j = self.plan, np.zeros((self.plan.n, self.plan.n))
        for e in plan.circuit.elements:
            if isinstance(e, SignedDevice) and not isinstance(e, PhaseInput) and e.law.frequency == 1:
                a, b = e.anode.ravel(), e.cathode.ravel()
                both = plan.circuit.is_free[b]
                a, b, value = (
                    plan.unknown[a[both]],
                    plan.unknown[b[both]],
                    system.values[e.name].ravel()[both],
                )
                np.add.at(j, (a, b), value)
                np.add.at(j, (b, a), value)
        return j

    def coupled(self, system: ReducedSystem) -> Coupled:
        """Return the values of the couplings."""
        plan, j = self.plan, self.coupling(system)
        second, storage = np.zeros(plan.n), np.zeros(plan.n)
        for e in plan.circuit.elements:
            value = system.values[e.name]
            if isinstance(e, Capacitor):
                np.add.at(storage, plan.unknown[e.a], value)
            elif isinstance(e, SignedDevice) and e.law.frequency == 2:
                np.add.at(second, plan.unknown[e.anode], value)
        across = np.ascontiguousarray(j[self.apart][:, self.kept])
        k, m = self.pairs
        inner = np.ascontiguousarray(j[np.ix_(self.kept, self.kept)])
        return Coupled(across, inner, second, across[:, k] * across[:, m], storage)

    def field(self, areas: list[Array], rows: int) -> Array:
        """Return f (row, n), for the areas of `ReducedSystem.areas`."""
        plan, total = self.plan, np.zeros((rows, self.plan.n))
        for junctions, area in zip(plan.junctions, areas, strict=True):
            e = plan.circuit.element(junctions.name)
            assert isinstance(e, SignedDevice)
            if e.law.frequency == 1 and not isinstance(e, PhaseCoupling):
                alone = ~plan.circuit.is_free[e.cathode]
                np.add.at(total.T, plan.unknown[e.anode[alone]], np.atleast_2d(area)[:, alone].T)
        return total

    def at(self, values: Coupled, u: Array, field: Array) -> Point:
        """Return the equations at phases u (row, n)."""
        e, k, j, inner = self.e, self.k, values.across, values.inner
        s, c = np.sin(u), np.cos(u)
        se, ce, sk, ck = s[:, e], c[:, e], s[:, k], c[:, k]
        along, beside = field.copy(), np.zeros_like(u)  # Σ J·cos φ_j and Σ J·sin φ_j, the field included
        along[:, e] += ck @ j.T
        beside[:, e] += sk @ j.T
        along[:, k] += ce @ j + ck @ inner
        beside[:, k] += se @ j + sk @ inner
        double = 2 * values.second
        residual = s * (along + double * c) - c * beside
        diagonal = c * along + s * beside + double * (c * c - s * s)
        return Point(residual, diagonal, s, c)

    def factorise(self, values: Coupled, at: Point, more: Array | float = 0.0) -> tuple[Array, Factors]:
        """Return the pivots D (row, E) and the factors of the Jacobian with `more` (row, n) on its diagonal."""
        e, k, (first, second) = self.e, self.k, self.pairs
        diagonal = at.diagonal + more
        pivots, ce, se = diagonal[:, e], at.cosine[:, e], at.sine[:, e]
        ck, sk = at.cosine[:, k], at.sine[:, k]
        inverse = 1 / pivots
        cw, sw = ce * inverse, se * inverse
        cc, cs, ss = (ce * cw) @ values.products, (ce * sw) @ values.products, (se * sw) @ values.products
        c1, c2, s1, s2 = ck[:, first], ck[:, second], sk[:, first], sk[:, second]
        taken = c1 * c2 * cc + (c1 * s2 + s1 * c2) * cs + s1 * s2 * ss
        schur = -taken[:, self.place]
        if values.inner.any():
            schur -= values.inner * (ck[:, :, None] * ck[:, None, :] + sk[:, :, None] * sk[:, None, :])
        n = np.arange(schur.shape[1])
        schur[:, n, n] += diagonal[:, k]
        return pivots, Factors(inverse, cw, sw, schur)

    def definite(self, pivots: Array, factors: Factors) -> np.ndarray:
        """Return (row,) whether what `factorise` was given is positive definite."""
        good = np.asarray((pivots > 0).all(axis=1) & np.isfinite(factors.schur).all(axis=(1, 2)))
        good[good] = np.linalg.eigvalsh(factors.schur[good])[:, 0] > 0
        return good

    def solve(self, values: Coupled, at: Point, factors: Factors, rhs: Array) -> Array:
        """Return x with J·x = rhs; rhs (..., row, n)."""
        e, k, j = self.e, self.k, values.across
        ck, sk = at.cosine[:, k], at.sine[:, k]
        b = rhs[..., e]
        rest = rhs[..., k] + ck * ((factors.cosine * b) @ j) + sk * ((factors.sine * b) @ j)
        x = np.empty_like(rhs)
        found = np.linalg.solve(factors.schur, rest[..., None])[..., 0]
        x[..., k] = found
        x[..., e] = (
            factors.inverse * b + factors.cosine * ((found * ck) @ j.T) + factors.sine * ((found * sk) @ j.T)
        )
        return x


def _fits(plan: Reduction, element: Element) -> bool:
    """Whether an element is a part of an oscillator network, at nodes where the matrix form expects it."""
    free = plan.circuit.is_free
    if isinstance(element, Capacitor):
        return bool(free[element.a].all() and (element.b == 0).all())
    if not isinstance(element, SignedDevice) or not isinstance(element.law, Sine):
        return False
    if element.law.amplitude != 1 or element.law.frequency not in (1, 2) or not free[element.anode].all():
        return False
    if isinstance(element, PhaseCoupling):
        return bool(free[element.cathode].all())
    grounded = bool((element.cathode == 0).all())
    between = bool(free[element.cathode].all()) and element.law.frequency == 1
    return grounded or (between and not isinstance(element, PhaseInput))


@dataclass(frozen=True, eq=False)
class PhaseLinearised(Linearised):
    """The equations at some phases; what couples them follows from sines and cosines.

    Attributes:
        sine: (row, n) sines of the phases.
        cosine: (row, n) cosines.
        coupling: (n, n) J, for those who ask for the whole Jacobian.
    """

    sine: Array
    cosine: Array
    coupling: Array

    @property
    def point(self) -> Point:
        """The same without the nudge."""
        return Point(self.residual, self.diagonal, self.sine, self.cosine)

    def take(self, rows: np.ndarray | slice) -> PhaseLinearised:
        """Return some rows."""
        part = super().take(rows)
        return PhaseLinearised(
            **vars(part), sine=self.sine[rows], cosine=self.cosine[rows], coupling=self.coupling
        )

    def jacobian(self, matrix: object) -> Array:
        """Return dF/du (row, n, n), dense."""
        s, c = self.sine, self.cosine
        total = -self.coupling * (c[:, :, None] * c[:, None, :] + s[:, :, None] * s[:, None, :])
        n, k = np.arange(s.shape[1]), self.output_unknowns
        total[:, n, n] += self.diagonal
        if self.outputs is not None:
            total[:, k[:, None], k] += self.outputs
        return np.asarray(total)


class PhaseEquations(Equations):
    """Kirchhoff's equations of an oscillator network."""

    def __init__(self, phases: PhasePlan, system: ReducedSystem, fixed: Array) -> None:
        """Set up free-phase rows for held voltages (row, fixed node)."""
        self.phases, self.system, self.plan, self.fixed = phases, system, system.plan, fixed
        self.areas = system.areas(fixed)
        self.values, self.field = phases.coupled(system), phases.field(self.areas, len(fixed))
        self.coupling = phases.coupling(system)
        self.injection = np.zeros((len(fixed), self.plan.n))
        self._drive, self._offsets = np.zeros((len(fixed), 0)), []
        self._held_outputs = np.asarray(fixed @ self.plan.outputs.held.T)
        self._voltage_scale = np.ones(len(fixed))  # a radian
        self._pull = None
        self.linked = np.abs(self.coupling).sum(axis=0) + 2 * np.abs(self.values.second)

    def take(self, rows: np.ndarray | slice) -> PhaseEquations:
        """Return the equations of some rows."""
        part = super().take(rows)
        part.field = self.field[rows]
        return part

    def linearise(self, u: Array, last: list[Array] | None = None) -> tuple[PhaseLinearised, list[Array]]:
        """See `Equations.linearise`; sines need no limit."""
        del last
        at = self.phases.at(self.values, u, self.field)
        residual = at.residual
        outputs = self._add_nudge(u, residual)
        largest = np.maximum(np.abs(u).max(axis=1), self._voltage_scale)
        tolerance = PRECISION * largest[:, None] * (np.abs(self.field) + self.linked)
        rows, none = len(u), np.empty(0, np.intp)
        return PhaseLinearised(
            residual,
            at.diagonal,
            np.empty((rows, 0)),
            outputs,
            tolerance,
            largest,
            np.zeros(rows, bool),
            (none, none),
            self.output_unknowns,
            at.sine,
            at.cosine,
            self.coupling,
        ), []


class PhaseElimination:
    """Solves with the Jacobian of oscillator networks."""

    def __init__(self, phases: PhasePlan) -> None:
        """Remember the plan."""
        self._phases = phases
        self._last: tuple[object, Coupled] | None = None

    def values(self, system: ReducedSystem) -> Coupled:
        """Return the values of a system, collected once."""
        if self._last is None or self._last[0] is not system:
            self._last = system, self._phases.coupled(system)
        return self._last[1]

    def solve(self, system: ReducedSystem, at: Linearised, rhs: Array) -> Array:
        """See `LinearSolver.solve`."""
        assert isinstance(at, PhaseLinearised)
        phases, values = self._phases, self.values(system)
        _, factors = self._factorise(values, at)
        return phases.solve(values, at.point, factors, rhs)

    def definite(self, system: ReducedSystem, at: PhaseLinearised) -> np.ndarray:
        """Return (row,) whether the Jacobian is positive definite, so that the network stays where it is."""
        return self._phases.definite(*self._factorise(self.values(system), at))

    def _factorise(self, values: Coupled, at: PhaseLinearised) -> tuple[Array, Factors]:
        pivots, factors = self._phases.factorise(values, at.point)
        if at.outputs is not None:
            k = self._phases.outputs
            factors.schur[:, k[:, None], k] += at.outputs
        return pivots, factors
