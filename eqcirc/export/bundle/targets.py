"""What is asked for: which files a bundle has.

A target is a function from a `Design` to files; another one is added here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

from eqcirc.board.files import board_files
from eqcirc.board.parts import MOST_PARTS
from eqcirc.errors import CircuitError, ConfigError, nearest
from eqcirc.export.bundle.assessment import Assessment
from eqcirc.export.bundle.bench import tb_gnucap, tb_op, tb_tran
from eqcirc.export.bundle.cdl import cdl
from eqcirc.export.bundle.chips import chip_files
from eqcirc.export.bundle.corners import corners_csv
from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.expected import golden_csv, pins_csv
from eqcirc.export.bundle.files import File, text
from eqcirc.export.bundle.flavours import flavour_files
from eqcirc.export.bundle.limits import limits_csv
from eqcirc.export.bundle.native import native_files
from eqcirc.export.bundle.programming import programming_files
from eqcirc.export.bundle.spice import dut, models, stubs
from eqcirc.export.bundle.verilog import verilog_files
from eqcirc.export.bundle.weights import weights_csv

ALL = "all"


def _common(assessment: Assessment) -> Iterator[File]:
    """Yield what every bundle has."""
    design = assessment.design
    yield golden_csv(design)
    yield pins_csv(design)
    yield limits_csv(design)
    yield weights_csv(assessment)
    yield from programming_files(assessment)
    corners = corners_csv(assessment)
    if corners is not None:
        yield corners
    yield from chip_files(assessment)
    if assessment.scores:
        yield assessment.scores_csv()


def _spice(design: Design) -> Iterator[File]:
    """Yield netlists and test benches."""
    structure, circuit, head = design.structure, design.circuit, design.head
    yield text("dut.sp", dut(structure, head), "the circuit, without sources")
    yield text("models.sp", models(structure, head), "diode models and blocks of dut.sp")
    yield text(
        "tb_op.sp",
        tb_op(structure, circuit, design.golden, head),
        "test bench of all golden vectors, ngspice",
    )
    if all(block.poly is not None for block in structure.blocks):
        poly = models(structure, head, poly=True)
        yield text("models_poly.sp", poly, "the same as models.sp, POLY instead of B sources")
        bench = tb_gnucap(structure, circuit, design.golden, head)
        yield text("tb_gnucap.ckt", bench, "test bench of all golden vectors, gnucap")
    if design.golden.settling is not None:
        bench = tb_tran(structure, circuit, design.golden, head)
        yield text("tb_tran.sp", bench, "test bench that switches vector 0 on, ngspice")
    yield from verilog_files(structure, head)
    yield from flavour_files(design)
    yield from native_files(design)


def _cdl(design: Design) -> Iterator[File]:
    """Yield netlists for comparing a layout."""
    structure, head = design.structure, design.head
    yield text("dut.cdl", cdl(structure, head), "the circuit for LVS, plain CDL")
    yield text(
        "dut_cadence.cdl", cdl(structure, head, "cadence"), "the circuit for LVS, Cadence's CDL", run=False
    )
    empty = "\n".join([*stubs(structure, [*head, "blocks without content, to be read before dut.sp"]), ""])
    yield text("stubs.sp", empty, "empty blocks, for tools that read dut.sp and know no sources")


def _layout(design: Design) -> Iterator[File]:
    """Yield the layout of the crossbars, and the netlists that it is compared with."""
    if find_spec("klayout") is None:
        raise ConfigError(
            "a layout needs klayout: pip install 'eqcirc[fabrication]'; --target spice needs nothing"
        )
    from eqcirc.layout.files import layout_files

    yield from layout_files(design)


TARGETS: dict[str, Callable[[Design], Iterator[File]]] = {
    "spice": _spice,
    "cdl": _cdl,
    "layout": _layout,
    "board": board_files,
}

NEEDED = {"layout": ("spice", "cdl"), "board": ("spice",)}
"""What a target is checked against, which no bundle of it goes without."""
NOTHING = {
    "layout": "no crossbar of resistors to draw",
    "board": f"more than the {MOST_PARTS} parts that a board may have",
}
"""Why there may be nothing of a target."""


def check_target(target: str) -> None:
    """Raise `ConfigError` for a target that there is not."""
    if target != ALL and target not in TARGETS:
        raise ConfigError(f"target {target!r}: there is no such one; {nearest(target, [ALL, *TARGETS])}")


def available(target: str) -> bool:
    """Return whether what a target needs is installed; one that is not is left out of `all`."""
    return target != "layout" or find_spec("klayout") is not None


def files_of(design: Design, target: str = ALL) -> list[File]:
    """Return all files of a bundle but the manifest and README.txt, which are about them.

    Raises:
        ConfigError: there is no such target.
        SolverError: a golden vector has no operating point.
        CircuitError: there is nothing of the circuit for the target.
    """
    check_target(target)
    assessment = Assessment(design)
    wanted = [name for name in TARGETS if available(name)] if target == ALL else [target]
    wanted = [name for name in TARGETS if name in wanted or name in NEEDED.get(target, ())]
    made = {name: list(TARGETS[name](design)) for name in wanted}
    if target != ALL and not made[target]:
        raise CircuitError(
            f"target {target!r}: circuit {design.circuit.name!r} has {NOTHING[target]}; choose another target"
        )
    return [*(file for some in made.values() for file in some), *_common(assessment)]
