"""Parts of a circuit, one law per file: current, slope, co-content and SPICE lines side by side.

To add one, see `docs/add-a-device.md`.
"""

from eqcirc.devices.amplifier import Amplifier
from eqcirc.devices.base import Bounds, Element, Law, LinearElement, Share
from eqcirc.devices.bidirectional import BentLaw, BidirectionalSource
from eqcirc.devices.block import Block
from eqcirc.devices.capacitor import Capacitor
from eqcirc.devices.cell import Cell, CellLaw
from eqcirc.devices.clamp import ClampDiode
from eqcirc.devices.clipped import Clipped
from eqcirc.devices.conductance import Conductance
from eqcirc.devices.coupling import Coupling, CouplingBlock
from eqcirc.devices.crossbar import Crossbar
from eqcirc.devices.current_source import CurrentSource
from eqcirc.devices.diode import ShockleyDiode
from eqcirc.devices.diode_limited import DiodeLimited
from eqcirc.devices.dual_rail import DualRailCrossbar
from eqcirc.devices.gyrator import Gyrator
from eqcirc.devices.gyrator_crossbar import GyratorCrossbar
from eqcirc.devices.input_current import InputCurrent
from eqcirc.devices.one_way import OneWayCrossbar
from eqcirc.devices.phases import PhaseCoupling, PhaseInput, SignedDevice
from eqcirc.devices.polynomial import PolynomialDevice
from eqcirc.devices.probit import Probit
from eqcirc.devices.programming import Programming
from eqcirc.devices.rl_mesh import RLMesh
from eqcirc.devices.signed import SignedCrossbar
from eqcirc.devices.sine import Sine
from eqcirc.devices.table import TableDevice
from eqcirc.devices.tangent import SlopeLaw, Tangent
from eqcirc.devices.tanh import Tanh
from eqcirc.devices.transconductor import Transconductor
from eqcirc.devices.tunnel import CubicDevice, EsakiDiode
from eqcirc.devices.two_terminal import TwoTerminal

__all__ = [
    "Amplifier",
    "BentLaw",
    "BidirectionalSource",
    "Block",
    "Bounds",
    "Capacitor",
    "Cell",
    "CellLaw",
    "ClampDiode",
    "Clipped",
    "Conductance",
    "Coupling",
    "CouplingBlock",
    "Crossbar",
    "CubicDevice",
    "CurrentSource",
    "DiodeLimited",
    "DualRailCrossbar",
    "Element",
    "EsakiDiode",
    "Gyrator",
    "GyratorCrossbar",
    "InputCurrent",
    "Law",
    "LinearElement",
    "OneWayCrossbar",
    "PhaseCoupling",
    "PhaseInput",
    "PolynomialDevice",
    "Probit",
    "Programming",
    "RLMesh",
    "Share",
    "ShockleyDiode",
    "SignedCrossbar",
    "SignedDevice",
    "Sine",
    "SlopeLaw",
    "TableDevice",
    "Tangent",
    "Tanh",
    "Transconductor",
    "TwoTerminal",
]
