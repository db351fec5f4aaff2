"""NumPy files: .npy, or .npz with images and labels."""

import zipfile
from pathlib import Path

import numpy as np

from zerosum.data.source import Source, from_arrays

IMAGES = ("images", "image", "x", "data", "arr_0")
LABELS = ("labels", "label", "y", "arr_1")


def open_arrays(path: Path) -> Source:
    """Images `[N, H, W]`, `[N, H, W, C]` or `[N, C, H, W]` with C = 1, 3 or 4 (channels last if both fit), and labels `[N]`.

    A .npy file is read through a memory map. The scale of the values is decided once for the whole array:

    - booleans are 0 and 255;
    - integers from 0 to 255 stay; others from 0 to 65535 are divided by 257;
    - floats from 0 to 1 are multiplied by 255, floats from -1 to 1 are first shifted and halved.

    Raises:
        ValueError: damaged, no array of images, another shape or other values.
    """
    arrays = _load(path)
    found = {name.lower(): name for name in arrays}
    key = next((found[name] for name in IMAGES if name in found), None)
    if key is None:
        held = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items()) or "nothing"
        raise ValueError(
            f"{path} has no array called {', '.join(IMAGES[:-1])} or {IMAGES[-1]} with the images; it holds {held}"
        )
    images = channels_last(arrays[key], path)
    label = next((arrays[found[name]] for name in LABELS if name in found), None)
    if label is not None and label.ndim == 2 and label.shape[1] == 1:
        label = label[:, 0]
    offset, scale = value_scale(images, path)

    def read(index: int) -> np.ndarray:
        pixels: np.ndarray = np.rint((images[index].astype(np.float32) + offset) * scale)
        return pixels.astype(np.uint8)

    return from_arrays(path, path.suffix[1:].lower(), images, label, read)


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        if path.suffix.lower() == ".npy":
            return {"data": np.load(path, mmap_mode="r", allow_pickle=False)}
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as problem:
        raise ValueError(f"{path} cannot be read: {problem}") from problem


def channels_last(images: np.ndarray, path: Path) -> np.ndarray:
    """The images as `[N, H, W]` or `[N, H, W, C]`.

    Raises:
        ValueError: another shape.
    """
    channels = (1, 3, 4)
    if images.ndim == 3 or (images.ndim == 4 and images.shape[3] in channels):
        return images
    if images.ndim == 4 and images.shape[1] in channels:
        return images.transpose(0, 2, 3, 1)
    wanted = "[N, H, W], [N, H, W, C] or [N, C, H, W] with C = 1, 3 or 4"
    raise ValueError(f"{path}: images of shape {list(images.shape)}; expected {wanted}")


def value_scale(images: np.ndarray, path: Path) -> tuple[float, float]:
    """(offset, scale) so that (value + offset) * scale is on 0 to 255; see `open_arrays`.

    Raises:
        ValueError: values on no known scale, or not numbers.
    """
    if images.dtype.kind not in "buif" or not images.size:
        raise ValueError(f"{path}: images of type {images.dtype} and shape {list(images.shape)}; expected numbers")
    if images.dtype.kind == "b":
        return 0, 255
    low, high = float(images.min()), float(images.max())
    if images.dtype.kind == "f":
        if low >= 0 and high <= 1:
            return 0, 255
        if low >= -1 and high <= 1:
            return 1, 127.5
        raise ValueError(
            f"{path}: floats from {low:g} to {high:g}; scale them to 0 to 1 or -1 to 1, or store 0 to 255 as uint8"
        )
    if low < 0 or high > 65535:
        raise ValueError(f"{path}: integers from {low:g} to {high:g}; expected 0 to 255 or 0 to 65535")
    return (0, 1) if high <= 255 else (0, 1 / 257)
