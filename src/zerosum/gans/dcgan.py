"""DCGAN: strided convolutions and batch norm, the first GAN that trained stably on photographs.

Radford, Metz & Chintala 2016, "Unsupervised representation learning with deep convolutional generative adversarial
networks" (arXiv 1511.06434). The discriminator lowers -E[log D(x)] - E[log(1 - D(G(z)))], the generator -E[log D(G(z))].

Faithful to PyTorch's example (`pytorch()`: weights map one to one, same images, probabilities and losses), except that each
player's turn draws its own latents where the example shows both the same images; and to the authors' code Newmu/dcgan_code,
faces/train_uncond_dcgan.py (`paper()`), with three differences: the first batch norm has one gain per channel as in
PyTorch's example, not one per unit of the 4x4 map; beta1 does not decay (theirs does, by 1 - 1e-8 an update); a step plays
both players on one batch where that code gives batches to G and D in turn, so `paper()` has half its images and as many
updates. Paper and code differ too: only the code has a weight decay, 1e-5.
"""

from typing import Literal

from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from zerosum.augment import Augment
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import minimax_d, non_saturating_g, probability_notes
from zerosum.nn.convolutional import ConvDiscriminator, ConvGenerator, image_shape
from zerosum.nn.instance_noise import add_instance_noise
from zerosum.noise import Distribution, FreshNoise, Noise, truncated
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Stabilisers, Training, adam, positive
from zerosum.schedules import constant, linear


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of DCGAN."""

    latent: int = 100
    """Size of the latent."""
    noise: Distribution = "normal"
    """Distribution of the latent: normal (PyTorch's example) or uniform in [-1, 1] (the paper)."""
    generator_width: int = 64
    """Channels of the generator's last hidden map (ngf); they double towards 4x4."""
    discriminator_width: int = 64
    """Channels of the discriminator's first hidden map (ndf); they double towards 4x4."""
    kernel: Literal[4, 5] = 4
    """Size of the convolutions: 4 (PyTorch's example) or 5 (the paper)."""
    stabilisers: Stabilisers = Stabilisers()
    """Cures for instability and mode collapse."""

    def __post_init__(self) -> None:
        positive(latent=self.latent, generator_width=self.generator_width, discriminator_width=self.discriminator_width)


class DCGAN(GAN):
    """The game of DCGAN.

    Raises:
        ValueError: the data has no images, or their resolution is not a power of two from 8.
    """

    needs = frozenset({"image"})

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        channels, resolution = image_shape(shapes)
        self.generator = ConvGenerator(config.latent, channels, resolution, config.generator_width, config.kernel)
        self.discriminator = ConvDiscriminator(
            channels, resolution, config.discriminator_width, config.kernel, minibatch=config.stabilisers.minibatch
        )
        self.augment = Augment(config.stabilisers, shapes["image"])

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def turns(self) -> list[Turn]:
        discriminator = Turn("discriminator", self.discriminator_loss, project=self.augment.adapt)
        return [discriminator, Turn("generator", self.generator_loss)]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        return self.synthesise(self.latents(given, noise), given, noise)

    def latents(self, given: Batch, noise: Noise) -> Tensor:
        """z `[N, L]`, normal or uniform."""
        return noise.latent(self.config.noise, self.config.latent)

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        """Images `[N, C, H, W]` in [-1, 1]."""
        images: Tensor = self.generator(latents)
        return images

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        """Latents in [-truncation, truncation]."""
        return truncated(latents, self.config.noise, truncation)

    def latent_weights(self) -> list[Tensor]:
        """Of the generator's first layer, `[outputs, L]`."""
        return [self.generator.latent_weights()]

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[log D(x)] - E[log(1 - D(G(z)))]."""
        real = self._score(batch["image"], progress)
        fake = self._score(self._fakes(batch), progress)
        loss = minimax_d(real, fake, self.config.stabilisers.label_smoothing)
        return Loss({"adversarial": loss}, probability_notes(real, fake) | self.augment.observe(real))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[log D(G(z))]."""
        return Loss({"adversarial": non_saturating_g(self._score(self._fakes(batch), progress))})

    def _fakes(self, batch: Batch) -> Tensor:
        return self.sample({}, FreshNoise(len(batch["image"]), batch["image"].device))

    def _score(self, images: Tensor, progress: float) -> Tensor:
        cures = self.config.stabilisers
        noisy = add_instance_noise(self.augment(images), cures.instance_noise, cures.instance_noise_until, progress)
        scores: Tensor = self.discriminator(noisy)
        return scores


def pytorch() -> Recipe:
    """PyTorch's example: 4x4 kernels, normal latents, 64 x 64, 25 epochs of 200,000 photographs."""
    return Recipe(
        family="dcgan",
        gan=Config(latent=100, noise="normal", generator_width=64, discriminator_width=64, kernel=4),
        optimisers={"generator": adam(2e-4, beta1=0.5), "discriminator": adam(2e-4, beta1=0.5)},
        data=Data(resolution=64),
        train=Training(images=5_000_000, batch=128),
    )


def paper() -> Recipe:
    """The authors' code: 5x5 kernels, 128 to 1024 channels, uniform latents, the updates of 25 epochs of faces."""
    player = adam(2e-4, beta1=0.5, weight_decay=1e-5)
    return Recipe(
        family="dcgan",
        gan=Config(latent=100, noise="uniform", generator_width=128, discriminator_width=128, kernel=5),
        optimisers={"generator": player, "discriminator": player},
        data=Data(resolution=64),
        train=Training(images=4_375_000, batch=128),
    )


def cpu() -> Recipe:
    """Garments in about three minutes on two cores: 32 x 32, narrow networks, fading instance noise and rates."""
    return Recipe(
        family="dcgan",
        gan=Config(
            latent=64,
            noise="normal",
            generator_width=32,
            discriminator_width=32,
            kernel=4,
            stabilisers=Stabilisers(instance_noise=0.2),
        ),
        optimisers={
            "generator": adam(linear(4e-4, 0, over=80_000, delay=40_000), beta1=0.5),
            "discriminator": adam(linear(2e-4, 0, over=80_000, delay=40_000), beta1=0.5),
        },
        data=Data(path="fashion", resolution=32),
        train=Training(images=120_000, batch=64),
        average=Average(half_life=constant(5_000), ramp_up=0.05),
        jobs=Jobs(log_every=1_600, sample_every=8_000, checkpoint_every=30_000),
    )


def tiny() -> Recipe:
    """A check that everything runs, in a second or two."""
    return Recipe(
        family="dcgan",
        gan=Config(latent=8, generator_width=8, discriminator_width=8),
        optimisers={"generator": adam(1e-3, beta1=0.5), "discriminator": adam(1e-3, beta1=0.5)},
        data=Data(path="fashion", resolution=16),
        train=Training(images=480, batch=16),
        average=Average(half_life=constant(100)),
        jobs=Jobs(log_every=80, sample_every=240, checkpoint_every=160, num_samples=16),
    )
