"""Folders of images: what their layout means, in the file system or in an archive."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from zerosum.data.images import SUFFIXES, UnreadableError, naming_damage
from zerosum.data.metadata import NAMES as METADATA
from zerosum.data.metadata import read_metadata
from zerosum.data.source import Source, nothing

LARGEST = 1 << 30
"""Bytes in one encoded image; anything above is refused as unreadable."""

logger = logging.getLogger("zerosum.data")


class Wanted(NamedTuple):
    """Which files are examples."""

    one: str
    many: str
    suffixes: tuple[str, ...]
    """In lower case."""


IMAGES = Wanted("an image", "images", SUFFIXES)
SOUNDS = Wanted("a sound", "sounds", (".wav", ".flac", ".ogg", ".oga", ".aiff", ".aif"))
"""What is read as images and as sounds, by content, and the file names that count as such."""


def refuse_huge(size: int) -> None:
    """Raise UnreadableError for an encoded image of more than 1 GiB."""
    if size > LARGEST:
        raise UnreadableError("larger than 1 GiB")


def is_ours(name: str) -> bool:
    """Whether an entry is the user's: not hidden, not what macOS adds to archives."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" not in parts and not any(part.startswith(".") and part != "." for part in parts)


def is_relevant(name: str, wanted: Wanted = IMAGES) -> bool:
    """Whether a file makes the data set what it is: examples and metadata by their names, unless hidden."""
    return is_ours(name) and (name.lower().endswith(wanted.suffixes) or PurePosixPath(name).name in METADATA)


def shared_folder(names: Iterable[str], is_archive: bool) -> str:
    """The leading folders, as "a/b/", that say nothing: everything is in them.

    But a folder (not an archive's first) that holds images and no metadata is a class, be it the only one.
    """
    paths, prefix = [PurePosixPath(name).parts for name in names], ""
    while len({parts[0] for parts in paths}) == 1 and all(len(parts) > 1 for parts in paths):
        inside = {parts[1] for parts in paths if len(parts) == 2}
        if inside and not is_archive and inside.isdisjoint(METADATA):
            break
        is_archive, prefix = False, f"{prefix}{paths[0][0]}/"
        paths = [parts[1:] for parts in paths]
    return prefix


def classes(names: list[str], path: Path, wanted: Wanted = IMAGES) -> dict[str, list[Any]]:
    """The column "label" that sub-folders make: the first one of every image, if every image is in one."""
    firsts = [name.split("/", 1)[0] for name in names if "/" in name]
    if firsts and len(firsts) < len(names):
        outside = len(names) - len(firsts)
        counts = (path, outside, len(names), wanted.many)
        logger.warning("%s: %d of %d %s lie outside of sub-folders, so none has a class", *counts)
    return {"label": list(firsts)} if len(firsts) == len(names) else {}


def layout(
    path: Path,
    kind: str,
    names: Iterable[str],
    read: Callable[[str], bytes],
    close: Callable[[], None] = nothing,
    wanted: Wanted = IMAGES,
) -> Source:
    """The source that files make by the way they lie.

    Args:
        names: of every file, relative to the root.
        read: the content of a file, by that name.
        wanted: which files are examples.

    Raises:
        ValueError: no examples, or metadata that does not fit them.
    """
    ours = [name for name in names if is_ours(name)]
    relevant = sorted(name for name in ours if is_relevant(name, wanted))
    root = shared_folder(relevant, is_archive=kind != "folder") if relevant else ""
    inner = [name.removeprefix(root) for name in relevant]
    images = [name for name in inner if name.lower().endswith(wanted.suffixes)]
    if not images:
        raise ValueError(f"{path} {_instead(ours, wanted)}")
    metadata = [name for name in inner if PurePosixPath(name).name in METADATA]
    if metadata and metadata not in ([name] for name in METADATA):
        raise ValueError(f"{path}: there may be one {' or '.join(METADATA)}, at the top, but there is {', '.join(metadata)}")
    columns, rows = ({}, None) if not metadata else _described(path, metadata[0], read, root, images)
    if "label" not in columns:
        columns |= classes(images, path, wanted)
    beside = [name for name in ours if name.startswith(root) and name.lower().endswith(".txt")]
    texts = {name.removeprefix(root): partial(read, name) for name in sorted(beside)}
    return Source(
        os.fspath(path), kind, images, lambda index: read(root + images[index]), columns, rows, texts=texts, close=close
    )


def _described(
    path: Path, metadata: str, read: Callable[[str], bytes], root: str, images: list[str]
) -> tuple[dict[str, list[Any]], list[str] | None]:
    try:
        with naming_damage():
            content = read(root + metadata)
    except UnreadableError as problem:
        raise ValueError(f"{path / metadata} cannot be read: {problem}") from problem
    return read_metadata(metadata, content, images, path)


def _instead(names: list[str], wanted: Wanted) -> str:
    """What a place without examples holds, in words."""
    if not names:
        return f"is empty: put {wanted.many} into it, at any depth; sub-folders become classes"
    if wanted is IMAGES and any(name.lower().endswith(SOUNDS.suffixes) for name in names):
        return "holds sounds: name a family that learns from them, such as wavegan:cpu, or set data.kind audio"
    data = [name for name in names if name.endswith((".npz", ".npy", ".parquet", ".zip", ".tar")) or "images-idx3" in name]
    if data:
        return f"holds no {wanted.many}, but {', '.join(data[:5])}: give data.path one of these files"
    return f"holds {len(names)} files, but none is {wanted.one} by its name ({', '.join(wanted.suffixes[:6])} ...)"


def walk(path: Path) -> Iterator[str]:
    """The names of all files at any depth below a folder, relative to it; links are followed, hidden folders are not."""
    waiting, seen = [path], {path.resolve()}
    while waiting:
        for entry in os.scandir(waiting.pop()):
            place = Path(entry.path)
            if entry.is_file():
                yield place.relative_to(path).as_posix()
            elif entry.is_dir() and not entry.name.startswith(".") and place.resolve() not in seen:
                seen.add(place.resolve())
                waiting.append(place)


def open_folder(path: Path, wanted: Wanted = IMAGES) -> Source:
    """Images, or other examples, at any depth below a folder.

    Raises:
        ValueError: see `layout`.
    """

    def read(name: str) -> bytes:
        refuse_huge((path / name).stat().st_size)
        return (path / name).read_bytes()

    return layout(path, "folder", walk(path), read, wanted=wanted)
