"""Monte Carlo in the words of the simulators: for a look, beside the explicit samples of mc_samples.csv.

ngspice   every resistor draws for itself, agauss in its own value: a .param that two resistors share would be drawn
          anew at each use. `.options seed` makes a run repeatable
Spectre   a subcircuit for a resistor whose mismatch is a statistics block; not run
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eqcirc.devices.base import number
from eqcirc.export.bundle.bench import MOST_PORTS, VECTOR, tb_one
from eqcirc.export.bundle.chips import usual
from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.files import File, text
from eqcirc.export.bundle.flavours import NOT_RUN, spectre
from eqcirc.export.bundle.spice import dut
from eqcirc.reality.kind import is_synapse
from eqcirc.solvers.ngspice.netlist import Tolerances


def native_files(design: Design) -> Iterator[File]:
    """Yield both; none where nothing is said of mismatch."""
    reality = usual(design)
    if reality is None or reality.mismatch is None or len(design.structure.pins) > MOST_PORTS:
        return
    sigma, drawn = reality.mismatch.sigma, _programmed(design)
    why = f"every trained resistor times exp(z), z normal, standard deviation {sigma:g}; another seed is another chip"
    head = [*design.head, why]
    lines = dut(design.structure, head).split("\n")
    for k, name, rest in _drawn(lines, design, ".subckt ", drawn):
        a, b, ohms = rest.split(" ")
        lines[k] = f"{name} {a} {b} {{{ohms}*exp(agauss(0,{number(sigma)},1))}}"
    yield text("mc_dut.sp", "\n".join(lines), "dut.sp with mismatch that ngspice draws")
    bench = tb_one(design.structure, design.circuit, design.golden, head, "models.sp", Tolerances().line())
    printed = " ".join(f"v({pin.name})" for pin in design.structure.pins if pin.direction == "output")
    sweep = f".dc v_{VECTOR} 0 0 1"  # .print of .op warns of every name
    ends = [
        f"v_{VECTOR} {VECTOR} 0 0",
        ".options seed=1",
        ".temp 27",
        sweep,
        f".print dc {printed}",
        ".end",
        "",
    ]
    bench = [line.replace(".include dut.sp", ".include mc_dut.sp") for line in bench]
    yield text(
        "mc_native.sp", "\n".join([*bench, *ends]), "test bench of vector 0 on a chip that ngspice draws"
    )
    yield text("mc_spectre.scs", _spectre(design, sigma, drawn), "the same for Spectre", run=False)


def _programmed(design: Design) -> set[tuple[str, str]]:
    """Return tile ("" for the top) and name of every trained resistor."""
    found = set()
    models = {device.called: device.model for device in design.structure.top.devices}
    for element in filter(is_synapse, design.circuit.elements):
        for (name, _), paths in design.structure.places.items():
            if name == element.name:
                for path in paths:
                    instance, _, part = path.rpartition(".")
                    found.add((models[instance] if instance else "", part))
    return {(tile, part) for tile, part in found if part.startswith("r_")}


def _spectre(design: Design, sigma: float, drawn: set[tuple[str, str]]) -> str:
    """Return the circuit for Spectre, its trained resistors in subcircuits of their own."""
    head = [NOT_RUN, f"mismatch of trained resistors, lognormal, standard deviation {sigma:g}"]
    lines = spectre(design.structure, [*design.head, *head]).split("\n")
    start = lines.index("simulator lang=spectre") + 1
    statistics = [
        "parameters mm=0",
        f"statistics {{ mismatch {{ vary mm dist=gauss std={number(sigma)} }} }}",
        "subckt synapse (a b)",
        "parameters ohms=1",
        "r_1 (a b) resistor r=ohms*exp(mm)",
        "ends synapse",
    ]
    for k, name, rest in _drawn(lines, design, "subckt ", drawn):
        lines[k] = f"{name} {rest.replace(' resistor r=', ' synapse ohms=')}"
    return "\n".join([*lines[:start], *statistics, *lines[start:]])


def _drawn(
    lines: Sequence[str], design: Design, begins: str, drawn: set[tuple[str, str]]
) -> Iterator[tuple[int, str, str]]:
    """Yield number, name and rest of the lines of trained resistors."""
    tiles, inside = {tile.name for tile in design.structure.tiles}, ""
    for k, line in enumerate(lines):
        name, _, rest = line.partition(" ")
        if line.startswith(begins):
            inside = rest.split(" ")[0]
        elif (inside if inside in tiles else "", name) in drawn:
            yield k, name, rest
