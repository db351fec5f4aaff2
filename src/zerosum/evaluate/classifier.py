"""What generated images teach: a small classifier trained on them is tested on held-out real images."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from zerosum.evaluate.arrays import Labels, checked_labels
from zerosum.evaluate.intervals import Positions, student_interval
from zerosum.features.resize import antialiased_bilinear, resize
from zerosum.noise import derive_seed

LEAST_SIDE, LARGEST_SIDE = 8, 32
"""Pixels a side: smaller images are refused, larger ones are shrunk."""
CHANNELS = (16, 32, 64)
PLACES = 4
"""Height and width of the last maps that the linear layer sees."""
STEPS, BATCH, RATE = 400, 64, 3e-3
LAST = 3
"""Layers after the convolutions."""
SHIFT = 2
"""Pixels by which a batch is moved at most, so that a few images teach more."""
NUM_SEEDS = 3


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images with their classes.

    Raises:
        ValueError: other than N > 0 images uint8 `[N, C, H, W]` of at least 8 x 8 pixels, or labels that are not one class
            number for each.
    """

    images: NDArray[np.uint8]
    """uint8 `[N, C, H, W]`."""
    labels: Labels
    """Class numbers `[N]`."""

    def __post_init__(self) -> None:
        shape = self.images.shape
        if self.images.dtype != np.uint8 or len(shape) != 4 or 0 in shape:
            raise ValueError(f"images must be uint8 [N, C, H, W] with N above 0, not {self.images.dtype} {list(shape)}")
        if min(shape[2:]) < LEAST_SIDE:
            size = f"{shape[2]} x {shape[3]}"
            raise ValueError(f"the small classifier needs images of at least {LEAST_SIDE} x {LEAST_SIDE} pixels, not {size}")
        if checked_labels(self.labels, len(self.images), "image").min() < 0:
            raise ValueError("class numbers must not be negative")

    def counts(self, num_classes: int) -> Positions:
        """How many there are of each class, `[num_classes]`."""
        return np.bincount(self.labels, minlength=num_classes)

    def draw(self, per_class: int, seed: int) -> "Labelled":
        """`per_class` images of every class that has as many, all of the others; without repetition."""
        positions = draw_each(self.labels, per_class, seed)
        return Labelled(self.images[positions], self.labels[positions])

    def and_also(self, more: "Labelled") -> "Labelled":
        """These and others together."""
        return Labelled(np.concatenate([self.images, more.images]), np.concatenate([self.labels, more.labels]))


def draw_each(labels: Labels, per_class: int, seed: int) -> Positions:
    """Positions of `per_class` examples of every class that has as many, of all examples of the others."""
    order = np.random.default_rng(derive_seed(seed, "draw")).permutation(len(labels))
    return np.concatenate([order[labels[order] == label][:per_class] for label in np.unique(labels)])


@dataclass(frozen=True)
class Classifier:
    """A trained classifier of images."""

    network: nn.Module
    device: torch.device

    @torch.no_grad()
    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """How probable each class is, `[N, K]`, of images uint8 `[N, C, H, W]`."""
        parts = [
            self.network(prepared(part, self.device)).softmax(1).cpu() for part in torch.split(torch.from_numpy(images), 500)
        ]
        found: NDArray[np.float32] = torch.cat(parts).numpy()
        return found

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The classes `[N]` of images uint8 `[N, C, H, W]`."""
        named: NDArray[np.int64] = self.probabilities(images).argmax(1)
        return named

    @torch.no_grad()
    def maps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The last maps `[N, 64, H, W]` of images uint8 `[N, C, H, W]`."""
        convolutions = self.network[:-LAST]  # type: ignore[index]
        parts = [convolutions(prepared(part, self.device)).cpu() for part in torch.split(torch.from_numpy(images), 500)]
        found: NDArray[np.float32] = torch.cat(parts).numpy()
        return found

    def accuracy(self, test: Labelled) -> float:
        """Share of images whose class is named right."""
        return float((self(test.images) == test.labels).mean())


def train_classifier(
    train: Labelled, num_classes: int, seed: int = 0, *, steps: int = STEPS, device: torch.device | str = "cpu"
) -> Classifier:
    """Train a small classifier from scratch: three convolutions with batch norm, then a linear
    layer on means over 4 x 4 places.

    Whatever the number of images, it takes the same number of steps, so that none is at a disadvantage for having few. Images
    of more than 32 pixels a side are shrunk to 32. Adam with a rate that falls to zero; each batch is moved by up to 2 pixels.
    A function of the images and the seed; torch's own stream is left as it was.

    Args:
        num_classes: labels are in [0, num_classes).

    Raises:
        ValueError: a label out of range, or fewer than 2 images.
    """
    labels = torch.from_numpy(checked_labels(train.labels, len(train.images), "training"))
    if len(labels) < 2 or int(labels.max()) >= num_classes:
        raise ValueError(f"a classifier needs at least 2 images, with class numbers below {num_classes}")
    device, stream = torch.device(device), torch.Generator().manual_seed(derive_seed(seed, "batches"))
    images, labels, batch = torch.from_numpy(train.images), labels.to(device), min(BATCH, len(labels))
    epochs = -(-steps * batch // (len(labels) - len(labels) % batch))
    order = torch.cat([torch.randperm(len(labels), generator=stream)[: len(labels) // batch * batch] for _ in range(epochs)])
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(seed, "classifier"))
        network = build(train.images.shape[1], num_classes)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    seen = torch.cat([prepared(part, device) for part in torch.split(images, 500)])
    for positions in torch.split(order, batch)[:steps]:
        chosen = positions.to(device)
        loss = cross_entropy(network(moved(seen[chosen], stream)), labels[chosen])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return Classifier(network.eval().requires_grad_(False), device)


def build(channels: int, num_classes: int) -> nn.Sequential:
    """Images `[N, C, H, W]` to logits `[N, num_classes]`."""
    layers: list[nn.Module] = []
    for before, width in zip((channels, *CHANNELS), CHANNELS, strict=False):
        convolution = nn.Conv2d(before, width, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    places = nn.AdaptiveAvgPool2d(PLACES)
    return nn.Sequential(*layers[:-1], places, nn.Flatten(), nn.Linear(CHANNELS[-1] * PLACES**2, num_classes))


def prepared(images: Tensor, device: torch.device) -> Tensor:
    """What the classifier sees of images uint8 `[N, C, H, W]`: float32 in [-1, 1], at most 32 pixels a side."""
    images = images.to(device)
    if max(images.shape[2:]) > LARGEST_SIDE:
        images = resize(images, LARGEST_SIDE, antialiased_bilinear)
    return (images.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def moved(images: Tensor, stream: torch.Generator) -> Tensor:
    """The batch `[N, C, H, W]`, moved by up to 2 pixels either way; what comes in at an edge repeats it."""
    top, left = torch.randint(2 * SHIFT + 1, (2,), generator=stream).tolist()
    height, width = images.shape[2:]
    return pad(images, (SHIFT,) * 4, mode="replicate")[:, :, top : top + height, left : left + width]


@dataclass(frozen=True)
class AccuracyScore:
    """The classification accuracy score: accuracies on held-out real images, one for each seed."""

    generated: tuple[float, ...]
    """Of classifiers trained on generated images."""
    real: tuple[float, ...]
    """Of the same classifiers trained on as many real images."""
    per_class: int
    """Images of each class that they were trained on, at most."""

    @property
    def value(self) -> float:
        """The mean over the seeds with generated images."""
        return float(np.mean(self.generated))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the value, over seeds."""
        return student_interval(self.generated)


def accuracy_score(
    real: Labelled,
    fake: Labelled,
    test: Labelled,
    num_classes: int,
    *,
    num_seeds: int = NUM_SEEDS,
    seed: int = 0,
    steps: int = STEPS,
    device: torch.device | str = "cpu",
) -> AccuracyScore:
    """How well a classifier trained on generated images knows real ones (Ravuri & Vinyals 2019).

    The paper's classifier is a ResNet-50; this one is small, so scores compare generators with each other and with real images,
    not with the literature. Both sides train on the same number of images of every class: the lesser of the two.

    Args:
        real: what the generator was trained on.
        test: real images that were held out.

    Raises:
        ValueError: as `check_sides`.
    """
    counts = check_sides(real, fake, test, num_classes)
    per_class = int(min(count.min() for count in counts))
    seeds = [derive_seed(seed, "cas", number) for number in range(num_seeds)]

    def score(side: Labelled, number: int) -> float:
        return train_classifier(side.draw(per_class, number), num_classes, number, steps=steps, device=device).accuracy(test)

    return AccuracyScore(tuple(score(fake, s) for s in seeds), tuple(score(real, s) for s in seeds), per_class)


@dataclass(frozen=True)
class Lift:
    """What generated images add to a few real ones: accuracies on held-out real images, one for each seed."""

    without: tuple[float, ...]
    """Of classifiers trained on the real images alone."""
    with_generated: tuple[float, ...]
    """Of those trained on the same real images and generated ones."""
    real_per_class: int
    generated_per_class: int

    @property
    def value(self) -> float:
        """The mean gain in accuracy."""
        return float(np.mean(self.gains))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the gain, over seeds."""
        return student_interval(self.gains)

    @property
    def gains(self) -> tuple[float, ...]:
        """With generated images minus without, for each seed."""
        return tuple(b - a for a, b in zip(self.without, self.with_generated, strict=True))

    @property
    def verdict(self) -> str:
        """Helps, does harm, or does not help: by the interval."""
        low, high = self.interval
        return "helps here" if low > 0 else "does harm here" if high < 0 else "does not help here"

    def sentence(self) -> str:
        """The finding in words."""
        return (
            f"{np.mean(self.without):.3f} with {self.real_per_class} real images per class, {np.mean(self.with_generated):.3f} "
            f"with {self.generated_per_class} generated ones more: {self.verdict} ({len(self.gains)} seeds)"
        )


def augmentation_lift(
    real: Labelled,
    fake: Labelled,
    test: Labelled,
    num_classes: int,
    *,
    real_per_class: int | None,
    num_seeds: int = NUM_SEEDS,
    seed: int = 0,
    steps: int = STEPS,
    device: torch.device | str = "cpu",
) -> Lift:
    """The gain in accuracy when generated images join `real_per_class` real ones of each class.

    Every seed draws other real images and other first weights, the same with and without, so that the difference is paired.

    Args:
        real: real images to draw from, best such as the generator was trained on.
        fake: generated images, all of which join.
        test: real images that were held out.
        real_per_class: None: all, be there more of one class than of another; only the first weights then differ by seed.

    Raises:
        ValueError: as `check_sides`; fewer than 3 seeds, or too few real images of a class.
    """
    if num_seeds < 3:
        raise ValueError(f"the lift needs at least 3 seeds, not {num_seeds}: one training can be lucky")
    counts = check_sides(real, fake, test, num_classes)
    if real_per_class is not None and not 1 <= real_per_class <= counts[0].min():
        fewest = int(counts[0].argmin())
        raise ValueError(
            f"{real_per_class} real images per class are asked for, but there are {counts[0][fewest]} of class {fewest}: "
            f"choose 1 to {counts[0][fewest]}"
        )
    without, with_generated = [], []
    for number in (derive_seed(seed, "lift", index) for index in range(num_seeds)):
        few = real if real_per_class is None else real.draw(real_per_class, number)
        without.append(train_classifier(few, num_classes, number, steps=steps, device=device).accuracy(test))
        more = few.and_also(fake)
        with_generated.append(train_classifier(more, num_classes, number, steps=steps, device=device).accuracy(test))
    fewest = int(counts[0].min()) if real_per_class is None else real_per_class
    return Lift(tuple(without), tuple(with_generated), fewest, int(counts[1].min()))


def check_sides(real: Labelled, fake: Labelled, test: Labelled, num_classes: int) -> tuple[Positions, Positions]:
    """How many real and generated images there are of each class, `[num_classes]`.

    Raises:
        ValueError: images of other shapes, a class out of range, or one of which there are none.
    """
    sides = {"real": real, "generated": fake, "held-out": test}
    shapes = {name: list(side.images.shape[1:]) for name, side in sides.items()}
    if len({*map(tuple, shapes.values())}) > 1:
        found = ", ".join(f"{name} ones are {shape}" for name, shape in shapes.items())
        raise ValueError(f"all images must be of one shape [C, H, W], but {found}: prepare them alike")
    for name, side in sides.items():
        largest, count = int(np.max(side.labels)), side.counts(num_classes)
        if largest >= num_classes:
            raise ValueError(f"{name} images have class {largest}, but there are {num_classes} classes, counted from 0")
        if name != "held-out" and not count.all():
            raise ValueError(f"there are no {name} images of class {int(count.argmin())}: give some of every class")
    return real.counts(num_classes), fake.counts(num_classes)
