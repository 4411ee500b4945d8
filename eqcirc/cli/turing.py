"""The command that grows a Turing pattern out of noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from eqcirc.analysis.pattern import Pattern
    from eqcirc.analysis.turing import Dispersion
    from eqcirc.circuit.lattice import Lattice

FEWEST = 3  # neurons a side: with less there is no ring
LARGEST_JUDGED = 3000
"""Nodes up to which stability is found by dense eigenvalues: half a minute at most."""


def turing(
    device: Annotated[
        str,
        typer.Option(
            help="N-shaped device of the neurons: cubic, esaki, a preset such as mbd1057, or a .toml that "
            "`eqcirc fit` wrote."
        ),
    ] = "cubic",
    sites: Annotated[str, typer.Option(help="Neurons: a chain such as 96, or a grid such as 24x24.")] = "96",
    periodic: Annotated[
        bool, typer.Option("--periodic", help="Close the chain to a ring, the grid to a torus.")
    ] = False,
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
            help="Conductance between the recovery nodes of gyrators (S); 20e-3 (cubic), 500e-3 (esaki). 0 for none."
        ),
    ] = None,
    shared_ohms: Annotated[
        float | None,
        typer.Option(
            help="Resistance that neighbouring R-L branches share (ohm), in place of --inhibitor; 5e3 (cubic), "
            "200 (esaki). 0 for none."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise at the start.")] = 0,
    noise: Annotated[float, typer.Option(min=0.0, help="Its standard deviation (V).")] = 0.01,
    duration: Annotated[
        float | None,
        typer.Option(help="Seconds; by default 500 times as long as the fastest mode takes to grow by e."),
    ] = None,
    engine: Annotated[Literal["ngspice", "ideal"], typer.Option(help="Solver.")] = "ngspice",
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture to write: .png, .pdf or .svg.")] = Path(
        "turing.png"
    ),
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

    Noise on the uniform state, a transient until all is at rest, then the operating point and its stability. The
    wavelength of a pattern is that of the mean wave number of its strongest modes.

    Example: `eqcirc turing --device esaki --seed 3 --out esaki.png`
    """
    from dataclasses import replace

    from eqcirc.analysis.pattern import grow
    from eqcirc.cli.output import print_json, print_pairs
    from eqcirc.report.patterns import pattern_figure, write_pattern
    from eqcirc.solvers.ideal.solver import IdealSolver
    from eqcirc.solvers.ngspice.solver import NgspiceSolver

    state = out.with_suffix(".csv") if data is None else data
    _check_files(out, state)
    lattice = _lattice(device, recovery, activator, inhibitor, shared_ohms)
    lattice = replace(lattice, shape=_shape(sites), periodic=periodic)
    circuit = lattice.build("turing")
    judge = circuit.n_nodes <= LARGEST_JUDGED
    with NgspiceSolver(circuit) if engine == "ngspice" else IdealSolver(circuit) as solver:
        pattern = grow(lattice, solver, seed, noise=noise, duration=duration, judge=judge)
    neurons = f"{_kind(lattice)} of {sites} {Path(device).stem} neurons, {recovery} recovery"
    pattern_figure(out, pattern, f"{neurons}, from {noise:g} V of noise (seed {seed}), {engine}")
    write_pattern(state, pattern)
    files = {"picture": str(out), "data": str(state)}
    if as_json:
        print_json(pattern.facts() | {"engine": engine} | files)
    else:
        computed = f"{pattern.waveforms.wall_seconds:.1f} s by {engine}"
        print_pairs(_words(pattern, noise) | {"computed": computed} | files)


def _kind(lattice: Lattice) -> str:
    kinds = ("ring", "torus") if lattice.periodic else ("chain", "grid")
    return kinds[len(lattice.shape) - 1]


def _shape(sites: str) -> tuple[int, ...]:
    from eqcirc.errors import ConfigError

    parts = sites.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts) or min(map(int, parts)) < FEWEST:
        raise ConfigError(
            f"--sites {sites!r}: expected a number of neurons such as 96, or rows x columns such as 24x24, three or "
            "more a side"
        )
    return tuple(map(int, parts))


def _lattice(
    device: str, recovery: str, activator: float | None, inhibitor: float | None, shared_ohms: float | None
) -> Lattice:
    """Return the lattice of a device with what the options change."""
    from dataclasses import replace

    from eqcirc.analysis.turing import with_inductors
    from eqcirc.errors import ConfigError

    if recovery == "rl" and inhibitor is not None:
        raise ConfigError(
            "--inhibitor is a conductance between gyrators; with --recovery rl give --shared-ohms, the resistance that "
            "neighbouring branches share"
        )
    if recovery == "gyrator" and shared_ohms is not None:
        raise ConfigError(
            "--shared-ohms is for R-L branches: add --recovery rl, or give --inhibitor, the conductance between "
            "gyrators (S)"
        )
    lattice = _around(device)
    if recovery == "rl":
        lattice = with_inductors(lattice)
    if activator is not None:
        lattice = replace(lattice, activator=activator)
    coupling = shared_ohms if recovery == "rl" else inhibitor
    return lattice if coupling is None else replace(lattice, inhibitor=coupling or None)


def _around(device: str) -> Lattice:
    from eqcirc.analysis.turing import LATTICES, around_diode
    from eqcirc.devices.presets import PRESETS, find_diode
    from eqcirc.errors import ConfigError, nearest

    for name, lattice in LATTICES.items():
        if device == name:
            return lattice
    if device.lower() not in PRESETS and Path(device).suffix != ".toml":
        raise ConfigError(
            f"--device {device!r}: expected a device, or the .toml of one: {nearest(device, [*LATTICES, *PRESETS])}"
        )
    return around_diode(find_diode(device))


def _words(pattern: Pattern, noise: float) -> dict[str, str]:
    """Return the findings for people."""
    f = pattern.facts()
    if not pattern.flat:
        deviation = round(f["wavelength"] / f["theory_wavelength"] - 1, 3) + 0.0  # no minus before a zero
        end = f"{f['wavelength']:.2f} neurons a wave ({deviation:+.1%}), ±{f['amplitude']:.4g} V"
    else:
        end = "flat" if noise else "flat: without --noise nothing disturbs the uniform state, stable or not"
    moved = (
        f"voltages moved by {f['movement']:.1e} V in the last tenth of {f['duration']:.3g} s "
        f"({f['e_foldings']:.3g} e-foldings of the fastest mode)"
    )
    return {
        "uniform state": f"{f['uniform_voltage']:.4g} V",
        "linear theory": _expected(pattern.theory),
        "end state": end,
        "at rest": f"yes; {moved}" if f["at_rest"] else f"NO; {moved}: a longer --duration may do",
        "stability": _stability(pattern),
    }


def _expected(theory: Dispersion) -> str:
    """Say what linear theory expects."""
    if theory.patterns:
        band = theory.wavelengths[theory.unstable]
        return (
            f"{theory.wavelength:.2f} neurons a wave grow fastest, at {theory.rate:.3g}/s; {band.min():.2f} to "
            f"{band.max():.2f} grow at all"
        )
    if theory.growth[0] > 0:
        return "no Turing pattern: the uniform state is unstable even without differences between neurons"
    return f"no pattern: all perturbations of the uniform state decay, the slowest at {-theory.rate:.3g}/s"


def _stability(pattern: Pattern) -> str:
    """Say whether the operating point is stable, and how far from the end it is."""
    if pattern.stability is not None:
        return f"{pattern.stability.explain(0)}; {pattern.distance:.2g} V from the end"
    if pattern.state is None:
        return "not judged: no operating point near the end"
    return f"not judged: a lattice of more than {LARGEST_JUDGED} nodes takes long"


def _check_files(out: Path, data: Path) -> None:
    """Raise `ConfigError` before the work, not after it."""
    from eqcirc.errors import ConfigError
    from eqcirc.files import check_writable
    from eqcirc.report.picture import picture_format

    picture_format(out)
    if data.suffix not in {".csv", ".npz"}:
        raise ConfigError(f"--data {data}: expected a name that ends in .csv or .npz")
    check_writable(out, data)
