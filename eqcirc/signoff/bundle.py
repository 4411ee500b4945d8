"""Reads a bundle that may come from anybody: nothing outside its folder, no link, nothing larger than it says."""

from __future__ import annotations

import os
import re
import stat
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from eqcirc.errors import CheckpointError, DataError
from eqcirc.signoff.check import Skipped
from eqcirc.signoff.gate import checked
from eqcirc.text import one_line

MANIFEST = "MANIFEST.json"
MOST_BYTES = 2**30  # of a file
NETLISTS = (".sp", ".cdl", ".ckt", ".cir")
_HARMLESS_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,3}")


class Listed(BaseModel):
    """A file as the manifest lists it."""

    path: str
    bytes: int = Field(ge=0, le=MOST_BYTES)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    role: str = ""
    run: bool = True


class Port(BaseModel):
    """A port of the circuit."""

    name: str = Field(pattern=r"^[a-z_][a-z0-9_]*$")
    direction: Literal["input", "supply", "output", "common"]


class Cell(BaseModel):
    """A block, and its kind of element."""

    cell: str
    kind: str


class Chips(BaseModel):
    """The chips of a bundle: how many, whether their spread is assumed, and what differs between them."""

    count: int = Field(ge=1)
    assumed: bool
    differ: str


class Manifest(BaseModel):
    """What checks need of a manifest."""

    bundle: Literal["eqcirc-bundle"] = Field(alias="schema")
    version: Literal[1]
    name: str
    design: str
    top: str = Field(pattern=r"^[a-z_][a-z0-9_]*$")
    ports: list[Port]
    vectors: int = Field(ge=1)
    held: bool
    run: dict[str, Any] = {}
    blocks: list[Cell] = []
    phases: list[str] = []
    ratings: dict[str, dict[str, float]] = {}
    chips: Chips | None = None
    files: list[Listed]


class Bundle:
    """A folder with a manifest."""

    def __init__(self, folder: Path) -> None:
        """Read the manifest.

        Raises:
            CheckpointError: the folder holds none, or one that is not understood.
        """
        self.folder = folder
        if not folder.is_dir():
            raise CheckpointError(f"{folder}: expected the folder of a bundle; 'eqcirc export' writes one")
        try:
            self.manifest_bytes = content = self._bytes(MANIFEST)
        except DataError as error:
            raise CheckpointError(f"{folder} is no bundle: {error}; 'eqcirc export' writes one") from error
        try:
            self.manifest = Manifest.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise CheckpointError(
                f"{folder / MANIFEST}: {one_line(where, 60)}: {one_line(first['msg'])}; expected the manifest of "
                "eqcirc-bundle version 1"
            ) from error
        self.listed = {file.path: file for file in self.manifest.files}

    def has(self, path: str) -> bool:
        """Return whether a file is listed."""
        return path in self.listed

    def need(self, *paths: str) -> None:
        """Raise `Skipped` unless files are listed."""
        for path in paths:
            if path not in self.listed:
                raise Skipped(f"the bundle has no {path}")

    def content(self, path: str) -> bytes:
        """Return a listed file.

        Raises:
            DataError: it is not listed, or no plain file within the folder.
        """
        if path not in self.listed:
            raise DataError(f"{one_line(path, 80)} is not in {MANIFEST}")
        return self._bytes(path)

    def text(self, path: str) -> str:
        """Return a listed file as ASCII text.

        Raises:
            DataError: it is not listed, no plain file, or no ASCII.
        """
        try:
            return self.content(path).decode("ascii")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: expected ASCII, got another byte at {error.start}") from error

    @cached_property
    def netlists(self) -> dict[str, str]:
        """Texts of all netlists by name.

        Raises:
            DataError: one cannot be read.
        """
        names = [path for path in self.listed if path.endswith(NETLISTS)]
        return {name: self.text(name) for name in names}

    def deck(self, name: str) -> str:
        """Return a netlist that may be given to other programs, see `gate`.

        Raises:
            DataError: it may not.
        """
        return checked(name, self.netlists)

    def _bytes(self, path: str) -> bytes:
        """Return a file of the folder; neither it nor a folder on the way may be a link."""
        if _HARMLESS_PATH.fullmatch(path) is None:
            raise DataError(f"{one_line(path, 80)}: expected a path of plain words within the bundle")
        place = self.folder
        for part in PurePosixPath(path).parts:
            place = place / part
            if place.is_symlink():
                raise DataError(f"{path}: expected a file of the bundle, got a link")
        try:
            number = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        with os.fdopen(number, "rb") as file:
            status = os.fstat(number)
            if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
                raise DataError(f"{path}: expected a plain file of at most {MOST_BYTES} bytes")
            return file.read()
