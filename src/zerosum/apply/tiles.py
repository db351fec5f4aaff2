"""Pictures of any size through a network, a window at a time: the memory is that of one window.

A window is a part of the source that is kept and an overlap around it that only informs it. At the picture's own borders a
window ends where the picture does, so that the network pads there as it would pad the whole. With an overlap of the network's
reach the result is that of the whole picture, up to rounding.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

Network = Callable[[Tensor], Tensor]
"""A source `[1, C, h, w]` to `[1, C, h * scale, w * scale]`, both in [-1, 1]."""
Area = tuple[slice, slice]
"""Rows and columns."""

TOLERANCE = 1e-4
"""By how much a value in [-1, 1] may differ from that of the whole picture."""
SHARE = 0.25
"""Of the tolerance: what is allowed on the few places where the overlap is measured."""
PROBE = 8
"""Pixels of the source a side at which the overlap is measured."""
FARTHEST = 256
"""Pixels of the result up to which an overlap is measured: farther away the probe itself would need much memory."""

log = logging.getLogger("zerosum")


@dataclass(frozen=True)
class Window:
    """One step: what the network sees of the source, and which part of it is kept."""

    seen: Area
    kept: Area

    def inner(self, scale: int) -> Area:
        """Where what is kept lies in what the network gives."""
        starts = [(kept.start - seen.start) * scale for seen, kept in zip(self.seen, self.kept, strict=True)]
        sizes = [(kept.stop - kept.start) * scale for kept in self.kept]
        return slice(starts[0], starts[0] + sizes[0]), slice(starts[1], starts[1] + sizes[1])


def windows(height: int, width: int, tile: int, overlap: int, multiple: int = 1) -> Iterator[Window]:
    """Windows that keep every pixel of a source once, row by row.

    Args:
        height, width: of the source; windows reach beyond them by less than `multiple`, to a multiple of it.
        tile: pixels a side that are kept of a window, rounded up to a multiple.
        overlap: pixels around them that are seen too, rounded up to a multiple.
        multiple: what the sides and places of all windows are divisible by.

    Raises:
        ValueError: a tile below 1 or an overlap below 0.
    """
    if tile < 1 or overlap < 0:
        raise ValueError(f"the tile must be at least 1 and the overlap at least 0 pixels, not {tile} and {overlap}")
    tile, overlap = (-(-value // multiple) * multiple for value in (tile, overlap))

    def cut(length: int) -> list[tuple[slice, slice]]:
        whole = -(-length // multiple) * multiple
        starts = range(0, length, tile)
        return [
            (slice(max(0, start - overlap), min(whole, start + tile + overlap)), slice(start, min(length, start + tile)))
            for start in starts
        ]

    for (seen_rows, kept_rows), (seen_columns, kept_columns) in product(cut(height), cut(width)):
        yield Window((seen_rows, seen_columns), (kept_rows, kept_columns))


@torch.inference_mode()
def run_window(network: Network, read: Callable[[Area], Tensor], window: Window, size: tuple[int, int], scale: int) -> Tensor:
    """What the network makes of the part of a window that is kept, `[1, C, h * scale, w * scale]`.

    Args:
        read: gives an area of the source, `[1, C, h, w]` in [-1, 1].
        size: height and width of the source; what is seen beyond them repeats its last pixels.
    """
    rows, columns = (slice(seen.start, min(seen.stop, length)) for seen, length in zip(window.seen, size, strict=True))
    below, right = window.seen[0].stop - rows.stop, window.seen[1].stop - columns.stop
    source = read((rows, columns))
    if below or right:
        source = pad(source, (0, right, 0, below), "replicate")
    top_left = window.inner(scale)
    return network(source)[:, :, top_left[0], top_left[1]]


@torch.inference_mode()
def needed_overlap(
    network: Network, channels: int, scale: int, reach: int, multiple: int = 1, device: torch.device | str = "cpu"
) -> int:
    """Pixels of overlap at which a window's values are within 1e-4 of the whole picture's.

    Deep networks reach hundreds of pixels by their layers' sizes, but what lies far away changes little. So it is measured: at
    the middle of noise, coarse and fine, with more and more of it around, until more of it changes nothing. Never more than
    `reach`, at which the values are the same by construction.
    """
    farthest = -(-min(reach, max(FARTHEST // scale, 2 * multiple)) // multiple) * multiple
    core = -(-PROBE // multiple) * multiple
    side, stream = core + 2 * farthest, torch.Generator().manual_seed(0)
    fine = torch.rand(1, channels, side, side, generator=stream) * 2 - 1
    coarse = interpolate(torch.rand(1, channels, -(-side // 8), -(-side // 8), generator=stream) * 2 - 1, [side, side])
    probes = [probe.to(device) for probe in (fine, coarse)]

    def middle(around: int) -> Tensor:
        seen = slice(farthest - around, farthest + core + around)
        kept = slice(around * scale, (around + core) * scale)
        return torch.cat([network(probe[:, :, seen, seen])[:, :, kept, kept] for probe in probes])

    whole, difference = middle(farthest), float("inf")
    for around in sorted({-(-round(4 * 2 ** (step / 2)) // multiple) * multiple for step in range(20)}):
        if around >= farthest:
            break
        difference = (middle(around) - whole).abs().max().item()
        if difference <= SHARE * TOLERANCE:
            return around
    if farthest < reach and difference > TOLERANCE:
        log.warning(
            "an overlap of %d pixels, the largest that is measured, may leave differences of %.1g at the borders of tiles",
            farthest,
            difference,
        )
    return min(farthest, -(-reach // multiple) * multiple)
