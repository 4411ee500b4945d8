"""Write the golden netlists that tests compare exports against.

    python scripts/golden_netlists.py

Run it only when the form of the netlists changes on purpose, and read the difference.
"""

from __future__ import annotations

from pathlib import Path

from eqcirc import CircuitBuilder, ClampDiode, ShockleyDiode, export_deck
from eqcirc.circuit.circuit import Circuit

NETLISTS = Path(__file__).resolve().parent.parent / "netlists"


def golden_circuit() -> Circuit:
    """Return a small circuit with every kind of element."""
    b = CircuitBuilder("golden")
    x = b.input("x", 2, gain=2.0)
    bias = b.rail("bias", 1.0)
    h, y, out = b.nodes("h", 2), b.nodes("y", 2), b.nodes("out", 2)
    b.crossbar("w1", x, h, [[1e-5, 2e-5], [3e-5, 4e-5]])
    b.conductance("b1", bias, h, 1e-6, trainable=True)
    b.device("up", h, b.rail("clamp", 0.3), ShockleyDiode())
    b.device("down", 0, h, ClampDiode())
    b.amplifier("a1", h, y, 4.0)
    b.crossbar("w2", y, out, [[1e-5, 2e-5], [2e-5, 1e-5]])
    b.current_source("offset", out, [1e-7, -1e-7])
    b.transconductor("g1", (out[0], 0), (out[1], 0), 1e-6)
    b.transconductor("g2", (out[1], 0), (out[0], 0), 1e-6)
    return b.build(out)


def decks() -> dict[str, str]:
    """Return file names and contents."""
    samples = [[1.0, 0.0], [-0.5, 0.25]]
    return {
        f"golden_{form}.sp": export_deck(golden_circuit(), None, samples, form)
        for form in ("full", "reduced")
    }  # type: ignore[arg-type]


if __name__ == "__main__":
    for name, text in decks().items():
        (NETLISTS / name).write_text(text, encoding="ascii")
        print(f"wrote netlists/{name}")
