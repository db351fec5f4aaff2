"""`zerosum upscale RUN IN... --out DIR`: pictures made larger by a trained generator."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zerosum import api
from zerosum.apply.upscale import Enlarger, Show, enlarge_file, targets_of
from zerosum.cli import fail, say
from zerosum.cli.options import options
from zerosum.data.images import SUFFIXES


@dataclass(frozen=True)
class Upscale:
    """Make pictures larger: files of any size or folders of them. EXIF data, colour profile and transparency are kept."""

    run: tyro.conf.Positional[Path]
    """The run folder, of a generator that makes pictures 2 or 4 times as large."""
    images: tyro.conf.Positional[tuple[Path, ...]]
    """Pictures, or folders of them."""
    out: Path
    """The folder that they go into, under their names; .png, .jpg, .webp and .tif keep their format, others become .png."""
    family: str | None = None
    """Of a run of a GAN of your own: its module, which is imported only if you name it."""
    checkpoint: str = "newest"
    """newest, or the images seen."""
    tile: int | None = None
    """Pixels of a picture a side that are made at once: fewer need less memory. None: as fit into 768 pixels of the result."""
    overlap: int | None = None
    """Pixels around a tile that it is made from too. None: as many as are needed for no seam, measured for this generator."""
    overwrite: bool = False
    """Replace pictures that are in --out already; those that are read are never replaced."""


def main(arguments: list[str]) -> int:
    """Enlarge and write."""
    chosen = options(Upscale, "zerosum upscale", arguments)
    enlarger = Enlarger(api.load(chosen.run, chosen.family, chosen.checkpoint), chosen.tile, chosen.overlap)
    if enlarger.scale == 1:
        raise ValueError(f"{chosen.run} makes pictures of the same size: use zerosum restore")
    return make_all(enlarger, chosen.images, chosen.out, chosen.overwrite)


def make_all(enlarger: Enlarger, images: tuple[Path, ...], out: Path, overwrite: bool) -> int:
    """Make and write every picture; 1 if some were refused, each with its reason.

    Raises:
        FileNotFoundError: nothing lies at a path, or no picture in a folder.
        ValueError: see `targets_of`.
    """
    targets = targets_of(input_files(images), out, overwrite)
    out.mkdir(parents=True, exist_ok=True)
    refused = 0
    for source, target in targets.items():
        try:
            width, height = enlarge_file(enlarger, source, target, shown(source.name))
        except ValueError as problem:
            refused = fail(str(problem), 1)
            continue
        say(f"{target}  {width} x {height}")
    return refused


def input_files(paths: tuple[Path, ...], endings: tuple[str, ...] = SUFFIXES, what: str = "picture") -> list[Path]:
    """The files that are meant, those of folders by name.

    Args:
        endings: of files in folders that count, in lower case.
        what: they are.

    Raises:
        FileNotFoundError: nothing lies at a path, or no picture in a folder.
        ValueError: no path.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted(file for file in path.glob("*") if file.suffix.lower() in endings) if path.is_dir() else [path]
        if not found or not found[0].is_file():
            raise FileNotFoundError(f"{path} holds no {what}s" if path.is_dir() else f"there is no {what} {path}")
        files += found
    if not files:
        raise ValueError(f"name at least one {what}, or a folder of them")
    return list(dict.fromkeys(files))


def shown(name: str) -> Show:
    """A progress bar on standard error, if that is a terminal."""

    def show(steps: list[Any]) -> Iterable[Any]:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
            yield from progress.track(steps, description=name)

    return show
