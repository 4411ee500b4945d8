"""Independent checks: reference gradients, agreement of the solvers."""
