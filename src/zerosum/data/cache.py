"""Images prepared once and kept: a folder per data set and settings, read through a memory map ever after."""

import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np

from zerosum.data import images, labels
from zerosum.data.dataset import Images
from zerosum.data.images import UnreadableError
from zerosum.data.parallel import in_order
from zerosum.data.source import Source
from zerosum.data.sources import open_source, stamps
from zerosum.datacard import DataCard, Labels
from zerosum.recipe import Data

FORMAT = 1
"""Of the cache; others are prepared anew."""
UNFINISHED = ".zerosum-"
"""Begins the names of folders that are being prepared."""
NOT_WHOLE = (OSError, ValueError, EOFError, KeyError, TypeError)
"""What opening a damaged folder raises."""
Prepared = TypeVar("Prepared")
Skipped = list[tuple[str, str]]
"""(name, reason) of every unreadable image."""

logger = logging.getLogger("zerosum.data")


def key(settings: Data, part: Sequence[str] = ()) -> str:
    """Names a prepared data set: a hash of the files' places, sizes and times, and of the settings that matter.

    Args:
        part: which part of what lies there, if not all.

    Raises:
        FileNotFoundError: nothing lies at the path.
    """
    chosen = [settings.resolution, settings.fit, settings.colour, list(settings.labels), *part]
    return hashlib.sha256(json.dumps([FORMAT, stamps(settings.path), chosen]).encode()).hexdigest()[:24]


def prepared(settings: Data, cache: Path) -> Images:
    """The data set from the cache; prepared first if it is not there, or not whole.

    Raises:
        FileNotFoundError: nothing lies at the path.
        ValueError: no images; labels that cannot be used; unreadable images and `settings.broken` is "refuse", or nothing
            readable; the cache cannot be written.
    """
    dataset = prepared_source(settings, cache / key(settings), lambda: open_source(settings.path))
    judge_skipped(dataset.skipped, len(dataset), settings)
    return dataset


def prepared_source(settings: Data, folder: Path, opened: Callable[[], AbstractContextManager[Source]]) -> Images:
    """The data set in that folder of the cache; prepared from the source first if it is not there, or not whole.

    Raises:
        ValueError: as `prepared`, but that some images are unreadable is left to the caller.
    """
    dataset = _open_whole(folder)
    if dataset is None:
        with opened() as source:
            labels.encode(source, settings.labels)  # refuse bad labels before hours of decoding
            dataset = written(folder, "images", lambda work: _prepare(source, settings, work), Images)
    return dataset


def _open_whole(folder: Path) -> Images | None:
    try:
        return Images(folder)
    except NOT_WHOLE:
        return None


def judge_skipped(skipped: Skipped, num_readable: int, settings: Data, what: str = "images") -> None:
    """Refuse unreadable images, or `what` else there is, or say once that they are left out."""
    if not skipped:
        return
    found = f"{len(skipped)} of {len(skipped) + num_readable} {what} in {settings.path}"
    if settings.broken == "refuse" or not num_readable:
        listed = "\n".join(f"  {name}: {reason}" for name, reason in skipped[:10])
        more = f"\n  ... and {len(skipped) - 10} more" if len(skipped) > 10 else ""
        cure = 'Remove them, or leave them out: data.broken "skip"' if num_readable else "Nothing is left to train on"
        raise ValueError(f"{found} cannot be read:\n{listed}{more}\n{cure}")
    first = ", ".join(f"{name} ({reason})" for name, reason in skipped[:3])
    logger.warning("left out %s that cannot be read: %s%s", found, first, ", ..." if len(skipped) > 3 else "")


def written(folder: Path, what: str, write: Callable[[Path], None], opened: Callable[[Path], Prepared]) -> Prepared:
    """A data set that is written into a new folder, and moved into place once it is whole.

    Args:
        what: "images", or what else is in it.

    Raises:
        ValueError: the cache cannot be written; what `write` refuses.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent)
        work = Path(tempfile.mkdtemp(prefix=f"{UNFINISHED}{folder.name}-", dir=folder.parent))
        try:
            write(work)
            return publish(work, folder, opened)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as problem:
        raise ValueError(
            f"cannot write prepared {what} to {folder}: {problem.strerror or problem}. "
            "Free space there, or set the environment variable ZEROSUM_CACHE to another folder"
        ) from problem


def _prepare(source: Source, settings: Data, work: Path) -> None:
    kept, skipped = _write_images(source, settings, work / "images.npy")
    if not kept:
        judge_skipped(skipped, 0, settings)
    _write_rest(source, settings, work, np.array(kept), skipped)


def sweep(cache: Path) -> None:
    """Remove what killed processes left half-written, once nobody has touched it for a day."""
    for work in cache.glob(f"{UNFINISHED}{24 * '[0-9a-f]'}-*"):
        with suppress(OSError):  # its owner may be alive and just renaming it
            newest = max(path.stat().st_mtime for path in (work, *work.glob("*")))
            if newest < time.time() - 86_400:
                shutil.rmtree(work)


def _write_images(source: Source, settings: Data, path: Path) -> tuple[list[int], Skipped]:
    def work(index: int) -> np.ndarray | str:
        try:
            with images.naming_damage():
                return images.prepare(source.read(index), settings.resolution, settings.fit, settings.colour)
        except UnreadableError as problem:
            return str(problem)

    kept, skipped = list[int](), Skipped()
    together = max(1, min(64, (1 << 22) // (3 * settings.resolution**2)))
    with images.quiet_decoders(), Growing(path) as file:
        for index, image in enumerate(in_order(work, len(source.names), "preparing images", together)):
            if isinstance(image, str):
                skipped.append((source.names[index], image))
            else:
                file.append(image)
                kept.append(index)
    return kept, skipped


class Growing:
    """A .npy file of uint8 images `[M, C, H, W]` that grows by one image at a time, of 1 or 3 channels.

    One image of 3 channels makes all of them so.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0
        self.shape: tuple[int, ...] = ()
        self.file = path.open("wb", buffering=1 << 20)

    def append(self, image: np.ndarray) -> None:
        """Add an image `[C, H, W]`."""
        if not self.count:
            self.shape = image.shape
            self._write_header()
        elif image.shape[0] > self.shape[0]:
            self._widen(image.shape)
        self.file.write(np.ascontiguousarray(np.broadcast_to(image, self.shape)).data)
        self.count += 1

    def _write_header(self) -> None:
        self.file.seek(0)
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self.shape)}
        np.lib.format.write_array_header_1_0(self.file, header)  # leaves room for a larger count

    def _widen(self, shape: tuple[int, ...]) -> None:
        self._finish()
        narrow = self.path.rename(self.path.with_suffix(".grey"))
        grey = np.load(narrow, mmap_mode="r")
        self.file, self.shape = self.path.open("wb", buffering=1 << 20), shape
        self._write_header()
        for image in grey:
            self.file.write(np.ascontiguousarray(np.broadcast_to(image, shape)).data)
        del grey, image
        narrow.unlink()

    def _finish(self) -> None:
        if self.count:
            self._write_header()
        self.file.close()

    def __enter__(self) -> "Growing":
        return self

    def __exit__(self, *_: object) -> None:
        self._finish()


def _write_rest(source: Source, settings: Data, work: Path, kept: np.ndarray, skipped: Skipped) -> None:
    """Labels, captions, the list of skipped images and, last, the card."""
    encoded, values = labels.encode(source, settings.labels, kept)
    if values is not None:
        np.save(work / "labels.npy", values)
    captions = source.columns.get("caption")
    if captions:
        _write_lines(work / "captions.jsonl", (captions[index] for index in kept))
    (work / "skipped.json").write_text(json.dumps(skipped, ensure_ascii=False), encoding="utf-8")
    pixels = np.load(work / "images.npy", mmap_mode="r")
    shapes = {"image": pixels.shape[1:]} | ({"label": (encoded.width,)} if encoded.width else {})
    card = DataCard(len(pixels), content_hash(pixels, encoded, values), shapes, encoded)
    (work / "card.json").write_text(card.to_json(), encoding="utf-8")


def _write_lines(path: Path, values: Iterable[object]) -> None:
    path.write_text("".join(json.dumps(str(value or ""), ensure_ascii=False) + "\n" for value in values), encoding="utf-8")


def content_hash(pixels: np.ndarray, encoded: Labels, values: np.ndarray | None) -> str:
    """sha256 of the prepared images `[M, C, H, W]`, of what the labels mean and of their values."""
    digest = hashlib.sha256(repr((pixels.shape, encoded)).encode())
    step = max(1, (1 << 24) // max(1, pixels[0].size))
    for start in range(0, len(pixels), step):
        digest.update(np.ascontiguousarray(pixels[start : start + step]).data)
    if values is not None:
        digest.update(values.tobytes())
    return digest.hexdigest()


def publish(work: Path, folder: Path, opened: Callable[[Path], Prepared]) -> Prepared:
    """Rename the finished folder into place, unless another process was first, and open what is there then."""
    try:
        work.rename(folder)
    except OSError:
        with suppress(*NOT_WHOLE):
            return opened(folder)
        shutil.rmtree(folder)
        work.rename(folder)
    return opened(folder)
