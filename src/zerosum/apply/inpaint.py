"""Holes in pictures of any size filled by a trained generator, in bounded memory; known pixels stay as they are, bit for bit.

Holes are taken one after the other, each with a window of the picture around it; what has been filled counts as known from
then on. One that is larger than a tile is filled tile by tile. One that is much thicker than those of training is filled in a
smaller picture, and enlarged: soft, but of one piece.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import find_objects, label  # type: ignore[import-untyped]
from torch import Tensor

from zerosum.apply.tiles import Area, Window, run_window, windows
from zerosum.apply.upscale import Photo, Pixels, Show, read_photo, save_photo
from zerosum.data.feed import to_float
from zerosum.data.holes import Hole, as_source, holed_shape
from zerosum.noise import SeededNoise
from zerosum.pictures import to_pixels
from zerosum.sampling import Sampler

CELL = 8
"""Pixels a side of the cells by which holes are told apart: nearer ones are one."""
TILE = 256
"""Pixels a side that are filled at once, if training did not see more."""
WHITE = 128
"""Grey value from which on a mask says: fill this."""


@dataclass(frozen=True)
class Step:
    """One thing to do: which hole, what is seen, which part of it is filled, and how many times smaller."""

    number: int
    window: Window
    times: int


class Inpainter:
    """A trained generator that fills holes in pictures of any size.

    Args:
        sampler: `zerosum.load` of a run.
        tile: pixels a side that are filled at once; None: 256, or the side of training where that is larger.

    Raises:
        ValueError: the generator does not fill holes, or a tile below 1.
    """

    def __init__(self, sampler: Sampler, tile: int | None = None) -> None:
        shapes, name = sampler.card.shapes, sampler.name or "this generator"
        if "source" not in shapes or shapes["source"] != holed_shape(shapes["target"]):
            raise ValueError(f"{name} does not fill holes: train inpainting")
        if tile is not None and tile < 1:
            raise ValueError(f"the tile must be at least 1 pixel, not {tile}")
        self.sampler, (self.channels, self.side, _) = sampler, shapes["target"]
        self.tile, self.context = tile or max(TILE, self.side), self.side // 2
        self.multiple: int = getattr(sampler.gan, "multiple", 1)

    @torch.inference_mode()
    def __call__(self, source: Tensor) -> Tensor:
        """A picture `[1, C, h, w]` of one with a hole `[1, C + 1, h, w]`, in [-1, 1], all at once."""
        return self.sampler.gan.sample({"source": source}, SeededNoise([0], self.sampler.device))

    def check(self, channels: int) -> None:
        """Refuse pictures of so many channels.

        Raises:
            ValueError: colours for a generator of grey pictures.
        """
        if channels > self.channels:
            raise ValueError("this generator was trained on grey pictures and takes no colours: convert the picture to grey")

    def fill(self, pixels: Pixels, hole: Hole, show: Show = iter) -> Pixels:
        """Pixels uint8 `[H, W, C]`, C 1 or 3, with what is in the hole `[H, W]` made anew.

        Raises:
            ValueError: as `check`.
        """
        self.check(pixels.shape[2])
        out, unknown, holes = pixels.copy(), hole.copy(), numbered(hole)
        for step in show(list(self.steps(hole, holes))):
            seen, kept, inner = step.window.seen, step.window.kept, step.window.inner(1)
            made = self._made(out[seen], unknown[seen], step.times)[inner]
            ours = unknown[kept] & of_hole(holes, step.number, kept)
            out[kept][ours] = made[ours]
            unknown[kept][ours] = False
        return out

    def steps(self, hole: Hole, holes: NDArray[np.int32]) -> Iterator[Step]:
        """What to do for every hole; `holes` are their numbers, see `numbered`."""
        for number, cells in enumerate(find_objects(holes), 1):
            area = pixels_of(cells, hole.shape)
            times = max(1, 4 * largest_square(hole[area] & of_hole(holes, number, area)) // self.side)
            if times > 1:
                yield Step(number, Window(self._around(area, hole.shape, times), area), times)
                continue
            (top, height), (left, width) = ((part.start, part.stop - part.start) for part in area)
            for window in windows(height, width, self.tile, 0):
                rows, columns = window.kept
                kept = slice(top + rows.start, top + rows.stop), slice(left + columns.start, left + columns.stop)
                if (hole[kept] & of_hole(holes, number, kept)).any():
                    yield Step(number, Window(self._around(kept, hole.shape, 1), kept), 1)

    def _around(self, area: Area, shape: tuple[int, ...], times: int) -> Area:
        """The area and what is seen around it."""
        margin = self.context * times
        rows, columns = (
            slice(max(0, part.start - margin), min(length, part.stop + margin))
            for part, length in zip(area, shape, strict=True)
        )
        return rows, columns

    def _made(self, pixels: Pixels, unknown: Hole, times: int) -> Pixels:
        """All of an area as the generator makes it, or in a smaller picture and enlarged."""
        if times == 1:
            return self._at_once(pixels, unknown)
        small = self.fill(*reduced(pixels, unknown, times))
        return enlarged(small, pixels.shape, times)

    def _at_once(self, pixels: Pixels, unknown: Hole) -> Pixels:
        height, width, channels = pixels.shape
        picture = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()).expand(-1, self.channels, -1, -1)
        source = to_float(as_source(picture, torch.from_numpy(unknown.copy())[None, None]).to(self.sampler.device))
        (whole,) = windows(height, width, max(height, width), 0, self.multiple)
        made = run_window(self, lambda area: source[:, :, *area], whole, (height, width), 1)
        filled: Pixels = to_pixels(made.mean(1, keepdim=True) if channels < self.channels else made)[0]
        return filled


def numbered(hole: Hole) -> NDArray[np.int32]:
    """The numbers from 1 of the holes that cells of 8 x 8 pixels belong to, 0: none, `[H / 8, W / 8]` rounded up."""
    height, width = (-(-side // CELL) * CELL for side in hole.shape)
    whole = np.zeros((height, width), np.bool_)
    whole[: hole.shape[0], : hole.shape[1]] = hole
    cells = whole.reshape(height // CELL, CELL, width // CELL, CELL).any((1, 3))
    numbers: NDArray[np.int32] = label(cells, np.ones((3, 3)))[0]
    return numbers


def pixels_of(cells: Area, shape: tuple[int, ...]) -> Area:
    """The pixels of an area of cells."""
    rows, columns = (slice(part.start * CELL, min(part.stop * CELL, side)) for part, side in zip(cells, shape, strict=True))
    return rows, columns


def of_hole(holes: NDArray[np.int32], number: int, area: Area) -> Hole:
    """Which pixels of an area lie in cells of that hole."""
    rows, columns = (np.arange(part.start, part.stop) // CELL for part in area)
    ours: Hole = holes[rows[:, None], columns] == number
    return ours


def largest_square(hole: Hole) -> int:
    """The side of the largest square in a hole, of those of a power of two at multiples of it; 0: none."""
    side = 0
    while hole.any():
        side = 2 * side or 1
        height, width = (length // 2 * 2 for length in hole.shape)
        hole = np.all(hole[:height, :width].reshape(height // 2, 2, width // 2, 2), (1, 3))
    return side


def reduced(pixels: Pixels, unknown: Hole, times: int) -> tuple[Pixels, Hole]:
    """A smaller picture and its hole: means of known pixels; less than half known is unknown."""
    emptied = np.where(unknown[..., None], np.uint8(0), pixels)
    shares = np.asarray(Image.fromarray(np.where(unknown, np.uint8(0), np.uint8(255))).reduce(times))
    means = np.stack([np.asarray(Image.fromarray(plane).reduce(times)) for plane in emptied.transpose(2, 0, 1)], 2)
    scaled = means * (255 / np.maximum(shares, 1))[..., None]
    return np.rint(scaled).clip(0, 255).astype(np.uint8), shares < 128


def enlarged(pixels: Pixels, shape: tuple[int, ...], times: int) -> Pixels:
    """A reduced picture at the size `(H, W, C)` that it had (bicubic)."""
    height, width = shape[:2]
    box = (0, 0, width / times, height / times)
    planes = [
        Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC, box)
        for plane in np.ascontiguousarray(pixels.transpose(2, 0, 1))
    ]
    whole: Pixels = np.stack([np.asarray(plane) for plane in planes], 2)
    return whole


def read_mask(path: Path) -> Hole:
    """Where a picture is to be filled, `[H, W]`: where the mask is white, in any mode; transparent parts are not.

    Raises:
        ValueError: as `read_photo`.
    """
    photo = read_photo(path)
    grey = photo.pixels.mean(2)
    white: Hole = (grey if photo.alpha is None else grey * (photo.alpha / 255)) >= WHITE
    return white


def box_hole(box: tuple[int, int, int, int], height: int, width: int) -> Hole:
    """The hole of a box (x, y, width, height) in a picture.

    Raises:
        ValueError: the box is empty or does not lie in the picture.
    """
    x, y, columns, rows = box
    if min(columns, rows) < 1 or x < 0 or y < 0 or x + columns > width or y + rows > height:
        raise ValueError(
            f"--box {x},{y},{columns},{rows} (x, y, width, height) must lie in the picture, which is {width} x {height}"
        )
    hole = np.zeros((height, width), np.bool_)
    hole[y : y + rows, x : x + columns] = True
    return hole


def check_hole(hole: Hole, photo: Photo, name: str) -> None:
    """Refuse a hole that does not fit a picture, or leaves nothing to do or nothing to go by.

    Raises:
        ValueError: saying what is wrong with it.
    """
    height, width = photo.pixels.shape[:2]
    if hole.shape != (height, width):
        raise ValueError(
            f"{name} is {hole.shape[1]} x {hole.shape[0]}, the picture {width} x {height}: make a mask of the picture's size"
        )
    if not hole.any():
        raise ValueError(f"{name} has no white: nothing is to be filled. Make white what is to be filled")
    if hole.all():
        raise ValueError(f"{name} is all white: nothing of the picture is known to go by. Leave black what is to stay")


def fill_file(
    inpainter: Inpainter, source: Path, hole: Path | tuple[int, int, int, int], target: Path, show: Show = iter
) -> tuple[int, int, float]:
    """Read a picture, fill its hole, and write it. Returns width, height and the share that was filled.

    Args:
        hole: a mask's file, or a box.

    Raises:
        ValueError: as `read_photo`, `read_mask`, `box_hole`, `check_hole`, `Inpainter.check` and `save_photo`.
        OSError: it cannot be written.
    """
    photo = read_photo(source)
    height, width, channels = photo.pixels.shape
    try:
        inpainter.check(channels)
        where = read_mask(hole) if isinstance(hole, Path) else box_hole(hole, height, width)
        check_hole(where, photo, str(hole) if isinstance(hole, Path) else "--box {},{},{},{}".format(*hole))
    except ValueError as problem:
        raise ValueError(f"{source}: {problem}") from None
    filled = inpainter.fill(photo.pixels, where, show)
    save_photo(Photo(filled, photo.alpha, photo.exif, photo.profile), target)
    return width, height, float(where.mean())
