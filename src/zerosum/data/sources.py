"""Which kind of data lies at a path."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zerosum.data import archives, arrays, embedded, folders, idx, parquet
from zerosum.data.folders import IMAGES, Wanted
from zerosum.data.source import Source

EMBEDDED = ("fashion", "emoji", "drums")
MIXTURES = ("ring", "grid")
TEXTS = ("sentences",)
NAMES = (*EMBEDDED, *MIXTURES, *TEXTS)
"""Of the data that comes with zerosum."""
KINDS = "a folder of images, a .zip or .tar(.gz, .bz2, .xz) of one, an IDX file, a .npz, .npy or .parquet file"
AS_TEXT = "name a family that learns from text, such as textgan:cpu_likelihood, or set data.kind tokens"


def find(path: str) -> Path:
    """The path, if something lies there.

    Raises:
        FileNotFoundError: nothing does; the message suggests a name that is near.
        ValueError: it is embedded text, where something else is looked for.
    """
    if path in TEXTS:
        raise ValueError(f"data.path {path!r} is text: {AS_TEXT}")
    place = Path(path).expanduser()
    if place.exists():
        return place
    near = difflib.get_close_matches(path, NAMES, n=1)
    if not near and place.parent.is_dir():
        beside = {entry.name: str(place.parent / entry.name) for entry in place.parent.iterdir()}
        near = [beside[name] for name in difflib.get_close_matches(place.name, beside, n=1)]
    hint = f" Did you mean {near[0]}?" if near else ""
    raise FileNotFoundError(f"data.path {path!r} does not exist.{hint} Give {KINDS}, or one of {', '.join(NAMES)}")


def stamps(path: str, wanted: Wanted = IMAGES) -> list[tuple[str, int, int]]:
    """(place, size in bytes, time of change in nanoseconds) of every file that the examples come from, unopened.

    Raises:
        FileNotFoundError: see `find`.
    """
    place = (embedded.FOLDER / path if path in EMBEDDED else find(path)).resolve()
    if path in EMBEDDED:
        files = [file for file in place.iterdir() if file.is_file()]
    elif place.is_dir():
        files = [place / name for name in folders.walk(place) if folders.is_relevant(name, wanted)]
    else:
        files = [file for file in (place, idx.labels_beside(place)) if file]
    return sorted((str(file), status.st_size, status.st_mtime_ns) for file, status in ((f, f.stat()) for f in files))


def _open(path: str, wanted: Wanted) -> Source:
    if path in EMBEDDED:
        return embedded.open_embedded(path, wanted)
    place = find(path)
    suffix = place.suffix.lower()
    if place.is_dir():
        return folders.open_folder(place, wanted)
    if wanted is not IMAGES:
        return _open_archive(path, place, wanted)
    if suffix in (".npz", ".npy"):
        return arrays.open_arrays(place)
    if suffix == ".parquet":
        return parquet.open_parquet(place)
    if idx.is_idx(place):
        return idx.open_idx(place)
    return _open_archive(path, place, wanted)


def _open_archive(path: str, place: Path, wanted: Wanted) -> Source:
    source = archives.open_zip(place, wanted) or archives.open_tar(place, wanted)
    if source is None:
        kinds = f"{KINDS}. If it is text, {AS_TEXT}"
        if wanted is not IMAGES:
            kinds = f"a folder of {wanted.many}, or a .zip or .tar(.gz, .bz2, .xz) of one"
        raise ValueError(f"data.path {path!r} is a file of no known kind; give {kinds}")
    return source


@contextmanager
def open_source(path: str, wanted: Wanted = IMAGES) -> Iterator[Source]:
    """Look at what lies at `path`, a path or the name of embedded data, without decoding it yet.

    Raises:
        FileNotFoundError: nothing lies there.
        ValueError: no examples, or a broken container or metadata; the message names the file and the line.
    """
    source = _open(path, wanted)
    try:
        yield source
    finally:
        source.close()
