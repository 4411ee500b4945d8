"""Studies: how much of a circuit survives its devices, over many chips, spread over processes and resumable."""
