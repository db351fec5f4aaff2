"""Pictures of any size made larger, or restored, by a trained generator, in bounded memory.

What is read: all that data sets are read from, so CMYK (converted without colour management) and 16-bit grey too (reduced to
8 bits; of 16-bit colour Pillow itself keeps 8). A picture is turned upright as its EXIF orientation says; its other EXIF data
and its colour profile are kept, and its transparency, enlarged by bicubic interpolation.
"""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zerosum.apply.tiles import Area, Window, needed_overlap, run_window, windows
from zerosum.data.feed import to_float
from zerosum.data.images import UnreadableError, naming_damage, opaque, open_image, upright
from zerosum.game import HasReach
from zerosum.noise import SeededNoise
from zerosum.pictures import to_pixels
from zerosum.sampling import Sampler

Pixels = NDArray[np.uint8]
Show = Callable[[list[Window]], Iterable[Window]]
"""Goes through the windows, perhaps with a progress bar."""

WINDOW = 768
"""Pixels of the result a side that are made at once, overlap included, where no tile is given."""
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
        tile: pixels of the source a side that are made at once; None: as fit into 768 pixels of the result.
        overlap: pixels around them that are seen too; None: as many as are needed for the same values to 1e-4.

    Raises:
        ValueError: the generator does not make a picture from a picture, or numbers out of range.
    """

    def __init__(self, sampler: Sampler, tile: int | None = None, overlap: int | None = None) -> None:
        gan = sampler.gan
        if gan.given != {"source"} or not isinstance(gan, HasReach):
            raise ValueError(
                f"{sampler.name or 'this generator'} does not make larger or restored pictures: train esrgan, or import one"
            )
        if (tile is not None and tile < 1) or (overlap is not None and overlap < 0):
            raise ValueError(f"the tile must be at least 1 and the overlap at least 0 pixels, not {tile} and {overlap}")
        self.sampler, self.scale, self.multiple = sampler, gan.scale, gan.multiple
        self.channels = sampler.card.shapes["source"][0]
        if overlap is None:
            overlap = needed_overlap(self, self.channels, self.scale, gan.reach, gan.multiple, sampler.device)
        self.overlap = overlap
        self.tile = tile or max(WINDOW // self.scale - 2 * overlap, overlap, gan.multiple)

    @torch.inference_mode()
    def __call__(self, source: Tensor) -> Tensor:
        """What the generator makes of a source `[1, C, h, w]` in [-1, 1], all at once."""
        return self.sampler.gan.sample({"source": source}, SeededNoise([0], self.sampler.device))

    def enlarge(self, pixels: Pixels, out: Pixels | None = None, show: Show = iter) -> Pixels:
        """Pixels uint8 `[H * scale, W * scale, C]` of pixels uint8 `[H, W, C]`, C 1 or 3; both may be memory maps.

        Args:
            out: where they are written; None: a new array.
            show: see `Show`.

        Raises:
            ValueError: colours for a generator of grey pictures.
        """
        height, width, channels = pixels.shape
        if channels > self.channels:
            raise ValueError("this generator was trained on grey pictures and takes no colours: convert the picture to grey")
        made: Pixels = np.empty((height * self.scale, width * self.scale, channels), np.uint8) if out is None else out

        def read(area: Area) -> Tensor:
            part = torch.from_numpy(np.array(pixels[area].transpose(2, 0, 1)[None], order="C"))
            return to_float(part.to(self.sampler.device)).expand(-1, self.channels, -1, -1)

        for window in show(list(windows(height, width, self.tile, self.overlap, self.multiple))):
            images = run_window(self, read, window, (height, width), self.scale)
            if channels < self.channels:
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
    """Read a picture, enlarge or restore it through a memory map beside the target, and write it. Returns width and height.

    Raises:
        ValueError: as `read_photo`, `Enlarger.enlarge` and `save_photo`.
        OSError: it cannot be written.
    """
    photo, scale = read_photo(source), enlarger.scale
    height, width, channels = photo.pixels.shape
    with tempfile.TemporaryFile(dir=target.parent) as file:
        out = np.memmap(file, np.uint8, "w+", shape=(height * scale, width * scale, channels))
        enlarger.enlarge(photo.pixels, out, show)
        alpha = photo.alpha
        if alpha is not None and scale > 1:
            larger = Image.fromarray(alpha).resize((width * scale, height * scale), Image.Resampling.BICUBIC)
            alpha = np.asarray(larger)
        save_photo(Photo(out, alpha, photo.exif, photo.profile), target)
        del out
    return width * scale, height * scale


def targets_of(files: Iterable[Path], out: Path, overwrite: bool = False) -> dict[Path, Path]:
    """Where what is made of each file goes: into the folder `out`, under its name, as .png where its format is not written.

    Raises:
        ValueError: two files would go to one place, a file to its own, or something is there already.
    """
    targets: dict[Path, Path] = {}
    files = list(files)
    sources = {file.resolve() for file in files}
    for file in files:
        target = out / (file.name if file.suffix.lower() in SAVED else f"{file.stem}.png")
        if target.resolve() in sources:
            raise ValueError(f"--out {out}: {target.name} lies there and is to be read: name another folder, inputs are kept")
        if target in targets.values():
            raise ValueError(f"two pictures would become {target}: do them one after the other, into different --out")
        if target.exists() and not overwrite:
            raise ValueError(f"{target} is there already: name another --out, or say --overwrite")
        targets[file] = target
    return targets
