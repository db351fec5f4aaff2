"""Files of weights, read only when their checksum is the one that is pinned, and fetched whole or not at all."""

import hashlib
import os
import shutil
from pathlib import Path
from urllib.request import urlopen

import torch
from rich.console import Console
from rich.progress import wrap_file
from torch import Tensor

TIMEOUT = 30
"""Seconds without an answer after which a download is given up."""


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path: Path, expected: str, cure: str) -> None:
    """Refuse a file that is not the pinned one.

    Raises:
        ValueError: with both checksums and the cure.
    """
    found = sha256_of(path)
    if found != expected:
        raise ValueError(f"{path} is damaged or another file: its sha256 is {found}, expected {expected}. {cure}")


def read_state(path: Path, sha256: str, cure: str) -> dict[str, Tensor]:
    """The state dict in a file of weights; no code in it is run.

    Raises:
        ValueError: the file is not the pinned one.
    """
    check_sha256(path, sha256, cure)
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def fetch(url: str, path: Path, sha256: str) -> None:
    """Download a file, with a progress bar on standard error.

    Raises:
        OSError: no answer, or the file cannot be written.
        ValueError: what came is not the pinned file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with urlopen(url, timeout=TIMEOUT) as answer, new.open("wb") as file:
            size, console = int(answer.headers["Content-Length"] or 0), Console(stderr=True)
            with wrap_file(answer, size, description=f"fetching {path.name}", console=console) as body:
                shutil.copyfileobj(body, file)
        check_sha256(new, sha256, f"It came from {url}; try again")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
