"""Folders of images: what their layout means, in the file system or in an archive."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from zerosum.data.images import SUFFIXES, UnreadableError
from zerosum.data.metadata import NAMES as METADATA
from zerosum.data.metadata import read_metadata
from zerosum.data.source import Source, nothing, stamp

LARGEST = 1 << 30
"""Bytes in one encoded image; anything above is refused as unreadable."""

Entry = tuple[str, int, int]
Reader = Callable[[str], bytes]


def refuse_huge(size: int) -> None:
    """Raise UnreadableError for an encoded image of more than 1 GiB."""
    if size > LARGEST:
        raise UnreadableError("larger than 1 GiB")


def is_ours(name: str) -> bool:
    """Whether an entry is the user's: not hidden, not what macOS adds to archives."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" not in parts and not any(part.startswith(".") and part != "." for part in parts)


def shared_folder(names: Iterable[str], is_archive: bool) -> str:
    """The leading folders, as "a/b/", that say nothing: those that hold a single folder and no image or metadata.

    An archive's first folder says nothing either if everything is in it.
    """
    paths, prefix = [PurePosixPath(name).parts for name in names], ""
    while len({parts[0] for parts in paths}) == 1 and all(len(parts) > 1 for parts in paths):
        if not is_archive and any(len(parts) == 2 for parts in paths):
            break
        is_archive, prefix = False, f"{prefix}{paths[0][0]}/"
        paths = [parts[1:] for parts in paths]
    return prefix


def classes(names: list[str]) -> dict[str, list[Any]]:
    """The column "label" that sub-folders make: the first one of every image, if every image is in one."""
    firsts = [name.split("/", 1)[0] if "/" in name else None for name in names]
    return {} if None in firsts else {"label": list(firsts)}


def layout(path: Path, kind: str, entries: Mapping[str, Entry], read: Reader, close: Callable[[], None] = nothing) -> Source:
    """The source that files make by the way they lie.

    Args:
        entries: every file by its name relative to the root, with its stamp.
        read: the content of a file, by that name.

    Raises:
        ValueError: no images, or metadata that does not fit them.
    """
    ours = [name for name in entries if is_ours(name)]
    relevant = [name for name in ours if name.lower().endswith(SUFFIXES) or PurePosixPath(name).name in METADATA]
    root = shared_folder(relevant, is_archive=kind != "folder") if relevant else ""
    full = {name.removeprefix(root): name for name in sorted(relevant)}
    images = [name for name in full if name.lower().endswith(SUFFIXES)]
    if not images:
        raise ValueError(f"{path} {_instead(ours)}")
    columns, rows = classes(images), None
    found = [name for name in METADATA if name in full]
    if len(found) > 1:
        raise ValueError(f"{path} holds both {' and '.join(found)}: keep one of them")
    if found:
        metadata, rows = read_metadata(found[0], read(full[found[0]]), images, path)
        columns = {**columns, **metadata}
    files = [entries[full[name]] for name in [*images, *found]]
    return Source(os.fspath(path), kind, images, lambda index: read(full[images[index]]), columns, rows, files=files, close=close)


def _instead(names: list[str]) -> str:
    """What a place without images holds, in words."""
    if not names:
        return "is empty: put images into it, at any depth; sub-folders become classes"
    data = [name for name in names if name.endswith((".npz", ".npy", ".parquet", ".zip", ".tar")) or "images-idx3" in name]
    if data:
        return f"holds no images, but {', '.join(data[:5])}: give data.path one of these files"
    return f"holds {len(names)} files, but none is an image by its name ({', '.join(SUFFIXES[:6])} ...)"


def open_folder(path: Path) -> Source:
    """Images at any depth below a folder; links are followed.

    Raises:
        ValueError: see `layout`.
    """
    entries: dict[str, Entry] = {}
    waiting, seen = [path], {path.resolve()}
    while waiting:
        for entry in os.scandir(waiting.pop()):
            place = Path(entry.path)
            if entry.is_dir():
                if place.resolve() not in seen and not entry.name.startswith("."):
                    seen.add(place.resolve())
                    waiting.append(place)
            elif entry.is_file():
                name = place.relative_to(path).as_posix()
                entries[name] = stamp(place, name)
    return layout(path, "folder", entries, lambda name: _read(path / name))


def _read(path: Path) -> bytes:
    refuse_huge(path.stat().st_size)
    return path.read_bytes()
