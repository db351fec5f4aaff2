"""SRGAN: a picture of twice or four times the sides from a small one, the first that was trained to look right.

Ledig et al. 2017, "Photo-realistic single image super-resolution using a generative adversarial network" (arXiv 1609.04802).
SRResNet, residual blocks with batch norm and sub-pixel shuffles, is trained with the mean squared error first (`srresnet()`);
from there (`gan()`) it lowers d(G(s), t) + 1e-3 * -log D(G(s)) (eq. 3 to 6), D a VGG-like discriminator, d a distance of maps.

Sources are in [0, 1] and pictures in [-1, 1], as in the paper. What differs: d compares the maps of EfficientNet-Lite0, not
VGG-19's, whose weights are not free to ship, so its weight means another thing; `skip` is ours.
"""

from typing import Any, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from zerosum.features.perceptual import PerceptualLoss
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import minimax_d, non_saturating_g, probability_notes
from zerosum.nn.super_resolution import enlarged, read_shapes
from zerosum.noise import Noise, SilentNoise
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Training, adam, not_negative, positive
from zerosum.schedules import Schedule, constant, cosine, linear

SLOPE = 0.2
"""Of the discriminator's leaky rectifiers."""
HALVINGS = 4
"""Of the sides, by the discriminator."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of SRGAN."""

    width: int = 64
    """Channels of the generator's maps."""
    blocks: int = 16
    """Residual blocks."""
    skip: Literal["none", "bicubic"] = "none"
    """What the generator adds its result to: nothing (the paper), or the source enlarged, from which short runs gain most."""
    discriminator_width: int = 64
    """Channels of the discriminator's first maps."""
    hidden: int = 1024
    """Of the discriminator: units before its score."""
    mse: float = 1.0
    """Weight of the mean squared difference of pixels in [-1, 1]."""
    perceptual: float = 0.0
    """Weight of the perceptual distance."""
    adversarial: float = 0.0
    """Weight of the adversarial loss; 0: there is no discriminator."""

    def __post_init__(self) -> None:
        positive(width=self.width, blocks=self.blocks, discriminator_width=self.discriminator_width, hidden=self.hidden)
        not_negative(mse=self.mse, perceptual=self.perceptual, adversarial=self.adversarial)
        if self.mse + self.perceptual + self.adversarial == 0:
            raise ValueError("gan.mse, gan.perceptual and gan.adversarial are all 0: give one of them a weight, such as mse 1")


class ResidualBlock(nn.Module):
    """x + f(x), f two convolutions with batch norm and a PReLU between them (fig. 4)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*normed(width), nn.PReLU(), *normed(width))

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, width, H, W]` to the same."""
        change: Tensor = self.layers(maps)
        return maps + change


def normed(width: int) -> list[nn.Module]:
    """A 3 x 3 convolution and its batch norm, which has the bias."""
    return [nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)]


class SRResNet(nn.Module):
    """Sources `[N, C, h, w]` in [0, 1] to pictures `[N, C, h * scale, w * scale]`, scale 1, 2 or 4 (fig. 4)."""

    def __init__(self, channels: int, scale: int, config: Config) -> None:
        super().__init__()
        width, doublings = config.width, scale.bit_length() - 1
        self.first = nn.Sequential(nn.Conv2d(channels, width, 9, 1, 4), nn.PReLU())
        self.body = nn.Sequential(*(ResidualBlock(width) for _ in range(config.blocks)), *normed(width))
        shuffles = [[nn.Conv2d(width, 4 * width, 3, 1, 1), nn.PixelShuffle(2), nn.PReLU()] for _ in range(doublings)]
        self.last = nn.Sequential(*(layer for shuffle in shuffles for layer in shuffle), nn.Conv2d(width, channels, 9, 1, 4))
        if config.skip == "bicubic":
            for weights in self.last[-1].parameters():
                nn.init.zeros_(weights)
        # Pixels of the source: 9 x 9 and 3 x 3 at its size and its half, 9 x 9 at the result's, and what is left of one.
        self.reach = 4 + 2 * config.blocks + 1 + doublings + -(-4 // scale) + (scale > 1)

    def forward(self, sources: Tensor) -> Tensor:
        """Pictures, as yet without a bound."""
        maps = self.first(sources)
        made: Tensor = self.last(maps + self.body(maps))
        return made


class Discriminator(nn.Module):
    """Eight convolutions, every second of which halves the sides, then two dense layers: `[N, C, R, R]` to `[N]` (fig. 4)."""

    def __init__(self, channels: int, resolution: int, width: int, hidden: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, 1, 1), nn.LeakyReLU(SLOPE)]
        before = width
        for level in range(HALVINGS):
            after = width << level
            for stride in (1, 2):
                if level or stride == 2:
                    layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(SLOPE)]
                before = after
        units = before * (resolution >> HALVINGS) ** 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(units, hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits."""
        scores: Tensor = self.layers(pictures)
        return scores.squeeze(1)


class SRGAN(GAN):
    """The game of SRGAN.

    Raises:
        ValueError: the data has no sources and targets, or their sides do not fit the networks.
    """

    needs = frozenset({"source", "target"})
    given = frozenset({"source"})
    makes = "target"
    multiple = 1

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        channels, resolution, self.scale = read_shapes(shapes)
        self.generator = SRResNet(channels, self.scale, config)
        self.reach = self.generator.reach
        self._distance = PerceptualLoss()
        self.is_game = config.adversarial > 0
        if self.is_game:
            if resolution % 2**HALVINGS:
                raise ValueError(f"the discriminator halves the sides four times: data.resolution {resolution} is not 16 n")
            self.discriminator = Discriminator(channels, resolution, config.discriminator_width, config.hidden)

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator} | ({"discriminator": self.discriminator} if self.is_game else {})

    def turns(self) -> list[Turn]:
        discriminator = [Turn("discriminator", self.discriminator_loss)] if self.is_game else []
        return [*discriminator, Turn("generator", self.generator_loss)]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        """Pictures `[N, C, H, W]` of the sources given; there is nothing random in them."""
        source = given["source"]
        made: Tensor = self.generator((source + 1) / 2)
        return made if self.config.skip == "none" else enlarged(source, self.scale) + made

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[log D(t)] - E[log(1 - D(G(s)))] (eq. 2)."""
        with torch.no_grad():
            made = self._made(batch)
        real, fake = self.discriminator(batch["target"]), self.discriminator(made)
        return Loss({"adversarial": minimax_d(real, fake)}, probability_notes(real, fake))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """Mean squared error, or perceptual distance and -E[log D(G(s))] (eq. 3, 4 and 6)."""
        config, target, made, terms = self.config, batch["target"], self._made(batch), dict[str, Tensor]()
        if config.mse:
            terms["mse"] = config.mse * (made - target).square().mean()
        if config.perceptual:
            terms["perceptual"] = config.perceptual * self._distance(made, target)
        if self.is_game:
            terms["adversarial"] = config.adversarial * non_saturating_g(self.discriminator(made))
        return Loss(terms)

    def _made(self, batch: Batch) -> Tensor:
        return self.sample({"source": batch["source"]}, SilentNoise(len(batch["source"])))


def srresnet() -> Recipe:
    """First stage of the paper, SRResNet: mean squared error alone, a million updates of 16 crops of 96 pixels."""
    return _paper(Config(), Training(images=16_000_000, batch=16), constant(1e-4))


def gan(start: str | None = "runs/srgan-srresnet") -> Recipe:
    """Second stage of the paper, from the first: perceptual and adversarial loss, 200,000 updates, half of them at 1e-5.

    Args:
        start: the run folder of the first stage; None: from nothing.
    """
    config = Config(mse=0.0, perceptual=1.0, adversarial=1e-3)
    training = Training(images=3_200_000, batch=16, start=start)
    return _paper(config, training, linear(1e-4, 1e-5, over=1, delay=1_600_000))


def cpu_srresnet() -> Recipe:
    """First stage on a CPU: narrow networks that add to the source enlarged, in minutes."""
    return _small(_narrow(), 64_000, 1e-3)


def cpu(start: str | None = "runs/srgan-cpu-srresnet") -> Recipe:
    """Second stage on a CPU, from the first, `cpu_srresnet`.

    Args:
        start: the run folder of the first stage; None: from nothing.
    """
    return _small(_narrow(mse=1.0, perceptual=1.0, adversarial=1e-3), 24_000, 2e-4, start)


def tiny() -> Recipe:
    """A check that everything runs, in a second or two."""
    return Recipe(
        family="srgan",
        gan=Config(width=4, blocks=1, discriminator_width=4, hidden=8, adversarial=1e-3),
        optimisers={"generator": adam(1e-3), "discriminator": adam(1e-3)},
        data=Data(path="emoji", kind="photographs", resolution=32),
        train=Training(images=160, batch=8),
        average=Average(half_life=constant(40)),
        jobs=Jobs(log_every=40, sample_every=80, checkpoint_every=80, num_samples=16),
    )


def _narrow(**settings: Any) -> Config:
    """The settings of the recipes for a CPU, and others."""
    return Config(width=24, blocks=5, skip="bicubic", discriminator_width=16, hidden=64, **settings)


def _players(config: Config) -> list[str]:
    return ["generator", *(["discriminator"] if config.adversarial else [])]


def _paper(config: Config, training: Training, rate: Schedule) -> Recipe:
    """A recipe of the paper's sizes."""
    return Recipe(
        family="srgan",
        gan=config,
        optimisers=dict.fromkeys(_players(config), adam(rate)),
        data=Data(kind="photographs", resolution=96),
        train=training,
    )


def _small(config: Config, images: int, rate: float, start: str | None = None) -> Recipe:
    """A recipe for a CPU."""
    return Recipe(
        family="srgan",
        gan=config,
        optimisers=dict.fromkeys(_players(config), adam(cosine(rate, rate / 100, over=images))),
        data=Data(kind="photographs", resolution=64, held_out=20, mirror=True),
        train=Training(images=images, batch=16, start=start),
        average=Average(half_life=constant(2_000), ramp_up=0.05),
        jobs=Jobs(log_every=1_600, sample_every=8_000, checkpoint_every=8_000, num_samples=16),
    )
