"""Build any circuit, element by element.

Example:
    b = CircuitBuilder("divider")
    x = b.input("x", gain=1.0)
    out = b.nodes("out")
    b.conductance("g1", x, out, 1e-5, trainable=True)
    b.conductance("load", out, GROUND, 1e-5)
    circuit = b.build(readout=out)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from eqcirc.circuit.arguments import Nodes, fit, pairs_of
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.controlled_parts import ControlledParts
from eqcirc.circuit.parts import GROUND
from eqcirc.circuit.phase_parts import PhaseParts
from eqcirc.circuit.readout import Readout
from eqcirc.circuit.validate import validate
from eqcirc.devices import (
    Bounds,
    Capacitor,
    Conductance,
    Crossbar,
    CurrentSource,
    DualRailCrossbar,
    InputCurrent,
    Law,
    RLMesh,
    SignedCrossbar,
    TwoTerminal,
)
from eqcirc.devices.tunnel_diode import TunnelDiode
from eqcirc.devices.two_terminal import check_areas, check_law
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray

__all__ = ["GROUND", "CircuitBuilder"]


class CircuitBuilder(ControlledParts, PhaseParts):
    """Collects nodes and elements; `build` checks the whole and returns an immutable `Circuit`.

    Trained elements without `bounds` of their own stay in the `STANDARD` window of their kind, widened where their
    first values lie outside.
    """

    def conductance(
        self,
        name: str,
        a: Nodes,
        b: Nodes,
        siemens: ArrayLike,
        *,
        trainable: bool = False,
        bounds: Bounds | None = None,
    ) -> None:
        """Add resistors of the given conductance between nodes a and b (broadcast to one length)."""
        a, b, value = self._group(name, a, b, siemens)
        self._add(Conductance(name=name, value=value, trainable=trainable, a=a, b=b), bounds)

    def crossbar(
        self,
        name: str,
        rows: Nodes,
        columns: Nodes,
        siemens: ArrayLike,
        *,
        trainable: bool = True,
        bounds: Bounds | None = None,
    ) -> None:
        """Add a dense block of conductances (rows, columns) in siemens."""
        rows, columns = self._known(name, rows), self._known(name, columns)
        value = fit(name, "conductances", siemens, (len(rows), len(columns)))
        self._add(Crossbar(name=name, value=value, trainable=trainable, rows=rows, columns=columns), bounds)

    def signed_crossbar(
        self,
        name: str,
        rows: Nodes,
        columns: Nodes,
        siemens: ArrayLike,
        *,
        loaded: bool = True,
        trainable: bool = True,
        bounds: Bounds | None = None,
    ) -> None:
        """Add a dense block of ideal couplings (rows, columns) in siemens, of either sign; `loaded`: with loads |W|."""
        rows, columns = self._known(name, rows), self._known(name, columns)
        value = fit(name, "conductances", siemens, (len(rows), len(columns)))
        self._add(
            SignedCrossbar(
                name=name, value=value, trainable=trainable, rows=rows, columns=columns, loaded=loaded
            ),
            bounds,
        )

    def dual_rail_crossbar(
        self,
        name: str,
        rows: Nodes,
        columns: Nodes,
        siemens: ArrayLike,
        *,
        trainable: bool = True,
        bounds: Bounds | None = None,
    ) -> None:
        """Add signed weights made of resistors between pairs of nodes.

        Args:
            name: of the crossbar.
            rows: nodes (2m,), the + nodes and then the − nodes.
            columns: nodes (2n,), likewise.
            siemens: (2, m, n) conductances between like rails, and between crossed rails.
            trainable: whether learning may change them.
            bounds: interval of trained conductances.
        """
        rows, columns = self._known(name, rows), self._known(name, columns)
        value = fit(name, "conductances", siemens, (2, len(rows) // 2, len(columns) // 2))
        self._add(
            DualRailCrossbar(name=name, value=value, trainable=trainable, rows=rows, columns=columns), bounds
        )

    def device(
        self,
        name: str,
        anode: Nodes,
        cathode: Nodes,
        law: Law | TunnelDiode,
        *,
        area: ArrayLike = 1.0,
        trainable: bool = False,
        bounds: Bounds | None = None,
    ) -> None:
        """Add nonlinear two-terminal devices, for example `ShockleyDiode`; what can be trained is their area.

        Whole tunnel diodes get leads and capacitances too, which stay those of the first area.
        """
        anode, cathode, value = self._group(name, anode, cathode, area)
        check_areas(name, value)
        if isinstance(law, TunnelDiode):
            anode, law = self._behind_leads(name, anode, cathode, law, value), law.law
        check_law(name, law)
        self._add(
            TwoTerminal(name=name, value=value, trainable=trainable, anode=anode, cathode=cathode, law=law),
            bounds,
        )

    def _behind_leads(
        self, name: str, anode: NodeArray, cathode: NodeArray, diode: TunnelDiode, area: Array
    ) -> NodeArray:
        """Add leads and capacitances of tunnel diodes and return the anodes of their junctions."""
        inner, ohms = anode, diode.series_resistance / area
        if diode.series_resistance:
            inner = self.nodes(f"{name}_inner", len(anode))
            if diode.inductance:
                self.rl_branches(f"{name}_lead", anode, inner, ohms, diode.inductance)
            else:
                self.conductance(f"{name}_lead", anode, inner, 1 / ohms)
        if diode.capacitance:
            self.capacitor(f"{name}_junction", inner, cathode, diode.capacitance * area)
        return inner

    def capacitor(self, name: str, a: Nodes, b: Nodes, farads: ArrayLike) -> None:
        """Add capacitors between nodes a and b; they decide stability, not operating points."""
        a, b, value = self._group(name, a, b, farads)
        self._add(Capacitor(name=name, value=value, a=a, b=b))

    def rl_branches(
        self,
        name: str,
        a: Nodes,
        b: Nodes,
        ohms: ArrayLike,
        henries: ArrayLike,
        *,
        shared: Sequence[tuple[int, int]] = (),
        shared_ohms: ArrayLike = (),
        trainable: bool = False,
        bounds: Bounds | None = None,
    ) -> None:
        """Add branches of a resistor and an inductor in series from nodes a to b.

        Args:
            name: of the group.
            a: nodes that the branch currents leave.
            b: nodes that they enter.
            ohms: each branch's own resistance.
            henries: inductances.
            shared: pairs of branches (counted from 0) whose currents cross one more resistance, in opposite
                directions: R·(i_a − i_b) drops in the first one.
            shared_ohms: that resistance, for each pair.
            trainable: whether learning may change the resistances, own and shared.
            bounds: interval of trained resistances.
        """
        a, b, own = self._group(name, a, b, ohms)
        pairs = pairs_of("branches", f"{name!r}: shared", shared)
        crossed = fit(name, "shared_ohms", shared_ohms, (len(pairs),))
        self._add(
            RLMesh(
                name=name,
                value=np.concatenate([own, crossed]),
                trainable=trainable,
                a=a,
                b=b,
                inductance=fit(name, "henries", henries, own.shape),
                shared=pairs,
            ),
            bounds,
        )

    def current_source(
        self,
        name: str,
        node: Nodes,
        amperes: ArrayLike,
        *,
        trainable: bool = False,
        bounds: Bounds | None = None,
    ) -> None:
        """Add currents into nodes."""
        node, _, value = self._group(name, node, node, amperes)
        self._add(CurrentSource(name=name, value=value, trainable=trainable, node=node), bounds)

    def current_input(
        self,
        name: str,
        nodes: Nodes,
        *,
        first_feature: int = 0,
        gain: ArrayLike = 1e-6,
        trainable: bool = False,
        bounds: Bounds | None = None,
    ) -> NodeArray:
        """Add driven currents: gain[k]·feature[first_feature + k] amperes flow into node k.

        Each is a transconductance `gain`, in amperes for a feature of one, behind a node that is held at the feature
        itself in volts; those nodes (n,) are returned.
        """
        into = self._known(name, nodes)
        control = self.input(f"{name}_x", len(into), first_feature=first_feature)
        _, _, value = self._group(name, control, into, gain)
        self._add(
            InputCurrent(name=name, value=value, trainable=trainable, control=control, node=into), bounds
        )
        return control

    def build(self, readout: Nodes | Readout, negative: Nodes | None = None) -> Circuit:
        """Check the circuit and return it.

        Args:
            readout: nodes whose voltages are the outputs; or outputs that `weighted` or `currents` made, added if
                there are both.
            negative: for differential outputs, the nodes to subtract.

        Raises:
            CircuitError: floating node, short, amplifier onto a held node, ... (see `circuit.validate`).
        """
        sources, elements = self._sources.amplified(self._elements, self._nodes)
        circuit = Circuit(
            name=self._name,
            node_names=tuple(self._nodes),
            rails=sources.rails,
            inputs=sources.inputs,
            elements=tuple(elements),
            readout=self._readout(readout, negative),
        )
        validate(circuit)
        return circuit

    def _readout(self, readout: Nodes | Readout, negative: Nodes | None) -> Readout:
        if isinstance(readout, Readout):
            return readout
        positive = self._known("readout", readout)
        minus = None if negative is None else self._known("readout", negative)
        if minus is not None and len(minus) != len(positive):
            raise CircuitError(f"readout: {len(positive)} positive nodes but {len(minus)} negative ones")
        return Readout.of(positive, minus)
