"""Files to batches: any images or sounds in, prepared once into a memory map, drawn by position ever after."""

import logging
from collections.abc import Callable
from pathlib import Path

from zerosum.caches import cache_folder
from zerosum.data.audio import Audio, prepared_audio
from zerosum.data.cache import prepared
from zerosum.data.captions import Captioned, prepared_captions
from zerosum.data.check import check
from zerosum.data.dataset import Dataset, Images, split
from zerosum.data.holes import Holed, prepared_holed
from zerosum.data.pairs import Colouring, Pairs, prepared_colouring, prepared_pairs
from zerosum.data.photographs import Photographs, prepared_photographs
from zerosum.data.points import Points, modes, modes_found
from zerosum.data.report import Report
from zerosum.data.sources import MIXTURES, NAMES
from zerosum.data.tokens import Tokens, prepared_tokens
from zerosum.data.unpaired import Unpaired, prepared_unpaired
from zerosum.recipe import Data

__all__ = [
    "Audio",
    "Captioned",
    "Colouring",
    "Dataset",
    "Holed",
    "Images",
    "Pairs",
    "Photographs",
    "Points",
    "Report",
    "Tokens",
    "Unpaired",
    "check",
    "modes",
    "modes_found",
    "open_data",
    "split",
]

logger = logging.getLogger("zerosum.data")

PREPARED: dict[str, Callable[[Data, Path], Dataset]] = {
    "images": prepared,
    "photographs": prepared_photographs,
    "pairs": prepared_pairs,
    "colouring": prepared_colouring,
    "unpaired": prepared_unpaired,
    "captions": prepared_captions,
    "audio": prepared_audio,
    "inpainting": prepared_holed,
    "tokens": prepared_tokens,
}
"""What opens each kind of data from the cache."""


def open_data(settings: Data, cache: Path | None = None) -> Dataset:
    """The data set at `settings.path`, prepared into the cache first where it is not there yet.

    Args:
        cache: the folder that holds prepared data sets; default `cache_folder()`.

    Raises:
        FileNotFoundError: nothing lies at the path.
        ValueError: it holds no images, or unusable labels, or unreadable images that are to be refused; or the cache cannot
            be written.
    """
    if settings.path in NAMES and Path(settings.path).exists():
        own = f"./{settings.path}"
        logger.warning("data.path %s is data that comes with zerosum: for what lies here write %s", settings.path, own)
    if settings.path in MIXTURES:
        return Points(settings.path)
    return PREPARED[settings.kind](settings, cache or cache_folder())
