"""pix2pix: a picture from a picture, learned from pairs: a photograph from a drawing, a map from a view, colours from grey.

Isola et al. 2017, "Image-to-image translation with conditional adversarial networks" (arXiv 1611.07004). The discriminator sees
the source beside the picture, s and t or s and G(s), and lowers (-E[log D(s, t)] - E[log(1 - D(s, G(s)))]) / 2; the generator
lowers -E[log D(s, G(s))] + 100 |t - G(s)| (eq. 4).

The networks are those of the released code: with the authors' weights they give the authors' images and scores. What differs:
each player's turn draws its own dropout, where theirs shows both the same picture; dropout is for training alone, so a picture
is a function of its source; instance norm with gains is what their batch norm is at a batch of one, in training and in their
tests; `luma` is ours.
"""

from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu

from zerosum.data.pairs import LUMA
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import minimax_d, non_saturating_g, probability_notes
from zerosum.nn.translation import (
    SLOPE,
    Norm,
    PatchDiscriminator,
    PlainUNet,
    ResNetGenerator,
    Skip,
    changed,
    has_bias,
    initialise,
    norm,
    smallest_side,
)
from zerosum.noise import Noise, SilentNoise
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Training, adam, not_negative, positive
from zerosum.schedules import constant, linear

FIRST_DROPOUT = 4
"""Level of the U-Net, counted from the outermost, from which on all but the innermost drop out."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of pix2pix."""

    generator: Literal["unet", "resnet", "plain"] = "unet"
    """A U-Net, residual blocks at a quarter of the sides, or both without norms, which keeps colours and draws outlines."""
    width: int = 64
    """Channels of the generator's first maps (ngf)."""
    downs: int = 8
    """Of the U-Net: how often it halves the sides: 8 at 256 pixels, 7 at 128."""
    blocks: int = 9
    """Of resnet and plain: residual blocks, 9 at 256 pixels, 6 at 128."""
    dropout: float = 0.5
    """Share of activations dropped in training: in the U-Net's innermost levels, or in every residual block of resnet."""
    norm: Norm = "instance"
    """Norms of both networks: instance (a batch of one, as in the paper) or batch (larger batches)."""
    spectral: bool = False
    """The discriminator has spectral norm instead, whose gradients do not grow where it wins."""
    discriminator_width: int = 64
    """Channels of the discriminator's first maps (ndf)."""
    layers: int = 3
    """Of the discriminator: its patches are 70 pixels a side at 3, 34 at 2, 16 at 1."""
    l1: float = 100.0
    """Weight of the mean absolute difference of pixels in [-1, 1]."""
    skip: Skip = "none"
    """Pictures are made anew (the paper), or their sources changed: what needs no change is then left as it is, from which
    drawings and short runs gain; needs targets of as many channels."""
    luma: Literal["made", "kept"] = "made"
    """Kept, of colouring: what is made is brought to the source's grey values, so that colours alone are made up."""

    def __post_init__(self) -> None:
        positive(width=self.width, downs=self.downs, blocks=self.blocks, layers=self.layers)
        positive(discriminator_width=self.discriminator_width)
        not_negative(l1=self.l1)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"gan.dropout must be in [0, 1), not {self.dropout}")


class UNet(nn.Module):
    """Strided convolutions down to a few pixels and up again, every level also seeing that of its size on the way down.

    Pictures `[N, inputs, H, W]` to pictures `[N, outputs, H, W]` in [-1, 1]; H and W divisible by 2^downs (2017, sec. 6.1.1).
    """

    def __init__(self, inputs: int, outputs: int, config: Config) -> None:
        super().__init__()
        self.multiple, levels, bias = 2**config.downs, config.downs, has_bias(config.norm, gains=True)
        self.reach = None if config.norm == "instance" else 3 * (self.multiple - 1)
        widths = [config.width * min(2**level, 8) for level in range(levels)]
        self.down, self.down_norm = nn.ModuleList(), nn.ModuleList()
        self.up, self.up_norm, self.drop = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            outermost, innermost = level == 0, level == levels - 1
            below = inputs if outermost else widths[level - 1]
            self.down.append(nn.Conv2d(below, width, 4, 2, 1, bias=bias))
            plain = outermost or innermost
            self.down_norm.append(nn.Identity() if plain else norm(config.norm, width, gains=True))
            above, made = width if innermost else 2 * width, outputs if outermost else below
            self.up.append(nn.ConvTranspose2d(above, made, 4, 2, 1, bias=bias or outermost))
            self.up_norm.append(nn.Identity() if outermost else norm(config.norm, made, gains=True))
            drops = level >= FIRST_DROPOUT and not innermost
            self.drop.append(nn.Dropout(config.dropout) if drops else nn.Identity())
        initialise(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures in [-1, 1]."""
        known, maps = list[Tensor](), pictures
        for level, (layer, scaled) in enumerate(zip(self.down, self.down_norm, strict=True)):
            maps = scaled(layer(maps if level == 0 else leaky_relu(maps, SLOPE)))
            known.append(maps)
        maps = known.pop()
        for level in reversed(range(len(self.up))):
            maps = self.drop[level](self.up_norm[level](self.up[level](relu(maps))))
            if level:
                maps = torch.cat([known.pop(), maps], 1)
        return maps.tanh()


class Pix2Pix(GAN):
    """The game of pix2pix.

    Raises:
        ValueError: the data has no sources and targets of one size, or their sides do not fit the networks.
    """

    needs = frozenset({"source", "target"})
    given = frozenset({"source"})
    makes = "target"
    scale = 1

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        inputs, outputs, side = read_shapes(shapes)
        if config.luma == "kept" and (inputs, outputs) != (1, 3):
            raise ValueError(
                "gan.luma kept is for grey sources and coloured targets: set data.kind colouring, or gan.luma made"
            )
        if config.skip == "source" and inputs != outputs:
            raise ValueError(
                f"gan.skip source needs targets of as many channels as sources, but they have {outputs} and {inputs}: set "
                "data.colour rgb, or gan.skip none"
            )
        self.generator = make_generator(config, inputs, outputs)
        self.multiple, self.reach = self.generator.multiple, self.generator.reach
        check_side(side, self.multiple, config)
        norm = "spectral" if config.spectral else config.norm
        self.discriminator = PatchDiscriminator(inputs + outputs, config.discriminator_width, config.layers, norm, gains=True)

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def turns(self) -> list[Turn]:
        return [Turn("discriminator", self.discriminator_loss), Turn("generator", self.generator_loss)]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        """Pictures `[N, C, H, W]` of the sources given; only in training there is something random in them, the dropout.

        In [-1, 1], but for luma that is kept, which may lead a little out of it.
        """
        source = given["source"]
        made: Tensor = self.generator(source)
        if self.config.skip == "source":
            made = changed(source, made)
        return made if self.config.luma == "made" else made + (source - luma_of(made))

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """(-E[log D(s, t)] - E[log(1 - D(s, G(s)))]) / 2."""
        with torch.no_grad():
            made = self._made(batch)
        real, fake = self._score(batch, batch["target"]), self._score(batch, made)
        return Loss({"adversarial": minimax_d(real, fake) / 2}, probability_notes(real, fake))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[log D(s, G(s))] + l1 |t - G(s)|."""
        made, weight = self._made(batch), self.config.l1
        terms = {"adversarial": non_saturating_g(self._score(batch, made))}
        if weight:
            terms["l1"] = weight * (made - batch["target"]).abs().mean()
        return Loss(terms)

    def _made(self, batch: Batch) -> Tensor:
        return self.sample({"source": batch["source"]}, SilentNoise(len(batch["source"])))

    def _score(self, batch: Batch, pictures: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(torch.cat([batch["source"], pictures], 1))
        return scores


def luma_of(pictures: Tensor) -> Tensor:
    """The grey values `[N, 1, H, W]` of colours `[N, 3, H, W]`, both in [-1, 1]."""
    return (pictures * pictures.new_tensor(LUMA).reshape(3, 1, 1)).sum(1, keepdim=True)


def make_generator(config: Config, inputs: int, outputs: int) -> UNet | ResNetGenerator | PlainUNet:
    """The generator that the settings ask for."""
    if config.generator == "unet":
        return UNet(inputs, outputs, config)
    if config.generator == "plain":
        return PlainUNet(inputs, outputs, config.width, [1] * config.blocks)
    return ResNetGenerator(inputs, outputs, config.width, config.blocks, config.norm, True, config.dropout)


def read_shapes(shapes: Shapes) -> tuple[int, int, int]:
    """Channels of sources and of targets, and the side of both.

    Raises:
        ValueError: no sources and targets, or not of one size.
    """
    if not {"source", "target"} <= set(shapes):
        raise ValueError(
            f"this family learns from pairs of source and target, but the data has only {', '.join(sorted(shapes))}: "
            "set data.kind pairs, or colouring"
        )
    (inputs, *size), (outputs, *wanted) = shapes["source"], shapes["target"]
    if size != wanted:
        raise ValueError(f"sources of {size} and targets of {wanted} pixels: they must be of one size; set data.scale 1")
    return inputs, outputs, size[0]


def check_side(side: int, multiple: int, config: Config) -> None:
    """Refuse sides that the networks cannot halve as often as they do.

    Raises:
        ValueError: which setting would fit.
    """
    if side % multiple:
        raise ValueError(
            f"the generator needs sides divisible by {multiple}, but data.resolution is {side}: choose another, or fewer "
            "gan.downs"
        )
    if side < smallest_side(config.layers):
        raise ValueError(
            f"a discriminator of {config.layers} layers needs {smallest_side(config.layers)} pixels a side, but "
            f"data.resolution is {side}: choose fewer gan.layers"
        )


def facades() -> Recipe:
    """The paper's facades from labels: 200 passes of 400 pairs, one at a time, jitter and mirroring (sec. 6.2)."""
    data = Data(kind="pairs", resolution=256, jitter=30, mirror=True, colour="rgb", held_out=0)
    return _recipe(Config(), data, Training(images=80_000, batch=1), 40_000)


def edges() -> Recipe:
    """The paper's photographs from edges: 15 passes of 50,000 pairs of shoes, 4 at a time (sec. 6.2)."""
    data = Data(kind="pairs", resolution=256, colour="rgb")
    return _recipe(Config(norm="batch"), data, Training(images=750_000, batch=4), 375_000)


def colour() -> Recipe:
    """Colours for grey photographs of any folder, as many images as the paper's 6 passes of ImageNet (sec. 6.2)."""
    data = Data(kind="colouring", resolution=256, jitter=30, mirror=True, colour="rgb")
    return _recipe(Config(norm="batch", luma="kept"), data, Training(images=7_200_000, batch=4), 3_600_000)


def cpu() -> Recipe:
    """Pairs of 64 x 64 pixels, on a CPU."""
    return _small(_narrow(), Data(kind="pairs", resolution=64, colour="rgb", mirror=True, jitter=4))


def cpu_colour() -> Recipe:
    """Colours for grey pictures of 64 x 64 pixels, on a CPU."""
    data = Data(path="emoji", kind="colouring", resolution=64, colour="rgb", mirror=True, jitter=4)
    return _small(_narrow(luma="kept"), data)


def tiny() -> Recipe:
    """A check that everything runs, in a second or two."""
    return Recipe(
        family="pix2pix",
        gan=Config(width=4, downs=4, discriminator_width=4, layers=1, norm="batch", luma="kept"),
        optimisers={"generator": adam(1e-3, beta1=0.5), "discriminator": adam(1e-3, beta1=0.5)},
        data=Data(path="emoji", kind="colouring", resolution=16),
        train=Training(images=160, batch=8),
        average=Average(half_life=constant(40)),
        jobs=Jobs(log_every=40, sample_every=80, checkpoint_every=80, num_samples=16),
    )


def _narrow(luma: Literal["made", "kept"] = "made") -> Config:
    """The settings of the recipes for a CPU."""
    return Config(width=24, downs=6, discriminator_width=24, layers=2, norm="batch", luma=luma)


def _recipe(config: Config, data: Data, training: Training, decay: float) -> Recipe:
    """A recipe of the paper's sizes; as in the released code, rates fall to 0 in the second half, over `decay` images."""
    player = adam(linear(2e-4, 0, over=decay, delay=training.images - decay), beta1=0.5)
    return Recipe(
        family="pix2pix",
        gan=config,
        optimisers={"generator": player, "discriminator": player},
        data=data,
        train=training,
        jobs=Jobs(num_samples=16),
    )


def _small(config: Config, data: Data) -> Recipe:
    """A recipe for a CPU."""
    images = 48_000
    player = adam(linear(1e-3, 0, over=images / 2, delay=images / 2), beta1=0.5)
    return Recipe(
        family="pix2pix",
        gan=config,
        optimisers={"generator": player, "discriminator": player},
        data=data,
        train=Training(images=images, batch=8),
        average=Average(half_life=constant(2_000), ramp_up=0.05),
        jobs=Jobs(log_every=800, sample_every=8_000, checkpoint_every=8_000, num_samples=32),
    )
