"""Penalties that keep a discriminator or critic smooth: pure functions, differentiable with respect to its weights."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

Scorer = Callable[[Tensor], Tensor]
"""From examples `[N, ...]` to scores with N in the first dimension; sample n's scores depend on example n alone."""


def squared_gradient_norm(scores: Tensor, examples: Tensor) -> Tensor:
    """Squared L2 norm of d(score)/d(example), for each example `[N]`; the graph is kept for a second backward pass.

    Args:
        scores: what a network gave for `examples`, any shape with N first.
        examples: `[N, ...]`, with `requires_grad` set before they were scored.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), examples, create_graph=True)
    return gradient.flatten(1).square().sum(1)


def zero_centred_penalty(score: Scorer, examples: Tensor) -> Tensor:
    """E[|grad D(x)|^2] / 2: R1 on real examples, R2 on generated ones (Mescheder et al. 2018, eq. 9 and 10). Times gamma."""
    examples = examples.detach().requires_grad_()
    return squared_gradient_norm(score(examples), examples).mean() / 2


def gradient_penalty(score: Scorer, real: Tensor, fake: Tensor, centre: float = 1.0) -> Tensor:
    """E[(|grad D(x^)| - centre)^2] at random points x^ between real and generated examples. Times lambda.

    Args:
        real, fake: `[N, ...]` of equal shape.
        centre: 1 (Gulrajani et al. 2017, eq. 3) or 0 (Thanh-Tung et al. 2019, eq. 7).
    """
    share = torch.rand(len(real), *(1 for _ in real.shape[1:]), dtype=real.dtype, device=real.device)
    between = torch.lerp(real, fake.to(real.dtype), share).detach().requires_grad_()
    squared_norm = squared_gradient_norm(score(between), between)
    # The root's derivative is infinite at 0, where a dead critic may well be.
    return ((squared_norm + 1e-12).sqrt() - centre).square().mean() if centre else squared_norm.mean()


def matching_aware_penalty(scores: Tensor, images: Tensor, texts: Tensor, power: float = 6.0, apart: bool = False) -> Tensor:
    """E[norm^power], norm that of D's gradient at real images and their texts (Tao et al. 2022, eq. 3). Times k, 2 there.

    Args:
        scores: what D gave for them, any shape with N first.
        images, texts: `[N, ...]`, with `requires_grad` set before they were scored.
        apart: the norm is |grad_x D| + |grad_e D|, as the paper writes it, and not that of both together, as in its code.
    """
    gradients = torch.autograd.grad(scores.sum(), (images, texts), create_graph=True)
    squared = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients])
    if apart:  # the root's derivative is infinite at 0
        return (squared + 1e-12).sqrt().sum(0).pow(power).mean()
    return squared.sum(0).pow(power / 2).mean()


def path_lengths(images: Tensor, latents: Tensor, noise: Tensor) -> Tensor:
    """|J^T y| of every sample `[N]`, J = d(image)/d(latent): how far images move with latents (Karras et al. 2020, eq. 4).

    As in the authors' code y is divided by sqrt(H W), and for `[N, layers, L]` the squared length is the mean over the layers.

    Args:
        images: `[N, C, H, W]`, computed from `latents`.
        latents: `[N, L]` or `[N, layers, L]`, requiring gradients; the graph is kept for a second backward pass.
        noise: y, standard normal, of the images' shape.
    """
    direction = noise / (images.shape[2] * images.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad((images * direction).sum(), latents, create_graph=True)
    squared = gradient.square().sum(-1)
    # The root's derivative is infinite at 0.
    return ((squared.mean(1) if squared.dim() > 1 else squared) + 1e-12).sqrt()


@torch.no_grad()
def clip_weights(parameters: Iterable[nn.Parameter], bound: float) -> None:
    """Bring every weight into [-bound, bound] (Arjovsky et al. 2017, algorithm 1, line 7)."""
    for parameter in parameters:
        parameter.clamp_(-bound, bound)


def orthogonal_penalty(weights: Iterable[Tensor]) -> Tensor:
    """Sum over weights of |W W' (1 - I)|_F^2: rows need not be of unit length, only orthogonal (Brock et al. 2019, eq. 3).

    Times beta, 1e-4 in the paper. Its gradient is 4 beta (W W' (1 - I)) W; BigGAN-PyTorch adds half of that.

    Args:
        weights: `[outputs, ...]`, all but the first dimension flattened; at least one.
    """
    return torch.stack([_off_diagonal(weight.flatten(1)) for weight in weights]).sum()


def _off_diagonal(rows: Tensor) -> Tensor:
    """Sum of the squared products of any two different rows."""
    if len(rows) <= rows.shape[1]:
        return (rows @ rows.t()).fill_diagonal_(0).square().sum()
    # |W W'|_F = |W' W|_F, the smaller matrix; the diagonal of W W' holds the squared lengths.
    return (rows.t() @ rows).square().sum() - rows.square().sum(1).square().sum()
