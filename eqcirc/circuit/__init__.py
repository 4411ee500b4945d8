"""Circuits: how to build one, what makes it valid, its scaling s and its exact reduction."""
