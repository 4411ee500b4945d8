"""Circuits in other tools' terms."""
