"""Differentiable augmentation of all that the discriminator sees, so that few images last longer."""

import torch
from torch import Tensor, nn

from zerosum.augment import ada, diffaug
from zerosum.recipe import Stabilisers

AVERAGED = 4
"""Updates in the moving mean of the signs; the paper changes the probability once every four updates (sec. 3)."""


class Augment(nn.Module):
    """What stands before the discriminator: nothing, DiffAugment, or adaptive augmentation (ADA, Karras et al. 2020, sec. 3).

    ADA holds r_t = E[sign(D(x))] over real images x, which overfitting drives to 1, at its target (sec. 3): after every update
    its probability goes up or down by images / `augment_images`, within [0, `augment_limit`]; or it follows a schedule.
    Probability and r_t are buffers, so they are saved with the networks.

    Args:
        cures: which kind, and ADA's target, limit and speed.
        shape: of one example.

    Raises:
        ValueError: an augmentation is wanted, but the examples are no images.
    """

    probability: Tensor
    """Of ADA, with which each transformation is applied."""
    sign: Tensor
    """Of ADA: r_t, in [-1, 1]."""
    seen: Tensor
    """Of ADA: real images that the discriminator was updated by."""

    def __init__(self, cures: Stabilisers, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.cures = cures
        if cures.augment == "none":
            return
        if len(shape) != 3:
            raise ValueError(
                f"stabilisers.augment {cures.augment} is for images, but this data has examples of shape {list(shape)}: "
                "set it to none, or train on images"
            )
        if cures.augment == "ada":
            self.register_buffer("probability", torch.zeros(()))
            self.register_buffer("sign", torch.zeros(()))
            self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def forward(self, examples: Tensor) -> Tensor:
        """Images `[N, C, H, W]` in [-1, 1], augmented; without augmentation any examples, as they are."""
        if self.cures.augment == "ada":
            return ada.augment(examples, self.probability)
        return diffaug.augment(examples) if self.cures.augment == "diffaug" else examples

    def observe(self, real: Tensor) -> dict[str, Tensor]:
        """Take note of the scores of real images, zero being undecided, and return what is worth logging."""
        if self.cures.augment != "ada":
            return {}
        self.sign.lerp_(real.detach().sign().mean(), 1 / AVERAGED)
        return {"augment/probability": self.probability.clone(), "augment/sign": self.sign.clone()}

    @torch.no_grad()
    def adapt(self, images: int) -> None:
        """Move the probability, after an update of the discriminator by so many real images."""
        if self.cures.augment != "ada":
            return
        self.seen += images
        if self.cures.augment_schedule:
            self.probability.fill_(self.cures.augment_schedule(self.seen.item()))
        else:
            direction = (self.sign - self.cures.augment_target).sign()
            self.probability.add_(direction, alpha=images / self.cures.augment_images).clamp_(0, self.cures.augment_limit)


def centred(real: Tensor, fake: Tensor) -> Tensor:
    """Scores of real images less the midpoint of the two batch means, for critics whose zero means nothing (Wasserstein).

    Args:
        real, fake: scores of real and generated images, `[N]`.
    """
    return real - (real.mean() + fake.mean()) / 2
