"""StyleGAN: a mapped latent sets the statistics of every layer (AdaIN), noise the details, and both players grow.

Karras, Laine & Aila 2019, "A style-based generator architecture for generative adversarial networks" (arXiv 1812.04948), with
the progressive growing of Karras et al. 2018 (arXiv 1710.10196). The discriminator lowers E[softplus(-D(x))] +
E[softplus(D(G(z)))] + gamma / 2 E[|grad D(x)|^2] on every step, the generator E[softplus(-D(G(z)))]. Every layer of the
generator adds noise, a bias, a leaky ReLU, normalises each map of each sample, and gives it the scale and shift that an affine
map of the style w asks for. Resolutions come one after the other: the new one is faded in, then all is trained on.

Faithful to the authors' code for FFHQ: networks, blur [1, 2, 1], noise, mixing, R1 in terms of full-size images, real images
faded like generated ones, lengths of the phases. Different here: the batch is the same at all resolutions (theirs falls from
256 to 32); optimisers are not reset when a resolution is added; the rate rises in a line where theirs rises in steps;
the label is normalised apart from the latent, and biases before a leaky ReLU are scaled by sqrt(2), as in StyleGAN2; generated
images take the labels of the batch; samples are enlarged to the full resolution and cut off at -1 and 1. The authors show
samples truncated by 0.7 in the first 8 layers.
"""

from typing import NamedTuple

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, leaky_relu

from zerosum.augment import Augment
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import minimax_d, non_saturating_g, probability_notes
from zerosum.nn.convolutional import image_shape
from zerosum.nn.equalised import SLOPE, EqualisedConv2d, EqualisedLinear
from zerosum.nn.fir import blur, fir_kernel
from zerosum.nn.instance_noise import add_instance_noise
from zerosum.nn.mapping import MappingNetwork, mix_styles, truncate_styles
from zerosum.nn.minibatch import AppendStatistic, MinibatchStd
from zerosum.nn.norm import adaptive_instance_norm
from zerosum.nn.resample import doubling_conv2d
from zerosum.noise import FreshNoise, Noise
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Stabilisers, Training, adam, not_negative, positive
from zerosum.regularizers import squared_gradient_norm
from zerosum.schedules import Schedule, constant, linear

BLUR = (1, 2, 1)
"""After doubling and before halving (sec. 2)."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of StyleGAN."""

    latent: int = 512
    """Size of the latent z, standard normal."""
    style: int = 512
    """Size of the style w."""
    mapping_layers: int = 8
    """Layers of the mapping network from z to w."""
    mapping_rate: float = 0.01
    """Learning rate of the mapping network, as a multiple of the generator's."""
    channel_base: int = 16_384
    """Channels of the maps times their resolution, in both players: 64 pixels have channel_base / 64 channels ..."""
    channel_max: int = 512
    """... but never more than this."""
    conditional: bool = False
    """Condition both players on the labels."""
    start_resolution: int = 8
    """Width and height that training begins with, a power of two from 4; the data's own resolution: no growing."""
    stable_images: int = 600_000
    """Images that every resolution is trained on before the next one is added."""
    fade_images: int = 600_000
    """Images over which the next resolution is faded in."""
    minibatch_group: int = 4
    """Examples in which the discriminator measures the minibatch's deviation, or the largest divisor of the batch below."""
    r1_gamma: float = 10.0
    """Weight gamma of the penalty gamma / 2 E[|grad D(x)|^2]; 0: none."""
    mixing: float = 0.9
    """Probability with which layers from a random one on take a second latent's style, in training."""
    style_decay: float = 0.995
    """Share of the old in the moving mean of w, which truncation is towards."""
    stabilisers: Stabilisers = Stabilisers()
    """Cures for instability and mode collapse. The minibatch layer is this family's own."""

    def __post_init__(self) -> None:
        positive(latent=self.latent, style=self.style, mapping_layers=self.mapping_layers, mapping_rate=self.mapping_rate)
        positive(channel_base=self.channel_base, channel_max=self.channel_max, minibatch_group=self.minibatch_group)
        not_negative(r1_gamma=self.r1_gamma, stable_images=self.stable_images, fade_images=self.fade_images)
        for name, share in {"mixing": self.mixing, "style_decay": self.style_decay}.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be in [0, 1], not {share}")
        resolutions(self.start_resolution, "gan.start_resolution")
        if self.stabilisers.minibatch != "none":
            raise ValueError(
                "stabilisers.minibatch: this discriminator measures the minibatch's deviation itself, "
                "set minibatch to none and see gan.minibatch_group"
            )

    def channels(self, resolution: int) -> int:
        """Channels of the maps of that resolution."""
        return max(1, min(self.channel_base // resolution, self.channel_max))


class Stage(NamedTuple):
    """How far the networks have grown."""

    resolution: int
    """The highest one in use."""
    share: float
    """Its share in the image, in (0, 1]; the rest is the resolution below."""


def stage_at(seen: int, start: int, end: int, stable: int, fade: int) -> Stage:
    """The stage after so many images: `start` for `stable`, each doubling faded in over `fade`, then held for `stable`."""
    resolution = start
    seen -= stable
    while resolution < end and (seen > 0 or (seen == 0 and not fade)):
        resolution *= 2
        if seen < fade:
            return Stage(resolution, seen / fade)
        seen -= fade + stable
    return Stage(resolution, 1.0)


class StyledLayer(nn.Module):
    """Convolution (unless it is the first), noise, bias, leaky ReLU, AdaIN.

    Args:
        before: channels; 0 for the first layer, which is given the learned constant.
        up: double the maps, then blur.
    """

    def __init__(self, before: int, after: int, style: int, resolution: int, up: bool = False) -> None:
        super().__init__()
        self.up, self.resolution = up, resolution
        self.conv = EqualisedConv2d(before, after, 3, activate=False, bias=False, gain=2**0.5) if before else None
        self.noise_strength = nn.Parameter(torch.zeros(after))
        self.bias = nn.Parameter(torch.zeros(after))
        self.affine = EqualisedLinear(style, 2 * after)

    def forward(self, maps: Tensor, style: Tensor, noise: Noise | None, kernel: Tensor) -> Tensor:
        """`[N, before, h, w]`, styles w `[N, style]` -> `[N, after, H, W]`; `noise` None adds none."""
        if self.conv is not None:
            weight = self.conv.weight * self.conv.weight_gain
            maps = blur(doubling_conv2d(maps, weight), kernel, 1) if self.up else conv2d(maps, weight, padding=1)
        shift = self.bias[:, None, None]
        if noise is not None:
            shift = shift + noise.normal(1, self.resolution, self.resolution) * self.noise_strength[:, None, None]
        maps = leaky_relu(maps + shift, SLOPE, inplace=True)
        scale, offset = self.affine(style).chunk(2, 1)
        return adaptive_instance_norm(maps, 1 + scale, offset)


class SynthesisBlock(nn.Module):
    """One resolution of the generator: two layers; and, from the first resolution shown on, a 1x1 convolution to the image."""

    def __init__(self, config: Config, before: int, resolution: int, image_channels: int | None) -> None:
        super().__init__()
        after, style = config.channels(resolution), config.style
        self.const = None if before else nn.Parameter(torch.ones(after, resolution, resolution))
        self.layer0 = StyledLayer(before, after, style, resolution, up=bool(before))
        self.layer1 = StyledLayer(after, after, style, resolution)
        self.to_rgb = EqualisedConv2d(after, image_channels, 1, activate=False) if image_channels else None

    def forward(self, maps: Tensor | None, styles: Tensor, noise: Noise | None, kernel: Tensor) -> Tensor:
        """Maps of half the size (None at 4x4), styles `[N, 2, style]` -> maps."""
        if self.const is not None:
            maps = self.const.expand(styles.shape[0], *self.const.shape)
        maps = self.layer0(maps, styles[:, 0], noise, kernel)
        result: Tensor = self.layer1(maps, styles[:, 1], noise, kernel)
        return result


class Generator(nn.Module):
    """The mapping network, and blocks `b4`, `b8` ... up to the resolution, as many as the images seen so far have added."""

    seen: Tensor
    """Images seen, on which the stage depends."""
    kernel: Tensor

    def __init__(self, config: Config, image_channels: int, resolution: int, label_width: int) -> None:
        super().__init__()
        self.start, self.end = min(config.start_resolution, resolution), resolution
        self.phases = config.stable_images, config.fade_images
        self.mapping = MappingNetwork(
            config.latent, label_width, config.style, config.mapping_layers, config.mapping_rate, config.style_decay
        )
        self.blocks = nn.ModuleDict()
        for number, size in enumerate(resolutions(resolution)):
            shown = image_channels if size >= self.start else None
            before = config.channels(size // 2) if number else 0
            self.blocks[f"b{size}"] = SynthesisBlock(config, before, size, shown)
        self.num_layers = 2 * len(self.blocks)
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))
        self.register_buffer("kernel", fir_kernel(BLUR), persistent=False)

    def stage(self) -> Stage:
        """How far the networks have grown by now."""
        return stage_at(int(self.seen), self.start, self.end, *self.phases)

    def forward(self, styles: Tensor, noise: Noise | None, stage: Stage) -> Tensor:
        """Styles w+ `[N, num_layers, style]` -> images of the stage's resolution, `[N, C, H, W]`, around [-1, 1]."""
        maps: Tensor | None = None
        image: Tensor | None = None
        for number, block in enumerate(self.in_order()):
            maps = block(maps, styles[:, 2 * number : 2 * number + 2], noise, self.kernel)
            size = maps.shape[-1]
            if block.to_rgb is not None and (size == stage.resolution or (2 * size == stage.resolution and stage.share < 1)):
                new = block.to_rgb(maps)
                image = new if image is None else torch.lerp(doubled(image).to(new.dtype), new, stage.share)
            if size == stage.resolution:
                break
        assert image is not None
        return image

    def in_order(self) -> list[SynthesisBlock]:
        """The blocks from 4x4 upwards."""
        return [block for block in self.blocks.values() if isinstance(block, SynthesisBlock)]

    def spread(self, styles: Tensor) -> Tensor:
        """Styles `[N, style]` for every layer: `[N, num_layers, style]`."""
        return styles.unsqueeze(1).expand(-1, self.num_layers, -1)


class DiscriminatorBlock(nn.Module):
    """One resolution of the discriminator: a convolution, and one that halves the blurred maps."""

    def __init__(self, config: Config, resolution: int, image_channels: int | None) -> None:
        super().__init__()
        before, after = config.channels(resolution), config.channels(resolution // 2)
        self.from_rgb = EqualisedConv2d(image_channels, before, 1) if image_channels else None
        self.conv0 = EqualisedConv2d(before, before, 3)
        self.conv1 = EqualisedConv2d(before, after, 3, resample="mean")

    def forward(self, maps: Tensor, kernel: Tensor) -> Tensor:
        """`[N, C, H, W]` -> maps of half the size."""
        halved: Tensor = self.conv1(blur(self.conv0(maps), kernel, 1))
        return halved


class DiscriminatorEnd(nn.Module):
    """From 4x4 maps to scores: the minibatch's deviation, a convolution, two linear layers."""

    def __init__(self, config: Config, image_channels: int | None, label_width: int) -> None:
        super().__init__()
        width = config.channels(4)
        self.from_rgb = EqualisedConv2d(image_channels, width, 1) if image_channels else None
        self.minibatch = AppendStatistic(MinibatchStd(config.minibatch_group), 1)
        self.conv = EqualisedConv2d(width + 1, width, 3)
        self.fc = EqualisedLinear(width * 16, width, activate=True)
        self.out = EqualisedLinear(width, max(label_width, 1))

    def forward(self, maps: Tensor, label: Tensor | None) -> Tensor:
        """Maps `[N, C, 4, 4]` -> scores `[N]`; with labels `[N, L]` the products of label and scores of each, summed."""
        scores: Tensor = self.out(self.fc(self.conv(self.minibatch(maps)).flatten(1)))
        return scores.squeeze(1) if label is None else (scores * label).sum(1)


class Discriminator(nn.Module):
    """Blocks `b64`, `b32` ... down to `b8` and the end `b4`, from the stage's resolution on."""

    kernel: Tensor

    def __init__(self, config: Config, image_channels: int, resolution: int, label_width: int) -> None:
        super().__init__()
        start = min(config.start_resolution, resolution)
        self.blocks = nn.ModuleDict()
        for size in resolutions(resolution)[:0:-1]:
            self.blocks[f"b{size}"] = DiscriminatorBlock(config, size, image_channels if size >= start else None)
        self.end = DiscriminatorEnd(config, image_channels if start == 4 else None, label_width)
        self.register_buffer("kernel", fir_kernel(BLUR), persistent=False)

    def forward(self, images: Tensor, label: Tensor | None, share: float = 1.0) -> Tensor:
        """Images of the stage's resolution `[N, C, H, W]`, labels `[N, L]` if conditional, its share -> scores `[N]`."""
        size = images.shape[-1]
        maps = self._from_rgb(size)(images)
        while size > 4:
            maps = self.blocks[f"b{size}"](maps, self.kernel)
            size //= 2
            if share < 1 and 2 * size == images.shape[-1]:
                maps = torch.lerp(self._from_rgb(size)(avg_pool2d(images, 2)), maps, share)
        scores: Tensor = self.end(maps, label)
        return scores

    def _from_rgb(self, size: int) -> EqualisedConv2d:
        block = self.end if size == 4 else self.blocks[f"b{size}"]
        assert isinstance(block.from_rgb, EqualisedConv2d)
        return block.from_rgb


class StyleGAN(GAN):
    """The game of StyleGAN.

    Raises:
        ValueError: the data has no images, of a resolution that is no power of two from 4, or no labels to condition on.
    """

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        channels, self.resolution = image_shape(shapes)
        resolutions(self.resolution, "data.resolution")
        if config.conditional and "label" not in shapes:
            raise ValueError(
                "gan.conditional needs labels, but the data has none: give data with classes, or data.labels columns"
            )
        self.given = frozenset({"label"} if config.conditional else ())
        self.needs = self.given | {"image"}
        label_width = shapes["label"][0] if config.conditional else 0
        self.generator = Generator(config, channels, self.resolution, label_width)
        self.discriminator = Discriminator(config, channels, self.resolution, label_width)
        self.augment = Augment(config.stabilisers, shapes["image"])

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def turns(self) -> list[Turn]:
        penalised = self.config.r1_gamma > 0
        discriminator = Turn("discriminator", self.discriminator_loss, project=self.augment.adapt, second_order=penalised)
        return [discriminator, Turn("generator", self.generator_loss, project=self.grow)]

    def grow(self, images: int) -> None:
        """Take note of so many more images seen."""
        self.generator.seen += images

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        return self.synthesise(self.latents(given, noise), given, noise)

    def latents(self, given: Batch, noise: Noise) -> Tensor:
        """Styles w+ `[N, layers, style]`, at first the same in every layer."""
        return self.generator.spread(self.generator.mapping(noise.normal(self.config.latent), self._label(given)))

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        """Images in [-1, 1] of styles w+ `[N, layers, style]`, of the present stage, enlarged to the full resolution."""
        images = self.generator(latents, noise, self.generator.stage()).clamp(-1, 1)
        return interpolate(images, self.resolution) if images.shape[-1] < self.resolution else images

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        """Styles at a share `truncation` of their way from the mean style, in the first `layers` or all."""
        return truncate_styles(latents, self.generator.mapping.w_avg, truncation, layers)

    def latent_weights(self) -> list[Tensor]:
        """The affine weights `[2 channels, style]` of every layer."""
        layers = [layer for block in self.generator.in_order() for layer in (block.layer0, block.layer1)]
        return [layer.affine.effective_weight() for layer in layers]

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """E[softplus(-D(x))] + E[softplus(D(G(z)))] + gamma / 2 E[|grad D(x)|^2]."""
        stage, gamma = self.generator.stage(), self.config.r1_gamma
        images = shown_at(batch["image"], stage).detach().requires_grad_(gamma > 0)
        real = self._score(images, batch, progress, stage)
        fake = self._score(self._fakes(batch, stage), batch, progress, stage)
        terms = {"adversarial": minimax_d(real, fake, self.config.stabilisers.label_smoothing)}
        if gamma:
            # The authors' images are enlarged to the full size, over whose f^2 pixels a pixel's gradient is spread.
            spread = (self.resolution / stage.resolution) ** 2
            terms["r1"] = gamma / 2 * squared_gradient_norm(real, images).mean() / spread
        growth = {"resolution": stage.resolution - (1 - stage.share) * stage.resolution / 2}
        notes = {name: torch.tensor(float(value), device=real.device) for name, value in growth.items()}
        return Loss(terms, probability_notes(real, fake) | self.augment.observe(real) | notes)

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """E[softplus(-D(G(z)))]."""
        stage = self.generator.stage()
        fakes = self._fakes(batch, stage, track=True)
        return Loss({"adversarial": non_saturating_g(self._score(fakes, batch, progress, stage))})

    def _fakes(self, batch: Batch, stage: Stage, track: bool = False) -> Tensor:
        """As many generated images as there are real ones, mixed as in training; `track`: follow the mean style."""
        generator, label = self.generator, self._label(batch)
        noise = FreshNoise(len(batch["image"]), batch["image"].device)
        styles = generator.mapping(noise.normal(self.config.latent), label)
        if track:
            generator.mapping.track(styles)
        mixed = generator.spread(styles)
        if self.config.mixing:
            others = generator.spread(generator.mapping(noise.normal(self.config.latent), label))
            mixed = mix_styles(mixed[:, : num_layers(stage)], others[:, : num_layers(stage)], self.config.mixing)
        images: Tensor = generator(mixed, noise, stage)
        return images

    def _label(self, given: Batch) -> Tensor | None:
        return given["label"] if self.config.conditional else None

    def _score(self, images: Tensor, given: Batch, progress: float, stage: Stage) -> Tensor:
        cures = self.config.stabilisers
        noisy = add_instance_noise(self.augment(images), cures.instance_noise, cures.instance_noise_until, progress)
        scores: Tensor = self.discriminator(noisy, self._label(given), stage.share)
        return scores


def doubled(images: Tensor) -> Tensor:
    """Twice the size by nearest neighbours: `[N, C, H, W]` -> `[N, C, 2H, 2W]`."""
    return interpolate(images, scale_factor=2.0)


def shown_at(images: Tensor, stage: Stage) -> Tensor:
    """Real images at the stage's resolution, faded like the generated ones: `[N, C, H, W]` -> `[N, C, h, w]`."""
    factor = images.shape[-1] // stage.resolution
    small = avg_pool2d(images, factor) if factor > 1 else images
    return small if stage.share == 1 else torch.lerp(doubled(avg_pool2d(small, 2)), small, stage.share)


def num_layers(stage: Stage) -> int:
    """Layers of the generator in use."""
    return 2 * len(resolutions(stage.resolution))


def resolutions(resolution: int, name: str = "data.resolution") -> list[int]:
    """4, 8 ... up to the resolution.

    Raises:
        ValueError: it is not a power of two from 4.
    """
    if resolution < 4 or resolution & (resolution - 1):
        raise ValueError(f"this network needs a {name} that is a power of two from 4 (4, 8, 16 ...), not {resolution}")
    return [2**power for power in range(2, resolution.bit_length())]


def _recipe(resolution: int, rate: Schedule) -> Recipe:
    return Recipe(
        family="stylegan",
        gan=Config(),
        data=Data(resolution=resolution, colour="rgb", mirror=True),
        optimisers={"generator": adam(rate, 0.0, 0.99), "discriminator": adam(rate, 0.0, 0.99)},
        train=Training(images=25_000_000, batch=32),
        average=Average(half_life=constant(10_000)),
        jobs=Jobs(log_every=4_000, sample_every=200_000, checkpoint_every=1_000_000),
    )


def ffhq1024() -> Recipe:
    """The authors' FFHQ: 1024x1024 from 8x8, rate 0.001 rising to 0.003 from 128 to 512 pixels, 25 million images."""
    return _recipe(1024, linear(0.001, 0.003, over=3_000_000, delay=3_600_000))


def ffhq256() -> Recipe:
    """The same at 256x256, rate 0.001 rising to 0.002."""
    return _recipe(256, linear(0.001, 0.002, over=1_800_000, delay=3_600_000))


def cpu() -> Recipe:
    """Garments in about fifteen minutes on one core: 32x32 from 8x8, narrow networks, two mapping layers."""
    images = 200_000
    player = adam(linear(0.01, 0, over=images), 0.0, 0.9)
    return Recipe(
        family="stylegan",
        gan=Config(
            latent=64,
            style=64,
            mapping_layers=2,
            mapping_rate=0.1,
            channel_base=256,
            channel_max=32,
            stable_images=9_600,
            fade_images=9_600,
            r1_gamma=0.01,
            mixing=0.0,
        ),
        data=Data(resolution=32),
        optimisers={"generator": player, "discriminator": player},
        train=Training(images=images, batch=16),
        average=Average(half_life=constant(4_000), ramp_up=0.05),
        jobs=Jobs(log_every=800, sample_every=8_000, checkpoint_every=16_000),
    )


def tiny() -> Recipe:
    """16x16 from 8x8 with classes in seconds: to see that everything works."""
    return Recipe(
        family="stylegan",
        gan=Config(
            latent=16,
            style=16,
            mapping_layers=2,
            channel_base=128,
            channel_max=16,
            conditional=True,
            stable_images=16,
            fade_images=32,
            r1_gamma=0.1,
        ),
        data=Data(resolution=16),
        optimisers={"generator": adam(0.0025, 0.0, 0.99), "discriminator": adam(0.0025, 0.0, 0.99)},
        train=Training(images=16 * 16, batch=16),
        average=Average(half_life=constant(64)),
        jobs=Jobs(log_every=64, sample_every=128, checkpoint_every=128, num_samples=16),
    )
