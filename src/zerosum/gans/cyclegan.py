"""CycleGAN: pictures of one kind made into another, horses into zebras and back, learned without pairs.

Zhu et al. 2017, "Unpaired image-to-image translation using cycle-consistent adversarial networks" (arXiv 1703.10593). G makes b
of a, F makes a of b. Both generators together lower E[(D_B(G(a)) - 1)^2] + E[(D_A(F(b)) - 1)^2] +
10 (|F(G(a)) - a| + |G(F(b)) - b|) and 5 (|G(b) - b| + |F(a) - a|), which keeps colours (sec. 3, 5.2). Discriminators lower
(E[(D(x) - 1)^2] + E[D(made)^2]) / 2, where half of what was made is from a pool of 50 earlier pictures (sec. 4).

The networks are those of the released code: with the authors' weights they give the authors' pictures and scores. What differs:
discriminators see what the generators make after their update, not before; pools are kept in 8 bits, as real pictures are, and
take in new pictures after the discriminators' update, so that parts of a batch do not depend on each other.
"""

from typing import Literal, cast

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from zerosum import distributed
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import least_squares_d, least_squares_g, score_notes
from zerosum.nn.translation import Norm, PatchDiscriminator, PlainUNet, ResNetGenerator, Skip, changed, smallest_side
from zerosum.noise import Noise, SilentNoise
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Training, adam, not_negative, positive
from zerosum.schedules import constant, linear


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of CycleGAN."""

    generator: Literal["resnet", "plain"] = "resnet"
    """The paper's network, or a U-Net without norms, which keeps colours and draws outlines, from which drawings gain."""
    width: int = 64
    """Channels of the generators' first maps (ngf)."""
    blocks: int = 9
    """Residual blocks of each generator: 9 at 256 pixels, 6 at 128."""
    norm: Norm = "instance"
    """Norms of all networks."""
    spectral: bool = False
    """Discriminators have spectral norm instead, whose gradients do not grow where they win."""
    skip: Skip = "none"
    """Pictures are made anew (the paper), or their sources changed: what needs no change is then left as it is, from which
    drawings and short runs gain; needs sides of as many channels."""
    discriminator_width: int = 64
    """Channels of the discriminators' first maps (ndf)."""
    layers: int = 3
    """Of the discriminators: patches are 70 pixels a side at 3, 34 at 2, 16 at 1."""
    cycle: float = 10.0
    """Weight of the mean absolute difference, in [-1, 1], between a picture and what comes back of it."""
    identity: float = 5.0
    """Weight of that between a picture and what the generator of its own kind makes of it; needs sides of as many channels."""
    pool: int = 50
    """Pictures of each kind in the pools that discriminators see old ones from; 0: they see new ones alone."""

    def __post_init__(self) -> None:
        positive(width=self.width, blocks=self.blocks, discriminator_width=self.discriminator_width, layers=self.layers)
        not_negative(cycle=self.cycle, identity=self.identity, pool=self.pool)


class Pool(nn.Module):
    """Pictures that a generator has made, for its discriminator to see again (Shrivastava et al. 2017, sec. 2.3).

    They are part of the saved state. `mix` decides by torch's random stream, which the loop seeds for every part of a batch;
    `settle` takes in what was new in all parts of all processes, in order.

    Args:
        size: pictures that it holds.
        shape: of a picture, `(C, H, W)`.
    """

    pictures: Tensor
    """uint8 `[size, C, H, W]`."""
    count: Tensor
    """How many there are, int64 `[]`."""

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("pictures", torch.zeros(size, *shape, dtype=torch.uint8))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))
        self.new: list[tuple[Tensor, Tensor]] = []

    def mix(self, made: Tensor) -> Tensor:
        """Pictures `[N, C, H, W]` in [-1, 1], once the pool is full half of them exchanged for those of the pool."""
        if not self.size:
            return made
        chosen = torch.randint(self.size, (len(made),), device=made.device)
        is_full, exchanged = bool(self.count == self.size), torch.rand(len(made), device=made.device) < 0.5
        # The place that each goes to: -1 the next free one, -2 none.
        places = torch.where(exchanged, chosen, -2) if is_full else torch.full_like(chosen, -1)
        self.new.append((to_bytes(made), places))
        if not is_full:
            return made
        old = self.pictures[chosen].to(made.dtype) / 127.5 - 1
        return torch.where(exchanged[:, None, None, None], old, made)

    def settle(self) -> None:
        """Take in the pictures that were mixed since the last time."""
        if not self.new:
            return
        pictures, places = (distributed.concat_over_ranks(torch.cat(values)) for values in zip(*self.new, strict=True))
        self.new = []
        for picture, place in zip(pictures, places.tolist(), strict=True):
            if place == -1 and self.count < self.size:
                place = int(self.count)
                self.count += 1
            if place >= 0:
                self.pictures[place] = picture


class CycleGAN(GAN):
    """The game of CycleGAN.

    Raises:
        ValueError: the data has no two kinds of pictures of one size, or their sides do not fit the networks.
    """

    needs = frozenset({"a", "b"})
    given = frozenset({"source"})
    takes = "a"
    makes = "b"
    sampler = ("generators",)
    scale = 1
    multiple = ResNetGenerator.multiple

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        a, b = check_shapes(config, shapes)
        networks = make_generator(config, a, b), make_generator(config, b, a)
        self.generators = nn.ModuleDict(dict(zip(("a_to_b", "b_to_a"), networks, strict=True)))
        norm, width = "spectral" if config.spectral else config.norm, config.discriminator_width
        judges = (PatchDiscriminator(channels, width, config.layers, norm, gains=False) for channels in (a, b))
        self.discriminators = nn.ModuleDict(dict(zip(("a", "b"), judges, strict=True)))
        self.pools = nn.ModuleDict({side: Pool(config.pool, tuple(shapes[side])) for side in ("a", "b")})
        self.reach = networks[0].reach

    def players(self) -> dict[str, nn.Module]:
        return {"generators": self.generators, "discriminators": self.discriminators}

    def turns(self) -> list[Turn]:
        discriminators = Turn("discriminators", self.discriminator_loss, project=self._settle_pools)
        return [Turn("generators", self.generator_loss), discriminators]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        """Pictures b `[N, C, H, W]` in [-1, 1] of sources a; there is nothing random in them."""
        return self._changed("a_to_b", given["source"])

    def reverse(self, given: Batch, noise: Noise) -> Tensor:
        """Pictures a of sources b."""
        return self._changed("b_to_a", given["source"])

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """E[(D(made) - 1)^2], cycle and identity terms of both ways."""
        config, a, b, terms = self.config, batch["a"], batch["b"], dict[str, Tensor]()
        made_b, made_a = self._made(a), self._made(b, back=True)
        for side, made in (("a", made_a), ("b", made_b)):
            # Twice: Mao et al.'s loss has a factor 1/2, which the paper's has not.
            terms[f"adversarial_{side}"] = 2 * least_squares_g(self.discriminators[side](made))
        if config.cycle:
            terms["cycle_a"] = config.cycle * (self._made(made_b, back=True) - a).abs().mean()
            terms["cycle_b"] = config.cycle * (self._made(made_a) - b).abs().mean()
        if config.identity:
            terms["identity_a"] = config.identity * (self._made(a, back=True) - a).abs().mean()
            terms["identity_b"] = config.identity * (self._made(b) - b).abs().mean()
        return Loss(terms)

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """(E[(D(x) - 1)^2] + E[D(made)^2]) / 2 of both kinds, where what was made is new or from the pool."""
        terms, notes = dict[str, Tensor](), list[dict[str, Tensor]]()
        for side, source in (("a", "b"), ("b", "a")):
            with torch.no_grad():
                made = self._made(batch[source], back=side == "a")
                shown = cast(Pool, self.pools[side]).mix(made)
            real, fake = self.discriminators[side](batch[side]), self.discriminators[side](shown)
            terms[f"adversarial_{side}"] = least_squares_d(real, fake)
            notes.append(score_notes(real, fake))
        return Loss(terms, {name: (notes[0][name] + notes[1][name]) / 2 for name in notes[0]})

    def _changed(self, way: str, source: Tensor) -> Tensor:
        made: Tensor = self.generators[way](source)
        return made if self.config.skip == "none" else changed(source, made)

    def _made(self, pictures: Tensor, back: bool = False) -> Tensor:
        make = self.reverse if back else self.sample
        return make({"source": pictures}, SilentNoise(len(pictures)))

    def _settle_pools(self, images: int) -> None:
        for pool in self.pools.values():
            cast(Pool, pool).settle()


def make_generator(config: Config, inputs: int, outputs: int) -> ResNetGenerator | PlainUNet:
    """The generator that the settings ask for."""
    if config.generator == "plain":
        return PlainUNet(inputs, outputs, config.width, [1] * config.blocks)
    return ResNetGenerator(inputs, outputs, config.width, config.blocks, config.norm)


def to_bytes(pictures: Tensor) -> Tensor:
    """Pictures in [-1, 1] as uint8."""
    return ((pictures.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def check_shapes(config: Config, shapes: Shapes) -> tuple[int, int]:
    """The channels of both kinds.

    Raises:
        ValueError: no two kinds, of two sizes, or what the settings cannot do with them.
    """
    if not {"a", "b"} <= set(shapes):
        raise ValueError(
            f"this family learns from two kinds of pictures, a and b, but the data has only {', '.join(sorted(shapes))}: "
            "set data.kind unpaired"
        )
    (a, *size), (b, *other) = shapes["a"], shapes["b"]
    if size != other:
        raise ValueError(f"pictures a of {size} and b of {other} pixels: they must be of one size")
    if a != b and (config.identity or config.skip == "source"):
        raise ValueError(
            f"gan.identity and gan.skip source need kinds of as many channels, but a and b have {a} and {b}: set data.colour "
            "rgb, or gan.identity 0 and gan.skip none"
        )
    if size[0] % ResNetGenerator.multiple:
        raise ValueError(f"data.resolution must be divisible by {ResNetGenerator.multiple}, not {size[0]}")
    if size[0] < smallest_side(config.layers):
        raise ValueError(
            f"discriminators of {config.layers} layers need {smallest_side(config.layers)} pixels a side, but data.resolution "
            f"is {size[0]}: choose fewer gan.layers"
        )
    return a, b


def horse2zebra() -> Recipe:
    """The paper's horses and zebras: 200 passes of 1,334, one at a time, rates falling to 0 in the second half."""
    return _recipe(Config(), 256, 266_800)


def small() -> Recipe:
    """The paper's networks for 128 x 128 pixels: six blocks, as many images."""
    return _recipe(Config(blocks=6), 128, 266_800)


def cpu() -> Recipe:
    """Two kinds of pictures of 64 x 64 pixels, on a CPU."""
    images = 16_000
    player = adam(linear(1e-3, 0, over=images / 2, delay=images / 2), beta1=0.5)
    return Recipe(
        family="cyclegan",
        gan=Config(width=16, blocks=3, discriminator_width=16, layers=2),
        optimisers={"generators": player, "discriminators": player},
        data=Data(kind="unpaired", resolution=64, jitter=4, mirror=True, colour="rgb", held_out=0),
        train=Training(images=images, batch=4),
        average=Average(half_life=constant(1_000), ramp_up=0.05),
        jobs=Jobs(log_every=400, sample_every=2_000, checkpoint_every=4_000, num_samples=32),
    )


def tiny() -> Recipe:
    """A check that everything runs, in a second or two: animals into food."""
    return Recipe(
        family="cyclegan",
        gan=Config(width=4, blocks=1, discriminator_width=4, layers=1, pool=12),
        optimisers={"generators": adam(1e-3, beta1=0.5), "discriminators": adam(1e-3, beta1=0.5)},
        data=Data(path="emoji", kind="unpaired", sides=("animals-nature", "food-drink"), resolution=16, held_out=0),
        train=Training(images=80, batch=4),
        average=Average(half_life=constant(20)),
        jobs=Jobs(log_every=20, sample_every=40, checkpoint_every=40, num_samples=16),
    )


def _recipe(config: Config, resolution: int, images: int) -> Recipe:
    """A recipe of the paper's sizes, for pictures jittered by 30 of 286 pixels."""
    player = adam(linear(2e-4, 0, over=images / 2, delay=images / 2), beta1=0.5)
    jitter = resolution * 30 // 256
    return Recipe(
        family="cyclegan",
        gan=config,
        optimisers={"generators": player, "discriminators": player},
        data=Data(kind="unpaired", resolution=resolution, jitter=jitter, mirror=True, colour="rgb", held_out=0),
        train=Training(images=images, batch=1),
        jobs=Jobs(num_samples=16),
    )
