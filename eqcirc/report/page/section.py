"""The pieces of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure, what to see in it, and the numbers that it shows.

    Attributes:
        name: of its files.
        caption: a sentence or two that say what to see.
        figure: drawn.
        data: the numbers.
        alt: what it shows, for those who cannot see it.
    """

    name: str
    caption: str
    figure: Figure
    data: pd.DataFrame
    alt: str


@dataclass(frozen=True, eq=False)
class Table:
    """A table of text."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    caption: str = ""


@dataclass(eq=False)
class Section:
    """A part of a page.

    Attributes:
        key: for links.
        title: of it.
        text: sentences, those about what is missing included.
        parts: pictures and tables, in order.
    """

    key: str
    title: str
    text: list[str] = field(default_factory=list)
    parts: list[Picture | Table] = field(default_factory=list)

    @property
    def pictures(self) -> list[Picture]:
        """The pictures among the parts."""
        return [part for part in self.parts if isinstance(part, Picture)]
