"""The leaky ReLU for gradient penalties: torch's values and derivatives, without the detour over zeros."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from zerosum.nn.activation import LeakyReLU
from zerosum.regularizers import gradient_penalty


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def critic(activation: nn.Module) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), activation, nn.Linear(8, 8), activation, nn.Linear(8, 1))


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_values_and_gradients_are_torchs(slope: float) -> None:
    values = torch.randn(100, requires_grad=True)
    torch.testing.assert_close(LeakyReLU(slope)(values), nn.functional.leaky_relu(values, slope))
    assert torch.autograd.gradcheck(LeakyReLU(slope), values)
    assert torch.autograd.gradgradcheck(LeakyReLU(slope), values)


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_gradient_penalty_moves_weights_as_with_torchs(slope: float) -> None:
    real, fake = torch.randn(2, 5, 6)

    def gradients(activation: nn.Module) -> list[Tensor]:
        network = critic(activation)
        torch.manual_seed(2)
        (gradient_penalty(network, real, fake) + network(real).mean()).backward()
        return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]

    for ours, theirs in zip(gradients(LeakyReLU(slope)), gradients(nn.LeakyReLU(slope)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


def test_the_second_backward_pass_does_not_go_down_the_forward_pass() -> None:
    network, examples = critic(LeakyReLU()), torch.randn(2, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(examples).sum(), examples, create_graph=True)
    gradient.square().sum().backward()
    first, last = network[0], network[-1]
    assert first.weight.grad is not None
    assert first.bias.grad is None
    assert last.bias.grad is None
