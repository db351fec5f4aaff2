"""The residual networks: shapes, the published sizes, initial weights, spectral norms."""

import pytest
import torch

from zerosum.nn.residual import DownBlock, ResidualFeatures, ResidualGenerator, UpBlock


def num_parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("resolution", [16, 32, 64, 128])
def test_shapes(resolution: int) -> None:
    images = ResidualGenerator(6, 3, resolution, 2)(torch.randn(2, 6))
    assert images.shape == (2, 3, resolution, resolution)
    assert images.abs().max() <= 1
    features = ResidualFeatures(3, resolution, 2)
    maps = features(images)
    assert maps.shape == (2, features.num_features, *{16: (8, 8), 32: (8, 8), 64: (2, 2), 128: (4, 4)}[resolution])
    assert maps.min() >= 0


def test_sizes_of_the_published_cifar_networks() -> None:
    # pfnet-research/sngan_projection, resnet_32.py with 256 and snresnet_32.py with 128 channels (its last layer: 128 weights).
    assert num_parameters(ResidualGenerator(128, 3, 32, 256)) == 4_276_739
    assert num_parameters(ResidualFeatures(3, 32, 128, spectral=True)) + 128 == 1_053_824


def test_other_resolutions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"need a data\.resolution of 16, 32, 64 or 128, not 48"):
        ResidualGenerator(8, 3, 48, 4)
    with pytest.raises(ValueError, match="not 8"):
        ResidualFeatures(3, 8, 4)


def test_weights_are_xavier_uniform() -> None:
    block = UpBlock(64, 32)
    bound = 2**0.5 * (6 / ((64 + 32) * 9)) ** 0.5
    assert 0.99 * bound < block.conv1.weight.abs().max() <= bound
    assert 0.95 * (6 / 96) ** 0.5 < block.shortcut.weight.abs().max() <= (6 / 96) ** 0.5
    assert not block.conv1.bias.any()


def test_spectral_norm_bounds_every_convolution() -> None:
    block = DownBlock(8, 16, down=True, spectral=True)
    maps = torch.randn(2, 8, 4, 4)
    for _ in range(30):
        block(maps)
    for layer in (block.conv1, block.conv2, block.shortcut):
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
        assert largest.item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_without_batch_norm_examples_do_not_mix(norm: str) -> None:
    network, images = ResidualFeatures(1, 16, 4, norm=norm), torch.randn(3, 1, 16, 16)
    torch.testing.assert_close(network(images)[:1], network(images[:1]), rtol=1e-4, atol=1e-5)


def test_conditional_blocks_use_the_label() -> None:
    network = ResidualGenerator(4, 1, 16, 4, label_width=2)
    for name, parameter in network.named_parameters():
        if "gain" in name or "bias.weight" in name:
            torch.nn.init.normal_(parameter)
    latent = torch.randn(2, 4)
    one, other = network(latent, torch.eye(2)[[0, 0]]), network(latent, torch.eye(2)[[1, 1]])
    assert (one - other).abs().max() > 0.01
