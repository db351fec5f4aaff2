"""Changed sources, discriminators with spectral norm, and a U-Net that knows how strong colours are."""

import pytest
import torch
from torch import nn

from zerosum.nn.translation import PatchDiscriminator, PlainUNet, ResNetGenerator, changed


def test_a_change_ends_at_black_and_white() -> None:
    source = torch.tensor([1.0, 1.0, -0.5, 0.2, -1.0], requires_grad=True)
    change = torch.tensor([0.3, -0.25, -0.7, 0.1, 0.0], requires_grad=True)
    made = changed(source, change)
    assert made.tolist() == torch.tensor([1.0, 0.5, -1.0, 0.4, -1.0]).tolist()
    of_source, of_change = torch.autograd.grad(made.sum(), (source, change))
    assert of_source.tolist() == [0.0, 1.0, 0.0, 1.0, 1.0]
    assert of_change.tolist() == [0.0, 2.0, 0.0, 2.0, 2.0]


def test_spectral_norm_bounds_every_layer_of_a_discriminator() -> None:
    torch.manual_seed(0)
    network = PatchDiscriminator(3, 4, 2, "spectral", gains=False)
    pictures = torch.rand(1, 3, 24, 24)
    for _ in range(50):  # power iterations
        network(pictures)
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert len(layers) == 4
    assert not any(isinstance(layer, nn.InstanceNorm2d) for layer in network.modules())
    for layer in layers:
        assert layer.bias is not None
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-3)


def test_only_without_norms_strength_is_seen() -> None:
    torch.manual_seed(0)
    strong = 100 * torch.rand(1, 3, 16, 16)  # beside which the norms' eps is nothing
    plain, normed = PlainUNet(3, 3, 4, [1, 2]), ResNetGenerator(3, 3, 4, 2, "instance")
    torch.testing.assert_close(normed(strong / 2), normed(strong), rtol=0, atol=1e-3)
    assert (plain(strong / 2) - plain(strong)).abs().max() > 0.1
