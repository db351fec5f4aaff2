"""Equalised layers against their formulas, with and without resampling."""

import pytest
import torch
from torch.nn.functional import conv2d, leaky_relu

from zerosum.nn.equalised import EqualisedConv2d, EqualisedLinear, normalise
from zerosum.nn.fir import downsample, fir_kernel, upsample

FIR = fir_kernel([1, 3, 3, 1])


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_linear_is_scaled_as_it_is_used(rate: float) -> None:
    layer = EqualisedLinear(5, 3, rate=rate, bias=1.0, activate=True)
    values = torch.randn(4, 5)
    expected = leaky_relu(values @ (layer.weight * rate / 5**0.5).T + 1, 0.2) * 2**0.5
    torch.testing.assert_close(layer(values), expected)
    torch.testing.assert_close(layer.effective_weight(), layer.weight * rate / 5**0.5)


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_outputs_have_unit_variance_and_steps_the_same_size_at_any_rate(rate: float) -> None:
    torch.manual_seed(0)
    layer = EqualisedLinear(256, 256, rate=rate)
    assert layer(torch.randn(64, 256)).std().item() == pytest.approx(1, abs=0.05)
    values = torch.randn(1, 256)
    before = layer(values)
    with torch.no_grad():
        layer.weight += 0.1 * values.sign()
    moved = ((layer(values) - before) / rate).mean().item()
    assert moved == pytest.approx(0.1 * values.abs().sum().item() / 16, rel=1e-3)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("resample", ["none", "up", "down"])
def test_convolution_with_gain_and_clamp(size: int, resample: str) -> None:
    layer = EqualisedConv2d(4, 6, size, resample=resample, gain=0.5, clamp=1.5)
    torch.nn.init.normal_(layer.bias)
    maps = torch.randn(2, 4, 8, 8) * 9
    weight = layer.weight / (4 * size**2) ** 0.5
    if resample == "down" and size == 1:
        plain = conv2d(downsample(maps, FIR), weight)
    elif resample == "up" and size == 1:
        plain = conv2d(upsample(maps, FIR), weight)
    elif resample == "none":
        plain = conv2d(maps, weight, padding=size // 2)
    else:
        bare = EqualisedConv2d(4, 6, 3, resample=resample, activate=False, bias=False)
        bare.weight = layer.weight
        plain = bare(maps, FIR)
    expected = (leaky_relu(plain + layer.bias[:, None, None], 0.2) * 2**0.5 * 0.5).clamp(-0.75, 0.75)
    torch.testing.assert_close(layer(maps, FIR), expected)
    assert expected.abs().max() == 0.75


def test_normalised_rows_have_unit_second_moment() -> None:
    rows = normalise(torch.randn(5, 32) * 100)
    torch.testing.assert_close(rows.square().mean(1), torch.ones(5))
