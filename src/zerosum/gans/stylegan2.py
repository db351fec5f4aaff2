"""StyleGAN2: styles modulate and demodulate the generator's convolutions, penalties are lazy, and the path length is regular.

Karras, Laine, Aittala, Hellsten, Lehtinen & Aila 2020, "Analyzing and improving the image quality of StyleGAN" (arXiv
1912.04958), and Karras et al. 2020, "Training generative adversarial networks with limited data" (ADA, arXiv 2006.06676). The
discriminator lowers E[softplus(-D(x))] + E[softplus(D(G(z)))], the generator E[softplus(-D(G(z)))]; every 16th step the
discriminator also lowers gamma / 2 E[|grad D(x)|^2] (R1), every 4th the generator 2 E[(|J^T y| - a)^2], J = dG/dw, with a the
moving mean of |J^T y| (eq. 4). With labels, the score is the inner product of D's features and the mapped label, over sqrt(C).

Faithful to the authors' PyTorch code (networks, penalties, recipes; the mean w decays by 0.998 as in its later version), in
plain torch: maps are scaled by the styles instead of weights, see `nn.modulated`. Different here: generated images take
the labels of the batch, not independent draws from the data; the mean w follows the generator's turns only; samples are cut off
at -1 and 1. Reduced precision, if the run trains in any, is that of the `half_resolutions` highest resolutions.
"""

from typing import Literal, NamedTuple

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from zerosum.augment import Augment
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import minimax_d, non_saturating_g, probability_notes
from zerosum.nn.convolutional import image_shape
from zerosum.nn.equalised import EqualisedConv2d, EqualisedLinear
from zerosum.nn.fir import downsample, fir_kernel, upsample
from zerosum.nn.instance_noise import add_instance_noise
from zerosum.nn.mapping import MappingNetwork, mix_styles, truncate_styles
from zerosum.nn.minibatch import AppendStatistic, MinibatchStd
from zerosum.nn.modulated import ModulatedConv2d, ModulatedToImage, NoiseInput
from zerosum.nn.precision import full_precision, reduced
from zerosum.noise import FreshNoise, Noise
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Stabilisers, Training, adam, not_negative, positive
from zerosum.regularizers import path_lengths, zero_centred_penalty
from zerosum.schedules import constant, linear

Architecture = Literal["skip", "residual", "original"]
ROOT_HALF = 0.5**0.5
"""Gain of both branches of a residual block."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of StyleGAN2."""

    latent: int = 512
    """Size of the latent z, standard normal."""
    style: int = 512
    """Size of the style w."""
    mapping_layers: int = 8
    """Layers of the mapping network from z to w."""
    mapping_rate: float = 0.01
    """Learning rate of the mapping network, as a multiple of the generator's."""
    channel_base: int = 32_768
    """Channels of the maps times their resolution, in both players: 32 pixels have channel_base / 32 channels ..."""
    channel_max: int = 512
    """... but never more than this."""
    generator_architecture: Architecture = "skip"
    """skip: the image is a sum over resolutions; residual: blocks with a shortcut; original: neither."""
    discriminator_architecture: Architecture = "residual"
    """residual: blocks with a shortcut; skip: every resolution sees the image; original: neither."""
    taps: tuple[int, ...] = (1, 3, 3, 1)
    """The filter of all resampling: symmetric, of an even length."""
    conditional: bool = False
    """Condition both players on the labels."""
    minibatch_group: int = 4
    """Examples in which the discriminator measures the minibatch's deviation, or the largest divisor of the batch below."""
    minibatch_channels: int = 1
    """Channels of the minibatch's deviation; 0: none."""
    clamp: float | None = None
    """Bound of the absolute value of every convolution's result (256 for float16); None: none."""
    half_resolutions: int = 4
    """How many of the highest resolutions compute in reduced precision, if train.precision is one."""
    r1_gamma: float = 10.0
    """Weight gamma of the penalty gamma / 2 E[|grad D(x)|^2]; 0: none."""
    r1_every: int = 16
    """Steps between two penalties."""
    path_weight: float = 2.0
    """Weight of the path length's regularisation; 0: none."""
    path_every: int = 4
    """Steps between two regularisations of the path length."""
    path_decay: float = 0.01
    """Share of the new in the moving mean of path lengths."""
    path_shrink: int = 2
    """The path lengths are measured on the batch's size divided by this."""
    mixing: float = 0.9
    """Probability with which layers from a random one on take a second latent's style, in training."""
    style_decay: float = 0.998
    """Share of the old in the moving mean of w, which truncation is towards."""
    stabilisers: Stabilisers = Stabilisers()
    """Cures for instability and mode collapse. The minibatch layer is this family's own, see minibatch_channels."""

    def __post_init__(self) -> None:
        positive(latent=self.latent, style=self.style, mapping_layers=self.mapping_layers, mapping_rate=self.mapping_rate)
        positive(channel_base=self.channel_base, channel_max=self.channel_max, minibatch_group=self.minibatch_group)
        positive(r1_every=self.r1_every, path_every=self.path_every, path_shrink=self.path_shrink)
        not_negative(r1_gamma=self.r1_gamma, path_weight=self.path_weight, minibatch_channels=self.minibatch_channels)
        not_negative(half_resolutions=self.half_resolutions)
        shares = {"path_decay": self.path_decay, "mixing": self.mixing, "style_decay": self.style_decay}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be in [0, 1], not {share}")
        if self.clamp is not None:
            positive(clamp=self.clamp)
        fir_kernel(self.taps)
        if len(self.taps) % 2:
            raise ValueError(f"taps must be of an even length, not {len(self.taps)}: {list(self.taps)}")
        if self.stabilisers.minibatch != "none":
            raise ValueError(
                "stabilisers.minibatch: this discriminator measures the minibatch's deviation itself, "
                "set minibatch to none and see gan.minibatch_group and gan.minibatch_channels"
            )

    def channels(self, resolution: int) -> int:
        """Channels of the maps of that resolution."""
        return max(1, min(self.channel_base // resolution, self.channel_max))


class SynthesisBlock(nn.Module):
    """One resolution of the generator: two modulated convolutions (one at 4x4), and what makes the image.

    Args:
        before: channels of the maps before; 0 at 4x4, which starts from a learned constant.
        image_channels: of the image; None: this block adds none.
        half: whether it computes in reduced precision where the run does.
    """

    def __init__(self, config: Config, before: int, resolution: int, image_channels: int | None, half: bool) -> None:
        super().__init__()
        after, style, clamp = config.channels(resolution), config.style, config.clamp
        self.reduces = half
        self.const = None if before else nn.Parameter(torch.randn(after, resolution, resolution))
        self.conv0 = ModulatedConv2d(before, after, style, resolution, up=True, clamp=clamp) if before else None
        self.conv1 = ModulatedConv2d(after, after, style, resolution, clamp=clamp)
        self.to_rgb = None if image_channels is None else ModulatedToImage(after, image_channels, style, clamp)
        residual = before and config.generator_architecture == "residual"
        self.skip = (
            EqualisedConv2d(before, after, 1, activate=False, bias=False, resample="up", gain=ROOT_HALF) if residual else None
        )
        self.num_convs = 2 if before else 1

    def forward(
        self, maps: Tensor | None, image: Tensor | None, styles: Tensor, noise: NoiseInput, fir: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Maps and image of half the size (None at 4x4), styles `[N, num_convs or one more, style]` -> maps and image."""
        with full_precision(styles, not self.reduces):
            if self.const is not None:
                maps = self.const.expand(styles.shape[0], *self.const.shape)
            assert maps is not None
            maps = reduced(maps) if self.reduces else maps.float()
            if self.conv0 is None:
                maps = self.conv1(maps, styles[:, 0], noise, fir)
            elif self.skip is not None:
                shortcut = self.skip(maps, fir)
                maps = self.conv0(maps, styles[:, 0], noise, fir)
                maps = shortcut + self.conv1(maps, styles[:, 1], noise, fir, ROOT_HALF)
            else:
                maps = self.conv1(self.conv0(maps, styles[:, 0], noise, fir), styles[:, 1], noise, fir)
            part = None if self.to_rgb is None else self.to_rgb(maps, styles[:, self.num_convs]).float()
        with full_precision(styles):
            doubled = None if image is None else upsample(image, fir)
        if part is None or doubled is None:
            return maps, doubled if part is None else part
        return maps, doubled + part


class Synthesis(nn.Module):
    """From styles, one for each layer, to images: blocks `b4`, `b8` ... up to the resolution."""

    fir: Tensor

    def __init__(self, config: Config, image_channels: int, resolution: int) -> None:
        super().__init__()
        sizes = resolutions(resolution)
        every = config.generator_architecture == "skip"
        self.blocks = nn.ModuleDict()
        for number, size in enumerate(sizes):
            before = config.channels(size // 2) if number else 0
            shown = image_channels if every or size == resolution else None
            half = len(sizes) - number <= config.half_resolutions
            self.blocks[f"b{size}"] = SynthesisBlock(config, before, size, shown, half)
        self.num_layers = 2 * len(sizes)
        self.register_buffer("fir", fir_kernel(config.taps), persistent=False)

    def forward(self, styles: Tensor, noise: NoiseInput = "constant") -> Tensor:
        """Styles w+ `[N, num_layers, style]` -> images `[N, C, H, W]`, around [-1, 1].

        Args:
            styles: of each convolution in turn, and the last of what makes the image; at the other resolutions that shares
                its style with the convolution that follows.
            noise: what every convolution adds: new maps of each sample, its own constant map, or none.
        """
        maps: Tensor | None = None
        image: Tensor | None = None
        layer = 0
        for block in self.in_order():
            maps, image = block(maps, image, styles[:, layer : layer + block.num_convs + 1], noise, self.fir)
            layer += block.num_convs
        assert image is not None
        return image

    def in_order(self) -> list[SynthesisBlock]:
        """The blocks from 4x4 upwards."""
        return [block for block in self.blocks.values() if isinstance(block, SynthesisBlock)]


class Generator(nn.Module):
    """The mapping network from latents to styles, and the synthesis network from styles to images."""

    def __init__(self, config: Config, image_channels: int, resolution: int, label_width: int) -> None:
        super().__init__()
        self.mapping = MappingNetwork(
            config.latent, label_width, config.style, config.mapping_layers, config.mapping_rate, config.style_decay
        )
        self.synthesis = Synthesis(config, image_channels, resolution)

    def forward(self, latent: Tensor, label: Tensor | None = None, noise: NoiseInput = "constant") -> Tensor:
        """`[N, latent]`, and labels `[N, L]` if conditional -> images `[N, C, H, W]`, around [-1, 1]."""
        images: Tensor = self.synthesis(self.styles(latent, label), noise)
        return images

    def styles(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        """The same style w for every layer: w+ `[N, num_layers, style]`."""
        return self.spread(self.mapping(latent, label))

    def spread(self, styles: Tensor) -> Tensor:
        """Styles `[N, style]` for every layer: `[N, num_layers, style]`."""
        return styles.unsqueeze(1).expand(-1, self.synthesis.num_layers, -1)


class DiscriminatorBlock(nn.Module):
    """One resolution of the discriminator: two convolutions, the second one halving it.

    Args:
        resolution: of what it is given.
        image_channels: of the image; None: this block sees none.
        half: whether it computes in reduced precision where the run does.
    """

    def __init__(self, config: Config, resolution: int, image_channels: int | None, half: bool) -> None:
        super().__init__()
        before, after, clamp = config.channels(resolution), config.channels(resolution // 2), config.clamp
        residual = config.discriminator_architecture == "residual"
        gain = ROOT_HALF if residual else 1.0
        self.reduces, self.pass_image = half, config.discriminator_architecture == "skip"
        self.from_rgb = None if image_channels is None else EqualisedConv2d(image_channels, before, 1, clamp=clamp)
        self.conv0 = EqualisedConv2d(before, before, 3, clamp=clamp)
        self.conv1 = EqualisedConv2d(before, after, 3, resample="down", gain=gain, clamp=clamp)
        self.skip = (
            EqualisedConv2d(before, after, 1, activate=False, bias=False, resample="down", gain=gain) if residual else None
        )

    def forward(self, maps: Tensor | None, image: Tensor | None, fir: Tensor) -> tuple[Tensor, Tensor | None]:
        """Maps (None at first) and the image (None where it is not needed) -> both at half the size."""
        like = image if maps is None else maps
        assert like is not None
        with full_precision(like, not self.reduces):
            if maps is not None:
                maps = reduced(maps) if self.reduces else maps.float()
            if self.from_rgb is not None:
                assert image is not None
                seen = self.from_rgb(reduced(image) if self.reduces else image)
                maps = seen if maps is None else maps + seen
            halved = self.conv1(self.conv0(maps), fir)
            maps = halved if self.skip is None else self.skip(maps, fir) + halved
        with full_precision(like):
            image = downsample(image, fir) if self.pass_image and image is not None else None
        return maps, image


class DiscriminatorEnd(nn.Module):
    """From 4x4 maps to features `[N, features]`: the minibatch's deviation, a convolution, two linear layers."""

    def __init__(self, config: Config, image_channels: int | None, features: int) -> None:
        super().__init__()
        width, extra = config.channels(4), config.minibatch_channels
        if extra and width % extra:
            raise ValueError(f"gan.minibatch_channels {extra} does not divide the {width} channels of the discriminator at 4x4")
        self.from_rgb = None if image_channels is None else EqualisedConv2d(image_channels, width, 1)
        self.minibatch = AppendStatistic(MinibatchStd(config.minibatch_group, extra) if extra else None, extra)
        self.conv = EqualisedConv2d(width + extra, width, 3, clamp=config.clamp)
        self.fc = EqualisedLinear(width * 16, width, activate=True)
        self.out = EqualisedLinear(width, features)

    def forward(self, maps: Tensor | None, image: Tensor | None) -> Tensor:
        """Maps `[N, C, 4, 4]`, None if there are only images of 4x4, and those where they are needed."""
        if self.from_rgb is not None:
            seen = self.from_rgb(image)
            maps = seen if maps is None else maps + seen
        features: Tensor = self.out(self.fc(self.conv(self.minibatch(maps)).flatten(1)))
        return features


class Discriminator(nn.Module):
    """From images to scores, blocks `b64`, `b32` ... down to `b4`; with labels a projection on the mapped label."""

    fir: Tensor

    def __init__(self, config: Config, image_channels: int, resolution: int, label_width: int) -> None:
        super().__init__()
        every = config.discriminator_architecture == "skip"
        sizes = resolutions(resolution)[::-1]
        self.blocks = nn.ModuleDict()
        for number, size in enumerate(sizes[:-1]):
            seen = image_channels if every or size == resolution else None
            self.blocks[f"b{size}"] = DiscriminatorBlock(config, size, seen, number < config.half_resolutions)
        width = config.channels(4)
        self.end = DiscriminatorEnd(config, image_channels if every or resolution == 4 else None, width if label_width else 1)
        self.mapping = MappingNetwork(0, label_width, width, rate=config.mapping_rate) if label_width else None
        self.register_buffer("fir", fir_kernel(config.taps), persistent=False)

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """`[N, C, H, W]`, and labels `[N, L]` if conditional -> scores `[N]`."""
        maps, image = None, images
        for block in self.blocks.values():
            maps, image = block(maps, image, self.fir)
        with full_precision(images):
            features: Tensor = self.end(None if maps is None else maps.float(), image)
            if self.mapping is None:
                return features.squeeze(1)
            projected: Tensor = (features * self.mapping(None, label)).sum(1) / features.shape[1] ** 0.5
            return projected


class StyleGAN2(GAN):
    """The game of StyleGAN2.

    Raises:
        ValueError: the data has no images, of a resolution that is no power of two from 4, or no labels to condition on.
    """

    path_mean: Tensor
    """The moving mean of path lengths."""

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        channels, resolution = image_shape(shapes)
        if config.conditional and "label" not in shapes:
            raise ValueError(
                "gan.conditional needs labels, but the data has none: give data with classes, or data.labels columns"
            )
        self.given = frozenset({"label"} if config.conditional else ())
        self.needs = self.given | {"image"}
        label_width = shapes["label"][0] if config.conditional else 0
        self.generator = Generator(config, channels, resolution, label_width)
        self.discriminator = Discriminator(config, channels, resolution, label_width)
        self.augment = Augment(config.stabilisers, shapes["image"])
        self.register_buffer("path_mean", torch.zeros(()))

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def turns(self) -> list[Turn]:
        config = self.config
        turns = [Turn("discriminator", self.discriminator_loss, project=self.augment.adapt)]
        if config.r1_gamma:
            turns.append(Turn("discriminator", self.r1_loss, every=config.r1_every, second_order=True))
        turns.append(Turn("generator", self.generator_loss))
        if config.path_weight:
            turns.append(Turn("generator", self.path_loss, every=config.path_every, second_order=True))
        return turns

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        return self.synthesise(self.latents(given, noise), given, noise)

    def latents(self, given: Batch, noise: Noise) -> Tensor:
        """Styles w+ `[N, layers, style]`, at first the same in every layer."""
        return self.generator.styles(noise.normal(self.config.latent), self._label(given))

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        """Images in [-1, 1] of styles w+ `[N, layers, style]`; the layers' noise comes from `noise`."""
        images: Tensor = self.generator.synthesis(latents, noise)
        return images.clamp(-1, 1)

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        """Styles at a share `truncation` of their way from the mean style, in the first `layers` or all."""
        return truncate_styles(latents, self.generator.mapping.w_avg, truncation, layers)

    def latent_weights(self) -> list[Tensor]:
        """The affine weights `[channels, style]` of every convolution, and at last of what makes the image."""
        blocks = self.generator.synthesis.in_order()
        layers = [layer for block in blocks for layer in (block.conv0, block.conv1) if layer is not None]
        return [layer.affine.effective_weight() for layer in (*layers, blocks[-1].to_rgb) if layer is not None]

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """E[softplus(-D(x))] + E[softplus(D(G(z)))]."""
        fakes = self._fakes(batch)
        real, fake = self._score(batch["image"], batch, progress), self._score(fakes, batch, progress)
        loss = minimax_d(real, fake, self.config.stabilisers.label_smoothing)
        return Loss({"adversarial": loss}, probability_notes(real, fake) | self.augment.observe(real))

    def r1_loss(self, batch: Batch, progress: float) -> Loss:
        """gamma / 2 E[|grad D(x)|^2], through the augmentation of x."""
        penalty = zero_centred_penalty(lambda images: self._score(images, batch, progress), batch["image"])
        return Loss({"r1": self.config.r1_gamma * penalty})

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """E[softplus(-D(G(z)))]."""
        fakes = self._fakes(batch, track=True)
        return Loss({"adversarial": non_saturating_g(self._score(fakes, batch, progress))})

    def path_loss(self, batch: Batch, progress: float) -> Loss:
        """weight E[(|J^T y| - a)^2], a the moving mean of |J^T y| (eq. 4)."""
        num = max(len(batch["image"]) // self.config.path_shrink, 1)
        noise = FreshNoise(num, self.path_mean.device)
        styles = self._mixed_styles({key: batch[key][:num] for key in self.given}, noise)
        if not styles.requires_grad:  # where the doctor looks at a frozen game
            styles = styles.detach().requires_grad_()
        images = self.generator.synthesis(styles, noise)
        lengths = path_lengths(images, styles, noise.normal(*images.shape[1:]))
        mean = self.path_mean.lerp(lengths.mean(), self.config.path_decay)
        self.path_mean.copy_(mean.detach())
        return Loss({"path_length": self.config.path_weight * (lengths - mean).square().mean()}, {"path_mean": mean.detach()})

    def _fakes(self, batch: Batch, track: bool = False) -> Tensor:
        """As many generated images as there are real ones, as the discriminator sees them; `track`: follow the mean style."""
        noise = FreshNoise(len(batch["image"]), batch["image"].device)
        images: Tensor = self.generator.synthesis(self._mixed_styles(batch, noise, track), noise)
        return images

    def _mixed_styles(self, given: Batch, noise: Noise, track: bool = False) -> Tensor:
        """Styles w+ `[N, layers, style]`, mixed as in training."""
        generator, label = self.generator, self._label(given)
        with full_precision(self.path_mean):
            styles = generator.mapping(noise.normal(self.config.latent), label)
            if track:
                generator.mapping.track(styles)
            mixed = generator.spread(styles)
            if self.config.mixing:
                others = generator.styles(noise.normal(self.config.latent), label)
                mixed = mix_styles(mixed, others, self.config.mixing)
        return mixed

    def _label(self, given: Batch) -> Tensor | None:
        return given["label"] if self.config.conditional else None

    def _score(self, images: Tensor, given: Batch, progress: float) -> Tensor:
        cures = self.config.stabilisers
        noisy = add_instance_noise(self.augment(images), cures.instance_noise, cures.instance_noise_until, progress)
        scores: Tensor = self.discriminator(noisy, self._label(given))
        return scores


def resolutions(resolution: int) -> list[int]:
    """4, 8 ... up to the resolution.

    Raises:
        ValueError: it is not a power of two from 4.
    """
    if resolution < 4 or resolution & (resolution - 1):
        raise ValueError(f"this network needs a data.resolution that is a power of two from 4 (4, 8, 16 ...), not {resolution}")
    return [2**power for power in range(2, resolution.bit_length())]


class AutoSettings(NamedTuple):
    """What the authors' configuration `auto` chooses for a resolution."""

    batch: int
    minibatch_group: int
    channel_base: int
    rate: float
    r1_gamma: float
    half_life: float
    """Of the weight average, in images."""


def auto_settings(resolution: int, gpus: int = 1) -> AutoSettings:
    """The authors' rules for batch, channels, rate, R1 weight (0.0002 resolution^2 / batch) and average of a new data set.

    Args:
        resolution: of the images, in pixels.
        gpus: that share a batch.
    """
    batch = max(min(gpus * min(4096 // resolution, 32), 64), gpus)
    return AutoSettings(
        batch=batch,
        minibatch_group=min(batch // gpus, 4),
        channel_base=32_768 if resolution >= 512 else 16_384,
        rate=0.002 if resolution >= 1024 else 0.0025,
        r1_gamma=0.0002 * resolution**2 / batch,
        half_life=batch * 10_000 / 32,
    )


def _recipe(
    gan: Config, resolution: int, batch: int, rate: float, half_life: float, ramp_up: float | None, images: int = 25_000_000
) -> Recipe:
    return Recipe(
        family="stylegan2",
        gan=gan,
        data=Data(resolution=resolution, colour="rgb", mirror=resolution > 32),
        optimisers={"generator": adam(rate, 0.0, 0.99), "discriminator": adam(rate, 0.0, 0.99)},
        # Modulated convolutions are a quarter slower channels-last on a GPU (docs/benchmarks.md).
        train=Training(images=images, batch=batch, channels_last=False),
        average=Average(half_life=constant(half_life), ramp_up=ramp_up),
        jobs=Jobs(log_every=4_000, sample_every=200_000, checkpoint_every=1_000_000),
    )


def ffhq1024() -> Recipe:
    """The paper's config F: 1024x1024, batch 32, rate 0.002, gamma 10, 25 million images."""
    gan = Config(channel_base=32_768, minibatch_group=4, r1_gamma=10.0, clamp=256.0)
    return _recipe(gan, 1024, batch=32, rate=0.002, half_life=10_000, ramp_up=None)


def ffhq512() -> Recipe:
    """The authors' paper512: 512x512, batch 64, rate 0.0025, gamma 0.5, 25 million images."""
    gan = Config(channel_base=32_768, minibatch_group=8, r1_gamma=0.5, clamp=256.0)
    return _recipe(gan, 512, batch=64, rate=0.0025, half_life=20_000, ramp_up=None)


def ffhq256() -> Recipe:
    """The authors' paper256: 256x256, half the channels, batch 64, rate 0.0025, gamma 1, 25 million images."""
    gan = Config(channel_base=16_384, minibatch_group=8, r1_gamma=1.0, clamp=256.0)
    return _recipe(gan, 256, batch=64, rate=0.0025, half_life=20_000, ramp_up=None)


def cifar10() -> Recipe:
    """The authors' cifar: 32x32, original discriminator, no path length, no mixing, gamma 0.01, 100 million images."""
    gan = Config(
        channel_base=16_384,
        mapping_layers=2,
        minibatch_group=32,
        r1_gamma=0.01,
        path_weight=0.0,
        mixing=0.0,
        discriminator_architecture="original",
        clamp=256.0,
    )
    return _recipe(gan, 32, batch=64, rate=0.0025, half_life=500_000, ramp_up=0.05, images=100_000_000)


def auto(resolution: int = 256) -> Recipe:
    """What the authors choose for 256x256, or another resolution, on one GPU, with adaptive augmentation."""
    rules = auto_settings(resolution)
    gan = Config(
        channel_base=rules.channel_base,
        mapping_layers=2,
        minibatch_group=rules.minibatch_group,
        r1_gamma=rules.r1_gamma,
        clamp=256.0,
        stabilisers=Stabilisers(augment="ada"),
    )
    return _recipe(gan, resolution, rules.batch, rules.rate, rules.half_life, ramp_up=0.05)


def cpu() -> Recipe:
    """Garments in a quarter of an hour on one core: 32x32, very narrow networks, high rates, no path length and no mixing."""
    images = 400_000
    rate = linear(0.01, 0, over=images)
    return Recipe(
        family="stylegan2",
        gan=Config(
            latent=64,
            style=64,
            mapping_layers=2,
            mapping_rate=0.1,
            channel_base=256,
            channel_max=32,
            discriminator_architecture="original",
            r1_gamma=0.005,
            path_weight=0.0,
            mixing=0.0,
        ),
        data=Data(resolution=32),
        optimisers={"generator": adam(rate, 0.0, 0.9), "discriminator": adam(rate, 0.0, 0.9)},
        train=Training(images=images, batch=16),
        average=Average(half_life=constant(4_000), ramp_up=0.05),
        jobs=Jobs(log_every=1_600, sample_every=25_600, checkpoint_every=51_200),
    )


def tiny() -> Recipe:
    """16x16 with classes in seconds: to see that everything works."""
    return Recipe(
        family="stylegan2",
        gan=Config(
            latent=16,
            style=16,
            mapping_layers=2,
            channel_base=128,
            channel_max=16,
            conditional=True,
            r1_gamma=0.1,
            r1_every=4,
        ),
        data=Data(resolution=16),
        optimisers={"generator": adam(0.0025, 0.0, 0.99), "discriminator": adam(0.0025, 0.0, 0.99)},
        train=Training(images=16 * 16, batch=16),
        average=Average(half_life=constant(64)),
        jobs=Jobs(log_every=64, sample_every=128, checkpoint_every=128, num_samples=16),
    )
