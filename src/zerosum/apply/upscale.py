"""Pictures of any size made larger, restored, translated or coloured by a trained generator, in bounded memory.

What is read: all that data sets are read from, so CMYK (converted without colour management) and 16-bit grey too (reduced to
8 bits; of 16-bit colour Pillow itself keeps 8). A picture is turned upright as its EXIF orientation says; its other EXIF data
and its colour profile are kept, and its transparency, enlarged by bicubic interpolation.
"""

import tempfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zerosum.apply.tiles import Area, needed_overlap, run_window, windows
from zerosum.data.feed import to_float
from zerosum.data.holes import holed_shape
from zerosum.data.images import UnreadableError, naming_damage, opaque, open_image, upright
from zerosum.data.pairs import grey
from zerosum.game import HasReach, HasReverse
from zerosum.noise import SeededNoise
from zerosum.pictures import to_pixels
from zerosum.sampling import Sampler

Pixels = NDArray[np.uint8]
Show = Callable[[list[Any]], Iterable[Any]]
"""Goes through the windows or steps, perhaps with a progress bar."""

Becomes = Literal["same", "other", "coloured"]
"""What a picture becomes: the same but better, grey if it is grey; one of another kind; or a coloured one of its greys."""

WINDOW = 768
"""Pixels of the result a side that are made at once, overlap included, where no tile is given."""
OVERLAP = 32
"""Pixels of overlap where a tile is given for a generator that takes statistics of all that it sees."""
SAVED = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
"""Endings that are kept, and their formats; all others become .png."""
SETTINGS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 95},
    "TIFF": {"compression": "tiff_deflate"},
}
"""Of the encoders."""


@dataclass(frozen=True)
class Photo:
    """A picture and what belongs to it."""

    pixels: Pixels
    """uint8 `[H, W, C]`, C 1 or 3."""
    alpha: Pixels | None = None
    """Opacity `[H, W]`, if it has any."""
    exif: bytes = b""
    """Without an orientation: the pixels are upright."""
    profile: bytes | None = None
    """ICC colour profile."""


class Enlarger:
    """A trained generator that makes pictures from pictures of any size.

    Args:
        sampler: `zerosum.load` of a run.
        tile: pixels of the source a side that are made at once; None: as fit into 768 pixels of the result, or the whole
            picture where its statistics go into every pixel (instance norm): tiles may then differ from each other.
        overlap: pixels around them that are seen too; None: as many as are needed for the same values to 1e-4.
        becomes: see `Becomes`.
        reverse: make pictures of the kind of the sources from those of the other kind.

    Raises:
        ValueError: the generator does not make a picture from a picture, or not in reverse, or numbers out of range.
    """

    def __init__(
        self,
        sampler: Sampler,
        tile: int | None = None,
        overlap: int | None = None,
        becomes: Becomes = "same",
        reverse: bool = False,
    ) -> None:
        gan, shapes, name = sampler.gan, sampler.card.shapes, sampler.name or "this generator"
        if "source" in shapes and shapes["source"] == holed_shape(shapes["target"]):
            raise ValueError(f"{name} fills holes in pictures: use zerosum inpaint")
        if gan.given != {"source"} or not isinstance(gan, HasReach):
            raise ValueError(
                f"{name} does not make pictures from pictures: train esrgan, or import one; or train pix2pix or cyclegan"
            )
        if reverse and not isinstance(gan, HasReverse):
            raise ValueError(f"{name} goes one way: leave out --reverse, train cyclegan, or pix2pix with --data.sides B A")
        if (tile is not None and tile < 1) or (overlap is not None and overlap < 0):
            raise ValueError(f"the tile must be at least 1 and the overlap at least 0 pixels, not {tile} and {overlap}")
        self.sampler, self.becomes, self.scale, self.multiple = sampler, becomes, gan.scale, gan.multiple
        self.make = gan.reverse if reverse and isinstance(gan, HasReverse) else gan.sample
        sides = (gan.makes, gan.takes) if reverse else (gan.takes, gan.makes)
        self.channels, self.made_channels = (shapes[side][0] for side in sides)
        if gan.reach is None:
            self.overlap, self.tile = OVERLAP if overlap is None else overlap, tile
            return
        if overlap is None:
            overlap = needed_overlap(self, self.channels, self.scale, gan.reach, gan.multiple, sampler.device)
        self.overlap = overlap
        self.tile = tile or max(WINDOW // self.scale - 2 * overlap, overlap, gan.multiple)

    @torch.inference_mode()
    def __call__(self, source: Tensor) -> Tensor:
        """What the generator makes of a source `[1, C, h, w]` in [-1, 1], all at once."""
        return self.make({"source": source}, SeededNoise([0], self.sampler.device))

    def channels_of(self, channels: int) -> int:
        """How many channels, 1 or 3, a picture of so many becomes.

        Raises:
            ValueError: colours for a generator of grey pictures.
        """
        if channels > self.channels and self.becomes != "coloured":
            raise ValueError(
                "this generator was trained on grey pictures and takes no colours: convert the picture to grey"
                + (", or use zerosum colour" if self.made_channels == 3 else "")
            )
        return channels if self.becomes == "same" else self.made_channels

    def enlarge(self, pixels: Pixels, out: Pixels | None = None, show: Show = iter) -> Pixels:
        """Pixels uint8 `[H * scale, W * scale, K]` of pixels uint8 `[H, W, C]`, K and C 1 or 3; both may be memory maps.

        Args:
            out: where they are written; None: a new array.
            show: see `Show`.

        Raises:
            ValueError: as `channels_of`.
        """
        height, width, channels = pixels.shape
        kept = self.channels_of(channels)
        made: Pixels = np.empty((height * self.scale, width * self.scale, kept), np.uint8) if out is None else out

        def read(area: Area) -> Tensor:
            part = torch.from_numpy(np.array(pixels[area].transpose(2, 0, 1)[None], order="C"))
            part = grey(part) if channels > self.channels else part
            return to_float(part.to(self.sampler.device)).expand(-1, self.channels, -1, -1)

        tile = self.tile or max(height, width)
        for window in show(list(windows(height, width, tile, self.overlap, self.multiple))):
            images = run_window(self, read, window, (height, width), self.scale)
            if kept < self.made_channels:
                images = images.mean(1, keepdim=True)
            rows, columns = (slice(side.start * self.scale, side.stop * self.scale) for side in window.kept)
            made[rows, columns] = to_pixels(images)[0]
        return made


def read_photo(path: Path) -> Photo:
    """A picture from a file.

    Raises:
        ValueError: no picture, a broken one, or several in one: an animation, or pages.
    """
    try:
        image = open_image(path.read_bytes())
        frames, kind = getattr(image, "n_frames", 1), image.format
        if frames > 1 and kind != "MPO":  # what a phone adds to a JPEG
            raise ValueError(f"{path} holds {frames} pictures, not one: save the one that is meant by itself")
        image = upright(image)
        with naming_damage():
            exif = image.getexif().tobytes() if len(image.getexif()) else b""
            profile = None if image.mode == "CMYK" else image.info.get("icc_profile")
            alpha = np.asarray(image.convert("RGBA").getchannel("A")) if image.has_transparency_data else None
            plain = image.convert("RGBA").convert("RGB") if alpha is not None else opaque(image)
            pixels = np.asarray(plain)
    except UnreadableError as problem:
        raise ValueError(f"{path} cannot be read: {problem}") from None
    return Photo(pixels.reshape(*pixels.shape[:2], -1), alpha, exif, profile)


def save_photo(photo: Photo, path: Path) -> None:
    """Write a picture in the format of the path's ending, whole or not at all.

    Raises:
        ValueError: the format cannot hold so large a picture.
        OSError: it cannot be written.
    """
    image = Image.fromarray(photo.pixels[..., 0] if photo.pixels.shape[-1] == 1 else photo.pixels)
    if photo.alpha is not None:
        image = image.convert("RGB")
        image.putalpha(Image.fromarray(photo.alpha))
    kind, new = SAVED[path.suffix.lower()], path.with_name(f".{path.name}.new")
    extra = {"exif": photo.exif} if photo.exif else {}
    try:
        image.save(new, kind, icc_profile=photo.profile, **extra, **SETTINGS.get(kind, {}))
        new.replace(path)
    except ValueError as problem:
        raise ValueError(f"{path}: {kind} cannot hold {image.width} x {image.height} pixels ({problem})") from None
    finally:
        new.unlink(missing_ok=True)


def enlarge_file(enlarger: Enlarger, source: Path, target: Path, show: Show = iter) -> tuple[int, int]:
    """Read a picture, make another of it through a memory map beside the target, and write it. Returns width and height.

    A colour profile is of grey or of colours: it is left out where one becomes the other.

    Raises:
        ValueError: as `read_photo`, `Enlarger.enlarge` and `save_photo`.
        OSError: it cannot be written.
    """
    photo, scale = read_photo(source), enlarger.scale
    height, width, channels = photo.pixels.shape
    kept = enlarger.channels_of(channels)
    with tempfile.TemporaryFile(dir=target.parent) as file:
        out = np.memmap(file, np.uint8, "w+", shape=(height * scale, width * scale, kept))
        enlarger.enlarge(photo.pixels, out, show)
        alpha = photo.alpha
        if alpha is not None and scale > 1:
            larger = Image.fromarray(alpha).resize((width * scale, height * scale), Image.Resampling.BICUBIC)
            alpha = np.asarray(larger)
        save_photo(Photo(out, alpha, photo.exif, photo.profile if kept == channels else None), target)
        del out
    return width * scale, height * scale


def targets_of(
    files: Iterable[Path],
    out: Path,
    overwrite: bool = False,
    kept: Collection[str] = tuple(SAVED),
    otherwise: str = ".png",
) -> dict[Path, Path]:
    """Where what is made of each file goes: into the folder `out`, under its name, with another ending if it is not kept.

    Args:
        kept: endings of formats that are.
        otherwise: the ending of what is made of other files.

    Raises:
        ValueError: two files would go to one place, a file to its own, or something is there already.
    """
    targets: dict[Path, Path] = {}
    files = list(files)
    sources = {file.resolve() for file in files}
    for file in files:
        target = out / (file.name if file.suffix.lower() in kept else f"{file.stem}{otherwise}")
        if target.resolve() in sources:
            raise ValueError(f"--out {out}: {target.name} lies there and is to be read: name another folder, inputs are kept")
        if target in targets.values():
            raise ValueError(f"two files would become {target}: do them one after the other, into different --out")
        if target.exists() and not overwrite:
            raise ValueError(f"{target} is there already: name another --out, or say --overwrite")
        targets[file] = target
    return targets
