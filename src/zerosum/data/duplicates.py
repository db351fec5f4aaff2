"""Images that occur twice: the same, or nearly so."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

THUMBNAIL = 12
"""Width and height of the thumbnails that near duplicates are compared by, in pixels."""
MAX_BITS = 3
"""Near duplicates differ in at most this many of the 64 bits of their difference hashes ..."""
MAX_ERROR = 6.0
"""... and by at most this much, root mean square on the scale of 255, between their thumbnails."""
NEIGHBOURS = 32
"""Hashes that each is compared with in each of the four sorted orders: bounds the work, whatever the data."""
ONES = np.array([number.bit_count() for number in range(1 << 16)], dtype=np.uint8)


def difference_hash(image: Image.Image) -> int:
    """64 bits that survive resizing and recompression: is each cell of an 8 x 8 grid darker than its right neighbour?"""
    cells = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    return int.from_bytes(np.packbits(cells[:, :-1] < cells[:, 1:]).tobytes(), "big")


def thumbnail(image: Image.Image) -> np.ndarray:
    """The image in small, uint8 `[THUMBNAIL, THUMBNAIL, 3]`."""
    return np.asarray(image.convert("RGB").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))


def near_pairs(hashes: np.ndarray, thumbnails: np.ndarray) -> np.ndarray:
    """Pairs of positions of near duplicates, int64 `[P, 2]`.

    Two hashes within 3 bits agree on at least one quarter of their bits, so they are neighbours when sorted with that
    quarter first. Only the nearest `NEIGHBOURS` of each are compared, so in crowds of look-alikes some pairs are missed.

    Args:
        hashes: uint64 `[N]`, of `difference_hash`.
        thumbnails: uint8 `[N, THUMBNAIL, THUMBNAIL, 3]`.
    """
    found = [np.zeros((0, 2), dtype=np.int64)]
    for quarter in range(4):
        shift = np.uint64(16 * quarter)
        turned = hashes if not quarter else (hashes << shift) | (hashes >> (np.uint64(64) - shift))
        order = np.argsort(turned, kind="stable")
        ranked = hashes[order]
        for step in range(1, min(NEIGHBOURS, len(hashes) - 1) + 1):
            bits = ONES[(ranked[:-step] ^ ranked[step:]).view(np.uint16).reshape(-1, 4)].sum(axis=1)
            close = np.flatnonzero(bits <= MAX_BITS)
            found.append(np.stack([order[close], order[close + step]], axis=1))
    pairs: np.ndarray = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
    return pairs[_errors(thumbnails, pairs) <= MAX_ERROR]


def _errors(thumbnails: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Root mean square differences between the thumbnails of each pair, float `[P]`."""
    blocks = np.array_split(pairs, max(1, len(pairs) // 4096))
    squares = [np.square(thumbnails[b[:, 0]].astype(np.float32) - thumbnails[b[:, 1]]).mean(axis=(1, 2, 3)) for b in blocks]
    root: np.ndarray = np.sqrt(np.concatenate(squares))
    return root


def groups(pairs: np.ndarray) -> list[list[int]]:
    """The connected groups that pairs `[P, 2]` make, each in ascending order, by first member."""
    root: dict[int, int] = {}

    def find(member: int) -> int:
        while root.setdefault(member, member) != member:
            root[member] = root[root[member]]
            member = root[member]
        return member

    for first, second in pairs.tolist():
        low, high = sorted((find(first), find(second)))
        root[high] = low
    members: dict[int, list[int]] = {}
    for member in sorted(root):
        members.setdefault(find(member), []).append(member)
    return list(members.values())


def equal_groups(digests: Sequence[bytes]) -> list[list[int]]:
    """The positions that share a digest with others, in groups."""
    members: dict[bytes, list[int]] = {}
    for position, digest in enumerate(digests):
        members.setdefault(digest, []).append(position)
    return [group for group in members.values() if len(group) > 1]
