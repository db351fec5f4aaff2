"""The run folder: what a training leaves behind and all that comes after reads. Data, never code.

    recipe.json  data.json  environment.json  log.txt  stats.jsonl  diagnosis.jsonl  recoveries.json  memory.json  report.html
    samples/000064000.png
    checkpoints/000064000/{state.pt, average.safetensors, checksums.json}
    checkpoints/best/000064000/{average.safetensors, metrics.json, checksums.json}

Every file but the growing logs is written under a temporary name, flushed to the disk and renamed: it is whole or absent.
"""

import hashlib
import io
import json
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import ValidationError
from safetensors.torch import load as from_safetensors
from safetensors.torch import save as to_safetensors
from torch import Tensor

from zerosum import gans
from zerosum.datacard import DataCard
from zerosum.game import GAN
from zerosum.recipe import Recipe, differences, refuse_newer

log = logging.getLogger("zerosum.run")

T = TypeVar("T")

CHECKPOINT_FILES = ("average.safetensors", "state.pt")
SHEETS = (".png", ".txt")
"""How the names of sheets of samples end."""
BEST_FILES = ("average.safetensors", "metrics.json")
ADJUSTABLE = ("jobs.", "train.images", "data.path", "data.captions", "data.sentence_encoder", "data.broken")
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
    def diagnosis_file(self) -> Path:
        """One JSON object a line: images seen, what the doctor found and its verdict."""
        return self.folder / "diagnosis.jsonl"

    @property
    def samples_folder(self) -> Path:
        """Sheets of samples from fixed latents, named by images seen: pictures, or .txt of text; real.png or real.txt, and
        source.png of pictures from pictures."""
        return self.folder / "samples"

    def plain_recipe(self) -> dict[str, Any]:
        """What the run was started with, as plain data: nothing is imported for it.

        Raises:
            ValueError: the folder is not a run, is of a newer version, or its recipe is damaged.
        """
        if not self.recipe_file.is_file():
            raise ValueError(f"{self.folder} is not a run: it has no recipe.json. Train one with `zerosum train`")
        with naming_damage(self.recipe_file):
            plain = json.loads(self.recipe_file.read_text())
            refuse_newer(plain["version"])
            if not isinstance(plain["family"], str) or not isinstance(plain["data"]["path"], str):
                raise TypeError("family and data.path must be texts")
        return dict(plain)

    def recipe(self, family: str | None = None) -> Recipe:
        """What the run was started with.

        Args:
            family: the module of a GAN of the user's own; it is imported only if the caller names it, since a folder from
                elsewhere could name any.

        Raises:
            ValueError: see `plain_recipe`, or the family is of the user's own and not named.
        """
        return read_recipe(self.plain_recipe(), self.recipe_file, family)

    def card(self) -> DataCard:
        """What data the run was started with.

        Raises:
            ValueError: data.json is missing or damaged.
        """
        with naming_damage(self.folder / "data.json"):
            return DataCard.from_json((self.folder / "data.json").read_text())

    def stats(self) -> list[dict[str, float]]:
        """The lines of stats.jsonl."""
        return read_rows(self.stats_file)

    def diagnoses(self) -> list[dict[str, Any]]:
        """The lines of diagnosis.jsonl."""
        return read_rows(self.diagnosis_file)

    def append_stats(self, row: Mapping[str, float]) -> None:
        """Add a line to stats.jsonl."""
        append_row(self.stats_file, row)

    def append_diagnosis(self, row: Mapping[str, Any]) -> None:
        """Add a line to diagnosis.jsonl."""
        append_row(self.diagnosis_file, row)

    def recoveries(self) -> list[dict[str, Any]]:
        """How the run was saved from divergence so far: why, where it went back to, and what was changed.

        Raises:
            ValueError: recoveries.json is damaged.
        """
        return read_list(self.folder / "recoveries.json")

    def add_recovery(self, recovery: Mapping[str, Any]) -> None:
        """Write down a recovery, and drop the checkpoints after the images it goes back to."""
        write(self.folder / "recoveries.json", json.dumps([*self.recoveries(), recovery], indent=2))
        for folder in self.checkpoints():
            if int(folder.name) > recovery["back_to"]:
                shutil.rmtree(folder)

    def shortages(self) -> list[dict[str, Any]]:
        """When memory was too short so far: where, where the run went back to, and the micro-batches from there on.

        Raises:
            ValueError: memory.json is damaged.
        """
        return read_list(self.folder / "memory.json")

    def add_shortage(self, shortage: Mapping[str, Any]) -> None:
        """Write down that memory was too short."""
        write(self.folder / "memory.json", json.dumps([*self.shortages(), shortage], indent=2))

    def pictures(self) -> list[Path]:
        """The sheets of samples, oldest first: pictures, or texts."""
        return sorted(self.sheets("[0-9]*"), key=lambda file: int(file.stem))

    def sheets(self, name: str) -> list[Path]:
        """The sheets of such a name: pictures, or texts."""
        return [file for suffix in SHEETS for file in self.samples_folder.glob(f"{name}{suffix}")]

    def checkpoints(self) -> list[Path]:
        """Folders of complete checkpoints, oldest first."""
        return numbered(self.folder / "checkpoints")

    def best_checkpoints(self) -> list[Path]:
        """Folders of generators that were each the best when they were judged, oldest first: the last one is the best."""
        return numbered(self.folder / "checkpoints" / "best")

    def save(self, images: int, state: Mapping[str, Any], average: Mapping[str, Tensor], keep: int) -> Path:
        """Write a checkpoint, and delete the oldest beyond `keep` and any of later images: a damaged one was fallen back from.

        Raises:
            OSError: it cannot be written (a full disk); what was there before is untouched.
        """
        folder = self.folder / "checkpoints" / f"{images:09d}"
        with replacing(folder) as new:
            # Through memory: what the libraries themselves raise on a full disk is no OSError.
            buffer = io.BytesIO()
            torch.save(dict(state), buffer)
            (new / "state.pt").write_bytes(buffer.getbuffer())
            (new / "average.safetensors").write_bytes(serialised(average))
            write_checksums(new, CHECKPOINT_FILES)
        past = [old for old in self.checkpoints() if int(old.name) <= images]
        for old in {*self.checkpoints()} - {*past[-keep:]}:
            shutil.rmtree(old)
        return folder

    def save_best(self, images: int, average: bytes, metrics: str) -> Path:
        """Keep a generator, as `serialised` gives it, that is better than all before it, and what was measured.

        The best one that is no newer than the newest checkpoint is kept too: a run that resumes there needs it.

        Raises:
            OSError: it cannot be written (a full disk); what was there before is untouched.
        """
        folder = self.folder / "checkpoints" / "best" / f"{images:09d}"
        with replacing(folder) as new:
            (new / "average.safetensors").write_bytes(average)
            (new / "metrics.json").write_text(metrics)
            write_checksums(new, BEST_FILES)
        resumable = [int(checkpoint.name) for checkpoint in self.checkpoints() if int(checkpoint.name) <= images]
        safe = [old for old in self.best_checkpoints() if int(old.name) <= max(resumable, default=0)]
        for old in {*self.best_checkpoints()} - {folder, *safe[-1:]}:
            shutil.rmtree(old)
        return folder

    def best_checkpoint(self) -> Path | None:
        """The best judged generator whose files are intact; a damaged one is reported and passed over."""
        for folder in reversed(self.best_checkpoints()):
            if intact(folder, BEST_FILES):
                return folder
            log.warning("checkpoint %s is damaged; falling back to the best one before it", folder)
        return None

    def find_checkpoint(self, checkpoint: str | int = "newest") -> Path:
        """The intact checkpoint that is "newest", "best", or was saved at a number of images seen.

        Raises:
            ValueError: there is no such checkpoint, or it is damaged, with those that there are.
        """
        if checkpoint in ("newest", "best"):
            folder = self.best_checkpoint() if checkpoint == "best" else self.newest_checkpoint()
            if folder:
                return folder
        elif not str(checkpoint).isdecimal():
            raise ValueError(f"checkpoint {checkpoint!r}: say newest, best, or the images seen; {self.what_is_there()}")
        else:
            kinds = (self.checkpoints(), CHECKPOINT_FILES), (self.best_checkpoints(), BEST_FILES)
            for folder, files in ((folder, files) for folders, files in kinds for folder in folders):
                if int(folder.name) == int(checkpoint) and intact(folder, files):
                    return folder
        if checkpoint == "newest" and self.checkpoints():
            raise ValueError(f"every checkpoint of {self.folder} is damaged; restore one from a copy, or start a new run")
        if checkpoint == "newest" or not [*self.checkpoints(), *self.best_checkpoints()]:
            raise ValueError(f"{self.folder} has no checkpoint yet; train it further with the command it was started with")
        if checkpoint == "best" and not self.best_checkpoints():
            raise ValueError(
                f"{self.folder} has no best checkpoint, for it was not judged during training (--jobs.evaluate-every); "
                f"{self.what_is_there()}"
            )
        raise ValueError(f"{self.folder} has no intact checkpoint {checkpoint}; {self.what_is_there()}")

    def what_is_there(self) -> str:
        """The checkpoints in words."""
        last = [f"best ({int(folder.name)})" for folder in self.best_checkpoints()[-1:]]
        return f"there are {', '.join([*(str(int(folder.name)) for folder in self.checkpoints()), *last])}"

    def read_average(self, checkpoint: str | int = "newest") -> tuple[dict[str, Tensor], str]:
        """The averaged generator's weights in a checkpoint, and which one that is: see `named`.

        Raises:
            ValueError: as `find_checkpoint`.
        """
        while True:
            folder = self.find_checkpoint(checkpoint)
            try:
                average = (folder / "average.safetensors").read_bytes()
            except FileNotFoundError:  # a training run has just replaced it by a newer one
                continue
            return from_safetensors(average), self.named(int(folder.name), average)

    def named(self, images: int, average: bytes) -> str:
        """A generator of this run by folder, images seen and the first 12 digits of its weights' sha256."""
        digest = hashlib.sha256(average).hexdigest()[:12]
        return f"{self.folder.absolute().name} at {images:,} images ({digest})"

    def newest_checkpoint(self) -> Path | None:
        """The newest checkpoint whose files are intact; a damaged one is reported and passed over."""
        for folder in reversed(self.checkpoints()):
            if intact(folder):
                return folder
            log.warning("checkpoint %s is damaged; falling back to the one before it", folder)
        return None

    def read_newest(self, read: Callable[[Path], T]) -> T | None:
        """What `read` makes of the newest intact checkpoint, None if there is no checkpoint.

        Raises:
            ValueError: there are checkpoints, but all are damaged.
        """
        while (folder := self.newest_checkpoint()) is not None:
            try:
                return read(folder)
            except FileNotFoundError:  # a training run has just replaced it by a newer one
                continue
        if self.checkpoints():
            raise ValueError(f"every checkpoint of {self.folder} is damaged; restore one from a copy, or start a new run")
        return None

    def newest_state(self, device: torch.device) -> dict[str, Any] | None:
        """The state in the newest intact checkpoint, None if there is no checkpoint.

        Raises:
            ValueError: the checkpoint holds a generator alone, such as a tuned one.
        """
        state = self.read_newest(lambda folder: torch.load(folder / "state.pt", map_location=device, weights_only=True))
        if state is not None and not state:
            raise ValueError(
                f"{self.folder} holds a generator alone, without the state of its training: it can be sampled from, but not "
                "trained further or examined; train into another --out"
            )
        return state

    def cut_rows(self, images: int) -> None:
        """Drop the lines of stats.jsonl and diagnosis.jsonl that lie beyond the images seen."""
        for file in (self.stats_file, self.diagnosis_file):
            rows = [row for row in read_rows(file) if row["images"] <= images]
            if rows or file.exists():
                write(file, "".join(json.dumps(row) + "\n" for row in rows))

    def cut_best(self, images: int) -> None:
        """Delete the best generators that lie beyond the images seen."""
        for folder in self.best_checkpoints():
            if int(folder.name) > images:
                shutil.rmtree(folder)


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
        found = {entry.name for entry in folder.iterdir()} if existing == folder else set()
    except OSError as error:
        raise type(error)(f"cannot write the run folder {folder}: {error.strerror}; choose another --out") from None
    # A run that was killed at its very start has no recipe yet.
    ours = {"recipe.json", "data.json", "environment.json", "checkpoints", "samples", "log.txt"}
    foreign = {name for name in found if name not in ours and not name.startswith(".")}
    if foreign and "recipe.json" not in found:
        raise ValueError(f"{folder} is not empty and not a run; choose another --out")


def open_run(folder: Path, recipe: Recipe, card: DataCard) -> Run:
    """Create the run's folder, or open it again to go on. A run without a checkpoint has nothing to lose and starts anew.

    Raises:
        ValueError: the folder holds a run of another recipe or other data (with the differing fields).
        OSError: the folder cannot be written to.
    """
    run = Run(folder)
    checkpoints = run.checkpoints()
    if checkpoints:
        refuse_changes(run, recipe, card)
    elif has_changed(run, recipe, card):
        for name in ("recoveries.json", "memory.json"):
            (folder / name).unlink(missing_ok=True)
    if checkpoints and int(checkpoints[-1].name) >= recipe.train.images:
        return run
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    run.samples_folder.mkdir(exist_ok=True)
    write(folder / "data.json", card.to_json())
    write(folder / "environment.json", json.dumps(environment(), indent=2))
    write(run.recipe_file, recipe.to_json())
    return run


def changes(run: Run, recipe: Recipe, card: DataCard) -> list[tuple[str, Any, Any]]:
    """What differs between a run and a recipe and data, of what must not: (name, in the run, now).

    Raises:
        ValueError: the run cannot be read, see `Run.recipe` and `Run.card`.
    """
    old, old_card = run.recipe(recipe.family), run.card()
    rows = [row for row in differences(old, recipe) if not row[0].startswith(ADJUSTABLE)]
    if card != old_card:
        rows.append(("data (content)", f"{old_card.num_examples} examples", f"{card.num_examples} examples"))
    return rows


def has_changed(run: Run, recipe: Recipe, card: DataCard) -> bool:
    """Whether a run differs from a recipe and data, or cannot be read."""
    try:
        return bool(changes(run, recipe, card))
    except ValueError:
        return True


def refuse_changes(run: Run, recipe: Recipe, card: DataCard) -> None:
    """Refuse to go on with another recipe or other data than the run was started with.

    Raises:
        ValueError: with a table of the fields that differ.
    """
    if rows := changes(run, recipe, card):
        width = max(len(name) for name, *_ in rows)
        table = "\n".join(f"  {name:<{width}}  {before} -> {after}" for name, before, after in rows)
        raise ValueError(
            f"{run.folder} was started with other settings (run -> now):\n{table}\n"
            "Resume with the same settings, or start a new run with another --out"
        )


def load(folder: Path, family: str | None = None, checkpoint: str | int = "newest") -> tuple[GAN, DataCard, str]:
    """The averaged generator of a run's checkpoint, frozen and on the CPU, its data card, and which one it is in words.

    Args:
        family: the module of a GAN of the user's own, see `Run.recipe`.
        checkpoint: "newest", "best" (where the run was judged during training), or the images seen.

    Raises:
        ValueError: the folder is not a run, or has no such usable checkpoint.
    """
    run = Run(folder)
    recipe, card = run.recipe(family), run.card()
    weights, name = run.read_average(checkpoint)
    gan = for_sampling(recipe, card)
    gan.load_state_dict(weights)
    return gan, card, name


def read_recipe(plain: Mapping[str, Any], file: Path, family: str | None = None) -> Recipe:
    """The recipe that a file holds.

    Args:
        plain: the file's content, parsed.
        family: see `Run.recipe`.

    Raises:
        ValueError: see `Run.recipe`.
    """
    name = plain["family"]
    if name not in gans.names() and name != family:
        raise ValueError(f"{file.parent} is of {name}, a module of its own: if you trust it, say --family {name}")
    with naming_damage(file):
        return Recipe.from_plain(plain, gans.find(name).config)


def for_sampling(recipe: Recipe, card: DataCard) -> GAN:
    """The generator of a recipe for such data, frozen and on the CPU, with weights yet to be read."""
    return gans.find(recipe.family).gan(recipe.gan, card.shapes).for_sampling()


@contextmanager
def naming_damage(file: Path) -> Iterator[None]:
    """Say which file is missing or damaged."""
    try:
        yield
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, ValidationError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged: {type(error).__name__}: {error}") from None


@contextmanager
def naming_failure(file: Path) -> Iterator[None]:
    """Say which file cannot be written, and that nothing is lost."""
    try:
        yield
    except OSError as error:
        raise OSError(f"cannot write {file}: {error.strerror or error}. What was there before is intact") from error


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A new folder to fill, which then takes the place of `target` in one step; if filling fails, nothing has changed."""
    new = target.with_name(f".{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    try:
        with naming_failure(target):
            new.mkdir(parents=True)
            yield new
            for file in new.iterdir():
                flush(file)
            flush(new)
            if target.exists():
                shutil.rmtree(target)
            new.rename(target)
            flush(target.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def read_list(file: Path) -> list[dict[str, Any]]:
    """The list in a JSON file, empty if it is not there.

    Raises:
        ValueError: it is damaged.
    """
    if not file.is_file():
        return []
    with naming_damage(file):
        return list(json.loads(file.read_text()))


def append_row(file: Path, row: Mapping[str, Any]) -> None:
    """Add a line of JSON to a growing file."""
    with naming_failure(file), file.open("a") as stream:
        stream.write(json.dumps(row) + "\n")


def read_rows(file: Path) -> list[dict[str, Any]]:
    """The lines of a growing file, none if it is not there; one that a killed process left half-written is passed over."""
    if not file.is_file():
        return []
    rows = []
    for line in file.read_text(errors="replace").splitlines():
        with suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return [row for row in rows if isinstance(row, dict) and "images" in row]


def write(path: Path, text: str | bytes) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    with naming_failure(path):
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


def numbered(folder: Path) -> list[Path]:
    """The folders in it that are named by images seen, in ascending order."""
    found = (entry for entry in folder.glob("[0-9]*") if entry.name.isdigit())
    return sorted(found, key=lambda entry: int(entry.name))


def serialised(average: Mapping[str, Tensor]) -> bytes:
    """Weights as a safetensors file; equal weights give equal bytes."""
    return to_safetensors({name: value.contiguous() for name, value in average.items()})


def write_checksums(folder: Path, names: Sequence[str]) -> None:
    """Write down the checksums of these files beside them."""
    (folder / "checksums.json").write_text(json.dumps({name: checksum(folder / name) for name in names}, indent=2))


def checksum(file: Path) -> str:
    """sha256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def intact(folder: Path, names: Sequence[str] = CHECKPOINT_FILES) -> bool:
    """Whether a checkpoint's files are those that were written."""
    try:
        sums = json.loads((folder / "checksums.json").read_text())
        return all(checksum(folder / name) == sums[name] for name in names)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def environment() -> dict[str, str]:
    """The versions a run's numbers depend on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    return {**versions, "platform": platform.platform(), "gpu": gpu, "threads": str(torch.get_num_threads())}
