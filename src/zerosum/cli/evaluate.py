"""`zerosum evaluate RUN` or `zerosum evaluate REAL GENERATED`: figures with interval, floor and provenance."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from zerosum import api, distributed, features
from zerosum.apply.vocode import Vocoder, whole_frames
from zerosum.cli.options import options
from zerosum.data import Audio, Captioned, Colouring, Holed, Images, Pairs, Photographs, Tokens, Unpaired, open_data, split
from zerosum.data.feed import to_float
from zerosum.data.tokens import read_lines
from zerosum.datacard import DataCard
from zerosum.evaluate.figures import Figure, table, to_plain
from zerosum.evaluate.holes import hole_figures
from zerosum.evaluate.labelled import LESSON_METRICS, STACKED_METRICS, lesson_figures, stacked_figures
from zerosum.evaluate.metrics import CAPTION_METRICS, IMAGE_METRICS, needed, read_metrics
from zerosum.evaluate.pairs import HIGHER_IS_BETTER as PAIR_METRICS
from zerosum.evaluate.pairs import in_channels, pair_figures
from zerosum.evaluate.path_length import path_length_figure
from zerosum.evaluate.points import CHANNELS, POINT_METRICS, check_known, point_figures
from zerosum.evaluate.retrieval import PROMPT_METRICS, asked_for, retrieval_figure, train_judge
from zerosum.evaluate.runner import DEFAULT_METRICS, LEAST, METRICS
from zerosum.evaluate.samples import choose, condition_order, data_examples, take
from zerosum.evaluate.sides import data_sides, measure, native_resolution, open_examples, open_images, run_sides
from zerosum.evaluate.sounds import Sounds, sound_figures, vocoder_figures
from zerosum.evaluate.text import HIGHER_IS_BETTER as TEXT_METRICS
from zerosum.evaluate.text import text_figures
from zerosum.evaluate.translated import Make, in_batches, translated_figures
from zerosum.features import FeatureNetwork, Runtime
from zerosum.features.perceptual import load_perceptual
from zerosum.game import HasPrompts, HasReverse, HasVocoder
from zerosum.noise import SeededNoise, SilentNoise
from zerosum.recipe import Data, Recipe
from zerosum.run import Run, write
from zerosum.sampling import Sampler
from zerosum.vocabulary import split_words

MEASURED = {
    "images": (IMAGE_METRICS, DEFAULT_METRICS),
    "points": (POINT_METRICS, POINT_METRICS),
    "captions": (CAPTION_METRICS, (*DEFAULT_METRICS, *PROMPT_METRICS)),
}
"""What is measured on each kind of samples: all that can be, and what is unless said otherwise."""
LARGEST = 512
"""Pixels a side of what is taken of a photograph that a run is judged by."""
MOST_PAIRS, MOST_OF_KIND = 1_000, 2_000
"""Translations, and pictures of the kind that they are meant to be of, that distances are taken between."""


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
    metrics: str | None = None
    """Names with commas between; an unknown one is answered with the list. None: fid, kid, precision, recall, density and
    coverage for images; modes, high-quality and reverse-kl for points."""
    features: str = "lite0"
    """The judge: lite0, lite0@224, inception, inception:PATH, a .pt or .onnx file, or package.module:function."""
    runtime: Runtime = "auto"
    """What runs lite0 and inception. auto: ONNX Runtime on a CPU where it is installed, which is faster, else torch."""
    n: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 5_000
    """Generated samples, at most; twice as many real ones are used where there are, half of them for the floor."""
    seed: int = 0
    """Of the first sample and of all that is drawn."""
    resolution: int | None = None
    """Of two data sets: pixels a side that both are brought to; None: those of the first generated image."""
    real_per_class: int = 20
    """Of lift: real images of each class that the classifier has beside the generated ones."""
    stacked_from: str | None = None
    """Of modes and reverse-kl of RGB images: the labelled grey images that are stacked in their three channels."""
    temperature: float | None = None
    """Of text: that of the samples that are judged; what they are compared with is written at 1. None: 1."""
    out: Path | None = None
    """Where the figures are written; None: metrics.json in the run folder, nowhere for two data sets."""
    json: bool = False
    """Print JSON instead of a table."""


def main(arguments: list[str]) -> int:
    """Judge, print and write."""
    chosen = options(Evaluate, "zerosum evaluate", arguments)
    check_options(chosen)
    first = distributed.rank() == 0
    console = Console(stderr=True, markup=False, soft_wrap=True, quiet=not first)
    with distributed.world():
        figures = (judge_run if chosen.generated is None else judge_data)(chosen, console)
        distributed.barrier()
    return report(chosen, figures, console) if first else 0


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


def metrics_of(chosen: Evaluate, kind: str) -> list[str]:
    """The metrics to measure on "images", "points" or "captions".

    Raises:
        ValueError: one is not for them.
    """
    allowed, default = MEASURED[kind]
    names = read_metrics(chosen.metrics or ",".join(default))
    for name in names:
        if name not in allowed:
            raise ValueError(f"{name} is not measured on {kind}; for {kind} there are {', '.join(allowed)}")
    return names


def check_options(chosen: Evaluate) -> None:
    """Refuse options that are wrong or do not go together.

    Raises:
        ValueError: naming them.
    """
    names = read_metrics(chosen.metrics) if chosen.metrics is not None else []
    if chosen.n < LEAST:
        raise ValueError(f"-n must be at least {LEAST}, not {chosen.n}")
    if chosen.real_per_class < 1:
        raise ValueError(f"--real-per-class must be at least 1, not {chosen.real_per_class}")
    is_run = Run(Path(chosen.path)).recipe_file.is_file()
    if chosen.generated is None and not is_run:
        raise ValueError(f"{chosen.path} is not a run. To compare two data sets name both, the real one first")
    if chosen.generated is None and chosen.resolution is not None:
        raise ValueError("--resolution is for two data sets; a run is judged at its own resolution")
    if chosen.generated is not None and chosen.checkpoint != "newest":
        raise ValueError("--checkpoint is for a run; these are two data sets")
    if chosen.generated is not None and (is_run or chosen.against is not None):
        raise ValueError("give a run (and --against for other real images), or two data sets, the real one first")
    if chosen.generated is not None and {"ppl", *LESSON_METRICS} & set(names):
        raise ValueError("ppl, cas and lift need the generator itself: judge a run")


def judge_run(chosen: Evaluate, console: Console) -> list[Figure]:
    """A run's samples, beside the data it was trained on or other real images.

    Processes share the features, and the first one measures while the others return nothing.

    Raises:
        ValueError: no such checkpoint, the data has changed, or a metric needs what is not there.
    """
    folder = Path(chosen.path)
    sampler, settings = api.load(folder, chosen.family, chosen.checkpoint), Run(folder).recipe(chosen.family).data
    if chosen.temperature is not None and sampler.gan.makes != "tokens":
        raise ValueError(f"--temperature is for text, which {folder} does not make: leave it out")
    if sampler.gan.makes == "point":
        return judge_points(chosen, sampler, settings, console)
    if isinstance(sampler.gan, HasPrompts):
        return judge_captioned(chosen, sampler, settings, console)
    if sampler.gan.makes == "tokens":
        return judge_texts(chosen, sampler, console)
    if sampler.gan.makes == "wave":
        return judge_sounds(chosen, sampler, settings, console)
    if "source" in sampler.gan.given:
        return judge_pairs(chosen, sampler, settings, console)
    metrics = metrics_of(chosen, "images")
    check_conditions(chosen, sampler, settings, metrics)
    data = settings if chosen.against is None else replace(settings, path=chosen.against)
    real, needs_train = open_images(data), {*LESSON_METRICS, "train"} & {*metrics, *needed(metrics)}
    train = real if chosen.against is None else open_images(settings) if needs_train else None
    if train and train.card.content != sampler.card.content:
        raise ValueError(f"{settings.path} is no longer what {folder} was trained on; give real images with --against")
    network, digits = load_judge(chosen, metrics), open_digits(chosen, metrics, sampler.card, data)
    n, seed, named = chosen.n, chosen.seed, "train" if chosen.against is None else chosen.against
    sides, featured = None, [name for name in metrics if name in METRICS]
    if network and featured:
        console.print(f"{folder}: {n:,} samples by {network.provenance.name}, against {data.path}")
        sides = run_sides(sampler, network, needed(featured), real, train, n=n, seed=seed, split=named, data=data)
    if distributed.rank() > 0:
        return []
    figures: dict[str, Figure] = {}
    console.print(f"measuring {', '.join(metrics)}")
    if network and sides:
        figures |= zip(featured, measure(sides, featured, network, seed), strict=True)
    if network and "ppl" in metrics:
        figures["ppl"] = path_length_figure(sampler, network, n // 2, seed, like=real)
    if train and (lessons := [name for name in metrics if name in LESSON_METRICS]):
        seen, few = split(len(train), settings.held_out)[0], chosen.real_per_class
        found = lesson_figures(sampler, train, real, lessons, n=n, seen=seen, real_per_class=few, split=named, seed=seed)
        figures |= zip(lessons, found, strict=True)
    if digits:
        samples = np.asarray(sampler.sample(n, seed=seed), np.uint8).transpose(0, 3, 1, 2)
        figures |= judge_stacked(chosen, metrics, samples, real, digits, named, sampler.name)
    return [figures[name] for name in metrics]


def check_conditions(chosen: Evaluate, sampler: Sampler, settings: Data, metrics: Sequence[str]) -> None:
    """Refuse metrics of classes without these, and of held-out data without such.

    Raises:
        ValueError: naming them, and what they need.
    """
    needs, lessons = needed(metrics), [name for name in metrics if name in LESSON_METRICS]
    if ("labels" in needs or lessons) and not ("label" in sampler.gan.given and sampler.card.labels.classes):
        named = f"{' and '.join(lessons)} are" if lessons else "metrics per class are"
        raise ValueError(f"{named} for generators conditioned on classes, which {chosen.path} is not: leave them out")
    held_out = len(split(sampler.card.num_examples, settings.held_out)[1])
    if "train" in needs and chosen.against is None and held_out < LEAST:
        raise ValueError(
            f"copied, closer and mifid need at least {LEAST} real images that were held out from training, "
            f"but {chosen.path} held out {held_out}: --against PATH"
        )
    if lessons and chosen.against is None:
        raise ValueError("cas and lift need real images of the same classes that were held out from training: --against PATH")


def judge_data(chosen: Evaluate, console: Console) -> list[Figure]:
    """Generated images beside real ones.

    Processes share the features, and the first one measures while the others return nothing.

    Raises:
        ValueError: not images, too few, or a metric needs what is not there.
    """
    assert chosen.generated is not None
    metrics = metrics_of(chosen, "images")
    network, figures = load_judge(chosen, metrics), dict[str, Figure]()
    data = Data(path=chosen.path, resolution=chosen.resolution or native_resolution(chosen.generated))
    real, fake = open_images(data), open_images(replace(data, path=chosen.generated))
    digits = open_digits(chosen, metrics, fake.card, data)
    sides, featured = None, [name for name in metrics if name in METRICS]
    if network:
        n, named, needs = min(chosen.n, len(fake)), chosen.generated, needed(featured)
        console.print(f"{n:,} of {named} by {network.provenance.name}, against {data.path}")
        sides = data_sides(real, fake, network, needs, n=n, seed=chosen.seed, data=data, generator=named)
    if distributed.rank() > 0:
        return []
    console.print(f"measuring {', '.join(metrics)}")
    if network and sides:
        figures |= zip(featured, measure(sides, featured, network, chosen.seed), strict=True)
    if digits:
        images = take(fake, choose(len(fake), chosen.n, chosen.seed)).numpy()
        figures |= judge_stacked(chosen, metrics, images, real, digits, chosen.path, chosen.generated)
    return [figures[name] for name in metrics]


def open_digits(chosen: Evaluate, metrics: Sequence[str], card: DataCard, data: Data) -> Images | None:
    """The images that were stacked, if a metric needs them; every process must call this.

    Args:
        card: of the generated images.
        data: how the real ones are prepared.

    Raises:
        ValueError: no --stacked-from, or generated images that are not RGB.
    """
    if not set(STACKED_METRICS) & set(metrics):
        return None
    if chosen.stacked_from is None or card.shapes["image"][0] != CHANNELS:
        raise ValueError("modes and reverse-kl are for points, and for RGB images of stacked digits: --stacked-from PATH")
    return open_images(replace(data, path=chosen.stacked_from, colour="grey", labels=()))


def judge_stacked(
    chosen: Evaluate,
    metrics: Sequence[str],
    fake: NDArray[np.uint8],
    real: Images,
    digits: Images,
    named: str,
    generator: str,
) -> dict[str, Figure]:
    """Modes of stacked digits, by name.

    Raises:
        ValueError: images that do not fit.
    """
    names = [name for name in metrics if name in STACKED_METRICS]
    kept = take(real, choose(len(real), len(fake), chosen.seed)).numpy()
    found = stacked_figures(fake, kept, digits, names, split=named, generator=generator, seed=chosen.seed)
    return dict(zip(names, found, strict=True))


def judge_points(chosen: Evaluate, sampler: Sampler, settings: Data, console: Console) -> list[Figure]:
    """A run's points, beside as many real ones; the first process does it alone, the others return nothing.

    Raises:
        ValueError: metrics of images, other real points, or a mixture whose modes are not known.
    """
    metrics = metrics_of(chosen, "points")
    if chosen.against is not None:
        raise ValueError(f"--against is for images; points are judged by the modes of {settings.path}")
    check_known(settings.path)
    if distributed.rank() > 0:
        return []
    console.print(f"{chosen.path}: {chosen.n:,} points, by the modes of {settings.path}")
    real = open_data(settings)
    points = real.batch(choose(len(real), chosen.n, chosen.seed))["point"].numpy()
    samples = np.asarray(sampler.sample(chosen.n, seed=chosen.seed), np.float32)
    return point_figures(samples, points, settings.path, metrics, split="train", generator=sampler.name, seed=chosen.seed)


def judge_sounds(chosen: Evaluate, sampler: Sampler, settings: Data, console: Console) -> list[Figure]:
    """A run's sounds beside the real ones, or what a vocoder makes of those that were held out; one process does it.

    Raises:
        ValueError: metrics are named, the data is not of sounds or has changed, or there are too few.
    """
    if chosen.metrics is not None:
        raise ValueError("--metrics: a run that makes sounds is judged by all there is for them; leave it out")
    if distributed.rank() > 0:
        return []
    dataset = open_data(settings if chosen.against is None else replace(settings, path=chosen.against))
    if not isinstance(dataset, Audio) or (chosen.against is None and dataset.card.content != sampler.card.content):
        raise ValueError(f"{settings.path} is no longer what {chosen.path} was trained on; give sounds with --against")
    if isinstance(sampler.gan, HasVocoder):
        return judge_vocoder(chosen, sampler, dataset, settings.held_out, console)
    named = "train" if chosen.against is None else chosen.against
    classes = len(sampler.card.labels.classes) if "label" in sampler.gan.given else 0
    if classes and dataset.card.labels.classes != sampler.card.labels.classes:
        raise ValueError(f"{named} has other classes than {chosen.path}: {', '.join(sampler.card.labels.classes)}")
    real, held_out = (sounds_at(dataset, positions) for positions in split(len(dataset), settings.held_out))
    n = min(chosen.n, len(real.waves))
    console.print(f"{chosen.path}: {n:,} sounds, beside {len(real.waves):,} of {dataset.card.rate:,} Hz")
    waves = np.asarray(sampler.sample(n, seed=chosen.seed), np.float32)
    fake, told = Sounds(waves, np.arange(n) % classes if classes else None), {"split": named, "generator": sampler.name}
    return sound_figures(fake, real, held_out, dataset.card.rate, num_classes=classes, seed=chosen.seed, **told)


def judge_vocoder(chosen: Evaluate, sampler: Sampler, dataset: Audio, held_out: int, console: Console) -> list[Figure]:
    """What is lost of sounds that were held out, or of others, by a vocoder and by Griffin and Lim's algorithm.

    Raises:
        ValueError: fewer than 2.
    """
    positions = split(len(dataset), held_out)[1] if chosen.against is None else np.arange(len(dataset))
    if len(positions) < 2:
        raise ValueError(f"{chosen.path} held out {len(positions)} sounds, and 2 are needed: give others with --against")
    named, positions, vocoder = chosen.against or "held out", positions[: chosen.n], Vocoder(sampler)
    console.print(f"{chosen.path}: {len(positions)} sounds, {named}, made again by it and by Griffin and Lim's algorithm")
    sounds = (whole_frames(dataset.sound(int(position))[0], vocoder.mel) for position in positions)
    return vocoder_figures(vocoder.vocode, sounds, vocoder.mel, split=named, generator=sampler.name, seed=chosen.seed)


def sounds_at(dataset: Audio, positions: NDArray[np.int64]) -> Sounds:
    """The beginnings of the sounds at these positions, with their classes."""
    batch = dataset.batch(positions)
    labels = batch["label"].argmax(1).numpy() if dataset.card.labels.classes else None
    return Sounds(batch["wave"].numpy(), labels)


def judge_texts(chosen: Evaluate, sampler: Sampler, console: Console) -> list[Figure]:
    """A run's texts beside those that were held out, or others, and beside the run that it started from; one process does it.

    Raises:
        ValueError: metrics are named, the data has changed, or too few texts were held out.
    """
    if chosen.metrics is not None:
        raise ValueError(f"--metrics: a run that makes text is judged by {', '.join(TEXT_METRICS)}; leave it out")
    if distributed.rank() > 0:
        return []
    recipe = Run(Path(chosen.path)).recipe(chosen.family)
    dataset = open_data(recipe.data)
    if not isinstance(dataset, Tokens) or dataset.card.content != sampler.card.content:
        raise ValueError(f"{recipe.data.path} is no longer what {chosen.path} was trained on")
    train, held_out = (dataset.texts(positions) for positions in split(len(dataset), recipe.data.held_out))
    named = "held out" if chosen.against is None else chosen.against
    real = held_out if chosen.against is None else read_lines(chosen.against)
    judged = {"": sampler, **find_baseline(recipe, console)}
    n = min(chosen.n, len(real))
    console.print(f"{chosen.path}: {n:,} texts, beside {len(real):,} {named}")
    sides = {}
    for name, side in judged.items():
        texts = side.sample(n, seed=chosen.seed, temperature=None if name else chosen.temperature)
        sides[name] = in_words(texts.tolist()), side.name
    return text_figures(sides, in_words(train), in_words(real), split=named, seed=chosen.seed)


def find_baseline(recipe: Recipe, console: Console) -> dict[str, Sampler]:
    """The run that a run of text started from, by what it is."""
    if recipe.train.start is None:
        return {}
    start = Run(Path(recipe.train.start))
    if not start.recipe_file.is_file():
        console.print(
            f"{start.folder}, which the run started from, is not there any more: there is no baseline to compare with"
        )
        return {}
    sampler, first = api.load(start.folder, recipe.family), start.recipe(recipe.family)
    return {"maximum likelihood" if set(first.optimisers) <= set(sampler.gan.sampler) else "its start": sampler}


def in_words(texts: Sequence[str]) -> list[list[str]]:
    """Texts as words and signs."""
    return [split_words(text) for text in texts]


def judge_pairs(chosen: Evaluate, sampler: Sampler, settings: Data, console: Console) -> list[Figure]:
    """What a run makes of the pairs that were held out, or of others; the first process does it alone.

    Raises:
        ValueError: metrics are named, the data is not of pairs or has changed, or fewer than 2 were held out.
    """
    if chosen.metrics is not None:
        raise ValueError(
            f"--metrics: a run that makes pictures from pictures is judged by {', '.join(PAIR_METRICS)}; leave it out"
        )
    if distributed.rank() > 0:
        return []
    dataset = open_pairs(chosen, settings)
    if chosen.against is None and dataset.card.content != sampler.card.content:
        raise ValueError(f"{settings.path} is no longer what {chosen.path} was trained on; give pairs with --against")
    positions = split(len(dataset), settings.held_out)[1] if chosen.against is None else np.arange(len(dataset))
    if len(positions) < 2:
        raise ValueError(f"{chosen.path} held out {len(positions)} pairs, and 2 are needed: give others with --against")
    named, positions = "held out" if chosen.against is None else chosen.against, positions[: chosen.n]
    what = (
        f"photographs, {named}, at most {LARGEST} pixels a side of each"
        if settings.kind == "photographs"
        else f"pairs, {named}"
    )
    console.print(f"{chosen.path}: {len(positions)} {what}")
    pairs = (dataset.pair(int(position), LARGEST) for position in positions)
    floats = ((to_float(pair["source"]), to_float(pair["target"])) for pair in pairs)

    @torch.inference_mode()
    def make(source: Tensor) -> Tensor:
        noise = SeededNoise([chosen.seed] * len(source), sampler.device)
        return sampler.gan.sample({"source": source.to(sampler.device)}, noise).cpu()

    judged, name, seed = (make, floats, load_perceptual()), sampler.name, chosen.seed
    if settings.has_holes:
        network = features.load(chosen.features, runtime=chosen.runtime)
        return hole_figures(*judged, network, settings.resolution, split=named, generator=name, seed=seed)
    figures = pair_figures(*judged, split=named, generator=name, seed=seed)
    if not isinstance(dataset, Pairs | Colouring):
        return figures
    domain, batch = open_domain(settings, sampler.card), dataset.batch(positions[:MOST_PAIRS])
    if domain is None or min(len(domain), len(positions)) < LEAST:
        console.print(f"distances to the kind of its targets are left out: they need {LEAST} pairs, and the training data")
        return figures
    sources, targets = to_float(batch["source"]), to_float(batch["target"])
    made = {"": in_batches(make, sources), "source": in_channels(sources, targets.shape[1])}
    network, back = features.load(chosen.features, runtime=chosen.runtime), back_of(sampler)
    given = made, sources, targets, network(domain).numpy(), network
    return figures + translated_figures(*given, back=back, split=named, generator=name, seed=seed)


def back_of(sampler: Sampler) -> Make | None:
    """The other way of a generator that goes both ways."""
    gan = sampler.gan
    if not isinstance(gan, HasReverse):
        return None

    @torch.inference_mode()
    def back(pictures: Tensor) -> Tensor:
        return gan.reverse({"source": pictures.to(sampler.device)}, SilentNoise(len(pictures))).cpu()

    return back


def open_domain(settings: Data, card: DataCard) -> Tensor | None:
    """Pictures uint8 `[M, C, H, W]` of the kind that is made, which a run was trained on; None: they are no longer there."""
    try:
        dataset = open_data(settings)
    except FileNotFoundError:
        return None
    if dataset.card.content != card.content:
        return None
    if isinstance(dataset, Unpaired):
        side = dataset.sides["b"]
        return side.batch(choose(len(side), MOST_OF_KIND, 0))["image"]
    train = split(len(dataset), settings.held_out)[0]
    return dataset.batch(train[choose(len(train), MOST_OF_KIND, 0)])["target"]


def judge_captioned(chosen: Evaluate, sampler: Sampler, settings: Data, console: Console) -> list[Figure]:
    """A run's images of captions, beside the real images of these: metrics of images, and whether they show what was asked for.

    Captions are those of the run's own data, trained on and held out, or those of --against.

    Raises:
        ValueError: as `judge_run`.
    """
    metrics = metrics_of(chosen, "captions")
    check_conditions(chosen, sampler, settings, metrics)
    train, n, seed = open_examples(settings), chosen.n, chosen.seed
    if train.card.content != sampler.card.content:
        raise ValueError(f"{settings.path} is no longer what {chosen.path} was trained on: its captions teach the judge")
    data = settings if chosen.against is None else replace(settings, path=chosen.against, captions="")
    real = train if chosen.against is None else open_examples(data)
    assert isinstance(real, Captioned)
    assert isinstance(train, Captioned)
    featured, named = [name for name in metrics if name in METRICS], "train" if chosen.against is None else chosen.against
    network = load_judge(replace(chosen, metrics="fid"), ["fid"])
    assert network is not None
    console.print(f"{chosen.path}: {n:,} samples by {network.provenance.name}, against {data.path}")
    sides = run_sides(sampler, network, needed(featured), real, train, n=n, seed=seed, split=named, data=data)
    seen = split(len(train), settings.held_out)[0]
    known, whole = data_examples(train, network, among=seen).features, data_examples(real, network).features
    if distributed.rank() > 0:
        return []
    console.print(f"measuring {', '.join(metrics)}")
    figures = measure(sides, featured, network, seed)
    if "ppl" in metrics:
        figures.append(path_length_figure(sampler, network, n // 2, seed, like=real))
    if "r-precision" in metrics:
        judge = train_judge(known, [train.texts[position] for position in seen.tolist()], seed)
        order = condition_order(len(real), n, seed)
        for asked, rows in asked_for(real, order, None if chosen.against else seen, named):
            fake, best = sides.fake.features[rows], whole[asked.positions]
            figures.append(retrieval_figure(judge, network, fake, best, asked, sampler.name, seed))
    return figures


def open_pairs(chosen: Evaluate, settings: Data) -> Photographs | Pairs | Colouring | Holed:
    """The pairs that a run is judged by: its own, or those of --against; of a run on unpaired data its folders A and B.

    Raises:
        ValueError: there are none.
    """
    if settings.kind == "unpaired":
        if chosen.against is None:
            raise ValueError(
                f"{settings.path} has no pairs to judge {chosen.path} by: give --against a folder whose sub-folders A and B "
                "hold pictures of equal names"
            )
        settings = replace(settings, kind="pairs", sides=("A", "B"))
    dataset = open_data(settings if chosen.against is None else replace(settings, path=chosen.against))
    if not isinstance(dataset, Photographs | Pairs | Colouring | Holed):
        raise ValueError(f"{settings.path} is not data of pairs: data.kind is {settings.kind}")
    return dataset


def load_judge(chosen: Evaluate, metrics: Sequence[str]) -> FeatureNetwork | None:
    """The feature network, if a metric needs one; every process must call this."""
    if not {"ppl", *METRICS} & set(metrics):
        return None
    with distributed.first_alone():
        return features.load(chosen.features, distributed.device(), chosen.runtime)
