"""Circuits in the formats of other tools: `eqcirc.to_pyspice`, and decks for ngspice by `eqcirc.export_deck`."""
