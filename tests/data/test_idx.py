from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from eqcirc.data.idx import read_idx
from eqcirc.errors import DataError

from .conftest import idx_bytes

CUBE = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx") / "file"


@settings(deadline=None)
@given(arrays(np.uint8, array_shapes(max_dims=3)), st.booleans())
def test_what_was_written_is_read(scratch: Path, array: NDArray[np.uint8], packed: bool) -> None:
    raw = idx_bytes(array)
    scratch.write_bytes(gzip.compress(raw) if packed else raw)
    np.testing.assert_array_equal(read_idx(scratch, array.ndim), array)


@settings(deadline=None)
@given(st.integers(0, len(idx_bytes(CUBE)) - 1))
def test_every_truncation_is_found_and_the_file_named(scratch: Path, length: int) -> None:
    scratch.write_bytes(idx_bytes(CUBE)[:length])
    with pytest.raises(DataError, match=re.escape(f"{scratch}: expected")):
        read_idx(scratch, 3)


@settings(deadline=None)
@given(st.integers(2, len(gzip.compress(idx_bytes(CUBE))) - 1))
def test_every_truncation_of_a_packed_file_is_found(scratch: Path, length: int) -> None:
    scratch.write_bytes(gzip.compress(idx_bytes(CUBE))[:length])
    with pytest.raises(
        DataError, match=re.escape(f"{scratch}: expected a whole gzip file, got a damaged one")
    ):
        read_idx(scratch, 3)


def test_damage_inside_a_packed_file_is_found(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(idx_bytes(np.zeros((50, 28, 28), np.uint8))))
    for position in range(20, len(packed)):
        damaged = packed.copy()
        damaged[position] ^= 0xFF
        (tmp_path / "file.gz").write_bytes(damaged)
        with pytest.raises(DataError, match=re.escape("file.gz: expected a whole gzip file")):
            read_idx(tmp_path / "file.gz", 3)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (idx_bytes(CUBE[0]), "3 dimension(s), magic number 0x00000803, got 0x00000802; fetch the file again"),
        (b"<html>not found", "3 dimension(s), magic number 0x00000803, got 0x3c68746d; fetch the file again"),
        (b"\0\0\x0d\x03" + bytes(12), "magic number 0x00000803, got 0x00000d03"),
        (b"", "magic number 0x00000803, got 0x; fetch the file again"),
        (
            idx_bytes(CUBE)[:-1],
            "expected 40 bytes for shape (4, 3, 2), got 39; the file is truncated or damaged",
        ),
        (
            idx_bytes(CUBE) + b"x",
            "expected 40 bytes for shape (4, 3, 2), got 41; the file is truncated or damaged",
        ),
        (b"\0\0\x08\x03" + b"\xff" * 12, "bytes for shape (4294967295, 4294967295, 4294967295), got 16"),
    ],
)
def test_a_wrong_header_or_length_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "images"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_idx(path, 3)
    assert str(caught.value).startswith(f"{path}: expected")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'gone'}: cannot be read: No such file")):
        read_idx(tmp_path / "gone", 1)


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_that_unpacks_without_end_is_not_unpacked_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr("eqcirc.data.idx.MOST", 1000)
    raw = idx_bytes(np.zeros((10, 10, 10), np.uint8))
    (tmp_path / "images").write_bytes(gzip.compress(raw) if packed else raw)
    with pytest.raises(DataError, match="at most 1000 bytes, unpacked"):
        read_idx(tmp_path / "images", 3)
