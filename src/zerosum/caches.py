"""Where this machine keeps what can be made again: prepared data, features, exported networks."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """$ZEROSUM_CACHE, or zerosum in the platform's folder for a user's caches."""
    if chosen := os.environ.get("ZEROSUM_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "zerosum" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "zerosum"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zerosum"
