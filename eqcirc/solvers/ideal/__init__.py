"""Batched Newton's method in numpy."""
