"""The results of all checks as files: `verify/report.json` for programs, `verify/report.html` for people."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from eqcirc.errors import CheckpointError, ConfigError, DataError
from eqcirc.files import check_folder_writable, write_atomically
from eqcirc.signoff.bundle import MANIFEST
from eqcirc.signoff.check import Result, Verdict
from eqcirc.signoff.verify import CHECKS, Verification
from eqcirc.signoff.whole import OWN
from eqcirc.text import one_line

JSON, HTML = "report.json", "report.html"
LAYOUT = "layout/layout.png"
MOST_IMAGE = 3_000_000  # bytes on a page


def check_place(folder: Path) -> None:
    """See that reports can be written into a bundle, before the work.

    Raises:
        ConfigError: they cannot.
    """
    place = folder / OWN
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise ConfigError(f"cannot write into {place}: expected a folder, or nothing; remove what is there")
    if folder.is_dir():  # what is none is no bundle, which is said better there
        check_folder_writable(place)


def write_reports(verification: Verification) -> list[Path]:
    """Write both reports into the bundle, and return their paths.

    Raises:
        CheckpointError: they cannot be written.
    """
    place = verification.bundle.folder / OWN
    check_place(verification.bundle.folder)
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"cannot write into {place}: {error.strerror}") from error
    text = json.dumps(as_json(verification), indent=1, allow_nan=False) + "\n"
    contents = {JSON: text.encode(), HTML: _html(verification).encode()}
    for result in verification.results:
        contents |= result.files
    for name, content in contents.items():
        write_atomically(place / name, content)
    return [place / JSON, place / HTML]


def as_json(verification: Verification) -> dict[str, Any]:
    """Return the results as plain values."""
    bundle = verification.bundle
    return {
        "schema": "eqcirc-verify",
        "version": 1,
        "bundle": bundle.manifest.name,
        "design": bundle.manifest.design,
        "manifest_sha256": hashlib.sha256(bundle.manifest_bytes).hexdigest(),
        "passed": verification.passed,
        "counts": {str(verdict): verification.count(verdict) for verdict in Verdict},
        "seconds": round(verification.seconds, 3),
        "eqcirc": version("eqcirc"),
        "python": platform.python_version(),
        "checks": [_result(result) for result in verification.results],
    }


def _result(result: Result) -> dict[str, Any]:
    content = asdict(result)
    del content["check"], content["files"]
    numbers = {name: value if abs(value) < float("inf") else None for name, value in result.numbers.items()}
    content |= {"verdict": str(result.verdict), "numbers": numbers, "seconds": round(result.seconds, 3)}
    return {"check": result.check.key, "title": result.check.title, **content}


def figures(result: Result) -> str:
    """Return key figures of a result in words."""
    words = []
    for name, value in result.numbers.items():
        what, _, unit = name.rpartition("_") if name[-2:] in ("_V", "_A") else (name, "", "")
        words.append(f"{what.replace('_', ' ')} {value:.3g}{f' {unit}' if unit else ''}")
    return ", ".join(words)


def _html(verification: Verification) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("eqcirc.report.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    bundle = verification.bundle
    manifest = bundle.manifest
    cards = [(str(verification.count(verdict)), str(verdict)) for verdict in Verdict]
    cards += [(str(manifest.vectors), "golden vectors"), (f"{verification.seconds:.0f} s", "time")]
    facts = [
        ("circuit", manifest.name),
        ("design", manifest.design),
        ("top cell", manifest.top),
        ("ports", str(len(manifest.ports))),
        ("files", str(len(manifest.files))),
        (f"{MANIFEST} (SHA-256)", hashlib.sha256(bundle.manifest_bytes).hexdigest()),
        ("machine", f"Python {platform.python_version()}, {platform.platform()}"),
    ]
    results = [
        {**asdict(result), "check": result.check, "verdict": str(result.verdict), "figures": figures(result)}
        for result in verification.results
    ]
    return environment.get_template("verify.html").render(
        name=one_line(manifest.name, 80),
        version=version("eqcirc"),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        passed=verification.passed,
        unasked=len(CHECKS) - len(verification.results),
        skipped=verification.count(Verdict.SKIPPED),
        cards=cards,
        results=results,
        pictures=_pictures(verification),
        facts=[(name, one_line(value, 300)) for name, value in facts],
    )


def _pictures(verification: Verification) -> list[tuple[str, str]]:
    """Return captions and images of layout and board."""
    bundle = verification.bundle
    images = []
    if bundle.has(LAYOUT):
        with suppress(DataError):
            images.append(
                ("A corner of the largest crossbar, drawn by klayout.", "png", bundle.content(LAYOUT))
            )
    for result in verification.results:
        images += [
            ("The parts of the board, drawn by KiCad; they are not placed yet.", "svg+xml", content)
            for name, content in result.files.items()
            if name.endswith(".svg")
        ]
    return [
        (caption, f"data:image/{kind};base64," + base64.b64encode(content).decode())
        for caption, kind, content in images
        if len(content) <= MOST_IMAGE
    ]
