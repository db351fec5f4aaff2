"""Pictures of two kinds, "a" and "b", that need not belong together: two sub-folders, of any numbers of images."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from zerosum.data.cache import judge_skipped, key, prepared_source
from zerosum.data.dataset import Dataset, Images
from zerosum.data.pairs import cropped, cut, middles, part_of, side_of
from zerosum.data.source import Source
from zerosum.data.sources import open_source
from zerosum.datacard import DataCard
from zerosum.game import Batch
from zerosum.noise import derive_seed
from zerosum.recipe import Data


class Unpaired(Dataset):
    """One example is one picture of the side that has more, and one of the other side.

    `batch` goes through both sides in order, the shorter one again and again. `drawn` takes a random picture of the shorter
    side, crops and mirrors both by themselves, all as functions of seeds.

    Args:
        a, b: with images `[M, C, H, W]`, H and W those of the examples and `jitter` pixels.
        jitter: pixels that crops leave out a side.
    """

    def __init__(self, a: Images, b: Images, jitter: int) -> None:
        self.sides, self.jitter = {"a": a, "b": b}, jitter
        content = hashlib.sha256(f"unpaired {a.card.content} {b.card.content}".encode()).hexdigest()
        shapes = {name: cropped(side.card.shapes["image"], jitter) for name, side in self.sides.items()}
        self.card = DataCard(max(len(a), len(b)), content, shapes)

    def batch(self, indices: np.ndarray, mirrored: np.ndarray | None = None) -> Batch:
        corners = middles(len(indices), self.jitter)
        taken = {name: side.batch(indices % len(side), mirrored)["image"] for name, side in self.sides.items()}
        return {name: cut(pictures, corners, self.jitter) for name, pictures in taken.items()}

    def drawn(self, indices: np.ndarray, mirrored: np.ndarray | None, seeds: Sequence[int]) -> Batch:
        batch: Batch = {}
        for name, side in self.sides.items():
            streams = [np.random.default_rng(derive_seed(seed, "side", name)) for seed in seeds]
            rows = indices if len(side) == len(self) else np.array([stream.integers(len(side)) for stream in streams])
            corners = np.stack([stream.integers(0, self.jitter + 1, 2) for stream in streams])
            turned = None if mirrored is None else np.array([stream.random() < 0.5 for stream in streams])
            batch[name] = cut(side.batch(rows, turned)["image"], corners, self.jitter)
        return batch


def prepared_unpaired(settings: Data, cache: Path) -> Unpaired:
    """Both sides from the cache; prepared first where they are not there.

    Raises:
        FileNotFoundError: nothing lies at the path.
        ValueError: a side is empty; or as `cache.prepared`.
    """
    larger = replace(settings, labels=(), resolution=settings.resolution + settings.jitter)

    def side(name: str) -> Images:
        @contextmanager
        def opened() -> Iterator[Source]:
            with open_source(settings.path) as source:
                yield part_of(source, side_of(source, settings.sides, name))

        found = prepared_source(larger, cache / key(larger, ("unpaired", *settings.sides, name)), opened)
        judge_skipped(found.skipped, len(found), settings)
        return found

    return Unpaired(side(settings.sides[0]), side(settings.sides[1]), settings.jitter)
