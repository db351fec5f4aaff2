"""Which GAN for which data: the recipe that `zerosum train --data PATH` takes when none is named, and why."""

from dataclasses import dataclass, fields, replace

from zerosum import gans
from zerosum.data.glance import Glance
from zerosum.recipe import GANConfig, Recipe

FEW = 5_000
"""Images below which the discriminator sees altered ones."""
LEAST_OF_A_CLASS = 20
"""Images of each class, on average, below which there is too little to learn of it."""
LARGEST = 512
"""Pixels a side to which larger images are reduced: what one GPU can train in days."""


@dataclass(frozen=True)
class Choice:
    """A recipe for some data."""

    name: str
    """As `family:recipe`, which it is changed from."""
    recipe: Recipe
    reasons: tuple[str, ...]
    """Why, in sentences."""


def choose(path: str, data: Glance, device: str) -> Choice:
    """The recipe that has served best for such data on such a device.

    Args:
        path: of the data.
        device: "cpu", "cuda" or "mps".
    """
    if not data.side:
        return Choice("gan:ring", changed(gans.get_recipe("gan:ring"), path), ("points in the plane, not images",))
    classes = data.num_classes if data.num_classes > 1 and data.num_examples >= LEAST_OF_A_CLASS * data.num_classes else 0
    name, recipe, reason = on_a_cpu(bool(classes), data.num_examples) if device == "cpu" else on_a_gpu(data.side)
    gan, labels = conditioned(recipe.gan, bool(classes))
    reasons = [f"{data.num_examples:,} images of about {data.side} pixels: {labels.format(data.num_classes)}", reason]
    if data.num_examples < FEW:
        gan = augmented(gan, recipe.train.images)
        reasons.append(f"fewer than {FEW:,} images: the discriminator sees altered ones (--augment ada)")
    return Choice(name, changed(replace(recipe, gan=gan), path), tuple(reasons))


def on_a_cpu(has_classes: bool, num_examples: int) -> tuple[str, Recipe, str]:
    """Name, recipe and reason, by what docs/results.md shows: of few images dcgan makes more than the others."""
    why = "the best of the recipes for a CPU in as much time (docs/results.md), at 32 pixels, which take minutes, not days"
    name = "dcgan:cpu" if num_examples < FEW else "biggan:cpu" if has_classes else "r3gan:cpu"
    return name, gans.get_recipe(name), why


def on_a_gpu(side: int) -> tuple[str, Recipe, str]:
    """Name, recipe and reason, by what was published: r3gan at 32 pixels, stylegan2 with adaptive augmentation above."""
    resolution = min(max(1 << side.bit_length() - 1, 32), LARGEST)
    if resolution == 32:
        why = "the best published figures at 32 pixels (CIFAR-10, FID 1.96: Huang et al. 2024)"
        return "r3gan:cifar10", gans.get_recipe("r3gan:cifar10"), why
    why = "the authors' settings for new data of this size (Karras et al. 2020), the steadiest of the large families"
    return "stylegan2:auto", gans.find("stylegan2").recipes["auto"](resolution), why


def conditioned(gan: GANConfig, has_classes: bool) -> tuple[GANConfig, str]:
    """A family's settings with classes or without, and what to say of them."""
    if not any(field.name == "conditional" for field in fields(gan)):
        return gan, "without regard to classes"
    settings = replace(gan, conditional=has_classes)  # type: ignore[call-arg]
    return settings, "{} classes, which samples can be asked for" if has_classes else "no classes, or too few images of each"


def augmented(gan: GANConfig, images: int) -> GANConfig:
    """A family's settings with adaptive augmentation that can come up within a run of so many images."""
    stabilisers = replace(gan.stabilisers, augment="ada", augment_images=min(500_000, max(images // 2, 1)))  # type: ignore[attr-defined]
    return replace(gan, stabilisers=stabilisers)  # type: ignore[call-arg]


def changed(recipe: Recipe, path: str) -> Recipe:
    """The recipe on other data."""
    return replace(recipe, data=replace(recipe.data, path=path))
