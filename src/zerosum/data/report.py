"""What `zerosum data check` found, and how it looks."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

SHOWN = 10
"""Entries of a list that are printed; the JSON has all."""
Groups = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Sizes:
    """(width, height) of the images, in pixels; smallest, median and largest for each side by itself."""

    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    common: tuple[tuple[tuple[int, int], int], ...]
    """The most common sizes and their counts."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The state of a data set."""

    path: str
    kind: str
    num_examples: int
    num_readable: int
    unreadable: tuple[tuple[str, str], ...] = ()
    """(name, reason)."""
    sizes: Sizes | None = None
    modes: dict[str, int] = field(default_factory=dict)
    """Images per Pillow mode (L: grey, P: palette, I;16: 16-bit grey ...)."""
    classes: dict[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    """Attributes that the labels hold instead of classes."""
    label_problem: str = ""
    """Why training could not use the labels; empty: it can."""
    num_captions: int = 0
    exact_duplicates: Groups = ()
    """Names of images whose decoded pixels are equal, in groups."""
    near_duplicates: Groups = ()
    """Names of images that look the same at a glance (resized, recompressed), in groups."""
    effects: tuple[str, ...] = ()
    """What preparing does to the images."""
    advice: tuple[str, ...] = ()

    @property
    def has_problems(self) -> bool:
        """Whether something is broken: unreadable files, or labels that cannot be used."""
        return bool(self.unreadable or self.label_problem or not self.num_readable)

    def to_json(self) -> str:
        """All of it as JSON text."""
        return json.dumps({**asdict(self), "has_problems": self.has_problems}, indent=2, ensure_ascii=False)

    def render(self, console: Console) -> None:
        """Print it as tables."""
        console.print(self._overview())
        if self.classes:
            console.print(self._balance())
        if self.unreadable:
            console.print(_listing("unreadable files", ("name", "reason"), self.unreadable))
        for title, groups in (("exact duplicates", self.exact_duplicates), ("near duplicates", self.near_duplicates)):
            if groups:
                console.print(_listing(f"{title}: {len(groups)} groups", ("images",), ((_names(group),) for group in groups)))
        if self.label_problem:
            console.print(f"[red]labels cannot be used:[/] {escape(self.label_problem)}")
        for title, sentences in (("preparing", self.effects), ("advice", self.advice)):
            if sentences:
                console.print(f"[bold]{title}[/]", *(f"- {escape(sentence)}" for sentence in sentences), sep="\n")

    def _overview(self) -> Table:
        table = Table(title=escape(f"{self.path} ({self.kind})"), show_header=False)
        table.add_row("readable", f"{self.num_readable:,} of {self.num_examples:,}")
        if self.sizes:
            for name in ("smallest", "median", "largest"):
                table.add_row(f"{name} sides", _pixels(getattr(self.sizes, name)))
            table.add_row("common sizes", ", ".join(f"{_pixels(size)}: {count:,}" for size, count in self.sizes.common))
        if self.modes:
            table.add_row("modes", ", ".join(f"{escape(mode)}: {count:,}" for mode, count in self.modes.items()))
        if self.columns:
            table.add_row("columns", escape(", ".join(self.columns)))
        if self.num_captions:
            table.add_row("captions", f"{self.num_captions:,}")
        return table

    def _balance(self) -> Table:
        total, most = sum(self.classes.values()), max(self.classes.values())
        table = Table(title=f"{len(self.classes)} classes")
        for column in ("class", "examples", "share", ""):
            table.add_column(column, justify="right" if column in ("examples", "share") else "left")
        for name, count in list(self.classes.items())[: 2 * SHOWN]:
            table.add_row(escape(name), f"{count:,}", f"{count / total:.1%}", "█" * round(20 * count / most))
        if len(self.classes) > 2 * SHOWN:
            table.caption = f"and {len(self.classes) - 2 * SHOWN} more"
        return table


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _names(group: tuple[str, ...]) -> str:
    return ", ".join(group[:4]) + (f" and {len(group) - 4} more" if len(group) > 4 else "")


def _listing(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table, listed = Table(*columns, title=title), list(rows)
    for row in listed[:SHOWN]:
        table.add_row(*(escape(cell) for cell in row))
    if len(listed) > SHOWN:
        table.caption = f"and {len(listed) - SHOWN} more"
    return table
