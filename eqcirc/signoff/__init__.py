"""Checks of a bundle for fabrication by other people's tools (`eqcirc verify`)."""
