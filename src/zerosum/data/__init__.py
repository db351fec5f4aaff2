"""Files to batches: any images in, prepared once into a memory map, drawn by position ever after."""

from pathlib import Path

from zerosum.caches import cache_folder
from zerosum.data.cache import prepared
from zerosum.data.check import check
from zerosum.data.dataset import Dataset, Images, split
from zerosum.data.photographs import Photographs, prepared_photographs
from zerosum.data.points import Points, modes, modes_found
from zerosum.data.report import Report
from zerosum.data.sources import MIXTURES
from zerosum.recipe import Data

__all__ = ["Dataset", "Images", "Photographs", "Points", "Report", "check", "modes", "modes_found", "open_data", "split"]


def open_data(settings: Data, cache: Path | None = None) -> Dataset:
    """The data set at `settings.path`, prepared into the cache first where it is not there yet.

    Args:
        cache: the folder that holds prepared data sets; default `cache_folder()`.

    Raises:
        FileNotFoundError: nothing lies at the path.
        ValueError: it holds no images, or unusable labels, or unreadable images that are to be refused; or the cache cannot
            be written.
    """
    if settings.path in MIXTURES:
        return Points(settings.path)
    if settings.kind == "photographs":
        return prepared_photographs(settings, cache or cache_folder())
    return prepared(settings, cache or cache_folder())
