"""What holds for every recipe: it can be written, read and built, and says what it is."""

import json

import pytest
import torch

from zerosum import gans
from zerosum.data.holes import holed_shape
from zerosum.data.photographs import shapes_of
from zerosum.game import GAN
from zerosum.recipe import Recipe, differences
from zerosum.training.state import laziness

RECIPES = [f"{name}:{recipe}" for name in gans.names() for recipe in gans.find(name).recipes]


def build(recipe: Recipe) -> GAN:
    """The recipe's networks, without memory for their weights."""
    resolution, channels = recipe.data.resolution, 1 if recipe.data.colour == "grey" else 3
    shapes = {"image": (channels, resolution, resolution), "label": (10,)}
    picture = shapes["image"]
    if recipe.data.kind == "photographs":
        shapes = shapes_of(recipe.data, channels)
    if recipe.data.kind in ("pairs", "colouring"):
        shapes = {"source": (1 if recipe.data.kind == "colouring" else channels, *picture[1:]), "target": picture}
    if recipe.data.kind == "inpainting":
        shapes = {"source": holed_shape(picture), "target": picture}
    if recipe.data.kind == "unpaired":
        shapes = {"a": picture, "b": picture}
    if recipe.data.kind == "captions":
        shapes = {"image": picture, "caption": (8,), "words": (100,)}
    if recipe.data.kind == "audio":
        shapes = {"wave": (1, recipe.data.samples), "label": (10,)}
    if recipe.data.kind == "tokens":
        shapes = {"tokens": (recipe.data.num_tokens,), "vocabulary": (recipe.data.vocabulary_size,)}
    with torch.device("meta"):
        return gans.find(recipe.family).gan(recipe.gan, {"point": (2,)} if recipe.data.path in ("ring", "grid") else shapes)


@pytest.mark.parametrize("spec", RECIPES)
def test_json_round_trip(spec: str) -> None:
    recipe = gans.get_recipe(spec)
    again = Recipe.from_plain(json.loads(recipe.to_json()), gans.find(recipe.family).config)
    assert again == recipe
    assert differences(recipe, again) == []


@pytest.mark.parametrize("spec", RECIPES)
def test_its_networks_can_be_built_and_its_optimisers_fit_the_players(spec: str) -> None:
    recipe = gans.get_recipe(spec)
    gan = build(recipe)
    assert set(gan.players()) == set(recipe.optimisers)
    assert set(gan.sampler) <= {name for name, _ in gan.named_children()}
    for turn in gan.turns():
        assert turn.player in recipe.optimisers
        assert 0 < laziness(turn.player, gan.turns()) <= 1


@pytest.mark.parametrize("spec", RECIPES)
def test_it_is_its_familys_and_long_enough_to_leave_something(spec: str) -> None:
    recipe = gans.get_recipe(spec)
    assert recipe.family == spec.partition(":")[0]
    assert recipe.jobs.log_every <= recipe.train.images
    assert recipe.jobs.checkpoint_every <= recipe.train.images


@pytest.mark.parametrize("name", gans.names())
def test_every_family_has_the_recipes_that_everyone_relies_on(name: str) -> None:
    recipes = gans.find(name).recipes
    assert {"tiny", "cpu"} <= set(recipes)
    tiny = recipes["tiny"]()
    assert tiny.train.images // tiny.train.batch <= 40
    assert tiny.data.path in ("fashion", "emoji", "sentences", "drums")
