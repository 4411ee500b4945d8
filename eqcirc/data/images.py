"""MNIST and Fashion-MNIST: four idx files, from a folder or downloaded once into the user's cache.

Sources: Y. LeCun, C. Cortes, C. Burges, yann.lecun.com/exdb/mnist; H. Xiao, K. Rasul, R. Vollgraf,
arXiv:1708.07747 (Fashion-MNIST).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eqcirc.data.checks import class_numbers, equal_length
from eqcirc.data.dataset import Dataset
from eqcirc.data.idx import read_idx
from eqcirc.errors import ConfigError, DataError, nearest

FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


@dataclass(frozen=True)
class Source:
    """Where a set is downloaded from and the MD5 of its four files, in the order of `FILES`.

    MD5 is what the publishers print; it guards against damage in transit.
    """

    url: str
    md5: tuple[str, str, str, str]


INSTALLED = Path("/usr/share/datasets")
"""Where Debian's packages of data sets put them, such as dataset-fashion-mnist."""

SOURCES = {
    "mnist": Source(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    "fashion-mnist": Source(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
}


def load_images(name: str, folder: Path | None) -> tuple[Dataset, Dataset]:
    """Return the official training and test parts; inputs are pixels / 255 in [0, 1], row by row, 10 classes.

    Args:
        name: 'mnist' or 'fashion-mnist'.
        folder: Holds the four files of `FILES`, packed or unpacked; None takes those of an installed Debian package,
            else downloads them.

    Raises:
        ConfigError: `name` is unknown.
        DataError: Files are missing, damaged, do not fit together, or cannot be downloaded.
    """
    if name not in SOURCES:
        raise ConfigError(f"unknown image set {name!r}; {nearest(name, SOURCES)}")
    if folder is None and (INSTALLED / name).is_dir():
        folder = INSTALLED / name
    paths = _download(name) if folder is None else _find(folder)
    return _part(name, *paths[:2]), _part(name, *paths[2:])


def _part(name: str, images_path: Path, labels_path: Path) -> Dataset:
    images = read_idx(images_path, 3)
    labels = class_numbers(str(labels_path), read_idx(labels_path, 1), n_classes=10)
    pixels = images.reshape(len(images), images.shape[1] * images.shape[2]) / 255.0
    equal_length(str(labels_path), pixels, "labels", labels)
    return Dataset(name, pixels, labels=labels, n_classes=10)


def _find(folder: Path) -> list[Path]:
    candidates = [(folder / file, folder / file.removesuffix(".gz")) for file in FILES]
    found = [next((path for path in pair if path.is_file()), None) for pair in candidates]
    missing = [file for file, path in zip(FILES, found, strict=True) if path is None]
    if missing:
        raise DataError(
            f"{folder}: expected {', '.join(FILES)} here (packed or unpacked), missing {', '.join(missing)}"
        )
    return [path for path in found if path is not None]


def _download(name: str) -> list[Path]:
    import pooch

    source = SOURCES[name]
    registry = {file: f"md5:{md5}" for file, md5 in zip(FILES, source.md5, strict=True)}
    try:
        store = pooch.create(pooch.os_cache("eqcirc") / name, source.url, registry=registry)
        return [Path(store.fetch(file)) for file in FILES]
    # OSError includes every failure of the connection and of the disk; a wrong checksum is a ValueError.
    except (OSError, ValueError) as error:
        raise DataError(
            f"{name}: cannot be downloaded from {source.url} ({error}); put {', '.join(FILES)} "
            f"into a folder and give this folder as `path`"
        ) from error
