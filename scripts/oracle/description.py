"""A neutral description of a circuit: nodes, held nodes, parts, outputs.

Nodes are the integers 0 to n_nodes - 1, and 0 is ground. A current that LEAVES a node through a part counts
positive in that node's sum of currents. Volts, amperes, siemens, ohms, farads, henries throughout. Every number
is a plain Python float; the trainable value of a part is its first number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

GMIN = 1e-18  # S across every diode

Vector = Sequence[float] | np.ndarray


class Input(NamedTuple):
    """`gain * x[feature] + offset`: the volts at which a node is held, or the amperes that flow into it."""

    node: int
    feature: int
    gain: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """What all parts share. NODES and NUMBERS name the fields of a part that are nodes and numbers."""

    NODES: ClassVar[tuple[str, ...]] = ()
    NUMBERS: ClassVar[tuple[str, ...]] = ()

    group: str = ""
    trainable: bool = False

    @property
    def value(self) -> float:
        """The trainable value."""
        return float(getattr(self, self.NUMBERS[0]))

    def with_value(self, value: Any) -> Any:
        """The same part with another trainable value."""
        return replace(self, **{self.NUMBERS[0]: value})

    @property
    def nodes(self) -> tuple[int, ...]:
        """All nodes that the part touches or senses."""
        return tuple(getattr(self, name) for name in self.NODES)


@dataclass(frozen=True)
class Resistor(Part):
    """The current g (v_a - v_b) leaves a and enters b."""

    NODES = ("a", "b")
    NUMBERS = ("g",)
    a: int
    b: int
    g: float


@dataclass(frozen=True)
class Diode(Part):
    """The DC law of ngspice 39 at temp = tnom = 27 C; the current leaves the anode a and enters the cathode c.

    i = area i_s (exp(v/(n Vt)) - 1) + gmin v             for v >= -3 n Vt
    i = -area i_s (1 + (3 n Vt/(e v))^3) + gmin v         for v < -3 n Vt
    Vt = k T/q, k = 1.38064852e-23, q = 1.6021766208e-19, T = 300.15 K.
    ngspice does NOT multiply gmin by the area (nor by m): measured, see the self test. `gmin_times_area` does.
    """

    NODES = ("a", "c")
    NUMBERS = ("area", "i_s", "n", "gmin")
    a: int
    c: int
    area: float
    i_s: float
    n: float
    gmin: float = GMIN
    gmin_times_area: bool = False


@dataclass(frozen=True)
class Clamp(Part):
    """i = area G (ramp(v)^2 - ramp(v - w)^2)/(2 w), ramp(v) = max(v, 0)."""

    NODES = ("a", "c")
    NUMBERS = ("area", "G", "w")
    a: int
    c: int
    area: float
    G: float
    w: float


@dataclass(frozen=True)
class Cubic(Part):
    """i = area g1 (v^3/(3 v0^2) - v)."""

    NODES = ("a", "c")
    NUMBERS = ("area", "g1", "v0")
    a: int
    c: int
    area: float
    g1: float
    v0: float


@dataclass(frozen=True)
class Esaki(Part):
    """A tunnel diode: tunnel, excess and thermal current.

    i = area (ip x exp((1 - x^m)/m) + ix (exp(a2 (v - vv)) - exp(-a2 vv)) + i_s (exp(v/vs) - 1)), x = v/vp;
    for v < 0 the tunnel current is ip x exp(1/m - x).
    """

    NODES = ("a", "c")
    NUMBERS = ("area", "ip", "vp", "ix", "a2", "vv", "i_s", "vs", "m")
    a: int
    c: int
    area: float
    ip: float
    vp: float
    ix: float
    a2: float
    vv: float
    i_s: float
    vs: float
    m: float


@dataclass(frozen=True)
class Poly(Part):
    """i = area (p(x) + p'(x) (v - x)), p(x) = c1 x + c2 x^2 + ..., x = v clipped to [low, high]."""

    NODES = ("a", "c")
    NUMBERS = ("area", "coefficients", "low", "high")
    a: int
    c: int
    area: float
    coefficients: tuple[float, ...]
    low: float
    high: float


@dataclass(frozen=True)
class Source(Part):
    """The current amps flows into the node."""

    NODES = ("node",)
    NUMBERS = ("amps",)
    node: int
    amps: float


@dataclass(frozen=True)
class Transconductor(Part):
    """The current gm (v_cp - v_cn) leaves out_p and enters out_n."""

    NODES = ("out_p", "out_n", "cp", "cn")
    NUMBERS = ("gm",)
    gm: float
    out_p: int
    out_n: int
    cp: int
    cn: int


@dataclass(frozen=True)
class Gyrator(Part):
    """The current gm v_b leaves a; the current gm (v_a - v_ref) enters b; both return through ground."""

    NODES = ("a", "b", "ref")
    NUMBERS = ("gm",)
    gm: float
    a: int
    b: int
    ref: int = 0


@dataclass(frozen=True)
class Amplifier(Part):
    """v_b = gain v_a; kappa times the current that the output delivers at b leaves node a.

    kappa = None stands for 1/gain, also while the gain varies in a derivative. Where a is a held node, b is held at
    gain v_a, and the current at a is the holding source's business.
    """

    NODES = ("a", "b")
    NUMBERS = ("gain", "kappa")
    a: int
    b: int
    gain: float
    kappa: float | None = 0.0


@dataclass(frozen=True)
class Coupling(Part):
    """-w v_r leaves c and -w v_c leaves r; if loaded, |w| v leaves each of the two as well."""

    NODES = ("r", "c")
    NUMBERS = ("w",)
    w: float
    r: int
    c: int
    loaded: bool = False


@dataclass(frozen=True)
class Branch(Part):
    """A resistor and an inductor in series; the current i leaves a and enters b.

    L di/dt = v_a - v_b - R i - sum over Shared of r (i - i_other). R may be 0 where L is not.
    """

    NODES = ("a", "b")
    NUMBERS = ("r_ohm", "henry")
    r_ohm: float
    a: int
    b: int
    henry: float


@dataclass(frozen=True)
class Shared(Part):
    """A resistance that the currents of branches i and j (numbers among the Branch parts) cross against each other."""

    NUMBERS = ("r_ohm",)
    r_ohm: float
    i: int
    j: int


@dataclass(frozen=True)
class Capacitor(Part):
    """The current C d(v_a - v_b)/dt leaves a and enters b."""

    NODES = ("a", "b")
    NUMBERS = ("farad",)
    a: int
    b: int
    farad: float


JUNCTIONS = (Diode, Clamp, Cubic, Esaki, Poly)  # two terminals, i = law(v_a - v_c)


@dataclass(frozen=True)
class Description:
    """A circuit; output = weights @ v, where v has one entry per node, ground included."""

    n_nodes: int
    rails: dict[int, float]
    inputs: tuple[Input, ...]
    current_inputs: tuple[Input, ...]
    parts: tuple[Part, ...]
    weights: np.ndarray

    def of(self, *kinds: type) -> Iterator[Any]:
        """The parts of these kinds, in order."""
        return (part for part in self.parts if isinstance(part, kinds))

    def trainable(self) -> list[int]:
        """Numbers of the trainable parts."""
        return [k for k, part in enumerate(self.parts) if part.trainable]

    def with_value(self, k: int, value: Any) -> Description:
        """The same circuit where part k has another trainable value."""
        parts = list(self.parts)
        parts[k] = parts[k].with_value(value)
        return replace(self, parts=tuple(parts))

    def with_parts(self, parts: Sequence[Part]) -> Description:
        """The same circuit with these parts added at the end."""
        return replace(self, parts=(*self.parts, *parts))

    def held_nodes(self) -> set[int]:
        """Ground, rails and inputs."""
        return {0, *self.rails, *(Input(*entry).node for entry in self.inputs)}

    def driven_nodes(self) -> set[int]:
        """Outputs of amplifiers."""
        return {part.b for part in self.of(Amplifier)}


def mistakes(description: Description) -> list[str]:
    """What makes a description meaningless; an empty list where nothing does."""
    found = []
    n, branches = description.n_nodes, list(description.of(Branch))
    held = [0, *description.rails, *(Input(*entry).node for entry in description.inputs)]
    driven = [part.b for part in description.of(Amplifier)]
    named = [node for part in description.parts for node in part.nodes]
    named += held + [Input(*entry).node for entry in description.current_inputs]
    if not all(0 <= node < n for node in named):
        return ["a node outside 0 to n_nodes - 1"]
    if len(set(held + driven)) < len(held + driven):
        found.append("a node is held or driven twice")
    if np.shape(description.weights)[1:] != (n,):
        found.append("weights do not have one column per node")
    if any(not 0 <= k < len(branches) for part in description.of(Shared) for k in (part.i, part.j)):
        found.append("a shared resistance of a branch that is not there")
    if any(part.r_ohm == 0 and part.henry == 0 for part in branches):
        found.append("a branch with neither resistance nor inductance")
    if floating := floating_nodes(description):
        found.append(f"no path for direct current from nodes {sorted(floating)} to a held node")
    return found


def floating_nodes(description: Description) -> set[int]:
    """Nodes that no two-terminal part, amplifier or loaded coupling ties to a held node."""
    parent = list(range(description.n_nodes))

    def root(node: int) -> int:
        while parent[node] != node:
            node = parent[node]
        return node

    def tie(a: int, b: int) -> None:
        parent[root(a)] = root(b)

    for node in description.held_nodes() | description.driven_nodes():
        tie(node, 0)
    for part in description.parts:
        if isinstance(part, Branch) or (isinstance(part, (Resistor, *JUNCTIONS)) and part.value != 0):
            tie(*part.nodes)
        elif isinstance(part, Coupling) and part.loaded and part.w != 0:
            tie(part.r, 0)
            tie(part.c, 0)
        elif isinstance(part, Gyrator) and part.gm != 0:
            tie(part.a, part.b)
    return {node for node in range(description.n_nodes) if root(node) != root(0)}
