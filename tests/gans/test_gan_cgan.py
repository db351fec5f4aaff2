import math

import pytest
import torch

from zerosum.gans import cgan
from zerosum.noise import SeededNoise
from zerosum.recipe import Stabilisers

SHAPES = {"image": (1, 16, 16), "label": (3,)}
NETWORKS = pytest.mark.parametrize("network", ["mlp", "dcgan"])


def small(network, **settings):
    return cgan.ConditionalGAN(cgan.Config(network=network, latent=4, width=4, **settings), SHAPES)


@NETWORKS
def test_both_players_see_the_condition(network):
    gan = small(network).eval()
    for module in gan.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight)
    first, second = (torch.eye(3)[[index] * 2] for index in (0, 1))
    images = gan.sample({"label": first}, SeededNoise([0, 1]))
    assert images.shape == (2, 1, 16, 16)
    assert images.abs().max() <= 1
    assert not torch.allclose(images, gan.sample({"label": second}, SeededNoise([0, 1])))
    assert not torch.allclose(gan.discriminator(images, first), gan.discriminator(images, second))


@NETWORKS
def test_samples_depend_on_their_seed_and_label_alone(network):
    gan = small(network).for_sampling()
    label = torch.randn(5, 3)
    together = gan.sample({"label": label}, SeededNoise(range(5)))
    torch.testing.assert_close(gan.sample({"label": label[3:4]}, SeededNoise([3])), together[3:4])


@NETWORKS
@pytest.mark.parametrize("minibatch", ["none", "discrimination", "std"])
def test_losses_start_near_those_of_an_undecided_discriminator(network, minibatch):
    gan = small(network, stabilisers=Stabilisers(minibatch=minibatch, instance_noise=0.1, label_smoothing=0.1))
    batch = {"image": torch.rand(8, 1, 16, 16) * 2 - 1, "label": torch.randn(8, 3)}
    assert gan.discriminator_loss(batch, 0.0).terms["adversarial"].item() == pytest.approx(2 * math.log(2), abs=0.5)
    assert gan.generator_loss(batch, 0.0).terms["adversarial"].item() == pytest.approx(math.log(2), abs=0.5)


def test_networks_of_the_paper():
    gan = cgan.ConditionalGAN(cgan.paper().gan, {"image": (1, 28, 28), "label": (10,)})
    sizes = [tuple(p.shape) for p in gan.generator.parameters() if p.dim() == 2]
    assert sizes == [(200, 100), (1000, 10), (1200, 1200), (784, 1200)]
    sizes = [tuple(p.shape) for p in gan.discriminator.parameters() if p.dim() == 2]
    assert sizes == [(240 * 5, 784), (50 * 5, 10), (240 * 4, 290), (1, 240)]


def test_rate_falls_by_the_papers_factor():
    rate = cgan.paper().optimisers["generator"].rate
    assert rate(100 * 10_000) == pytest.approx(0.1 / 1.00004**10_000, rel=1e-6)
    assert rate(1e12) == pytest.approx(1e-6)


def test_one_continuous_column_is_a_condition():
    gan = cgan.ConditionalGAN(cgan.tiny().gan, {"image": (3, 16, 16), "label": (1,)})
    assert gan.sample({"label": torch.tensor([[0.3], [-1.2]])}, SeededNoise([0, 1])).shape == (2, 3, 16, 16)


def test_refuses_data_without_labels():
    with pytest.raises(ValueError, match=r"needs labelled images.*sub-folder.*metadata\.csv.*data\.labels"):
        cgan.ConditionalGAN(cgan.Config(), {"image": (1, 32, 32)})
