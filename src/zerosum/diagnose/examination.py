"""The doctor's examination: the networks as they are, beside real examples -> numbers."""

import copy
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from zerosum.data import Dataset
from zerosum.data.feed import to_float
from zerosum.diagnose.looks import Looks, find_clusters, shares
from zerosum.diagnose.signals import checkerboard, copies, duplicates, energy, label_agreement, missing, saturated
from zerosum.diagnose.texts import Texts
from zerosum.game import GAN, Batch
from zerosum.noise import SeededNoise, derive_seed, seed_stream
from zerosum.sampling import generate

NUM_REAL = 2_000
NUM_SAMPLES = 512
FEWEST = 8
"""Real examples that samples can be compared with."""
NUM_PAIRS = 128
"""Pairs learned from whose sources are translated again."""
NUM_PROBES = 4
"""Batches on which the discriminator is asked, of training and of held-out examples."""
COPY = 0.5
"""Distance to the nearest training example over that to the second nearest, under which a sample counts as a copy."""
FIRST_SEED = 1 << 40
"""Of the doctor's samples: far from those that people draw."""


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What was found at one moment of a run; None: not known."""

    images: int
    """Seen so far."""
    finite: bool = True
    """Whether losses, scores and samples are finite numbers."""
    accuracy: float | None = None
    """Of the discriminator on training examples: pairs of a real and a generated one that it ranks rightly, 1/2 to 1."""
    accuracy_held_out: float | None = None
    """The same for examples it has never been trained on."""
    score_real: float | None = None
    score_fake: float | None = None
    score_spread: float | None = None
    """Standard deviation between batches of the mean score of real examples."""
    overfitting: float | None = None
    """(E D(train) - E D(held out)) / (E D(train) - E D(G(z))), 0 without overfitting, 1 if held-out examples look generated
    (Karras et al. 2020, "Training generative adversarial networks with limited data", eq. 1); not known while the
    discriminator tells training from generated examples no better than one batch from another."""
    probability_real: float | None = None
    """D(x), of families trained by cross-entropy; 1/2 in equilibrium."""
    probability_fake: float | None = None
    """D(G(z))."""
    gradient_norms: Mapping[str, float] | None = None
    """Of every player, as last logged."""
    update_ratios: Mapping[str, float] | None = None
    """L2 norm of a player's last logged update over that of its weights."""
    distance: float | None = None
    """From samples to real examples, in looks: energy coefficient."""
    distance_floor: float | None = None
    """The same for held-out real examples."""
    diversity: float | None = None
    """Mean distance between samples over that between real examples."""
    missing_share: float | None = None
    """Share of real examples in clusters that samples never or hardly ever show."""
    missing_classes: tuple[str, ...] = ()
    """Classes of the data that samples never or hardly ever look like."""
    duplicates: float | None = None
    """Share of samples as close to another as the closest 1 % of real examples are."""
    copies: float | None = None
    """Share of samples that are singularly close to one training example, above that of held-out examples."""
    label_signal: float | None = None
    """How far classes can be told from the looks of real examples: 0 not at all, 1 always."""
    label_agreement: float | None = None
    """How far samples look like the class they were asked for, on the same scale."""
    error: float | None = None
    """Of pairs: the mean absolute difference, in [-1, 1], between what is made of held-out sources and their targets."""
    error_train: float | None = None
    """The same for sources that were learned from."""
    saturated: float | None = None
    """Share of the samples' pixels at black or white, above that of real images."""
    checkerboard: float | None = None
    """Power of the samples near the highest frequencies over that of real images."""
    skipped: str | None = None
    """What cannot be examined of such samples, in words."""

    def to_row(self) -> dict[str, Any]:
        """Plain data without what is not known."""
        return {name: value for name, value in asdict(self).items() if value is not None and value != ()}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """What `to_row` gave; other entries are passed over."""
        known = {field.name: row[field.name] for field in fields(cls) if field.name in row}
        return cls(**known | {"missing_classes": tuple(known.get("missing_classes", ()))})


class Reference:
    """Real examples that a run is compared with.

    Args:
        dataset: what the run is trained on.
        train, held_out: positions of examples that it is and is not trained on.
        makes: the key of what is generated.
    """

    def __init__(self, dataset: Dataset, train: np.ndarray, held_out: np.ndarray, makes: str) -> None:
        # Shuffled, for data often comes sorted by class and only the first examples are used for some signals.
        known, new = (np.random.default_rng(0).permutation(positions)[:NUM_REAL] for positions in (train, held_out))
        self.makes = makes
        self.train = {key: to_float(value) for key, value in dataset.batch(known).items()}
        # Not every data set can make a batch of no examples.
        taken = dataset.batch(new) if len(new) else {key: value[:0] for key, value in self.train.items()}
        self.held_out = {key: to_float(value) for key, value in taken.items()}
        fresh = self.held_out[makes]
        self.unseen = self.held_out if len(fresh) >= FEWEST else self.train
        """What a family that makes pictures from pictures is given: examples held out, or those that it learns from."""
        self.texts: Texts | None = None
        if not self.train[makes].is_floating_point():
            self.texts = Texts(self.train[makes], self.held_out[makes], dataset.batch(train)[makes])
            return
        self.looks = Looks.of(self.train[makes])
        self.real = self.looks(self.train[makes])
        self.fresh = self.looks(self.held_out[makes])
        self.centres = find_clusters(self.real)
        self.shares = shares(self.real, self.centres)
        self.classes = dataset.card.labels.classes


def examine(
    gan: GAN, average: GAN, reference: Reference, *, images: int, progress: float, batch: int, means: Mapping[str, float]
) -> Signals:
    """Look at a run's networks; nothing is changed but torch's random stream.

    Args:
        gan: the networks in training.
        average: the generator that would be released.
        images, progress: seen so far, and as a share of the run.
        batch: examples that the discriminator is shown at once.
        means: the newest logged means.
    """
    device = next(gan.parameters()).device
    found: dict[str, Any] = {"images": images, **from_means(means)}
    samples, given = draw(average, reference, device)
    if not samples.isfinite().all():
        return Signals(**found | {"finite": False})
    seed_stream(derive_seed("examination", images), device)
    found |= ask_discriminator(gan, reference, progress, batch, device)
    if reference.texts is not None:
        found |= reference.texts.compare(samples)
    elif len(reference.real) >= FEWEST:
        found |= compare(samples, reference) | compare_labels(samples, given, reference)
        found |= compare_pairs(average, samples, reference, device)
    finite = {name: value for name, value in found.items() if not isinstance(value, float) or np.isfinite(value)}
    return Signals(**finite | {"finite": len(finite) == len(found)})


def from_means(means: Mapping[str, float]) -> dict[str, Any]:
    """What training itself has logged."""
    groups = {"gradient_norms": "gradient_norm/", "update_ratios": "update_ratio/"}
    known = {
        field: {name.removeprefix(prefix): value for name, value in means.items() if name.startswith(prefix)}
        for field, prefix in groups.items()
    }
    return {field: values for field, values in known.items() if values}


def draw(average: GAN, reference: Reference, device: torch.device) -> tuple[Tensor, Batch]:
    """Samples, always from the same latents, and what they were given: conditions as frequent as in the data.

    What makes pictures from pictures is given those that it has not learned from, where there are enough, each once.
    """
    side, count = reference.train, NUM_SAMPLES
    if "source" in average.given:
        side = reference.unseen
        count = min(count, len(side[reference.makes]))
    rows = torch.arange(count) % len(side[reference.makes])
    given = {key: side[average.takes if key == "source" else key][rows] for key in average.given}
    return make(average, given, device), given


def make(average: GAN, given: Batch, device: torch.device) -> Tensor:
    """Samples of what they are given, on the CPU."""
    count = len(next(iter(given.values()), range(NUM_SAMPLES)))
    seeds, there = range(FIRST_SEED, FIRST_SEED + count), {key: value.to(device) for key, value in given.items()}
    made = generate(average, there, lambda part: SeededNoise(seeds[part], device), count).cpu()
    return made.float() if made.is_floating_point() else made


def ask_discriminator(gan: GAN, reference: Reference, progress: float, batch: int, device: torch.device) -> dict[str, Any]:
    """What the discriminator makes of training, held-out and generated examples."""
    twin = copy.deepcopy(gan).requires_grad_(False)
    notes = {
        side: [
            turn.loss({key: value[rows].to(device) for key, value in examples.items()}, progress).notes
            for rows in probes(len(examples[reference.makes]), batch)
            for turn in twin.turns()
        ]
        for side, examples in {"train": reference.train, "held_out": reference.held_out}.items()
    }

    def read(side: str, name: str) -> list[float]:
        return [float(row[name]) for row in notes[side] if "accuracy" in row and name in row]

    names = {"accuracy": "accuracy", "score_real": "score_real", "score_fake": "score_fake"}
    names |= {"probability_real": "D(x)", "probability_fake": "D(G(z))"}
    found: dict[str, Any] = {field: statistics.mean(values) for field, name in names.items() if (values := read("train", name))}
    if "score_real" in found:
        found["score_spread"] = float(np.std(read("train", "score_real")))
        gap = found["score_real"] - found["score_fake"]
        if notes["held_out"]:
            found["accuracy_held_out"] = statistics.mean(read("held_out", "accuracy"))
        if notes["held_out"] and gap > found["score_spread"]:
            found["overfitting"] = (found["score_real"] - statistics.mean(read("held_out", "score_real"))) / gap
    return found


def probes(count: int, batch: int) -> list[Tensor]:
    """Positions of examples in a few batches, going round where there are too few; none without examples."""
    positions = torch.arange(NUM_PROBES * batch) % max(count, 1)
    return list(positions.reshape(NUM_PROBES, batch)) if count else []


def compare(samples: Tensor, reference: Reference) -> dict[str, Any]:
    """Samples beside real examples."""
    fake, real, fresh = reference.looks(samples), reference.real, reference.fresh
    distance, diversity = energy(real, fake)
    gone = missing(reference.shares, shares(fake, reference.centres))
    found: dict[str, Any] = {
        "distance": distance,
        "diversity": diversity,
        "missing_share": float(reference.shares[gone].sum()),
        "duplicates": duplicates(real, fake),
    }
    if len(fresh) > 1:
        found["distance_floor"] = energy(real, fresh)[0]
        shares_copied = [float((copies(real, points) < COPY).float().mean()) for points in (fake, fresh)]
        if reference.makes != "target" or reference.unseen is reference.held_out:
            # What is made of a source whose target was learned from should be near to it: that is no copying.
            found["copies"] = shares_copied[0] - shares_copied[1]
    if samples.dim() == 4:
        images = reference.train[reference.makes][:NUM_SAMPLES]
        found["saturated"] = saturated(samples) - saturated(images)
        found["checkerboard"] = checkerboard(samples) / max(checkerboard(images), 1e-12)
    return found


def compare_pairs(average: GAN, samples: Tensor, reference: Reference, device: torch.device) -> dict[str, Any]:
    """What is made of the sources of pairs beside their targets."""
    if reference.makes != "target":
        return {}
    known = {key: value[:NUM_PAIRS] for key, value in reference.train.items()}
    made = make(average, {"source": known["source"]}, device)
    found: dict[str, Any] = {"error_train": float((made - known["target"]).abs().mean())}
    if reference.unseen is reference.held_out:
        found["error"] = float((samples - reference.held_out["target"][: len(samples)]).abs().mean())
    return found


def compare_labels(samples: Tensor, given: Batch, reference: Reference) -> dict[str, Any]:
    """Samples beside real examples of their classes."""
    if not reference.classes or "label" not in reference.train:
        return {}
    real, fake, fresh = reference.real, reference.looks(samples), reference.fresh
    classes = reference.train["label"].argmax(1)
    found: dict[str, Any] = {}
    chance = float((classes.bincount() / len(classes)).square().sum())
    if len(fresh) > 1:
        agreement = label_agreement(real, classes, fresh, reference.held_out["label"].argmax(1))
        found["label_signal"] = (agreement - chance) / (1 - chance)
    if "label" in given:
        agreement = label_agreement(real, classes, fake, given["label"].argmax(1))
        found["label_agreement"] = (agreement - chance) / (1 - chance)
    else:
        looks_like = classes[torch.cdist(fake, real).topk(5, largest=False).indices].mode(1).values
        count = len(reference.classes)
        gone = missing(*(side.bincount(minlength=count) / len(side) for side in (classes, looks_like)))
        found["missing_classes"] = tuple(reference.classes[i] for i in gone.nonzero().flatten())
    return found
