"""`zerosum colour RUN IN... --out DIR`: colours for grey pictures, from a trained generator."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from zerosum import api
from zerosum.apply.upscale import Enlarger
from zerosum.cli.options import options
from zerosum.cli.upscale import make_all


@dataclass(frozen=True)
class Colour:
    """Give grey pictures colours: files of any size or folders of them; of coloured ones the grey values are taken. EXIF data
    and transparency are kept."""

    run: tyro.conf.Positional[Path]
    """The run folder, of pix2pix trained with data.kind colouring."""
    images: tyro.conf.Positional[tuple[Path, ...]]
    """Pictures, or folders of them."""
    out: Path
    """The folder that they go into, under their names; .png, .jpg, .webp and .tif keep their format, others become .png."""
    family: str | None = None
    """Of a run of a GAN of your own: its module, which is imported only if you name it."""
    checkpoint: str = "newest"
    """newest, or the images seen."""
    tile: int | None = None
    """Pixels of a picture a side that are made at once: fewer need less memory. None: as fit into 768 pixels;
    with instance norm the whole picture, for tiles would differ from each other."""
    overlap: int | None = None
    """Pixels around a tile that it is made from too. None: as many as are needed for no seam, measured for this generator."""
    overwrite: bool = False
    """Replace pictures that are in --out already; those that are read are never replaced."""


def main(arguments: list[str]) -> int:
    """Colour and write."""
    chosen = options(Colour, "zerosum colour", arguments)
    sampler = api.load(chosen.run, chosen.family, chosen.checkpoint)
    enlarger = Enlarger(sampler, chosen.tile, chosen.overlap, "coloured")
    if (enlarger.channels, enlarger.made_channels, enlarger.scale) != (1, 3, 1):
        raise ValueError(
            f"{chosen.run} does not give colours to grey pictures: train pix2pix:cpu_colour, or use zerosum translate"
        )
    return make_all(enlarger, chosen.images, chosen.out, chosen.overwrite)
