"""ngspice in worker processes."""
