"""Tunnel diodes by name, with the source of every number. Typical values: single diodes differ by 10 % and more.

    1n3716     4.7 mA. A public LTspice model (gist.github.com/carbolymer/2402526, 2012; the simulator CircuitJS has the
               same constants): Vp = 100 mV, Ip = 4.7 mA, Vv = 370 mV, Iv = 370 uA, Vt = 26 mV, 525 mV at Ip, 25 pF.
               Not a data sheet. Its excess current Iv·exp((v − Vv)/1 V) does not vanish at 0 V; ours does, so that all
               currents are 0.26 mA lower. Series resistance and inductance are not given.
    mbd1057 …  0.2 to 0.6 mA. Metelics, "Spice Model for Metelics Tunnel Diode", 2014 (dtsheet.com/doc/1419769):
    mbd5057    polynomials of 6th degree, for −60 mV to 470 mV, and 0.3 pF (0.21 to 0.63 pF). Series resistance and
               inductance are not given. The factor of v^4 of the MBD1057 is 0.03922 in the sheet's tables (used here)
               and 0.03944 in two listings. The curves of 1057, 4057 and 5057 wave: they fall again from 0.3 to 0.4 V.

No data sheet was found for 1N2939, 1N3712 to 1N3715 and 1N3717 to 1N3721, so they are not here.
"""

from __future__ import annotations

import math
from pathlib import Path

from eqcirc.devices.polynomial import PolynomialDevice
from eqcirc.devices.tunnel import EsakiDiode
from eqcirc.devices.tunnel_diode import TunnelDiode, read_diode
from eqcirc.errors import ConfigError, nearest

_LTSPICE = TunnelDiode(
    EsakiDiode(
        peak_current=4.7e-3,
        peak_voltage=0.1,
        excess_current=370e-6,
        excess_slope=1.0,
        valley_voltage=0.37,
        saturation_current=4.7e-3 * math.exp(-0.525 / 0.026),
        slope_voltage=0.026,
    ),
    capacitance=25e-12,
    source="LTspice model 1N3716.lib, gist.github.com/carbolymer/2402526",
)


def _metelics(*coefficients: float) -> TunnelDiode:
    return TunnelDiode(
        PolynomialDevice(coefficients, low=-0.06, high=0.47),
        capacitance=0.3e-12,
        source="Metelics, Spice Model for Metelics Tunnel Diode, 2014",
    )


PRESETS = {
    "1n3716": _LTSPICE,
    "mbd1057": _metelics(0.007358, -0.08607, 0.2911, 0.03922, -1.693, 2.099),
    "mbd2057": _metelics(0.01154, -0.1269, 0.4509, -0.319, -1.124, 1.638),
    "mbd3057": _metelics(0.013738, -0.15709, 0.546242, 0.076587, -3.55975, 4.75774),
    "mbd4057": _metelics(0.017188, -0.1962, 0.5718, 1.0678, -7.3425, 8.82072),
    "mbd5057": _metelics(0.0196, -0.20173, 0.48373, 1.5996, -8.4563, 9.6378),
}


def find_diode(name: str | Path) -> TunnelDiode:
    """Return a preset by name (in any case), or the diode in a TOML file (see `tunnel_diode`).

    Raises:
        ConfigError: neither.
        CircuitError: a value in the file is out of range.
    """
    if str(name).lower() in PRESETS:
        return PRESETS[str(name).lower()]
    path = Path(name)
    if path.suffix != ".toml":
        raise ConfigError(f"no tunnel diode {str(name)!r}, and no .toml file: {nearest(str(name), PRESETS)}")
    return read_diode(path)
