"""WGAN: clipping, critic steps, what is refused."""

import pytest
import torch

from zerosum.gans import wgan
from zerosum.recipe import Stabilisers

SHAPES = {"image": (1, 16, 16)}


def test_the_critic_stays_in_its_box_and_the_generator_does_not() -> None:
    gan = wgan.WGAN(wgan.Config(latent=8, width=8, clip=0.01), SHAPES)
    turn = gan.turns()[0]
    assert turn.player == "critic"
    assert turn.project is not None
    turn.project(16)
    assert max(parameter.abs().max() for parameter in gan.critic.parameters()) <= 0.01
    assert max(parameter.abs().max() for parameter in gan.generator.parameters()) > 0.02


def test_official_critic_steps() -> None:
    gan = wgan.WGAN(wgan.official().gan, {"image": (1, 8, 8)})
    steps = [gan.critic_steps(step) for step in (0, 24, 25, 499, 500, 501, 1000)]
    assert steps == [100, 100, 5, 5, 100, 5, 100]
    assert wgan.WGAN(wgan.paper().gan, {"image": (1, 8, 8)}).critic_steps(0) == 5


def test_losses_oppose_each_other() -> None:
    gan, batch = wgan.WGAN(wgan.Config(latent=8, width=8), SHAPES), {"image": torch.rand(6, 1, 16, 16)}
    torch.manual_seed(0)
    critic = gan.critic_loss(batch, 0.0)
    torch.manual_seed(0)
    generator = gan.generator_loss(batch, 0.0)
    torch.testing.assert_close(critic.notes["score_fake"], -generator.terms["adversarial"].detach())
    torch.testing.assert_close(critic.terms["adversarial"].detach(), critic.notes["score_fake"] - critic.notes["score_real"])


def test_fully_connected_networks_make_points() -> None:
    gan = wgan.WGAN(wgan.Config(network="mlp", width=16), {"point": (2,)})
    assert gan.makes == "point"
    assert gan.needs == {"point"}
    gan.critic_loss({"point": torch.randn(5, 2)}, 0.0).terms["adversarial"].backward()


@pytest.mark.parametrize("minibatch", ["discrimination", "std"])
@pytest.mark.parametrize("network", ["dcgan", "mlp"])
def test_the_critic_may_see_the_batch(network: str, minibatch: str) -> None:
    cures = Stabilisers(minibatch=minibatch, instance_noise=0.1)
    gan = wgan.WGAN(wgan.Config(network=network, latent=8, width=8, stabilisers=cures), SHAPES)
    assert gan.critic_loss({"image": torch.rand(4, 1, 16, 16)}, 0.5).terms["adversarial"].isfinite()


def test_label_smoothing_is_refused() -> None:
    with pytest.raises(
        ValueError, match="label_smoothing is for cross-entropy losses, this one is Wasserstein: set label_smoothing to 0"
    ):
        wgan.Config(stabilisers=Stabilisers(label_smoothing=0.1))
    with pytest.raises(ValueError, match="clip must be above 0"):
        wgan.Config(clip=0)


def test_data_without_images_is_refused() -> None:
    with pytest.raises(ValueError, match="makes images, but the data has only point"):
        wgan.WGAN(wgan.Config(), {"point": (2,)})
