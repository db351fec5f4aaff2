"""WaveGAN: raw sound from a latent, by one-dimensional convolutions with long kernels and strides of four.

Donahue, McAuley & Puckette 2019, "Adversarial audio synthesis" (arXiv 1802.04208). DCGAN flattened: 25 samples for 5 x 5
pixels, strides of 4 for 2 x 2 (tables 3 and 4). The critic lowers Wasserstein's loss with a gradient penalty five times a step;
between its layers the phase is shuffled: activations are moved by up to n samples, so that it cannot tell sounds by the phase
of the generator's artefacts (sec. 3.3). With classes (`conditional`) the generator takes the class beside the latent, and the
critic's last layer has a score for each class that is added to the one for all (the projection of Miyato & Koyama 2018, eq. 4).

Faithful to the paper and the official code, chrisdonahue/wavegan: widths, kernels, penalty, one shift of the phase for a batch
and layer, Adam 1e-4 (0.5, 0.9), batch 64, no batch norm. Different here: classes, which the paper has none of; weights start as
torch makes them, not as TensorFlow does; the critic's last layer has no bias, which Wasserstein's loss cannot see; no learned
filter after the generator (the paper's optional post-processing).
"""

from collections.abc import Sequence

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad, relu

from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import score_notes, wasserstein_d, wasserstein_g
from zerosum.noise import FreshNoise, Noise, truncated
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Training, adam, not_negative, positive
from zerosum.regularizers import gradient_penalty
from zerosum.schedules import constant, linear

FIRST = 16
"""Samples of the shortest maps."""
STRIDE = 4
SLOPE = 0.2


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of WaveGAN."""

    latent: int = 100
    """Size of the latent, uniform in [-1, 1)."""
    width: int = 64
    """Channels next to the sound, doubling towards the shortest maps."""
    kernel: int = 25
    """Samples that a convolution sees, an odd number."""
    phase_shuffle: int = 2
    """Largest shift of the critic's activations, in samples; 0: none."""
    penalty: float = 10.0
    """Weight of the gradient penalty (lambda)."""
    critic_steps: int = 5
    """Updates of the critic in a step, each on a fresh batch."""
    conditional: bool = False
    """Condition on the class, such as the sub-folder."""

    def __post_init__(self) -> None:
        positive(latent=self.latent, width=self.width, penalty=self.penalty, critic_steps=self.critic_steps)
        not_negative(phase_shuffle=self.phase_shuffle)
        if self.kernel < STRIDE or self.kernel % 2 == 0:
            raise ValueError(f"gan.kernel must be odd and at least {STRIDE + 1}, not {self.kernel}")


def strides(samples: int) -> list[int]:
    """The strides that lead from 16 samples to so many: fours, and a two at the end where it needs one.

    Raises:
        ValueError: they lead past it.
    """
    found, length = list[int](), FIRST
    while length * STRIDE <= samples:
        found, length = [*found, STRIDE], length * STRIDE
    if length * 2 == samples:
        found, length = [*found, 2], samples
    if length != samples or samples < FIRST * STRIDE:
        raise ValueError(
            f"data.samples {samples}: WaveGAN makes sounds of 64, 128, 256 ... 16384, 32768, 65536 ... samples, a power of two"
        )
    return found


class Generator(nn.Module):
    """Latents, and labels if there are any, `[N, L]` to sounds `[N, C, T]` in [-1, 1]."""

    def __init__(self, inputs: int, channels: int, steps: Sequence[int], width: int, kernel: int) -> None:
        super().__init__()
        widths = [width * 2**power for power in reversed(range(len(steps)))]
        self.first = nn.Linear(inputs, widths[0] * FIRST)
        outputs = [*widths[1:], channels]
        self.layers = nn.ModuleList(
            # Longer by the stride exactly.
            nn.ConvTranspose1d(before, after, kernel, stride, kernel // 2, output_padding=stride - 1)
            for before, after, stride in zip(widths, outputs, steps, strict=True)
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Sounds of `[N, L]`."""
        maps: Tensor = self.first(latents)
        maps = maps.unflatten(1, (-1, FIRST))  # type: ignore[no-untyped-call]
        for layer in self.layers:
            maps = layer(relu(maps))
        return maps.tanh()


class Critic(nn.Module):
    """Sounds `[N, C, T]` to scores `[N, 1 + classes]`."""

    def __init__(
        self, channels: int, steps: Sequence[int], width: int, kernel: int, phase_shuffle: int, num_classes: int
    ) -> None:
        super().__init__()
        widths = [width * 2**power for power in range(len(steps))]
        self.layers = nn.ModuleList(
            nn.Conv1d(before, after, kernel, stride, kernel // 2)
            for before, after, stride in zip([channels, *widths], widths, reversed(steps), strict=False)
        )
        self.outputs = nn.Linear(widths[-1] * FIRST, 1 + num_classes, bias=False)
        self.phase_shuffle = phase_shuffle

    def forward(self, sounds: Tensor) -> Tensor:
        """Scores of `[N, C, T]`."""
        maps = sounds
        for number, layer in enumerate(self.layers, 1):
            maps = leaky_relu(layer(maps), SLOPE)
            if number < len(self.layers):
                maps = shuffle_phase(maps, self.phase_shuffle)
        scores: Tensor = self.outputs(maps.flatten(1))
        return scores


def shuffle_phase(maps: Tensor, most: int) -> Tensor:
    """Maps `[N, C, T]` moved by a random number of samples from -most to most, what comes in mirrored (sec. 3.3)."""
    if not most:
        return maps
    shift = int(torch.randint(-most, most + 1, ()))
    length = maps.shape[2]
    return pad(maps, (max(shift, 0), max(-shift, 0)), "reflect")[:, :, max(-shift, 0) : max(-shift, 0) + length]


class WaveGAN(GAN):
    """The game of WaveGAN.

    Raises:
        ValueError: the data has no sounds, of a length that the networks cannot make, or no classes to condition on.
    """

    makes = "wave"

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        if "wave" not in shapes:
            raise ValueError(f"WaveGAN makes sounds, but the data has only {', '.join(sorted(shapes))}: set data.kind audio")
        if config.conditional and "label" not in shapes:
            raise ValueError("gan.conditional needs classes, but the data has none: put each class into a folder of its own")
        self.given = frozenset({"label"} if config.conditional else ())
        self.needs_classes = config.conditional
        self.needs = self.given | {self.makes}
        (channels, samples), num_classes = shapes["wave"], shapes["label"][0] if config.conditional else 0
        steps, width, kernel = strides(samples), config.width, config.kernel
        self.generator = Generator(config.latent + num_classes, channels, steps, width, kernel)
        self.critic = Critic(channels, steps, width, kernel, config.phase_shuffle, num_classes)

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "critic": self.critic}

    def turns(self) -> list[Turn]:
        critic = Turn("critic", self.critic_loss, repeat=self.config.critic_steps, second_order=True)
        return [critic, Turn("generator", self.generator_loss)]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        """Sounds `[N, C, T]` in [-1, 1]."""
        return self.synthesise(self.latents(given, noise), given, noise)

    def latents(self, given: Batch, noise: Noise) -> Tensor:
        """z `[N, L]`, uniform in [-1, 1)."""
        return noise.uniform(self.config.latent)

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        """Sounds `[N, C, T]` in [-1, 1]."""
        label = [given["label"]] if self.config.conditional else []
        sounds: Tensor = self.generator(torch.cat([latents, *label], 1))
        return sounds

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        """Latents in [-truncation, truncation]."""
        return truncated(latents, "uniform", truncation)

    def latent_weights(self) -> list[Tensor]:
        """Of the generator's first layer, `[outputs, L]`."""
        return [self.generator.first.weight[:, : self.config.latent]]

    def critic_loss(self, batch: Batch, progress: float) -> Loss:
        """E[f(G(z))] - E[f(x)] + lambda E[(|grad f(x^)| - 1)^2] (eq. 2 and Gulrajani et al. 2017, eq. 3)."""
        real = batch["wave"]
        fake = self.sample(batch, FreshNoise(len(real), real.device))
        real_score, fake_score = self._score(real, batch), self._score(fake, batch)
        penalty = gradient_penalty(lambda sounds: self._score(sounds, batch), real, fake)
        terms = {"adversarial": wasserstein_d(real_score, fake_score), "gradient_penalty": self.config.penalty * penalty}
        return Loss(terms, score_notes(real_score, fake_score))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[f(G(z))]."""
        fakes = self.sample(batch, FreshNoise(len(batch["wave"]), batch["wave"].device))
        return Loss({"adversarial": wasserstein_g(self._score(fakes, batch))})

    def _score(self, sounds: Tensor, batch: Batch) -> Tensor:
        """Scores `[N]`, those of the batch's classes."""
        scores: Tensor = self.critic(sounds)
        return scores[:, 0] + (scores[:, 1:] * batch["label"]).sum(1) if self.config.conditional else scores[:, 0]


def paper() -> Recipe:
    """The paper's: one second at 16 kHz, 16384 samples, from the beginnings of files, 200,000 steps."""
    return _paper(16_384, Config())


def seconds4() -> Recipe:
    """Four seconds at 16 kHz: 65536 samples, from random places of files; one more layer, as in the official code."""
    return _paper(65_536, Config(), "random")


def classes() -> Recipe:
    """The paper's length and networks, conditional on the sub-folder."""
    return _paper(16_384, Config(conditional=True))


def cpu() -> Recipe:
    """A quarter of a second at 16 kHz on a CPU, conditional on the sub-folder: narrow networks, small batches."""
    rate = linear(4e-4, 1e-4, over=40_000)
    return Recipe(
        family="wavegan",
        gan=Config(width=16, critic_steps=3, conditional=True),
        data=Data(path="drums", kind="audio", rate=16_000, samples=4_096, trim=40.0, held_out=60),
        optimisers={"generator": adam(rate, 0.5, 0.9), "critic": adam(rate, 0.5, 0.9)},
        train=Training(images=40_000, batch=32),
        average=Average(half_life=constant(1_000), ramp_up=0.05),
        jobs=Jobs(log_every=640, sample_every=6_400, checkpoint_every=12_800, num_samples=30),
    )


def tiny() -> Recipe:
    """An eighth of a second of sound in seconds: to see that everything works."""
    return Recipe(
        family="wavegan",
        gan=Config(latent=8, width=4, critic_steps=2, conditional=True),
        data=Data(path="drums", kind="audio", rate=8_000, samples=1_024),
        optimisers={"generator": adam(1e-3, 0.5, 0.9), "critic": adam(1e-3, 0.5, 0.9)},
        train=Training(images=96, batch=8),
        average=Average(half_life=constant(40)),
        jobs=Jobs(log_every=24, sample_every=48, checkpoint_every=48, num_samples=8),
    )


def _paper(samples: int, config: Config, slices: str = "start") -> Recipe:
    """A recipe of the paper's sizes."""
    return Recipe(
        family="wavegan",
        gan=config,
        data=Data(kind="audio", rate=16_000, samples=samples, slices="random" if slices == "random" else "start"),
        optimisers={"generator": adam(1e-4, 0.5, 0.9), "critic": adam(1e-4, 0.5, 0.9)},
        train=Training(images=64 * 200_000, batch=64),
        jobs=Jobs(log_every=6_400, sample_every=64_000, checkpoint_every=640_000),
    )
