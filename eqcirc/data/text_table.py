"""Tables of text as people have them: encodings, packing, separators, comments, decimal commas.

Both readers of tables (`tables`, `iv_table`) find their cells here: what one can read, the other can.

Encoding    by the mark at its start, else UTF-8, UTF-16 if every other byte is zero, else Windows-1252 (nearly Latin-1)
Packing     gzip, told by content
Comments    lines that begin with #
Separator   ; tab | , or white space: the sign that cuts most of the first lines into the same number of cells
Numbers     where the sign is not a comma, a comma is the decimal sign
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from eqcirc.errors import DataError

SEPARATORS = (";", "\t", "|", ",", " ")  # of those that cut alike the first is taken; " " is any white space
SNIFFED, LOOKED_AT = 50, 200  # rows that decide on the separator, and lines they are among
MOST_BYTES = 2**30  # of an unpacked file: a small gzip file can unpack to terabytes

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COMMENT = re.compile(r"(?m)^[ \t]*#(.*)$")
_WORDS = re.compile(
    r"\s+(?![\[(/])(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)"
)  # white space, but not before a unit nor in quotes
_TOLD = re.compile(r'"?sep=([;,\t|])"?\n')  # a first line that spreadsheet programs understand
_BINARY = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf(inity)?)", re.IGNORECASE)


@dataclass(frozen=True)
class TextTable:
    """A table that is still text.

    Attributes:
        path: where it was read.
        text: lines end in a newline; those of comments are blank, so that all others keep their numbers.
        comments: what comments say, with their line numbers.
        separator: between cells, one of `SEPARATORS`.
    """

    path: Path
    text: str
    comments: tuple[tuple[int, str], ...]
    separator: str

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line, counted from 1, where each row ends, and its cells; blank lines are left out.

        Raises:
            DataError: a quote is never closed.
        """
        try:
            yield from _rows(self.text, self.separator)
        except csv.Error as error:
            raise DataError(f"{self.path}: expected rows of cells: {error}; is a quote open?") from error

    def cells(self, line: str) -> list[str]:
        """Return the cells of one line, such as a header in a comment; that may have another separator."""
        for sign in dict.fromkeys((self.separator, *SEPARATORS)):
            cells = next((cells for _, cells in _rows(line, sign)), [])
            if len(cells) > 1 and sign != " ":
                return cells
        return [cell.strip('"') for cell in _WORDS.split(line.strip()) if cell]

    def number(self, cell: str) -> float | None:
        """Return the number in a cell, or None."""
        cell = cell.strip()
        if self.separator != ",":
            cell = cell.replace(",", ".")
        return float(cell) if _NUMBER.fullmatch(cell) else None


def read_table(path: Path) -> TextTable:
    """Read a table of text.

    Raises:
        DataError: no such file, it cannot be read or unpacked, or it is no text.
    """
    text = re.sub("\r\n?", "\n", read_text(path)).replace(
        "\f", ""
    )  # ngspice begins its pages with form feeds
    comments: list[tuple[int, str]] = []
    told = _TOLD.match(text)
    if told:
        text = text[told.end() - 1 :]
    if "#" in text:
        lines = text.split("\n")
        for k, line in enumerate(lines):
            if found := _COMMENT.match(line):
                comments.append((k + 1, found[1].strip("# \t")))
                lines[k] = ""
        text = "\n".join(lines)
    return TextTable(path, text, tuple(comments), told[1] if told else _separator(text))


def read_text(path: Path) -> str:
    """Return the text of a file, whatever its encoding, unpacked.

    Raises:
        DataError: no such file, it cannot be read or unpacked, or it is no text.
    """
    raw = _unpacked(path)
    text = _decoded(raw)
    if text is None or _BINARY.search(text):
        advice = "save a spreadsheet as CSV" if raw.startswith(b"PK") else "is this the right file?"
        raise DataError(f"{path}: expected a table of text, got bytes that are none; {advice}")
    return text


def _unpacked(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"{path}: expected a file here, found none; check the path")
    try:
        raw = path.read_bytes()
        if not raw.startswith(b"\x1f\x8b"):
            return raw
        with gzip.open(io.BytesIO(raw)) as file:
            unpacked = file.read(MOST_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: expected a whole gzip file, got a damaged one ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if len(unpacked) > MOST_BYTES:
        raise DataError(f"{path}: expected at most {MOST_BYTES:g} bytes when unpacked, got more; split it")
    return unpacked


def _decoded(raw: bytes) -> str | None:
    """Return text, or None if the bytes are none in the encoding that they are marked with."""
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    if encoding is None and b"\0" in raw[:200]:  # without a mark, every other byte of plain text is zero
        encoding = "utf-16-le" if raw[1:200:2].count(0) > raw[:200:2].count(0) else "utf-16-be"
    for name in [encoding] if encoding else ["utf-8", "cp1252", "latin-1"]:
        try:
            return raw.decode(name)
        except UnicodeDecodeError:
            continue
    return None


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    if separator == " ":
        text = text.replace("\t", " ")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if separator == " ":
            cells = [cell for cell in cells if cell]
        if len(cells) > 1 or any(cells):
            yield reader.line_num, cells


def _separator(text: str) -> str:
    """Return the sign that cuts most of the first lines into the same number of cells, at least 2."""
    head = "\n".join(text.split("\n", LOOKED_AT)[:LOOKED_AT])

    def alike(sign: str) -> int:
        try:
            counts = Counter(len(cells) for _, cells in islice(_rows(head, sign), SNIFFED))
        except csv.Error:
            return 0
        return max((lines for cells, lines in counts.items() if cells > 1), default=0)

    best = max(SEPARATORS, key=alike)
    return best if alike(best) else ","
