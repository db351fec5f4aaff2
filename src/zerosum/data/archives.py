"""Archives of a folder of images. They are read member by member; nothing is extracted to a path."""

import bz2
import gzip
import lzma
import shutil
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from zerosum.data.folders import IMAGES, Wanted, layout, refuse_huge
from zerosum.data.source import Source

DECOMPRESSORS: dict[bytes, Callable[[IO[bytes]], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


def open_zip(path: Path, wanted: Wanted = IMAGES) -> Source | None:
    """A zip of a folder of images; None if the file is no zip.

    Raises:
        ValueError: damaged, or see `layout`.
    """
    if not zipfile.is_zipfile(path):
        return None
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as problem:
        raise ValueError(f"{path} is a damaged zip: {problem}") from problem

    def read(name: str) -> bytes:
        refuse_huge(archive.getinfo(name).file_size)
        return archive.read(name)

    with ExitStack() as opened:
        opened.enter_context(archive)
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        source = layout(path, "zip", names, read, archive.close, wanted)
        opened.pop_all()
        return source


def open_tar(path: Path, wanted: Wanted = IMAGES) -> Source | None:
    """A tar, plain or compressed, of a folder of images; None if the file is no tar.

    A compressed one is first unpacked as a whole into an unnamed temporary file, since it cannot be read from the middle.

    Raises:
        ValueError: damaged, or see `layout`.
    """
    if not tarfile.is_tarfile(path):
        return None
    with ExitStack() as opened:
        try:
            plain = opened.enter_context(_plain(path))
            with tarfile.open(fileobj=plain, mode="r:") as archive:
                members = {member.name.removeprefix("./"): member for member in archive if member.isreg()}
        except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error) as problem:
            raise ValueError(f"{path} is a damaged tar: {problem}") from problem
        lock = threading.Lock()

        def read(name: str) -> bytes:
            member = members[name]
            refuse_huge(member.size)
            with lock:
                plain.seek(member.offset_data)
                return plain.read(member.size)

        source = layout(path, "tar", members, read, plain.close, wanted)
        opened.pop_all()
        return source


def _plain(path: Path) -> IO[bytes]:
    plain = path.open("rb")
    start = plain.read(6)
    plain.seek(0)
    decompress = next((opener for magic, opener in DECOMPRESSORS.items() if start.startswith(magic)), None)
    if decompress is None:
        return plain
    with plain, decompress(plain) as stream, ExitStack() as opened:
        unpacked = opened.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(stream, unpacked, 1 << 20)
        unpacked.seek(0)
        opened.pop_all()
        return unpacked
