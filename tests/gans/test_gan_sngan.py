"""SN-GAN: projection, spectral norms, sample counts, what is refused."""

import pytest
import torch

from zerosum.gans.sngan import SNGAN, Config, ProjectionDiscriminator
from zerosum.noise import SeededNoise
from zerosum.recipe import Stabilisers

SHAPES = {"image": (1, 16, 16), "label": (3,)}
SMALL = {"latent": 8, "generator_width": 8, "discriminator_width": 8}


def test_the_projection_is_an_inner_product_with_the_labels_embedding() -> None:
    discriminator = ProjectionDiscriminator(1, 16, 8, 3, "none").eval()
    images, label = torch.randn(4, 1, 16, 16), torch.eye(3)[[0, 2, 1, 0]]
    features = discriminator.features(images).sum((2, 3))
    embedding = discriminator.project.weight.T[[0, 2, 1, 0]]
    expected = discriminator.score(features).squeeze(1) + (embedding * features).sum(1)
    torch.testing.assert_close(discriminator(images, label), expected)


def test_every_weight_of_the_discriminator_is_normalised() -> None:
    discriminator = ProjectionDiscriminator(1, 16, 8, 3, "none")
    for _ in range(40):
        discriminator(torch.randn(2, 1, 16, 16), torch.eye(3)[:2])
    layers = [module for module in discriminator.modules() if isinstance(getattr(module, "weight", None), torch.Tensor)]
    assert len(layers) == 9
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)


def test_generator_turn_has_twice_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    gan, seen = SNGAN(Config(**SMALL, conditional=True), SHAPES), []
    gan.generator.register_forward_hook(lambda module, inputs, images: seen.append(len(images)))
    batch = {"image": torch.rand(4, 1, 16, 16), "label": torch.eye(3)[[0, 1, 2, 0]]}
    gan.discriminator_loss(batch, 0.0)
    gan.generator_loss(batch, 0.0)
    assert seen == [4, 8]


def test_samples_follow_seed_and_label() -> None:
    gan = SNGAN(Config(**SMALL, conditional=True), SHAPES)
    torch.nn.init.normal_(gan.generator.blocks[0].norm1.bias.weight)
    twin = gan.for_sampling()
    first = twin.sample({"label": torch.eye(3)}, SeededNoise([1, 1, 2]))
    assert (first[0] - first[1]).abs().max() > 1e-3
    torch.testing.assert_close(first[2:], twin.sample({"label": torch.eye(3)[2:]}, SeededNoise([2])), rtol=1e-4, atol=1e-5)
    assert not hasattr(twin, "discriminator")


@pytest.mark.parametrize("minibatch", ["discrimination", "std"])
def test_the_discriminator_may_see_the_batch(minibatch: str) -> None:
    gan = SNGAN(Config(**SMALL, stabilisers=Stabilisers(minibatch=minibatch, instance_noise=0.1)), SHAPES)
    assert gan.discriminator_loss({"image": torch.rand(4, 1, 16, 16)}, 0.1).terms["adversarial"].isfinite()


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="this one is a hinge: set label_smoothing to 0"):
        Config(stabilisers=Stabilisers(label_smoothing=0.1))
    with pytest.raises(ValueError, match=r"conditional needs labels, but the data has none"):
        SNGAN(Config(conditional=True), {"image": (1, 16, 16)})
    with pytest.raises(ValueError, match=r"data\.resolution of 16, 32, 64 or 128, not 28"):
        SNGAN(Config(), {"image": (1, 28, 28)})
