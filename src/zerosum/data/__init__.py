"""Files to batches: any images in, prepared once into a memory map, drawn by position ever after."""

from pathlib import Path

from zerosum.data.cache import cache_folder, prepared
from zerosum.data.dataset import Dataset, Images
from zerosum.data.points import Points, modes, modes_found
from zerosum.data.sources import MIXTURES, open_source
from zerosum.recipe import Data

__all__ = ["Dataset", "Images", "Points", "cache_folder", "modes", "modes_found", "open_data"]


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
    with open_source(settings.path) as source:
        return prepared(source, settings, cache or cache_folder())
