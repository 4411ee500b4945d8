"""The ports of a circuit: inputs, supplies, outputs, and the net at 0 V, in this order."""

from __future__ import annotations

from collections.abc import Iterator

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices.base import figure
from eqcirc.export.bundle.structure import Device, Pin


def pins(circuit: Circuit, nets: tuple[str, ...], devices: list[Device]) -> Iterator[Pin]:
    """Yield inputs, rails, outputs that are neither, and the common net, if anything is at it."""
    inputs = circuit.inputs
    seen = {0}
    columns = (inputs.node.tolist(), inputs.feature.tolist(), inputs.gain.tolist(), inputs.offset.tolist())
    for node, feature, gain, offset in zip(*columns, strict=True):
        more = f" + {figure(offset)} V" if offset else ""
        seen.add(node)
        yield Pin(nets[node], "input", node, f"{figure(gain)} V * feature {feature}{more}")
    for rail in circuit.rails:
        seen.add(rail.node)
        yield Pin(nets[rail.node], "supply", rail.node, f"{figure(rail.voltage)} V")
    reads: dict[int, list[str]] = {}
    weights = circuit.readout.weights.tocoo()
    for output, k, weight in zip(
        weights.row.tolist(), weights.col.tolist(), weights.data.tolist(), strict=True
    ):
        sign = f"{'-' if weight < 0 else '+'}{'' if abs(weight) == 1 else f'{figure(abs(weight))} * '}"
        reads.setdefault(int(circuit.readout.nodes[k]), []).append(f"{sign} output {output}")
    for node, what in reads.items():
        if node not in seen:
            yield Pin(nets[node], "output", node, "; ".join(what))
    if any(nets[0] in device.nets for device in devices):
        yield Pin(nets[0], "common", 0, "0 V")
