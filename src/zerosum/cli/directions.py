"""`zerosum directions RUN`: directions of latents that change samples in one way, with a sheet for each."""

import csv
from collections import Counter
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

from zerosum import api
from zerosum.apply.directions import SAMPLES, Directions, checked, ganspace, labelled, sefa
from zerosum.cli import say
from zerosum.cli.options import options
from zerosum.cli.sample import read_label
from zerosum.data import Images, open_data
from zerosum.evaluate.classifier import Labelled, train_classifier
from zerosum.latents import read_layers
from zerosum.pictures import picture
from zerosum.run import Run, write
from zerosum.sampling import Label, Sampler, Settings

Values = dict[str, list[str] | list[float]]
STEPS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Standard deviations along a direction, in the columns of its sheet."""
LEARNT_FROM = 1_000
"""Real images of each class that the classifier learns from, at most."""
LEAST_OF_CLASS = 10
"""Samples of a class below which no direction towards it is sought."""


@dataclass(frozen=True)
class Find:
    """Find directions in a generator's latents, and show what each does from -3 to 3 standard deviations."""

    run: tyro.conf.Positional[Path]
    """The run folder."""
    family: str | None = None
    """Of a run of a GAN of your own: its module, which is imported only if you name it."""
    checkpoint: str = "newest"
    """newest, best (where the run was judged during training), or the images seen."""
    method: Literal["sefa", "ganspace", "labels"] = "sefa"
    """sefa: by the first weights. ganspace: where latents (w), or what the first layer makes of them (z), vary most. labels:
    towards what samples are labelled as."""
    num: int = 8
    """How many directions; of labels, all there are."""
    layers: str | None = None
    """Of a latent per layer: which are moved, coarse, middle, fine or a range such as 0-3. None: all."""
    labels: Path | None = None
    """Of labels: a CSV with a column seed and columns of labels; texts are classes, numbers are values."""
    from_data: bool = False
    """Of labels: let a small classifier, trained on the classes of the run's own data, label the samples."""
    samples: int | None = None
    """Of ganspace: random latents to look at, None: 10,000. Of --from-data: samples to label, None: 2,000."""
    label: str | None = None
    """Of a conditional run, as in `zerosum sample`."""
    truncation: float | None = None
    """Of the sheets, as in `zerosum sample`."""
    rows: int = 4
    """Seeds in a sheet."""
    seed: int = 0
    """Of the first sample of a sheet, and of all that is random."""
    out: Path = Path("directions")
    """A folder: directions.npz, and a sheet for each direction."""


def main(arguments: list[str]) -> int:
    """Find, show and write."""
    chosen = options(Find, "zerosum directions", arguments)
    check_options(chosen)
    sampler = api.load(chosen.run, chosen.family, chosen.checkpoint)
    label = None if chosen.label is None else read_label(chosen.label)
    found = find(sampler, chosen, label)
    chosen.out.mkdir(parents=True, exist_ok=True)
    found.save(chosen.out / "directions.npz")
    for number, name in enumerate(found.names):
        if sampler.gan.makes == "image":
            columns = [
                Settings(label=label, truncation=chosen.truncation, shift=found.shift(number, strength)) for strength in STEPS
            ]
            sheet = sampler.sweep(chosen.rows, columns, seed=chosen.seed)
            write(chosen.out / f"{number:02d}.png", picture(sheet, len(STEPS)))
        say(f"{number:>3}  {name:<24}  score {found.scores[number]:.3f}  spread {found.spreads[number]:.3f}")
    return say(f"{len(found)} directions in {chosen.out / 'directions.npz'}, a sheet for each beside it")


def check_options(chosen: Find) -> None:
    """Refuse options that are wrong or do not go together.

    Raises:
        ValueError: naming them.
    """
    if chosen.rows < 1:
        raise ValueError(f"--rows must be at least 1, not {chosen.rows}")
    if (chosen.labels is not None or chosen.from_data) and chosen.method != "labels":
        raise ValueError(f"--labels and --from-data are for --method labels, not {chosen.method}")
    if chosen.method == "labels" and (chosen.labels is None) != chosen.from_data:
        raise ValueError("--method labels needs to be told what samples show: give either --labels FILE.csv or --from-data")
    if chosen.samples is not None and (chosen.samples < 1 or chosen.method == "sefa" or chosen.labels is not None):
        raise ValueError("--samples is for ganspace and --from-data, and above 0")


def find(sampler: Sampler, chosen: Find, label: Label | None) -> Directions:
    """The directions by the method chosen."""
    num_layers = sampler.latent_space().num_layers
    layers = None
    if chosen.layers is not None:
        layers = read_layers(chosen.layers, num_layers) if num_layers > 1 else range(1)
    if chosen.method == "sefa":
        return sefa(sampler, chosen.num, layers, seed=chosen.seed)
    if chosen.method == "ganspace":
        return ganspace(sampler, chosen.num, layers, samples=chosen.samples or SAMPLES, seed=chosen.seed, label=label)
    checked(sampler, 1, layers)
    if chosen.labels is not None:
        if label is None and "label" in sampler.gan.given:
            raise ValueError("--labels says what the seeds show, but a conditional run shows it of one class: give --label too")
        seeds, values = read_labels(chosen.labels)
    else:
        seeds, values = classified(sampler, chosen, label)
    return labelled(sampler, sampler.latents(seeds, label), values, layers)


def read_labels(file: Path) -> tuple[list[int], Values]:
    """Seeds, and for each other column one text or number for each of them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no seeds or labels, or a line that cannot be read.
    """
    if not file.is_file():
        raise FileNotFoundError(f"--labels {file}: there is no such file; write a CSV with the columns seed and label")
    with file.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    names = [name for name in (rows[0] if rows else {}) if name is not None and name != "seed"]
    if not rows or "seed" not in rows[0] or not names:
        raise ValueError(f"--labels {file}: it needs a first line such as seed,label and a line for each labelled sample")
    for number, row in enumerate(rows, 2):
        if not (row["seed"] or "").strip().isdecimal() or any(not (row[name] or "").strip() for name in names):
            raise ValueError(
                f"--labels {file}, line {number}: it needs a whole number as seed and a value for {', '.join(names)}"
            )
    texts = {name: [row[name].strip() for row in rows] for name in names}
    return [int(row["seed"]) for row in rows], {name: as_numbers(values) for name, values in texts.items()}


def as_numbers(values: list[str]) -> list[str] | list[float]:
    """The values as numbers, if all of them are finite ones."""
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return values
    return numbers if all(map(isfinite, numbers)) else values


def classified(sampler: Sampler, chosen: Find, label: Label | None) -> tuple[list[int], Values]:
    """Seeds, and the class that a classifier trained on the run's data sees in each sample.

    Raises:
        ValueError: the data has no classes.
        FileNotFoundError: the data is gone.
    """
    dataset = open_data(Run(chosen.run).recipe(chosen.family).data)
    classes = dataset.card.labels.classes
    if not isinstance(dataset, Images) or dataset.labels is None or not classes:
        raise ValueError("--from-data: the data of this run has no classes to learn; label samples by hand in a --labels CSV")
    if dataset.card.shapes["image"] != sampler.card.shapes["image"]:
        raise ValueError("--from-data: the data of this run is no longer what it was trained on")
    real = Labelled(dataset.images, dataset.labels).draw(LEARNT_FROM, chosen.seed)
    classifier = train_classifier(real, len(classes), chosen.seed, device=sampler.device)
    n = chosen.samples or 2_000
    seeds = range(chosen.seed, chosen.seed + n)
    seen = classifier(np.ascontiguousarray(sampler.sample(n, seed=chosen.seed, label=label).transpose(0, 3, 1, 2)))
    names = [classes[number] for number in seen]
    counts = Counter(names)
    kept = [number for number, name in enumerate(names) if counts[name] >= LEAST_OF_CLASS]
    return [seeds[number] for number in kept], {"class": [names[number] for number in kept]}
