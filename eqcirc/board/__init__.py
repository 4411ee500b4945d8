"""A circuit as a printed board: parts with footprints, a netlist that KiCad reads, a bill of materials."""
