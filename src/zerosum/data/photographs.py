"""Photographs of any size, of which random crops are made worse on the fly: pairs of "source" and "target".

They are decoded once into the cache, one after the other in one file, and read through a memory map: crops cost no decoding,
and photographs need not fit into memory.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from zerosum.data import images
from zerosum.data.cache import NOT_WHOLE, Skipped, judge_skipped, written
from zerosum.data.dataset import Dataset
from zerosum.data.degradations import degrade
from zerosum.data.holes import draw_holes, holed_shape, with_hole
from zerosum.data.images import UnreadableError
from zerosum.data.parallel import in_order
from zerosum.data.source import Source
from zerosum.data.sources import open_source, stamps
from zerosum.datacard import DataCard
from zerosum.game import Batch
from zerosum.noise import derive_seed
from zerosum.recipe import Data

FORMAT = 1
"""Of the cache; others are prepared anew."""
TOGETHER = 2
"""Photographs that are decoded by one thread before it hands them over."""


class Photographs(Dataset):
    """One example is one photograph: a crop of it is the target, what a degradation makes of the crop the source.

    `batch` gives the middle of photographs, with a degradation that is a function of the position: always the same pairs to
    judge by. `drawn` gives crops and degradations that are functions of seeds: for training.

    Args:
        folder: holds pixels.npy (uint8, all photographs one after the other), table.json and skipped.json.

    Raises:
        ValueError, OSError: the folder does not hold whole prepared photographs, or all are smaller than a crop.
    """

    def __init__(self, folder: Path, settings: Data) -> None:
        table = json.loads((folder / "table.json").read_text(encoding="utf-8"))
        self.skipped: Skipped = [(name, reason) for name, reason in json.loads((folder / "skipped.json").read_text("utf-8"))]
        self.pixels: np.ndarray = np.asarray(np.load(folder / "pixels.npy", mmap_mode="r"))
        self.crop, self.scale, self.degradation = settings.resolution, settings.scale, settings.degradation
        self.holes = settings.holes
        self.channels = table["channels"]
        sizes = np.array(table["sizes"], np.int64).reshape(-1, 2)
        starts = np.concatenate([[0], np.cumsum(sizes.prod(axis=1) * self.channels)])
        if self.pixels.shape != (starts[-1],) or self.pixels.dtype != np.uint8:
            raise ValueError(f"{folder}: pixels.npy does not match table.json")
        large = sizes.min(axis=1) >= self.crop
        self.skipped += [
            (name, f"{width} x {height} pixels, smaller than data.resolution {self.crop}")
            for name, (height, width), fits in zip(table["names"], sizes, large, strict=True)
            if not fits
        ]
        self.sizes, self.starts = sizes[large], starts[:-1][large]
        self.card = DataCard(len(self.sizes), table["content"], shapes_of(settings, self.channels))

    def photograph(self, position: int) -> np.ndarray:
        """All of a photograph, uint8 `[H, W, C]`, as a view of the memory map."""
        (height, width), start = self.sizes[position], self.starts[position]
        return self.pixels[start : start + height * width * self.channels].reshape(height, width, self.channels)

    def batch(self, indices: np.ndarray, mirrored: np.ndarray | None = None) -> Batch:
        return self._pairs(indices, mirrored, [derive_seed("degradation", int(index)) for index in indices], centred=True)

    def drawn(self, indices: np.ndarray, mirrored: np.ndarray | None, seeds: Sequence[int]) -> Batch:
        return self._pairs(indices, mirrored, seeds, centred=False)

    def pair(self, position: int, largest: int) -> Batch:
        """The middle of a photograph, at most `largest` pixels a side, with always the same degradation: a batch of one pair.

        Its sides are divisible by four times the scale.
        """
        unit, photograph = 4 * self.scale, self.photograph(position)
        height, width = (min(side, largest) // unit * unit for side in photograph.shape[:2])
        top, left = (photograph.shape[0] - height) // 2, (photograph.shape[1] - width) // 2
        target = np.ascontiguousarray(photograph[top : top + height, left : left + width])
        stream = np.random.default_rng(derive_seed("degradation", position))
        return as_batch([self._spoilt(target, stream)], [target])

    def _pairs(self, indices: np.ndarray, mirrored: np.ndarray | None, seeds: Sequence[int], centred: bool) -> Batch:
        """Sources uint8 `[N, C, h, w]` and targets uint8 `[N, C, H, W]`."""
        sources, targets = [], []
        for number, (index, seed) in enumerate(zip(indices, seeds, strict=True)):
            stream, photograph = np.random.default_rng(seed), self.photograph(int(index))
            spare = np.array(photograph.shape[:2]) - self.crop
            top, left = spare // 2 if centred else stream.integers(0, spare + 1)
            target = photograph[top : top + self.crop, left : left + self.crop]
            if mirrored is not None and mirrored[number]:
                target = target[:, ::-1]
            target = np.ascontiguousarray(target)
            targets.append(target)
            sources.append(self._spoilt(target, stream))
        return as_batch(sources, targets)

    def _spoilt(self, target: np.ndarray, stream: np.random.Generator) -> np.ndarray:
        if self.degradation == "holes":
            height, width = target.shape[:2]
            return with_hole(target, draw_holes(height, width, self.crop, self.holes, stream))
        return degrade(target, self.scale, self.degradation, stream)


def as_batch(sources: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> Batch:
    """Pictures `[H, W, C]` as "source" and "target" `[N, C, H, W]`."""
    stacked = {"source": np.stack(sources), "target": np.stack(targets)}
    return {key: torch.from_numpy(np.ascontiguousarray(value.transpose(0, 3, 1, 2))) for key, value in stacked.items()}


def shapes_of(settings: Data, channels: int) -> dict[str, tuple[int, ...]]:
    """The shapes of one source and one target."""
    side, crop = settings.resolution // settings.scale, settings.resolution
    source = (channels, side, side)
    return {
        "source": holed_shape(source) if settings.has_holes else source,
        "target": (channels, crop, crop),
    }


def prepared_photographs(settings: Data, cache: Path) -> Photographs:
    """The photographs from the cache; decoded first if they are not there, or not whole.

    Raises:
        FileNotFoundError: nothing lies at the path.
        ValueError: no photographs, none as large as a crop, or some unreadable or too small and `settings.broken` is "refuse";
            the cache cannot be written.
    """
    is_grey = settings.colour == "grey"
    chosen = json.dumps(["photographs", FORMAT, stamps(settings.path), is_grey])
    folder = cache / hashlib.sha256(chosen.encode()).hexdigest()[:24]
    opened = partial(Photographs, settings=settings)
    try:
        dataset = opened(folder)
    except NOT_WHOLE:
        with open_source(settings.path) as source:
            dataset = written(folder, "photographs", lambda work: _decode(source, work, "grey" if is_grey else "rgb"), opened)
    judge_skipped(dataset.skipped, len(dataset), settings)
    return dataset


def _decode(source: Source, work: Path, colour: images.Colour) -> None:
    def read(index: int) -> np.ndarray | str:
        try:
            with images.naming_damage():
                image = images.opaque(images.upright(images.open_image(source.read(index))))
                pixels = np.asarray(image.convert("L" if colour == "grey" else "RGB"))
                return pixels.reshape(*pixels.shape[:2], -1)
        except UnreadableError as problem:
            return str(problem)

    names, sizes, skipped, digest = list[str](), list[list[int]](), Skipped(), hashlib.sha256()
    channels, count = 1 if colour == "grey" else 3, 0
    with images.quiet_decoders(), (work / "pixels.npy").open("wb", buffering=1 << 20) as file:
        _write_header(file, 0)
        for index, pixels in enumerate(in_order(read, len(source.names), "preparing photographs", TOGETHER)):
            if isinstance(pixels, str):
                skipped.append((source.names[index], pixels))
                continue
            data = np.ascontiguousarray(pixels).data
            file.write(data)
            digest.update(repr(pixels.shape).encode())
            digest.update(data)
            names.append(source.names[index])
            sizes.append(list(pixels.shape[:2]))
            count += pixels.size
        _write_header(file, count)
    table = {"channels": channels, "content": digest.hexdigest(), "names": names, "sizes": sizes}
    (work / "skipped.json").write_text(json.dumps(skipped, ensure_ascii=False), encoding="utf-8")
    (work / "table.json").write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")


def _write_header(file: BinaryIO, count: int) -> None:
    """The .npy header of `count` bytes, which leaves room for a larger count."""
    file.seek(0)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (count,)})
