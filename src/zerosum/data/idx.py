"""IDX files, the format of MNIST and its relatives."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from zerosum.data.source import Source, from_arrays


def is_idx(path: Path) -> bool:
    """Whether the file's name is one of an IDX file's: it has idx or ubyte in it."""
    return "idx" in path.name or "ubyte" in path.name


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array of an IDX file, gzipped or not, with 1 (labels) or 3 (images) dimensions.

    Raises:
        ValueError: the file is truncated, damaged, or something else.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as problem:
        raise ValueError(f"{path} cannot be read: {problem}") from problem
    magic, expected = content[:4], bytes([0, 0, 8, dimensions])
    if magic != expected:
        what = "images" if dimensions == 3 else "labels"
        raise ValueError(f"{path} is not an IDX file of {what}: it begins with {magic.hex(' ')}, not {expected.hex(' ')}")
    start = 4 + 4 * dimensions
    shape = np.frombuffer(content[4 : min(start, len(content) // 4 * 4)], dtype=">u4").astype(int).tolist()
    if len(shape) < dimensions or len(content) != start + np.prod(shape):
        raise ValueError(f"{path} is truncated or damaged: {len(content):,} bytes do not fit its header {shape}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def labels_beside(path: Path) -> Path | None:
    """The file of labels that belongs to a file of images by its name, if it is there."""
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    stem = name.removesuffix(".gz")
    return next((path.with_name(n) for n in (name, stem, f"{stem}.gz") if n != path.name and path.with_name(n).exists()), None)


def open_idx(path: Path, class_names: tuple[str, ...] = ()) -> Source:
    """Grey images, with the labels that lie beside them (train-labels-idx1-ubyte.gz for train-images-idx3-ubyte.gz).

    Raises:
        ValueError: see `read_idx`; or the labels are not one per image.
    """
    beside = labels_beside(path)
    labels = read_idx(beside, 1) if beside else None
    images = read_idx(path, 3)
    return from_arrays(path, "IDX", images, labels, images.__getitem__, class_names)
