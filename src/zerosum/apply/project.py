"""Projection: the latents of real images, found by gradient descent from the best of several hundred random ones.

The method of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958, appendix D) for any generator that shows its latents: Adam on an
error of images, with noise on the latents that fades away and a rate that rises, then falls. Different here: the error is of
pixels at several scales and of EfficientNet-Lite0's maps, not LPIPS; the start is the best of random latents, not their mean;
noise inputs of the generator stay what a seed gives, and are not optimised; latents may be one for each layer (w+, Abdal et al.
2019, arXiv 1904.03189); a normal latent z is held near the length that random ones have.
"""

from dataclasses import dataclass
from math import cos, pi
from typing import Literal

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from zerosum.apply.likeness import Likeness, judge_for, pyramid
from zerosum.features.perceptual import Perceptual
from zerosum.fidelity import psnr
from zerosum.game import Batch, HasLatents
from zerosum.latents import LatentSpace
from zerosum.noise import KeptNoise, SeededNoise, derive_seed
from zerosum.sampling import Label, Sampler

Space = Literal["z", "w", "w+"]

TOGETHER = 16
"""Images worked on at once."""
NOISE, NOISE_UNTIL = 0.05, 0.75
"""Of the spread of latents, the noise on them at the start; the share of the steps after which it is gone."""
RAMP_UP, RAMP_DOWN = 0.05, 0.25
"""Shares of the steps in which the rate rises and falls."""


@dataclass(frozen=True)
class Projection:
    """Images and the latents that make what is most like them."""

    targets: Tensor
    """`[N, C, H, W]` in [-1, 1]."""
    latents: Tensor
    """`[N, L]` or `[N, layers, L]`."""
    label: Tensor | None
    """Label vectors `[N, L]` of a conditional generator."""
    images: Tensor
    """What the generator makes of the latents, `[N, C, H, W]`."""
    errors: Tensor
    """Before every step and after the last one, `[steps + 1, N]`."""
    seed: int
    """Of what else is random: in image i it is that of seed + i."""

    @property
    def psnr(self) -> Tensor:
        """Of the images, `[N]` in decibels."""
        return psnr(self.images, self.targets)


def project(
    sampler: Sampler,
    targets: Tensor,
    *,
    space: Space | None = None,
    steps: int = 300,
    candidates: int = 512,
    rate: float = 0.1,
    prior: float = 0.01,
    label: Label | None = None,
    seed: int = 0,
    quiet: bool = True,
) -> Projection:
    """The latents of images `[N, C, H, W]` in [-1, 1], a function of the seed.

    Args:
        space: "z" for latents as they are drawn; "w" for one that all layers share, "w+" for one per layer, of latents mapped
            from noise. None: z or w+, whichever the generator has.
        candidates: random latents, of which the best is where the descent starts.
        rate: of Adam, in standard deviations of the latents.
        prior: weight of (mean(z^2) - 1)^2 for a normal z.
        label: of a conditional generator; None: that of the best candidate.
        quiet: show no progress.

    Raises:
        ValueError: a generator without latents, another space, images of another shape, or numbers out of range.
    """
    found = sampler.latent_space()
    space = choose_space(found, space)
    check_images(sampler, targets)
    if steps < 1 or candidates < 1 or rate <= 0 or prior < 0:
        raise ValueError(
            f"steps {steps}, candidates {candidates}, rate {rate:g} and prior {prior:g}: the first three must be above 0, "
            "the prior not below"
        )
    targets = targets.to(sampler.device)
    judge, start = judge_for(targets, sampler.device), _Start.draw(sampler, targets, candidates, label, seed)
    parts = [
        _descend(sampler, found, space, targets[part], start.take(part), judge, steps, rate, prior, seed + part.start, quiet)
        for part in (slice(first, first + TOGETHER) for first in range(0, len(targets), TOGETHER))
    ]
    latents, images, errors = (torch.cat(values, dim) for values, dim in zip(zip(*parts, strict=True), (0, 0, 1), strict=True))
    return Projection(targets, latents, start.label, images, errors, seed)


def choose_space(found: LatentSpace, space: Space | None) -> Space:
    """The space to project into.

    Raises:
        ValueError: the generator has no such space.
    """
    spaces: tuple[Space, ...] = ("z",) if found.distribution else ("w", "w+") if found.num_layers > 1 else ("w",)
    if space is None:
        return spaces[-1]
    if space not in spaces:
        kind = "drawn as they are" if found.distribution else "mapped from noise"
        raise ValueError(f"space {space!r}: the latents of this generator are {kind}, so it has {' and '.join(spaces)} only")
    return space


def check_images(sampler: Sampler, targets: Tensor) -> None:
    """Refuse images that the generator could never make.

    Raises:
        ValueError: with both shapes.
    """
    shape = tuple(sampler.card.shapes.get("image", ()))
    if not len(targets) or tuple(targets.shape[1:]) != shape or not targets.is_floating_point():
        found = f"{targets.dtype} {list(targets.shape)}"
        raise ValueError(
            f"this generator makes images {list(shape)}, so give float [N, {', '.join(map(str, shape))}], not {found}"
        )


@dataclass(frozen=True)
class _Start:
    """The best of random latents for each image, and how all of them are spread."""

    latents: Tensor
    label: Tensor | None
    mean: Tensor
    """Of one latent."""
    deviation: Tensor
    """A scalar: the root of the mean variance of one value."""

    def take(self, part: slice) -> "_Start":
        """That of a slice of the images."""
        return _Start(self.latents[part], None if self.label is None else self.label[part], self.mean, self.deviation)

    @staticmethod
    @torch.no_grad()
    def draw(sampler: Sampler, targets: Tensor, candidates: int, label: Label | None, seed: int) -> "_Start":
        """Look at this many random latents."""
        gan, goal = sampler.gan, pyramid(targets)
        assert isinstance(gan, HasLatents)
        labels = sampler.given(candidates, label).get("label")
        seeds = [derive_seed(seed, "candidate", number) for number in range(candidates)]
        drawn: list[Tensor] = []
        best, choice = torch.full((len(targets),), torch.inf), torch.zeros(len(targets), dtype=torch.int64)
        for first in range(0, candidates, TOGETHER):
            part = slice(first, first + TOGETHER)
            noise = SeededNoise(seeds[part], sampler.device)
            given = {} if labels is None else {"label": labels[part]}
            drawn.append(gan.latents(given, noise))
            distances = torch.cdist(goal, pyramid(gan.synthesise(drawn[-1], given, noise))).cpu()
            nearest = distances.min(1)
            better = nearest.values < best
            best = torch.where(better, nearest.values, best)
            choice = torch.where(better, nearest.indices + first, choice)
        latents = torch.cat(drawn)
        mean = latents.mean(0)
        deviation = (latents - mean).square().mean().sqrt() if candidates > 1 else torch.ones(())
        chosen = None if labels is None else labels[choice.to(labels.device)]
        return _Start(latents[choice.to(latents.device)], chosen, mean, deviation)


def _descend(
    sampler: Sampler,
    found: LatentSpace,
    space: Space,
    targets: Tensor,
    start: _Start,
    judge: Perceptual | None,
    steps: int,
    rate: float,
    prior: float,
    seed: int,
    quiet: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Latents, images and errors of images that are worked on together."""
    likeness, picture = Likeness.of(targets, judge), Synthesis(sampler, start.label, len(targets), seed)
    # Latents are mean + deviation * place, so that one rate fits all of them.
    place = (start.latents - start.mean) / start.deviation
    place = (place.mean(1, keepdim=True) if space == "w" else place).clone().requires_grad_()
    optimiser = torch.optim.Adam([place], rate, betas=(0.9, 0.999))
    stream = torch.Generator().manual_seed(derive_seed(seed, "latent noise"))
    errors = []
    for step in _shown(steps, "projecting", quiet):
        for group in optimiser.param_groups:
            group["lr"] = rate * rate_share(step / steps)
        spread = NOISE * found.shape[-1] ** 0.5 * max(0.0, 1 - step / steps / NOISE_UNTIL) ** 2
        noisy = place + spread * torch.randn(place.shape, generator=stream).to(place)
        latents = (start.mean + start.deviation * noisy).expand(-1, *found.shape)
        error = likeness(picture(latents))
        loss = error.sum()
        if found.distribution == "normal":
            loss = loss + prior * (latents.square().flatten(1).mean(1) - 1).square().sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        errors.append(error.detach())
        if found.distribution == "uniform":
            with torch.no_grad():
                place.copy_(((start.mean + start.deviation * place).clamp(-1, 1) - start.mean) / start.deviation)
    with torch.no_grad():
        latents = (start.mean + start.deviation * place).expand(-1, *found.shape).contiguous()
        images = picture(latents)
        return latents, images, torch.stack([*errors, likeness(images)]).cpu()


class Synthesis:
    """Latents to images, with everything else that is random as the seeds' samples have it, at every call.

    Args:
        num_images: image i has the noise of seed + i.
    """

    def __init__(self, sampler: Sampler, label: Tensor | None, num_images: int, seed: int) -> None:
        assert isinstance(sampler.gan, HasLatents)
        self.gan = sampler.gan
        self.given: Batch = {} if label is None else {"label": label}
        self.noise = KeptNoise(SeededNoise(range(seed, seed + num_images), sampler.device))
        with torch.no_grad():
            self.gan.latents(self.given, self.noise)
        self.place = self.noise.place

    def __call__(self, latents: Tensor) -> Tensor:
        """Images `[N, C, H, W]`, differentiable."""
        self.noise.rewind(self.place)
        return self.gan.synthesise(latents, self.given, self.noise)


def rate_share(progress: float) -> float:
    """What part of its rate the descent has at this progress in [0, 1]: rising over 5 % of it, falling over the last 25 %."""
    fall = 0.5 - 0.5 * cos(pi * min(1.0, (1 - progress) / RAMP_DOWN))
    return fall * min(1.0, (progress + 1e-3) / RAMP_UP)


def _shown(steps: int, what: str, quiet: bool) -> "range | list[int]":
    """The steps, with a progress bar on standard error."""
    return range(steps) if quiet else track(range(steps), what, console=Console(stderr=True), transient=True)  # type: ignore[return-value]
