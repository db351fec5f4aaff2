"""Inpainting: holes of any shape in pictures filled by gated convolutions, judged patch by patch (SN-PatchGAN).

Yu et al. 2019, "Free-form image inpainting with gated convolution" (arXiv 1806.03589). A gated convolution is
phi(W_f x) * sigmoid(W_g x), phi an ELU: what is known flows on, place by place. A coarse network fills the hole, a second
one refines it, with contextual attention in a branch of its own (Yu et al. 2018, arXiv 1801.07892, sec. 3): places in the hole
are rebuilt from the known patches that they resemble most. SN-PatchGAN applies the hinge losses to every value of the
discriminator's last maps; both networks are held to the picture by the mean absolute difference, 1 : 1.

Known pixels are kept bit for bit: the networks' results are used in the hole alone. What differs from the released code:
convolutions with stride pad evenly; the discriminator's loss is not halved; patches that touch the hole are left out of the
softmax, where theirs give them the value 0 before it; there are no user's sketches. `network` plain, `refine` without,
`skip` and how weights begin are ours.
"""

from itertools import pairwise
from typing import Any, Literal, cast

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, elu, fold, interpolate, max_pool2d, normalize, pad, relu, unfold

from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import hinge_d, hinge_g, score_notes
from zerosum.nn.spectral import spectral
from zerosum.nn.translation import PlainUNet
from zerosum.noise import Noise, SilentNoise
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Training, adam, not_negative, positive
from zerosum.schedules import constant, linear

SLOPE = 0.2
"""Of the discriminator's leaky rectifiers."""
SHARPNESS = 10.0
"""What similarities are multiplied by before the softmax (2018, eq. 1)."""
RELAXATIONS = 8
"""Of the smooth filling, at every size."""
WIDTHS = {"coarse": (1, 2, 2, 4, 4, 4), "fine": (1, 1, 2, 2, 4, 4), "attention": (1, 1, 2, 4, 4, 4)}
"""Channels of the maps of each way down, in first ones' (those of the released code)."""
MULTIPLE = 4
"""What the sides of pictures are divisible by: the networks halve them twice."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of inpainting."""

    network: Literal["gated", "plain"] = "gated"
    """Gated convolutions (the paper), or a U-Net of plain ones with residual blocks, which learns sooner."""
    width: int = 24
    """Channels of the first maps (the released code counts both halves of a gated convolution: 48)."""
    dilations: tuple[int, ...] = (2, 4, 8, 16)
    """Of the convolutions in the middle, or of the residual blocks."""
    refine: bool = True
    """Refine what the coarse network made by a second one; without, the coarse one plays alone, at half the work."""
    attention: bool = True
    """Of the second network, if it is gated: a branch with contextual attention."""
    skip: Literal["none", "smooth"] = "none"
    """What the networks see in the hole and add to: nothing (the paper), or what is known around it spread smoothly, from which
    short runs gain most."""
    discriminator_width: int = 64
    """Channels of the discriminator's first maps."""
    layers: int = 6
    """Of the discriminator: convolutions that halve the sides, 6 at 256 pixels."""
    l1: float = 1.0
    """Weight of the mean absolute difference of pixels in [-1, 1], for each network."""

    def __post_init__(self) -> None:
        positive(width=self.width, discriminator_width=self.discriminator_width, layers=self.layers)
        positive(**{f"dilations[{place}]": value for place, value in enumerate(self.dilations)})
        not_negative(l1=self.l1)
        if self.network == "plain" and self.skip == "none":
            raise ValueError("gan.network plain needs gan.skip smooth: it makes a change of what is spread smoothly")
        if self.width % 2:
            raise ValueError(f"gan.width must be even, for the last maps have half of it, not {self.width}")


class GatedConv(nn.Module):
    """ELU(W_f x) * sigmoid(W_g x), `[N, inputs, H, W]` to `[N, outputs, H / stride, W / stride]`."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 2 * outputs, kernel, stride, dilation * (kernel // 2), dilation)
        # Maps keep their size through a dozen layers without norms, although gates begin half open.
        features, gates = self.conv.weight.chunk(2)
        size = (inputs * kernel**2) ** -0.5
        nn.init.normal_(features, 0.0, 2.5 * size)
        nn.init.normal_(gates, 0.0, size)
        nn.init.zeros_(cast(Tensor, self.conv.bias))

    def forward(self, maps: Tensor) -> Tensor:
        """Gated maps."""
        features, gates = self.conv(maps).chunk(2, 1)
        gated: Tensor = elu(features) * gates.sigmoid()
        return gated


class Doubled(nn.Module):
    """A gated convolution of maps whose sides are doubled first."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.gated = GatedConv(inputs, outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, inputs, H, W]` to `[N, outputs, 2 H, 2 W]`."""
        larger: Tensor = self.gated(interpolate(maps, scale_factor=2.0, mode="nearest"))
        return larger


def encoder(inputs: int, width: int, times: tuple[int, ...]) -> list[nn.Module]:
    """Six gated convolutions to maps of a quarter of the sides, of so many times `width` channels."""
    widths = [inputs, *(width * many for many in times)]
    strides = (1, 2, 1, 2, 1, 1)
    return [
        GatedConv(before, after, 3 if number else 5, strides[number]) for number, (before, after) in enumerate(pairwise(widths))
    ]


class Stage(nn.Module):
    """One of the two networks: a picture and where it is known, `[N, C + 1, H, W]`, to a picture `[N, C, H, W]`."""

    def __init__(self, channels: int, config: Config, kind: Literal["coarse", "fine"]) -> None:
        super().__init__()
        width, attention = config.width, config.attention and kind == "fine"
        self.attends = attention
        dilated = [GatedConv(4 * width, 4 * width, dilation=dilation) for dilation in config.dilations]
        self.body = nn.Sequential(*encoder(channels + 1, width, WIDTHS[kind]), *dilated)
        if attention:
            self.before = nn.Sequential(*encoder(channels + 1, width, WIDTHS["attention"]))
            self.after = nn.Sequential(GatedConv(4 * width, 4 * width), GatedConv(4 * width, 4 * width))
        self.end = nn.Sequential(
            GatedConv(8 * width if attention else 4 * width, 4 * width),
            GatedConv(4 * width, 4 * width),
            Doubled(4 * width, 2 * width),
            GatedConv(2 * width, 2 * width),
            Doubled(2 * width, width),
            GatedConv(width, width // 2),
            nn.Conv2d(width // 2, channels, 3, 1, 1),
        )
        if config.skip == "smooth":
            for weights in self.end[-1].parameters():
                nn.init.zeros_(weights)

    def forward(self, pictures: Tensor, known: Tensor) -> Tensor:
        """Pictures, as yet without a bound.

        Args:
            known: 1 or 0, `[N, 1, H, W]`.
        """
        source = torch.cat([pictures, known], 1)
        maps = self.body(source)
        if self.attends:
            holes = max_pool2d(1 - known, MULTIPLE)
            maps = torch.cat([maps, self.after(attend(relu(self.before(source)), holes))], 1)
        made: Tensor = self.end(maps)
        return made


class Plain(nn.Module):
    """A network without gates: a picture and where it is known to a picture, as `Stage`."""

    def __init__(self, channels: int, config: Config) -> None:
        super().__init__()
        self.unet = PlainUNet(channels + 1, channels, config.width, config.dilations)

    def forward(self, pictures: Tensor, known: Tensor) -> Tensor:
        """Changes in [-1, 1]."""
        made: Tensor = self.unet(torch.cat([pictures, known], 1))
        return made


def make_stage(channels: int, config: Config, kind: Literal["coarse", "fine"]) -> Stage | Plain:
    """One of the two networks, as the settings ask for."""
    return Stage(channels, config, kind) if config.network == "gated" else Plain(channels, config)


def attend(maps: Tensor, holes: Tensor) -> Tensor:
    """Maps `[N, C, H, W]` rebuilt everywhere from their known patches, those that are most alike most (2018, sec. 3.2).

    Patches of 3 x 3 are compared at half the sides, by cosine on the known patch's part; what is put together are patches of
    4 x 4 that overlap by half. Odd sides are repeated to even ones.

    Args:
        holes: 1 where there is no picture, `[N, 1, H, W]`.
    """
    height, width = maps.shape[2:]
    maps, holes = (pad(side, (0, width % 2, 0, height % 2), "replicate") for side in (maps, holes))
    small = maps[:, :, ::2, ::2]
    rows, columns = small.shape[2:]
    patches = unfold(small, 3, padding=1)
    scores = normalize(patches, dim=1, eps=1e-4).transpose(1, 2) @ patches
    scores = propagated(scores, rows, columns)
    usable = (max_pool2d(holes[:, :, ::2, ::2], 3, 1, 1) == 0).flatten(1)[:, :, None]
    weights = (scores * SHARPNESS).masked_fill(~usable, -1e4).softmax(1) * usable
    values = unfold(maps, 4, padding=1, stride=2)
    rebuilt = fold(values @ weights, (2 * rows, 2 * columns), 4, padding=1, stride=2) / 4
    return rebuilt[:, :, :height, :width]


def propagated(scores: Tensor, rows: int, columns: int) -> Tensor:
    """Scores `[N, known place, place]` plus those of neighbours shifted alike, sideways, then up and down (2018, eq. 2)."""
    for _ in range(2):
        around = pad(scores, (1, 1, 1, 1))
        scores = around[:, :-2, :-2] + scores + around[:, 2:, 2:]
        places = scores.reshape(-1, rows, columns, rows, columns)
        scores, rows, columns = places.permute(0, 2, 1, 4, 3).reshape(scores.shape), columns, rows
    return scores


def smooth_fill(pictures: Tensor, known: Tensor) -> Tensor:
    """Pictures `[N, C, H, W]` whose unknown pixels are about the means of their neighbours (Laplace's equation).

    Means of what is known of 2 x 2, again and again, down to one pixel; and back, enlarged where nothing is known, with some
    steps of relaxation at every size (as multigrid methods do). With nothing known at all: 0.

    Args:
        known: 1 or 0, `[N, 1, H, W]`.
    """
    if max(known.shape[2:]) == 1:
        return pictures * known
    shares = avg_pool2d(known, 2, ceil_mode=True)
    means = avg_pool2d(pictures * known, 2, ceil_mode=True) / shares.clamp(min=1e-6)
    coarse = smooth_fill(means, (shares > 0).to(known))
    larger = interpolate(coarse, list(pictures.shape[2:]), mode="bilinear", align_corners=False)
    filled = torch.where(known > 0, pictures, larger)
    for _ in range(RELAXATIONS):
        around = pad(filled, (1, 1, 1, 1), "replicate")
        vertical, horizontal = (
            around[:, :, :-2, 1:-1] + around[:, :, 2:, 1:-1],
            around[:, :, 1:-1, :-2] + around[:, :, 1:-1, 2:],
        )
        filled = torch.where(known > 0, pictures, (vertical + horizontal) / 4)
    return filled


class Filler(nn.Module):
    """Both networks, or the coarse one alone."""

    def __init__(self, channels: int, config: Config) -> None:
        super().__init__()
        self.skip = config.skip
        self.coarse = make_stage(channels, config, "coarse")
        self.fine = make_stage(channels, config, "fine") if config.refine else None

    def forward(self, pictures: Tensor, known: Tensor) -> list[Tensor]:
        """What each network makes of all of the picture `[N, C, H, W]`, the last to be used."""
        start = pictures * known if self.skip == "none" else smooth_fill(pictures, known)
        made = [self._made(self.coarse, start, known, start)]
        if self.fine is not None:
            filled = torch.where(known > 0, pictures, made[0])
            made.append(self._made(self.fine, filled, known, start))
        return made

    def _made(self, stage: Stage | Plain, seen: Tensor, known: Tensor, start: Tensor) -> Tensor:
        change: Tensor = stage(seen, known)
        # In the hole alone: outside of it any change is wrong, and L1 would hold the last layer at none.
        return change.tanh() if self.skip == "none" else start + change * (1 - known)


class SNPatchDiscriminator(nn.Module):
    """Strided 5 x 5 convolutions with spectral norm, every value of whose last maps is a score (2019, fig. 3).

    A picture and where it is known, `[N, C + 1, H, W]`, to `[N, C', h, w]`.
    """

    def __init__(self, channels: int, width: int, layers: int) -> None:
        super().__init__()
        widths = [channels + 1, *(width * min(2**level, 4) for level in range(layers))]
        model: list[nn.Module] = []
        for before, after in pairwise(widths):
            model += [spectral(nn.Conv2d(before, after, 5, 2, 2)), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*model[:-1])

    def forward(self, pictures: Tensor, known: Tensor) -> Tensor:
        """Scores."""
        scores: Tensor = self.layers(torch.cat([pictures, known], 1))
        return scores


class Inpainting(GAN):
    """The game of inpainting.

    Raises:
        ValueError: the data has no pictures with holes, or their sides do not fit the networks.
    """

    needs = frozenset({"source", "target"})
    given = frozenset({"source"})
    makes = "target"
    multiple = MULTIPLE

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        channels = read_shapes(shapes)
        self.generator = Filler(channels, config)
        self.discriminator = SNPatchDiscriminator(channels, config.discriminator_width, config.layers)

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def turns(self) -> list[Turn]:
        return [Turn("discriminator", self.discriminator_loss), Turn("generator", self.generator_loss)]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        """Pictures `[N, C, H, W]` of pictures with holes `[N, C + 1, H, W]`, the known pixels as they are; nothing is random.

        In [-1, 1], but with a skip, which may lead a little out of it.
        """
        return self._filled(given["source"])[-1]

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """E[max(0, 1 - D(t))] + E[max(0, 1 + D(G(s)))]."""
        known = known_of(batch["source"])
        with torch.no_grad():
            made = self.sample(batch, SilentNoise(len(known)))
        real, fake = self.discriminator(batch["target"], known), self.discriminator(made, known)
        return Loss({"adversarial": hinge_d(real, fake)}, score_notes(real, fake))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[D(G(s))] + l1 |t - G(s)| of each network, of all of the picture."""
        source, target = batch["source"], batch["target"]
        *made, filled = self._filled(source)
        terms = {"adversarial": hinge_g(self.discriminator(filled, known_of(source)))}
        if self.config.l1:
            terms["l1"] = self.config.l1 * torch.stack([(one - target).abs().mean() for one in made]).sum()
        return Loss(terms)

    def _filled(self, source: Tensor) -> list[Tensor]:
        """What each network makes, and the picture filled with the last of it."""
        pictures, known = source[:, :-1], known_of(source)
        made: list[Tensor] = self.generator(pictures, known)
        return [*made, torch.where(known > 0, pictures, made[-1])]


def known_of(source: Tensor) -> Tensor:
    """1 where the picture is known and 0 in its hole, `[N, 1, H, W]`."""
    return (source[:, -1:] > 0).to(source)


def read_shapes(shapes: Shapes) -> int:
    """Channels of the pictures.

    Raises:
        ValueError: the data is not of pictures with holes, or their sides cannot be halved twice.
    """
    source, target = shapes.get("source", ()), shapes.get("target", ())
    if not target or source != (target[0] + 1, *target[1:]):
        raise ValueError(
            "this family learns from pictures with holes: set data.kind inpainting, or data.kind photographs with "
            "data.degradation holes and data.scale 1"
        )
    if target[1] % MULTIPLE:
        raise ValueError(f"the networks halve the sides twice: data.resolution must be divisible by 4, not {target[1]}")
    return target[0]


def places() -> Recipe:
    """The paper's for photographs: crops of 256 pixels with strokes, 16 at a time; it gives no length: a million updates."""
    return _paper(Data(kind="photographs", degradation="holes", scale=1, resolution=256, colour="rgb", holes="strokes"))


def celeba_hq() -> Recipe:
    """The paper's for faces: whole images brought to 256 pixels with strokes, 16 at a time; a million updates."""
    return _paper(Data(kind="inpainting", resolution=256, colour="rgb", holes="strokes"))


def cpu() -> Recipe:
    """Crops of 64 pixels of photographs of any size, on a CPU."""
    config = _narrow(network="plain", dilations=(1, 2, 4, 8), layers=4, l1=1_000.0)
    data = Data(kind="photographs", degradation="holes", scale=1, resolution=64, held_out=20, mirror=True, colour="rgb")
    return _small(config, data, Training(images=64_000, batch=16))


def fashion() -> Recipe:
    """Garments of 32 x 32 pixels, grey, on a CPU."""
    config = _narrow(dilations=(2, 4), layers=3, l1=4.0)
    return _small(config, Data(kind="inpainting", mirror=True), Training(images=40_000, batch=8))


def tiny() -> Recipe:
    """A check that everything runs, in a second or two."""
    return Recipe(
        family="inpainting",
        gan=Config(width=4, dilations=(2,), discriminator_width=4, layers=2),
        optimisers={"generator": adam(1e-3, beta1=0.5), "discriminator": adam(1e-3, beta1=0.5)},
        data=Data(path="emoji", kind="inpainting", resolution=32),
        train=Training(images=160, batch=8),
        average=Average(half_life=constant(40)),
        jobs=Jobs(log_every=40, sample_every=80, checkpoint_every=80, num_samples=16),
    )


def _narrow(**settings: Any) -> Config:
    """The settings of the recipes for a CPU, and others."""
    return Config(width=16, refine=False, skip="smooth", discriminator_width=32, **settings)


def _paper(data: Data) -> Recipe:
    """A recipe of the paper's size, with the released settings."""
    player = adam(1e-4, beta1=0.5)
    return Recipe(
        family="inpainting",
        gan=Config(),
        optimisers={"generator": player, "discriminator": player},
        data=data,
        train=Training(images=16_000_000, batch=16),
        jobs=Jobs(num_samples=32),
    )


def _small(config: Config, data: Data, training: Training) -> Recipe:
    """A recipe for a CPU."""
    half = training.images / 2
    player = adam(linear(3e-4, 0, over=half, delay=half), beta1=0.5)
    return Recipe(
        family="inpainting",
        gan=config,
        optimisers={"generator": player, "discriminator": player},
        data=data,
        train=training,
        average=Average(half_life=constant(2_000), ramp_up=0.05),
        jobs=Jobs(log_every=800, sample_every=4_000, checkpoint_every=4_000, num_samples=32),
    )
