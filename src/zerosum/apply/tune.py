"""Pivotal tuning: a generator's weights bent until it makes exactly the images that its latents only came near.

Roich, Mokady, Bermano & Cohen-Or 2021, "Pivotal tuning for latent-based editing of real images" (arXiv 2106.05744). The latents
found by projection are held, and the generator's weights follow the error of the image, several images at once (sec. 3.2). With
`locality`, it is also held to what it made before around the pivots (sec. 3.3), half way to random latents. Different here: the
error is that of projection, not LPIPS and pixels; the authors' distance of 30 from a pivot fits one latent space alone.
"""

import copy
import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from zerosum.apply.likeness import Likeness, judge_for
from zerosum.apply.project import TOGETHER, Projection, Synthesis
from zerosum.fidelity import psnr
from zerosum.game import HasLatents
from zerosum.noise import SeededNoise, derive_seed
from zerosum.run import Run, environment, write
from zerosum.sampling import Sampler

LOCALITY_DISTANCE = 0.5
"""From a pivot to where the tuned generator is held to what it was, as a share of the way between two random latents."""


@dataclass(frozen=True)
class Tuned:
    """A generator tuned to some images."""

    sampler: Sampler
    images: Tensor
    """What it makes of the pivots, `[N, C, H, W]`."""
    errors: Tensor
    """Before every step and after the last one, `[steps + 1]`: the mean over the images."""

    def psnr(self, targets: Tensor) -> Tensor:
        """Of the images, `[N]` in decibels."""
        return psnr(self.images, targets)


def tune(
    sampler: Sampler,
    projection: Projection,
    *,
    steps: int = 200,
    rate: float = 3e-4,
    locality: float = 0.0,
    quiet: bool = True,
) -> Tuned:
    """The generator tuned to the images of a projection; the one given stays as it is.

    Args:
        rate: of Adam.
        locality: weight of staying what it was around the pivots, 0 for none.
        quiet: show no progress.

    Raises:
        ValueError: numbers out of range.
    """
    if steps < 1 or rate <= 0 or locality < 0:
        raise ValueError(f"tuning: steps {steps} and rate {rate:g} must be above 0, locality {locality:g} not below")
    targets, judge = projection.targets, judge_for(projection.targets, sampler.device)
    tuned = replace(sampler, gan=copy.deepcopy(sampler.gan).requires_grad_(True), name=f"{sampler.name}, tuned")
    groups = [
        _Pivots.of(sampler, tuned, projection, slice(first, first + TOGETHER), Likeness.of(targets[first:][:TOGETHER], judge))
        for first in range(0, len(targets), TOGETHER)
    ]
    optimiser, errors = torch.optim.Adam(tuned.gan.parameters(), rate), []
    bar = range(steps) if quiet else track(range(steps), "tuning", console=Console(stderr=True), transient=True)
    for step in bar:
        group = groups[step % len(groups)]
        error = group.likeness(group.now(group.latents)).mean()
        loss = error
        if locality:
            loss = loss + locality * group.departure(derive_seed(projection.seed, "locality", step))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        errors.append(error.detach())
    tuned.gan.requires_grad_(False)
    with torch.no_grad():
        images = torch.cat([group.now(group.latents) for group in groups])
        last = torch.cat([group.likeness(group.now(group.latents)) for group in groups]).mean()
    return Tuned(tuned, images, torch.stack([*errors, last]).cpu())


@dataclass(frozen=True)
class _Pivots:
    """Images that are worked on together."""

    latents: Tensor
    likeness: Likeness
    before: Synthesis
    now: Synthesis

    @classmethod
    def of(cls, before: Sampler, now: Sampler, found: Projection, part: slice, likeness: Likeness) -> "_Pivots":
        """A slice of the projected images."""
        latents, label = found.latents[part], None if found.label is None else found.label[part]
        ways = (Synthesis(sampler, label, len(latents), found.seed + part.start) for sampler in (before, now))
        return cls(latents, likeness, *ways)

    def departure(self, seed: int) -> Tensor:
        """How far the tuned generator is from what it was, at latents on the way from the pivots to random ones."""
        gan = self.before.gan
        with torch.no_grad():
            noise = SeededNoise([derive_seed(seed, number) for number in range(len(self.latents))], self.latents.device)
            random = gan.latents(self.before.given, noise)
            near = self.latents + LOCALITY_DISTANCE * (random - self.latents)
            images = self.before(near)
        likeness = Likeness.of(images, self.likeness.perceptual)
        return likeness(self.now(near)).mean()


def save_tuned(source: Run, family: str | None, checkpoint: str | int, tuned: Tuned, folder: Path) -> None:
    """Write a tuned generator as a run folder of its own, which can be sampled from but not trained further.

    Args:
        source: the run that the generator came from, whose recipe and data card the folder repeats.
        family, checkpoint: see `Run.recipe` and `Run.find_checkpoint`.

    Raises:
        ValueError: as those.
        OSError: the folder cannot be written.
    """
    assert isinstance(tuned.sampler.gan, HasLatents)
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    run = Run(folder)
    write(run.recipe_file, source.recipe(family).to_json())
    write(folder / "data.json", source.card().to_json())
    write(folder / "environment.json", json.dumps(environment(), indent=2))
    weights = {name: value.cpu() for name, value in tuned.sampler.gan.state_dict().items()}
    run.save(int(source.find_checkpoint(checkpoint).name), {}, weights, keep=1)
