"""From a `Design` to a folder."""

from __future__ import annotations

from pathlib import Path

from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.facts import facts
from eqcirc.export.bundle.files import File
from eqcirc.export.bundle.folder import check_folder, manifest, write_folder
from eqcirc.export.bundle.limits import rated
from eqcirc.export.bundle.ratings import check_ratings
from eqcirc.export.bundle.readme import readme
from eqcirc.export.bundle.tables import rows
from eqcirc.export.bundle.targets import ALL, files_of


def write_bundle(design: Design, folder: Path, target: str = ALL) -> list[File]:
    """Write the bundle of a design and return its files.

    Raises:
        ConfigError: the folder holds something else, there is no such target, or a rating rates nothing.
        SolverError: a golden vector has no operating point.
        CheckpointError: the folder cannot be written.
    """
    check_folder(folder)
    check_ratings(design.ratings, rated(design))
    files, known = files_of(design, target), facts(design, target)
    content = {file.path: file.content for file in files}
    files = [readme(known, files, lambda path: rows(content[path].decode("ascii"))), *files]
    everything = [manifest(known, files), *files]
    write_folder(folder, everything)
    return everything
