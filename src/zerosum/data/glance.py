"""What can be known of a data set at a glance: enough to choose a GAN for it, without decoding it all."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from zerosum.data import images, labels
from zerosum.data.points import NUM_POINTS
from zerosum.data.sources import MIXTURES, open_source

LOOKED_AT = 64
"""Images whose size is read, from all over the data."""


@dataclass(frozen=True)
class Glance:
    """A data set at a glance."""

    num_examples: int
    side: int
    """Median length of the shorter side, in pixels; 0 for points."""
    num_classes: int = 0
    """0: no classes."""


def glance(path: str) -> Glance:
    """Count the examples and classes at a path, or of embedded data, and look at the size of some.

    Raises:
        FileNotFoundError: nothing lies there.
        ValueError: no images, none that can be read, or a broken container or metadata.
    """
    if path in MIXTURES:
        return Glance(NUM_POINTS, 0)
    with open_source(path) as source, images.quiet_decoders():
        sides = list[int]()
        for index in np.unique(np.linspace(0, len(source.names) - 1, LOOKED_AT).astype(int)).tolist():
            with suppress(images.UnreadableError), images.naming_damage():
                sides.append(min(images.open_image(source.read(index)).size))
        if not sides:
            raise ValueError(f"data.path {path!r}: no image can be read; see `zerosum data check {path}`")
        known, _ = labels.encode(source)
        return Glance(len(source.names), int(np.median(sides)), len(known.classes))
