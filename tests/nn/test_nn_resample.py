"""Folded resampling equals resampling and convolution one after the other."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate
from torch.nn.utils.parametrizations import spectral_norm

from zerosum.nn.resample import DownConv2d, UpConv2d


def naive(layer: nn.Conv2d, maps: Tensor) -> Tensor:
    if isinstance(layer, UpConv2d):
        return conv2d(interpolate(maps, scale_factor=2), layer.weight, layer.bias, padding=1)
    return avg_pool2d(conv2d(maps, layer.weight, layer.bias, padding=1), 2)


def make(kind: type[nn.Conv2d], layout: torch.memory_format = torch.contiguous_format) -> tuple[nn.Conv2d, Tensor]:
    torch.manual_seed(0)
    layer = kind(3, 5).double().to(memory_format=layout)
    return layer, torch.randn(2, 3, 6, 4, dtype=torch.float64).to(memory_format=layout).requires_grad_()


@pytest.mark.parametrize("kind", [UpConv2d, DownConv2d])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("spectral", [False, True])
def test_equals_the_naive_form_forward_and_backward(kind: type[nn.Conv2d], layout: torch.memory_format, spectral: bool) -> None:
    layer, maps = make(kind, layout)
    if spectral:
        layer = spectral_norm(layer).eval()
    inputs = [maps, *layer.parameters()]
    folded, expected = layer(maps), naive(layer, maps)
    torch.testing.assert_close(folded, expected, rtol=1e-12, atol=1e-12)
    above = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad(folded, inputs, above), torch.autograd.grad(expected, inputs, above), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", [UpConv2d, DownConv2d])
def test_second_derivatives_by_finite_differences(kind: type[nn.Conv2d]) -> None:
    layer, _ = make(kind)
    maps = torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)

    def forward(x: Tensor, weight: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"weight": weight}, (x,))

    assert torch.autograd.gradgradcheck(forward, (maps, layer.weight))


@pytest.mark.parametrize("kind", [UpConv2d, DownConv2d])
def test_parameters_are_those_of_a_convolution(kind: type[nn.Conv2d]) -> None:
    plain = nn.Conv2d(3, 5, 3, padding=1)
    layer, maps = make(kind)
    layer.load_state_dict(plain.state_dict())
    assert layer.weight.shape == (5, 3, 3, 3)
    assert layer(maps).shape == ((2, 5, 12, 8) if kind is UpConv2d else (2, 5, 3, 2))
