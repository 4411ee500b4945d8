"""Files of pictures: their format is the one that their name asks for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from eqcirc.errors import ConfigError
from eqcirc.files import write_output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")


def picture_format(path: Path | str | BinaryIO) -> str:
    """Return the format of a picture file: png, pdf or svg by the end of its name; png of an open file.

    Raises:
        ConfigError: the name ends in something else.
    """
    if not isinstance(path, Path | str):
        return "png"
    ending = Path(path).suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise ConfigError(f"picture {path}: expected a name that ends in .{', .'.join(FORMATS)}")
    return ending


def save_picture(figure: Figure, path: Path | str | BinaryIO) -> None:
    """Write a figure.

    Raises:
        ConfigError: the name ends in no known format, or the file cannot be written.
    """
    kind = picture_format(path)
    if not isinstance(path, Path | str):
        figure.savefig(path, format=kind, dpi=130)
        return
    drawn = io.BytesIO()
    figure.savefig(drawn, format=kind, dpi=130)
    write_output(Path(path), drawn.getvalue())
