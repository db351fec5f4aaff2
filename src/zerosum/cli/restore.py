"""`zerosum restore RUN IN... --out DIR`: old or spoilt pictures made new by a trained generator, at the same size."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from zerosum import api
from zerosum.apply.upscale import Enlarger
from zerosum.cli.options import options
from zerosum.cli.upscale import make_all


@dataclass(frozen=True)
class Restore:
    """Restore pictures: files of any size or folders of them. EXIF data, colour profile and transparency are kept."""

    run: tyro.conf.Positional[Path]
    """The run folder, of a generator that makes pictures of the same size."""
    images: tyro.conf.Positional[tuple[Path, ...]]
    """Pictures, or folders of them."""
    out: Path
    """The folder that they go into, under their names; .png, .jpg, .webp and .tif keep their format, others become .png."""
    family: str | None = None
    """Of a run of a GAN of your own: its module, which is imported only if you name it."""
    checkpoint: str = "newest"
    """newest, or the images seen."""
    tile: int | None = None
    """Pixels of a picture a side that are made at once: fewer need less memory. None: as fit into 768 pixels."""
    overlap: int | None = None
    """Pixels around a tile that it is made from too. None: as many as are needed for no seam, measured for this generator."""
    overwrite: bool = False
    """Replace pictures that are in --out already; those that are read are never replaced."""


def main(arguments: list[str]) -> int:
    """Restore and write."""
    chosen = options(Restore, "zerosum restore", arguments)
    enlarger = Enlarger(api.load(chosen.run, chosen.family, chosen.checkpoint), chosen.tile, chosen.overlap)
    if enlarger.scale > 1:
        raise ValueError(f"{chosen.run} makes pictures {enlarger.scale} times as large: use zerosum upscale")
    return make_all(enlarger, chosen.images, chosen.out, chosen.overwrite)
