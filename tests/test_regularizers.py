"""Penalties on a discriminator's gradient: closed forms, double backward, clipping."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from zerosum.regularizers import (
    clip_weights,
    gradient_penalty,
    matching_aware_penalty,
    orthogonal_penalty,
    squared_gradient_norm,
    zero_centred_penalty,
)


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def example(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_r1_of_a_quadratic() -> None:
    matrix, examples = example(4, 4), example(6, 4)

    def score(x: Tensor) -> Tensor:
        return ((x @ matrix) * x).sum(1)

    expected = (examples @ (matrix + matrix.T)).square().sum(1).mean() / 2
    torch.testing.assert_close(zero_centred_penalty(score, examples), expected)


@pytest.mark.parametrize(("centre", "expected"), [(1.0, (5.0 - 1) ** 2), (0.0, 25.0)])
def test_gradient_penalty_of_a_linear_critic(centre: float, expected: float) -> None:
    weight = torch.tensor([3.0, 4.0])
    penalty = gradient_penalty(lambda x: x @ weight, example(7, 2), example(7, 2), centre)
    assert penalty.item() == pytest.approx(expected, rel=1e-9)


def test_gradient_penalty_looks_between_real_and_fake() -> None:
    seen: list[Tensor] = []

    def score(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.square().flatten(1).sum(1)

    real, fake = torch.zeros(200, 1, 2, 2), torch.ones(200, 1, 2, 2)
    gradient_penalty(score, real, fake)
    share = seen[0].flatten(1)
    assert torch.equal(share, share[:, :1].expand(-1, 4))
    assert 0 <= share.min() < 0.1
    assert 0.9 < share.max() <= 1
    assert len(share[:, 0].unique()) > 190


@pytest.mark.parametrize("penalty", [zero_centred_penalty, lambda score, x: gradient_penalty(score, x, x + 1)])
def test_gradient_with_respect_to_weights_by_finite_differences(penalty: Callable[..., Tensor]) -> None:
    examples, first, second = example(3, 4), example(4, 5).requires_grad_(), example(5, 1).requires_grad_()

    def value(w1: Tensor, w2: Tensor) -> Tensor:
        torch.manual_seed(0)
        return penalty(lambda x: (x @ w1).tanh() @ w2, examples)

    assert torch.autograd.gradcheck(value, (first, second))


def test_gradient_norm_is_one_per_example() -> None:
    examples = example(5, 3, 2, 2).requires_grad_()
    norms = squared_gradient_norm((examples**3).flatten(1).sum(1), examples)
    torch.testing.assert_close(norms, (3 * examples**2).square().flatten(1).sum(1))
    assert norms.requires_grad


def test_a_dead_critic_has_finite_gradients() -> None:
    weight = torch.zeros(3, requires_grad=True)
    gradient_penalty(lambda x: x @ weight, torch.randn(4, 3), torch.randn(4, 3)).backward()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()


def test_the_examples_get_no_gradient() -> None:
    fake, critic = torch.randn(4, 3, requires_grad=True), nn.Linear(3, 1)
    gradient_penalty(critic, torch.randn(4, 3), fake).backward()
    assert fake.grad is None
    assert critic.weight.grad is not None


def test_clipping_bounds_every_weight_and_leaves_the_inner_ones() -> None:
    critic = nn.Sequential(nn.Linear(50, 50), nn.BatchNorm1d(50))
    before = [parameter.detach().clone() for parameter in critic.parameters()]
    clip_weights(critic.parameters(), 0.05)
    for old, new in zip(before, critic.parameters(), strict=True):
        assert torch.equal(new, old.clamp(-0.05, 0.05))
        assert new.requires_grad


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 2, 3, 3), (20, 2, 3, 3)])
def test_orthogonal_penalty_is_the_paper_s_formula(shape: tuple[int, ...]) -> None:
    weight = example(*shape)
    rows = weight.flatten(1)
    expected = (rows @ rows.T * (1 - torch.eye(len(rows)))).square().sum()
    torch.testing.assert_close(orthogonal_penalty([weight]), expected)
    torch.testing.assert_close(orthogonal_penalty([weight, weight]), 2 * expected)
    assert torch.autograd.gradcheck(lambda values: orthogonal_penalty([values]), (weight.requires_grad_(),))


def test_orthogonal_rows_of_any_length_are_not_penalised() -> None:
    rows = torch.linalg.qr(example(5, 3))[0].T * torch.tensor([[1.0], [20], [0.1]])
    assert orthogonal_penalty([rows]).item() == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize(("apart", "norm"), [(False, 13.0), (True, 5.0 + 12.0)])
def test_matching_aware_penalty_of_a_linear_critic(apart: bool, norm: float) -> None:
    images, texts = (example(6, size).requires_grad_() for size in (2, 3))
    scores = images @ torch.tensor([3.0, 4.0]) + texts @ torch.tensor([0.0, 12.0, 0.0])
    for power in (1.0, 6.0):
        assert matching_aware_penalty(scores, images, texts, power, apart).item() == pytest.approx(norm**power, rel=1e-9)
