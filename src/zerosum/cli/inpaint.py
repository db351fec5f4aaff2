"""`zerosum inpaint RUN IMAGE... --mask MASK --out DIR`: holes in pictures filled by a trained generator."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from zerosum import api
from zerosum.apply.inpaint import Inpainter, fill_file
from zerosum.apply.upscale import targets_of
from zerosum.cli import fail, say
from zerosum.cli.options import options
from zerosum.cli.upscale import input_files, shown
from zerosum.data.images import SUFFIXES

LOSSLESS = (".png", ".tif", ".tiff")
"""Endings that are kept: other formats would change the pixels that are to stay."""


@dataclass(frozen=True)
class Inpaint:
    """Fill holes in pictures: files of any size or folders of them. All other pixels stay as they are, and so do EXIF data,
    colour profile and transparency."""

    run: tyro.conf.Positional[Path]
    """The run folder, of inpainting."""
    images: tyro.conf.Positional[tuple[Path, ...]]
    """Pictures, or folders of them."""
    out: Path
    """The folder that they go into, under their names; .png and .tif keep their format, others become .png, for they would
    change pixels that are to stay."""
    mask: Path | None = None
    """A picture that is white where they are to be filled (black or transparent elsewhere), of their size; or a folder of such,
    each named as its picture."""
    box: str | None = None
    """Instead of a mask: the box to fill, X,Y,WIDTH,HEIGHT in pixels from the left upper corner."""
    family: str | None = None
    """Of a run of a GAN of your own: its module, which is imported only if you name it."""
    checkpoint: str = "newest"
    """newest, or the images seen."""
    tile: int | None = None
    """Pixels of a hole a side that are filled at once: fewer need less memory. None: 256, or the side of training if larger."""
    overwrite: bool = False
    """Replace pictures that are in --out already; those that are read are never replaced."""


def main(arguments: list[str]) -> int:
    """Fill and write; 1 if some were refused, each with its reason."""
    chosen = options(Inpaint, "zerosum inpaint", arguments)
    box = read_box(chosen.box) if chosen.box is not None else None
    if (chosen.mask is None) == (box is None):
        raise ValueError("say what is to be filled: --mask PICTURE (white is filled) or --box X,Y,WIDTH,HEIGHT, one of them")
    if chosen.mask is not None and not chosen.mask.exists():
        raise FileNotFoundError(f"--mask {chosen.mask} does not exist")
    inpainter = Inpainter(api.load(chosen.run, chosen.family, chosen.checkpoint), chosen.tile)
    targets = targets_of(input_files(chosen.images), chosen.out, chosen.overwrite, LOSSLESS)
    refuse_masks(chosen.mask, list(targets.values()))
    chosen.out.mkdir(parents=True, exist_ok=True)
    refused = 0
    for source, target in targets.items():
        try:
            hole = box or mask_of(chosen.mask, source)
            width, height, share = fill_file(inpainter, source, hole, target, shown(source.name))
        except ValueError as problem:
            refused = fail(str(problem), 1)
            continue
        say(f"{target}  {width} x {height}, {share:.1%} filled")
    return refused


def read_box(text: str) -> tuple[int, int, int, int]:
    """The numbers of a box.

    Raises:
        ValueError: not four whole numbers.
    """
    try:
        x, y, width, height = (int(number) for number in text.split(","))
    except ValueError:
        raise ValueError(f"--box {text}: give four whole numbers, X,Y,WIDTH,HEIGHT, such as 120,80,64,32") from None
    return x, y, width, height


def mask_of(mask: Path | None, picture: Path) -> Path:
    """The mask of a picture: the one that there is, or that of its name in a folder, of any ending.

    Raises:
        ValueError: none, or more than one.
    """
    assert mask is not None
    if not mask.is_dir():
        return mask
    found = sorted(file for file in mask.iterdir() if file.stem == picture.stem and file.suffix.lower() in SUFFIXES)
    if len(found) != 1:
        what = f"holds {len(found)} masks" if found else "holds no mask"
        raise ValueError(f"{picture}: --mask {mask} {what} named {picture.stem}, and it must hold one")
    return found[0]


def refuse_masks(mask: Path | None, targets: list[Path]) -> None:
    """Refuse to write over a mask.

    Raises:
        ValueError: naming it.
    """
    for target in targets:
        if mask is not None and target.exists() and (target.samefile(mask) or target.parent.resolve() == mask.resolve()):
            raise ValueError(f"{target} is, or lies among, the masks: name another --out, inputs are kept")
