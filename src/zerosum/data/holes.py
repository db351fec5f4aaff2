"""Pictures with holes to be filled: strokes of a brush, boxes and halves, drawn on the fly.

A picture with a hole is one whose hole is transparent, uint8 `[H, W, C + 1]`: grey where it is not known, and last whether a
pixel is known (255) or to be filled (0). Holes come from a numpy stream, so they are functions of its seed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from zerosum.data.cache import prepared
from zerosum.data.dataset import Dataset, Images
from zerosum.datacard import DataCard
from zerosum.game import Batch
from zerosum.noise import derive_seed
from zerosum.recipe import Data

Kind = Literal["mixed", "strokes", "boxes", "halves"]
Stream = np.random.Generator
Hole = NDArray[np.bool_]
"""`[H, W]`, true where the picture is to be filled."""

MIXED = {"strokes": 1 / 2, "boxes": 1 / 3, "halves": 1 / 6}
"""How often each is drawn."""
MOST = 0.6
"""Share of a picture that its hole may be; larger ones are drawn again."""
GREY = 128
"""In holes."""


def draw_hole(height: int, width: int, kind: Kind, stream: Stream) -> Hole:
    """A hole in a picture of at least 4 pixels a side, of which some pixels are known and some are not."""
    if kind == "mixed":
        kind = stream.choice(list(MIXED), p=list(MIXED.values()))
    hole = np.zeros((height, width), np.bool_)
    while not 0 < hole.mean() <= MOST:
        if kind == "strokes":
            hole = strokes(height, width, stream)
        elif kind == "boxes":
            rows, columns = (int(stream.integers(side // 4, side // 2 + 1)) for side in (height, width))
            top, left = stream.integers(0, height - rows + 1), stream.integers(0, width - columns + 1)
            hole = np.zeros((height, width), np.bool_)
            hole[top : top + rows, left : left + columns] = True
        else:
            ahead = np.indices((height, width))[stream.integers(2)]
            hole = (ahead < (ahead.max() + 1) // 2) ^ bool(stream.integers(2))
    return hole


def strokes(height: int, width: int, stream: Stream) -> Hole:
    """Strokes of a brush that turns to and fro (Yu et al. 2019, algorithm 1; its sizes here are shares of the sides)."""
    image = Image.new("1", (width, height))
    draw, side = ImageDraw.Draw(image), min(height, width)
    for _ in range(stream.integers(1, 5)):
        brush, turn = max(1, round(side * stream.uniform(0.05, 0.16))), stream.uniform(0, 2 * np.pi)
        place = stream.uniform(0, 1, 2) * (width, height)
        for vertex in range(stream.integers(2, 9)):
            angle = turn + stream.uniform(-0.8, 0.8) + (np.pi if vertex % 2 else 0)
            step = side * stream.uniform(0.1, 0.4) * np.array([np.cos(angle), np.sin(angle)])
            after = np.clip(place + step, 0, (width - 1, height - 1))
            draw.line([*place, *after], 1, brush)
            for x, y in (place, after):  # round ends and joints
                draw.ellipse([x - brush / 2, y - brush / 2, x + brush / 2, y + brush / 2], 1)
            place = after
    return np.asarray(image)


def draw_holes(height: int, width: int, side: int, kind: Kind, stream: Stream) -> Hole:
    """A hole for every part of `side` x `side` pixels of a picture, those at its right and lower border cut off."""
    rows, columns = -(-height // side), -(-width // side)
    parts = [[draw_hole(side, side, kind, stream) for _ in range(columns)] for _ in range(rows)]
    return np.block(parts)[:height, :width]


def with_hole(pixels: NDArray[np.uint8], hole: Hole) -> NDArray[np.uint8]:
    """Pixels `[H, W, C]` with a hole, `[H, W, C + 1]`."""
    emptied = np.where(hole[..., None], np.uint8(GREY), pixels)
    return np.concatenate([emptied, np.where(hole, np.uint8(0), np.uint8(255))[..., None]], 2)


class Holed(Dataset):
    """Images as targets, and the same with holes as sources.

    `batch` gives holes that are functions of the position: always the same to judge by. `drawn` gives such as are functions of
    seeds.

    Args:
        pictures: prepared images.
        kind: of the holes.
    """

    def __init__(self, pictures: Images, kind: Kind) -> None:
        self.pictures, self.kind = pictures, kind
        shape = pictures.card.shapes["image"]
        content = hashlib.sha256(f"holes {pictures.card.content}".encode()).hexdigest()
        self.card = DataCard(len(pictures), content, {"source": holed_shape(shape), "target": shape})

    def batch(self, indices: np.ndarray, mirrored: np.ndarray | None = None) -> Batch:
        return self.drawn(indices, mirrored, [derive_seed("hole", int(index)) for index in indices])

    def drawn(self, indices: np.ndarray, mirrored: np.ndarray | None, seeds: Sequence[int]) -> Batch:
        target = self.pictures.batch(indices, mirrored)["image"]
        height, width = target.shape[2:]
        holes = [draw_hole(height, width, self.kind, np.random.default_rng(seed)) for seed in seeds]
        return {"source": as_source(target, torch.from_numpy(np.stack(holes))[:, None]), "target": target}

    def pair(self, position: int, largest: int) -> Batch:
        """A batch of one pair, to judge by; `largest` is of data sets whose examples are of any size."""
        return self.batch(np.array([position]))


def as_source(pictures: Tensor, holes: Tensor) -> Tensor:
    """Pictures uint8 `[N, C, H, W]` with holes bool `[N, 1, H, W]`, uint8 `[N, C + 1, H, W]`."""
    return torch.cat([pictures.masked_fill(holes, GREY), torch.where(holes, 0, 255).to(torch.uint8)], 1)


def holed_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a picture `(C, H, W)` with a hole."""
    return (shape[0] + 1, *shape[1:])


def prepared_holed(settings: Data, cache: Path) -> Holed:
    """Any images with holes.

    Raises:
        ValueError: as `cache.prepared`.
    """
    return Holed(prepared(replace(settings, labels=()), cache), settings.holes)
