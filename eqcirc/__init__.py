"""Train analog circuits with Equilibrium Propagation, with a real circuit simulator in the loop.

The public names, importable from here; each is loaded when it is first used, so that the command line starts fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eqcirc.analysis.physical import Conditions as Conditions
    from eqcirc.analysis.physical import PhysicalFigures as PhysicalFigures
    from eqcirc.analysis.physical import physical_figures as physical_figures
    from eqcirc.analysis.posterior import Posterior as Posterior
    from eqcirc.analysis.posterior import posterior as posterior
    from eqcirc.analysis.power import power as power
    from eqcirc.analysis.ratings import Rating as Rating
    from eqcirc.circuit.builder import GROUND as GROUND
    from eqcirc.circuit.builder import CircuitBuilder as CircuitBuilder
    from eqcirc.circuit.circuit import Circuit as Circuit
    from eqcirc.circuit.lattice import Lattice as Lattice
    from eqcirc.circuit.layered import Layered as Layered
    from eqcirc.circuit.layers import Biases as Biases
    from eqcirc.circuit.layers import Feedback as Feedback
    from eqcirc.circuit.layers import LayerCells as LayerCells
    from eqcirc.circuit.layers import LayerDiodes as LayerDiodes
    from eqcirc.circuit.neuron import GyratorRecovery as GyratorRecovery
    from eqcirc.circuit.neuron import LayerNeurons as LayerNeurons
    from eqcirc.circuit.neuron import Neuron as Neuron
    from eqcirc.circuit.neuron import RLRecovery as RLRecovery
    from eqcirc.circuit.scaling import symmetry as symmetry
    from eqcirc.circuit.store import load_circuit as load_circuit
    from eqcirc.circuit.store import save_circuit as save_circuit
    from eqcirc.costs import SoftmaxCrossEntropy as SoftmaxCrossEntropy
    from eqcirc.costs import SquaredError as SquaredError
    from eqcirc.data import Dataset as Dataset
    from eqcirc.data import Splits as Splits
    from eqcirc.data import load_splits as load_splits
    from eqcirc.data import scale as scale
    from eqcirc.devices import Bounds as Bounds
    from eqcirc.devices import ClampDiode as ClampDiode
    from eqcirc.devices import Clipped as Clipped
    from eqcirc.devices import CubicDevice as CubicDevice
    from eqcirc.devices import DiodeLimited as DiodeLimited
    from eqcirc.devices import EsakiDiode as EsakiDiode
    from eqcirc.devices import Probit as Probit
    from eqcirc.devices import ShockleyDiode as ShockleyDiode
    from eqcirc.devices import TableDevice as TableDevice
    from eqcirc.devices import Tanh as Tanh
    from eqcirc.devices.presets import find_diode as find_diode
    from eqcirc.devices.tunnel_diode import TunnelDiode as TunnelDiode
    from eqcirc.errors import EqcircError as EqcircError
    from eqcirc.experiment.compare import Comparison as Comparison
    from eqcirc.experiment.compare import compare_runs as compare_runs
    from eqcirc.experiment.handoff import export_bundle as export_bundle
    from eqcirc.experiment.listing import runs_frame as runs_frame
    from eqcirc.experiment.load import load_experiment as load_experiment
    from eqcirc.experiment.opened import Opened as Opened
    from eqcirc.experiment.opened import open_run as open_run
    from eqcirc.experiment.predict import Prediction as Prediction
    from eqcirc.experiment.python import train as train
    from eqcirc.experiment.run import Run as Run
    from eqcirc.export.pyspice import to_pyspice as to_pyspice
    from eqcirc.learning.asym_ep import AsymEP as AsymEP
    from eqcirc.learning.audit import Audit as Audit
    from eqcirc.learning.choice import choose_rule as choose_rule
    from eqcirc.learning.coupled import Coupled as Coupled
    from eqcirc.learning.dyadic import Dyadic as Dyadic
    from eqcirc.learning.eqprop import EqProp as EqProp
    from eqcirc.learning.evaluate import targets_of as targets_of
    from eqcirc.learning.free_energy import FreeEnergy as FreeEnergy
    from eqcirc.learning.free_energy_path import FreeEnergyPath as FreeEnergyPath
    from eqcirc.learning.holomorphic import Holomorphic as Holomorphic
    from eqcirc.learning.observer import Observer as Observer
    from eqcirc.learning.optimizers import SGD as SGD
    from eqcirc.learning.optimizers import Adam as Adam
    from eqcirc.learning.plan import Plan as Plan
    from eqcirc.learning.reading import Reading as Reading
    from eqcirc.learning.stoch_ep import StochEP as StochEP
    from eqcirc.learning.trainer import Trainer as Trainer
    from eqcirc.learning.vector_field import VectorField as VectorField
    from eqcirc.learning.writing import Writing as Writing
    from eqcirc.reality import Chip as Chip
    from eqcirc.reality import Reality as Reality
    from eqcirc.report.comparison import comparison_figure as comparison_figure
    from eqcirc.report.figures import learning_figure as learning_figure
    from eqcirc.report.page.page import Report as Report
    from eqcirc.report.page.page import write_report as write_report
    from eqcirc.report.progress import ProgressBar as ProgressBar
    from eqcirc.signoff.verify import verify_bundle as verify_bundle
    from eqcirc.solvers.base import Nudge as Nudge
    from eqcirc.solvers.base import OperatingPoints as OperatingPoints
    from eqcirc.solvers.ensemble import Bath as Bath
    from eqcirc.solvers.ensemble import Ensemble as Ensemble
    from eqcirc.solvers.free_phase import InitialState as InitialState
    from eqcirc.solvers.ideal.solver import IdealSolver as IdealSolver
    from eqcirc.solvers.ngspice.decks import export_deck as export_deck
    from eqcirc.solvers.ngspice.solver import NgspiceSolver as NgspiceSolver
    from eqcirc.solvers.noise import Band as Band
    from eqcirc.solvers.spiking import Rates as Rates
    from eqcirc.solvers.spiking import Window as Window
    from eqcirc.solvers.status import Evidence as Evidence
    from eqcirc.solvers.status import Status as Status
    from eqcirc.solvers.waveforms import Course as Course
    from eqcirc.solvers.waveforms import Waveforms as Waveforms
    from eqcirc.solvers.waveforms import at_rest as at_rest
    from eqcirc.study.results import Results as Results
    from eqcirc.study.results import open_study as open_study
    from eqcirc.study.run import run_study as run_study
    from eqcirc.study.schema import Study as Study
    from eqcirc.study.schema import load_study as load_study
    from eqcirc.verify.advice import advise as advise
    from eqcirc.verify.check import check as check
    from eqcirc.verify.stability import stability_certificate as stability_certificate
    from eqcirc.verify.stability import stability_report as stability_report
    from eqcirc.verify.states import operating_points as operating_points

__version__: str
"""Of the installed package."""

_HOME = {
    "Conditions": "analysis.physical",
    "PhysicalFigures": "analysis.physical",
    "physical_figures": "analysis.physical",
    "power": "analysis.power",
    "Posterior": "analysis.posterior",
    "posterior": "analysis.posterior",
    "Rating": "analysis.ratings",
    "Band": "solvers.noise",
    "Lattice": "circuit.lattice",
    "LayerNeurons": "circuit.neuron",
    "Neuron": "circuit.neuron",
    "RLRecovery": "circuit.neuron",
    "GyratorRecovery": "circuit.neuron",
    "CubicDevice": "devices",
    "EsakiDiode": "devices",
    "TunnelDiode": "devices.tunnel_diode",
    "find_diode": "devices.presets",
    "GROUND": "circuit.builder",
    "CircuitBuilder": "circuit.builder",
    "Circuit": "circuit.circuit",
    "Biases": "circuit.layers",
    "Layered": "circuit.layered",
    "LayerDiodes": "circuit.layers",
    "symmetry": "circuit.scaling",
    "Dataset": "data",
    "Splits": "data",
    "load_splits": "data",
    "scale": "data",
    "Bounds": "devices",
    "ClampDiode": "devices",
    "ShockleyDiode": "devices",
    "TableDevice": "devices",
    "Reality": "reality",
    "Chip": "reality",
    "EqcircError": "errors",
    "load_experiment": "experiment.load",
    "Run": "experiment.run",
    "Opened": "experiment.opened",
    "open_run": "experiment.opened",
    "Prediction": "experiment.predict",
    "train": "experiment.python",
    "load_circuit": "circuit.store",
    "save_circuit": "circuit.store",
    "Audit": "learning.audit",
    "SoftmaxCrossEntropy": "costs",
    "SquaredError": "costs",
    "EqProp": "learning.eqprop",
    "targets_of": "learning.evaluate",
    "SGD": "learning.optimizers",
    "Adam": "learning.optimizers",
    "Plan": "learning.plan",
    "Trainer": "learning.trainer",
    "learning_figure": "report.figures",
    "Nudge": "solvers.base",
    "OperatingPoints": "solvers.base",
    "Evidence": "solvers.status",
    "InitialState": "solvers.free_phase",
    "Status": "solvers.status",
    "operating_points": "verify.states",
    "IdealSolver": "solvers.ideal.solver",
    "export_deck": "solvers.ngspice.decks",
    "Bath": "solvers.ensemble",
    "Ensemble": "solvers.ensemble",
    "Rates": "solvers.spiking",
    "Window": "solvers.spiking",
    "StochEP": "learning.stoch_ep",
    "NgspiceSolver": "solvers.ngspice.solver",
    "Course": "solvers.waveforms",
    "Waveforms": "solvers.waveforms",
    "at_rest": "solvers.waveforms",
    "check": "verify.check",
    "stability_certificate": "verify.stability",
    "stability_report": "verify.stability",
    "LayerCells": "circuit.layers",
    "Feedback": "circuit.layers",
    "Tanh": "devices",
    "Clipped": "devices",
    "DiodeLimited": "devices",
    "Probit": "devices",
    "AsymEP": "learning.asym_ep",
    "Coupled": "learning.coupled",
    "Holomorphic": "learning.holomorphic",
    "Dyadic": "learning.dyadic",
    "FreeEnergy": "learning.free_energy",
    "FreeEnergyPath": "learning.free_energy_path",
    "VectorField": "learning.vector_field",
    "choose_rule": "learning.choice",
    "Reading": "learning.reading",
    "Writing": "learning.writing",
    "Observer": "learning.observer",
    "ProgressBar": "report.progress",
    "export_bundle": "experiment.handoff",
    "verify_bundle": "signoff.verify",
    "to_pyspice": "export.pyspice",
    "advise": "verify.advice",
    "runs_frame": "experiment.listing",
    "Comparison": "experiment.compare",
    "compare_runs": "experiment.compare",
    "comparison_figure": "report.comparison",
    "Report": "report.page.page",
    "write_report": "report.page.page",
    "Results": "study.results",
    "open_study": "study.results",
    "run_study": "study.run",
    "Study": "study.schema",
    "load_study": "study.schema",
}

__all__ = sorted(_HOME)  # noqa: PLE0605  one list, not two that drift apart


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name == "__version__":
        from importlib.metadata import version

        return version("eqcirc")
    if name not in _HOME:
        raise AttributeError(f"module 'eqcirc' has no attribute {name!r}")
    return getattr(import_module(f"eqcirc.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__, "__version__"]
