"""Random circuits: passive ones, one-way cascades, and networks of N-shaped devices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from oracle.block import Block
from oracle.description import (
    Amplifier,
    Branch,
    Capacitor,
    Coupling,
    Cubic,
    Description,
    Esaki,
    Gyrator,
    Input,
    Part,
    Resistor,
    Shared,
    Source,
    Transconductor,
)
from oracle.sketch import Sketch

MOST_VOLTS = 50.0


@dataclass(frozen=True)
class Case:
    """A circuit, some inputs (one row each), targets of its outputs, and the factor K of the softmax."""

    name: str
    description: Description
    samples: np.ndarray
    targets: np.ndarray
    softness: float


def passive(rng: np.random.Generator, volts: float = MOST_VOLTS) -> Case:
    """Any graph of parts that together have one operating point for direct current.

    Blocks of nodes are joined by bidirectional amplifiers. Seen from the first block, the current law of a block
    behind gains of +-A is the gradient of a convex function, as long as all amplifiers between two blocks have the
    same |A|; gyrators against held references add a skew part, which spoils nothing.
    """
    sketch = Sketch(rng, volts)
    blocks: list[Block] = []
    for _ in range(int(rng.integers(1, 4))):
        block = Block(sketch, int(rng.integers(2, 13)), sketch.held)
        if blocks:
            _bidirectional(sketch, blocks[-1], block)
        block.fill()
        blocks.append(block)
    return finished("passive", sketch, blocks)


def one_way(rng: np.random.Generator, volts: float = MOST_VOLTS) -> Case:
    """Blocks in a row, each passive, driven by the one before through transconductors and buffers.

    Within a block further transconductors and unloaded couplings are weaker than the block's own conductances, such
    that the block's current law stays monotone: one operating point again.
    """
    sketch = Sketch(rng, volts)
    blocks: list[Block] = []
    for _ in range(int(rng.integers(2, 5))):
        buffers = []
        for _ in range(int(rng.integers(1, 3)) if blocks else 0):
            gain = float(rng.choice([-1, 1]) * 10 ** rng.uniform(-1, 0.5))
            buffers.append(sketch.node())
            sketch.add(Amplifier(sketch.pick(blocks[-1].nodes), buffers[-1], gain, 0.0))
        block = Block(sketch, int(rng.integers(2, 9)), [*sketch.held, *buffers])
        block.fill()
        _weak_loops(sketch, block)
        if blocks:
            _forward(sketch, blocks[-1], block)
        blocks.append(block)
    return finished("one_way", sketch, blocks)


def active(rng: np.random.Generator) -> Case:
    """N-shaped devices with loads, capacitors and recovery branches or gyrators, coupled by resistors.

    One or several operating points; some oscillate.
    """
    sketch = Sketch(rng, 10.0)
    current, scale = 10 ** rng.uniform(-6, -2), 10 ** rng.uniform(-1, 0.7)  # A and V of the devices
    neurons = [_neuron(sketch, current, scale) for _ in range(int(rng.integers(1, 9)))]
    for k, node in enumerate(neurons[1:], start=1):
        strength = current / scale * 10 ** rng.uniform(-2, 0.5)
        sketch.add(Resistor(neurons[int(rng.integers(0, k))], node, float(strength)))
    for _ in range(int(rng.integers(0, len(neurons)))):
        a, b = sketch.pick(neurons), sketch.pick(neurons)
        if a != b:
            w = float(rng.choice([-1, 1]) * current / scale * 10 ** rng.uniform(-2, 0))
            sketch.add(Coupling(w, a, b, loaded=bool(rng.random() < 0.7)))
    count = sum(isinstance(part, Branch) for part in sketch.parts)
    for _ in range(int(rng.integers(0, count)) if count > 1 else 0):
        i, j = rng.choice(count, 2, replace=False)
        sketch.add(Shared(float(scale / current * 10 ** rng.uniform(-2, 0)), int(i), int(j)))
    if rng.random() < 0.3:  # what one neuron says, another hears through a buffer
        buffer, gain = sketch.node(), float(rng.uniform(-2, 2))
        sketch.add(Amplifier(sketch.pick(neurons), buffer, gain, 0.0))
        strength = current / scale * 10 ** rng.uniform(-2, 0)
        sketch.add(Resistor(buffer, sketch.pick(neurons), float(strength)))
    return finished("active", sketch, [])


def _neuron(sketch: Sketch, current: float, scale: float) -> int:
    """A node with an N-shaped device, a load, a capacitor and perhaps something slow that pulls it back."""
    rng = sketch.rng
    node, g = sketch.soft_node(), current / scale
    farad = 10 ** rng.uniform(-10, -7)
    slower = 10 ** rng.uniform(0, 1.7)
    if rng.random() < 0.6:
        sketch.add(Cubic(node, 0, float(rng.uniform(0.3, 1.5)), float(g), float(scale)))
    else:
        sketch.add(_tunnel_diode(rng, node, current))
    far = [0, 0, *sketch.held]
    sketch.add(Resistor(node, sketch.pick(far), float(g * 10 ** rng.uniform(-1.5, 0))))
    sketch.add(Capacitor(node, 0, float(farad)))
    if rng.random() < 0.7:
        sketch.add(Source(node, float(current * rng.normal(0, 0.3))))
    if rng.random() < 0.4:
        feature, gain = int(rng.integers(sketch.features)), float(current * rng.uniform(-1, 1))
        sketch.current_inputs.append(Input(node, feature, gain, 0.0))
    kind = rng.random()
    if kind < 0.4:
        ohm = 10 ** rng.uniform(-0.7, 0.2) / g
        henry = slower * ohm * farad / g
        sketch.add(Branch(float(ohm), node, sketch.pick([*far, 0, 0]), float(henry)))
    elif kind < 0.7:
        slow = sketch.soft_node()
        gm = float(g * 10 ** rng.uniform(-0.3, 0.5))
        sketch.add(Gyrator(gm, node, slow, sketch.pick([*far, 0, 0])))
        sketch.add(Resistor(slow, 0, float(g * 10 ** rng.uniform(-1, 0.2))))
        sketch.add(Capacitor(slow, 0, float(slower * farad)))
    return node


def _tunnel_diode(rng: np.random.Generator, node: int, current: float) -> Esaki:
    peak, m = float(10 ** rng.uniform(-1.3, -0.7)), float(rng.choice([1.0, 1.5, 2.0, 2.5]))
    return Esaki(
        node,
        0,
        area=float(rng.uniform(0.5, 2)),
        ip=float(current),
        vp=peak,
        ix=float(current * 10 ** rng.uniform(-3, -1)),
        a2=float(rng.uniform(3, 15)),
        vv=float(peak * rng.uniform(4, 8)),
        i_s=float(current * 10 ** rng.uniform(-12, -8)),
        vs=float(rng.uniform(0.026, 0.05)),
        m=m,
    )


def _bidirectional(sketch: Sketch, before: Block, block: Block) -> None:
    """Amplifiers of one |gain| between two blocks; each drives another node."""
    gain = float(10 ** sketch.rng.uniform(-1, 1.3))
    sources = [node for node in before.nodes if node not in sketch.reserved] or before.nodes[:1]
    for node in sketch.rng.permutation(block.nodes)[: int(sketch.rng.integers(1, 3))]:
        sign = float(sketch.rng.choice([-1, 1]))
        kappa = None if sketch.rng.random() < 0.5 else 1 / (sign * gain)
        sketch.add(Amplifier(sketch.pick(sources), int(node), sign * gain, kappa))


def _weak_loops(sketch: Sketch, block: Block) -> None:
    rng, count = sketch.rng, int(sketch.rng.integers(0, 4))
    root = dict(zip(block.nodes, np.sqrt(block.impedances()), strict=True)) | {0: 0.0}

    def size(*nodes: int) -> float:
        return float(sum(root[node] for node in nodes))

    for _ in range(count):
        p, n = sketch.pick(block.nodes), sketch.pick([0, *block.nodes])
        cp, cn = sketch.pick(block.nodes), sketch.pick([0, *block.nodes])
        sign, share = float(rng.choice([-1, 1])), float(rng.uniform(0.01, 0.3) / count)
        if rng.random() < 0.6:
            sketch.add(Transconductor(sign * share / (size(p, n) * size(cp, cn)), p, n, cp, cn))
        elif p != cp:
            sketch.add(Coupling(sign * share / (2 * size(p) * size(cp)), p, cp))


def _forward(sketch: Sketch, before: Block, block: Block) -> None:
    rng, impedance = sketch.rng, dict(zip(block.nodes, block.impedances(), strict=True))
    for _ in range(int(rng.integers(0, 4))):
        p, n = sketch.pick(block.nodes), sketch.pick([0, *block.nodes])
        cp, cn = sketch.pick(before.nodes), sketch.pick([0, *before.nodes])
        gain = float(rng.choice([-1, 1]) * 10 ** rng.uniform(-2, 0.5))
        sketch.add(Transconductor(float(gain / max(impedance[p], impedance.get(n, 0.0))), p, n, cp, cn))


def finished(name: str, sketch: Sketch, blocks: list[Block]) -> Case:
    """The case: sources and capacitors, some parts trainable, overlapping outputs, inputs and targets."""
    rng = sketch.rng
    for block in blocks:
        block.sources()
        block.capacitors()
    groups = {kind: rng.random() < 0.6 for kind in dict.fromkeys(type(part) for part in sketch.parts)}
    parts = [_labelled(part, bool(groups[type(part)] and rng.random() < 0.7)) for part in sketch.parts]
    n_outputs, n_samples = int(rng.integers(1, 5)), 3
    description = Description(
        sketch.count,
        dict(sketch.rails),
        tuple(sketch.inputs),
        tuple(sketch.current_inputs),
        tuple(parts),
        np.array([_output(rng, sketch.count, sketch.soft) for _ in range(n_outputs)]),
    )
    samples = rng.uniform(-1, 1, (n_samples, sketch.features))
    if rng.random() < 0.5:
        targets = np.eye(n_outputs)[rng.integers(0, n_outputs, n_samples)]
    else:
        targets = rng.normal(size=(n_samples, n_outputs))
    return Case(name, description, samples, targets, float(10 ** rng.uniform(-1, 1)))


def _labelled(part: Part, trainable: bool) -> Part:
    fixed = isinstance(part, Capacitor) or part.value == 0
    return replace(part, group=type(part).__name__.lower(), trainable=trainable and not fixed)


def _output(rng: np.random.Generator, n: int, nodes: list[int]) -> np.ndarray:
    """A single node, a difference, or a weighted sum."""
    row = np.zeros(n)
    kind = rng.integers(0, 3)
    if kind == 0:
        row[int(rng.choice(nodes))] = 1.0
    elif kind == 1:
        row[int(rng.choice(nodes))] += 1.0
        row[int(rng.choice([0, *nodes]))] -= 1.0
        row[0] = 0.0
    else:
        chosen = rng.choice(nodes, size=min(len(nodes), int(rng.integers(2, 5))), replace=False)
        row[chosen] = rng.normal(size=len(chosen))
    return row if row.any() else np.eye(n)[nodes[0]]
