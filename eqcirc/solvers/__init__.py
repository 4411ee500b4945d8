"""Solvers of operating points: `ideal` in numpy, `ngspice` in the circuit simulator, one contract in `base`."""
