"""Convolution and leaky ReLU that are cheap to differentiate twice: torch's values and derivatives."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from zerosum.nn.twice import TwiceConv2d, leaky
from zerosum.regularizers import squared_gradient_norm

SLOPE = 0.2


def layer(kernel: int, groups: int, dtype: torch.dtype = torch.float64) -> TwiceConv2d:
    return TwiceConv2d(4, 6, kernel, groups, bias=True).to(dtype)


@pytest.mark.parametrize(("kernel", "groups"), [(1, 1), (3, 1), (3, 2)])
def test_convolution_has_torchs_values_and_both_derivatives(kernel: int, groups: int) -> None:
    convolution, maps = layer(kernel, groups), torch.randn(2, 4, 5, 5, dtype=torch.float64, requires_grad=True)

    def call(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.func.functional_call(convolution, {"weight": weight, "bias": bias}, maps)

    torch.testing.assert_close(convolution(maps), nn.Conv2d.forward(convolution, maps))
    inputs = (maps, convolution.weight, convolution.bias)
    assert torch.autograd.gradcheck(call, inputs)
    assert torch.autograd.gradgradcheck(call, inputs)


def test_leaky_relu_has_torchs_values_and_both_derivatives() -> None:
    maps = torch.randn(50, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(leaky(maps, SLOPE), nn.functional.leaky_relu(maps, SLOPE))
    assert torch.autograd.gradcheck(lambda maps: leaky(maps, SLOPE), maps)
    assert torch.autograd.gradgradcheck(lambda maps: leaky(maps, SLOPE), maps)


def penalty_gradients(convolution: nn.Module, bend: Callable[[Tensor, float], Tensor], images: Tensor) -> Tensor:
    scores = bend(convolution(images.requires_grad_()), SLOPE).sum((1, 2, 3))
    squared_gradient_norm(scores, images).mean().backward()
    assert isinstance(convolution.weight, Tensor)
    assert convolution.weight.grad is not None
    found = convolution.weight.grad.clone()
    convolution.zero_grad()
    return found


def test_a_penalty_in_fewer_bits_is_that_of_all_bits_about() -> None:
    convolution, images = layer(3, 2, torch.float32), torch.randn(2, 4, 8, 8)
    whole = penalty_gradients(convolution, nn.functional.leaky_relu, images)
    with torch.autocast("cpu", torch.bfloat16):
        fewer = penalty_gradients(convolution, leaky, images)
    assert fewer.dtype == torch.float32
    # Signs near 0 may turn, so not every element is near.
    assert nn.functional.cosine_similarity(fewer.flatten(), whole.flatten(), 0) > 0.98
