"""From a circuit with values to its `Structure`.

What the SPICE lines of an element say decides: lines of R, C, L and D stand in the structure, all else becomes blocks.
So a new device needs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Block as Dense
from eqcirc.devices import (
    Crossbar,
    CubicDevice,
    DualRailCrossbar,
    Element,
    PolynomialDevice,
    RLMesh,
    TwoTerminal,
)
from eqcirc.devices.base import number
from eqcirc.errors import CircuitError
from eqcirc.export.bundle.names import Names
from eqcirc.export.bundle.pins import pins
from eqcirc.export.bundle.structure import COMMON, Block, Device, Structure, Tile
from eqcirc.solvers.ngspice.subcircuit import plain_cards
from eqcirc.typing import Array, NodeArray, Parameters

TILE = 48  # rows or columns of a crossbar in one subcircuit: gnucap and spicelib take fewer than 100 ports
MOST_PORTS = 900
_STRUCTURAL = ("r", "c", "l", "d")

Place = tuple[str, tuple[int, ...]]


def build(circuit: Circuit, parameters: Parameters | None = None) -> Structure:
    """Return the structure of a circuit with the values that it has.

    Args:
        circuit: any circuit.
        parameters: values by element name; elements left out keep the circuit's.

    Raises:
        CircuitError: an element has too many ports for a subcircuit.
    """
    maker = _Maker(circuit)
    values = circuit.values(parameters)
    for element in circuit.elements:
        maker.add(element, values[element.name])
    return maker.structure()


def paths(structure: Structure, element: Element) -> dict[tuple[int, ...], str]:
    """Return the path of every part of an element by its index; of a dual-rail crossbar, by row and column."""
    known: dict[tuple[int, ...], str] = {}
    for index in np.ndindex(element.value.shape):
        found = structure.places.get((element.name, index), ())
        if isinstance(element, DualRailCrossbar):
            known.update(zip(_crosspoints(element, index), found, strict=False))
        elif found:
            known[index] = found[0]
    return known


class _Maker:
    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        names = Names("0")
        held = [names.claim(name) for name in circuit.node_names[1:]]
        self.common = names.claim(COMMON)
        self.nets = (self.common, *held)
        self.elements = Names()
        self.cells = Names()
        self.top_name = self.cells.claim(circuit.name)
        self.devices: list[Device] = []
        self.tiles: list[Tile] = []
        self.blocks: dict[Block, Block] = {}  # by what they are without their name
        self.models: list[str] = []
        self.places: dict[Place, tuple[str, ...]] = {}

    def add(self, element: Element, value: Array) -> None:
        name = self.elements.claim(element.name)
        if isinstance(element, Crossbar | DualRailCrossbar):
            self._resistors(element, name, value)
        elif isinstance(element, Dense):
            self._dense(element, name, value)
        else:
            cards = replace(element, name=name).cards(value, self.nets)
            if all(card[0] in _STRUCTURAL or card.startswith(".model") for card in cards):
                self._structural(element, name, value, cards)
            else:
                self._behaviour(element, name, value)

    def _structural(self, element: Element, name: str, value: Array, cards: list[str]) -> None:
        """Add lines of R, C, L and D as they are."""
        for card in cards:
            if card.startswith("."):
                self.models.append(card)
                continue
            first, a, b, what, *more = card.split()
            nets = tuple(self.common if net == "0" else net for net in (a, b))
            if first[0] == "d":
                area = float(more[0].removeprefix("area=")) if more else 1.0
                self.devices.append(Device("d", first[2:], nets, area, what))
            else:
                self.devices.append(Device(first[0], first[2:], nets, float(what)))
        letter = cards[-1][0] if cards else "r"
        if hasattr(element, "inductance"):
            letter = "r"
        for index in np.ndindex(value.shape):
            self.places[element.name, index] = (f"{letter}_{name}_{'_'.join(map(str, index))}",)

    def _resistors(self, element: Crossbar | DualRailCrossbar, name: str, value: Array) -> None:
        """Add tiles of resistors, one at each crosspoint."""
        conductance = element.coupling(value)
        paths: dict[tuple[int, int], str] = {}
        for i, j, rows, columns in _tiled(element):
            tile = self.cells.claim(f"tile_{name}_r{i // TILE}_c{j // TILE}")
            instance = f"{name}_r{i // TILE}_c{j // TILE}"
            devices = []
            for (r, c), g in np.ndenumerate(conductance[i : i + TILE, j : j + TILE]):
                at = (i + r, j + c)
                if rows[r] != columns[c]:
                    devices.append(Device("r", f"{at[0]}_{at[1]}", (f"r{at[0]}", f"c{at[1]}"), 1 / float(g)))
                    paths[at] = f"x_{instance}.r_{at[0]}_{at[1]}"
            ports = [f"r{i + r}" for r in range(len(rows))] + [f"c{j + c}" for c in range(len(columns))]
            self.tiles.append(Tile(tile, tuple(ports), tuple(devices)))
            nets = tuple(self.nets[n] for n in (*rows.tolist(), *columns.tolist()))
            self.devices.append(Device("x", instance, nets, None, tile))
        for index in np.ndindex(value.shape):
            self.places[element.name, index] = tuple(
                paths[at] for at in _crosspoints(element, index) if at in paths
            )

    def _dense(self, element: Dense, name: str, value: Array) -> None:
        """Add blocks of controlled sources, each of at most TILE rows and columns."""
        for i, j, rows, columns in _tiled(element):
            part = value[i : i + TILE, j : j + TILE]
            ports = [f"r{i + r}" for r in range(len(rows))] + [f"c{j + c}" for c in range(len(columns))]
            nodes = np.concatenate([rows, columns])
            local = np.arange(1, len(nodes) + 1)
            piece = replace(
                element,
                name=name,
                rows=local[: len(rows)],
                columns=local[len(rows) :],
                value=part,
                share=None,
                programming=None,
            )
            instance = f"{name}_r{i // TILE}_c{j // TILE}"
            self._block(piece, part, instance, ports, nodes, f"{name}_r{i // TILE}_c{j // TILE}")
            for r, c in np.ndindex(part.shape):
                self.places[element.name, (i + r, j + c)] = (f"x_{instance}.g_{name}_{r}_{c}",)

    def _behaviour(self, element: Element, name: str, value: Array) -> None:
        """Add a block for every part, equal ones with one subcircuit; parts that hang together are one block."""
        columns = {f.name: getattr(element, f.name) for f in fields(element)}
        nodes = {key: x for key, x in columns.items() if _is_nodes(x)}
        if value.ndim == 1 and all(x.shape == value.shape for x in nodes.values()):
            for k in range(len(value)):
                picked = {key: x[k : k + 1] for key, x in nodes.items()}
                ports, there, local = _ports(picked)
                piece = replace(
                    element, name=name, value=value[k : k + 1], share=None, programming=None, **local
                )
                self._block(piece, value[k : k + 1], f"{name}_{k}", ports, there, name)
                self.places[element.name, (k,)] = (f"x_{name}_{k}",)
            return
        there = np.unique(element.terminals())
        there = there[there != 0]
        number_of = np.zeros(self.circuit.n_nodes, np.intp)
        number_of[there] = np.arange(1, len(there) + 1)
        ends: dict[str, Any] = {key: number_of[x] for key, x in nodes.items() if key != "shared"}
        piece = replace(element, name=name, share=None, programming=None, **ends)
        self._block(piece, value, name, [f"p{k}" for k in range(len(there))], there, name)
        for index in np.ndindex(value.shape):
            lines = element.holders(index[0], name) if isinstance(element, RLMesh) else ()
            self.places[element.name, index] = tuple(f"x_{name}.{line}" for line in lines) or (f"x_{name}",)

    def _block(
        self, piece: Element, value: Array, instance: str, ports: list[str], nodes: NodeArray, wanted: str
    ) -> None:
        """Add an instance of a block, and the block unless there is one like it."""
        names = [COMMON, *ports]
        cards = tuple(_without_ground(card) for card in plain_cards(piece.cards(value, names)))
        words = {
            w for card in cards for w in card.replace("(", " ").replace(")", " ").replace(",", " ").split()
        }
        nets = [self.nets[n] for n in nodes.tolist()]
        if COMMON in words:
            ports, nets = [*ports, COMMON], [*nets, self.common]
        if len(ports) > MOST_PORTS:
            raise CircuitError(
                f"element {piece.name!r}: {len(ports)} nodes are more than the {MOST_PORTS} that a subcircuit may "
                "have in ngspice; split it into several elements"
            )
        law = getattr(piece, "law", None)
        poly, valid = _poly(piece, value, cards)
        like = Block(
            "", tuple(ports), cards, poly, piece.name, type(piece).__name__, repr(law) if law else "", valid
        )
        block = self.blocks.get(like)
        if block is None:
            block = self.blocks[like] = replace(like, name=self.cells.claim(f"cell_{wanted}"))
        self.devices.append(Device("x", instance, tuple(nets), None, block.name))

    def structure(self) -> Structure:
        ports = tuple(pins(self.circuit, self.nets, self.devices))
        top = Tile(self.top_name, tuple(pin.name for pin in ports), tuple(self.devices))
        return Structure(
            top,
            ports,
            tuple(self.tiles),
            tuple(self.blocks.values()),
            tuple(self.models),
            self.nets,
            self.places,
        )


def _is_nodes(x: object) -> bool:
    return isinstance(x, np.ndarray) and x.dtype == np.intp


def _tiled(element: Dense) -> Iterator[tuple[int, int, NodeArray, NodeArray]]:
    """Yield the first row and column of each tile, and its nodes."""
    for i in range(0, len(element.rows), TILE):
        for j in range(0, len(element.columns), TILE):
            yield i, j, element.rows[i : i + TILE], element.columns[j : j + TILE]


def _crosspoints(element: Element, index: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the crosspoints that have one value of a crossbar."""
    if not isinstance(element, DualRailCrossbar):
        i, j = index
        return [(i, j)]
    crossed, i, j = index
    _, m, n = element.shape
    return [(i, n + j), (m + i, j)] if crossed else [(i, j), (m + i, n + j)]


def _ports(picked: dict[str, NodeArray]) -> tuple[list[str], NodeArray, dict[str, Any]]:
    """Return names of the ports of one part, its nodes without ground, and the part's nodes counted anew."""
    ports: dict[int, str] = {}
    for key, x in picked.items():
        for n in x.tolist():
            if n != 0:
                ports.setdefault(n, key)
    count = {0: 0} | {n: k for k, n in enumerate(ports, start=1)}
    local: dict[str, Any] = {
        key: np.array([count[n] for n in x.tolist()], np.intp) for key, x in picked.items()
    }
    return list(ports.values()), np.array(list(ports), np.intp), local


def _without_ground(card: str) -> str:
    """Return a card in lower case whose nodes called 0 are the common port."""
    first, *rest = card.lower().split()
    nodes = 4 if first[0] in "eg" else 2
    return " ".join([first, *(COMMON if w == "0" else w for w in rest[:nodes]), *rest[nodes:]])


def _poly(piece: Element, value: Array, cards: tuple[str, ...]) -> tuple[tuple[str, ...] | None, str]:
    """Return cards without B sources, if there are such, and where they hold.

    gnucap of 2017, which they are for, solves two H sources that sense one another's branch wrong without a word.
    """
    if any(card.startswith("h_") for card in cards):
        return None, ""
    if not any(card.startswith("b_") for card in cards):
        return cards, ""
    law = piece.law if isinstance(piece, TwoTerminal) else None
    valid = ""
    if isinstance(law, CubicDevice):
        coefficients = [-law.g1, 0.0, law.g1 / (3 * law.v0 * law.v0)]
    elif isinstance(law, PolynomialDevice):
        coefficients = list(law.coefficients)
        valid = f"{number(law.low)} to {number(law.high)} V"
    else:
        return None, ""
    first, anode, cathode, *_ = cards[0].split()
    scaled = " ".join(number(float(value[0]) * c) for c in coefficients)
    return (f"g_{first[2:]} {anode} {cathode} poly(1) {anode} {cathode} 0 {scaled}",), valid
