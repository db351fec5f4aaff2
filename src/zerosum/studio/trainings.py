"""Trainings as processes of their own: `zerosum train`, which outlives the studio and is stopped by a signal."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zerosum.locking import trainer
from zerosum.run import check_folder

OUTPUT = ".studio.log"
"""In the run folder: what the command printed."""
TAIL = 20
"""Lines of it that are shown."""


def check_name(name: str) -> str:
    """A new run's name, which becomes that of its folder.

    Raises:
        ValueError: it could be a path, or hidden.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,79}", name, re.ASCII) or name.endswith("."):
        raise ValueError(
            f"a run's name is made of letters, digits, '-', '_' and '.', and begins with a letter or digit, not {name!r}"
        )
    return name


def command(spec: str, folder: Path, options: Sequence[str]) -> list[str]:
    """The words of the command that trains, or resumes, a run."""
    return [sys.executable, "-m", "zerosum", "train", spec, f"--out={folder}", *options]


def written(words: Sequence[str]) -> str:
    """A command as a user would type it."""
    return shlex.join(["zerosum", *words[3:]])


@dataclass
class Trainings:
    """What this studio has started, and what it has told to stop."""

    started: dict[Path, subprocess.Popen[bytes]] = field(default_factory=dict)
    told: dict[Path, int] = field(default_factory=dict)
    """Processes that were told to stop: told twice they would not finish their checkpoint."""

    def start(self, words: Sequence[str], folder: Path) -> None:
        """Start the command in the background.

        Raises:
            ValueError: something trains into the folder already, or it is no place for a run.
            OSError: it cannot be written to.
        """
        if self.is_running(folder):
            raise ValueError(f"{folder.name} is being trained already")
        check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        # In a session of its own it gets neither the studio's Ctrl-C nor its end.
        apart: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        with (folder / OUTPUT).open("wb") as output:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **apart)
        self.started[folder] = process

    def is_running(self, folder: Path) -> bool:
        """Whether a process trains into the folder, or is about to."""
        process = self.started.get(folder)
        return (process is not None and process.poll() is None) or trainer(folder) is not None

    def stop(self, folder: Path) -> str:
        """Tell the process that trains into a folder to save a checkpoint and end, whoever started it; what was done, in words.

        Raises:
            ValueError: none trains there, or it is another user's.
        """
        process = self.started.get(folder)
        number = process.pid if process is not None and process.poll() is None else trainer(folder)
        if number is None:
            raise ValueError(f"nothing trains into {folder.name} on this machine")
        if self.told.get(folder) == number:
            return f"{folder.name} is stopping already: it saves a checkpoint first"
        try:
            if sys.platform == "win32":
                os.kill(number, signal.CTRL_BREAK_EVENT)
            else:
                os.kill(number, signal.SIGTERM)
        except PermissionError:
            raise ValueError(f"{folder.name} is trained by another user's process {number}: they must stop it") from None
        except ProcessLookupError:
            return f"{folder.name} has just ended"
        self.told[folder] = number
        return f"{folder.name} stops after this step and saves a checkpoint"

    def output(self, folder: Path) -> str:
        """The last lines that the command printed, with how it ended, empty if it was not started here."""
        file = folder / OUTPUT
        if not file.is_file():
            return ""
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - 20_000))
            lines = stream.read().decode(errors="replace").replace("\r", "\n").splitlines()
        process = self.started.get(folder)
        ended = [] if process is None or process.poll() is None else [f"(ended with status {process.returncode})"]
        return "\n".join([line for line in lines if line.strip()][-TAIL:] + ended)
