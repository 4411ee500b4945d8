"""Reader of the idx format, in which MNIST and its relatives are published.

An idx file is a magic number (two zero bytes, the type, the number of dimensions), the dimensions as
big-endian 32-bit integers, then the values. Here the type is always unsigned byte (0x08).
Source: Y. LeCun, C. Cortes, C. Burges, yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eqcirc.errors import DataError

MOST = (
    2**29
)  # bytes of a file, unpacked: ten times MNIST. One that was made to fill the memory packs a thousandfold


def read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """Return the array of `ndim` dimensions in an idx file of unsigned bytes, packed with gzip or not.

    Raises:
        DataError: The file cannot be read or unpacked, or its header or length is wrong.
    """
    raw = _unpacked(path)
    magic = bytes([0, 0, 0x08, ndim])
    if raw[:4] != magic:
        raise DataError(
            f"{path}: expected an idx file of unsigned bytes in {ndim} dimension(s), "
            f"magic number 0x{magic.hex()}, got 0x{raw[:4].hex()}; fetch the file again"
        )
    start = 4 + 4 * ndim
    shape = tuple(int(size) for size in np.frombuffer(raw[4:start].ljust(4 * ndim, b"\0"), ">u4"))
    if len(raw) != start + math.prod(shape):
        raise DataError(
            f"{path}: expected {start + math.prod(shape)} bytes for shape {shape}, got {len(raw)}; "
            f"the file is truncated or damaged, fetch it again"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def _unpacked(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # Told by content: some browsers unpack a download and keep the name.
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            raw = (gzip.GzipFile(fileobj=file) if packed else file).read(MOST + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path}: expected a whole gzip file, got a damaged one ({error}); fetch it again"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > MOST:
        raise DataError(
            f"{path}: expected an idx file of at most {MOST} bytes, unpacked; this is another file"
        )
    return raw
