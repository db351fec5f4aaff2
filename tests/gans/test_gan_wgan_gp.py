"""WGAN-GP: the penalty, the classifier, what is refused."""

import pytest
import torch
from torch import Tensor

from zerosum.gans import wgan_gp
from zerosum.gans.wgan_gp import WGANGP, Config
from zerosum.losses import wasserstein_d
from zerosum.noise import FreshNoise
from zerosum.recipe import Stabilisers

SHAPES = {"image": (1, 16, 16), "label": (3,)}
CONFIGS = {
    "dcgan": Config(latent=8, width=8, kernel=4),
    "resnet": Config(network="resnet", latent=8, width=8, critic_norm="none", conditional=True, generator_samples=2),
    "mlp": Config(network="mlp", latent=8, width=16),
}


def batch(num: int = 6) -> dict[str, Tensor]:
    return {"image": torch.rand(num, 1, 16, 16) * 2 - 1, "label": torch.eye(3)[torch.arange(num) % 3]}


@pytest.mark.parametrize("name", CONFIGS)
def test_critic_loss_is_equation_3(name: str) -> None:
    gan, data = WGANGP(CONFIGS[name], SHAPES), batch()
    torch.manual_seed(0)
    loss = gan.critic_loss(data, 0.0)
    torch.manual_seed(0)
    fake = gan.sample(data, FreshNoise(6)).detach()
    share = torch.rand(6, 1, 1, 1)
    between = (share * fake + (1 - share) * data["image"]).requires_grad_()

    def score(images: Tensor) -> Tensor:
        return gan.critic(images).reshape(6, -1)[:, 0]

    (gradient,) = torch.autograd.grad(score(between).sum(), between)
    penalty = 10 * (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(loss.terms["gradient_penalty"], penalty, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        loss.terms["adversarial"], wasserstein_d(score(data["image"]), score(fake)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_every_weight_of_both_players_learns(name: str) -> None:
    gan = WGANGP(CONFIGS[name], SHAPES)
    sum(gan.critic_loss(batch(), 0.0).terms.values()).backward()
    assert all(parameter.grad is not None for parameter in gan.critic.parameters())
    gan.zero_grad()
    sum(gan.generator_loss(batch(), 0.0).terms.values()).backward()
    assert all(parameter.grad is not None for parameter in gan.generator.parameters())


def test_class_terms_have_the_official_weights() -> None:
    gan = WGANGP(CONFIGS["resnet"], SHAPES)
    with torch.no_grad():
        gan.critic.outputs.weight.zero_()
        gan.critic.outputs.bias.zero_()
    even = torch.tensor(3.0).log()
    torch.testing.assert_close(gan.critic_loss(batch(), 0.0).terms["class"], even)
    torch.testing.assert_close(gan.generator_loss(batch(), 0.0).terms["class"], 0.1 * even)


def test_ring_plays_on_points() -> None:
    gan = WGANGP(wgan_gp.ring().gan, {"point": (2,)})
    assert gan.makes == "point"
    assert gan.critic_loss({"point": torch.randn(8, 2)}, 0.0).terms["gradient_penalty"].isfinite()
    assert gan.sample({}, FreshNoise(5)).shape == (5, 2)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"minibatch std mixes the examples .* one per example: set it to none"):
        Config(stabilisers=Stabilisers(minibatch="std"))
    with pytest.raises(ValueError, match="set label_smoothing to 0"):
        Config(stabilisers=Stabilisers(label_smoothing=0.1))
    with pytest.raises(ValueError, match=r"conditional needs gan\.network resnet, not mlp"):
        Config(network="mlp", conditional=True)
    with pytest.raises(ValueError, match="needs classes, but the data has none"):
        WGANGP(CONFIGS["resnet"], {"image": (1, 16, 16)})
