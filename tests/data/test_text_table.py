"""Encodings, packing and separators of tables, and what is no table."""

from __future__ import annotations

import codecs
import gzip
import re
from pathlib import Path

import pytest

from eqcirc.data import text_table
from eqcirc.data.text_table import read_table
from eqcirc.errors import DataError

TEXT = "Größe (µA);Höhe\n1,5;2\n"


@pytest.mark.parametrize(
    "raw",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("latin-1"),
        TEXT.replace("\n", "\r\n").encode("cp1252"),
        TEXT.replace("\n", "\r").encode(),
        gzip.compress(TEXT.encode("latin-1"), mtime=0),
    ],
)
def test_any_encoding_gives_the_same_cells(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(raw)
    table = read_table(tmp_path / "t.csv")
    assert list(table.rows()) == [(1, ["Größe (µA)", "Höhe"]), (2, ["1,5", "2"])]
    assert (table.number("1,5"), table.number("x")) == (1.5, None)


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("a;b\n1,5;2,5\n", ";"),
        ("a\tb\n1,5\t2,5\n", "\t"),
        ("temperature (C; mean),b\n1,2\n3,4\n", ","),
        ("0.1 2\n0.2 3\n", " "),
        ('"a;1",b\n1,2\n', ","),
        ("one\n1\n2\n", ","),
    ],
)
def test_the_sign_that_cuts_lines_alike_separates(tmp_path: Path, text: str, separator: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    assert read_table(tmp_path / "t.csv").separator == separator


def test_a_comma_separated_number_has_a_point(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,b\n"1,5",2\n')
    assert read_table(tmp_path / "t.csv").number("1,5") is None


def test_comments_leave_the_numbers_of_lines(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("# about\na,b\n  # more\n\n1,2#3\n")
    table = read_table(tmp_path / "t.csv")
    assert list(table.rows()) == [(2, ["a", "b"]), (5, ["1", "2#3"])]
    assert table.comments == ((1, "about"), (3, "more"))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            b"PK\x03\x04\x00\x01",
            "expected a table of text, got bytes that are none; save a spreadsheet as CSV",
        ),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is this the right file?"),
        (b"a,b\n1,\x1b[2J\n", "got bytes that are none"),
        (codecs.BOM_UTF16_LE + b"a", "got bytes that are none"),
        (gzip.compress(b"a,b\n" * 99, mtime=0)[:-9], "expected a whole gzip file, got a damaged one"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(raw)
    with pytest.raises(DataError, match=re.escape(message)):
        read_table(tmp_path / "t.csv")


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").write_bytes(gzip.compress(b"a" * 2000))
    monkeypatch.setattr(text_table, "MOST_BYTES", 1000)
    with pytest.raises(DataError, match="expected at most 1000 bytes when unpacked"):
        read_table(tmp_path / "t.csv")
