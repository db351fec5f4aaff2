"""Features of real and generated examples -> figures with interval, floor and provenance."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zerosum.evaluate.arrays import Features, Labels, checked_pair
from zerosum.evaluate.diversity import (
    SCALE_WEIGHTS,
    class_diversity,
    duplicates,
    inception_score,
    mean_distance,
    ms_ssim_between,
    nearest_distances,
    num_scales,
)
from zerosum.evaluate.figures import DISTANCES, Figure, shown_name
from zerosum.evaluate.frechet import frechet_distance, frechet_infinity, frechet_per_class
from zerosum.evaluate.intervals import Measure, Positions, Values, real_floor, standard_errors
from zerosum.evaluate.kernel import kernel_distance
from zerosum.evaluate.manifold import manifold
from zerosum.evaluate.memorisation import STRICTNESS, compare_distances, mifid, training_angles, training_distances

FEW = 5_000
"""Samples below which a Frechet distance is labelled: its bias is then large, and grows as 1 / N."""
LEAST = 24
"""Examples on either side without which nothing is measured."""
DEFAULT_METRICS = ("fid", "kid", "precision", "recall", "density", "coverage")
BOUNDS = {
    **dict.fromkeys(("kid", "fid-infinity"), (-np.inf, np.inf)),
    **dict.fromkeys(("precision", "recall", "coverage", "duplicates", "ms-ssim", "copied", "closer"), (0.0, 1.0)),
    "inception-score": (1.0, np.inf),
}
"""What a figure can be at all; the others are not negative."""


@dataclass(frozen=True, eq=False)
class Examples:
    """What is known of N examples. Some metrics need more than the features."""

    features: Features
    """`[N, D]`."""
    labels: Labels | None = None
    """Class numbers `[N]`."""
    logits: Features | None = None
    """The judge's, `[N, K]`."""
    images: NDArray[np.uint8] | None = None
    """uint8 `[N, C, H, W]`."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and len(value) != len(self.features):
                raise ValueError(f"{len(value)} {name} for {len(self.features)} features: there must be one for every example")

    def take(self, positions: Positions) -> "Examples":
        """Those at these positions `[n]`."""
        known = {name: value[positions] for name, value in vars(self).items() if value is not None}
        return replace(self, **known)


@dataclass(frozen=True)
class Group:
    """Metrics that are measured together."""

    metrics: tuple[str, ...]
    prepare: Callable[[Examples, Examples, Features | None], Measure]
    """(real, generated, training features) -> figures by positions; what does not depend on these is done once."""
    share: float | None = 0.5
    """Of the examples, in the subsets that the standard error is estimated from; None: without subsets."""
    errors: Callable[[Examples, Examples], Values] | None = None
    """(real, generated) -> standard errors, where there is a better way than subsets."""
    is_quadratic: bool = False
    """Whether the cost grows as N^2, so that at most `max_samples` are used."""
    needs: tuple[str, ...] = ()
    """Fields of `Examples`, or "train", that must be given."""


def evaluate_features(
    real: Examples,
    fake: Examples,
    metrics: Sequence[str] = DEFAULT_METRICS,
    *,
    judge: str,
    judge_hash: str,
    resize: str,
    split: str,
    generator: str = "",
    runtime: str = "torch",
    train: Features | None = None,
    seed: int = 0,
    num_subsets: int = 20,
    max_samples: int = 10_000,
) -> list[Figure]:
    """The chosen metrics, in the order asked for.

    Args:
        real: real examples; for "copied" and "closer" ones that the generator was not trained on.
        fake: generated examples, drawn independently.
        metrics: names out of `METRICS`.
        judge, judge_hash, resize: what the features are; "inception" is the only judge whose Frechet distance is called fid.
        split: of the real examples.
        generator: what made the generated ones, in words.
        runtime: what ran the judge.
        train: features `[T, D]` that the generator was trained on, for "copied", "closer" and "mifid".
        seed: of subsets, splits and pairs.
        num_subsets: for standard errors; 0: no intervals (those of KID and MS-SSIM need none).
        max_samples: metrics of quadratic cost draw this many on each side; the figure says how many it used.

    Raises:
        ValueError: an unknown metric, something it needs is missing, fewer than 24 examples, NaN, different widths.
    """
    groups = [group for group in GROUPS if set(group.metrics) & set(metrics)]
    check(metrics, groups, real, fake, train)
    figures: dict[str, Figure] = {}
    for group in groups:
        ours, theirs = (draw(side, max_samples if group.is_quadratic else None, seed) for side in (real, fake))
        num_real, num_fake = len(ours.features), len(theirs.features)
        values, errors, floors, held_out = measured(group, ours, theirs, train, num_subsets, seed)
        for name, value in values.items():
            note = "; ".join(remarks(name, real, fake, ours, theirs, held_out))
            interval = find_interval(name, value, errors.get(name))
            provenance = (judge, judge_hash, resize, num_real, num_fake, split, seed, note, generator, runtime)
            figures[name] = Figure(shown_name(name, judge), value, interval, floors[name], *provenance)
    return [figures[name] for name in metrics]


def check(metrics: Sequence[str], groups: Sequence[Group], real: Examples, fake: Examples, train: Features | None) -> None:
    """Refuse what cannot be evaluated, before any work is done.

    Raises:
        ValueError: as `evaluate_features`.
    """
    for name in metrics:
        if name not in METRICS:
            raise ValueError(f"unknown metric {name!r}; there are {', '.join(METRICS)}")
    checked_pair(real.features, fake.features, LEAST)
    for group in groups:
        for need in group.needs:
            sides = {"train": train} if need == "train" else {"real": getattr(real, need), "generated": getattr(fake, need)}
            missing = [side for side, value in sides.items() if value is None]
            if missing:
                what = "training features" if need == "train" else f"{need} of {' and '.join(missing)} examples"
                raise ValueError(f"metrics {', '.join(group.metrics)} need {what}: give them, or leave the metrics out")


def measured(
    group: Group, real: Examples, fake: Examples, train: Features | None, num_subsets: int, seed: int
) -> tuple[Values, Values, Values, int]:
    """A group's figures, their standard errors as far as known, their floors, and how many were held out for these."""
    counts = len(real.features), len(fake.features)
    measure = group.prepare(real, fake, train)
    values = measure(*(np.arange(count) for count in counts))
    errors: Values = {}
    if group.errors:
        errors = group.errors(real, fake)
    elif group.share and num_subsets:
        errors = standard_errors(measure, *counts, group.share, num_subsets, seed)
    return values, errors, *real_floor(group.prepare(real, real, train), *counts, seed)


def draw(examples: Examples, at_most: int | None, seed: int) -> Examples:
    """A random part of the examples, or all where there are no more than `at_most`."""
    count = len(examples.features)
    if at_most is None or count <= at_most:
        return examples
    return examples.take(np.sort(np.random.default_rng(seed).permutation(count)[:at_most]))


def find_interval(name: str, value: float, error: float | None) -> tuple[float, float] | None:
    """The 95 % confidence interval, within what the figure can be."""
    if error is None:
        return None
    low, high = BOUNDS.get(name, (0.0, np.inf))
    return max(low, value - 1.96 * error), min(high, value + 1.96 * error)


def remarks(name: str, real: Examples, fake: Examples, ours: Examples, theirs: Examples, held_out: int) -> Iterator[str]:
    """What a reader must know: `ours` and `theirs` are the parts of `real` and `fake` that were used."""
    num_fake, width = theirs.features.shape
    fewest = min(len(ours.features), num_fake)
    if name == "fid-per-class":
        sizes = {label: min(class_sizes(ours)[label], class_sizes(theirs)[label]) for label in sorted(class_sizes(ours))}
        missing = [str(label) for label, size in sizes.items() if size < 2]
        fewest = min(size for size in sizes.values() if size > 1)
        if missing:
            yield f"mean over the other classes: fewer than 2 samples of class {', '.join(missing)}"
    if name in DISTANCES and name != "kid":
        if fewest < FEW:
            yield f"few samples ({fewest:,} < {FEW:,}): biased upwards, read kid instead"
        if fewest < width:
            yield f"fewer samples than the {width:,} dimensions"
    drawn = {"real": (ours, real), "generated": (theirs, fake)}
    for side, (part, whole) in drawn.items():
        if len(part.features) < len(whole.features):
            yield f"{len(part.features):,} of {len(whole.features):,} {side} drawn"
    if held_out < num_fake:
        yield f"real against real at {held_out:,} samples"
    if name == "ms-ssim" and fake.images is not None:
        yield f"{num_scales(*fake.images.shape[2:])} of {len(SCALE_WEIGHTS)} scales"


def class_sizes(examples: Examples) -> Counter[int]:
    """How many examples there are of each class."""
    return Counter([] if examples.labels is None else np.asarray(examples.labels).tolist())


def _frechet(real: Examples, fake: Examples, _: Features | None) -> Measure:
    return lambda r, f: {"fid": frechet_distance(real.features[r], fake.features[f])}


def _infinity(real: Examples, fake: Examples, _: Features | None) -> Measure:
    return lambda r, f: {"fid-infinity": frechet_infinity(real.features[r], fake.features[f]).value}


def _per_class(real: Examples, fake: Examples, _: Features | None) -> Measure:
    def measure(r: Positions, f: Positions) -> Values:
        ours, theirs = real.take(r), fake.take(f)
        assert ours.labels is not None
        assert theirs.labels is not None
        distances = frechet_per_class(ours.features, ours.labels, theirs.features, theirs.labels).values()
        known = [distance for distance in distances if distance is not None]
        if not known:
            raise ValueError("no class has 2 real and 2 generated examples: fid-per-class needs more samples")
        return {"fid-per-class": float(np.mean(known))}

    return measure


def _kernel(real: Examples, fake: Examples, _: Features | None) -> Measure:
    return lambda r, f: {"kid": kernel_distance(real.features[r], fake.features[f]).value}


def _kernel_error(real: Examples, fake: Examples) -> Values:
    return {"kid": kernel_distance(real.features, fake.features).standard_error}


def _manifold(real: Examples, fake: Examples, _: Features | None) -> Measure:
    return lambda r, f: dict(vars(manifold(real.features[r], fake.features[f])))


def _score(real: Examples, fake: Examples, _: Features | None) -> Measure:
    assert fake.logits is not None
    logits = fake.logits
    return lambda r, f: {"inception-score": inception_score(logits[f], num_splits=1)[0]}


def _diversity(real: Examples, fake: Examples, _: Features | None) -> Measure:
    return lambda r, f: {"diversity": mean_distance(fake.features[f]) / mean_distance(real.features[r])}


def _diversity_within(real: Examples, fake: Examples, _: Features | None) -> Measure:
    def within(side: Examples) -> float:
        assert side.labels is not None
        return class_diversity(side.features, side.labels).within

    return lambda r, f: {"diversity-within": within(fake.take(f)) / within(real.take(r))}


def _duplicates(real: Examples, fake: Examples, _: Features | None) -> Measure:
    """Samples as close to another as the closest 1 % of as many real examples."""

    def measure(r: Positions, f: Positions) -> Values:
        size = min(len(r), len(f))
        ours, theirs = (np.random.default_rng(size).permutation(side)[:size] for side in (r, f))
        radius = float(np.quantile(nearest_distances(real.features[ours]), STRICTNESS))
        return {"duplicates": duplicates(fake.features[theirs], radius)}

    return measure


def _similarity(real: Examples, fake: Examples, _: Features | None) -> Measure:
    assert fake.images is not None
    images = fake.images
    return lambda r, f: {"ms-ssim": float(ms_ssim_between(images[f]).mean())}


def _similarity_error(real: Examples, fake: Examples) -> Values:
    assert fake.images is not None
    values = ms_ssim_between(fake.images)
    return {"ms-ssim": float(values.std(ddof=1) / np.sqrt(len(values)))}


def _memorisation(real: Examples, fake: Examples, train: Features | None) -> Measure:
    assert train is not None
    fresh, ours = training_distances(train, real.features), training_distances(train, fake.features)
    return lambda r, f: dict(vars(compare_distances(fresh[r], ours[f])))


def _mifid(real: Examples, fake: Examples, train: Features | None) -> Measure:
    assert train is not None
    angles = training_angles(train, fake.features)
    return lambda r, f: {"mifid": mifid(frechet_distance(real.features[r], fake.features[f]), angles[f])}


GROUPS = (
    Group(("fid",), _frechet),
    Group(("fid-infinity",), _infinity, share=None),
    Group(("fid-per-class",), _per_class, needs=("labels",)),
    Group(("kid",), _kernel, errors=_kernel_error, is_quadratic=True),
    Group(("precision", "recall", "density", "coverage"), _manifold, share=0.25, is_quadratic=True),
    Group(("inception-score",), _score, needs=("logits",)),
    Group(("diversity",), _diversity, share=0.25, is_quadratic=True),
    Group(("diversity-within",), _diversity_within, share=0.25, is_quadratic=True, needs=("labels",)),
    Group(("duplicates",), _duplicates, is_quadratic=True),
    Group(("ms-ssim",), _similarity, errors=_similarity_error, needs=("images",)),
    Group(("copied", "closer"), _memorisation, is_quadratic=True, needs=("train",)),
    Group(("mifid",), _mifid, is_quadratic=True, needs=("train",)),
)
METRICS = tuple(name for group in GROUPS for name in group.metrics)
"""All metrics, by the names that `evaluate_features` takes."""
