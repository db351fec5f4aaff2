"""The BigGAN that the benchmark times beside zerosum's is the same: same weights and noise, same losses and gradients."""

from dataclasses import replace

import pytest
import torch

from plain import copy_weights
from reference_biggan import Reference, narrow
from zerosum import gans
from zerosum.noise import FreshNoise

SHAPES = {"image": (1, 32, 32), "label": (10,)}


@pytest.mark.parametrize("turn", [0, 1])
def test_straightforward_and_zerosum_agree(turn: int) -> None:
    recipe = narrow()
    torch.manual_seed(0)
    gan, reference = gans.find("biggan").gan(recipe.gan, SHAPES), Reference(recipe, SHAPES)
    gan.to(memory_format=torch.channels_last)
    copy_weights(gan.generator, reference.generator)
    copy_weights(gan.discriminator, reference.judge)
    batch = {"image": torch.rand(8, *SHAPES["image"]) * 2 - 1, "label": torch.eye(10)[torch.arange(8)]}
    player = list(gan.players().values())[1 - turn]
    gan.requires_grad_(False)
    player.requires_grad_(True)
    torch.manual_seed(1)
    ours = gan.turns()[turn].loss(batch, 0.0).terms["adversarial"]
    torch.manual_seed(1)
    theirs = reference.generator_loss(batch) if turn else reference.judge_loss(batch)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    ours.backward()
    theirs.backward()
    network = reference.generator if turn else reference.judge
    largest = max(other.grad.abs().max().item() for other in network.parameters())
    for mine, other in zip(player.parameters(), network.parameters(), strict=True):
        # The gradient of a bias before a batch norm is 0 but for rounding.
        scale = other.grad.abs().max().item()
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=2e-3 * scale + 1e-6 * largest)
    for mine, other in zip(player.buffers(), network.buffers(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_generation_agrees_in_evaluation_mode() -> None:
    recipe = narrow()
    recipe = replace(recipe, gan=replace(recipe.gan, generator_width=4))
    torch.manual_seed(0)
    gan, reference = gans.find("biggan").gan(recipe.gan, SHAPES), Reference(recipe, SHAPES)
    for _ in range(3):
        gan.sample({"label": torch.eye(10)}, FreshNoise(10))
    copy_weights(gan.generator, reference.generator)
    reference.generator.eval()
    latents = torch.randn(10, 4, recipe.gan.latent // 4)
    images = gan.for_sampling().synthesise(latents, {"label": torch.eye(10)}, FreshNoise(10))
    torch.testing.assert_close(images, reference.generator(latents.flatten(1), torch.eye(10)), rtol=1e-4, atol=1e-5)
