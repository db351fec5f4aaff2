"""What the verbs that change latents read: directions with a strength, lists of seeds, sweeps."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zerosum.apply.directions import Directions
from zerosum.latents import read_layers
from zerosum.sampling import Label, Sampler, Settings

MOVE = "FILE:NUMBER=STRENGTH[@LAYERS], such as directions.npz:2=1.5 or directions.npz:0=-2@4-7"


def read_moves(sampler: Sampler, moves: Sequence[str]) -> Tensor | None:
    """The sum of what `--move` asks for, as a shift of latents; None if nothing does.

    Raises:
        ValueError: one that cannot be read, or directions of another generator's latents.
        FileNotFoundError: there is no such file.
    """
    shifts = [read_move(sampler, move) for move in moves]
    return torch.stack(shifts).sum(0) if shifts else None


def read_move(sampler: Sampler, move: str) -> Tensor:
    """The shift of one `FILE:NUMBER=STRENGTH[@LAYERS]`, in standard deviations of latents along it."""
    found = re.fullmatch(r"(.+):(\d+)=([^=@]+)(?:@([\w-]+))?", move)
    try:
        strength = float(found[3]) if found else 0.0
    except ValueError:
        found = None
    if not found:
        raise ValueError(f"--move {move!r}: write {MOVE}")
    return shift_of(sampler, Path(found[1]), int(found[2]), strength, found[4])


def shift_of(sampler: Sampler, file: Path, number: int, strength: float, layers: str | None = None) -> Tensor:
    """A direction of a file times a strength."""
    directions, space = Directions.load(file), sampler.latent_space()
    if tuple(directions.vectors.shape[1:]) != space.shape:
        theirs, ours = list(directions.vectors.shape[1:]), list(space.shape)
        raise ValueError(f"{file} holds directions of latents {theirs}, this generator's are {ours}: find some for this run")
    if layers is not None and space.num_layers == 1:
        raise ValueError(f"--move ...@{layers}: this generator takes one latent for all its layers, leave the layers out")
    return directions.shift(number, strength, None if layers is None else read_layers(layers, space.num_layers))


def read_seeds(option: str, text: str) -> list[int]:
    """Seeds written as `0-3`, `5` or `0-3,7,9`.

    Raises:
        ValueError: something else.
    """
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if not found or int(found[2] or found[1]) < int(found[1]):
            raise ValueError(f"{option} {text!r}: write seeds as 0-3 or 0-3,7,9")
        seeds += range(int(found[1]), int(found[2] or found[1]) + 1)
    return seeds


def read_sweep(sampler: Sampler, text: str, shared: Settings) -> list[Settings]:
    """The columns of a sheet: `label`, `truncation=0.3,0.7,1`, `COLUMN=20,30,40` or `FILE:NUMBER=-2,0,2`.

    Raises:
        ValueError: something else, or what this generator does not have.
    """
    name, equals, values = text.partition("=")
    labels = sampler.card.labels if "label" in sampler.gan.given else None
    if text == "label":
        if labels is None or not labels.classes:
            raise ValueError("--sweep label: this generator has no classes to go through")
        return [{**shared, "label": number} for number in range(len(labels.classes))]
    try:
        numbers = [float(value) for value in values.split(",")] if equals else []
    except ValueError:
        numbers = []
    if not numbers:
        raise ValueError(f"--sweep {text!r}: write label, truncation=0.3,0.7,1, COLUMN=20,30,40 or FILE:NUMBER=-2,0,2")
    if name == "truncation":
        return [{**shared, "truncation": number} for number in numbers]
    if ":" in name:
        file, _, number = name.rpartition(":")
        if not number.isdecimal():
            raise ValueError(f"--sweep {text!r}: after the file comes a direction's number, such as directions.npz:2=-2,0,2")
        shifts = [shift_of(sampler, Path(file), int(number), strength) for strength in numbers]
        own = shared.get("shift")
        return [{**shared, "shift": shift if own is None else shift + own} for shift in shifts]
    columns = [] if labels is None else [column.name for column in labels.columns]
    if name not in columns:
        known = ["truncation", "label", *columns]
        raise ValueError(f"--sweep {text!r}: this generator has nothing called {name!r}; there are {', '.join(known)}")
    return [{**shared, "label": with_column(sampler, shared.get("label"), name, number)} for number in numbers]


def with_column(sampler: Sampler, label: Label | None, name: str, number: float) -> Label:
    """A label of columns with one of them set; those that are not given have their means."""
    means = {column.name: column.mean for column in sampler.card.labels.columns}
    return {**means, **(label if isinstance(label, dict) else {}), name: number}


def read_latents(sampler: Sampler, file: Path) -> tuple[Tensor, Tensor | None, int]:
    """Latents, label vectors and the seed of what else is random, of a file that `zerosum project` wrote.

    Raises:
        FileNotFoundError: nothing lies there.
        ValueError: it is something else.
    """
    if not file.is_file():
        raise FileNotFoundError(f"no latents at {file}: find some with `zerosum project RUN IMAGE --out FOLDER`")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            label = torch.from_numpy(arrays["label"]) if "label" in arrays else None
            return torch.from_numpy(arrays["latents"]).float(), label, int(arrays["seed"])
    except (KeyError, ValueError, OSError, EOFError, TypeError) as error:
        raise ValueError(f"{file} does not hold latents ({error}); `zerosum project` writes them as latent.npz") from None
