"""StyleGAN2 and the reference that the benchmark times it against: same weights and noise, same results and gradients."""

from dataclasses import replace

import pytest
import torch

from reference_stylegan2 import CONFIG, pair
from zerosum.gans.stylegan2 import Config
from zerosum.noise import FreshNoise

SMALL = replace(CONFIG, latent=16, style=16, channel_base=256, channel_max=16, mapping_rate=1.0)


@pytest.mark.parametrize("config", [SMALL, CONFIG], ids=["small", "benchmarked"])
def test_images_are_equal(config: Config) -> None:
    ours, theirs = pair(config, 32)
    latent = torch.randn(3, config.latent)
    torch.manual_seed(1)
    mine = ours.generator(latent, noise=FreshNoise(3))
    torch.manual_seed(1)
    styles = theirs.generator.mapping(latent)[:, None].repeat(1, theirs.generator.num_layers, 1)
    torch.testing.assert_close(mine, theirs.generator.synthesis(styles), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["discriminator_loss", "r1_loss", "generator_loss", "path_loss"])
def test_losses_and_gradients_are_equal(name: str) -> None:
    ours, theirs = pair(SMALL, 32)
    images = torch.rand(8, 3, 32, 32) * 2 - 1
    player = "generator" if name in ("generator_loss", "path_loss") else "discriminator"
    torch.manual_seed(1)
    mine = sum(getattr(ours, name)({"image": images}, 0.0).terms.values())
    torch.manual_seed(1)
    other = getattr(theirs, name)(images)
    torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
    mine.backward()
    other.backward()
    network = getattr(theirs, player)
    gradients = {key: parameter.grad for key, parameter in network.named_parameters()}
    for key, parameter in ours.players()[player].named_parameters():
        if gradients[key] is None:
            assert parameter.grad is None or not parameter.grad.any()
            continue
        scale = gradients[key].abs().max().item()
        torch.testing.assert_close(parameter.grad, gradients[key], rtol=1e-3, atol=1e-3 * scale + 1e-6)
    if player == "generator":
        torch.testing.assert_close(ours.path_mean, theirs.path_mean)
        torch.testing.assert_close(ours.generator.mapping.w_avg, theirs.generator.mapping.w_avg)
