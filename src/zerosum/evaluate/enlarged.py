"""What generated images add to a labelled data set: the real images on both sides, checks of samples, figures, advice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from zerosum.data import Images, split
from zerosum.datacard import DataCard
from zerosum.evaluate import classifier
from zerosum.evaluate.classifier import Labelled, Lift, augmentation_lift, train_classifier
from zerosum.evaluate.figures import Figure
from zerosum.evaluate.intervals import Positions, share_interval
from zerosum.evaluate.labelled import MOST_TESTS, classifier_hash, labelled, resize_rule
from zerosum.evaluate.memorisation import copy_distance, training_distances
from zerosum.evaluate.runner import LEAST
from zerosum.evaluate.samples import choose, through
from zerosum.features import FeatureNetwork

MOST_CALIBRATING = 1_000
"""Held-out images that say how near to a training image a fresh one lies, at most."""

Check = Callable[[NDArray[np.uint8], int], NDArray[np.bool_]]
"""(images uint8 `[N, C, H, W]`, the number of the class they are meant to be of) -> which of them pass, `[N]`."""


@dataclass(frozen=True, eq=False)
class Real:
    """The real images: those that are enlarged, and held-out ones to measure by, with classes as the generator counts them."""

    train: Labelled
    test: Labelled
    split: str
    """What the held-out ones are."""
    note: str = ""
    """What a reader must know of them."""

    @property
    def classes(self) -> NDArray[np.int64]:
        """The classes that are enlarged, ascending."""
        return np.unique(self.train.labels).astype(np.int64)

    def only(self) -> "Real":
        """Those of these classes, counted anew."""
        numbered, kept = self.classes, np.isin(self.test.labels, self.classes)
        train = Labelled(self.train.images, np.searchsorted(numbered, self.train.labels))
        return replace(
            self, train=train, test=Labelled(self.test.images[kept], np.searchsorted(numbered, self.test.labels[kept]))
        )


def own_real(data: Images, card: DataCard, held_out: int, name: str) -> Real:
    """The images that a generator was trained on, and those that were held out from its training.

    Args:
        card: the generator's.
        held_out: how many its run held out.
        name: of the images, in words.

    Raises:
        ValueError: they are others, or too few were held out.
    """
    if data.card.content != card.content:
        raise ValueError(f"the generator was trained on other images than {name}: give held-out ones with --against PATH")
    seen, unseen = split(len(data), held_out)
    if len(unseen) < LEAST:
        raise ValueError(
            f"{len(unseen)} of {name} were held out from training, and at least {LEAST} real images that the generator has not "
            "seen are needed to measure by: --against PATH"
        )
    return Real(labelled(data, card.labels, seen), labelled(data, card.labels, unseen), f"held out of {name}")


def other_real(data: Images, others: Images, card: DataCard, name: str, seed: int) -> Real:
    """All of `data`, and images elsewhere, called `name`, as far as they are not among them.

    Raises:
        ValueError: images of another shape than the generator's, or too few.
    """
    for images in (data, others):
        found, wanted = images.card.shapes["image"], card.shapes["image"]
        if found != wanted:
            raise ValueError(
                f"the generator makes images [C, H, W] of {list(wanted)}, but there are real ones of {list(found)}"
            )
    known = {image.tobytes() for image in data.images}
    fresh: Positions = np.array([i for i, image in enumerate(others.images) if image.tobytes() not in known], np.int64)
    if len(fresh) < LEAST:
        raise ValueError(
            f"--against {name}: of {len(others)} images {len(fresh)} are not among those that are enlarged, and at least "
            f"{LEAST} are needed to measure by"
        )
    notes = [f"{len(others) - len(fresh):,} of {name} left out, for they are enlarged"] if len(fresh) < len(others) else []
    if data.card.content != card.content:
        notes.append("the generator was trained on other images than these")
    test = labelled(others, card.labels, fresh[choose(len(fresh), MOST_TESTS, seed)])
    return Real(labelled(data, card.labels, np.arange(len(data))), test, name, "; ".join(notes))


def make_checks(real: Real, network: FeatureNetwork, confidence: float, seed: int = 0) -> dict[str, Check]:
    """Checks by what is wrong where they fail: is a classifier of the real images sure, and is the image no copy of one?

    Args:
        confidence: the least probability of the class.
    """
    classify = train_classifier(real.train, int(real.classes[-1]) + 1, seed, steps=classifier.STEPS)

    def embed(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        embedded: NDArray[np.float32] = network(torch.from_numpy(np.ascontiguousarray(images))).numpy()
        return embedded

    count = len(real.train.labels)
    train = through(network, count, lambda part: torch.from_numpy(real.train.images[part]), "features of real images")
    held_out = real.test.images[choose(len(real.test.labels), MOST_CALIBRATING, seed)]
    nearest = copy_distance(training_distances(train, embed(held_out)))

    def is_sure(images: NDArray[np.uint8], label: int) -> NDArray[np.bool_]:
        return np.asarray(classify.probabilities(images)[:, label] >= confidence)

    def is_fresh(images: NDArray[np.uint8], label: int) -> NDArray[np.bool_]:
        two = images if len(images) > 1 else images.repeat(2, 0)  # distances need two
        return (training_distances(train, embed(two)) > nearest)[: len(images)]

    return {"the classifier was not sure": is_sure, "nearer to a training image than 99 % of held-out ones": is_fresh}


def lift_figure(
    real: Real, images: NDArray[np.uint8], labels: Positions, seeds: int, seed: int, name: str
) -> tuple[Lift, Figure]:
    """What images `[N, C, H, W]` of class numbers `[N]` add to all real ones, by so many seeds; `name`: what made them."""
    anew = real.only()
    lift = augmentation_lift(
        anew.train,
        Labelled(images, np.searchsorted(real.classes, labels)),
        anew.test,
        len(real.classes),
        real_per_class=None,
        num_seeds=seeds,
        seed=seed,
        steps=classifier.STEPS,
    )
    figure = Figure(
        "lift",
        lift.value,
        lift.interval,
        None,
        judge="small classifier",
        judge_hash=classifier_hash(),
        resize=resize_rule(anew.test.images),
        num_real=len(anew.test.labels),
        num_fake=len(labels),
        split=real.split,
        seed=seed,
        note="; ".join(filter(None, (lift.sentence(), real.note))),
        generator=name,
    )
    return lift, figure


def acceptance_figure(
    lift: Figure, num_drawn: int, refused: Mapping[str, int], real: Real, checks: Mapping[str, Check], network: FeatureNetwork
) -> Figure:
    """The share of the samples drawn that passed the checks, beside that of held-out images."""
    share, passed, shown = (
        1 - sum(refused.values()) / num_drawn,
        0,
        real.test.draw(MOST_CALIBRATING // len(real.classes), lift.seed),
    )
    for label in real.classes:
        kept = shown.images[shown.labels == label]
        for check in checks.values():
            kept = kept[check(kept, int(label))] if len(kept) else kept
        passed += len(kept)
    num_real = int(np.isin(shown.labels, real.classes).sum())
    return replace(
        lift,
        name="accepted",
        value=share,
        interval=share_interval(share, num_drawn),
        floor=passed / num_real,
        judge=f"small classifier and {network.provenance.name}",
        judge_hash=network.provenance.sha256,
        resize=network.provenance.resize,
        num_real=num_real,
        num_fake=num_drawn,
        note="; ".join(f"refused {count:,}: {what}" for what, count in refused.items()),
    )


def advice(lift: Lift) -> str:
    """Whether to use the images, in words."""
    low, high = lift.interval
    gain = f"accuracy {lift.value:+.3f} on held-out images ({low:+.3f} to {high:+.3f}, {len(lift.gains)} seeds)"
    if low > 0:
        return f"use them: {gain}"
    return f"do not use them: {gain}" if high < 0 else f"leave them out, no gain is shown: {gain}"
