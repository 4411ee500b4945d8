"""A report: one self-contained HTML page, the same as PDF, and its figures as files with their data."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from eqcirc.errors import ConfigError
from eqcirc.experiment.compare import Comparison, compare_runs
from eqcirc.experiment.load import title, to_toml
from eqcirc.experiment.provenance import fingerprint
from eqcirc.files import check_folder_writable, write_atomically
from eqcirc.report.comparison import cells, comparison_figure
from eqcirc.report.page import answers, circuits, imperfect, physical, study, training
from eqcirc.report.page.evidence import Evidence, file_digest, gather
from eqcirc.report.page.section import Picture, Section, Table
from eqcirc.report.style import picture_bytes
from eqcirc.study.directory import STUDY, StudyDirectory
from eqcirc.study.results import Results, open_study
from eqcirc.study.schema import to_toml as study_toml
from eqcirc.text import lines, one_line, quantity, shell

SECTIONS: tuple[Callable[[Evidence], Section], ...] = (
    training.trained,
    training.learning,
    answers.answers,
    circuits.agreement,
    training.updates,
    circuits.values,
    circuits.hidden,
    imperfect.imperfect,
    physical.physical,
)
"""The parts of a page about a run, in order: each is a function of what was measured. To add one, append it."""

PAGE, PDF, FIGURES = "report.html", "report.pdf", "figures"


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        page: the HTML file.
        pdf: the same as PDF; None if it could not be made.
        why_no_pdf: the reason.
        figures: SVG, PNG and CSV files.
    """

    page: Path
    pdf: Path | None
    why_no_pdf: str
    figures: tuple[Path, ...]


@dataclass
class _Chapter:
    """What the template shows of one run."""

    name: str
    key: str
    cards: list[tuple[str, str]]
    sections: list[Section]
    commands: list[str]
    facts: list[tuple[str, str]]
    config: str
    config_name: str
    images: dict[str, str] = field(default_factory=dict)


def write_report(
    *runs: Path | str, folder: Path | str, engine: str | None = None, pdf: bool = True
) -> Report:
    """Measure runs and write a page about them; several are compared first. Studies are shown as far as they are.

    Args:
        *runs: run directories, and study directories.
        folder: to write `report.html`, `report.pdf` and `figures/` into; made if it is not there. An older report in
            it is replaced.
        engine: "ngspice" or "ideal" for the test part; that of each run by default.
        pdf: whether to write the PDF, too, if weasyprint is installed.

    Raises:
        ConfigError: no run is given, or the folder is in use by something else.
        CheckpointError: one is no run directory, or is damaged, or a file cannot be written.
    """
    every = [Path(run) for run in runs]
    studies = [path for path in every if StudyDirectory(path).is_study]
    paths = [path for path in every if path not in studies]
    if not every:
        raise ConfigError("expected a run directory, or more, to report on; 'eqcirc runs' lists them")
    folder = Path(folder)
    _check(folder)
    comparison = compare_runs(*paths, engine=engine) if len(paths) > 1 else None
    names = comparison.names if comparison else ("",) * len(paths)
    results = [open_study(path) for path in studies]
    evidence = [gather(path, name, engine) for path, name in zip(paths, names, strict=True)]
    _prepare(folder)
    figures: list[Path] = []
    together = [] if comparison is None else [_compared(comparison)]
    images = _written(together, folder, "", figures)
    keys = (
        [""]
        if len(every) == 1
        else [f"study{k}" for k in range(len(studies))] + [f"run{k}" for k in range(len(paths))]
    )
    everything: list[Results | Evidence] = [*results, *evidence]
    chapters = []
    for k, found in enumerate(everything):
        chapter = _study_chapter(found, keys[k]) if isinstance(found, Results) else _chapter(found, keys[k])
        chapter.images = _written(chapter.sections, folder, f"{chapter.key}-" if chapter.key else "", figures)
        chapters.append(chapter)
    html = _html(chapters, together, images)
    write_atomically(folder / PAGE, html.encode())
    made, why = (_pdf(html, folder / PDF)) if pdf else (None, "not asked for")
    return Report(folder / PAGE, made, why, tuple(figures))


def _check(folder: Path) -> None:
    """Refuse a folder that a report cannot be written into, before the work.

    Raises:
        ConfigError: it is a link, or in use by something else.
    """
    for place in (folder, folder / FIGURES):
        if place.is_symlink():
            raise ConfigError(
                f"cannot write the report into {place}: it is a link, which is not followed; name its target"
            )
    try:
        if folder.exists() and any(folder.iterdir()) and not (folder / PAGE).is_file():
            raise ConfigError(f"{folder} is not empty and holds no report; choose another folder with -o")
    except OSError as error:
        raise ConfigError(f"cannot write the report into {folder}: {error.strerror}") from error
    check_folder_writable(folder / FIGURES)


def _prepare(folder: Path) -> None:
    """Make the folders, and clear away what an older report left."""
    figures = folder / FIGURES
    try:
        figures.mkdir(parents=True, exist_ok=True)
        for old in figures.iterdir():
            if old.suffix in (".svg", ".png", ".csv"):
                old.unlink()
        (folder / PDF).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write the report into {folder}: {error.strerror}") from error


def _written(sections: Sequence[Section], folder: Path, prefix: str, figures: list[Path]) -> dict[str, str]:
    """Write every figure as SVG and PNG with its data, and return data URIs by name."""
    images = {}
    for section in sections:
        for picture in section.pictures:
            stem = folder / FIGURES / f"{prefix}{title(picture.name)}"
            svg = picture_bytes(picture.figure, "svg")
            picture.figure.set_layout_engine("none")  # it is laid out now, and that takes long
            contents = {".svg": svg, ".png": picture_bytes(picture.figure, "png")}
            contents[".csv"] = picture.data.to_csv(index=False).encode()
            for ending, content in contents.items():
                path = stem.with_name(stem.name + ending)
                write_atomically(path, content)
                figures.append(path)
            images[picture.name] = "data:image/svg+xml;base64," + base64.b64encode(svg).decode()
    return images


def _compared(comparison: Comparison) -> Section:
    """Return the section that holds runs against one another."""
    section = Section("comparison", "Comparison", comparison.sentences())
    tables = {"configuration": comparison.configuration, "result": comparison.results}
    for name, table in tables.items():
        section.parts.append(Table((name, *comparison.names), cells(table)))
    curves = comparison.curves
    section.parts.append(
        Picture(
            "comparison",
            "Learning curves over one another; the star is the score of the test part.",
            comparison_figure(None, comparison),
            curves[["run", *(name for name in curves if name != "run")]],
            "learning curves of all runs",
        )
    )
    return section


def _chapter(evidence: Evidence, key: str) -> _Chapter:
    opened, provenance = evidence.opened, evidence.provenance
    config = lines(to_toml(opened.experiment, opened.path))
    where = shell(one_line(opened.path, 400))
    commands = [
        f"eqcirc train {where}/config.toml --out again",
        f"eqcirc evaluate {where}",
        f"ngspice -b {where}/netlist.sp",
    ]
    versions = provenance.get("versions")
    rows: list[tuple[str, object]] = [
        ("run", opened.path),
        ("begun with", provenance.get("command", "")),
        ("seed", opened.experiment.seed),
        ("python", provenance.get("python", "")),
        (
            "versions",
            ", ".join(f"{k} {v}" for k, v in versions.items()) if isinstance(versions, dict) else "",
        ),
        ("machine", f"{provenance.get('platform', '')}, {provenance.get('processor', '')}"),
        ("circuit (SHA-256 of all that training leaves alone)", fingerprint(opened.circuit)),
        ("netlist.sp (SHA-256)", file_digest(opened.path / "netlist.sp")),
        ("config.toml (SHA-256)", file_digest(opened.path / "config.toml")),
        ("begun from", provenance.get("begun_from", "")),
        ("keys changed on the way", provenance.get("changes", "")),
    ]
    said = [(name, one_line(value, 500)) for name, value in rows if value not in ("", None)]
    return _Chapter(
        one_line(evidence.name, 80),
        key,
        _cards(evidence),
        [make(evidence) for make in SECTIONS],
        commands,
        said,
        config,
        "config.toml",
    )


def _study_chapter(found: Results, key: str) -> _Chapter:
    """Return the chapter about a study."""
    where = shell(one_line(found.folder, 400))
    facts = StudyDirectory(found.folder).facts()
    versions = facts.get("versions")
    rows: list[tuple[str, object]] = [
        ("study", found.folder),
        ("begun with", facts.get("command", "")),
        ("seed of the chips", found.study.reality.seed),
        ("python", facts.get("python", "")),
        (
            "versions",
            ", ".join(f"{k} {v}" for k, v in versions.items()) if isinstance(versions, dict) else "",
        ),
        ("machine", f"{facts.get('platform', '')}, {facts.get('processor', '')}"),
        ("programmed values (SHA-256)", facts.get("values", "")),
    ]
    return _Chapter(
        one_line(found.study.name, 80),
        key,
        study.cards(found),
        study.sections(found),
        [f"eqcirc study {where}/{STUDY} --out again", f"eqcirc report {where}"],
        [(name, one_line(value, 500)) for name, value in rows if value not in ("", None)],
        lines(study_toml(found.study)),
        STUDY,
    )


def _cards(evidence: Evidence) -> list[tuple[str, str]]:
    """Return the figures at the head of the page."""
    facts, unit = evidence.facts, evidence.cost_unit
    cards = []
    if facts.test_accuracy is not None:
        cards.append((f"{facts.test_accuracy:.2%}", f"test accuracy, {facts.test_samples} samples"))
    if facts.test_loss is not None:
        cards.append((quantity(f"{facts.test_loss:.3g}", unit), "test cost"))
    cards.append((f"{facts.epoch} / {facts.epochs}", f"epochs, {facts.state}"))
    if facts.max_dv is not None:
        cards.append((f"{facts.max_dv:.1e} V", "ngspice − ideal, largest"))
    if evidence.gradients is not None:
        solver = list(evidence.gradients.measured)[-1]
        cards.append(
            (f"{evidence.gradients.cosine(solver):.6f}", f"cosine of update ({solver}) and gradient")
        )
    return cards


def _html(chapters: list[_Chapter], together: list[Section], images: dict[str, str]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("eqcirc.report.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["picture"] = lambda part: isinstance(part, Picture)
    return environment.get_template("report.html").render(
        chapters=chapters,
        together=together,
        images=images,
        title=" · ".join(chapter.name for chapter in chapters),
        version=version("eqcirc"),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _pdf(html: str, path: Path) -> tuple[Path | None, str]:
    """Write the page as PDF, if that is possible; return where, or why not."""
    try:
        import weasyprint
    except ImportError:
        return (
            None,
            "weasyprint is not installed: pip install 'eqcirc[pdf]'; or print the page from a browser",
        )
    except OSError as error:  # it found no Pango
        return (
            None,
            f"weasyprint lacks a library of the system ({one_line(error)}): "
            f"apt install libpango-1.0-0 libpangoft2-1.0-0",
        )
    fetcher = weasyprint.urls.URLFetcher(
        allowed_protocols=("data",)
    )  # whatever a run says, nothing is fetched
    write_atomically(path, weasyprint.HTML(string=html, url_fetcher=fetcher).write_pdf())
    return path, ""
