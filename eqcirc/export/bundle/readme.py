"""README.txt: the page that a board or chip engineer reads first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from eqcirc.board.parts import MOST_VOLTS, MOST_WATTS
from eqcirc.export.bundle.bands import ALLOWANCE, CONFIDENCE, SHARE, TRIALS
from eqcirc.export.bundle.files import File, text
from eqcirc.export.bundle.folder import MANIFEST
from eqcirc.export.bundle.ratings import CLASSES
from eqcirc.export.bundle.tables import unquoted
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

_TABLES = {
    "golden.csv": """\
      golden.csv: a number a line; kind apply: volts to hold the pin at, feed: amperes into an output pin,
        node: volts that the net must have, branch: amperes that must flow into the pin""",
    "limits.csv": """\
      limits.csv: the most that a device bears in any golden vector; margin is rating over load, below 1 is too much""",
    "weights.csv": """\
      weights.csv: value is what to build, ohm the same as a resistor; allowed_low to allowed_high is its band;
        sensitivity, d(loss)/d(value), says which ones need care""",
    "rounding.csv": """\
      rounding.csv: the nearest resistors of E24 and E96; errors are parts of target_ohm""",
    "programming.csv": """\
      programming.csv: code is what to write into a part, achieved_ohm what it gives; scale multiplies every conductance
        of the circuit, and with it areas of diodes and currents; inside_band is 1 where the band is kept""",
    "mc_samples.csv": """\
      mc_samples.csv: the value of each device on each chip, in the unit beside it""",
    "corners.csv": """\
      corners.csv: supply, resistance and diode_current are factors, celsius is a temperature""",
}
"""What stands in tables, in short."""


class Entry(Protocol):
    """A file as the list of files shows it."""

    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def role(self) -> str: ...  # noqa: D102
    @property
    def run(self) -> bool: ...  # noqa: D102


Rows = list[dict[str, str]]
Table = Callable[[str], Rows]


def readme(facts: Mapping[str, Any], files: Sequence[Entry], table: Table) -> File:
    """Return the page about a bundle: all that it says is said by the manifest or a table, too.

    Args:
        facts: of the manifest.
        files: that there are beside the page and the manifest.
        table: gives the rows of a CSV file among them.
    """
    there = {file.path for file in files}
    lines = [
        *_what(facts),
        *_pins(facts, table("pins.csv")),
        *_blocks(facts),
        *(_board(table("limits.csv")) if "board/board.net" in there else []),
        *_files(files),
        *_tables(there),
        *_verify(there),
        *_found(facts, table("scores.csv") if "scores.csv" in there else []),
        *_not_verified(facts, files),
    ]
    return text("README.txt", "\n".join([*lines, ""]), "to be read first")


def _what(facts: Mapping[str, Any]) -> list[str]:
    parts = ", ".join(f"{facts['devices'][x]} {CLASSES[x]}" for x in CLASSES if x in facts["devices"])
    name = ascii_line(facts["name"])
    lines = [name, "=" * len(name), ""]
    trained = {True: ", whose values were trained", False: " with its initial values: nothing was trained"}
    how = trained[bool(facts["run"]["trained"])] if "trained" in facts["run"] else ""
    lines += [f"An analog circuit of {parts}{how}. Top cell: {facts['top']}."]
    lines += ["It computes at rest: voltages at the input pins, answer at the output pins.", ""]
    return [*lines, *facts["notes"], ""]


def _pins(facts: Mapping[str, Any], pins: Rows) -> list[str]:
    lines = ["PINS", "", f"{'pin':>4}  {'name':<16}  {'direction':<9}  {'from V':>10}  {'to V':>10}  meaning"]
    for pin in pins[:MOST_PINS]:
        low, high = float(pin["v_min_V"]), float(pin["v_max_V"])
        row = f"{pin['position']:>4}  {pin['pin']:<16}  {pin['direction']:<9}  {low:>10.4g}  {high:>10.4g}  "
        lines.append(row + unquoted(pin["meaning"]))
    if len(pins) > MOST_PINS:
        lines.append(f"      ... {len(pins) - MOST_PINS} more in pins.csv")
    held = [pin for pin in pins if pin["direction"] in ("supply", "common")]
    lines += ["", "Supplies, largest current over the golden vectors:"]
    lines += [f"      {pin['pin']}: {float(pin['i_max_A']):.4g} A" for pin in held] or ["      none"]
    outputs = ", ".join(f"{k}: {ascii_line(x)}" for k, x in enumerate(facts["outputs"]))
    return [*lines, *([f"Outputs: {outputs}"] if outputs else []), ""]


def _blocks(facts: Mapping[str, Any]) -> list[str]:
    blocks, coils = facts["blocks"], "l" in facts["devices"]
    if not blocks and not coils:
        return []
    lines = ["BLOCKS", "", "Given by what they do (models.sp), to be realised by whoever builds:"]
    if coils:
        lines.append(
            "      coils: as they are, or gyrators of transconductance gm with capacitors C = L * gm^2"
        )
    for kind in dict.fromkeys(block["kind"] for block in blocks):
        names = [block["cell"] for block in blocks if block["kind"] == kind]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        how = REALISATIONS.get(kind, "a circuit that does that")
        lines.append(f"      {', '.join(names[:3])}{more}: {how}")
    return [*lines, ""]


def _board(limits: Rows) -> list[str]:
    resistors = [row for row in limits if row["device"].rpartition(".")[2][0] == "r"]
    volts, watts = (max((float(r[k]) for r in resistors), default=0.0) for k in ("v_max_V", "p_max_W"))
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


def _files(files: Sequence[Entry]) -> list[str]:
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


def _tables(there: Collection[str]) -> list[str]:
    lines = [
        "TABLES",
        "",
        "      a comma between cells, decimal points, SI units, in names of columns or beside the number;",
        "      a spreadsheet that writes decimal commas has to import them as English;",
        "      an apostrophe before + - = @ is no part of a text, it keeps spreadsheets from computing",
    ]
    return [
        *lines,
        *(line for path, said in _TABLES.items() if path in there for line in said.splitlines()),
        "",
    ]


def _verify(there: Collection[str]) -> list[str]:
    lines = ["HOW TO VERIFY", "", "In this folder:"]
    lines += [line for path, said in _CHECKS.items() if path in there for line in said.splitlines()]
    lines += ["      all of it by eqcirc, which is Python and free: eqcirc verify ."]
    return [*lines, "      on the bench: apply and feed what golden.csv says, and read the nodes", ""]


def _found(facts: Mapping[str, Any], scores: Rows) -> list[str]:
    lines = ["WHAT WAS MEASURED, by eqcirc's solvers", ""]
    lines.append(f"      operating points: {facts['operating_points']}")
    for score in scores:
        loss = f"{float(score['loss'] or 'nan'):.6g}"
        accuracy = f", accuracy {float(score['accuracy']):.1%}" if score["accuracy"] else ""
        failed = (
            f", {score['failed']} of {score['samples']} without an answer" if score["failed"] != "0" else ""
        )
        why = f" ({unquoted(score['note'])})" if score["note"] else ""
        lines.append(f"      {unquoted(score['case'])}: loss {loss}{accuracy}{failed}{why}")
    if scores:
        lines += [
            f"      bands in weights.csv: {TRIALS} chips with uniform, independent errors within them were drawn,",
            f"        and all kept the loss within {ALLOWANCE:.0%} on these samples;",
            f"        so at least {SHARE:.0%} of such chips do, with a confidence of {CONFIDENCE:.0%}",
        ]
    else:
        lines.append("      no loss and no accuracy: the data are not known here")
    chips = facts["chips"]
    if chips is not None:
        whose = "assumed, since the design says nothing" if chips["assumed"] else "as the design says"
        lines.append(f"      {chips['count']} chips in mc_samples.csv ({whose}): {chips['differ']}")
    return [*lines, ""]


def _not_verified(facts: Mapping[str, Any], files: Sequence[Entry]) -> list[str]:
    lines = [
        "NOT VERIFIED",
        "",
        "      blocks and diodes are laws, not parts: no dynamics, noise or supply of theirs",
    ]
    corners = any(file.path == "corners.csv" for file in files)
    lines += [f"      one temperature, 27 degrees Celsius{', but in corners.csv' if corners else ''}"]
    lines += ["      what a current does to a wire: there is no line resistance unless the design has it"]
    if not facts["ratings"]:
        lines += [
            "      ratings: limits.csv says what devices bear, the rating of yours is for you to fill in"
        ]
    if facts["phases"] == ["free"]:
        lines += ["      learning phases: golden vectors are free ones only"]
    for file in files:
        if not file.run:
            lines.append(f"      {file.path}: written, not run by its tool")
    return lines
