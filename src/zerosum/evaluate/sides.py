"""What is compared with what: a run or generated images, beside real ones, as examples of one judge."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from zerosum.data import Images, open_data
from zerosum.data.images import UnreadableError, naming_damage, open_image, quiet_decoders, upright
from zerosum.data.sources import open_source
from zerosum.evaluate.arrays import Features
from zerosum.evaluate.figures import Figure
from zerosum.evaluate.runner import GROUPS, LEAST, Examples, evaluate_features
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
    train: Features | None = None
    """What the generator was trained on, where that is needed."""


def needed(metrics: Sequence[str]) -> set[str]:
    """What metrics need beside features, as `Group.needs` has it."""
    return {need for group in GROUPS if set(group.metrics) & set(metrics) for need in group.needs}


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
    real: Images,
    train: Images | None,
    *,
    n: int,
    seed: int,
    split: str,
    data: Data,
) -> Sides:
    """`n` samples of a generator, beside up to twice as many real images.

    Args:
        needs: what the metrics need beside features.
        train: what the generator was trained on, where that is needed.

    Raises:
        ValueError: what is needed is not there.
    """
    check_logits(network, needs)
    return Sides(
        data_examples(real, network, 2 * n, seed, needs=needs, labels=sampler.card.labels),
        generated_examples(sampler, network, n, seed, like=real, needs=needs),
        split,
        data,
        data_examples(train, network).features if train and "train" in needs else None,
    )


def data_sides(
    real: Images, fake: Images, network: FeatureNetwork, needs: Collection[str], *, n: int, seed: int, data: Data
) -> Sides:
    """Up to `n` generated images, beside up to twice as many real ones.

    Raises:
        ValueError: what is needed is not there.
    """
    check_logits(network, needs)
    if "train" in needs:
        raise ValueError("copied, closer and mifid need to know the training data: judge a run, with --against PATH")
    n, labels = min(n, len(fake)), real.card.labels
    return Sides(
        data_examples(real, network, 2 * n, seed, needs=needs, labels=labels),
        data_examples(fake, network, n, seed, needs=needs, labels=labels),
        data.path,
        data,
    )


def measure(sides: Sides, metrics: Sequence[str], network: FeatureNetwork, seed: int) -> list[Figure]:
    """The figures, with all that is known of how they came about."""
    judge, data = network.provenance, sides.data
    return evaluate_features(
        sides.real,
        sides.fake,
        metrics,
        judge=judge.name,
        judge_hash=judge.sha256,
        resize=f"prepared at {data.resolution} x {data.resolution} pixels ({data.fit}); {judge.resize}",
        split=sides.split,
        train=sides.train,
        seed=seed,
    )


def open_images(data: Data) -> Images:
    """The prepared images.

    Raises:
        FileNotFoundError, ValueError: as `open_data`; points; fewer images than can be judged.
    """
    dataset = open_data(data)
    if not isinstance(dataset, Images):
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
