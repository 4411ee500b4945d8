from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from eqcirc.data.images import FILES


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """The idx file of an array, written independently of the reader."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def mnist_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write the four files with random images of 3 x 2 pixels and labels 0, 1, … 9, 0, …"""

    def write(n_train: int = 40, n_test: int = 20, packed: bool = True) -> Path:
        random = np.random.default_rng(0)
        folder = tmp_path / "images"
        folder.mkdir()
        for n, images, labels in ((n_train, *FILES[:2]), (n_test, *FILES[2:])):
            pixels = random.integers(0, 256, (n, 3, 2), dtype=np.uint8)
            for name, array in ((images, pixels), (labels, np.arange(n, dtype=np.uint8) % 10)):
                raw = idx_bytes(array)
                file = folder / (name if packed else name.removesuffix(".gz"))
                file.write_bytes(gzip.compress(raw) if packed else raw)
        return folder

    return write
