"""The runs of a folder at a glance, from what their folders hold: nothing is imported for it, nothing trusted."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from zerosum.data.images import quiet_decoders
from zerosum.locking import trainer
from zerosum.run import Run

State = Literal["training", "finished", "stopped", "damaged"]

MAX_SHEET = 64_000_000
"""Pixels of a sheet of samples up to which it is shown: of a run from elsewhere it could be a bomb."""
THUMBNAIL = 176


@dataclass(frozen=True)
class Entry:
    """One run."""

    name: str
    """Of its folder: how the browser calls it. It is looked up among those there are, never taken as a path."""
    state: State
    family: str = ""
    data: str = ""
    images: int = 0
    length: int = 0
    speed: float | None = None
    """Images per second, of the newest line."""
    diagnosis: Mapping[str, Any] = field(default_factory=dict)
    """The doctor's newest words, empty before the first."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The newest of each."""
    problem: str = ""
    """Of a damaged run, what is wrong."""
    modified: float = 0.0

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return min(1.0, self.images / self.length) if self.length else 0.0

    @property
    def verdict(self) -> str:
        """The doctor's, or that there is none yet."""
        return str(self.diagnosis.get("verdict", "not examined"))

    @property
    def seconds_left(self) -> float | None:
        """At the newest speed, while it trains."""
        return (self.length - self.images) / self.speed if self.state == "training" and self.speed else None


def check_folder_of_runs(folder: Path) -> None:
    """Refuse what no runs can lie in.

    Raises:
        ValueError: it is a file, or a run itself.
        FileNotFoundError: it is not there.
    """
    if not folder.exists():
        raise FileNotFoundError(
            f"there is no folder {folder}: make it, or train a run into it with zerosum train --out {folder}/NAME"
        )
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file: give the folder that runs lie in")
    if (folder / "recipe.json").is_file():
        raise ValueError(f"{folder} is a run itself: give the folder that it lies in, {folder.absolute().parent}")


def catalogue(folder: Path) -> list[Entry]:
    """The runs that lie directly in a folder: those that train first, then those last changed."""
    found = [read_entry(file.parent) for file in sorted(folder.glob("*/recipe.json")) if not file.parent.name.startswith(".")]
    return sorted(found, key=lambda entry: (entry.state != "training", -entry.modified, entry.name))


def find_run(folder: Path, name: str) -> Run:
    """The run of that name among those that lie in a folder.

    Raises:
        ValueError: there is none.
    """
    for file in folder.glob("*/recipe.json"):
        if file.parent.name == name:
            return Run(file.parent)
    raise ValueError(f"there is no run {name!r} any more: choose another")


def read_entry(folder: Path) -> Entry:
    """A run at a glance; a damaged one says what is wrong."""
    run, modified = Run(folder), last_change(folder)
    try:
        recipe, stats, diagnoses = run.plain_recipe(), run.stats(), run.diagnoses()
        length = int(recipe["train"]["images"])
        newest = max(
            [finite(row["images"]) or 0.0 for row in stats[-1:]] + [float(step.name) for step in run.checkpoints()[-1:]],
            default=0.0,
        )
        speeds = [finite(row["images_per_second"]) for row in stats[-20:] if "images_per_second" in row]
        metrics = {
            name: value
            for row in stats
            for name, value in row.items()
            if name.startswith("metric/") and finite(value) is not None
        }
        training = trainer(folder) is not None
    except (ValueError, OSError, KeyError, TypeError) as problem:
        return Entry(folder.name, "damaged", problem=str(problem), modified=modified)
    return Entry(
        name=folder.name,
        state="training" if training else "finished" if newest >= length else "stopped",
        family=recipe["family"],
        data=recipe["data"]["path"],
        images=int(newest),
        length=length,
        speed=speeds[-1] if speeds else None,
        diagnosis=diagnoses[-1] if diagnoses else {},
        metrics={name.removeprefix("metric/"): value for name, value in metrics.items()},
        modified=modified,
    )


def finite(value: object) -> float | None:
    """The value as a number, None if it is none or not finite."""
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


def last_change(folder: Path) -> float:
    """When a run last changed, in seconds since 1970."""
    files = (folder / name for name in ("stats.jsonl", "recipe.json"))
    return max((file.stat().st_mtime for file in files if file.is_file()), default=0.0)


def thumbnail(run: Run) -> str:
    """The newest samples, small, as a data URI; empty if there are none."""
    pictures = run.pictures()
    return shrink(pictures[-1], pictures[-1].stat().st_mtime) if pictures else ""


@lru_cache(512)
def shrink(picture: Path, modified: float) -> str:
    """A PNG as a small data URI; empty where it cannot be read or is too large."""
    image = open_sheet(picture)
    if image is None:
        return ""
    image = image.convert("RGB")
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=82)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def open_sheet(picture: Path) -> Image.Image | None:
    """A sheet of samples, decoded; None where it is too large or broken."""
    try:
        with quiet_decoders(), Image.open(picture, formats=["PNG"]) as image:
            return image.copy() if image.width * image.height <= MAX_SHEET else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
