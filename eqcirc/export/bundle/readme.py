"""README.txt: the page that a board or chip engineer reads first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eqcirc.board.parts import MOST_VOLTS, MOST_WATTS
from eqcirc.export.bundle.assessment import Assessment
from eqcirc.export.bundle.bands import ALLOWANCE, TRIALS
from eqcirc.export.bundle.chips import CHIPS, usual
from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.files import File, text
from eqcirc.export.bundle.folder import MANIFEST
from eqcirc.export.bundle.limits import loads
from eqcirc.text import ascii_line

MOST_PINS = 40  # lines of the table of pins; pins.csv has all
REALISATIONS = {
    "Amplifier": "a buffer of that gain, and a mirror that draws the stated part of its output current at its input",
    "TwoTerminal": "a device of that current-voltage law",
    "Gyrator": "two transconductors (OTA, or an operational amplifier with resistors: Antoniou) back to back",
    "RLMesh": "coils with series resistors, or gyrators with capacitors; resistances that branches share are in both",
    "CurrentSource": "a current mirror, or a resistor from a far supply",
    "InputCurrent": "a transconductor (OTA) from the input",
    "Transconductor": "a transconductor (OTA)",
    "OneWayCrossbar": "a transconductor (OTA) for each entry",
    "SignedCrossbar": "resistors between + and - nodes of a dual-rail circuit; as it stands it is ideal",
    "GyratorCrossbar": "two transconductors (OTA) for each entry, back to back",
    "BidirectionalSource": "a differential pair behind a resistor, and a multiplier that returns current times slope",
    "Cell": "a differential pair, or a transconductor with that law",
    "Tangent": "two matched devices, or a multiplier",
}
"""What stands for a block in hardware, by kind: named, not designed here."""

_CHECKS = {
    "tb_op.sp": """\
      ngspice -n -b -r out.raw tb_op.sp
        row k is vector k of golden.csv: v(pin) at pins, v(x_dut.net) inside, i(v_pin) the current into a pin;
        (without -r it prints the outputs; with SPICE_ASCIIRAWFILE=1 in the environment out.raw is text);
        if there is v(eq_hold), take the rows where it is 0. Each value is within abs_tol + rel_tol * |value|""",
    "tb_tran.sp": """\
      ngspice -n -b -r out.raw tb_tran.sp
        its last row is vector 0 of golden.csv, too""",
    "tb_gnucap.ckt": """\
      gnucap -b tb_gnucap.ckt
        a line for each vector; with diodes 3e-4 V is as near as it gets (another kT/q). Its exit code is always 0,
        so look for '^ ?' in what it prints""",
    "dut.cdl": """\
      a layout: LVS against dut.cdl. klayout and netgen take swapped inputs for a match: compare the pins by name,
        and the order of ports with the manifest""",
}
"""How to check with what is there, by the file that it needs."""


def readme(assessment: Assessment, files: Sequence[File]) -> File:
    """Return the page about a bundle of those files."""
    design = assessment.design
    lines = [
        *_what(design),
        *_pins(design),
        *_blocks(design),
        *_board(design, files),
        *_files(files),
        *_verify(files),
        *_found(assessment),
    ]
    lines += _not_verified(design, files)
    return text("README.txt", "\n".join([*lines, ""]), "to be read first")


def _what(design: Design) -> list[str]:
    structure = design.structure
    count: dict[str, int] = {}
    for _, device in structure.devices():
        count[device.letter] = count.get(device.letter, 0) + 1
    names = {"r": "resistors", "c": "capacitors", "l": "coils", "d": "diodes", "x": "blocks"}
    parts = ", ".join(f"{count[letter]} {names[letter]}" for letter in names if letter in count)
    name = ascii_line(design.circuit.name)
    lines = [name, "=" * len(name), ""]
    trained = {True: ", whose values were trained", False: " with its initial values: nothing was trained"}
    how = trained.get(bool(design.facts["trained"]), "") if "trained" in design.facts else ""
    lines += [f"An analog circuit of {parts}{how}. Top cell: {structure.top.name}."]
    lines += ["It computes at rest: voltages at the input pins, answer at the output pins.", ""]
    return lines + [ascii_line(note) for note in design.head] + [""]


def _pins(design: Design) -> list[str]:
    structure, golden = design.structure, design.golden
    lines = ["PINS", "", f"{'pin':>4}  {'name':<16}  {'direction':<9}  {'from V':>10}  {'to V':>10}  meaning"]
    for k, pin in enumerate(structure.pins[:MOST_PINS], start=1):
        v = golden.voltages[:, pin.node]
        row = f"{k:>4}  {pin.name:<16}  {pin.direction:<9}  {v.min():>10.4g}  {v.max():>10.4g}  "
        lines.append(row + ascii_line(pin.note))
    if len(structure.pins) > MOST_PINS:
        lines.append(f"      ... {len(structure.pins) - MOST_PINS} more in pins.csv")
    held = [pin for pin in structure.pins if pin.direction in ("supply", "common")]
    total = {pin.name: float(np.abs(golden.currents[:, pin.node]).max()) for pin in held}
    lines += ["", "Supplies, largest current over the golden vectors:"]
    lines += [f"      {name}: {amperes:.4g} A" for name, amperes in total.items()] or ["      none"]
    lines += (
        [f"Outputs: {', '.join(f'{k}: {ascii_line(x)}' for k, x in enumerate(design.outputs))}"]
        if (design.outputs)
        else []
    )
    return [*lines, ""]


def _blocks(design: Design) -> list[str]:
    blocks = design.structure.blocks
    coils = any(device.letter == "l" for device in design.structure.top.devices)
    if not blocks and not coils:
        return []
    lines = ["BLOCKS", "", "Given by what they do (models.sp), to be realised by whoever builds:"]
    if coils:
        lines.append(
            "      coils: as they are, or gyrators of transconductance gm with capacitors C = L * gm^2"
        )
    kinds = dict.fromkeys(block.kind for block in blocks)
    for kind in kinds:
        names = [block.name for block in blocks if block.kind == kind]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        how = REALISATIONS.get(kind, "a circuit that does that")
        lines.append(f"      {', '.join(names[:3])}{more}: {how}")
    return [*lines, ""]


def _board(design: Design, files: Sequence[File]) -> list[str]:
    if all(file.path != "board/board.net" for file in files):
        return []
    resistors = [load for path, load in loads(design).items() if path.rpartition(".")[2][0] == "r"]
    volts, watts = (max((load[k] for load in resistors), default=0.0) for k in (0, 2))
    lines = [
        "BOARD",
        "",
        "      KiCad's board editor takes board/board.net by File, Import, Netlist; nothing is placed or routed",
        "      board/bom.csv is what to buy, board/parts.csv says which device of dut.sp each part is",
        "      resistors are the nearest of E96; diodes and blocks have no order number, and are yours to choose",
        f"      the most that a resistor bears is {watts:.3g} W and {volts:.3g} V",
    ]
    if watts > MOST_WATTS or volts > MOST_VOLTS:
        lines.append(
            f"      beyond {MOST_WATTS:g} W or {MOST_VOLTS:g} V, what 0603 bears, nothing is ordered: take larger ones"
        )
    return [*lines, ""]


def _files(files: Sequence[File]) -> list[str]:
    width = max(len(file.path) for file in files)
    lines = [
        f"      {file.path:<{width}}  {file.role}{'' if file.run else ' (not run here)'}" for file in files
    ]
    return [
        "FILES",
        "",
        *lines,
        f"      {MANIFEST:<{width}}  every file with its SHA-256, ports in order, units",
        "",
    ]


def _verify(files: Sequence[File]) -> list[str]:
    there = {file.path for file in files}
    lines = ["HOW TO VERIFY", "", "In this folder:"]
    lines += [line for path, said in _CHECKS.items() if path in there for line in said.splitlines()]
    lines += ["      all of it by eqcirc, which is Python and free: eqcirc verify ."]
    return [*lines, "      on the bench: apply and feed what golden.csv says, and read the nodes", ""]


def _found(assessment: Assessment) -> list[str]:
    design = assessment.design
    lines = ["WHAT WAS MEASURED, by eqcirc's solvers", ""]
    lines.append(f"      operating points: {design.golden.evidence.words}")
    if assessment.scores:
        for case, score, why in assessment.scores:
            accuracy = "" if np.isnan(score.accuracy) else f", accuracy {score.accuracy:.1%}"
            lines.append(f"      {case}: loss {score.loss:.6g}{accuracy}{f' ({why})' if why else ''}")
        lines += [
            f"      bands in weights.csv: with errors that do not know of one another, {TRIALS} draws within them"
        ]
        lines += [f"        kept the loss within {ALLOWANCE:.0%}"]
    else:
        lines.append("      no loss and no accuracy: the data are not known here")
    reality = usual(design)
    if reality is not None:
        kinds = ascii_line(", ".join(map(repr, reality.kinds)), most=300)
        whose = (
            "as the design says" if design.reality is not None else "assumed, since the design says nothing"
        )
        lines.append(f"      {CHIPS} chips in mc_samples.csv ({whose}): {kinds}")
    return [*lines, ""]


def _not_verified(design: Design, files: Sequence[File]) -> list[str]:
    lines = [
        "NOT VERIFIED",
        "",
        "      blocks and diodes are laws, not parts: no dynamics, noise or supply of theirs",
    ]
    corners = any(file.path == "corners.csv" for file in files)
    lines += [f"      one temperature, 27 degrees Celsius{', but in corners.csv' if corners else ''}"]
    lines += ["      what a current does to a wire: there is no line resistance unless the design has it"]
    if not design.ratings:
        lines += [
            "      ratings: limits.csv says what devices bear, the rating of yours is for you to fill in"
        ]
    if design.nudge is None:
        lines += ["      learning phases: golden vectors are free ones only"]
    for file in files:
        if not file.run:
            lines.append(f"      {file.path}: written, not run by its tool")
    return lines
