"""Modulated convolutions against the definition: weights of every sample, in a grouped convolution."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

from zerosum.nn.fir import blur, fir_kernel
from zerosum.nn.modulated import ModulatedConv2d, ModulatedToImage, bounded, demodulation
from zerosum.noise import SeededNoise

FIR = fir_kernel([1, 3, 3, 1])


def grouped(layer: ModulatedConv2d, maps: Tensor, style: Tensor, noise: Tensor) -> Tensor:
    """Karras et al. 2020, eq. 1 to 3, then noise, bias and activation."""
    num, _, height, width = maps.shape
    styles = style @ layer.affine.weight.T / style.shape[1] ** 0.5 + layer.affine.bias
    weights = layer.weight * styles[:, None, :, None, None]
    weights = weights / (weights.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    packed = maps.reshape(1, -1, height, width)
    if layer.up:
        spread = weights.transpose(1, 2).flatten(0, 1)
        result = conv_transpose2d(packed, spread, stride=2, groups=num)
        result = blur(result, FIR, 1, 4.0)
    else:
        result = conv2d(packed, weights.flatten(0, 1), padding=1, groups=num)
    result = result.reshape(num, -1, *result.shape[2:]) + noise * layer.noise_strength + layer.bias[:, None, None]
    return leaky_relu(result, 0.2) * 2**0.5


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_equals_the_grouped_form_and_its_gradients(up: bool, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    layer = ModulatedConv2d(12, 10, 6, 16 if up else 8, up=up).to(memory_format=layout)
    with torch.no_grad():
        layer.noise_strength.fill_(0.3)
        layer.bias.normal_()
    maps = torch.randn(5, 12, 8, 8).to(memory_format=layout).requires_grad_()
    style = torch.randn(5, 6, requires_grad=True)
    noise = SeededNoise(range(5)).normal(1, layer.resolution, layer.resolution)
    ours, theirs = layer(maps, style, SeededNoise(range(5)), FIR), grouped(layer, maps, style, noise)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    inputs = [maps, style, *layer.parameters()]
    direction = torch.randn_like(ours)
    for mine, other in zip(*(torch.autograd.grad((out * direction).sum(), inputs) for out in (ours, theirs)), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("up", [False, True])
def test_derivatives_to_second_order(up: bool) -> None:
    layer = ModulatedConv2d(2, 3, 2, 8 if up else 4, up=up).double()
    maps = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)

    def run(maps: Tensor, style: Tensor) -> Tensor:
        style = style.double()
        styles = torch.nn.functional.linear(style, layer.affine.weight) + 1
        scales = demodulation(layer.weight, styles)
        return conv2d(maps * styles[:, :, None, None], layer.weight, padding=1) * scales[:, :, None, None]

    style = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (maps, style))
    assert torch.autograd.gradgradcheck(run, (maps, style))


def test_noise_is_drawn_constant_or_absent() -> None:
    layer = ModulatedConv2d(3, 3, 4, 8)
    with torch.no_grad():
        layer.noise_strength.fill_(1.0)
    maps, style = torch.randn(1, 3, 8, 8).expand(2, -1, -1, -1), torch.randn(1, 4).expand(2, -1)
    constant, none = layer(maps, style, "constant", FIR), layer(maps, style, "none", FIR)
    drawn = layer(maps, style, SeededNoise([1, 2]), FIR)
    assert torch.allclose(constant[0], constant[1])
    assert (constant - none).abs().max() > 0.1
    assert (drawn[0] - drawn[1]).abs().max() > 0.1
    assert torch.equal(drawn, layer(maps, style, SeededNoise([1, 2]), FIR))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_to_image_equals_a_convolution_by_modulated_weights(layout: torch.memory_format) -> None:
    layer = ModulatedToImage(6, 3, 4)
    torch.nn.init.normal_(layer.bias)
    maps, style = torch.randn(2, 6, 4, 5).to(memory_format=layout), torch.randn(2, 4)
    styles = (style @ layer.affine.weight.T / 2 + 1) / 6**0.5
    expected = torch.stack(
        [conv2d(one[None], layer.weight * s[None, :, None, None], layer.bias)[0] for one, s in zip(maps, styles, strict=True)]
    )
    torch.testing.assert_close(layer(maps, style), expected)


def test_bounded_weights_demodulate_to_the_same() -> None:
    weight, styles = torch.randn(4, 3, 3, 3) * 100, torch.randn(2, 3) * 50

    def whole(weight: Tensor, styles: Tensor) -> Tensor:
        return weight * styles[:, None, :, None, None] * demodulation(weight, styles)[:, :, None, None, None]

    small, less = bounded(weight, styles)
    assert small.abs().max() <= 1
    assert less.abs().max() <= 1
    torch.testing.assert_close(whole(small, less), whole(weight, styles), rtol=1e-4, atol=1e-5)
