"""R3GAN: a relativistic game with both gradient penalties, which lets networks be plain modern residual ones.

Huang, Gokaslan, Kuleshov & Tompkin 2024, "The GAN is dead; long live the GAN! A modern GAN baseline" (arXiv 2501.05441). On
pairs of a real image x and a generated one G(z) the discriminator lowers

    E[softplus(-(D(x) - D(G(z))))] + gamma / 2 (E[|grad D(x)|^2] + E[|grad D(G(z))|^2]),

and the generator E[softplus(-(D(G(z)) - D(x)))]. Without the pairing, modes are lost; without both penalties, R1 and R2,
the paired game need not converge (sec. 2). Generator and discriminator mirror each other: at every resolution bottleneck
blocks, 1x1, grouped 3x3, 1x1, with biased leaky ReLUs and no normalisation; the last weights of a block start at zero, the
others at L^(-1/4) of their usual scale for L blocks (Fixup, sec. 3.4). Resolutions are changed by a small filter and a 1x1
convolution where channels change.

Faithful to the official networks (weights map one to one; same images, scores, losses, penalties and gradients) and to its
settings, one recipe each: schedules, widths, batches and mirroring. Different here: the discriminator moves before the
generator; generated images take the labels of the batch; the augmentation is our `ada`, without its cutout and with equal
probabilities for colours; lengths are the paper's where known (CIFAR-10 250 M images, ImageNet 1,000 M), else long enough
for the schedules. The discriminator sees images as the generator gives them; samples are clamped to [-1, 1].
"""

from itertools import pairwise
from math import sqrt
from typing import TypeVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from zerosum.augment import Augment, centred
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import relativistic_d, relativistic_g, score_notes
from zerosum.nn.convolutional import image_shape
from zerosum.nn.fir import downsample, fir_kernel, upsample
from zerosum.nn.instance_noise import add_instance_noise
from zerosum.nn.twice import TwiceConv2d, leaky
from zerosum.noise import FreshNoise, Noise, truncated
from zerosum.recipe import (
    STRICT,
    Average,
    Data,
    GANConfig,
    Jobs,
    Recipe,
    Stabilisers,
    Training,
    adam,
    not_negative,
    positive,
)
from zerosum.regularizers import squared_gradient_norm
from zerosum.schedules import Schedule, constant, cosine, linear

SLOPE = 0.2
"""Of the leaky ReLUs for negative values."""
Layer = TypeVar("Layer", TwiceConv2d, nn.Linear)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of R3GAN. The tuples have a value for each resolution from 4x4 upwards, for both networks."""

    latent: int = 64
    """Size of the latent, standard normal."""
    widths: tuple[int, ...] = (768, 768, 768, 768)
    """Channels at 4x4, 8x8 ... up to the images' resolution."""
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    """Residual blocks at each resolution."""
    cardinality: tuple[int, ...] = (96, 96, 96, 96)
    """Groups of the grouped convolutions at each resolution."""
    expansion: int = 2
    """Channels inside a block, as a multiple of its width."""
    kernel: int = 3
    """Size of the grouped convolutions, odd."""
    resampling: tuple[float, ...] = (1, 2, 1)
    """Taps of the filter against aliasing, symmetric and odd in number; the box that doubling and halving mean comes on top."""
    conditional: bool = False
    """Condition on the labels: embedded beside the generator's latent, and projected on in the discriminator."""
    generator_embedding: int = 64
    """Of conditional: size of the label's embedding in the generator."""
    discriminator_embedding: int = 768
    """Of conditional: size of the label's embedding in the discriminator."""
    gamma: Schedule = cosine(0.05, 0.005, over=2e7)
    """Weight of the penalties: a number, or a schedule over the real images that the discriminator was updated by."""
    penalty_every: int = 1
    """Penalise on every n-th step only, n times as strongly (lazy regularisation); the paper does on every step."""
    stabilisers: Stabilisers = Stabilisers()
    """Cures for instability and mode collapse."""

    def __post_init__(self) -> None:
        positive(latent=self.latent, expansion=self.expansion, penalty_every=self.penalty_every)
        positive(generator_embedding=self.generator_embedding, discriminator_embedding=self.discriminator_embedding)
        not_negative(gamma=min(self.gamma.start, self.gamma.end))
        if not self.widths or not len(self.widths) == len(self.blocks) == len(self.cardinality):
            raise ValueError(
                "gan.widths, gan.blocks and gan.cardinality need one value for each resolution from 4x4 upwards, but have "
                f"{len(self.widths)}, {len(self.blocks)} and {len(self.cardinality)}"
            )
        for width, blocks, groups in zip(self.widths, self.blocks, self.cardinality, strict=True):
            positive(widths=width, blocks=blocks, cardinality=groups)
            if width * self.expansion % groups:
                inner = f"{width} x {self.expansion} = {width * self.expansion}"
                raise ValueError(f"gan.cardinality {groups} does not divide the {inner} channels inside a block of that width")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise ValueError(f"gan.kernel must be odd, not {self.kernel}: 1, 3, 5 ...")
        if len(self.resampling) % 2 == 0 or self.resampling != self.resampling[::-1] or not sum(self.resampling):
            raise ValueError(
                "gan.resampling must be symmetric, odd in number and not sum up to 0, such as 1 2 1, not "
                + " ".join(f"{tap:g}" for tap in self.resampling)
            )
        if self.stabilisers.minibatch != "none":
            raise ValueError(
                f"stabilisers.minibatch {self.stabilisers.minibatch} mixes the examples of a batch, but the gradient penalties "
                "are one per example: set it to none, or take another family"
            )
        if self.stabilisers.label_smoothing:
            raise ValueError("label_smoothing is for cross-entropy losses, this one is relativistic: set label_smoothing to 0")


class Block(nn.Module):
    """x + W3 a(W2 a(W1 x + b1) + b2), W2 grouped, a a leaky ReLU; W3 starts at zero, so the block as the identity.

    Args:
        num_blocks: of the whole network, by which the first weights are scaled down.
    """

    def __init__(self, width: int, cardinality: int, expansion: int, kernel: int, num_blocks: int) -> None:
        super().__init__()
        inner = width * expansion
        gain = sqrt(2 / (1 + SLOPE**2)) * num_blocks**-0.25
        self.widen = scaled(TwiceConv2d(width, inner, bias=True), gain)
        self.mix = scaled(TwiceConv2d(inner, inner, kernel, cardinality, bias=True), gain)
        self.narrow = scaled(TwiceConv2d(inner, width), 0.0)

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, width, H, W]`, the same out."""
        residual: Tensor = self.narrow(leaky(self.mix(leaky(self.widen(maps), SLOPE)), SLOPE))
        return maps + residual


class Resample(nn.Module):
    """Twice or half the resolution, with a 1x1 convolution on the smaller side where channels change."""

    kernel: Tensor

    def __init__(self, before: int, after: int, taps: tuple[float, ...], up: bool) -> None:
        super().__init__()
        # Doubling repeats every place twice, halving means two: the box filter [1, 1].
        boxed = [left + right for left, right in zip((0.0, *taps), (*taps, 0.0), strict=True)]
        self.register_buffer("kernel", fir_kernel(boxed), persistent=False)
        self.up = up
        self.change = scaled(TwiceConv2d(before, after)) if before != after else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, before, H, W]` -> `[N, after, 2H, 2W]` or `[N, after, H / 2, W / 2]`."""
        if self.up:
            return upsample(self.change(maps), self.kernel)
        changed: Tensor = self.change(downsample(maps, self.kernel))
        return changed


class Generator(nn.Module):
    """A learnt 4x4 basis, its channels scaled by a linear map of latent and label, then blocks and doublings up to the image.

    Args:
        channels: of the images.
        label_width: L, the length of one label; 0 for none.
    """

    def __init__(self, config: Config, channels: int, label_width: int) -> None:
        super().__init__()
        widths, embedding = config.widths, config.generator_embedding if label_width else 0
        self.embed = scaled(nn.Linear(label_width, embedding, bias=False)) if label_width else None
        self.basis = nn.Parameter(torch.randn(widths[0], 4, 4))
        self.modulate = scaled(nn.Linear(config.latent + embedding, widths[0], bias=False))
        layers = stages(config)
        for level, (before, after) in enumerate(pairwise(widths)):
            layers[level].append(Resample(before, after, config.resampling, up=True))
        self.layers = nn.Sequential(*(layer for stage in layers for layer in stage))
        self.to_image = scaled(TwiceConv2d(widths[-1], channels))

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        """`[N, latent]`, and labels `[N, L]` if conditional -> images `[N, C, H, W]`, about in [-1, 1]."""
        style = latent if self.embed is None else torch.cat([latent, self.embed(label)], 1)
        images: Tensor = self.to_image(self.layers(self.basis * self.modulate(style)[:, :, None, None]))
        return images


class Discriminator(nn.Module):
    """The generator backwards: blocks and halvings down to 4x4, then its inner product with a basis, channel by channel.

    The score is a linear map of these products, or with labels its projection on the label's embedding (Miyato & Koyama 2018).

    Args:
        channels: of the images.
        label_width: L, the length of one label; 0 for none.
    """

    def __init__(self, config: Config, channels: int, label_width: int) -> None:
        super().__init__()
        widths, embedding = config.widths[::-1], config.discriminator_embedding
        self.from_image = scaled(TwiceConv2d(channels, widths[0]))
        layers = stages(config)[::-1]
        for level, (before, after) in enumerate(pairwise(widths)):
            layers[level].append(Resample(before, after, config.resampling, up=False))
        self.layers = nn.Sequential(*(layer for stage in layers for layer in stage))
        self.basis = nn.Parameter(torch.randn(widths[-1], 4, 4) / 4)
        self.score = scaled(nn.Linear(widths[-1], embedding if label_width else 1, bias=False))
        self.embed = scaled(nn.Linear(label_width, embedding, bias=False), embedding**-0.5) if label_width else None

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """`[N, C, H, W]`, and labels `[N, L]` if conditional -> scores `[N]`."""
        products = (self.layers(self.from_image(images)) * self.basis).sum((2, 3))
        scores: Tensor = self.score(products)
        return scores.squeeze(1) if self.embed is None else (scores * self.embed(label)).sum(1)


class Penalty(nn.Module):
    """The penalties' weight gamma at the real images that the discriminator was updated by, saved with the networks."""

    seen: Tensor

    def __init__(self, gamma: Schedule) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def forward(self, scores: Tensor, images: Tensor) -> dict[str, Tensor]:
        """The terms gamma / 2 E[|grad D|^2] on the first half of the images, real ones (R1), and on the generated rest (R2)."""
        real, fake = squared_gradient_norm(scores, images).chunk(2)
        weight = self.gamma(self.seen.item()) / 2
        return {"r1": weight * real.mean(), "r2": weight * fake.mean()}


class R3GAN(GAN):
    """The game of R3GAN.

    Raises:
        ValueError: the data has no images, of another resolution than there are widths for, or no labels to condition on.
    """

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        channels, resolution = image_shape(shapes)
        if resolution != 4 << (len(config.widths) - 1):
            raise ValueError(
                f"gan.widths, blocks and cardinality have {len(config.widths)} values, one for each doubling from 4x4, which "
                f"makes {4 << (len(config.widths) - 1)} pixels, but the images have {resolution}: set data.resolution, or give "
                "n values for 4 x 2^(n - 1) pixels"
            )
        if config.conditional and "label" not in shapes:
            raise ValueError(
                "gan.conditional needs labels, but the data has none: give data with classes, or data.labels columns"
            )
        self.given = frozenset({"label"} if config.conditional else ())
        self.needs = self.given | {"image"}
        label_width = shapes["label"][0] if config.conditional else 0
        self.generator = Generator(config, channels, label_width)
        self.discriminator = Discriminator(config, channels, label_width)
        self.penalty = Penalty(config.gamma)
        self.augment = Augment(config.stabilisers, shapes["image"])

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def turns(self) -> list[Turn]:
        often = self.config.penalty_every == 1
        discriminator = Turn("discriminator", self.discriminator_loss, project=self.advance, second_order=often)
        generator = Turn("generator", self.generator_loss)
        if often:
            return [discriminator, generator]
        lazy = Turn("discriminator", self.penalty_loss, every=self.config.penalty_every, second_order=True)
        return [discriminator, lazy, generator]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        return self.synthesise(self.latents(given, noise), given, noise)

    def latents(self, given: Batch, noise: Noise) -> Tensor:
        return noise.normal(self.config.latent)

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        images: Tensor = self.generator(latents, *self._label(given))
        return images.clamp(-1, 1)

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        return truncated(latents, "normal", truncation)

    def latent_weights(self) -> list[Tensor]:
        return [self.generator.modulate.weight[:, : self.config.latent]]

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """E[softplus(D(G(z)) - D(x))], and the penalties if they are played on every step."""
        images, often = self._both(batch), self.config.penalty_every == 1
        scores = self._score(images.requires_grad_(often), batch, progress)
        real, fake = scores.chunk(2)
        terms = {"adversarial": relativistic_d(real, fake)} | (self.penalty(scores, images) if often else {})
        return Loss(terms, score_notes(real, fake) | self.augment.observe(centred(real, fake)))

    def penalty_loss(self, batch: Batch, progress: float) -> Loss:
        """gamma / 2 (E[|grad D(x)|^2] + E[|grad D(G(z))|^2])."""
        images = self._both(batch).requires_grad_()
        return Loss(self.penalty(self._score(images, batch, progress), images))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """E[softplus(D(x) - D(G(z)))]."""
        fakes = self._fakes(batch)
        with torch.no_grad():
            real = self._score(batch["image"], batch, progress)
        return Loss({"adversarial": relativistic_g(real, self._score(fakes, batch, progress))})

    def advance(self, images: int) -> None:
        """Take note of an update of the discriminator by so many real images."""
        self.penalty.seen += images
        self.augment.adapt(images)

    def _label(self, given: Batch) -> list[Tensor]:
        return [given["label"]] if self.config.conditional else []

    def _fakes(self, batch: Batch) -> Tensor:
        """As many images as in the batch, with its labels, as the generator gives them."""
        noise = FreshNoise(len(batch["image"]), batch["image"].device)
        fakes: Tensor = self.generator(self.latents(batch, noise), *self._label(batch))
        return fakes

    def _both(self, batch: Batch) -> Tensor:
        """Real, then generated images `[2N, C, H, W]`: no layer looks at the batch, so both go through as one."""
        with torch.no_grad():
            return torch.cat([batch["image"], self._fakes(batch)])

    def _score(self, images: Tensor, given: Batch, progress: float) -> Tensor:
        """Scores of what the discriminator is shown of images, which may be several times as many as there are labels."""
        cures = self.config.stabilisers
        noisy = add_instance_noise(self.augment(images), cures.instance_noise, cures.instance_noise_until, progress)
        scores: Tensor = self.discriminator(
            noisy, *(label.repeat(len(images) // len(label), 1) for label in self._label(given))
        )
        return scores


def stages(config: Config) -> list[list[nn.Module]]:
    """The residual blocks of a network for each resolution from 4x4 upwards."""
    inner, num_blocks = (config.expansion, config.kernel), sum(config.blocks)
    return [
        [Block(width, groups, *inner, num_blocks) for _ in range(blocks)]
        for width, blocks, groups in zip(config.widths, config.blocks, config.cardinality, strict=True)
    ]


def scaled(layer: Layer, gain: float = 1.0) -> Layer:
    """The layer with weights N(0, gain^2 / inputs) and zero biases (He et al. 2015, eq. 10)."""
    nn.init.normal_(layer.weight, 0, gain / sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def cifar10() -> Recipe:
    """The official preset CIFAR10: 32x32 with classes, batch 512, gamma 0.05 to 0.005, schedules over 20 M images."""
    return _official(32, 512, gamma=0.05, augment=0.55, half_life=5e6, classes=True, images=250_000_000)


def ffhq64() -> Recipe:
    """The official preset FFHQ-64: faces of 64x64, batch 256, gamma 2 to 0.2, schedules over 20 M images."""
    return _official(64, 256, gamma=2.0, augment=0.3, half_life=5e5, images=100_000_000)


def ffhq256() -> Recipe:
    """The official preset FFHQ-256: faces of 256x256, batch 256, gamma 150 to 15, schedules over 20 M images."""
    return _official(256, 256, gamma=150.0, augment=0.3, half_life=5e5, images=100_000_000)


def imagenet32() -> Recipe:
    """The official preset ImageNet-32: with classes, twice as wide, batch 4096, gamma 0.5 to 0.05, schedules over 200 M."""
    return _official(32, 4096, gamma=0.5, augment=0.5, half_life=5e7, classes=True, images=10**9, width=1536, over=2e8)


def imagenet64() -> Recipe:
    """The official preset ImageNet-64: with classes, twice as wide, batch 4096, gamma 1 to 0.1, schedules over 200 M images."""
    return _official(64, 4096, gamma=1.0, augment=0.4, half_life=5e7, classes=True, images=10**9, width=1536, over=2e8)


def _official(
    resolution: int,
    batch: int,
    *,
    gamma: float,
    augment: float,
    half_life: float,
    images: int,
    classes: bool = False,
    width: int = 768,
    over: float = 2e7,
) -> Recipe:
    """What the presets share; above 32 pixels, without classes, the widths and groups halve."""
    # Of FFHQ, the maps above 32 pixels are narrower; of ImageNet, all are equally wide.
    shares = [1 if classes else max(1, (4 << level) // 32) for level in range(resolution.bit_length() - 2)]
    rate = cosine(2e-4, 5e-5, over=over)
    player = adam(rate, 0.0, cosine(0.9, 0.99, over=over))
    return Recipe(
        family="r3gan",
        gan=Config(
            latent=64,
            widths=tuple(width // share for share in shares),
            blocks=(2,) * len(shares),
            cardinality=tuple(96 // share for share in shares),
            conditional=classes,
            generator_embedding=64,
            discriminator_embedding=width,
            gamma=cosine(gamma, gamma / 10, over=over),
            stabilisers=Stabilisers(augment="ada", augment_schedule=cosine(0, augment, over=over)),
        ),
        data=Data(resolution=resolution, colour="rgb", mirror=True),
        optimisers={"generator": player, "discriminator": player},
        train=Training(images=images, batch=batch, channels_last=False),
        average=Average(half_life=cosine(0, half_life, over=over)),
        jobs=Jobs(log_every=50 * batch, sample_every=1_000 * batch, checkpoint_every=2_000 * batch),
    )


def cpu() -> Recipe:
    """Garments in a quarter of an hour on one core: 32x32, narrow networks, high rates, penalties on every fourth step."""
    images = 230_000
    rate = linear(4e-3, 0, over=images)
    return Recipe(
        family="r3gan",
        gan=Config(
            latent=64,
            widths=(96, 64, 32, 16),
            blocks=(1, 1, 1, 1),
            cardinality=(6, 4, 2, 1),
            expansion=1,
            gamma=constant(0.02),
            penalty_every=4,
        ),
        data=Data(resolution=32),
        optimisers={"generator": adam(rate, 0.0, 0.9), "discriminator": adam(rate, 0.0, 0.9)},
        train=Training(images=images, batch=16, channels_last=False),
        average=Average(half_life=constant(2_000), ramp_up=0.05),
        jobs=Jobs(log_every=1_600, sample_every=16_000, checkpoint_every=32_000),
    )


def tiny() -> Recipe:
    """16x16 with classes in seconds: to see that everything works."""
    return Recipe(
        family="r3gan",
        gan=Config(
            latent=16,
            widths=(16, 16, 8),
            blocks=(1, 1, 1),
            cardinality=(4, 4, 2),
            conditional=True,
            generator_embedding=8,
            discriminator_embedding=16,
            gamma=cosine(1.0, 0.1, over=16 * 20),
        ),
        data=Data(resolution=16),
        optimisers={"generator": adam(1e-3, 0.0, 0.99), "discriminator": adam(1e-3, 0.0, 0.99)},
        train=Training(images=16 * 20, batch=16, channels_last=False),
        average=Average(half_life=constant(64)),
        jobs=Jobs(log_every=64, sample_every=160, checkpoint_every=160, num_samples=16),
    )
