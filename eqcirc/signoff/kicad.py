"""Builds a board out of board.net with KiCad's own Python module, saves it, loads it again, and says what it holds.

Runs in the Python that has pcbnew, not in that of eqcirc: `python3 kicad.py board.net FOOTPRINTS`.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pcbnew

WIDTH = 180_000_000  # of the board, in nanometres
MARGIN = 2_000_000  # between parts
CORNER = (15_000_000, 15_000_000)
TOKEN = re.compile(r'(\()|(\))|"((?:[^"\\]|\\.)*)"|([^\s()"]+)')


def parse(text: str) -> Any:
    """Return an s-expression as nested lists of strings."""
    stack: list[Any] = [[]]
    for opening, closing, quoted, word in TOKEN.findall(text):
        if opening:
            stack.append([])
        elif closing:
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(word or re.sub(r"\\(.)", r"\1", quoted))
    return stack[0][0]


def child(expression: Any, name: str) -> Any:
    """Return the first part of that name."""
    return next(part for part in expression if isinstance(part, list) and part[0] == name)


def build(tree: Any, libraries: str) -> Any:
    """Return a board with the parts of a netlist side by side, and its nets at their pads."""
    board = pcbnew.BOARD()
    loaded: dict[str, Any] = {}
    placed: dict[str, Any] = {}
    x, y, height = *CORNER, 0
    for comp in child(tree, "components")[1:]:
        ref, footprint = child(comp, "ref")[1], child(comp, "footprint")[1]
        library, _, name = footprint.partition(":")
        if footprint not in loaded:
            loaded[footprint] = pcbnew.FootprintLoad(f"{libraries}/{library}.pretty", name)
            if loaded[footprint] is None:
                raise SystemExit(f"KiCad has no footprint {footprint}")
        part = pcbnew.FOOTPRINT(loaded[footprint])
        part.SetFPID(pcbnew.LIB_ID(library, name))
        part.SetReference(ref)
        part.SetValue(child(comp, "value")[1])
        part.Value().SetVisible(False)
        part.Reference().SetVisible(False)
        box = part.GetBoundingBox(False, False)
        if x + box.GetWidth() > CORNER[0] + WIDTH:
            x, y, height = CORNER[0], y + height + MARGIN, 0
        part.SetPosition(pcbnew.wxPoint(x - box.GetX(), y - box.GetY()))
        x, height = x + box.GetWidth() + MARGIN, max(height, box.GetHeight())
        board.Add(part)
        placed[ref] = part
    for net in child(tree, "nets")[1:]:
        made = pcbnew.NETINFO_ITEM(board, child(net, "name")[1])
        board.Add(made)
        for node in (part for part in net if isinstance(part, list) and part[0] == "node"):
            pad = placed[child(node, "ref")[1]].FindPadByNumber(child(node, "pin")[1])
            if pad is None:
                raise SystemExit(f"{child(node, 'ref')[1]} has no pad {child(node, 'pin')[1]}")
            pad.SetNet(made)
    return board


def plot(board: Any) -> None:
    """Draw copper, outlines of parts and holes into board.svg."""
    controller = pcbnew.PLOT_CONTROLLER(board)
    controller.GetPlotOptions().SetOutputDirectory(".")
    controller.OpenPlotfile("", pcbnew.PLOT_FORMAT_SVG, "board")
    for layer in (pcbnew.F_Cu, pcbnew.F_SilkS):
        controller.SetLayer(layer)
        controller.PlotLayer()
    controller.ClosePlot()


def main(netlist: str, libraries: str) -> None:
    """Build, save, load, draw and describe the board."""
    board = build(parse(Path(netlist).read_text(encoding="ascii")), libraries)
    pcbnew.SaveBoard("board.kicad_pcb", board)
    again = pcbnew.LoadBoard("board.kicad_pcb")
    found = [
        {
            "ref": part.GetReference(),
            "value": part.GetValue(),
            "footprint": f"{part.GetFPID().GetLibNickname()}:{part.GetFPID().GetLibItemName()}",
            "pads": {pad.GetNumber(): pad.GetNetname() for pad in part.Pads()},
        }
        for part in again.GetFootprints()
    ]
    plot(again)
    Path("found.json").write_text(json.dumps({"version": pcbnew.Version(), "parts": found}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
