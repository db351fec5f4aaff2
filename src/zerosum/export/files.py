"""Checkpoint files of every kind, read as plain values and tensors: pickles, torch's two archives, safetensors."""

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors

from zerosum.export.tensors import DTYPES, Storage
from zerosum.export.unpickle import Name, RefusedError, read_pickle

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""The first value of torch's archives from before version 1.6."""

MAX_BYTES = 16 << 30
"""Size above which a file is refused."""


def read_checkpoint(path: Path) -> tuple[Any, str, int]:
    """What a checkpoint file holds, its sha256 and its size in bytes. Nothing that the file says is run.

    Raises:
        ValueError: there is no such file, it is damaged or no checkpoint, or it asks for something that is not data.
    """
    if not path.is_file():
        what = "is a folder; name the checkpoint file in it" if path.is_dir() else "does not exist"
        raise ValueError(f"{path} {what}")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes, more than {MAX_BYTES:,}: no known checkpoint is so large")
    content = path.read_bytes()
    try:
        value = _read_safetensors(content) if path.suffix == ".safetensors" else read_bytes(content)
    except ValueError as error:
        raise ValueError(f"{path} cannot be imported: {error}") from None
    return value, hashlib.sha256(content).hexdigest(), len(content)


def read_bytes(content: bytes) -> Any:
    """What the bytes of a pickle or of one of torch's archives hold.

    Raises:
        RefusedError: they ask for something that is not data.
        ValueError: they are neither, or not whole.
    """
    if content[:4] == b"PK\x03\x04":
        return _read_zip(content)
    if content[:1] != b"\x80":
        raise ValueError("it is neither a pickle nor an archive of torch nor safetensors; is it a checkpoint, and whole?")
    is_legacy = pickle_starts_with_magic(content)
    return read_legacy(content) if is_legacy else read_pickle(io.BytesIO(content), nested=read_legacy)


def pickle_starts_with_magic(content: bytes) -> bool:
    """Whether the bytes begin as torch's archives did before version 1.6."""
    number = LEGACY_MAGIC.to_bytes(10, "little")
    return content[2:14] == b"\x8a\x0a" + number


def read_legacy(content: bytes) -> Any:
    """What an archive from before torch 1.6 holds, as pickles still have them inside: five pickles, then the storages.

    Raises:
        RefusedError: it asks for something that is not data.
        ValueError: it is no such archive, or not whole.
    """
    if not pickle_starts_with_magic(content):
        raise ValueError("a nested file is not one of torch's archives")
    stream = io.BytesIO(content)
    for _ in range(3):  # the magic number, the version, the machine's word sizes
        read_pickle(stream)
    start, noted = stream.tell(), dict[str, Storage]()

    def note(identity: Any) -> Storage:
        key, storage = _storage(identity)
        return noted.setdefault(key, storage)

    # Once to learn the storages, and once more with their numbers, which come last.
    read_pickle(stream, note)
    keys = read_pickle(stream)
    storages = {key: _read_storage(stream, noted[key]) for key in keys if key in noted}
    stream.seek(start)
    return read_pickle(stream, lambda identity: storages[_storage(identity)[0]])


def _read_storage(stream: IO[bytes], noted: Storage) -> Storage:
    count = int.from_bytes(stream.read(8), "little")
    content = stream.read(count * noted.dtype.itemsize) if count == noted.count else b""
    if count != noted.count or len(content) != count * noted.dtype.itemsize:
        raise ValueError(f"a storage of {noted.count:,} numbers is not whole")
    return replace(noted, content=content)


def _storage(identity: Any) -> tuple[str, Storage]:
    """Key and size of the storage that a persistent id stands for: ("storage", class, key, device, count)."""
    if (
        not isinstance(identity, tuple)
        or len(identity) not in (5, 6)
        or identity[0] != "storage"
        or identity[5:] not in ((), (None,))
    ):
        raise RefusedError("it refers to an object outside of the file that is not one of torch's storages")
    _, kind, key, _, count = identity[:5]
    name = kind.full.removeprefix("torch.").removesuffix("Storage") if isinstance(kind, Name) else ""
    if name not in DTYPES or not isinstance(key, str) or type(count) is not int or count < 0:
        raise RefusedError(f"it refers to a storage of the kind {name or type(kind).__name__}")
    return key, Storage(DTYPES[name], count)


def _read_zip(content: bytes) -> Any:
    """What an archive of torch 1.6 and later holds: a zip, never compressed, with data.pkl and one file for each storage."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ValueError(f"it is not a whole archive of torch ({error})") from None
    entries = {entry.filename: entry for entry in archive.infolist()}
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size for entry in entries.values()):
        raise RefusedError("it is a compressed archive, and torch's never are")
    if sum(entry.file_size for entry in archive.infolist()) > len(content):
        raise RefusedError("its parts add up to more than its size")
    pickles = [name for name in entries if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ValueError("it is a zip archive, but not one of torch: there is no data.pkl")
    folder, storages = pickles[0].removesuffix("data.pkl"), dict[str, Storage]()

    def load(identity: Any) -> Storage:
        key, storage = _storage(identity)
        if key not in storages:
            numbers = _read_entry(archive, f"{folder}data/{key}")
            if len(numbers) != storage.count * storage.dtype.itemsize:
                raise ValueError(f"storage {key} has {len(numbers):,} bytes for {storage.count:,} numbers")
            storages[key] = replace(storage, content=numbers)
        return storages[key]

    if f"{folder}byteorder" in entries and _read_entry(archive, f"{folder}byteorder") != b"little":
        raise ValueError("it was written on a big-endian machine")
    return read_pickle(io.BytesIO(_read_entry(archive, pickles[0])), load)


def _read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except (KeyError, zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"its part {name} is missing or damaged ({error})") from None


def _read_safetensors(content: bytes) -> Any:
    try:
        return from_safetensors(content)
    except SafetensorError as error:
        raise ValueError(f"it is not a whole safetensors file ({error})") from None
