"""Physical constants and limits, in SI units, shared by both solvers.

ngspice compiles its own Boltzmann constant and elementary charge (CODATA 2014, `src/include/ngspice/const.h`
of ngspice 39); a diode law with newer constants differs from the simulator by about 1e-8 V, so the
ideal solver copies the simulator's numbers.
"""

BOLTZMANN = 1.38064852e-23  # J/K
ELEMENTARY_CHARGE = 1.6021766208e-19  # C
ZERO_CELSIUS = 273.15  # K
TEMPERATURE = 27.0 + ZERO_CELSIUS  # K, temp = tnom, ngspice's default

THERMAL_VOLTAGE = BOLTZMANN / ELEMENTARY_CHARGE * TEMPERATURE  # V, kT/q

JUNCTION_GMIN = 1e-18
"""Conductance (S) that ngspice puts across every junction; set by `.options gmin` and part of the diode law."""
