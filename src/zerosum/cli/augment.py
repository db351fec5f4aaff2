"""`zerosum augment PATH --run RUN --per-class N --out DIR`: labelled images of a generator, checked, and their worth."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console

from zerosum import api, distributed, features
from zerosum.apply.augmentation import TRIES, harvest, layout_of, write_images
from zerosum.cli import say
from zerosum.cli.options import options
from zerosum.data.sources import open_source
from zerosum.evaluate.enlarged import Real, acceptance_figure, advice, lift_figure, make_checks, other_real, own_real
from zerosum.evaluate.figures import table, to_plain
from zerosum.evaluate.sides import open_images
from zerosum.recipe import Data
from zerosum.run import Run
from zerosum.sampling import Sampler


@dataclass(frozen=True)
class Augment:
    """Enlarge a labelled data set by a generator's images that a classifier is sure of and that are no copies, and measure what
    they add to a classifier on held-out images."""

    path: tyro.conf.Positional[str]
    """The labelled images to be enlarged: what the generator was trained on, or --against must be given."""
    run: Path
    """The run folder, of a generator that is conditioned on these classes."""
    out: Path
    """The folder for the generated images, new or empty: laid out as the real ones are, with metrics.json."""
    per_class: int = 100
    """Images of each class that are wanted."""
    against: str | None = None
    """Held-out real images of the same classes, to measure by. None: those that the run held out."""
    confidence: float = 0.5
    """How probable its class must be to a small classifier that was trained on the real images, in [0, 1); 0: any."""
    seeds: int = 5
    """Classifiers that are trained with and without the generated images, from 3 to 10: the interval is over them."""
    seed: int = 0
    """Of the first sample and of all that is drawn."""
    features: str = "lite0"
    """The feature network that finds copies, as in `zerosum evaluate`."""
    tries: int = TRIES
    """Samples drawn for each that is wanted, at most."""
    family: str | None = None
    """Of a run of a GAN of your own: its module, which is imported only if you name it."""
    checkpoint: str = "newest"
    """newest, best (where the run was judged during training), or the images seen."""


def main(arguments: list[str]) -> int:
    """Generate, check, measure and write."""
    chosen = options(Augment, "zerosum augment", arguments)
    check_options(chosen)
    console = Console(stderr=True, markup=False, soft_wrap=True)
    sampler = api.load(chosen.run, chosen.family, chosen.checkpoint)
    check_classes(sampler, chosen.run)
    settings = replace(Run(chosen.run).recipe(chosen.family).data, path=chosen.path)
    real = read_real(chosen, sampler, settings)
    with open_source(chosen.path) as source:
        layout = layout_of(source)
    console.print(f"{len(real.train.labels):,} real images; measured by {len(real.test.labels):,}, {real.split}")
    network = features.load(chosen.features, distributed.device())
    checks, classes = make_checks(real, network, chosen.confidence, chosen.seed), real.classes.tolist()
    console.print(f"drawing {chosen.per_class:,} images of each of {len(classes)} classes")
    found = harvest(sampler, classes, chosen.per_class, checks, seed=chosen.seed, tries=chosen.tries)
    console.print(f"training {chosen.seeds} classifiers without them, and {chosen.seeds} with them")
    lift, figure = lift_figure(real, found.images, found.labels, chosen.seeds, chosen.seed, sampler.name)
    figures = [figure, acceptance_figure(figure, found.num_drawn, found.refused, real, checks, network)]
    text = json.dumps(to_plain(figures), indent=2, allow_nan=False) + "\n"
    column = settings.labels[0] if settings.labels else "label"
    write_images(chosen.out, found, sampler.card.labels.classes, layout, column, {"metrics.json": text})
    terminal = Console()
    (terminal if terminal.is_terminal else Console(width=200)).print(table(figures))
    fewest = np.bincount(found.labels)[classes].min()
    short = "" if fewest == chosen.per_class else f"; of a class {fewest:,}, for no more passed: --tries, or --confidence lower"
    return say(f"{len(found.labels):,} images in {chosen.out}{short}\n{advice(lift)}")


def read_real(chosen: Augment, sampler: Sampler, settings: Data) -> Real:
    """The real images on both sides.

    Raises:
        ValueError: as `own_real` and `other_real`.
    """
    data = open_images(settings)
    if chosen.against is None:
        return own_real(data, sampler.card, settings.held_out, chosen.path)
    others = open_images(replace(settings, path=chosen.against))
    return other_real(data, others, sampler.card, chosen.against, chosen.seed)


def check_options(chosen: Augment) -> None:
    """Refuse options that are wrong.

    Raises:
        ValueError: naming them.
    """
    for name, value in {"--per-class": chosen.per_class, "--tries": chosen.tries}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    if not 0 <= chosen.confidence < 1:
        raise ValueError(f"--confidence must be in [0, 1), not {chosen.confidence}")
    if not 3 <= chosen.seeds <= 10:
        raise ValueError(f"--seeds must be from 3 to 10, not {chosen.seeds}: one training can be lucky")
    if chosen.out.exists() and (not chosen.out.is_dir() or any(chosen.out.iterdir())):
        raise ValueError(f"--out {chosen.out} is there already and not an empty folder: choose another one")


def check_classes(sampler: Sampler, run: Path) -> None:
    """Refuse a generator that makes no labelled images.

    Raises:
        ValueError: it is not conditioned on classes.
    """
    if sampler.gan.makes != "image" or "label" not in sampler.gan.given or not sampler.card.labels.classes:
        raise ValueError(
            f"{run} is not conditioned on classes, so its images have none: train a conditional family, such as cgan or biggan"
        )
