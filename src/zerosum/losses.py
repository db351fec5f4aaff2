"""Adversarial losses: pure functions of scores (logits before any sigmoid), each the mean over the batch.

`*_d` is what the discriminator or critic lowers, `*_g` what the generator lowers. Scores may have any shape.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, relu, softplus


def minimax_d(real: Tensor, fake: Tensor, smoothing: float = 0.0) -> Tensor:
    """-E[log D(x)] - E[log(1 - D(G(z)))] (Goodfellow et al. 2014, eq. 1).

    Args:
        real, fake: logits on real and generated examples.
        smoothing: the target for real examples is 1 - smoothing (one-sided label smoothing, Salimans et al. 2016, sec. 3.4).
    """
    target = torch.full_like(real, 1 - smoothing)
    return binary_cross_entropy_with_logits(real, target) + softplus(fake).mean()


def minimax_g(fake: Tensor) -> Tensor:
    """E[log(1 - D(G(z)))], which saturates where the discriminator is sure (Goodfellow et al. 2014, eq. 1)."""
    return -softplus(fake).mean()


def non_saturating_g(fake: Tensor) -> Tensor:
    """-E[log D(G(z))]: the same fixed point, strong gradients early (Goodfellow et al. 2014, sec. 3)."""
    return softplus(-fake).mean()


def least_squares_d(real: Tensor, fake: Tensor) -> Tensor:
    """(E[(D(x) - 1)^2] + E[D(G(z))^2]) / 2 (Mao et al. 2017, eq. 9)."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def least_squares_g(fake: Tensor) -> Tensor:
    """E[(D(G(z)) - 1)^2] / 2 (Mao et al. 2017, eq. 9)."""
    return (fake - 1).square().mean() / 2


def hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))] (Miyato et al. 2018, eq. 16)."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def hinge_g(fake: Tensor) -> Tensor:
    """-E[D(G(z))] (Miyato et al. 2018, eq. 17)."""
    return -fake.mean()


def wasserstein_d(real: Tensor, fake: Tensor) -> Tensor:
    """E[f(G(z))] - E[f(x)], minus the estimated distance for a 1-Lipschitz critic (Arjovsky et al. 2017, eq. 3)."""
    return fake.mean() - real.mean()


def wasserstein_g(fake: Tensor) -> Tensor:
    """-E[f(G(z))] (Arjovsky et al. 2017, algorithm 1)."""
    return -fake.mean()


def relativistic_d(real: Tensor, fake: Tensor) -> Tensor:
    """E[softplus(-(D(x) - D(G(z))))] over pairs (relativistic pairing, Jolicoeur-Martineau 2019; Huang et al. 2024, eq. 2)."""
    return softplus(fake - real).mean()


def relativistic_g(real: Tensor, fake: Tensor) -> Tensor:
    """E[softplus(-(D(G(z)) - D(x)))] over pairs (Huang et al. 2024, eq. 2)."""
    return softplus(real - fake).mean()


def relativistic_average_d(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log s(D(x) - E[D(G)])] - E[log(1 - s(D(G) - E[D(x)]))], s the sigmoid (Wang et al. 2018, ESRGAN, eq. 1)."""
    return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()


def relativistic_average_g(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log(1 - s(D(x) - E[D(G)]))] - E[log s(D(G) - E[D(x)])], s the sigmoid (Wang et al. 2018, ESRGAN, eq. 2)."""
    return softplus(real - fake.mean()).mean() + softplus(real.mean() - fake).mean()


def mismatched_hinge_d(real: Tensor, fake: Tensor, mismatched: Tensor) -> Tensor:
    """E[max(0, 1 - D(x, e))] + (E[max(0, 1 + D(G(z, e), e))] + E[max(0, 1 + D(x, e'))]) / 2 (Tao et al. 2022, eq. 2).

    Args:
        real, fake: scores beside the right captions.
        mismatched: scores of real images beside other captions than theirs; there may be none.
    """
    wrong = relu(1 + mismatched).mean() if mismatched.numel() else mismatched.sum()
    return relu(1 - real).mean() + (relu(1 + fake).mean() + wrong) / 2


def matching_loss(similarity: Tensor, same: Tensor) -> Tensor:
    """-E[log P(text | image)] - E[log P(image | text)], P over the batch (the sentence part of DAMSM, Xu et al. 2018, eq. 12).

    Args:
        similarity: `[N, N]` of images (rows) and texts, those on the diagonal belonging together; the logits of P.
        same: bool `[N, N]`: other places where the text is the same, which are no mismatches and left out.
    """
    own = torch.arange(len(similarity), device=similarity.device)
    logits = similarity.masked_fill(same & ~torch.eye(len(own), dtype=torch.bool, device=own.device), -torch.inf)
    return cross_entropy(logits, own) + cross_entropy(logits.T, own)


def ranking_accuracy(real: Tensor, fake: Tensor) -> Tensor:
    """Share of all pairs of a real and a generated example in which the real one has the higher score; ties count half.

    The area under the ROC curve: 1/2 where the discriminator cannot tell them apart, whatever its loss and its zero.
    """
    ranked, scores = fake.detach().flatten().sort().values, real.detach().flatten().contiguous()
    below = torch.searchsorted(ranked, scores) + torch.searchsorted(ranked, scores, right=True)
    return below.float().mean() / (2 * len(ranked))


def score_notes(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Mean raw scores of a discriminator or critic and its ranking accuracy, for the log."""
    means = {"score_real": real.detach().mean(), "score_fake": fake.detach().mean()}
    return {**means, "accuracy": ranking_accuracy(real, fake)}


def probability_notes(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """`score_notes`, and the mean probabilities D(x), D(G(z)) of a discriminator trained by cross-entropy, for the log."""
    probabilities = {"D(x)": real.detach().sigmoid().mean(), "D(G(z))": fake.detach().sigmoid().mean()}
    return probabilities | score_notes(real, fake)
