"""Parts of circuits whose node voltages are phases, for `CircuitBuilder`; their laws are in `devices.phases`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from eqcirc.circuit.arguments import Nodes, fit
from eqcirc.circuit.parts import GROUND, Parts
from eqcirc.devices import Bounds, PhaseCoupling, PhaseInput, SignedDevice, Sine


class PhaseParts(Parts):
    """Sines of phases."""

    def phase_device(
        self,
        name: str,
        node: Nodes,
        amperes: ArrayLike,
        *,
        to: Nodes = GROUND,
        harmonic: int = 1,
        trainable: bool = False,
        bounds: Bounds | None = None,
    ) -> None:
        """Add amperes·sin(harmonic·v), of either sign, from nodes whose voltages are phases: see `devices.phases`."""
        node, to, value = self._group(name, node, to, amperes)
        law = Sine(frequency=float(harmonic))
        self._add(
            SignedDevice(name=name, value=value, trainable=trainable, anode=node, cathode=to, law=law), bounds
        )

    def phase_coupling(
        self,
        name: str,
        rows: Nodes,
        columns: Nodes,
        amperes: ArrayLike,
        *,
        trainable: bool = True,
        bounds: Bounds | None = None,
    ) -> None:
        """Add amperes·sin(v_row − v_column) (rows, columns), of either sign, between nodes with phases as voltages."""
        rows, columns = self._known(name, rows), self._known(name, columns)
        value = fit(name, "couplings", amperes, (len(rows), len(columns)))
        anode, cathode = np.meshgrid(rows, columns, indexing="ij")
        self._add(
            PhaseCoupling(name=name, value=value, trainable=trainable, anode=anode, cathode=cathode), bounds
        )

    def phase_input(
        self,
        name: str,
        controls: Nodes,
        columns: Nodes,
        amperes: ArrayLike,
        *,
        trainable: bool = True,
        bounds: Bounds | None = None,
    ) -> None:
        """Add Σ v_control·amperes·sin(v_column) (controls, columns); the controls are inputs or rails."""
        control, anode = self._known(name, controls), self._known(name, columns)
        value = fit(name, "couplings", amperes, (len(control), len(anode)))
        cathode = np.zeros_like(anode)
        part = PhaseInput(
            name=name, value=value, trainable=trainable, anode=anode, cathode=cathode, control=control
        )
        self._add(part, bounds)
