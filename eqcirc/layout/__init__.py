"""Layout of trained crossbars: GDS, extraction and comparison with the netlist (needs klayout)."""
