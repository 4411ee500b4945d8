"""The command that grows a Turing pattern out of noise."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from eqcirc.analysis.pattern import Pattern
    from eqcirc.circuit.lattice import Lattice

LARGEST_JUDGED = 3000
"""States up to which stability is found by dense eigenvalues: half a minute at most."""


def turing(
    device: Annotated[
        Literal["cubic", "esaki"], typer.Option(help="N-shaped device of the neurons.")
    ] = "cubic",
    sites: Annotated[str, typer.Option(help="Neurons: a chain such as 96, or a grid such as 24x24.")] = "96",
    recovery: Annotated[
        Literal["gyrator", "rl"],
        typer.Option(help="Recovery branch: gyrator and capacitor, or resistor and inductor."),
    ] = "gyrator",
    activator: Annotated[
        float | None, typer.Option(help="Conductance between membranes (S); 1.2e-3 (cubic), 30e-3 (esaki).")
    ] = None,
    inhibitor: Annotated[
        float | None,
        typer.Option(
            help="Conductance between recovery nodes (S); 20e-3 (cubic), 500e-3 (esaki). With R-L branches the "
            "resistance that neighbours share (ohm); 5e3, 200. 0 for none."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise at the start.")] = 0,
    noise: Annotated[float, typer.Option(min=0.0, help="Its standard deviation (V).")] = 0.01,
    duration: Annotated[
        float | None,
        typer.Option(help="Seconds; by default 500 times as long as the fastest mode takes to grow by e."),
    ] = None,
    engine: Annotated[Literal["ngspice", "ideal"], typer.Option(help="Solver.")] = "ngspice",
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture to write (PNG).")] = Path("turing.png"),
    data: Annotated[
        Path | None,
        typer.Option(
            help="File to write: .csv holds the end state, .npz the whole course; the picture's name with .csv "
            "by default.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Grow a Turing pattern on a chain or grid of neurons, and hold it against linear theory.

    Noise on the uniform state, a transient until all is at rest, then the operating point and its stability.

    Example: `eqcirc turing --device esaki --seed 3 --out esaki.png`
    """
    from eqcirc.analysis.pattern import grow
    from eqcirc.cli.output import print_json, print_pairs
    from eqcirc.report.patterns import pattern_figure, write_pattern
    from eqcirc.solvers.ideal.solver import IdealSolver
    from eqcirc.solvers.ngspice.solver import NgspiceSolver

    lattice = _lattice(device, _shape(sites), recovery, activator, inhibitor)
    state = out.with_suffix(".csv") if data is None else data
    _check_files(out, state)
    circuit = lattice.build(f"turing_{device}")
    with NgspiceSolver(circuit) if engine == "ngspice" else IdealSolver(circuit) as solver:
        pattern = grow(
            lattice, solver, seed, noise=noise, duration=duration, judge=circuit.n_nodes <= LARGEST_JUDGED
        )
    title = f"{device} neurons, {sites} sites, {recovery} recovery, from {noise:g} V of noise (seed {seed}), {engine}"
    pattern_figure(out, pattern, title)
    write_pattern(state, pattern)
    files = {"picture": str(out), "data": str(state)}
    if as_json:
        print_json(pattern.facts() | {"engine": engine} | files)
    else:
        print_pairs(
            _words(pattern) | {"computed": f"{pattern.waveforms.wall_seconds:.1f} s by {engine}"} | files
        )


def _shape(sites: str) -> tuple[int, ...]:
    from eqcirc.errors import ConfigError

    parts = sites.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts) or min(map(int, parts)) < 8:
        raise ConfigError(
            f"--sites {sites!r}: expected a number of neurons such as 96, or rows x columns such as 24x24, eight or "
            "more a side"
        )
    return tuple(map(int, parts))


def _lattice(
    device: Literal["cubic", "esaki"],
    shape: tuple[int, ...],
    recovery: str,
    activator: float | None,
    inhibitor: float | None,
) -> Lattice:
    """Return the preset with what the options change."""
    from dataclasses import replace

    from eqcirc.analysis.turing import LATTICES, with_inductors

    lattice = LATTICES[device]
    if recovery == "rl":
        lattice = with_inductors(lattice)
    lattice = replace(lattice, shape=shape)
    if activator is not None:
        lattice = replace(lattice, activator=activator)
    return lattice if inhibitor is None else replace(lattice, inhibitor=inhibitor or None)


def _words(pattern: Pattern) -> dict[str, str]:
    """Return the findings for people."""
    f = pattern.facts()
    if f["theory_patterns"]:
        short, long = f["theory_band"]
        theory = (
            f"{f['theory_wavelength']:.2f} neurons a wave grow fastest, at {f['theory_growth']:.3g}/s; {short:.2f} to "
            f"{long:.2f} grow at all"
        )
    elif pattern.theory.growth[0] > 0:
        theory = "no Turing pattern: the uniform state is unstable even without differences between neurons"
    else:
        theory = f"no pattern: all perturbations of the uniform state decay, the slowest at {-f['theory_growth']:.3g}/s"
    deviation = round(f["wavelength"] / f["theory_wavelength"] - 1, 3) + 0.0  # no minus before a zero
    measured = f"{f['wavelength']:.2f} neurons a wave ({deviation:+.1%}), ±{f['amplitude']:.4g} V"
    moved = f"voltages moved by {f['movement']:.1e} V in the last tenth of {f['duration']:.3g} s"
    if pattern.stability is not None:
        stable = pattern.stability.explain(0)
    else:
        stable = "not judged: " + (
            "the lattice is large" if pattern.at_rest else "no operating point near the end"
        )
    return {
        "uniform state": f"{f['uniform_voltage']:.4g} V",
        "linear theory": theory,
        "end state": "flat" if math.isnan(f["wavelength"]) else measured,
        "at rest": f"yes; {moved}" if f["at_rest"] else f"NO; {moved}: a longer --duration may do",
        "stability": stable,
    }


def _check_files(out: Path, data: Path) -> None:
    """Raise `ConfigError` before the work, not after it."""
    from eqcirc.errors import ConfigError

    if data.suffix not in {".csv", ".npz"}:
        raise ConfigError(f"--data {data}: expected a name that ends in .csv or .npz")
    for path in (out, data):
        if not path.parent.is_dir():
            raise ConfigError(f"cannot write {path}: there is no folder {path.parent}")
