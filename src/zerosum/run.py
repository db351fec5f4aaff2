"""The run folder: what a training leaves behind and all that comes after reads. Data, never code.

    recipe.json  data.json  environment.json  log.txt  stats.jsonl  report.html
    samples/000064000.png
    checkpoints/000064000/{state.pt, average.safetensors, checksums.json}

Every file is written under a temporary name, flushed to the disk and renamed: it is whole or absent.
"""

import hashlib
import io
import json
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor

from zerosum import gans
from zerosum.datacard import DataCard
from zerosum.game import GAN
from zerosum.recipe import Recipe, differences

log = logging.getLogger("zerosum.run")

ADJUSTABLE = ("jobs.", "train.images", "data.path", "data.broken")
"""Fields that may change when a run is resumed: they do not touch what has been trained. Data is compared by content."""


@dataclass(frozen=True)
class Run:
    """One run folder."""

    folder: Path

    @property
    def recipe_file(self) -> Path:
        """The whole recipe, as JSON."""
        return self.folder / "recipe.json"

    @property
    def stats_file(self) -> Path:
        """One JSON object a line: images seen and the means since the line before."""
        return self.folder / "stats.jsonl"

    @property
    def samples_folder(self) -> Path:
        """Grids of samples from fixed latents, named by images seen, and real.png."""
        return self.folder / "samples"

    def recipe(self) -> Recipe:
        """What the run was started with.

        Raises:
            ValueError: the folder is not a run, is of a newer version, or its recipe is damaged.
        """
        if not self.recipe_file.is_file():
            raise ValueError(f"{self.folder} is not a run: it has no recipe.json. Train one with `zerosum train`")
        try:
            plain = json.loads(self.recipe_file.read_text())
            return Recipe.from_plain(plain, gans.find(plain["family"]).config)
        except (json.JSONDecodeError, ValidationError, KeyError, TypeError) as error:
            raise ValueError(f"{self.recipe_file} is damaged: {error}") from None

    def card(self) -> DataCard:
        """What data the run was started with."""
        return DataCard.from_json((self.folder / "data.json").read_text())

    def stats(self) -> list[dict[str, float]]:
        """The lines of stats.jsonl; one that a killed process left half-written is passed over."""
        if not self.stats_file.is_file():
            return []
        return [json.loads(line) for line in self.stats_file.read_text().splitlines() if line.endswith("}")]

    def append_stats(self, row: Mapping[str, float]) -> None:
        """Add a line to stats.jsonl."""
        with self.stats_file.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def checkpoints(self) -> list[Path]:
        """Folders of complete checkpoints, oldest first."""
        found = (self.folder / "checkpoints").glob("[0-9]*")
        return sorted(folder for folder in found if folder.name.isdigit())

    def save(self, images: int, state: Mapping[str, Any], average: Mapping[str, Tensor], keep: int) -> Path:
        """Write a checkpoint and delete the oldest beyond `keep`.

        Raises:
            OSError: it cannot be written (a full disk); what was there before is untouched.
        """
        folder = self.folder / "checkpoints" / f"{images:09d}"
        with replacing(folder) as new:
            # Through memory: what the libraries themselves raise on a full disk is no OSError.
            buffer = io.BytesIO()
            torch.save(dict(state), buffer)
            (new / "state.pt").write_bytes(buffer.getbuffer())
            contiguous = {name: value.contiguous() for name, value in average.items()}
            (new / "average.safetensors").write_bytes(to_safetensors(contiguous))
            sums = {file.name: checksum(file) for file in sorted(new.iterdir())}
            (new / "checksums.json").write_text(json.dumps(sums, indent=2))
        for old in self.checkpoints()[:-keep]:
            shutil.rmtree(old)
        return folder

    def newest_checkpoint(self) -> Path | None:
        """The newest checkpoint whose files are intact; a damaged one is reported and passed over."""
        for folder in reversed(self.checkpoints()):
            if intact(folder):
                return folder
            log.warning("checkpoint %s is damaged; falling back to the one before it", folder)
        return None

    def newest_state(self, device: torch.device) -> dict[str, Any] | None:
        """The state in the newest intact checkpoint, None if there is none."""
        folder = self.newest_checkpoint()
        if folder is None:
            return None
        state: dict[str, Any] = torch.load(folder / "state.pt", map_location=device, weights_only=True)
        return state

    def cut_stats(self, images: int) -> None:
        """Drop the lines of stats.jsonl that lie beyond the images seen."""
        rows = [row for row in self.stats() if row["images"] <= images]
        write(self.stats_file, "".join(json.dumps(row) + "\n" for row in rows))


def check_folder(folder: Path) -> None:
    """See, before any work is done, that a run can live in the folder.

    Raises:
        ValueError: it holds something else.
        OSError: it cannot be written to.
    """
    try:
        existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
        with tempfile.TemporaryFile(dir=existing):
            pass
        foreign = existing == folder and any(folder.iterdir()) and not Run(folder).recipe_file.is_file()
    except OSError as error:
        raise type(error)(f"cannot write the run folder {folder}: {error.strerror}; choose another --out") from None
    if foreign:
        raise ValueError(f"{folder} is not empty and not a run; choose another --out")


def open_run(folder: Path, recipe: Recipe, card: DataCard) -> Run:
    """Create the run's folder, or open it again to go on.

    Raises:
        ValueError: the folder holds a run of another recipe or other data (with the differing fields).
        OSError: the folder cannot be written to.
    """
    run = Run(folder)
    if run.recipe_file.is_file():
        refuse_changes(run, recipe, card)
    try:
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        run.samples_folder.mkdir(exist_ok=True)
        write(folder / "data.json", card.to_json())
        write(folder / "environment.json", json.dumps(environment(), indent=2))
        write(run.recipe_file, recipe.to_json())
    except OSError as error:
        raise type(error)(f"cannot write the run folder {folder}: {error.strerror or error}; choose another --out") from None
    return run


def refuse_changes(run: Run, recipe: Recipe, card: DataCard) -> None:
    """Refuse to go on with another recipe or other data than the run was started with.

    Raises:
        ValueError: with a table of the fields that differ.
    """
    old, old_card = run.recipe(), run.card()
    rows = [row for row in differences(old, recipe) if not row[0].startswith(ADJUSTABLE)]
    if card != old_card:
        rows.append(("data (content)", f"{old_card.num_examples} examples", f"{card.num_examples} examples"))
    if rows:
        width = max(len(name) for name, *_ in rows)
        table = "\n".join(f"  {name:<{width}}  {before} -> {after}" for name, before, after in rows)
        raise ValueError(
            f"{run.folder} was started with other settings (run -> now):\n{table}\n"
            "Resume with the same settings, or start a new run with another --out"
        )


def load(folder: Path) -> tuple[GAN, DataCard]:
    """The averaged generator of a run's newest intact checkpoint, frozen and on the CPU, and its data card.

    Raises:
        ValueError: the folder is not a run, or has no usable checkpoint yet.
    """
    run = Run(folder)
    recipe, card, checkpoint = run.recipe(), run.card(), run.newest_checkpoint()
    if checkpoint is None:
        raise ValueError(f"{folder} has no usable checkpoint yet; train it further with the command it was started with")
    gan = gans.find(recipe.family).gan(recipe.gan, card.shapes).for_sampling()
    gan.load_state_dict(load_file(checkpoint / "average.safetensors"))
    return gan, card


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A new folder to fill, which then takes the place of `target` in one step; if filling fails, nothing has changed."""
    new = target.with_name(f".{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        yield new
        for file in new.iterdir():
            flush(file)
        flush(new)
        if target.exists():
            shutil.rmtree(target)
        new.rename(target)
        flush(target.parent)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        raise OSError(f"cannot write {target}: {error.strerror or error}. What was there before is intact") from error


def write(path: Path, text: str | bytes) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(text.encode() if isinstance(text, str) else text)
    flush(new)
    new.replace(path)


def flush(path: Path) -> None:
    """Wait until a file or folder is on the disk. Windows cannot open folders, and needs a file opened for writing."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def checksum(file: Path) -> str:
    """sha256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def intact(folder: Path) -> bool:
    """Whether a checkpoint's files are those that were written."""
    try:
        sums: dict[str, str] = json.loads((folder / "checksums.json").read_text())
        return all(checksum(folder / name) == expected for name, expected in sums.items())
    except (OSError, ValueError):
        return False


def environment() -> dict[str, str]:
    """The versions a run's numbers depend on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    return {**versions, "platform": platform.platform(), "gpu": gpu, "threads": str(torch.get_num_threads())}
