"""BigGAN: class-conditional residual networks at scale, with attention, a latent for every block, and spectral norm in both.

Brock, Donahue & Simonyan 2019, "Large scale GAN training for high fidelity natural image synthesis" (arXiv 1809.11096). The
discriminator lowers E[max(0, 1 - D(x, y))] + E[max(0, 1 + D(G(z, y), y))], D(x, y) = psi(f(x)) + (V y) . f(x); the generator
lowers -E[D(G(z, y), y)], and beta |W W' (1 - I)|_F^2 if asked (eq. 3). The latent is cut into chunks: the first becomes the
4x4 map; each block has its own, which with one embedding of the class, shared by all, gives gains and biases of its batch
norms. With `deep` (appendix B) blocks are bottlenecks, and all of the latent goes everywhere.

Faithful to the authors' BigGAN-PyTorch: the same images, scores and losses from its weights, at every resolution that it has.
Different here: generated images take the labels of the batch, not uniform draws; both players draw latents of their own from
the run's stream; a generator that is looked at has batch statistics estimated anew for its averaged weights (sec. 4,
"standing statistics") where that code averages those of training; 16x16 is one halving less than its 32x32. Without labels
(`conditional` false) there is no embedding and no projection.
"""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from math import log

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import one_hot

from zerosum.augment import Augment
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import hinge_d, hinge_g, score_notes
from zerosum.nn.attention import SelfAttention2d
from zerosum.nn.convolutional import image_shape
from zerosum.nn.instance_noise import add_instance_noise
from zerosum.nn.minibatch import MinibatchKind, minibatch_layer
from zerosum.nn.norm import ConditionalBatchNorm2d, standing_statistics
from zerosum.nn.spectral import Init, initialised, normalised
from zerosum.nn.spectral_residual import DeepDownBlock, DeepUpBlock, DownBlock, UpBlock
from zerosum.noise import FreshNoise, Noise, SeededNoise, truncated
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Stabilisers, Training, adam, not_negative, positive
from zerosum.regularizers import orthogonal_penalty
from zerosum.schedules import constant, linear

GENERATOR_WIDTHS: dict[int, tuple[int, ...]] = {
    16: (4, 4, 4),
    32: (4, 4, 4, 4),
    64: (16, 16, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
    512: (16, 16, 8, 8, 4, 2, 1, 1),
}
"""Resolution -> channels of the map at 4x4 and after each block, as multiples of the width (appendix B, tables 4 to 9)."""
DISCRIMINATOR_WIDTHS: dict[int, tuple[int, ...]] = {
    16: (4, 4, 4),
    32: (4, 4, 4, 4),
    64: (1, 2, 4, 8, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
    512: (1, 1, 2, 4, 8, 8, 16, 16),
}
"""Resolution -> channels after each block of the discriminator; of the deep one, after its first convolution and each stage."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of BigGAN."""

    latent: int = 120
    """Size of the latent, standard normal; rounded down to a multiple of the number of chunks if it is hierarchical."""
    generator_width: int = 96
    """The generator's unit of channels (ch): its maps have up to 16 times as many."""
    discriminator_width: int = 96
    """The discriminator's unit of channels."""
    attention: tuple[int, ...] = (64,)
    """Resolutions of the maps that self-attention follows, in both players. At 32 pixels all blocks of the discriminator count
    as 16, as in the official code."""
    conditional: bool = True
    """Condition on the class: shared embedding and conditional batch norm in the generator, projection in the discriminator."""
    embedding: int = 128
    """Size of the embedding of the class that all batch norms share; 0: each has a gain and a bias per class of its own."""
    hierarchical: bool = True
    """Give each block a chunk of the latent; else all of it goes into the first layer alone."""
    deep: bool = False
    """BigGAN-deep: bottleneck blocks, and latent and embedding together go into the first layer and every batch norm."""
    depth: int = 2
    """Of BigGAN-deep: blocks between two resolutions."""
    wide: bool = True
    """The discriminator's blocks have as many channels within as they give out, not as they take in."""
    initialisation: Init = "orthogonal"
    """First weights: orthogonal, normal with deviation 0.02, or Xavier-uniform."""
    spectral_generator: bool = True
    """Spectral norm in the generator as well, as in the paper; narrow networks learn faster without."""
    spectral_eps: float = 1e-6
    """Of spectral norm, the least norm of a vector in the power iteration."""
    orthogonal: float = 0.0
    """Weight beta of the generator's orthogonal regularisation; 1e-4 in the paper."""
    discriminator_steps: int = 2
    """Updates of the discriminator in a step, each on a fresh batch."""
    standing_images: int = 1024
    """Images generated to estimate the averaged generator's batch statistics anew whenever it is looked at; 0: training's."""
    stabilisers: Stabilisers = Stabilisers()
    """Cures for instability and mode collapse."""

    def __post_init__(self) -> None:
        positive(latent=self.latent, generator_width=self.generator_width, discriminator_width=self.discriminator_width)
        positive(depth=self.depth, discriminator_steps=self.discriminator_steps, spectral_eps=self.spectral_eps)
        not_negative(embedding=self.embedding, orthogonal=self.orthogonal, standing_images=self.standing_images)
        if self.stabilisers.label_smoothing:
            raise ValueError("label_smoothing is for cross-entropy losses, this one is a hinge: set label_smoothing to 0")
        if self.conditional and not self.embedding and (self.hierarchical or self.deep):
            raise ValueError(
                "gan.embedding 0 gives each batch norm a table of classes, which leaves no place for the latent: "
                "set hierarchical and deep to false, or embedding above 0 (the paper: 128)"
            )
        if not (self.conditional or self.hierarchical or self.deep):
            raise ValueError(
                "gan.conditional false needs hierarchical or deep: the batch norms are conditioned on the latent then"
            )


class Embedding(nn.Module):
    """A linear map of the label; for one-hot labels a row of the weight `[L, width]` for each class."""

    def __init__(self, label_width: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(label_width, width))

    def forward(self, label: Tensor) -> Tensor:
        """`[N, L]` -> `[N, width]`."""
        return label @ self.weight


class Generator(nn.Module):
    """From a latent, and a label if there is one, to an image.

    Args:
        config: the family's settings.
        channels, resolution: of the images.
        label_width: L, the length of one label; 0 for none.

    Raises:
        ValueError: no network is described for this resolution, or the latent is too small for its chunks.
    """

    def __init__(self, config: Config, channels: int, resolution: int, label_width: int) -> None:
        super().__init__()
        widths = [factor * config.generator_width for factor in GENERATOR_WIDTHS[resolution]]
        self.hierarchical, self.deep = config.hierarchical and not config.deep, config.deep
        self.num_chunks = len(widths) if self.hierarchical else 1
        self.chunk = config.latent // self.num_chunks
        if not self.chunk:
            raise ValueError(f"gan.latent {config.latent} cannot be cut into {self.num_chunks} chunks: make it larger")
        plain = partial(initialised, init=config.initialisation)
        prepare = (
            partial(normalised, init=config.initialisation, eps=config.spectral_eps) if config.spectral_generator else plain
        )
        embedding = config.embedding if label_width else 0
        self.embed = plain(Embedding(label_width, embedding)) if embedding else None
        self.start_width = self.chunk + (embedding if self.deep else 0)
        self.condition_width = embedding + (self.chunk if self.hierarchical or self.deep else 0)
        tables = bool(label_width) and not embedding
        norm = partial(
            ConditionalBatchNorm2d,
            label_width=label_width if tables else self.condition_width,
            prepare=plain if tables else prepare,
        )
        self.linear = prepare(nn.Linear(self.start_width, widths[0] * 16))
        stages: list[nn.ModuleList] = []
        for number, (before, after) in enumerate(pairwise(widths)):
            if config.deep:
                units = [DeepUpBlock(before, before, False, norm, prepare) for _ in range(config.depth - 1)]
                stages += [nn.ModuleList([unit]) for unit in [*units, DeepUpBlock(before, after, True, norm, prepare)]]
            else:
                stages += [nn.ModuleList([UpBlock(before, after, norm, prepare)])]
            if 8 << number in config.attention:
                stages[-1].append(SelfAttention2d(after, prepare))
        self.blocks = nn.ModuleList(stages)
        self.end = nn.Sequential(
            nn.BatchNorm2d(widths[-1]), nn.ReLU(), prepare(nn.Conv2d(widths[-1], channels, 3, padding=1)), nn.Tanh()
        )

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        """`[N, L]`, hierarchical `[N, chunks, chunk]`, and labels if conditional -> images `[N, C, H, W]` in [-1, 1]."""
        given = [] if label is None else [label if self.embed is None else self.embed(label)]
        if self.deep:
            start = torch.cat([latent, *given], 1)
            conditions = [start] * len(self.blocks)
        elif self.hierarchical:
            start = latent[:, 0]
            conditions = [torch.cat([*given, chunk], 1) for chunk in latent[:, 1:].unbind(1)]
        else:
            start, conditions = latent, given * len(self.blocks)
        maps = self.linear(start).unflatten(1, (-1, 4, 4))
        for stage, condition in zip(self.blocks, conditions, strict=True):
            assert isinstance(stage, nn.ModuleList)
            for layer in stage:
                maps = layer(maps) if isinstance(layer, SelfAttention2d) else layer(maps, condition)
        images: Tensor = self.end(maps)
        return images

    def latent_weights(self) -> list[Tensor]:
        """For each chunk, the weights `[outputs, chunk]` that first take it in."""
        norms = [[*_conditional_norms(stage)] for stage in self.blocks]
        if self.hierarchical:
            parts = [[linear.weight[:, -self.chunk :] for linear in stage] for stage in norms]
            return [self.linear.weight, *(torch.cat(part) for part in parts)]
        linears = [linear for stage in norms for linear in stage] if self.deep else []
        return [torch.cat([linear.weight[:, : self.chunk] for linear in (self.linear, *linears)])]


def _conditional_norms(stage: nn.Module) -> Iterator[nn.Linear]:
    for module in stage.modules():
        if isinstance(module, ConditionalBatchNorm2d):
            yield from (module.gain, module.bias)


class Discriminator(nn.Module):
    """psi(f(x)) + (V y) . f(x), f being sum-pooled residual features (Miyato & Koyama 2018, eq. 3); without labels psi(f(x)).

    Args:
        config: the family's settings.
        channels, resolution: of the images.
        label_width: L, the length of one label; 0 for none.
    """

    def __init__(
        self, config: Config, channels: int, resolution: int, label_width: int, minibatch: MinibatchKind = "none"
    ) -> None:
        super().__init__()
        widths = [factor * config.discriminator_width for factor in DISCRIMINATOR_WIDTHS[resolution]]
        prepare = partial(normalised, init=config.initialisation, eps=config.spectral_eps)
        self.start: nn.Module = prepare(nn.Conv2d(channels, widths[0], 3, padding=1)) if config.deep else nn.Identity()
        stages: list[nn.ModuleList] = []
        for number, (before, after) in enumerate(pairwise(widths if config.deep else [channels, *widths])):
            size, down = halving(resolution, number)
            if config.deep:
                units = [DeepDownBlock(before, after, down, prepare)]
                stages += [
                    nn.ModuleList([*units, *(DeepDownBlock(after, after, False, prepare) for _ in range(config.depth - 1))])
                ]
            else:
                first = number == 0
                block = DownBlock(before, after, down=down, first=first, wide=config.wide, prepare=prepare)
                stages += [nn.ModuleList([block])]
            if size in config.attention:
                stages[-1].append(SelfAttention2d(after, prepare))
        self.blocks = nn.ModuleList(stages)
        self.minibatch = minibatch_layer(minibatch, widths[-1])
        self.linear = prepare(nn.Linear(widths[-1] + self.minibatch.extra_channels, 1))
        self.embed = prepare(Embedding(label_width, widths[-1])) if label_width else None

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """`[N, C, H, W]`, and labels `[N, L]` if conditional -> scores `[N]`."""
        maps = self.start(images)
        for stage in self.blocks:
            assert isinstance(stage, nn.ModuleList)
            for layer in stage:
                maps = layer(maps)
        features = maps.relu().sum((2, 3))
        scores: Tensor = self.linear(self.minibatch(features)).squeeze(1)
        return scores if self.embed is None else scores + (self.embed(label) * features).sum(1)


def halving(resolution: int, number: int) -> tuple[int, bool]:
    """Of the discriminator's block of this number: the resolution that attention knows it by, and whether it halves."""
    if resolution <= 32:
        return resolution // 2, number < resolution.bit_length() - 4
    return max(resolution >> number + 1, 4), resolution >> number > 4


class BigGAN(GAN):
    """The game of BigGAN.

    Raises:
        ValueError: the data has no images of a known resolution, no classes to condition on, or no map for the attention.
    """

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        channels, resolution = image_shape(shapes)
        if resolution not in GENERATOR_WIDTHS:
            raise ValueError(f"BigGAN needs a data.resolution of {', '.join(map(str, GENERATOR_WIDTHS))}, not {resolution}")
        check_attention(config.attention, resolution)
        if config.conditional and "label" not in shapes:
            raise ValueError(
                "BigGAN is conditioned on classes, but the data has none: put each class into its own sub-folder, "
                "or set gan.conditional to false"
            )
        self.given = frozenset({"label"} if config.conditional else ())
        self.needs, self.needs_classes = self.given | {"image"}, config.conditional
        label_width = shapes["label"][0] if config.conditional else 0
        self.generator = Generator(config, channels, resolution, label_width)
        self.discriminator = Discriminator(config, channels, resolution, label_width, config.stabilisers.minibatch)
        self.augment = Augment(config.stabilisers, shapes["image"])

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def turns(self) -> list[Turn]:
        steps, adapt = self.config.discriminator_steps, self.augment.adapt
        discriminator = Turn("discriminator", self.discriminator_loss, repeat=steps, project=adapt)
        return [discriminator, Turn("generator", self.generator_loss)]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        return self.synthesise(self.latents(given, noise), given, noise)

    def latents(self, given: Batch, noise: Noise) -> Tensor:
        """Standard normal: `[N, chunks, chunk]`, one for the 4x4 map and each block; not hierarchical `[N, L]`."""
        chunks, chunk = self.generator.num_chunks, self.generator.chunk
        latent = noise.normal(chunks * chunk)
        return latent.reshape(-1, chunks, chunk) if self.generator.hierarchical else latent

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        """Images `[N, C, H, W]` in [-1, 1] of these latents."""
        images: Tensor = self.generator(latents, given.get("label") if self.config.conditional else None)
        return images

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        """The truncation trick (sec. 3.1): values beyond the threshold are drawn again, here as a smooth function of them.

        Raises:
            ValueError: the threshold is not above 0.
        """
        if not self.generator.hierarchical or layers is None:
            return truncated(latents, "normal", truncation)
        return torch.cat([truncated(latents[:, :layers], "normal", truncation), latents[:, layers:]], 1)

    def latent_weights(self) -> list[Tensor]:
        return self.generator.latent_weights()

    @torch.no_grad()
    def settle(self, truncation: float | None = None) -> None:
        """Standing statistics (sec. 4): batch means and variances over many samples, of every class equally many."""
        num, batch = self.config.standing_images, 64
        device = self.generator.linear.bias.device
        with standing_statistics(self.generator) if num else torch.no_grad():
            for start in range(0, num, batch):
                seeds = range(start, min(start + batch, num))
                noise, given = SeededNoise(seeds, device), {}
                if self.config.conditional:
                    classes = torch.tensor(seeds, device=device) % self.shapes["label"][0]
                    given = {"label": one_hot(classes, self.shapes["label"][0]).float()}
                latents = self.latents(given, noise)
                self.synthesise(self.truncate(latents, truncation) if truncation else latents, given, noise)

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """E[max(0, 1 - D(x, y))] + E[max(0, 1 + D(G(z, y), y))]."""
        fakes = self.sample(batch, FreshNoise(len(batch["image"]), batch["image"].device))
        if self.config.stabilisers.minibatch == "none":  # one pass, and one power iteration, as in the official code
            both = {key: torch.cat([batch[key], batch[key]]) for key in self.given}
            real, fake = self._score(torch.cat([batch["image"], fakes]), both, progress).chunk(2)
        else:
            real, fake = (self._score(images, batch, progress) for images in (batch["image"], fakes))
        return Loss({"adversarial": hinge_d(real, fake)}, score_notes(real, fake) | self.augment.observe(real))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[D(G(z, y), y)], and the orthogonal regularisation of all weights but the embedding's."""
        fakes = self.sample(batch, FreshNoise(len(batch["image"]), batch["image"].device))
        terms = {"adversarial": hinge_g(self._score(fakes, batch, progress))}
        if self.config.orthogonal:
            weights = [
                weight for name, weight in self.generator.named_parameters() if weight.dim() > 1 and name != "embed.weight"
            ]
            terms["orthogonal"] = self.config.orthogonal * orthogonal_penalty(weights)
        return Loss(terms)

    def _score(self, images: Tensor, given: Batch, progress: float) -> Tensor:
        cures = self.config.stabilisers
        noisy = add_instance_noise(self.augment(images), cures.instance_noise, cures.instance_noise_until, progress)
        scores: Tensor = self.discriminator(noisy, given["label"] if self.config.conditional else None)
        return scores


def check_attention(attention: tuple[int, ...], resolution: int) -> None:
    """Refuse attention to maps that no block makes.

    Raises:
        ValueError: such a resolution.
    """
    sizes = [8 << number for number in range(resolution.bit_length() - 3)]
    for size in attention:
        if size not in sizes:
            raise ValueError(
                f"gan.attention {size}: networks for {resolution} pixels have maps of {', '.join(map(str, sizes))}; "
                "name some of these, or () for no attention"
            )


def cifar10() -> Recipe:
    """BigGAN-PyTorch's launch_cifar_ema.sh: batch 50, four discriminator steps, no attention, 500 epochs."""
    batch = 50
    return Recipe(
        family="biggan",
        gan=Config(
            latent=128,
            generator_width=64,
            discriminator_width=64,
            attention=(),
            embedding=0,
            hierarchical=False,
            initialisation="normal",
            spectral_eps=1e-8,
            discriminator_steps=4,
        ),
        data=Data(resolution=32, colour="rgb"),
        optimisers={"generator": adam(2e-4, 0.0, 0.999), "discriminator": adam(2e-4, 0.0, 0.999)},
        # An epoch of 50,000 images is 250 steps of 4 x 50.
        train=Training(images=500 * 250 * batch, batch=batch),
        average=Average(half_life=constant(half_life(0.9999, batch)), start=1_000 * batch),
        jobs=Jobs(log_every=5_000, sample_every=50_000, checkpoint_every=100_000),
    )


def imagenet128() -> Recipe:
    """The paper at 128x128: batch 2048, two discriminator steps, orthogonal regularisation; set train.micro_batches."""
    return _imagenet128(Config(orthogonal=1e-4, discriminator_steps=2), 5e-5, 2e-4, 1e-8, micro_batches=1)


def imagenet128_pytorch() -> Recipe:
    """BigGAN-PyTorch's launch_BigGAN_bs256x8.sh: batch 8 x 256, one discriminator step, faster rates, no regularisation."""
    return _imagenet128(Config(orthogonal=0.0, discriminator_steps=1), 1e-4, 4e-4, 1e-6, micro_batches=8)


def deep128() -> Recipe:
    """BigGAN-deep at 128x128 by BigGAN-PyTorch's launch_BigGAN_deep.sh: batch 8 x 256, one discriminator step."""
    config = Config(
        latent=128, generator_width=128, discriminator_width=128, deep=True, hierarchical=False, discriminator_steps=1
    )
    return _imagenet128(config, 1e-4, 4e-4, 1e-6, micro_batches=8)


def _imagenet128(config: Config, generator: float, discriminator: float, eps: float, micro_batches: int) -> Recipe:
    batch = 2048
    return Recipe(
        family="biggan",
        gan=config,
        data=Data(resolution=128, colour="rgb"),
        optimisers={
            "generator": adam(generator, 0.0, 0.999, eps=eps),
            "discriminator": adam(discriminator, 0.0, 0.999, eps=eps),
        },
        train=Training(images=100 * 1_281_167, batch=batch, micro_batches=micro_batches),
        average=Average(half_life=constant(half_life(0.9999, batch)), start=20_000 * batch),
        jobs=Jobs(log_every=20_480, sample_every=1_024_000, checkpoint_every=2_048_000),
    )


def half_life(decay: float, batch: int) -> float:
    """Images in which an average that keeps `decay` of itself a step halves."""
    return batch * log(0.5) / log(decay)


def cpu() -> Recipe:
    """Garments of a chosen class in a quarter of an hour on one core: 32x32, narrow networks, high rates, small batches."""
    images = 210_000
    rate = linear(1e-3, 0, over=images)
    return Recipe(
        family="biggan",
        gan=Config(
            latent=64,
            generator_width=6,
            discriminator_width=6,
            attention=(),
            embedding=32,
            spectral_generator=False,
        ),
        data=Data(resolution=32),
        optimisers={"generator": adam(rate, 0.0, 0.99, eps=1e-6), "discriminator": adam(rate, 0.0, 0.99, eps=1e-6)},
        train=Training(images=images, batch=16),
        average=Average(half_life=constant(2_000), ramp_up=0.05),
        jobs=Jobs(log_every=1_600, sample_every=16_000, checkpoint_every=32_000),
    )


def tiny() -> Recipe:
    """16x16 with classes in seconds: to see that everything works."""
    return Recipe(
        family="biggan",
        gan=Config(
            latent=12,
            generator_width=4,
            discriminator_width=4,
            attention=(8,),
            embedding=8,
            orthogonal=1e-4,
            discriminator_steps=2,
            standing_images=32,
        ),
        data=Data(resolution=16),
        optimisers={"generator": adam(1e-3, 0.0, 0.9), "discriminator": adam(1e-3, 0.0, 0.9)},
        train=Training(images=16 * 20, batch=16),
        average=Average(half_life=constant(64)),
        jobs=Jobs(log_every=64, sample_every=160, checkpoint_every=160, num_samples=16),
    )
