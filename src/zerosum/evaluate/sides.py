"""What is compared with what: a run or generated images, beside real ones, as examples of one judge."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from zerosum import distributed
from zerosum.data import Captioned, Images, open_data
from zerosum.data import split as split_data
from zerosum.data.images import UnreadableError, naming_damage, open_image, quiet_decoders, upright
from zerosum.data.sources import open_source
from zerosum.evaluate.arrays import Features
from zerosum.evaluate.figures import Figure
from zerosum.evaluate.metrics import needed
from zerosum.evaluate.runner import LEAST, Examples, evaluate_features
from zerosum.evaluate.samples import data_examples, generated_examples
from zerosum.features import FeatureNetwork
from zerosum.recipe import Data
from zerosum.sampling import Sampler


@dataclass(frozen=True)
class Sides:
    """Real and generated examples by one judge."""

    real: Examples
    fake: Examples
    split: str
    """What the real images are."""
    data: Data
    """How they were prepared."""
    generator: str
    """What made the generated ones."""
    train: Features | None = None
    """What the generator was trained on, where that is needed."""
    held_out: Examples | None = None
    """Real examples that were held out from training, where `real` were not: for the metrics that need `train`."""


def check_logits(network: FeatureNetwork, needs: Collection[str]) -> None:
    """Refuse a judge without logits where they are needed.

    Raises:
        ValueError: naming it.
    """
    if "logits" in needs and network.logits is None:
        name = network.provenance.name
        raise ValueError(f"the inception-score needs logits, which {name} has none of: leave it out of --metrics")


def run_sides(
    sampler: Sampler,
    network: FeatureNetwork,
    needs: Collection[str],
    real: Images | Captioned,
    train: Images | Captioned | None,
    *,
    n: int,
    seed: int,
    split: str,
    data: Data,
) -> Sides:
    """`n` samples of a generator, beside up to twice as many real images; every process must call this.

    Args:
        needs: what the metrics need beside features.
        train: what the generator was trained on, where that is needed; if `real` is the same, its held-out examples are used.

    Raises:
        ValueError: what is needed is not there.
    """
    check_logits(network, needs)
    features = held_out = None
    if train and "train" in needs:
        seen, unseen = split_data(len(train), data.held_out)
        features = data_examples(train, network, among=seen).features
        held_out = data_examples(train, network, among=unseen) if real is train else None
    return Sides(
        data_examples(real, network, 2 * n, seed, needs=needs, labels=sampler.card.labels),
        generated_examples(sampler, network, n, seed, like=real, needs=needs),
        split,
        data,
        sampler.name,
        features,
        held_out,
    )


def data_sides(
    real: Images,
    fake: Images,
    network: FeatureNetwork,
    needs: Collection[str],
    *,
    n: int,
    seed: int,
    data: Data,
    generator: str,
) -> Sides:
    """Up to `n` generated images, beside up to twice as many real ones; every process must call this.

    Raises:
        ValueError: what is needed is not there.
    """
    check_logits(network, needs)
    if "train" in needs:
        raise ValueError("copied, closer and mifid need to know the training data: judge a run")
    n, labels = min(n, len(fake)), real.card.labels
    return Sides(
        data_examples(real, network, 2 * n, seed, needs=needs, labels=labels),
        data_examples(fake, network, n, seed, needs=needs, labels=labels),
        data.path,
        data,
        generator,
    )


def measure(
    sides: Sides, metrics: Sequence[str], network: FeatureNetwork, seed: int = 0, num_subsets: int = 20
) -> list[Figure]:
    """The figures, with all that is known of how they came about.

    Args:
        seed, num_subsets: as `evaluate_features` has them.
    """
    judge, data, figures = network.provenance, sides.data, dict[str, Figure]()
    apart = [name for name in metrics if sides.held_out and "train" in needed([name])]
    others = [name for name in metrics if name not in apart]
    for names, real, split in ((others, sides.real, sides.split), (apart, sides.held_out, "held out")):
        if not names or real is None:
            continue
        found = evaluate_features(
            real,
            sides.fake,
            names,
            judge=judge.name,
            judge_hash=judge.sha256,
            resize=f"prepared at {data.resolution} x {data.resolution} pixels ({data.fit}); {judge.resize}",
            split=split,
            generator=sides.generator,
            runtime=judge.runtime,
            train=sides.train,
            seed=seed,
            num_subsets=num_subsets,
        )
        figures |= zip(names, found, strict=True)
    return [figures[name] for name in metrics]


def open_images(data: Data) -> Images:
    """The prepared images; every process must call this.

    Raises:
        FileNotFoundError, ValueError: as `open_data`; points, or images with captions; fewer images than can be judged.
    """
    dataset = open_examples(data)
    if not isinstance(dataset, Images):
        raise ValueError(f"{data.path} is read with its captions, but images alone are to be judged here")
    return dataset


def open_examples(data: Data) -> Images | Captioned:
    """The prepared images, with their captions where `data.kind` says so; every process must call this.

    Raises:
        FileNotFoundError, ValueError: as `open_data`; points; fewer images than can be judged.
    """
    with distributed.first_alone():
        dataset = open_data(data)
    if not isinstance(dataset, Images | Captioned):
        raise ValueError(f"{data.path} is points, but images are to be judged here: give images")
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
