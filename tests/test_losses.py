"""Adversarial losses: closed forms, and gradients against finite differences."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc

from zerosum import losses

REAL = torch.tensor([2.0, -0.5, 0.3], dtype=torch.float64)
FAKE = torch.tensor([-1.5, 0.4, 1.2], dtype=torch.float64)
D_LOSSES = [losses.minimax_d, losses.least_squares_d, losses.hinge_d, losses.wasserstein_d, losses.relativistic_d]
G_LOSSES = [losses.minimax_g, losses.non_saturating_g, losses.least_squares_g, losses.hinge_g, losses.wasserstein_g]


def sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


CLOSED_FORMS = {
    "minimax_d": -mean([math.log(sigmoid(r)) for r in REAL]) - mean([math.log(1 - sigmoid(f)) for f in FAKE]),
    "minimax_g": mean([math.log(1 - sigmoid(f)) for f in FAKE]),
    "non_saturating_g": -mean([math.log(sigmoid(f)) for f in FAKE]),
    "least_squares_d": (mean([(r - 1) ** 2 for r in REAL]) + mean([f**2 for f in FAKE])) / 2,
    "least_squares_g": mean([(f - 1) ** 2 for f in FAKE]) / 2,
    "hinge_d": mean([max(0, 1 - r) for r in REAL]) + mean([max(0, 1 + f) for f in FAKE]),
    "hinge_g": -mean(FAKE.tolist()),
    "wasserstein_d": mean(FAKE.tolist()) - mean(REAL.tolist()),
    "wasserstein_g": -mean(FAKE.tolist()),
    "relativistic_d": -mean([math.log(sigmoid(r - f)) for r, f in zip(REAL, FAKE, strict=True)]),
    "relativistic_g": -mean([math.log(sigmoid(f - r)) for r, f in zip(REAL, FAKE, strict=True)]),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_loss_is_its_closed_form(name: str) -> None:
    loss = getattr(losses, name)
    value = loss(FAKE) if loss in G_LOSSES else loss(REAL, FAKE)
    assert value.item() == pytest.approx(float(CLOSED_FORMS[name]), rel=1e-12)


@pytest.mark.parametrize("loss", [*D_LOSSES, losses.relativistic_g])
def test_gradient_by_finite_differences(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    assert torch.autograd.gradcheck(loss, (REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()))


@pytest.mark.parametrize("loss", G_LOSSES)
def test_generator_gradient_by_finite_differences(loss: Callable[[Tensor], Tensor]) -> None:
    assert torch.autograd.gradcheck(loss, FAKE.clone().requires_grad_())


def test_label_smoothing_moves_the_best_score_of_real_examples_to_its_target() -> None:
    # d/ds of -t log sigmoid(s) - (1 - t) log(1 - sigmoid(s)) is sigmoid(s) - t: zero at the logit of t = 0.9.
    score = torch.tensor([math.log(0.9 / 0.1)], dtype=torch.float64, requires_grad=True)
    losses.minimax_d(score, FAKE, smoothing=0.1).backward()
    assert score.grad is not None
    assert score.grad.item() == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("loss", D_LOSSES)
def test_scores_may_have_any_shape(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    real, fake = torch.randn(2, 1, 5, 5), torch.randn(2, 1, 5, 5)
    assert loss(real, fake).shape == ()
    torch.testing.assert_close(loss(real, fake), loss(real.flatten(), fake.flatten()))


def test_confident_logits_stay_finite() -> None:
    far = torch.tensor([1e4, -1e4])
    for loss in D_LOSSES:
        assert loss(far, far.flip(0)).isfinite()
    for loss in G_LOSSES:
        assert loss(far).isfinite()


def test_notes_are_means_without_gradient() -> None:
    notes = losses.probability_notes(REAL.clone().requires_grad_(), FAKE.clone().requires_grad_())
    assert set(notes) == {"D(x)", "D(G(z))", "score_real", "score_fake", "accuracy"}
    assert not any(note.requires_grad for note in notes.values())
    assert notes["D(x)"].item() == pytest.approx(mean([sigmoid(r) for r in REAL]))
    assert losses.score_notes(REAL, FAKE)["score_fake"].item() == pytest.approx(mean(FAKE.tolist()))


@pytest.mark.parametrize("shapes", [((40,), (40,)), ((3, 1, 5, 5), (7, 1, 2, 2)), ((9, 1), (1, 4))])
@pytest.mark.parametrize("ties", [False, True])
def test_ranking_accuracy_is_the_area_under_the_roc_curve(shapes: tuple[tuple[int, ...], ...], ties: bool) -> None:
    stream = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(shape, generator=stream) for shape in shapes)
    real += 0.5
    if ties:
        real, fake = real.round(), fake.round()
    labels = torch.cat([torch.ones(real.numel(), dtype=torch.long), torch.zeros(fake.numel(), dtype=torch.long)])
    # torchmetrics takes scores in [0, 1] as they are.
    scores = (torch.cat([real.flatten(), fake.flatten()]) + 8) / 16
    assert losses.ranking_accuracy(real, fake).item() == pytest.approx(binary_auroc(scores, labels).item(), abs=1e-6)
    pairs = [(r > f) + (r == f) / 2 for r in real.flatten().tolist() for f in fake.flatten().tolist()]
    assert losses.ranking_accuracy(real, fake).item() == pytest.approx(mean(pairs), abs=1e-6)


def test_ranking_accuracy_at_its_ends_and_without_gradient() -> None:
    low, high = torch.tensor([-3.0, -2.0], requires_grad=True), torch.tensor([2.0, 3.0, 3.0], requires_grad=True)
    assert losses.ranking_accuracy(high, low).item() == 1
    assert losses.ranking_accuracy(low, high).item() == 0
    assert losses.ranking_accuracy(torch.zeros(5), torch.zeros(4)).item() == 0.5
    assert not losses.ranking_accuracy(high, low).requires_grad


def test_mismatched_hinge_halves_what_is_wrong() -> None:
    mismatched = torch.tensor([-3.0, 0.2], dtype=torch.float64)
    wrong = [mean([max(0, 1 + score) for score in scores.tolist()]) for scores in (FAKE, mismatched)]
    right = mean([max(0, 1 - score) for score in REAL.tolist()])
    assert losses.mismatched_hinge_d(REAL, FAKE, mismatched).item() == pytest.approx(right + sum(wrong) / 2)
    assert losses.mismatched_hinge_d(REAL, FAKE, mismatched[:0]).item() == pytest.approx(right + wrong[0] / 2)
    inputs = [scores.clone().requires_grad_() for scores in (REAL, FAKE, mismatched)]
    assert torch.autograd.gradcheck(losses.mismatched_hinge_d, inputs)


def test_matching_is_the_cross_entropy_of_both_ways_without_texts_that_are_the_same() -> None:
    similarity = torch.randn(4, 4, dtype=torch.float64)
    same = torch.eye(4, dtype=torch.bool)
    same[0, 2] = same[2, 0] = True
    expected = 0.0
    for table in (similarity.tolist(), similarity.T.tolist()):
        for row, logits in enumerate(table):
            others = [math.exp(logit) for column, logit in enumerate(logits) if column == row or not same[row, column]]
            expected -= math.log(math.exp(logits[row]) / sum(others)) / 4
    assert losses.matching_loss(similarity, same).item() == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda values: losses.matching_loss(values, same), [similarity.requires_grad_()])
