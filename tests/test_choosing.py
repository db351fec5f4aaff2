"""Which GAN is chosen for which data, and that it can be trained on it."""

from dataclasses import replace

import pytest
import torch

from zerosum import gans
from zerosum.choosing import choose
from zerosum.data.glance import Glance
from zerosum.recipe import Recipe

PLENTY, FEW = 60_000, 300


def is_conditional(recipe: Recipe) -> bool:
    return bool(getattr(recipe.gan, "conditional", False))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("count", [PLENTY, FEW])
@pytest.mark.parametrize("classes", [0, 1, 10])
@pytest.mark.parametrize("side", [20, 32, 100, 300, 3000])
def test_what_is_chosen_can_be_built_for_the_data(device: str, count: int, classes: int, side: int) -> None:
    choice = choose("somewhere", Glance(count, side, classes), device)
    recipe = choice.recipe
    assert recipe.data.path == "somewhere"
    assert recipe.family == choice.name.partition(":")[0]
    assert is_conditional(recipe) == (classes == 10 and (device, count) != ("cpu", FEW))
    assert getattr(recipe.gan, "stabilisers").augment == "ada" or count == PLENTY  # noqa: B009
    shapes = {"image": (3, recipe.data.resolution, recipe.data.resolution)} | ({"label": (classes,)} if classes else {})
    with torch.device("meta"):
        gan = gans.find(recipe.family).gan(recipe.gan, shapes)
    assert set(gan.players()) == set(recipe.optimisers)
    assert len(choice.reasons) == (3 if count == FEW else 2)


@pytest.mark.parametrize(("side", "resolution"), [(20, 32), (63, 32), (64, 64), (100, 64), (300, 256), (5000, 512)])
def test_a_gpu_trains_at_the_largest_power_of_two_that_the_images_fill(side: int, resolution: int) -> None:
    recipe = choose("x", Glance(PLENTY, side), "cuda").recipe
    assert recipe.data.resolution == resolution
    if resolution > 32:
        assert recipe.gan.r1_gamma == pytest.approx(0.0002 * resolution**2 / recipe.train.batch)  # type: ignore[attr-defined]


def test_a_few_of_each_of_many_classes_are_not_conditioned_on() -> None:
    assert is_conditional(choose("x", Glance(1000, 32, 10), "cuda").recipe)
    assert not is_conditional(choose("x", Glance(1000, 32, 100), "cuda").recipe)


def test_points_have_their_own_family() -> None:
    choice = choose("ring", Glance(100_000, 0), "cpu")
    assert choice.name == "gan:ring"
    assert choice.recipe == replace(gans.get_recipe("gan:ring"), data=choice.recipe.data)
