"""Conditional GAN: both players see a condition, such as a class, several attributes or continuous values.

Mirza & Osindero 2014, "Conditional generative adversarial nets" (arXiv 1411.1784): min_G max_D E[log D(x|y)] + E[log(1 -
D(G(z|y)))] (eq. 2). The generator lowers -E[log D(G(z|y))].

Two pairs of networks. "mlp" is the paper's: latent and condition each have a hidden layer of their own before they meet, in
both players. The paper tells neither initial values nor the generator's objective; here they are those of the GAN that it
extends, goodfeli/adversarial. Its latent is uniform in [0, 1], here in [-1, 1]. "dcgan" is the pair of Radford et al. 2016
with the condition appended to the latent and, as constant planes, to the image. Fakes are made with the labels of the
batch.
"""

from math import prod
from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from zerosum.augment import Augment
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import minimax_d, non_saturating_g, probability_notes
from zerosum.nn.convolutional import ConvDiscriminator, ConvGenerator, image_shape
from zerosum.nn.instance_noise import add_instance_noise
from zerosum.nn.maxout import Maxout, ranged_linear
from zerosum.nn.minibatch import MinibatchKind, minibatch_layer
from zerosum.noise import Distribution, FreshNoise, Noise, truncated
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Stabilisers, Training, adam, positive, sgd
from zerosum.schedules import constant, exponential, linear


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of the conditional GAN."""

    network: Literal["mlp", "dcgan"] = "dcgan"
    """Fully connected networks (the paper's) or convolutional ones."""
    latent: int = 100
    """Size of the latent."""
    noise: Distribution = "normal"
    """Distribution of the latent: normal, or uniform in [-1, 1]."""
    width: int = 64
    """dcgan: channels next to the image; they double towards 4x4. The mlp has the paper's sizes."""
    stabilisers: Stabilisers = Stabilisers()
    """Cures for instability and mode collapse."""

    def __post_init__(self) -> None:
        positive(latent=self.latent, width=self.width)


class MLPGenerator(nn.Module):
    """Latent to 200 and condition to 1000 ReLU, together to 1200 ReLU, then a sigmoid; dropout of one half in training."""

    def __init__(self, latent: int, labels: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.from_latent = ranged_linear(latent, 200, 0.05)
        self.from_label = ranged_linear(labels, 1000, 0.05)
        self.joint = nn.Sequential(
            nn.ReLU(),
            nn.Dropout(0.5),
            ranged_linear(1200, 1200, 0.05),
            nn.ReLU(),
            nn.Dropout(0.5),
            ranged_linear(1200, prod(shape), 0.05),
            nn.Sigmoid(),
        )

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        """`[N, latent]` and `[N, L]` -> images `[N, C, H, W]` in [-1, 1]."""
        pixels: Tensor = self.joint(torch.cat([self.from_latent(latent), self.from_label(label)], 1))
        return pixels.reshape(-1, *self.shape) * 2 - 1

    def latent_weights(self) -> Tensor:
        """Those of the first layer, `[outputs, latent]`."""
        return self.from_latent.weight


class MLPDiscriminator(nn.Module):
    """Image to 240 x 5 and condition to 50 x 5 maxout, together to 240 x 4 maxout; dropout of one half in training."""

    def __init__(self, labels: int, shape: tuple[int, ...], minibatch: MinibatchKind) -> None:
        super().__init__()
        self.from_image = Maxout(prod(shape), 240, 5, 0.005)
        self.from_label = Maxout(labels, 50, 5, 0.005)
        seen = minibatch_layer(minibatch, 240)
        self.joint = nn.Sequential(
            nn.Dropout(0.5),
            Maxout(290, 240, 4, 0.005),
            nn.Dropout(0.5),
            seen,
            ranged_linear(240 + seen.extra_channels, 1, 0.005),
        )

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        """Images `[N, C, H, W]` in [-1, 1] and `[N, L]` -> scores `[N]`."""
        hidden = [self.from_image((images.flatten(1) + 1) / 2), self.from_label(label)]
        scores: Tensor = self.joint(torch.cat(hidden, 1)).flatten()
        return scores


class DCGANGenerator(nn.Module):
    """The generator of DCGAN with the condition appended to its latent."""

    def __init__(self, latent: int, labels: int, shape: tuple[int, int], width: int) -> None:
        super().__init__()
        self.latent = latent
        self.network = ConvGenerator(latent + labels, *shape, width)

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        """`[N, latent]` and `[N, L]` -> images `[N, C, H, W]` in [-1, 1]."""
        images: Tensor = self.network(torch.cat([latent, label], 1))
        return images

    def latent_weights(self) -> Tensor:
        """Those of the first layer, `[outputs, latent]`."""
        return self.network.latent_weights()[:, : self.latent]


class DCGANDiscriminator(nn.Module):
    """The discriminator of DCGAN with the condition appended to its image, one constant plane per value."""

    def __init__(self, labels: int, shape: tuple[int, int], width: int, minibatch: MinibatchKind) -> None:
        super().__init__()
        channels, resolution = shape
        self.network = ConvDiscriminator(channels + labels, resolution, width, minibatch=minibatch)

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        """Images `[N, C, H, W]` in [-1, 1] and `[N, L]` -> scores `[N]`."""
        planes = label[:, :, None, None].expand(-1, -1, *images.shape[2:])
        scores: Tensor = self.network(torch.cat([images, planes], 1))
        return scores


class ConditionalGAN(GAN):
    """The game of the conditional GAN.

    Raises:
        ValueError: the data has no images or no labels, or the resolution is not a power of two from 8 (dcgan).
    """

    needs = frozenset({"image", "label"})
    given = frozenset({"label"})

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        image, labels = image_shape(shapes), label_width(shapes)
        minibatch = config.stabilisers.minibatch
        self.generator: MLPGenerator | DCGANGenerator
        self.discriminator: nn.Module
        if config.network == "mlp":
            self.generator = MLPGenerator(config.latent, labels, shapes["image"])
            self.discriminator = MLPDiscriminator(labels, shapes["image"], minibatch)
        else:
            self.generator = DCGANGenerator(config.latent, labels, image, config.width)
            self.discriminator = DCGANDiscriminator(labels, image, config.width, minibatch)
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
        images: Tensor = self.generator(latents, given["label"])
        return images

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        """Latents in [-truncation, truncation]."""
        return truncated(latents, self.config.noise, truncation)

    def latent_weights(self) -> list[Tensor]:
        """Of the generator's first layer, `[outputs, L]`."""
        return [self.generator.latent_weights()]

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[log D(x|y)] - E[log(1 - D(G(z|y)|y))]."""
        real = self._score(batch["image"], batch, progress)
        fake = self._score(self._fakes(batch), batch, progress)
        loss = minimax_d(real, fake, self.config.stabilisers.label_smoothing)
        return Loss({"adversarial": loss}, probability_notes(real, fake) | self.augment.observe(real))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[log D(G(z|y)|y)]."""
        return Loss({"adversarial": non_saturating_g(self._score(self._fakes(batch), batch, progress))})

    def _fakes(self, batch: Batch) -> Tensor:
        return self.sample(batch, FreshNoise(len(batch["label"]), batch["label"].device))

    def _score(self, images: Tensor, batch: Batch, progress: float) -> Tensor:
        cures = self.config.stabilisers
        noisy = add_instance_noise(self.augment(images), cures.instance_noise, cures.instance_noise_until, progress)
        scores: Tensor = self.discriminator(noisy, batch["label"])
        return scores


def label_width(shapes: Shapes) -> int:
    """Values in one label.

    Raises:
        ValueError: the data has no labels.
    """
    if "label" not in shapes:
        raise ValueError(
            "this family needs labelled images, but the data has no labels: put each class into its own sub-folder, "
            "or name the columns of metadata.csv or metadata.jsonl in data.labels"
        )
    return shapes["label"][0]


def paper() -> Recipe:
    """The paper's MLP on 28 x 28 digits: maxout, dropout, SGD with rising momentum."""
    epoch = 60_000
    # 1e5 = 1.00004^n after n = 287,829 updates of 100 images.
    player = sgd(exponential(0.1, 1e-6, over=28_782_889), momentum=linear(0.5, 0.7, over=249 * epoch, delay=epoch))
    return Recipe(
        family="cgan",
        gan=Config(network="mlp", latent=100, noise="uniform"),
        optimisers={"generator": player, "discriminator": player},
        data=Data(resolution=28, colour="grey"),
        train=Training(images=250 * epoch, batch=100),
    )


def cpu() -> Recipe:
    """Garments of a chosen class in minutes on two cores: 32 x 32, convolutional."""
    return Recipe(
        family="cgan",
        gan=Config(network="dcgan", latent=64, noise="normal", width=32),
        optimisers={"generator": adam(4e-4, beta1=0.5), "discriminator": adam(2e-4, beta1=0.5)},
        data=Data(path="fashion", resolution=32),
        train=Training(images=110_000, batch=64),
        average=Average(half_life=constant(5_000), ramp_up=0.05),
        jobs=Jobs(log_every=1_600, sample_every=8_000, checkpoint_every=30_000),
    )


def emoji() -> Recipe:
    """Colour emoji of a chosen group, 32 x 32, over half a million images."""
    return Recipe(
        family="cgan",
        gan=Config(
            network="dcgan",
            latent=64,
            width=64,
            stabilisers=Stabilisers(minibatch="std", instance_noise=0.1, label_smoothing=0.1),
        ),
        optimisers={"generator": adam(2e-4, beta1=0.5), "discriminator": adam(2e-4, beta1=0.5)},
        data=Data(path="emoji", resolution=32, colour="rgb"),
        train=Training(images=500_000, batch=64),
        average=Average(half_life=constant(10_000), ramp_up=0.05),
    )


def tiny() -> Recipe:
    """A check that everything runs, in a second or two."""
    return Recipe(
        family="cgan",
        gan=Config(latent=8, width=8),
        optimisers={"generator": adam(1e-3, beta1=0.5), "discriminator": adam(1e-3, beta1=0.5)},
        data=Data(path="fashion", resolution=16),
        train=Training(images=480, batch=16),
        average=Average(half_life=constant(100)),
        jobs=Jobs(log_every=80, sample_every=240, checkpoint_every=160, num_samples=16),
    )
