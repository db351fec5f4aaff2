"""`zerosum evaluate RUN` or `zerosum evaluate REAL GENERATED`: figures with interval, floor and provenance."""

import json
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from zerosum import api, distributed, features
from zerosum.cli.options import options
from zerosum.data import Images, open_data
from zerosum.data.images import UnreadableError, naming_damage, open_image, quiet_decoders, upright
from zerosum.data.sources import open_source
from zerosum.evaluate.arrays import Features
from zerosum.evaluate.figures import Figure, table, to_plain
from zerosum.evaluate.runner import DEFAULT_METRICS, LEAST, Examples, evaluate_features
from zerosum.evaluate.samples import data_examples, generated_examples
from zerosum.features import FeatureNetwork
from zerosum.judging import needed, preparation, read_metrics
from zerosum.recipe import Data
from zerosum.run import Run, write


@dataclass(frozen=True)
class Evaluate:
    """Judge a trained run, or generated images against real ones: zerosum evaluate REAL GENERATED."""

    path: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="RUN|REAL")]]
    """A run folder. Or real images: a folder, archive or file, or the name of embedded data."""
    generated: tyro.conf.Positional[Annotated[str | None, tyro.conf.arg(metavar="[GENERATED]")]] = None
    """Images to judge against these real ones."""
    family: str | None = None
    """Of a run of a GAN of your own: its module, which is imported only if you name it."""
    checkpoint: str = "newest"
    """Of a run: newest, best (where it was judged during training), or the images seen."""
    against: str | None = None
    """Of a run: other real images than those it was trained on, best such as were held out."""
    metrics: str = ",".join(DEFAULT_METRICS)
    """Names with commas between; an unknown one is answered with the list."""
    features: str = "lite0"
    """The judge: lite0, lite0@224, inception, inception:PATH, a .pt or .onnx file, or package.module:function."""
    n: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 5_000
    """Generated samples, at most; twice as many real ones are used where there are, half of them for the floor."""
    seed: int = 0
    """Of the first sample and of all that is drawn."""
    resolution: int | None = None
    """Of two data sets: pixels a side that both are brought to; None: those of the first generated image."""
    out: Path | None = None
    """Where the figures are written; None: metrics.json in the run folder, nowhere for two data sets."""
    json: bool = False
    """Print JSON instead of a table."""


@dataclass(frozen=True)
class Sides:
    """What is compared."""

    real: Examples
    fake: Examples
    split: str
    """What the real images are."""
    data: Data
    """How they were prepared."""
    generator: str
    """What made the others."""
    train: Features | None = None
    """What the generator was trained on, where that is needed."""


def main(arguments: list[str]) -> int:
    """Judge, print and write."""
    chosen = options(Evaluate, "zerosum evaluate", arguments)
    metrics = read_metrics(chosen.metrics)
    check_options(chosen)
    first = distributed.rank() == 0
    console = Console(stderr=True, markup=False, soft_wrap=True, quiet=not first)
    with distributed.world():
        figures = judge(chosen, metrics, console)
        distributed.barrier()
    return report(chosen, figures, console) if first else 0


def judge(chosen: Evaluate, metrics: list[str], console: Console) -> list[Figure]:
    """The figures; processes share the features, and the first one measures while the others return nothing."""
    needs = needed(metrics)
    with distributed.first_alone():
        network = features.load(chosen.features, distributed.device())
    if "logits" in needs and network.logits is None:
        raise ValueError(f"the inception-score needs logits, which {chosen.features} has none of: leave it out of --metrics")
    sides = (judge_run if chosen.generated is None else judge_data)(chosen, network, needs, console)
    if distributed.rank() > 0:
        return []
    console.print(f"measuring {', '.join(metrics)}")
    return measure(sides, metrics, network, chosen.seed)


def report(chosen: Evaluate, figures: list[Figure], console: Console) -> int:
    """Print and write the figures."""
    text = json.dumps(to_plain(figures), indent=2, allow_nan=False) + "\n"
    if chosen.json:
        sys.stdout.write(text)
    else:
        terminal = Console()
        (terminal if terminal.is_terminal else Console(width=200)).print(table(figures))
    out = chosen.out or (Path(chosen.path) / "metrics.json" if chosen.generated is None else None)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        write(out, text)
        console.print(f"figures   {out}")
    return 0


def check_options(chosen: Evaluate) -> None:
    """Refuse options that do not go together.

    Raises:
        ValueError: naming them.
    """
    if chosen.n < LEAST:
        raise ValueError(f"-n must be at least {LEAST}, not {chosen.n}")
    is_run = Run(Path(chosen.path)).recipe_file.is_file()
    if chosen.generated is None and not is_run:
        raise ValueError(f"{chosen.path} is not a run. To compare two data sets name both, the real one first")
    if chosen.generated is None and chosen.resolution is not None:
        raise ValueError("--resolution is for two data sets; a run is judged at its own resolution")
    if chosen.generated is not None and chosen.checkpoint != "newest":
        raise ValueError("--checkpoint is for a run; these are two data sets")
    if chosen.generated is not None and (is_run or chosen.against is not None):
        raise ValueError("give a run (and --against for other real images), or two data sets, the real one first")


def judge_run(chosen: Evaluate, network: FeatureNetwork, needs: Collection[str], console: Console) -> Sides:
    """A run's samples, beside the data it was trained on or other real images.

    Raises:
        ValueError: no checkpoint, not images, the data has changed, or a metric needs what is not there.
    """
    folder = Path(chosen.path)
    sampler, settings = api.load(folder, chosen.family, chosen.checkpoint), Run(folder).recipe(chosen.family).data
    if "labels" in needs and not ("label" in sampler.gan.given and sampler.card.labels.classes):
        raise ValueError(f"metrics per class are for generators conditioned on classes, which {folder} is not: leave them out")
    if "train" in needs and chosen.against is None:
        raise ValueError("copied, closer and mifid need real images that were held out from training: --against PATH")
    data = settings if chosen.against is None else replace(settings, path=chosen.against)
    real, train = open_images(data), open_images(settings) if "train" in needs else None
    for dataset in (real if chosen.against is None else None, train):
        if dataset and dataset.card.content != sampler.card.content:
            raise ValueError(f"{settings.path} is no longer what {folder} was trained on; give real images with --against")
    console.print(f"{folder}: {chosen.n:,} samples by {network.provenance.name}, against {data.path}")
    return Sides(
        data_examples(real, network, 2 * chosen.n, chosen.seed, needs=needs, labels=sampler.card.labels),
        generated_examples(sampler, network, chosen.n, chosen.seed, like=real, needs=needs),
        "train" if chosen.against is None else chosen.against,
        data,
        sampler.name,
        None if train is None else data_examples(train, network).features,
    )


def judge_data(chosen: Evaluate, network: FeatureNetwork, needs: Collection[str], console: Console) -> Sides:
    """Generated images beside real ones.

    Raises:
        ValueError: not images, too few, or a metric needs what is not there.
    """
    assert chosen.generated is not None
    if "train" in needs:
        raise ValueError("copied, closer and mifid need to know the training data: judge a run, with --against PATH")
    data = Data(path=chosen.path, resolution=chosen.resolution or native_resolution(chosen.generated))
    real, fake = open_images(data), open_images(replace(data, path=chosen.generated))
    n, labels = min(chosen.n, len(fake)), real.card.labels
    console.print(f"{n:,} of {chosen.generated} by {network.provenance.name}, against {data.path}")
    return Sides(
        data_examples(real, network, 2 * n, chosen.seed, needs=needs, labels=labels),
        data_examples(fake, network, n, chosen.seed, needs=needs, labels=labels),
        chosen.path,
        data,
        chosen.generated,
    )


def measure(sides: Sides, metrics: list[str], network: FeatureNetwork, seed: int) -> list[Figure]:
    """The figures, with all that is known of how they came about."""
    judge = network.provenance
    return evaluate_features(
        sides.real,
        sides.fake,
        metrics,
        judge=judge.name,
        judge_hash=judge.sha256,
        resize=preparation(sides.data, network),
        split=sides.split,
        generator=sides.generator,
        train=sides.train,
        seed=seed,
    )


def open_images(data: Data) -> Images:
    """The prepared images.

    Raises:
        FileNotFoundError, ValueError: as `open_data`; points; fewer images than can be judged.
    """
    with distributed.first_alone():
        dataset = open_data(data)
    if not isinstance(dataset, Images):
        raise ValueError(f"{data.path} is points: zerosum evaluate judges images; for points, zerosum.evaluate.point_coverage")
    if len(dataset) < LEAST:
        raise ValueError(f"{data.path} holds {len(dataset)} images; at least {LEAST} are needed to judge by")
    return dataset


def native_resolution(path: str) -> int:
    """The shorter side, in pixels, of the first image there that can be read.

    Raises:
        FileNotFoundError: nothing lies at the path.
        ValueError: it holds no readable image.
    """
    with open_source(path) as source, quiet_decoders():
        for index in range(len(source.names)):
            with suppress(UnreadableError), naming_damage():
                return min(upright(open_image(source.read(index))).size)
    raise ValueError(f"{path} holds no image that can be read")
