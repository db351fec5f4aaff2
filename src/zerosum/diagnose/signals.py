"""What the doctor looks at: pure functions of examples, scores and their positions in a space of looks."""

import torch
from torch import Tensor

RARE = 0.2
"""A cluster or class is missing if samples show it less than this often relative to real examples."""
STRICT = 0.01
"""Share of real examples that count as duplicates of each other or as copies."""


def energy(real: Tensor, fake: Tensor) -> tuple[float, float]:
    """How far samples are from real examples, and how diverse they are, in any space: `[N, D]` and `[M, D]`.

    Returns:
        The energy coefficient (2 E|x-y| - E|x-x'| - E|y-y'|) / 2 E|x-y|, 0 for equal distributions, at most 1 (Szekely & Rizzo
        2013, sec. 2), which estimates can undercut; and E|y-y'| / E|x-x'|, 1 for equal diversity.
    """
    between = torch.cdist(real, fake).mean()
    within_real, within_fake = (torch.pdist(side).mean() for side in (real, fake))
    coefficient = (2 * between - within_real - within_fake) / (2 * between).clamp(min=1e-12)
    return float(coefficient), float(within_fake / within_real.clamp(min=1e-12))


def missing(real: Tensor, fake: Tensor) -> Tensor:
    """Which of K clusters or classes samples all but never show, bool `[K]`, from their shares `[K]` of examples."""
    return fake < RARE * real


def duplicates(real: Tensor, fake: Tensor) -> float:
    """Share of samples that lie as close to another sample as only the closest 1 % of as many real examples do, or closer."""
    size = min(len(real), len(fake))
    radius = nearest(real[:size], real[:size], skip_self=True)[:, 0].quantile(STRICT)
    return float((nearest(fake[:size], fake[:size], skip_self=True)[:, 0] <= radius).float().mean())


def copies(train: Tensor, examples: Tensor) -> Tensor:
    """How singularly close examples `[N, D]` are to one training example `[T, D]`: the distance to the nearest over that to
    the second nearest, `[N]` in [0, 1]. A copy is near 0; a merely blurred sample, close to many, is near 1."""
    first, second = nearest(train, examples)[:, :2].unbind(1)
    return first / second.clamp(min=1e-12)


def nearest(points: Tensor, of: Tensor, skip_self: bool = False) -> Tensor:
    """Distances `[N, 2]` of each of `of` to its two nearest points; to itself not, where both are the same set."""
    distances = torch.cdist(of, points)
    if skip_self:
        distances.fill_diagonal_(torch.inf)
    return distances.topk(2, largest=False).values


def label_agreement(points: Tensor, classes: Tensor, of: Tensor, asked: Tensor, num_neighbours: int = 5) -> float:
    """Share of points whose asked-for class is the commonest among its nearest real examples.

    Args:
        points, classes: real examples `[N, D]` and their class numbers `[N]`.
        of, asked: points `[M, D]` and the classes they should be of `[M]`.
    """
    votes = classes[torch.cdist(of, points).topk(num_neighbours, largest=False).indices]
    return float((votes.mode(1).values == asked).float().mean())


def saturated(images: Tensor) -> float:
    """Share of pixels at black or white, of images in [-1, 1]."""
    return float((images.abs() > 0.99).float().mean())


def checkerboard(images: Tensor) -> float:
    """Share of an average image's power, the mean left out, that lies within an eighth of the highest frequency, where
    strided transposed convolutions leave their pattern (Odena et al. 2016). Images `[N, C, H, W]`."""
    power = torch.fft.fft2(images.float()).abs().square().mean((0, 1))
    height, width = power.shape
    power[0, 0] = 0
    rows, columns = (torch.fft.fftfreq(size).abs() > 0.4375 for size in (height, width))
    return float(power[rows[:, None] | columns].sum() / power.sum().clamp(min=1e-12))
