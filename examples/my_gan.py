"""A least-squares GAN in one file of your own: `zerosum train examples.my_gan:tiny --out runs/mine`.

Mao et al. 2017, "Least squares generative adversarial networks" (arXiv 1611.04076), equation 9, on two small networks.
Copy this file, put it where you call zerosum from, and change what you like.
"""

import math

from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import least_squares_d, least_squares_g, score_notes
from zerosum.noise import FreshNoise, Noise, truncated
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Training, adam
from zerosum.schedules import constant


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of this GAN; each is an option on the command line."""

    latent: int = 64
    """Size of the latent."""
    width: int = 256
    """Units of the hidden layers."""


class LeastSquaresGAN(GAN):
    """Two networks, two turns, one way to sample."""

    needs = frozenset({"image"})

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.latent = config.latent
        pixels = math.prod(shapes["image"])
        self.generator = nn.Sequential(
            nn.Linear(config.latent, config.width), nn.ReLU(), nn.Linear(config.width, pixels), nn.Tanh()
        )
        self.discriminator = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, config.width), nn.LeakyReLU(0.2), nn.Linear(config.width, 1)
        )

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def turns(self) -> list[Turn]:
        return [Turn("discriminator", self.discriminator_loss), Turn("generator", self.generator_loss)]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        return self.synthesise(self.latents(given, noise), given, noise)

    # These four make its latents adjustable: truncated, mixed, moved, projected to. They may be left out.
    def latents(self, given: Batch, noise: Noise) -> Tensor:
        return noise.normal(self.latent)

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        return self.generator(latents).reshape(-1, *self.shapes["image"])

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        return truncated(latents, "normal", truncation)

    def latent_weights(self) -> list[Tensor]:
        return [self.generator[0].weight]

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        real, fake = self.discriminator(batch["image"]), self.discriminator(self._fakes(batch))
        return Loss({"adversarial": least_squares_d(real, fake)}, score_notes(real, fake))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        return Loss({"adversarial": least_squares_g(self.discriminator(self._fakes(batch)))})

    def _fakes(self, batch: Batch) -> Tensor:
        return self.sample({}, FreshNoise(len(batch["image"]), batch["image"].device))


def small() -> Recipe:
    """Ten passes over the embedded Fashion-MNIST images, a minute on a laptop."""
    return Recipe(
        family=__name__,
        gan=Config(),
        optimisers={"generator": adam(2e-4, 0.5), "discriminator": adam(2e-4, 0.5)},
        data=Data(resolution=28),
        train=Training(images=100_000),
        average=Average(half_life=constant(2_000)),
    )


def tiny() -> Recipe:
    """A second: to see that it works."""
    return Recipe(
        family=__name__,
        gan=Config(latent=8, width=32),
        optimisers={"generator": adam(2e-4, 0.5), "discriminator": adam(2e-4, 0.5)},
        data=Data(resolution=8),
        train=Training(images=320, batch=16),
        jobs=Jobs(log_every=80, sample_every=160, checkpoint_every=160, num_samples=16),
    )
