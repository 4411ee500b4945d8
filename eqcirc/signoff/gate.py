"""Decides whether netlists of somebody else may reach a simulator: what is not known to be harmless is refused.

ngspice runs commands out of `.control` sections and of comments that begin with `*#`, also in included files and after
`.end`; titles `*ng_script` turn a file into a script, back-quotes reach the shell, and options such as `measoutfile`
write files. gnucap runs what follows `!`. So the text is checked line by line against what a bundle needs, and included
files, which must belong to the bundle, are put in place; a simulator sees one text that was read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from eqcirc.errors import DataError
from eqcirc.text import one_line

MOST_LINE = 200_000  # characters; a table over many vectors is long. Checked before any pattern is tried
MOST_TEXT = 200_000_000
MOST_DEPTH = 50
MOST_DEVICES = 5_000_000  # after all instances are put in place

_NODE = r"[a-z_][a-z0-9_.]*|0"
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_NAME = r"[a-z_][a-z0-9_.]*"
_DRAWN = (
    rf"\{{{_NUMBER}\*exp\(agauss\({_NUMBER},{_NUMBER},{_NUMBER}\)\)\}}"  # a value that varies from run to run
)
_WORD = rf"(?:{_NODE}|{_NUMBER}|{_NAME}=(?:{_NUMBER}|{_NAME})|poly\(\d\)|{_DRAWN})"
_PLAIN = re.compile(rf"{_WORD}(?: {_WORD})*")
_EXPRESSION = re.compile(r"[a-z0-9_.,()+*/<>=?:&| -]+")
_MODEL = re.compile(rf"\.model {_NAME} d\(?(?: ?{_NAME}=(?:{_NUMBER}))*\)?")
_PRINT = re.compile(r"\.print (?:dc|op|tran)(?: [vi]\([a-z0-9_.#]+\))+")
_STATES = re.compile(r"\.(?:nodeset|ic)(?: v\([a-z0-9_.]+\)=[0-9e.+-]+)+")
_PATTERNS = {".model": _MODEL, ".print": _PRINT, ".nodeset": _STATES, ".ic": _STATES}
_INCLUDE = re.compile(r"\.include \"?([a-z0-9_]+\.[a-z]+)\"?")
_ELEMENTS = tuple("rcldvibegfhx")
_SIMPLE = (
    ".subckt",
    ".ends",
    ".options",
    ".temp",
    ".width",
    ".dc",
    ".op",
    ".tran",
    ".save",
    ".modify",
    ".end",
)
_OPTIONS = (
    *("reltol", "abstol", "vntol", "gmin", "pivtol", "pivrel", "itl1", "itl2", "itl4", "itl6"),
    *("numdgt", "noacct", "seed"),
)
"""Of tolerances and digits; `measoutfile`, for one, writes a file wherever it says."""


def checked(name: str, files: Mapping[str, str]) -> str:
    """Return a netlist of a bundle with its included files in place, all of it known to be harmless.

    Args:
        name: of the file.
        files: texts of the netlists of the bundle, by name.

    Raises:
        DataError: a line is not among what a bundle may hold; which one, and in which file.
    """
    text = _assembled(name, files, ())
    _check_size(name, text)
    return text


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the statements of a netlist with the number of their line; those that go on with + are put together."""
    begun, parts = 0, [""]
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("+"):
            parts.append(line[1:].strip())
        elif line and not line.startswith("*"):
            if begun:
                yield begun, " ".join(parts)
            begun, parts = number, [line]
    if begun:
        yield begun, " ".join(parts)


def _assembled(name: str, files: Mapping[str, str], above: tuple[str, ...]) -> str:
    """Return a file, checked, with the files that it includes in place."""
    if name in above:
        raise DataError(f"{name} includes itself")
    text = files.get(name)
    if text is None:
        raise DataError(f"{one_line(name, 60)} is included, but no netlist of the bundle")
    check_characters(name, text)
    ended = False
    included: dict[str, str] = {}
    for number, statement in statements(text):
        where = f"{name}, line {number}"
        if ended:
            raise DataError(f"{where}: expected nothing after .end, got {one_line(statement, 60)}")
        other = _INCLUDE.fullmatch(statement)
        if other is not None:
            included[statement] = _assembled(other[1], files, (*above, name))
        elif not _harmless(statement):
            raise DataError(
                f"{where}: this is nothing that a bundle holds, and is not run: {one_line(statement, 80)}"
            )
        ended = statement == ".end"
    lines = [included.get(line, line) for line in text.split("\n") if line != ".end" or not above]
    return "\n".join(lines)


def check_characters(name: str, text: str) -> None:
    """Refuse what is no plain text, and comments that are commands.

    Raises:
        DataError: there is such.
    """
    if len(text) > MOST_TEXT:
        raise DataError(f"{name}: {len(text)} characters are more than the {MOST_TEXT} that are read")
    if not text.startswith("*"):
        raise DataError(f"{name}, line 1: expected a comment as title, got {one_line(text[:60])}")
    for number, line in enumerate(text.split("\n"), start=1):
        where = f"{name}, line {number}"
        if len(line) > MOST_LINE:
            raise DataError(f"{where}: {len(line)} characters are more than the {MOST_LINE} that are read")
        if not (line.isascii() and line.isprintable()) or "`" in line:
            raise DataError(
                f"{where}: expected printable ASCII without back-quotes, got {one_line(ascii(line), 60)}"
            )
        if line.startswith("*") and line.lstrip("* ").lower().startswith(("#", "ng_")):
            raise DataError(f"{where}: ngspice takes this comment for a command: {one_line(line, 60)}")


def check_directives(name: str, text: str) -> None:
    """Refuse directives that no bundle holds in a netlist for other simulators: somebody may give it to ngspice.

    Raises:
        DataError: there is such.
    """
    for number, statement in statements(text):
        first = statement.split()[0].lower() if statement.strip() else ""
        known = first in _SIMPLE or first in _PATTERNS or _INCLUDE.fullmatch(statement) is not None
        if first.startswith(".") and not known:
            raise DataError(
                f"{name}, line {number}: this is nothing that a bundle holds: {one_line(statement, 80)}"
            )


def _harmless(line: str) -> bool:
    """Return whether a statement is one that a bundle may hold."""
    first, _, rest = line.partition(" ")
    if first.startswith("."):
        if first in _PATTERNS:
            return _PATTERNS[first].fullmatch(line) is not None
        if first == ".options" and any(word.partition("=")[0] not in _OPTIONS for word in rest.split()):
            return False
        return first in _SIMPLE and (not rest or _PLAIN.fullmatch(rest) is not None)
    if first[:1] not in _ELEMENTS or re.fullmatch(_NAME, first) is None:
        return False
    return (_EXPRESSION if first[0] == "b" else _PLAIN).fullmatch(rest) is not None


def _check_size(name: str, text: str) -> None:
    """Refuse subcircuits that are within themselves, and more devices than anybody means.

    Raises:
        DataError: there are such.
    """
    inside: dict[str, list[str]] = {"": []}
    count: dict[str, int] = {"": 0}
    current = ""
    for _, statement in statements(text):
        words = statement.split()
        if words[0] == ".subckt" and len(words) > 1:
            current = words[1]
            if current in inside:
                raise DataError(f"{name}: subcircuit {current} is there twice; ngspice would take the first")
            inside[current], count[current] = [], 0
        elif words[0] == ".ends":
            current = ""
        elif words[0][0] == "x":
            inside[current].append(words[-1])
        elif words[0][0] != ".":
            count[current] += 1
    total: dict[str, int] = {}

    def devices(of: str, above: tuple[str, ...]) -> int:
        if of in above or len(above) > MOST_DEPTH:
            raise DataError(f"{name}: subcircuit {of} is within itself, or too deep")
        if of not in total:
            parts = inside.get(of, [])
            total[of] = count.get(of, 0) + sum(devices(part, (*above, of)) for part in parts)
        return total[of]

    if devices("", ()) > MOST_DEVICES:
        raise DataError(f"{name}: {total['']} devices are more than the {MOST_DEVICES} that are run")
