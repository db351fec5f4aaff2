"""Where this machine keeps what can be made again: prepared data, features, exported networks; and what tells those apart."""

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor


def cache_folder() -> Path:
    """$ZEROSUM_CACHE, or zerosum in the platform's folder for a user's caches."""
    if chosen := os.environ.get("ZEROSUM_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "zerosum" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "zerosum"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zerosum"


def digest_state(state: Mapping[str, Tensor]) -> bytes:
    """sha256 over the names and values of a network's weights."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.digest()
