"""Perceptual path length: how far images move, in a judge's eyes, for a small step between latents (Karras et al. 2019)."""

from dataclasses import dataclass

import numpy as np
import torch

from zerosum.data import Captioned, Images
from zerosum.evaluate.arrays import Rows
from zerosum.evaluate.figures import Figure
from zerosum.evaluate.samples import draw_given
from zerosum.features import FeatureNetwork
from zerosum.noise import BlendedNoise, SeededNoise, derive_seed
from zerosum.sampling import BATCH, Sampler, generate

EPSILON = 1e-4
"""The step, as a share of the way between two latents."""
TRIM = 0.01
"""Share of the pairs that is left out at either end."""


@dataclass(frozen=True)
class PathLength:
    """The perceptual path length of a generator."""

    value: float
    standard_error: float

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval, for another draw of pairs."""
        return max(0.0, self.value - 1.96 * self.standard_error), self.value + 1.96 * self.standard_error


def path_length(
    sampler: Sampler, network: FeatureNetwork, num_pairs: int, seed: int = 0, *, like: Images | Captioned | None = None
) -> PathLength:
    """E[d(G(slerp(z1, z2; t)), G(slerp(z1, z2; t + eps))) / eps^2] with eps = 1e-4 (Karras et al. 2019, sec. 4.1, eq. 2).

    d is the squared Euclidean distance of the judge's features, not LPIPS, so values compare only under one judge. Low is
    smooth. t is uniform in [0, 1); both ends have the same label. Latents are mixed as `BlendedNoise` does: by the angle, taken
    as a right one, for normal noise, linearly for uniform noise. As in the authors' code, the pairs below the 1st and above
    the 99th percentile are left out.

    Args:
        num_pairs: of images, twice as many of which are made.
        like: of a conditional generator: data whose labels it is given, as often as there.

    Raises:
        ValueError: fewer than 2 pairs, a judge that takes rounded pixels only, or labels that are missing.
    """
    if num_pairs < 2:
        raise ValueError(f"a path length needs at least 2 pairs, not {num_pairs}")
    return trimmed(pair_lengths(sampler, network, num_pairs, seed, like=like))


def pair_lengths(
    sampler: Sampler,
    network: FeatureNetwork,
    num_pairs: int,
    seed: int = 0,
    *,
    like: Images | Captioned | None = None,
    epsilon: float = EPSILON,
) -> Rows:
    """d / epsilon^2 of every pair, `[num_pairs]`."""
    given = draw_given(sampler, like, num_pairs, seed)
    ends = [[derive_seed(seed, "path", side, number) for number in range(num_pairs)] for side in (0, 1)]
    start = torch.rand(num_pairs, generator=torch.Generator().manual_seed(derive_seed(seed, "path")))
    shares = torch.stack([start, start + epsilon])
    lengths = []
    for part in (slice(first, first + BATCH) for first in range(0, num_pairs, BATCH)):
        own = {key: value[part].to(sampler.device) for key, value in given.items()}
        near, far = (
            network.unrounded(127.5 * (made.float() + 1).clamp(0, 2)).double()
            for made in (_on_the_way(sampler, own, [side[part] for side in ends], share[part]) for share in shares)
        )
        step = (shares[1] - shares[0])[part].double()
        lengths.append((far - near).square().sum(1) / step.square())
    return torch.cat(lengths).numpy()


def _on_the_way(sampler: Sampler, given: dict[str, torch.Tensor], ends: list[list[int]], share: torch.Tensor) -> torch.Tensor:
    def noise(part: slice) -> BlendedNoise:
        first, last = (SeededNoise(seeds[part], sampler.device) for seeds in ends)
        return BlendedNoise(first, last, share[part].to(sampler.device))

    return generate(sampler.gan, given, noise, len(share))


def trimmed(lengths: Rows) -> PathLength:
    """The mean without the outermost hundredths, with its standard error (Tukey & McLaughlin 1963)."""
    low, high = np.quantile(lengths, [TRIM, 1 - TRIM])
    inner = lengths[(lengths >= low) & (lengths <= high)]
    error = np.clip(lengths, low, high).std(ddof=1) / ((1 - 2 * TRIM) * len(lengths) ** 0.5)
    return PathLength(float(inner.mean()), float(error))


def path_length_figure(
    sampler: Sampler, network: FeatureNetwork, num_pairs: int, seed: int = 0, *, like: Images | Captioned | None = None
) -> Figure:
    """The path length with its provenance; its name promises neither LPIPS nor VGG.

    Raises:
        ValueError: as `path_length`.
    """
    found, judge = path_length(sampler, network, num_pairs, seed, like=like), network.provenance
    return Figure(
        f"path length ({judge.name})",
        found.value,
        found.interval,
        floor=None,
        judge=judge.name,
        judge_hash=judge.sha256,
        resize=judge.resize,
        num_real=0,
        num_fake=2 * num_pairs,
        split="none",
        seed=seed,
        note=f"{num_pairs:,} pairs, a step of {EPSILON:g}",
        generator=sampler.name,
    )
