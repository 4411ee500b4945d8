"""Whether a bundle is what was exported: every file that the manifest lists, as it lists it, and no other."""

from __future__ import annotations

import hashlib

from eqcirc.errors import DataError
from eqcirc.signoff.bundle import MANIFEST, Bundle
from eqcirc.signoff.check import Outcome
from eqcirc.text import one_line

OWN = "verify"  # folder that verify writes into
_SHOWN = 5


def hashes(bundle: Bundle) -> Outcome:
    """Compare size and SHA-256 of every file with the manifest."""
    problems = []
    for path, listed in bundle.listed.items():
        try:
            content = bundle.content(path)
        except DataError as error:
            problems.append(str(error))
            continue
        if len(content) != listed.bytes or hashlib.sha256(content).hexdigest() != listed.sha256:
            problems.append(f"{path} is not what was exported: its SHA-256 is another than in {MANIFEST}")
    if len(bundle.listed) != len(bundle.manifest.files):
        problems.append(f"{MANIFEST} lists a file twice")
    foreign = _foreign(bundle)
    problems += [f"{one_line(path, 80)} is not in {MANIFEST}" for path in foreign[:_SHOWN]]
    if len(foreign) > _SHOWN:
        problems.append(f"and {len(foreign) - _SHOWN} more files are not")
    return Outcome(
        problems, f"size and SHA-256 of {len(bundle.listed)} files, and no other file is there", "SHA-256"
    )


def _foreign(bundle: Bundle) -> list[str]:
    """Return paths in the folder that nobody listed."""
    found = []
    for path in sorted(bundle.folder.rglob("*")):
        name = path.relative_to(bundle.folder).as_posix()
        if name == OWN or name.startswith(f"{OWN}/") or (path.is_dir() and not path.is_symlink()):
            continue
        if name != MANIFEST and name not in bundle.listed:
            found.append(name)
    return found
