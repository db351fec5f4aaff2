"""Pairs of pictures of one thing, "source" and "target": from two sub-folders, from files that show both, or by taking the
colours away.

Both are brought to one size and kept in the cache. Training may see crops at random places of slightly larger pictures
(jitter), the same for both.
"""

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zerosum.data import images
from zerosum.data.cache import judge_skipped, key, prepared, prepared_source
from zerosum.data.dataset import Dataset, Images
from zerosum.data.images import UnreadableError
from zerosum.data.source import LISTED, Source, listed
from zerosum.data.sources import open_source
from zerosum.datacard import DataCard
from zerosum.game import Batch
from zerosum.recipe import Data

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in a grey value (ITU-R BT.601), those of Pillow."""
TURNED = (5, 6, 7, 8)
"""EXIF orientations that exchange width and height."""
ORIENTATION = 0x0112
"""The EXIF tag."""


class Pairs(Dataset):
    """Two prepared sets of images whose rows belong together.

    Args:
        source, target: with images `[M, C, H, W]`, H and W those of the examples and `jitter` pixels.
        rows: of both that are used, int64 `[2, N]`.
        jitter: pixels that crops leave out a side.
    """

    def __init__(self, source: Images, target: Images, rows: np.ndarray, jitter: int) -> None:
        self.source, self.target, self.rows, self.jitter = source, target, rows, jitter
        content = hashlib.sha256(repr((source.card.content, target.card.content, rows.tolist())).encode()).hexdigest()
        shapes = {name: cropped(side.card.shapes["image"], jitter) for name, side in (("source", source), ("target", target))}
        self.card = DataCard(rows.shape[1], content, shapes)

    def batch(self, indices: np.ndarray, mirrored: np.ndarray | None = None) -> Batch:
        return self._pairs(indices, mirrored, middles(len(indices), self.jitter))

    def drawn(self, indices: np.ndarray, mirrored: np.ndarray | None, seeds: Sequence[int]) -> Batch:
        return self._pairs(indices, mirrored, places(seeds, self.jitter))

    def pair(self, position: int, largest: int) -> Batch:
        """A batch of one pair, to judge by; `largest` is of data sets whose examples are of any size."""
        return self.batch(np.array([position]))

    def _pairs(self, indices: np.ndarray, mirrored: np.ndarray | None, corners: np.ndarray) -> Batch:
        """Sources and targets uint8 `[N, C, H, W]`, both cut at the same corners `[N, 2]`."""
        sides = {"source": (self.source, self.rows[0]), "target": (self.target, self.rows[1])}
        taken = {name: side.batch(rows[indices], mirrored)["image"] for name, (side, rows) in sides.items()}
        return {name: cut(pictures, corners, self.jitter) for name, pictures in taken.items()}


class Colouring(Dataset):
    """Coloured images as targets, and what is left of them without their colours as sources.

    Args:
        pictures: prepared images of 3 channels.
        jitter: pixels that crops leave out a side.
    """

    def __init__(self, pictures: Images, jitter: int) -> None:
        self.pictures, self.jitter = pictures, jitter
        shape = cropped(pictures.card.shapes["image"], jitter)
        content = hashlib.sha256(f"colouring {pictures.card.content}".encode()).hexdigest()
        self.card = DataCard(len(pictures), content, {"source": (1, *shape[1:]), "target": shape})

    def batch(self, indices: np.ndarray, mirrored: np.ndarray | None = None) -> Batch:
        return self._pairs(indices, mirrored, middles(len(indices), self.jitter))

    def drawn(self, indices: np.ndarray, mirrored: np.ndarray | None, seeds: Sequence[int]) -> Batch:
        return self._pairs(indices, mirrored, places(seeds, self.jitter))

    def pair(self, position: int, largest: int) -> Batch:
        """A batch of one pair, to judge by, see `Pairs.pair`."""
        return self.batch(np.array([position]))

    def _pairs(self, indices: np.ndarray, mirrored: np.ndarray | None, corners: np.ndarray) -> Batch:
        target = cut(self.pictures.batch(indices, mirrored)["image"], corners, self.jitter)
        return {"source": grey(target), "target": target}


def grey(colours: Tensor) -> Tensor:
    """The luma of colours uint8 `[N, 3, H, W]`, uint8 `[N, 1, H, W]`."""
    luma = (colours.float() * torch.tensor(LUMA).reshape(3, 1, 1)).sum(1, keepdim=True)
    return luma.round_().to(torch.uint8)


def cropped(shape: tuple[int, ...], jitter: int) -> tuple[int, ...]:
    """`(C, H, W)` without the jitter's pixels."""
    return (shape[0], shape[1] - jitter, shape[2] - jitter)


def middles(number: int, jitter: int) -> np.ndarray:
    """The corners of crops from the middle, int64 `[N, 2]`."""
    return np.full((number, 2), jitter // 2, np.int64)


def places(seeds: Sequence[int], jitter: int) -> np.ndarray:
    """The corners of crops at random places, functions of the seeds, int64 `[N, 2]`."""
    if not jitter:
        return middles(len(seeds), 0)
    return np.stack([np.random.default_rng(seed).integers(0, jitter + 1, 2) for seed in seeds])


def cut(pictures: Tensor, corners: np.ndarray, jitter: int) -> Tensor:
    """Crops of pictures `[N, C, H, W]` with their corners at `[N, 2]`, `jitter` pixels smaller."""
    if not jitter:
        return pictures
    height, width = (side - jitter for side in pictures.shape[2:])
    crops = [
        picture[:, top : top + height, left : left + width]
        for picture, (top, left) in zip(pictures, corners.tolist(), strict=True)
    ]
    return torch.stack(crops)


def prepared_colouring(settings: Data, cache: Path) -> Colouring:
    """Any images as pairs of grey and coloured.

    Raises:
        ValueError: `settings.colour` is "grey"; or as `cache.prepared`.
    """
    if settings.colour == "grey":
        raise ValueError("data.colour grey leaves nothing to colour: set it to auto or rgb for data.kind colouring")
    larger = replace(settings, colour="rgb", labels=(), resolution=settings.resolution + settings.jitter)
    return Colouring(prepared(larger, cache), settings.jitter)


def prepared_pairs(settings: Data, cache: Path) -> Pairs:
    """Pairs from the cache; prepared first where they are not there.

    Raises:
        FileNotFoundError: nothing lies at the path.
        ValueError: a side is empty, files without a partner, pairs of two sizes, files that cannot be halved, all listed;
            or as `cache.prepared`.
    """
    larger = replace(settings, labels=(), resolution=settings.resolution + settings.jitter)

    def side(name: str) -> Images:
        folder = cache / key(larger, ("pairs", *settings.sides, name))
        return prepared_source(larger, folder, lambda: _open(settings, name))

    sides = [side(name) for name in settings.sides]
    skipped = list(dict.fromkeys((name, reason) for found in sides for name, reason in found.skipped))
    rows = _rows_of_whole_pairs(settings, sides) if skipped else np.tile(np.arange(len(sides[0])), (2, 1))
    judge_skipped(skipped, rows.shape[1], settings)
    return Pairs(sides[0], sides[1], rows, settings.jitter)


def _rows_of_whole_pairs(settings: Data, sides: Sequence[Images]) -> np.ndarray:
    """Where the two pictures of every pair of which both can be read lie, int64 `[2, N]`."""
    readable = []
    for name, side in zip(settings.sides, sides, strict=True):
        with _open(settings, name) as source:
            skipped = {broken for broken, _ in side.skipped}
            readable.append(np.array([file not in skipped for file in source.names]))
    both = readable[0] & readable[1]
    return np.stack([np.cumsum(side)[both] - 1 for side in readable])


@contextmanager
def _open(settings: Data, side: str) -> Iterator[Source]:
    """One side of all pairs, in the order of their names, the same for both sides."""
    with open_source(settings.path) as source:
        if "label" in source.columns:
            yield _paired(source, settings.sides, side)
        else:
            yield _halved(source, settings.sides, side)


def side_of(source: Source, sides: tuple[str, str], side: str) -> list[int]:
    """The positions of the examples of one side: those in its sub-folder, or of its class.

    Raises:
        ValueError: there are none.
    """
    labels = [_name_of(source, label) for label in source.columns.get("label", [])]
    found = [index for index, label in enumerate(labels) if label == side]
    if found:
        return found
    there = sorted({str(label) for label in labels})
    if set(sides) & set(there):
        raise ValueError(f"{source.path}: {side} is empty: put images into it, or name other sub-folders with data.sides")
    listed = f"only {', '.join(there[:LISTED])}" if there else "no sub-folders at all"
    raise ValueError(
        f"{source.path} has no sub-folders {sides[0]} and {sides[1]}, but {listed}: name the two that are meant with "
        f"data.sides, such as --data.sides {' '.join(there[:2]) if len(there) > 1 else 'photo drawing'}"
    )


def _name_of(source: Source, label: object) -> str:
    """The class of an example by name."""
    return source.class_names[label] if isinstance(label, int) and label < len(source.class_names) else str(label)


def part_of(source: Source, positions: Sequence[int]) -> Source:
    """The examples at these positions, without labels."""
    names = [source.names[position] for position in positions]
    return Source(source.path, source.kind, names, lambda index: source.read(positions[index]))


def _paired(source: Source, sides: tuple[str, str], side: str) -> Source:
    """The pictures of one side, after a look at whether all have partners of their size."""
    found: list[dict[str, int]] = []
    for name in sides:
        positions = side_of(source, sides, name)
        stems = [str(PurePosixPath(source.names[position].removeprefix(f"{name}/")).with_suffix("")) for position in positions]
        twice = sorted({stem for stem in stems if stems.count(stem) > 1}) if len(set(stems)) < len(stems) else []
        if twice:
            raise ValueError(f"{source.path}: in {name} more than one file is named {listed(twice)}: keep one of each")
        found.append(dict(zip(stems, positions, strict=True)))
    alone = [f"{sides[number]}/{stem}" for number in (0, 1) for stem in sorted(set(found[number]) - set(found[1 - number]))]
    if alone:
        raise ValueError(
            f"{source.path}: these {len(alone)} files have no partner of their name on the other side: {listed(alone)}. "
            "Add their partners, or take them away"
        )
    pairs = [(found[0][stem], found[1][stem]) for stem in sorted(found[0])]
    _refuse_unequal(source, pairs)
    return part_of(source, [pair[sides.index(side)] for pair in pairs])


def _refuse_unequal(source: Source, pairs: Sequence[tuple[int, int]]) -> None:
    """Refuse pairs of two sizes, before any is decoded."""
    unequal = []
    for one, other in pairs:
        sizes = [_size(source.read(position)) for position in (one, other)]
        if None not in sizes and sizes[0] != sizes[1]:
            unequal.append(f"{source.names[one]} {_by(sizes[0])} and {source.names[other]} {_by(sizes[1])}")
    if unequal:
        raise ValueError(
            f"{source.path}: the two pictures of a pair must have one size, but {len(unequal)} pairs do not: "
            f"{listed(unequal)}. Bring them to one size, or take them away"
        )


def _size(raw: bytes | np.ndarray) -> tuple[int, int] | None:
    """Width and height of an upright picture; None: it cannot be read, which is found out when it is prepared."""
    if isinstance(raw, np.ndarray):
        return raw.shape[1], raw.shape[0]
    try:
        with images.naming_damage(), images.quiet_decoders(), Image.open(io.BytesIO(raw)) as image:
            size, turned = image.size, image.getexif().get(ORIENTATION) in TURNED
    except UnreadableError:
        return None
    return (size[1], size[0]) if turned else size


def _by(size: tuple[int, int] | None) -> str:
    return "" if size is None else f"({size[0]} x {size[1]})"


def _halved(source: Source, sides: tuple[str, str], side: str) -> Source:
    """The left (A) or right (B) halves of pictures that show both sides.

    Raises:
        ValueError: other sides are asked for.
    """
    if set(sides) != {"A", "B"}:
        raise ValueError(
            f"{source.path} has no sub-folders {sides[0]} and {sides[1]}; in files that show both sides they are called A "
            "(left) and B (right)"
        )

    def read(index: int) -> np.ndarray:
        pixels = np.asarray(images.opaque(images.upright(images.open_image(source.read(index)))))
        half, odd = divmod(pixels.shape[1], 2)
        if odd:
            raise UnreadableError(f"{pixels.shape[1]} pixels wide, which cannot be halved into two pictures of one size")
        return pixels[:, :half] if side == "A" else pixels[:, half:]

    return Source(source.path, source.kind, source.names, read)
