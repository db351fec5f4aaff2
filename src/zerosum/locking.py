"""Who trains into a run folder: one process at a time."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from zerosum.run import write


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from training into the folder; the system lets go of the lock when this process ends.

    Raises:
        ValueError: another process has the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as file:
        try:
            take_lock(file)
        except OSError:
            raise ValueError(f"another process is training into {folder}; wait for it, or choose another --out") from None
        write(folder / ".trainer", str(os.getpid()))
        yield


def take_lock(file: IO[str]) -> None:
    """Lock an open file until it is closed.

    Raises:
        OSError: another process has the lock.
    """
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def trainer(folder: Path) -> int | None:
    """The process that is training into a folder on this machine; None: none is."""
    try:
        number = int((folder / ".trainer").read_text())
        if sys.platform != "win32":
            os.kill(number, 0)  # a dead one has let go: the lock is only tried for a moment where it is likely to be held
        file = (folder / ".lock").open("a")
    except (OSError, ValueError, OverflowError):
        return None
    with file:
        try:
            take_lock(file)
        except OSError:
            return number
    return None
