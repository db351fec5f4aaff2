"""HiFi-GAN: a sound from its mel spectrogram, judged at many periods and scales.

Kong, Kim & Bae 2020, "HiFi-GAN: Generative adversarial networks for efficient and high fidelity speech synthesis" (arXiv
2010.05646). The generator G lengthens log-mel features s by transposed convolutions, each followed by the mean of residual
blocks of several kernels (multi-receptive field fusion, sec. 2.2). Five discriminators see every p-th sample, p = 2, 3, 5, 7,
11, three see the sound at full, half and quarter rate (sec. 2.3). Discriminators lower sum_k E[(D_k(x) - 1)^2 + D_k(G(s))^2]
(eq. 1), the generator sum_k E[(D_k(G(s)) - 1)^2] + f L_FM + m L_mel (eq. 2 to 6): L_FM is the difference of the discriminators'
maps, L_mel that of log-mel features, over all frequencies.

Faithful to the paper and the official code, jik876/hifi-gan: the generator with the authors' weights gives the authors' sounds.
V1, V2 and V3 are recipes. Where paper and code differ (rates decay by 0.999 an epoch there, here as smoothly as that; feature
matching is summed, not averaged, over layers) it is the code that is followed. Different here: the narrow networks of `cpu` and
`tiny`, whose features are their own.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, leaky_relu, pad
from torch.nn.utils.parametrizations import weight_norm

from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import least_squares_d, least_squares_g, score_notes
from zerosum.nn.spectral import spectral
from zerosum.noise import Noise, SilentNoise
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Optimiser, Recipe, Training, not_negative, positive
from zerosum.schedules import Schedule, constant, exponential
from zerosum.spectra import Mel, log_mel

SLOPE = 0.1
"""Of all leaky rectifiers but the generator's last."""
LAST_SLOPE = 0.01
PERIODS = (2, 3, 5, 7, 11)
SCALES = 3
BLOCKS = {
    "pairs": ((3, 7, 11), ((1, 3, 5), (1, 3, 5), (1, 3, 5))),
    "single": ((3, 5, 7), ((1, 2), (2, 6), (3, 12))),
}
"""Kernels and dilations of the residual blocks (table 5): of V1 and V2, whose dilated convolutions are each followed by a plain
one, and of V3."""
Judged = list[tuple[Tensor, list[Tensor]]]
"""Of every discriminator the scores `[N, ...]` and the maps before them."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of HiFi-GAN."""

    rate: int = 22_050
    """Samples in a second: data.rate must be the same."""
    window: int = 1024
    """Samples in a window of the mel spectrogram."""
    hop: int = 256
    """Samples from one frame to the next: the product of gan.upsample."""
    bands: int = 80
    """Mel bands."""
    high: float = 8_000.0
    """Hz at which the last band ends."""
    width: int = 512
    """Channels of the generator's shortest maps, halved by every lengthening (V1: 512, V2: 128, V3: 256)."""
    upsample: tuple[int, ...] = (8, 8, 2, 2)
    """By how much the generator lengthens its maps, one after the other; even numbers."""
    blocks: Literal["pairs", "single"] = "pairs"
    """Residual blocks of V1 and V2, or the smaller ones of V3."""
    discriminator_width: int = 1024
    """Channels of the discriminators' widest maps."""
    matching: float = 2.0
    """Weight f of feature matching."""
    mel: float = 45.0
    """Weight m of the difference of log-mel features."""

    def __post_init__(self) -> None:
        positive(width=self.width, rate=self.rate)
        not_negative(matching=self.matching, mel=self.mel)
        if not self.upsample or min(self.upsample) < 2 or any(factor % 2 for factor in self.upsample):
            raise ValueError(f"gan.upsample must be even numbers such as 8 8 2 2, not {self.upsample}")
        if math.prod(self.upsample) != self.hop:
            raise ValueError(f"gan.upsample {self.upsample} multiply to {math.prod(self.upsample)}: gan.hop is {self.hop}")
        if self.width % 2 ** len(self.upsample):
            raise ValueError(f"gan.width {self.width} cannot be halved {len(self.upsample)} times")
        if self.discriminator_width < 32 or self.discriminator_width % 32:
            raise ValueError(f"gan.discriminator_width must be a multiple of 32, not {self.discriminator_width}")
        self.features()

    def features(self, high: float | None = None) -> Mel:
        """What the generator is given; with another highest frequency, what it is judged by."""
        return Mel(self.rate, self.window, self.hop, self.bands, 0.0, high or self.high)


def conv(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> nn.Conv1d:
    """Weight-normed, same length, small first weights."""
    return _normed(nn.Conv1d(inputs, outputs, kernel, 1, dilation * (kernel - 1) // 2, dilation))


def _normed(layer: nn.Conv1d) -> nn.Conv1d:
    nn.init.normal_(layer.weight, 0, 0.01)
    normed: nn.Conv1d = weight_norm(layer)
    return normed


class ResidualBlock(nn.Module):
    """x + c2(c1(x)) for each of some dilations, c1 dilated and c2 not; of V3 x + c1(x)."""

    def __init__(self, width: int, kernel: int, dilations: Sequence[int], is_pair: bool) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(conv(width, width, kernel, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(conv(width, width, kernel) for _ in dilations if is_pair)

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, width, T]` to the same."""
        for number, layer in enumerate(self.convs1):
            change = layer(leaky_relu(maps, SLOPE))
            if self.convs2:
                change = self.convs2[number](leaky_relu(change, SLOPE))
            maps = maps + change
        return maps


class Generator(nn.Module):
    """Log-mel features `[N, bands, F]` to sounds `[N, 1, F * hop]` in [-1, 1]. Layers are named as in the official code."""

    def __init__(self, bands: int, width: int, upsample: Sequence[int], blocks: Literal["pairs", "single"]) -> None:
        super().__init__()
        kernels, dilations = BLOCKS[blocks]
        widths = [width >> level for level in range(len(upsample) + 1)]
        self.conv_pre = weight_norm(nn.Conv1d(bands, width, 7, 1, 3))
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for factor, (before, after) in zip(upsample, pairwise(widths), strict=True):
            layer = nn.ConvTranspose1d(before, after, 2 * factor, factor, factor // 2)
            nn.init.normal_(layer.weight, 0, 0.01)
            self.ups.append(weight_norm(layer))
            self.resblocks.extend(
                ResidualBlock(after, kernel, rates, blocks == "pairs") for kernel, rates in zip(kernels, dilations, strict=True)
            )
        self.conv_post = conv(widths[-1], 1, 7)
        self.num_kernels = len(kernels)

    def forward(self, features: Tensor) -> Tensor:
        """Sounds."""
        maps: Tensor = self.conv_pre(features)
        for level, layer in enumerate(self.ups):
            maps = layer(leaky_relu(maps, SLOPE))
            own = self.resblocks[level * self.num_kernels : (level + 1) * self.num_kernels]
            maps = torch.stack([block(maps) for block in own]).mean(0)
        return torch.tanh(self.conv_post(leaky_relu(maps, LAST_SLOPE)))


class PeriodDiscriminator(nn.Module):
    """Every `period`-th sample beside the others: sounds `[N, 1, T]` as pictures `[N, 1, T / p, p]`, columns judged alone."""

    def __init__(self, period: int, width: int) -> None:
        super().__init__()
        self.period = period
        widths = [1, width // 32, width // 8, width // 2, width]
        layers = [nn.Conv2d(before, after, (5, 1), (3, 1), (2, 0)) for before, after in pairwise(widths)]
        layers += [nn.Conv2d(width, width, (5, 1), 1, (2, 0)), nn.Conv2d(width, 1, (3, 1), 1, (1, 0))]
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)

    def forward(self, sounds: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores, and the maps before them."""
        sounds = pad(sounds, (0, -sounds.shape[2] % self.period), "reflect")
        return judged(self.layers, sounds.unflatten(2, (-1, self.period)))  # type: ignore[no-untyped-call]


class ScaleDiscriminator(nn.Module):
    """Grouped convolutions with long kernels over sounds `[N, 1, T]`.

    Args:
        is_spectral: spectral norm, as where the sound is not smoothed, else weight norm (sec. 2.3).
    """

    def __init__(self, width: int, is_spectral: bool) -> None:
        super().__init__()
        widths = [width // 8, width // 8, width // 4, width // 2, width, width]
        layers = [nn.Conv1d(1, widths[0], 15, 1, 7)]
        for (before, after), stride, groups in zip(pairwise(widths), (2, 2, 4, 4, 1), (4, 16, 16, 16, 16), strict=True):
            layers.append(nn.Conv1d(before, after, 41, stride, 20, groups=math.gcd(groups, before, after)))
        layers += [nn.Conv1d(width, width, 5, 1, 2), nn.Conv1d(width, 1, 3, 1, 1)]
        self.layers = nn.ModuleList(spectral(layer) if is_spectral else weight_norm(layer) for layer in layers)

    def forward(self, sounds: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores, and the maps before them."""
        return judged(self.layers, sounds)


def judged(layers: nn.ModuleList, maps: Tensor) -> tuple[Tensor, list[Tensor]]:
    """What the layers, the last one without a rectifier, make of it, and the maps on the way, the scores among them."""
    seen = []
    for layer in layers[:-1]:
        maps = leaky_relu(layer(maps), SLOPE)
        seen.append(maps)
    scores = layers[-1](maps)
    return scores, [*seen, scores]


class Discriminators(nn.Module):
    """All eight: sounds `[N, 1, T]` to scores and maps."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.periods = nn.ModuleList(PeriodDiscriminator(period, width) for period in PERIODS)
        self.scales = nn.ModuleList(ScaleDiscriminator(width, number == 0) for number in range(SCALES))

    def forward(self, sounds: Tensor) -> Judged:
        """Of every discriminator, periods first."""
        found = [judge(sounds) for judge in self.periods]
        for number, judge in enumerate(self.scales):
            sounds = avg_pool1d(sounds, 4, 2, 2) if number else sounds
            found.append(judge(sounds))
        return found


class HiFiGAN(GAN):
    """The game of HiFi-GAN. The source is a sound, from whose spectrogram it is made again.

    Raises:
        ValueError: the data has no sounds, not of one channel, or of a length that is no multiple of the hop.
    """

    needs = frozenset({"wave"})
    given = frozenset({"source"})
    makes = takes = "wave"

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config, self.rate = config, config.rate
        if "wave" not in shapes:
            raise ValueError(f"HiFi-GAN makes sounds, but the data has only {', '.join(sorted(shapes))}: set data.kind audio")
        channels, samples = shapes["wave"]
        if channels != 1:
            raise ValueError("HiFi-GAN makes sounds of one channel: set data.channels mono")
        if samples % config.hop or samples < config.window:
            raise ValueError(
                f"data.samples {samples} must be a multiple of gan.hop {config.hop} and at least gan.window {config.window}"
            )
        self.mel, self.loss_mel = config.features(), config.features(config.rate / 2)
        self.generator = Generator(config.bands, config.width, config.upsample, config.blocks)
        self.discriminators = Discriminators(config.discriminator_width)

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminators": self.discriminators}

    def turns(self) -> list[Turn]:
        return [Turn("discriminators", self.discriminators_loss), Turn("generator", self.generator_loss)]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        """Sounds `[N, 1, T]` from the spectrograms of sounds `[N, 1, T]`, T a multiple of the hop; nothing is random."""
        return self.vocode(log_mel(given["source"][:, 0], self.mel))

    def vocode(self, features: Tensor) -> Tensor:
        """Sounds `[N, 1, F * hop]` in [-1, 1] from log-mel features `[N, bands, F]`."""
        sounds: Tensor = self.generator(features)
        return sounds

    def discriminators_loss(self, batch: Batch, progress: float) -> Loss:
        """sum_k E[(D_k(x) - 1)^2] + E[D_k(G(s))^2] (eq. 1)."""
        real, fake = self.discriminators(batch["wave"]), self.discriminators(self._fakes(batch))
        losses = [2 * least_squares_d(ours, theirs) for (ours, _), (theirs, _) in zip(real, fake, strict=True)]
        return Loss({"adversarial": torch.stack(losses).sum()}, score_notes(mean_scores(real), mean_scores(fake)))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """sum_k E[(D_k(G(s)) - 1)^2] + f L_FM + m L_mel (eq. 2 to 6)."""
        config, real = self.config, batch["wave"]
        fakes = self._fakes(batch)
        with torch.no_grad():
            wanted = self.discriminators(real)
        found = self.discriminators(fakes)
        adversarial = torch.stack([2 * least_squares_g(scores) for scores, _ in found]).sum()
        terms = {"adversarial": adversarial, "feature_matching": config.matching * differences(wanted, found)}
        ours, theirs = (log_mel(sounds[:, 0], self.loss_mel) for sounds in (fakes, real))
        terms["mel"] = config.mel * (ours - theirs).abs().mean()
        return Loss(terms)

    def _fakes(self, batch: Batch) -> Tensor:
        return self.sample({"source": batch["wave"]}, SilentNoise(len(batch["wave"])))


def mean_scores(found: Judged) -> Tensor:
    """The mean over discriminators and places, `[N]`."""
    return torch.stack([scores.flatten(1).mean(1) for scores, _ in found]).mean(0)


def differences(real: Judged, fake: Judged) -> Tensor:
    """The mean absolute differences of maps, summed over layers and discriminators (eq. 4)."""
    maps = [pair for (_, ours), (_, theirs) in zip(real, fake, strict=True) for pair in zip(ours, theirs, strict=True)]
    return torch.stack([(ours - theirs).abs().mean() for ours, theirs in maps]).sum()


def v1() -> Recipe:
    """The paper's V1: 13.9 million parameters, 2.5 million updates of slices of 8192 samples at 22,050 Hz."""
    return _paper(Config())


def v2() -> Recipe:
    """The paper's V2: the layers of V1 with a quarter of the channels."""
    return _paper(Config(width=128))


def v3() -> Recipe:
    """The paper's V3: fewer and smaller layers, for CPUs."""
    return _paper(Config(width=256, upsample=(8, 8, 4), blocks="single"))


def cpu() -> Recipe:
    """A vocoder at 16 kHz on a CPU: the layers of V3 with few channels, 64 bands, slices of an eighth of a second."""
    config = Config(
        rate=16_000,
        window=512,
        hop=128,
        bands=64,
        width=64,
        upsample=(8, 4, 4),
        blocks="single",
        discriminator_width=64,
    )
    return Recipe(
        family="hifigan",
        gan=config,
        data=Data(path="drums", kind="audio", rate=16_000, samples=2_048, slices="random", trim=60.0),
        optimisers=_optimisers(exponential(1e-3, 1e-4, over=24_000)),
        train=Training(images=24_000, batch=8),
        average=Average(half_life=constant(500), ramp_up=0.05),
        jobs=Jobs(log_every=320, sample_every=4_000, checkpoint_every=4_000, num_samples=24),
    )


def tiny() -> Recipe:
    """An eighth of a second of sound in seconds: to see that everything works."""
    config = Config(
        rate=8_000,
        window=128,
        hop=32,
        bands=16,
        high=4_000.0,
        width=16,
        upsample=(4, 4, 2),
        blocks="single",
        discriminator_width=32,
    )
    return Recipe(
        family="hifigan",
        gan=config,
        data=Data(path="drums", kind="audio", rate=8_000, samples=1_024, slices="random"),
        optimisers=_optimisers(constant(1e-3)),
        train=Training(images=48, batch=4),
        average=Average(half_life=constant(40)),
        jobs=Jobs(log_every=12, sample_every=24, checkpoint_every=24, num_samples=8),
    )


def _optimisers(rate: Schedule) -> dict[str, Optimiser]:
    optimiser = Optimiser(kind="adamw", rate=rate, beta1=0.8, beta2=constant(0.99), weight_decay=0.01)
    return {"generator": optimiser, "discriminators": optimiser}


def _paper(config: Config) -> Recipe:
    """A recipe of the paper's sizes; rates fall by 0.999 in 12,950 slices, an epoch of its speech."""
    images = 16 * 2_500_000
    return Recipe(
        family="hifigan",
        gan=config,
        data=Data(kind="audio", rate=22_050, samples=8_192, slices="random"),
        optimisers=_optimisers(exponential(2e-4, 2e-4 * 0.999 ** (images / 12_950), over=images)),
        train=Training(images=images, batch=16),
        jobs=Jobs(log_every=1_600, sample_every=80_000, checkpoint_every=80_000, num_samples=24),
    )
