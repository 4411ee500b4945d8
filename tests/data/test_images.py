from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pooch
import pytest

from eqcirc.data import images, load_splits
from eqcirc.data.idx import read_idx
from eqcirc.data.images import FILES, SOURCES, Source, load_images
from eqcirc.errors import ConfigError, DataError

from .conftest import idx_bytes


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_a_folder_gives_the_official_parts(
    mnist_folder: Callable[..., Path], packed: bool, name: str
) -> None:
    folder = mnist_folder(packed=packed)
    train, test = load_images(name, folder)
    np.testing.assert_array_equal(load_splits(name, path=str(folder)).test.inputs, test.inputs)
    assert (train.name, train.inputs.shape, test.inputs.shape, test.n_classes) == (name, (40, 6), (20, 6), 10)
    pixels = read_idx(folder / (FILES[0] if packed else FILES[0].removesuffix(".gz")), 3)
    np.testing.assert_array_equal(np.rint(train.inputs * 255), pixels.reshape(40, 6))
    assert train.inputs.max() <= 1
    assert train.labels is not None
    assert train.labels[:11].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]


def test_all_missing_files_are_named_at_once(mnist_folder: Callable[..., Path]) -> None:
    folder = mnist_folder()
    for file in FILES[1:3]:
        (folder / file).unlink()
    with pytest.raises(DataError, match=re.escape(f"missing {FILES[1]}, {FILES[2]}")) as caught:
        load_images("mnist", folder)
    assert str(caught.value).startswith(f"{folder}: expected {', '.join(FILES)} here (packed or unpacked)")


def test_a_label_that_is_no_class_is_refused(mnist_folder: Callable[..., Path]) -> None:
    folder = mnist_folder()
    (folder / FILES[1]).write_bytes(idx_bytes(np.arange(40, dtype=np.uint8)))
    with pytest.raises(
        DataError, match=re.escape(f"{FILES[1]}: expected integer labels in 0..9, got 10 at row 10")
    ):
        load_images("mnist", folder)


def test_labels_and_images_must_be_as_many(mnist_folder: Callable[..., Path]) -> None:
    folder = mnist_folder()
    (folder / FILES[3]).write_bytes(idx_bytes(np.zeros(19, np.uint8)))
    with pytest.raises(
        DataError, match=f"{FILES[3]}: expected one row of labels for each of 20 inputs, got 19"
    ):
        load_images("mnist", folder)


def test_an_unknown_set_is_refused_with_a_hint() -> None:
    with pytest.raises(ConfigError, match="unknown image set 'mnits'; did you mean 'mnist'"):
        load_images("mnits", None)


def test_every_source_lists_four_checksums() -> None:
    for source in SOURCES.values():
        assert len(set(source.md5)) == len(FILES)
        assert all(re.fullmatch("[0-9a-f]{32}", md5) for md5 in source.md5)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache" / "eqcirc" / "mnist"


@pytest.fixture
def mirror(mnist_folder: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A mirror on this machine takes the place of the public one."""
    del cache
    folder = mnist_folder()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    md5 = [hashlib.md5((folder / file).read_bytes()).hexdigest() for file in FILES]
    source = Source(f"http://127.0.0.1:{server.server_port}/", (md5[0], md5[1], md5[2], md5[3]))
    monkeypatch.setitem(images.SOURCES, "mnist", source)
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_set_is_downloaded_once_and_then_read_from_the_cache(mirror: Path, cache: Path) -> None:
    train, test = load_images("mnist", None)
    assert (train.n_samples, test.n_samples) == (40, 20)
    assert sorted(path.name for path in cache.iterdir()) == sorted(FILES)
    for file in FILES:
        (mirror / file).unlink()
    np.testing.assert_array_equal(load_images("mnist", None)[0].inputs, train.inputs)


def test_a_damaged_download_is_refused(mirror: Path) -> None:
    (mirror / FILES[0]).write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"mnist: cannot be downloaded from http.*hash"):
        load_images("mnist", None)


def test_without_a_network_the_message_says_which_files_to_put_where(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del cache
    # Port 9 of this machine has no listener.
    monkeypatch.setitem(images.SOURCES, "mnist", Source("http://127.0.0.1:9/", SOURCES["mnist"].md5))
    with pytest.raises(DataError) as caught:
        load_images("mnist", None)
    assert "mnist: cannot be downloaded from http://127.0.0.1:9/" in str(caught.value)
    assert f"put {', '.join(FILES)} into a folder and give this folder as `path`" in str(caught.value)


def test_an_installed_package_is_found(
    mnist_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian's dataset-fashion-mnist has the same four files."""
    (tmp_path / "installed").mkdir()
    mnist_folder().rename(tmp_path / "installed" / "fashion-mnist")
    monkeypatch.setattr(images, "INSTALLED", tmp_path / "installed")
    train, test = load_images("fashion-mnist", None)
    assert (train.name, len(train.inputs), len(test.inputs)) == ("fashion-mnist", 40, 20)
