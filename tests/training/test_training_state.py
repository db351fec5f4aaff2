"""Frozen weights, weights taken over from another run, and fewer bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from zerosum import get_recipe
from zerosum.api import build_gan, compile_networks, make_feed
from zerosum.data import open_data
from zerosum.recipe import Average, Recipe, adam
from zerosum.schedules import constant, linear
from zerosum.training.loop import Loop
from zerosum.training.state import State, take_over

CPU = torch.device("cpu")


def trained(recipe: Recipe, steps: int, precision: str = "float32", compiled: str = "", **settings) -> State:
    dataset = open_data(recipe.data)
    state = State(build_gan(recipe, dataset.card, CPU), recipe.optimisers, recipe.train.batch, **settings)
    if compiled:
        for player in state.gan.players().values():
            player.compile(backend=compiled)
    feed = make_feed(recipe, dataset, np.arange(len(dataset)), CPU)
    Loop(state, feed, steps * recipe.train.batch, recipe.train.seed, recipe.average, precision=precision).run()
    feed.close()
    return state


def test_frozen_weights_stay_and_the_others_move():
    frozen = ("generator.layers.0", "discriminator.layers.0")
    recipe = get_recipe("dcgan:tiny")
    first = build_gan(recipe, open_data(recipe.data).card, CPU).state_dict()
    for name, weight in trained(recipe, 2, freeze=frozen).gan.named_parameters():
        assert torch.equal(weight, first[name]) == name.startswith(tuple(f"{part}." for part in frozen)), name


def test_names_that_freeze_nothing_or_everything_are_refused():
    recipe = get_recipe("dcgan:tiny")
    with pytest.raises(ValueError, match=r"'discriminator.layer' is the beginning of no weight's name; there are .*layers.0"):
        trained(recipe, 1, freeze=["discriminator.layer"])
    with pytest.raises(ValueError, match="leaves the player 'generator' nothing to train"):
        trained(recipe, 1, freeze=["generator"])


def test_weights_are_taken_over_where_they_fit():
    recipe = get_recipe("cgan:tiny")
    card = open_data(recipe.data).card
    source = build_gan(recipe, card, CPU)
    fewer_classes = replace(card, shapes={**card.shapes, "label": (4,)})
    target = build_gan(replace(recipe, train=replace(recipe.train, seed=1)), fewer_classes, CPU)
    taken, left = take_over(target, source.state_dict())
    assert taken
    assert left
    for name, value in target.state_dict().items():
        fits = name in source.state_dict() and source.state_dict()[name].shape == value.shape
        assert (name in taken) == fits == (name not in left)
        assert not fits or torch.equal(value, source.state_dict()[name])


def test_optimisers_follow_their_schedules():
    recipe = get_recipe("dcgan:tiny")
    batch = recipe.train.batch
    rate, beta2 = linear(1e-3, 0, over=4 * batch), linear(0.9, 0.98, over=4 * batch)
    optimisers = dict.fromkeys(recipe.optimisers, adam(rate, 0.0, beta2))
    state = State(build_gan(recipe, open_data(recipe.data).card, CPU), optimisers, batch)
    state.step = 2
    state.set_rates()
    for optimiser in state.optimisers.values():
        assert optimiser.param_groups[0]["lr"] == pytest.approx(5e-4)
        assert optimiser.param_groups[0]["betas"] == pytest.approx((0.0, 0.94))


def test_the_average_follows_its_schedule():
    recipe = replace(get_recipe("dcgan:tiny"), average=Average(half_life=linear(0, 1e9, over=1e-3, delay=0)))
    state = trained(recipe, 2)
    moved = [not torch.equal(average, weight) for average, weight in state._averaged]
    assert any(moved), "a half-life that has become long keeps the average behind the weights"
    state = trained(replace(recipe, average=Average(half_life=linear(0, 1e9, over=1e9, delay=1e9))), 2)
    assert all(torch.equal(average, weight) for average, weight in state._averaged)
    assert Average(half_life=constant(0)).is_used is False


@pytest.mark.parametrize("recipe", ["dcgan:tiny", "wgan_gp:tiny"])
def test_bfloat16_trains_float32_weights_close_to_float32(recipe):
    whole, short = (trained(get_recipe(recipe), 2, precision) for precision in ("float32", "bfloat16"))
    for name, weight in short.gan.state_dict().items():
        other = whole.gan.state_dict()[name]
        assert weight.dtype == other.dtype
        # Adam's first steps are as long as the rate, whichever way they go.
        torch.testing.assert_close(weight, other, rtol=0.1, atol=0.05)
    assert any(not torch.equal(weight, whole.gan.state_dict()[name]) for name, weight in short.gan.named_parameters())


def test_float16_scales_its_losses_and_saves_the_scales():
    state = trained(get_recipe("dcgan:tiny"), 2, "float16", scaled=True)
    saved = state.state_dict()["scalers"]
    assert saved["generator"]["scale"] > 1
    recipe = get_recipe("dcgan:tiny")
    again = State(build_gan(recipe, open_data(recipe.data).card, CPU), recipe.optimisers, recipe.train.batch, scaled=True)
    again.load_state_dict(state.state_dict())
    assert again.state_dict()["scalers"] == saved


@pytest.mark.filterwarnings("ignore")  # the compiler's own, of what it does itself
@pytest.mark.parametrize("recipe", ["dcgan:tiny", "wgan_gp:tiny"])
def test_compiled_networks_train_to_the_same_weights(recipe):
    plain, compiled = (trained(get_recipe(recipe), 2, compiled=backend) for backend in ("", "aot_eager"))
    for name, weight in compiled.gan.state_dict().items():
        torch.testing.assert_close(weight, plain.gan.state_dict()[name], rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore")  # the compiler's own, of what it does itself
def test_players_and_their_parts_are_compiled_and_copies_are_not():
    recipe = get_recipe("dcgan:tiny")
    gan = build_gan(recipe, open_data(recipe.data).card, CPU)
    compile_networks(gan)
    assert gan.generator._compiled_call_impl is not None
    assert gan.generator.layers._compiled_call_impl is not None
    assert gan.for_sampling().generator._compiled_call_impl is None
