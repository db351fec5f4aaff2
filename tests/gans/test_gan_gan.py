import math

import pytest
import torch
from rich.console import Console

import zerosum
from zerosum.data.points import modes_found
from zerosum.gans import gan as first
from zerosum.noise import SeededNoise
from zerosum.recipe import Stabilisers

DIGITS = {"image": (1, 28, 28), "label": (10,)}


def test_networks_of_the_released_code():
    gan = first.FirstGAN(first.mnist().gan, DIGITS)
    assert [tuple(p.shape) for p in gan.generator.parameters() if p.dim() == 2] == [(1200, 100), (1200, 1200), (784, 1200)]
    assert [tuple(p.shape) for p in gan.discriminator.parameters() if p.dim() == 2] == [(1200, 784), (1200, 240), (1, 240)]
    assert max(p.abs().max() for p in gan.generator.parameters()) <= 0.05
    assert max(p.abs().max() for p in gan.discriminator.parameters()) <= 0.005


def test_rate_falls_by_the_released_codes_factor():
    optimisers = first.mnist().optimisers
    for updates in (1, 1_000, 1_000_000):
        assert optimisers["generator"].rate(100 * updates) == pytest.approx(0.1 / 1.000004**updates, rel=1e-6)
        assert optimisers["discriminator"].rate(100 * updates) == pytest.approx(0.05 / 1.000004**updates, rel=1e-6)
    assert optimisers["generator"].rate(1e12) == pytest.approx(1e-6)
    assert [round(optimisers["generator"].momentum(50_000 * epoch), 6) for epoch in (0, 1, 250, 300)] == [0.5, 0.5, 0.7, 0.7]


def test_dropout_leaves_out_ink_in_training_only():
    gan = first.FirstGAN(first.Config(), DIGITS)
    images = torch.rand(4, 1, 28, 28) * 2 - 1
    assert not torch.equal(gan.discriminator(images), gan.discriminator(images))
    gan.eval()
    assert torch.equal(gan.discriminator(images), gan.discriminator(images))
    black = gan.discriminator.layers[1].linear
    # Black is zero: nothing but biases, which start at zero.
    assert not (black((torch.full((1, 784), -1.0) + 1) / 2)).any()


@pytest.mark.parametrize("objective", ["minimax", "non_saturating"])
def test_objectives(objective):
    gan = first.FirstGAN(first.Config(objective=objective), {"point": (2,)}).eval()
    loss = gan.generator_loss({"point": torch.zeros(4, 2)}, 0.0).terms["adversarial"]
    # Nearly D = 1/2 everywhere at the start.
    assert loss.item() == pytest.approx(-math.log(2) if objective == "minimax" else math.log(2), abs=1e-3)


def test_makes_what_the_data_has():
    points = first.FirstGAN(first.Config(), {"point": (2,)})
    assert (points.makes, points.needs) == ("point", {"point"})
    assert points.sample({}, SeededNoise(range(3))).shape == (3, 2)
    images = first.FirstGAN(first.Config(stabilisers=Stabilisers(minibatch="discrimination")), DIGITS)
    assert (images.makes, images.needs) == ("image", {"image"})
    made = images.for_sampling().sample({}, SeededNoise(range(3)))
    assert made.shape == (3, 1, 28, 28)
    assert made.abs().max() <= 1
    assert images.discriminator(made).shape == (3,)
    with pytest.raises(ValueError, match="makes images or points, but the data has only wave"):
        first.FirstGAN(first.Config(), {"wave": (1, 16)})


def test_samples_depend_on_their_seed_alone():
    gan = first.FirstGAN(first.tiny().gan, {"image": (1, 8, 8)}).for_sampling()
    together = gan.sample({}, SeededNoise(range(5)))
    torch.testing.assert_close(gan.sample({}, SeededNoise([3])), together[3:4])


def test_discriminator_steps_are_repeats():
    gan = first.FirstGAN(first.Config(discriminator_steps=3), {"point": (2,)})
    assert [(turn.player, turn.repeat) for turn in gan.turns()] == [("discriminator", 3), ("generator", 1)]


def test_config_refuses_in_words():
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), not 1"):
        first.Config(dropout=1.0)
    with pytest.raises(ValueError, match="discriminator_steps must be above 0, not 0"):
        first.Config(discriminator_steps=0)


def points_of(recipe, folder):
    sampler = zerosum.train(recipe, folder, console=Console(quiet=True))
    return sampler.gan.sample({}, SeededNoise(range(2500)))


def test_ring_covers_all_modes_evenly(tmp_path):
    points = points_of(first.ring(), tmp_path / "run")
    # Even shares are 1/8; the measure and its three standard deviations are the literature's.
    found, good = modes_found(points, "ring", least_share=0.02)
    assert found == 8
    assert good > 0.5


def test_ring_collapse_loses_modes(tmp_path):
    points = points_of(first.ring_collapse(), tmp_path / "run")
    assert modes_found(points, "ring", least_share=0.02)[0] <= 2
    # The ring's points have a spread of 2: these lie in a heap.
    assert points.var(0).sum().sqrt() < 1
