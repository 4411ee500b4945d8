"""Controlled parts for `CircuitBuilder`: one voltage decides, another place carries the current."""

from __future__ import annotations

from numpy.typing import ArrayLike

from eqcirc.circuit.arguments import Nodes, fit
from eqcirc.circuit.parts import GROUND, Parts
from eqcirc.devices import (
    Amplifier,
    BentLaw,
    BidirectionalSource,
    Bounds,
    Cell,
    CellLaw,
    Gyrator,
    GyratorCrossbar,
    OneWayCrossbar,
    Share,
    Transconductor,
)
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray


class ControlledParts(Parts):
    """Controlled sources."""

    def amplifier(
        self, name: str, source: Nodes, output: Nodes, gain: float, kappa: float | None = None
    ) -> None:
        """Add amplifiers of voltage gain `gain` and reverse current gain `kappa`: 1/gain if None, 0 for one way only.

        One whose input is a rail or an input becomes a rail or an input itself.
        """
        source, output, value = self._group(name, source, output, gain)
        self._add(Amplifier(name=name, value=value, source=source, output=output, kappa=kappa))

    def transconductor(
        self,
        name: str,
        out: tuple[Nodes, Nodes],
        control: tuple[Nodes, Nodes],
        siemens: ArrayLike,
        *,
        trainable: bool = False,
        bounds: Bounds | None = None,
    ) -> None:
        """Add transconductors: siemens·(v_control[0] − v_control[1]) leaves out[0] and enters out[1]."""
        (p, n), (cp, cn), value = self._ports(name, out, control, siemens)
        self._add(
            Transconductor(name=name, value=value, trainable=trainable, out_p=p, out_n=n, cp=cp, cn=cn),
            bounds,
        )

    def cell(
        self,
        name: str,
        out: tuple[Nodes, Nodes],
        control: tuple[Nodes, Nodes],
        law: CellLaw,
        *,
        area: ArrayLike = 1.0,
        trainable: bool = False,
        bounds: Bounds | None = None,
    ) -> None:
        """Add one-way cells: area·law(v_control[0] − v_control[1]) leaves out[0] and enters out[1]."""
        (p, n), (cp, cn), value = self._ports(name, out, control, area)
        self._add(
            Cell(name=name, value=value, trainable=trainable, out_p=p, out_n=n, cp=cp, cn=cn, law=law), bounds
        )

    def one_way_crossbar(
        self,
        name: str,
        rows: Nodes,
        columns: Nodes,
        siemens: ArrayLike,
        *,
        trainable: bool = True,
        bounds: Bounds | None = None,
    ) -> None:
        """Add a dense block of transconductors: siemens[r, c]·v_row enters the column node, nothing the row node."""
        rows, columns = self._known(name, rows), self._known(name, columns)
        value = fit(name, "transconductances", siemens, (len(rows), len(columns)))
        self._add(
            OneWayCrossbar(name=name, value=value, trainable=trainable, rows=rows, columns=columns), bounds
        )

    def returning_crossbar(
        self, name: str, forth: str, rows: Nodes, columns: Nodes, factor: float = 1.0
    ) -> None:
        """Add the weights of the one-way crossbar `forth` the other way round, tied to them.

        factor·siemens[r, c]·v_column enters row node r. Rows and columns are as many as those of `forth`, and may be
        other nodes: behind a cell and in front of one.
        """
        element = next((e for e in self._elements if e.name == forth), None)
        rows, columns = self._known(name, rows), self._known(name, columns)
        if not isinstance(element, OneWayCrossbar):
            raise CircuitError(
                f"{name!r}: expected the name of a one-way crossbar that was added, got {forth!r}"
            )
        if (len(rows), len(columns)) != element.value.shape:
            raise CircuitError(
                f"{name!r}: expected rows and columns as many as those of {forth!r}, {element.value.shape}, got "
                f"{(len(rows), len(columns))}"
            )
        self._add(
            OneWayCrossbar(
                name=name,
                value=factor * element.value,
                share=Share(forth, factor),
                rows=rows,
                columns=columns,
                backward=True,
            )
        )

    def gyrator_crossbar(
        self,
        name: str,
        rows: Nodes,
        columns: Nodes,
        siemens: ArrayLike,
        *,
        trainable: bool = True,
        bounds: Bounds | None = None,
    ) -> None:
        """Add a dense block of gyrators: siemens[r, c]·v_row enters the column, siemens[r, c]·v_column leaves the row.

        Columns are errors, and rows what predicts; see `devices.gyrator_crossbar`.
        """
        rows, columns = self._known(name, rows), self._known(name, columns)
        value = fit(name, "gyration conductances", siemens, (len(rows), len(columns)))
        self._add(
            GyratorCrossbar(name=name, value=value, trainable=trainable, rows=rows, columns=columns), bounds
        )

    def bidirectional_source(
        self,
        name: str,
        source: Nodes,
        output: Nodes,
        law: BentLaw,
        siemens: ArrayLike,
        *,
        trainable: bool = False,
        bounds: Bounds | None = None,
    ) -> None:
        """Add sources of law(v_source)/siemens volts that reach `output` through `siemens`, and carry currents back."""
        source, output, value = self._group(name, source, output, siemens)
        self._add(
            BidirectionalSource(
                name=name, value=value, trainable=trainable, source=source, driven=output, law=law
            ),
            bounds,
        )

    def gyrator(
        self,
        name: str,
        a: Nodes,
        b: Nodes,
        siemens: ArrayLike,
        *,
        reference: Nodes = GROUND,
        trainable: bool = False,
        bounds: Bounds | None = None,
    ) -> None:
        """Add gyrators: siemens·v_b leaves node a and siemens·(v_a − v_reference) enters node b."""
        a, b, value = self._group(name, a, b, siemens)
        reference, _, _ = self._group(name, reference, a, value)
        self._add(Gyrator(name=name, value=value, trainable=trainable, a=a, b=b, reference=reference), bounds)

    def _ports(
        self, name: str, out: tuple[Nodes, Nodes], control: tuple[Nodes, Nodes], value: ArrayLike
    ) -> tuple[tuple[NodeArray, NodeArray], tuple[NodeArray, NodeArray], Array]:
        """Return output and control nodes, and values, all of one length."""
        out_p, out_n, value = self._group(name, out[0], out[1], value)
        cp, cn, value = self._group(name, control[0], control[1], value)
        out_p, out_n, value = self._group(name, out_p, out_n, value)
        return (out_p, out_n), (cp, cn), value
