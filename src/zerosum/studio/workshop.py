"""What the studio works with: a folder of runs, and what the command line hands over, for it imports no other verb."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from zerosum.recipe import Recipe
from zerosum.run import Run
from zerosum.sampling import Sampler
from zerosum.studio.catalogue import Entry, catalogue, find_run
from zerosum.studio.tools import Tool
from zerosum.studio.trainings import Trainings

KEPT = 3
"""Generators in memory."""


@dataclass
class Workshop:
    """The studio without its page.

    Args:
        families: family -> its recipes by name.
        first: the family whose form is shown first.
        load: the generator of a run folder's checkpoint, by the images seen or "best".
        healthy: the doctor's verdicts that are nothing to worry about.
    """

    folder: Path
    families: Mapping[str, Mapping[str, Callable[[], Recipe]]]
    first: str
    tools: Sequence[Tool]
    load: Callable[[Path, str], Sampler]
    healthy: frozenset[str]
    trainings: Trainings = field(default_factory=Trainings)
    _kept: dict[tuple[Path, str], Sampler] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def entries(self) -> list[Entry]:
        """The runs; one whose process was started here trains from its start to its end."""
        return [self._as_started(entry) for entry in catalogue(self.folder)]

    def _as_started(self, entry: Entry) -> Entry:
        is_ours = entry.state in ("stopped", "finished") and self.trainings.is_running(self.folder / entry.name)
        return replace(entry, state="training") if is_ours else entry

    def run(self, name: str) -> Run:
        """The run of that name.

        Raises:
            ValueError: there is none.
        """
        return find_run(self.folder, name)

    def playable(self) -> list[str]:
        """Names of the runs that have a checkpoint."""
        return [entry.name for entry in self.entries() if entry.state != "damaged" and self.run(entry.name).checkpoints()]

    def checkpoints(self, name: str) -> list[str]:
        """What can be chosen of a run: newest, best where it was judged, then the images seen."""
        run = self.run(name)
        best = ["best"] if run.best_checkpoints() else []
        return ["newest", *best, *(str(int(folder.name)) for folder in reversed(run.checkpoints()))]

    def sampler(self, name: str, checkpoint: str = "newest") -> Sampler:
        """The generator of a run, from memory if it was used lately.

        Raises:
            ValueError: there is no such run or checkpoint, or its family must be named.
        """
        run = self.run(name)
        if checkpoint not in self.checkpoints(name):
            raise ValueError(f"{name} has no checkpoint {checkpoint!r} any more: choose another")
        folders = {"newest": run.checkpoints(), "best": run.best_checkpoints()}.get(checkpoint, [])
        key = (run.folder, f"{checkpoint} {folders[-1].name}" if folders else checkpoint)
        with self._lock:
            if key not in self._kept:
                while len(self._kept) >= KEPT:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[key] = self.load(run.folder, checkpoint)
            self._kept[key] = self._kept.pop(key)
            return self._kept[key]
