"""Drawn crossbars, measured by klayout's own checks and extractor."""

from __future__ import annotations

import numpy as np
import pytest
from klayout import db

from eqcirc.errors import CircuitError, DataError
from eqcirc.layout.crossbar import Bars, draw, gds, new_layout, place, room_for
from eqcirc.layout.extract import as_spice, extract, read_gds
from eqcirc.layout.picture import picture
from eqcirc.layout.process import LAYERS, Process, process_for
from eqcirc.signoff.graphs import differences, read_netlist
from eqcirc.typing import Array


def bars(conductances: Array) -> Bars:
    m, n = conductances.shape
    return Bars("xbar", tuple(f"r{i}" for i in range(m)), tuple(f"c{j}" for j in range(n)), conductances)


def spread(m: int, n: int, low: float, high: float) -> Array:
    return np.exp(np.random.default_rng(1).uniform(np.log(low), np.log(high), (m, n)))


def drawn(conductances: Array, process: Process) -> db.Layout:
    layout = new_layout()
    draw(layout, bars(conductances), process, room_for(conductances, process))
    return layout


def values(layout: db.Layout, process: Process) -> dict[tuple[str, str], float]:
    """The extracted resistances by the nets that they join."""
    netlist = extract(layout, "xbar", process)
    (circuit,) = netlist.each_circuit()
    found = {}
    for device in circuit.each_device():
        a, b = sorted(device.net_for_terminal(t).name for t in (0, 1))
        found[b, a] = device.parameter("R")
    return found


@pytest.mark.parametrize(("low", "high"), [(1e-7, 1e-5), (1e-6, 1e-2)])
def test_every_resistor_is_found_between_its_row_and_column_within_half_a_step(
    low: float, high: float
) -> None:
    wanted = spread(5, 7, low, high)
    wanted[2, 3] = 0.0
    process = process_for(wanted[wanted > 0])
    found = values(read_gds(gds(drawn(wanted, process))), process)
    assert set(found) == {(f"r{i}", f"c{j}") for i, j in np.argwhere(wanted > 0)}
    for (row, column), ohms in found.items():
        exact = 1 / wanted[int(row[1:]), int(column[1:])]
        assert abs(ohms - exact) <= 0.5 * process.sheet * process.grid / process.width * (1 + 1e-9)


@pytest.mark.parametrize("wide", [350, 1200])
def test_shapes_keep_their_distance_and_lie_on_the_grid(wide: int) -> None:
    process = Process(width=wide)
    layout = drawn(spread(4, 4, 1e-7, 1.4e-5 if wide == 1200 else 4e-5), process)
    on = {
        name: db.Region(layout.top_cell().begin_shapes_rec(layout.layer(*where))).merged()
        for name, where in LAYERS.items()
    }
    enclosure = max(0, process.head - process.width) // 2
    assert on["poly"].space_check(process.space - 2 * enclosure).is_empty()
    assert on["metal1"].space_check(process.space // 2).is_empty()
    assert on["metal2"].space_check(process.space).is_empty()
    assert on["resistor"].width_check(process.width).is_empty()
    for name in ("poly", "metal1"):
        assert on["contact"].enclosed_check(on[name], process.enclosure).is_empty()
    for name in ("metal1", "metal2"):
        assert on["via"].enclosed_check(on[name], process.enclosure).is_empty()
    assert (on["resistor"] - on["poly"]).is_empty()
    assert all(region.grid_check(process.grid, process.grid).is_empty() for region in on.values())


def test_the_extracted_netlist_is_read_by_klayout_and_equals_what_was_drawn() -> None:
    wanted = spread(3, 2, 1e-7, 1e-5)
    process = process_for(wanted)
    found = extract(drawn(wanted, process), "xbar", process)
    text = as_spice(found, "xbar", ("c1", "c0", "r0", "r1", "r2"))
    assert text.splitlines()[0] == ".subckt xbar c1 c0 r0 r1 r2"
    cards = [
        f"r{i}{j} r{i} c{j} {float(ohms)!r} rpoly" for (i, j), ohms in np.ndenumerate(process.drawn(wanted))
    ]
    lines = ["* reference", ".subckt xbar r0 r1 r2 c0 c1", *cards, ".ends", ""]
    for netlist in (found, read_netlist(f"* extracted\n{text}")):
        assert differences(netlist, read_netlist("\n".join(lines)), relative=1e-12) == []
    for line, swapped in ((2, "r1 c0"), (3, "r0 c0")):
        words = lines[line].split()
        changed = [*lines]
        changed[line] = " ".join([words[0], *swapped.split(), *words[3:]])
        assert differences(found, read_netlist("\n".join(changed)), relative=1e-12)


def test_tiles_join_where_they_meet() -> None:
    wanted = spread(4, 3, 1e-7, 1e-5)
    process = process_for(wanted)
    room, layout, tiles = room_for(wanted, process), new_layout(), {}
    reference = ["* reference"]
    for i, j, m, n in ((0, 0, 2, 2), (2, 0, 2, 2), (0, 2, 2, 1), (2, 2, 2, 1)):
        names = tuple(f"r{i + k}" for k in range(m)), tuple(f"c{j + k}" for k in range(n))
        tile = Bars(f"tile_{i}_{j}", *names, wanted[i : i + m, j : j + n])
        tiles[i, j] = draw(layout, tile, process, room)
        reference.append(f".subckt {tile.name} {' '.join([*names[0], *names[1]])}")
        for (r, c), g in np.ndenumerate(tile.conductances):
            reference.append(f"r{r}{c} {names[0][r]} {names[1][c]} {1 / float(g)!r} rpoly")
        reference.append(".ends")
    rows, columns = ("in_a", "in_b", "in_c", "in_d"), ("h_0", "h_1", "h_2")
    place(layout, "whole", tiles, rows, columns, process, room)
    reference.append(f".subckt whole {' '.join([*rows, *columns])}")
    for i, j in tiles:
        reference.append(f"x{i}{j} {rows[i]} {rows[i + 1]} {' '.join(columns[j : j + 2])} tile_{i}_{j}")
    text = "\n".join([*reference, ".ends", ""])
    found = extract(read_gds(gds(layout)), "whole", process)
    assert differences(found, read_netlist(text), absolute=process.ohms_a_step / 2) == []
    wrong = text.replace("in_a in_b h_0 h_1 tile", "in_b in_a h_0 h_1 tile")
    assert differences(found, read_netlist(wrong), absolute=process.ohms_a_step / 2)


def test_a_layout_is_the_same_bytes_every_time_and_can_be_looked_at() -> None:
    wanted = spread(3, 3, 1e-7, 1e-5)
    process = process_for(wanted)
    layout = drawn(wanted, process)
    assert gds(layout) == gds(drawn(wanted, process))
    assert picture(layout, "xbar", size=(90, 60))[1:4] == b"PNG"
    assert layout.cell("xbar") is not None  # the picture left it alone


def test_what_cannot_be_drawn_or_read_is_said() -> None:
    with pytest.raises(CircuitError, match="is a body of 0 nm"):
        drawn(np.full((1, 1), 0.1), Process())
    with pytest.raises(CircuitError, match="above 0 S"):
        process_for(np.array([1e-6, 0.0]))
    with pytest.raises(DataError, match="GDS"):
        read_gds(b"no layout")
    with pytest.raises(DataError, match="no cell 'other'"):
        extract(drawn(np.full((1, 1), 1e-6), Process()), "other", Process())
