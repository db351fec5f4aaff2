"""Self-attention beside the direct formula, place by place."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from zerosum.nn.attention import SelfAttention2d


def direct(layer: SelfAttention2d, maps: Tensor) -> Tensor:
    """Every place asks every pooled place: the sums written out."""
    theta, phi, g = layer.theta(maps), max_pool2d(layer.phi(maps), 2), max_pool2d(layer.g(maps), 2)
    seen = torch.zeros(len(maps), g.shape[1], *maps.shape[2:], dtype=maps.dtype)
    for n in range(len(maps)):
        for y in range(maps.shape[2]):
            for x in range(maps.shape[3]):
                share = torch.einsum("c,chw->hw", theta[n, :, y, x], phi[n]).exp()
                seen[n, :, y, x] = (share / share.sum() * g[n]).sum((1, 2))
    return maps + layer.gamma * layer.o(seen)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_equals_the_sums_written_out(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    layer = SelfAttention2d(16).double().to(memory_format=layout)
    nn.init.constant_(layer.gamma, 0.7)
    maps = torch.randn(2, 16, 4, 6, dtype=torch.float64).to(memory_format=layout)
    torch.testing.assert_close(layer(maps), direct(layer, maps))


def test_changes_nothing_at_first_but_learns_to() -> None:
    layer, maps = SelfAttention2d(8), torch.randn(2, 8, 4, 4)
    assert torch.equal(layer(maps), maps)
    layer(maps).square().sum().backward()
    assert layer.gamma.grad.abs() > 0


def test_too_few_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 8 channels, not 4: make the network wider"):
        SelfAttention2d(4)
