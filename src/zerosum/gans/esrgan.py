"""ESRGAN: a picture of four times the sides from a small one, or a clean one from a spoilt one, with detail made up to fit.

Wang et al. 2018, "ESRGAN: Enhanced super-resolution generative adversarial networks" (arXiv 1809.00219), and Wang et al. 2021,
"Real-ESRGAN" (arXiv 2107.10833). The generator lowers p |G(s) - t| + f d(G(s), t) + a L_G, where s is the source, t the target,
d a perceptual distance and L_G the relativistic average loss (2018, eq. 2) or the standard one (2021). It is trained in two
stages: `psnr()` with a = f = 0, then `gan()` from there.

The networks are those of the released code: `RRDBNet` and the U-Net discriminator with the authors' weights give the authors'
images and scores. What differs: d compares the maps of EfficientNet-Lite0, not VGG-19's, whose weights are not free to ship, so
its weight f means another thing; learning rates fall smoothly where theirs are halved; `generator` plain and `skip` are ours.
"""

from typing import Any, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pixel_unshuffle

from zerosum.features.perceptual import PerceptualLoss
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import minimax_d, non_saturating_g, relativistic_average_d, relativistic_average_g, score_notes
from zerosum.nn.picture_discriminators import UNetDiscriminator, VGGDiscriminator
from zerosum.nn.super_resolution import enlarged, read_shapes
from zerosum.nn.translation import PlainUNet
from zerosum.noise import Noise, SilentNoise
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Training, adam, not_negative, positive
from zerosum.schedules import constant, cosine, exponential

SLOPE = 0.2
"""Of all leaky rectifiers."""
RESIDUAL = 0.2
"""What residuals are multiplied by (2018, sec. 3.1)."""
INIT = 0.1
"""What the initial weights of dense blocks are multiplied by (2018, sec. 3.1)."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of ESRGAN."""

    generator: Literal["rrdb", "plain"] = "rrdb"
    """The papers' network, or, to mend pictures at their own size, a U-Net that works on pixels where that folds 16 of them to
    one place, which takes away grain much sooner."""
    width: int = 64
    """Channels of the generator's maps (num_feat), or of the U-Net's first ones."""
    growth: int = 32
    """Channels that each convolution of a dense block adds (num_grow_ch)."""
    blocks: int = 23
    """Residual-in-residual dense blocks (num_block), or the U-Net's residual blocks, dilated by 1, 2, 4 and 8 in turn."""
    skip: Literal["none", "bicubic"] = "none"
    """What the generator adds its result to: nothing (the papers), or the source enlarged, from which short runs gain most."""
    discriminator: Literal["vgg", "unet"] = "vgg"
    """Strided convolutions to one score (2018), or a U-Net with spectral norm to a score for every pixel (2021)."""
    discriminator_width: int = 64
    """Channels of the discriminator's first maps."""
    game: Literal["relativistic", "standard"] = "relativistic"
    """The adversarial loss: relativistic average (2018) or -log D (2021)."""
    pixel: float = 1.0
    """Weight p of the mean absolute difference of pixels in [0, 1]."""
    perceptual: float = 0.0
    """Weight f of the perceptual distance."""
    adversarial: float = 0.0
    """Weight a of the adversarial loss; 0: there is no discriminator."""

    def __post_init__(self) -> None:
        positive(width=self.width, growth=self.growth, blocks=self.blocks, discriminator_width=self.discriminator_width)
        not_negative(pixel=self.pixel, perceptual=self.perceptual, adversarial=self.adversarial)
        if self.pixel + self.perceptual + self.adversarial == 0:
            raise ValueError(
                "gan.pixel, gan.perceptual and gan.adversarial are all 0: give one of them a weight, such as pixel 1"
            )
        if self.generator == "plain" and self.skip == "none":
            raise ValueError("gan.generator plain needs gan.skip bicubic: it makes a change of the source")


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    """3 x 3, same size."""
    return nn.Conv2d(inputs, outputs, 3, 1, 1)


class DenseBlock(nn.Module):
    """Five convolutions of all maps before them, the last added to the input: x + 0.2 f(x) (2018, fig. 4)."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for number in range(1, 6):
            layer = conv(width + (number - 1) * growth, growth if number < 5 else width)
            nn.init.kaiming_normal_(layer.weight)
            with torch.no_grad():
                layer.weight.mul_(INIT)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
            self.add_module(f"conv{number}", layer)

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, width, H, W]` to the same."""
        known = [maps]
        for number in range(1, 5):
            known.append(leaky_relu(self.get_submodule(f"conv{number}")(torch.cat(known, 1)), SLOPE))
        change: Tensor = self.get_submodule("conv5")(torch.cat(known, 1))
        return maps + RESIDUAL * change


class ResidualDenseBlock(nn.Module):
    """Residual in residual: x + 0.2 f(x), f three dense blocks (2018, fig. 4)."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (DenseBlock(width, growth) for _ in range(3))

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, width, H, W]` to the same."""
        change: Tensor = self.rdb3(self.rdb2(self.rdb1(maps)))
        return maps + RESIDUAL * change


class RRDBNet(nn.Module):
    """Sources `[N, C, h, w]` to images `[N, C, h * scale, w * scale]`, both of the range that it was trained on: [0, 1].

    At a scale of 2 or 1 the source is folded to a quarter or a sixteenth of its pixels first (2021, sec. 3.4).
    """

    def __init__(self, channels: int, scale: int, config: Config) -> None:
        super().__init__()
        self.multiple, width = 4 // scale, config.width
        self.conv_first = conv(channels * self.multiple**2, width)
        self.body = nn.Sequential(*(ResidualDenseBlock(width, config.growth) for _ in range(config.blocks)))
        self.conv_body = conv(width, width)
        self.conv_up1, self.conv_up2, self.conv_hr = (conv(width, width) for _ in range(3))
        self.conv_last = conv(width, channels)

    @property
    def reach(self) -> int:
        """Pixels of the source from which a pixel of it can still change the result."""
        # On folded pixels 2 + 15 n convolutions; then one at 1/2 and three at 1/4 of a pixel; and the rest of a folded pixel.
        return self.multiple * (2 + 15 * len(self.body) + 2 + 1)

    def forward(self, sources: Tensor) -> Tensor:
        """Images, whose values may lie a little outside of the range."""
        maps: Tensor = self.conv_first(pixel_unshuffle(sources, self.multiple))
        maps = maps + self.conv_body(self.body(maps))
        for layer in (self.conv_up1, self.conv_up2):
            maps = leaky_relu(layer(interpolate(maps, scale_factor=2.0, mode="nearest")), SLOPE)
        images: Tensor = self.conv_last(leaky_relu(self.conv_hr(maps), SLOPE))
        return images


class ESRGAN(GAN):
    """The game of ESRGAN.

    Raises:
        ValueError: the data has no sources and targets, or their sides do not fit the networks.
    """

    needs = frozenset({"source", "target"})
    given = frozenset({"source"})
    makes = "target"

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        channels, resolution, self.scale = read_shapes(shapes)
        self.generator = make_generator(config, channels, self.scale)
        self.multiple, self.reach = self.generator.multiple, self.generator.reach
        small = resolution // self.scale
        if small % self.multiple:
            raise ValueError(
                f"sources of {small} pixels: at a scale of {self.scale} the sides must be divisible by {self.multiple}"
            )
        self._distance = PerceptualLoss()
        self.is_game = config.adversarial > 0
        if self.is_game:
            self.discriminator = make_discriminator(config, channels, resolution)

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator} | ({"discriminator": self.discriminator} if self.is_game else {})

    def turns(self) -> list[Turn]:
        discriminator = [Turn("discriminator", self.discriminator_loss)] if self.is_game else []
        return [*discriminator, Turn("generator", self.generator_loss)]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        """Images `[N, C, H, W]` of the sources given; there is nothing random in them."""
        source = given["source"]
        images: Tensor = self.generator((source + 1) / 2) * 2
        if self.config.skip == "none":
            return images - 1
        return enlarged(source, self.scale) + images

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """ESRGAN's eq. 1, or -E[log D(t)] - E[log(1 - D(G(s)))]."""
        real, fake = self.discriminator(batch["target"]), self.discriminator(self._fakes(batch))
        loss = relativistic_average_d if self.config.game == "relativistic" else minimax_d
        return Loss({"adversarial": loss(real, fake)}, score_notes(real, fake))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """p |G(s) - t| + f d(G(s), t) + a L_G."""
        config, target, terms = self.config, batch["target"], dict[str, Tensor]()
        fakes = self._fakes(batch)
        # Halved: differences of pixels in [0, 1], as in the papers.
        if config.pixel:
            terms["pixel"] = config.pixel * (fakes - target).abs().mean() / 2
        if config.perceptual:
            terms["perceptual"] = config.perceptual * self._distance(fakes, target)
        if self.is_game:
            terms["adversarial"] = config.adversarial * self._adversarial(fakes, target)
        return Loss(terms)

    def _fakes(self, batch: Batch) -> Tensor:
        return self.sample({"source": batch["source"]}, SilentNoise(len(batch["source"])))

    def _adversarial(self, fakes: Tensor, target: Tensor) -> Tensor:
        fake = self.discriminator(fakes)
        if self.config.game == "standard":
            return non_saturating_g(fake)
        # Real scores are fixed here: the generator cannot change them.
        with torch.no_grad():
            real = self.discriminator(target)
        return relativistic_average_g(real, fake)


def make_generator(config: Config, channels: int, scale: int) -> RRDBNet | PlainUNet:
    """The generator that the settings ask for.

    Raises:
        ValueError: a U-Net that is to enlarge.
    """
    if config.generator == "rrdb":
        return RRDBNet(channels, scale, config)
    if scale != 1:
        raise ValueError(f"gan.generator plain works at data.scale 1, not {scale}: choose gan.generator rrdb")
    return PlainUNet(channels, channels, config.width, [2 ** (number % 4) for number in range(config.blocks)])


def make_discriminator(config: Config, channels: int, resolution: int) -> nn.Module:
    """The discriminator that the settings ask for.

    Raises:
        ValueError: sides that it cannot halve.
    """
    if config.discriminator == "unet":
        if resolution % 8:
            raise ValueError(f"gan.discriminator unet halves the sides three times: data.resolution {resolution} is not 8 n")
        return UNetDiscriminator(channels, config.discriminator_width)
    if resolution < 8 or resolution & (resolution - 1):
        raise ValueError(
            f"gan.discriminator vgg halves the sides to 4: data.resolution must be a power of two from 8, not {resolution}; "
            "or choose gan.discriminator unet"
        )
    return VGGDiscriminator(channels, resolution, config.discriminator_width)


def psnr() -> Recipe:
    """First stage of ESRGAN: mean absolute difference alone, a million updates; rates fall to 1/32."""
    return _recipe(
        Config(), Data(kind="photographs", resolution=128), Training(images=16_000_000, batch=16), (2e-4, 6.25e-6), 11_000
    )


def gan(start: str | None = "runs/esrgan-psnr") -> Recipe:
    """Second stage of ESRGAN, from the first: perceptual and relativistic losses, 400,000 updates; rates fall to 1/16.

    Args:
        start: the run folder of the first stage; None: from nothing.
    """
    return _recipe(
        Config(pixel=1e-2, perceptual=1.0, adversarial=5e-3),
        Data(kind="photographs", resolution=128),
        Training(images=6_400_000, batch=16, start=start),
        (1e-4, 6.25e-6),
        11_000,
    )


def real_psnr() -> Recipe:
    """First stage of Real-ESRGAN (Real-ESRNet): blur, noise and JPEG twice, a million updates of 48 crops of 256 pixels."""
    data = Data(kind="photographs", resolution=256, degradation="real")
    return _recipe(Config(), data, Training(images=48_000_000, batch=48), (2e-4, 2e-4), 33_000)


def real(start: str | None = "runs/esrgan-real-psnr") -> Recipe:
    """Second stage of Real-ESRGAN, from the first: U-Net discriminator, standard loss, 400,000 updates.

    Args:
        start: the run folder of the first stage; None: from nothing.
    """
    return _recipe(
        Config(discriminator="unet", game="standard", perceptual=1.0, adversarial=0.1),
        Data(kind="photographs", resolution=256, degradation="real"),
        Training(images=19_200_000, batch=48, start=start),
        (1e-4, 1e-4),
        33_000,
    )


def restoration() -> Recipe:
    """Old prints made new, at the same size: the networks and weights of Real-ESRGAN on faded, scratched, noisy crops."""
    return _recipe(
        Config(discriminator="unet", game="standard", perceptual=1.0, adversarial=0.1),
        Data(kind="photographs", resolution=256, scale=1, degradation="old"),
        Training(images=19_200_000, batch=48),
        (1e-4, 1e-4),
        33_000,
    )


def cpu_psnr() -> Recipe:
    """First stage on a CPU: beyond bicubic in minutes, with narrow networks that add to the source enlarged."""
    return _small(_narrow(), 64, 4, 96_000, (1e-3, 1e-5))


def cpu(start: str | None = "runs/esrgan-cpu-psnr") -> Recipe:
    """Second stage on a CPU, from the first, `cpu_psnr`.

    Args:
        start: the run folder of the first stage; None: from nothing.
    """
    config = _narrow(discriminator="unet", discriminator_width=16, perceptual=1.0, adversarial=5e-3)
    return _small(config, 64, 4, 32_000, (2e-4, 2e-5), start)


def cpu_restoration() -> Recipe:
    """Old prints made new, on a CPU."""
    config = _narrow(4, generator="plain", discriminator="unet", discriminator_width=16, perceptual=1.0, adversarial=5e-3)
    return _small(config, 64, 1, 32_000, (3e-4, 3e-6))


def tiny() -> Recipe:
    """A check that everything runs, in a second or two."""
    return Recipe(
        family="esrgan",
        gan=Config(width=4, growth=4, blocks=1, discriminator="unet", discriminator_width=4, adversarial=5e-3),
        optimisers={"generator": adam(1e-3), "discriminator": adam(1e-3)},
        data=Data(path="emoji", kind="photographs", resolution=32),
        train=Training(images=160, batch=8),
        average=Average(half_life=constant(40)),
        jobs=Jobs(log_every=40, sample_every=80, checkpoint_every=80, num_samples=16),
    )


def _narrow(blocks: int = 3, **settings: Any) -> Config:
    """The settings of the recipes for a CPU, and others."""
    return Config(width=24, growth=12, blocks=blocks, skip="bicubic", **settings)


def _recipe(config: Config, data: Data, training: Training, rates: tuple[float, float], half_life: float) -> Recipe:
    """A recipe of the papers' sizes; the average's half-life is that of a decay of 0.999 an update."""
    start, end = rates
    player = adam(constant(start) if start == end else exponential(start, end, over=training.images), beta2=0.99)
    players = ["generator", *(["discriminator"] if config.adversarial else [])]
    return Recipe(
        family="esrgan",
        gan=config,
        optimisers=dict.fromkeys(players, player),
        data=data,
        train=training,
        average=Average(half_life=constant(half_life)),
    )


def _small(
    config: Config, crop: int, scale: Literal[1, 4], images: int, rates: tuple[float, float], start: str | None = None
) -> Recipe:
    """A recipe for a CPU, of pictures reduced by 4 or of old prints."""
    player = adam(cosine(*rates, over=images), beta2=0.99)
    players = ["generator", *(["discriminator"] if config.adversarial else [])]
    return Recipe(
        family="esrgan",
        gan=config,
        optimisers=dict.fromkeys(players, player),
        data=Data(
            kind="photographs",
            resolution=crop,
            scale=scale,
            degradation="old" if scale == 1 else "bicubic",
            held_out=20,
            mirror=True,
        ),
        train=Training(images=images, batch=16, start=start),
        average=Average(half_life=constant(2_000), ramp_up=0.05),
        jobs=Jobs(log_every=1_600, sample_every=8_000, checkpoint_every=16_000, num_samples=16),
    )
