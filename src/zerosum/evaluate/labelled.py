"""Figures by the small classifier: what labelled samples teach it, and how many modes of stacked digits it finds."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zerosum.data import Images
from zerosum.datacard import Labels as LabelNames
from zerosum.evaluate import classifier
from zerosum.evaluate.classifier import (
    LARGEST_SIDE,
    NUM_SEEDS,
    Labelled,
    accuracy_score,
    augmentation_lift,
    draw_each,
    train_classifier,
)
from zerosum.evaluate.figures import Figure
from zerosum.evaluate.intervals import Positions, Values
from zerosum.evaluate.points import CHANNELS, class_coverage, described, mode_figures, stacked_classes
from zerosum.evaluate.samples import choose, recode, take
from zerosum.noise import derive_seed
from zerosum.sampling import Sampler

LESSON_METRICS, STACKED_METRICS = ("cas", "lift"), ("modes", "reverse-kl")
MOST_PER_CLASS = 500
"""Generated images of each class, at most."""
MOST_TESTS = 10_000
"""Held-out images, at most."""
DIGIT_STEPS = 1_000
"""Of the classifier that names digits: it must be good, and is trained only once."""


def lesson_figures(
    sampler: Sampler,
    train: Images,
    test: Images,
    metrics: Sequence[str] = LESSON_METRICS,
    *,
    seen: Positions,
    n: int,
    real_per_class: int = 20,
    split: str,
    seed: int = 0,
) -> list[Figure]:
    """The classification accuracy score and the augmentation lift of a generator that is conditioned on classes.

    Args:
        train: what it was trained on.
        seen: the positions in `train` that were not held out.
        test: real images that were held out, of the same classes.
        metrics: out of `LESSON_METRICS`.
        n: generated images in all; at most 500 of each class are made.
        real_per_class: of the lift.
        split: what `test` is.

    Raises:
        ValueError: no class-conditional generator, other classes, or too few images of one.
    """
    labels = sampler.card.labels
    num_classes, per_class = len(labels.classes), min(n // max(1, len(labels.classes)), MOST_PER_CLASS)
    if "label" not in sampler.gan.given or not num_classes:
        raise ValueError("cas and lift are for generators conditioned on classes, which this one is not: leave them out")
    if not per_class:
        raise ValueError(f"-n {n} is less than one image for each of {num_classes} classes: give more")
    fake = class_samples(sampler, per_class, seed)
    drawn = draw_each(recode(train, seen, labels), max(per_class, NUM_SEEDS * real_per_class), seed)
    real = labelled(train, labels, seen[drawn])
    tests = labelled(test, labels, choose(len(test), MOST_TESTS, seed))
    figures = []
    for name in metrics:
        find = _score if name == "cas" else _lift
        value, interval, floor, note = find(real, fake, tests, num_classes, real_per_class, seed)
        if name == "lift" and len(seen) > num_classes * real_per_class:
            note += f"; the generator has seen {len(seen):,} real images"
        figures.append(
            Figure(
                name,
                value,
                interval,
                floor,
                judge="small classifier",
                judge_hash=classifier_hash(),
                resize=resize_rule(tests.images),
                num_real=len(tests.labels),
                num_fake=len(fake.labels),
                split=split,
                seed=seed,
                note=note,
                generator=sampler.name,
            )
        )
    return figures


Finding = tuple[float, tuple[float, float], float | None, str]
"""Value, interval, floor, note."""


def _score(real: Labelled, fake: Labelled, test: Labelled, num_classes: int, _: int, seed: int) -> Finding:
    score = accuracy_score(real, fake, test, num_classes, seed=seed, steps=classifier.STEPS)
    low, high = score.interval
    note = f"accuracy after {score.per_class} images per class; real against real: as many real ones; {NUM_SEEDS} seeds"
    return score.value, (max(0.0, low), min(1.0, high)), float(np.mean(score.real)), note


def _lift(real: Labelled, fake: Labelled, test: Labelled, num_classes: int, real_per_class: int, seed: int) -> Finding:
    lift = augmentation_lift(real, fake, test, num_classes, real_per_class=real_per_class, seed=seed, steps=classifier.STEPS)
    return lift.value, lift.interval, None, lift.sentence()


def class_samples(sampler: Sampler, per_class: int, seed: int) -> Labelled:
    """`per_class` samples of every class of a generator that is conditioned on classes."""
    num_classes = len(sampler.card.labels.classes)
    labels = np.arange(per_class * num_classes) % num_classes
    pixels = np.asarray(sampler.sample(len(labels), seed=seed), np.uint8)
    return Labelled(pixels.transpose(0, 3, 1, 2), labels)


def labelled(dataset: Images, labels: LabelNames, positions: Positions) -> Labelled:
    """Examples of a data set, with their classes as `labels` numbers them."""
    return Labelled(take(dataset, positions).numpy(), recode(dataset, positions, labels))


def stacked_figures(
    fake: NDArray[np.uint8],
    real: NDArray[np.uint8],
    digits: Images,
    metrics: Sequence[str] = STACKED_METRICS,
    *,
    split: str,
    generator: str = "",
    seed: int = 0,
) -> list[Figure]:
    """Modes found and reverse KL of generated stacked digits, beside as many real ones.

    Args:
        fake, real: uint8 `[N, 3, H, W]`, one grey image in each channel.
        digits: labelled grey images, of which nine tenths teach the classifier and one tenth tests it.
        metrics: out of `STACKED_METRICS`.
        split: what `real` is.
        generator: what made `fake`, in words.

    Raises:
        ValueError: images that are not RGB, or digits that are not grey, have no classes, or are of another size.
    """
    classes = digits.card.labels.classes
    if len(classes) < 2 or digits.card.shapes["image"] != (1, *fake.shape[2:]):
        height, width = fake.shape[2:]
        raise ValueError(f"--stacked-from needs grey images of {height} x {width} pixels in two or more classes: give such")
    order = np.random.default_rng(derive_seed(seed, "digits")).permutation(len(digits))
    parts = [labelled(digits, digits.card.labels, np.sort(part)) for part in np.split(order, [len(order) // 10])]
    classify = train_classifier(parts[1], len(classes), seed, steps=DIGIT_STEPS)
    real = real[choose(len(real), len(fake), seed)]
    found, expected = (stacked_classes(side, classify, len(classes)) for side in (fake, real))
    num_modes = len(classes) ** CHANNELS

    def measure(_: Positions, chosen: Positions) -> Values:
        return {"reverse-kl": class_coverage(found[chosen], num_modes).reverse_kl}

    values, floor = (described(class_coverage(side, num_modes)) for side in (found, expected))
    known = Figure(
        "modes",
        values["modes"],
        interval=None,
        floor=floor["modes"],
        judge="small classifier",
        judge_hash=classifier_hash(),
        resize=resize_rule(fake),
        num_real=len(real),
        num_fake=len(fake),
        split=split,
        seed=seed,
        note=f"of {num_modes:,}; the classifier names {classify.accuracy(parts[0]):.3f} of held-out digits right",
        generator=generator,
    )
    return mode_figures(known, values, floor, metrics, measure)


def resize_rule(images: NDArray[np.uint8]) -> str:
    """How images come to the classifier's size, in words."""
    height, width = images.shape[2:]
    if max(height, width) <= LARGEST_SIDE:
        return f"seen at {height} x {width} pixels"
    return f"bilinear, antialiased, to {LARGEST_SIDE} x {LARGEST_SIDE} pixels, not rounded"


def classifier_hash() -> str:
    """sha256 of the classifier's source file: it is trained anew for every figure, and has no weights of its own."""
    return hashlib.sha256(Path(classifier.__file__).read_bytes()).hexdigest()
