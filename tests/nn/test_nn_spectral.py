"""Spectral norm: the largest singular value, its gradient, and when a weight may be kept."""

import copy

import pytest
import torch
from torch import nn

from zerosum.nn.resample import UpConv2d
from zerosum.nn.spectral import SpectralNorm, initialised, spectral


def settled(layer: nn.Module) -> nn.Module:
    """After enough power iterations."""
    for _ in range(300):
        assert isinstance(layer.weight, torch.Tensor)
    return layer


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("make", [lambda: nn.Conv2d(3, 6, 3), lambda: UpConv2d(4, 5), lambda: nn.Linear(7, 3)])
def test_the_largest_singular_value_is_that_of_svd(make, layout) -> None:
    torch.manual_seed(0)
    layer = make()
    plain = layer.weight.detach().clone()
    sigma, layer = torch.linalg.svdvals(plain.flatten(1))[0], spectral(layer)
    if plain.dim() == 4:
        layer.to(memory_format=layout)
    settled(layer)
    torch.testing.assert_close(layer.weight, plain / sigma, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(torch.linalg.svdvals(layer.weight.detach().flatten(1))[0], torch.tensor(1.0))


def test_one_power_iteration_a_pass_in_training_and_none_kept_in_evaluation() -> None:
    torch.manual_seed(0)
    layer, u = spectral(nn.Linear(5, 4)), torch.randn(4)
    norm, weight = layer.parametrizations.weight[0], layer.parametrizations.weight.original.detach()
    for _ in range(2):
        norm.u.copy_(u)
        v = torch.nn.functional.normalize(weight.T @ u, dim=0)
        after = torch.nn.functional.normalize(weight @ v, dim=0)
        torch.testing.assert_close(layer.weight, weight / (after @ weight @ v))
        assert torch.equal(norm.u, u) != norm.training
        torch.testing.assert_close(norm.u, after if norm.training else u)
        layer.eval()


def test_gradient_is_that_with_both_vectors_fixed() -> None:
    torch.manual_seed(0)
    norm, weight = SpectralNorm(4).double().eval(), torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    above = torch.randn(4, 5, dtype=torch.float64)
    v = torch.nn.functional.normalize(weight.detach().T @ norm.u, dim=0)
    u = torch.nn.functional.normalize(weight.detach() @ v, dim=0)
    (ours,) = torch.autograd.grad((norm(weight) * above).sum(), weight)
    (expected,) = torch.autograd.grad((weight / (u @ weight @ v) * above).sum(), weight)
    torch.testing.assert_close(ours, expected)
    assert torch.autograd.gradgradcheck(lambda w: w / (u @ w @ v), (weight,))


def test_converged_gradient_by_finite_differences() -> None:
    torch.manual_seed(0)
    norm, weight = SpectralNorm(3).double(), torch.randn(3, 4, dtype=torch.float64)
    for _ in range(2000):
        norm(weight)
    assert torch.autograd.gradcheck(norm.eval(), (weight.requires_grad_(),), atol=1e-5)


def test_a_frozen_weight_is_computed_once_and_again_when_it_was_written_to() -> None:
    layer = spectral(nn.Linear(5, 4)).eval().requires_grad_(False)
    with torch.inference_mode():
        first = layer.weight
    assert layer.weight is first, "also outside inference mode"
    assert not first.is_inference()
    original, norm = layer.parametrizations.weight.original, layer.parametrizations.weight[0]
    fresh = copy.deepcopy(layer)

    def changed() -> bool:
        fresh.load_state_dict(layer.state_dict())
        fresh.parametrizations.weight[0]._kept = None
        return torch.equal(layer.weight, fresh.weight) and layer.weight is not first

    torch._foreach_lerp_([original], [torch.randn(4, 5)], 0.5)
    assert changed(), "an average moves like this"
    first = layer.weight
    norm.u.copy_(torch.randn(4))
    assert changed(), "and buffers are copied"
    first = layer.weight
    layer.load_state_dict(spectral(nn.Linear(5, 4)).state_dict())
    assert changed()
    first = layer.weight
    # torch's fused optimisers do not count as writing, but what they move has been through the layer unfrozen.
    layer.requires_grad_(True)
    layer(torch.randn(2, 5)).square().sum().backward()
    torch.optim.Adam([original], fused=True).step()
    layer.requires_grad_(False)
    assert changed()
    layer.requires_grad_(True)
    assert layer.weight.requires_grad, "a weight that learns is never kept"
    layer.train()
    first, u = layer.weight, norm.u.clone()
    assert layer.weight is not first
    assert not torch.equal(norm.u, u)


def test_gradients_reach_the_input_after_inference_mode() -> None:
    layer, values = spectral(nn.Linear(3, 2)).eval().requires_grad_(False), torch.randn(1, 3, requires_grad=True)
    with torch.inference_mode():
        layer(torch.randn(1, 3))
    layer(values).sum().backward()
    torch.testing.assert_close(values.grad, layer.weight.sum(0, keepdim=True))


def test_initial_weights() -> None:
    weight = initialised(nn.Linear(9, 4), "orthogonal").weight
    torch.testing.assert_close(weight @ weight.T, torch.eye(4), rtol=0, atol=1e-5)
    assert initialised(nn.Linear(300, 300), "normal").weight.std().item() == pytest.approx(0.02, rel=0.03)
    bound = (6 / 400) ** 0.5
    assert initialised(nn.Linear(300, 100), "xavier").weight.abs().max().item() == pytest.approx(bound, rel=0.01)
