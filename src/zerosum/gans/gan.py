"""GAN: the first, of fully connected networks, for images and for points in the plane.

Goodfellow et al. 2014, "Generative adversarial nets" (arXiv 1406.2661): min_G max_D E[log D(x)] + E[log(1 - D(G(z)))] (eq.
1). The generator lowers E[log(1 - D(G(z)))] (minimax, algorithm 1) or -E[log D(G(z))] (non-saturating, sec. 3).

The paper gives no layer sizes: they are those of its released code, goodfeli/adversarial, mnist.yaml, whose values are
`mnist()`. Paper and code differ: the code's generator lowers the non-saturating objective from normal noise, both its
players move at once on the same samples, and its discriminator lowers half of the loss; `mnist()` plays in turn, as
algorithm 1 does, and halves the discriminator's rate instead, which for SGD is the same. The code starts the generator's
last bias at the marginals of the data; here it starts at zero, a mid-grey. As in the code the networks work in [0, 1]:
images in [-1, 1] are rescaled at their doors.
"""

from math import prod
from typing import Literal

from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from zerosum.augment import Augment
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import minimax_d, minimax_g, non_saturating_g, probability_notes
from zerosum.nn.instance_noise import add_instance_noise
from zerosum.nn.maxout import Maxout, ranged_linear
from zerosum.nn.minibatch import minibatch_layer
from zerosum.noise import Distribution, FreshNoise, Noise, truncated
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Optimiser, Recipe, Stabilisers, Training, adam, positive, sgd
from zerosum.schedules import constant, exponential, linear

Objective = Literal["minimax", "non_saturating"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of the first GAN."""

    latent: int = 100
    """Size of the latent."""
    noise: Distribution = "uniform"
    """Distribution of the latent: uniform in [-1, 1], or normal."""
    objective: Objective = "non_saturating"
    """What the generator lowers: E[log(1 - D(G(z)))] or -E[log D(G(z))]."""
    discriminator_steps: int = 1
    """Plays of the discriminator for each of the generator (k)."""
    generator_width: int = 1200
    """Units in each of the generator's two hidden layers."""
    generator_range: float | None = 0.05
    """The generator's weights start uniform in plus and minus this; None: torch's own initial values."""
    discriminator: Literal["maxout", "mlp"] = "maxout"
    """Units of the discriminator: the largest of several linear pieces, or leaky ReLU."""
    discriminator_width: int = 240
    """Units in each of the discriminator's two hidden layers."""
    discriminator_pieces: int = 5
    """Linear pieces of a maxout unit."""
    discriminator_range: float | None = 0.005
    """The discriminator's weights start uniform in plus and minus this; None: torch's own initial values."""
    dropout_input: float = 0.2
    """Share of the discriminator's inputs left out in training."""
    dropout: float = 0.5
    """Share of the discriminator's hidden units left out in training."""
    stabilisers: Stabilisers = Stabilisers()
    """Cures for instability and mode collapse."""

    def __post_init__(self) -> None:
        positive(latent=self.latent, generator_width=self.generator_width, discriminator_steps=self.discriminator_steps)
        positive(discriminator_width=self.discriminator_width, discriminator_pieces=self.discriminator_pieces)
        for name in ("dropout", "dropout_input"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), not {getattr(self, name)}")


class Generator(nn.Module):
    """Two hidden layers of ReLU, then a sigmoid for images or nothing for points."""

    def __init__(self, config: Config, shape: tuple[int, ...]) -> None:
        super().__init__()
        width, weight_range = config.generator_width, config.generator_range
        self.shape = shape
        self.layers = nn.Sequential(
            ranged_linear(config.latent, width, weight_range),
            nn.ReLU(inplace=True),
            ranged_linear(width, width, weight_range),
            nn.ReLU(inplace=True),
            ranged_linear(width, prod(shape), weight_range),
        )

    def forward(self, latent: Tensor) -> Tensor:
        """`[N, latent]` -> images `[N, C, H, W]` in [-1, 1], or points `[N, 2]`."""
        outputs: Tensor = self.layers(latent).reshape(-1, *self.shape)
        return outputs.sigmoid() * 2 - 1 if len(self.shape) == 3 else outputs

    def latent_weights(self) -> Tensor:
        """Those of the first layer, `[outputs, latent]`."""
        return self.layers[0].get_parameter("weight")


class Discriminator(nn.Module):
    """Two hidden layers of maxout or leaky ReLU with dropout."""

    def __init__(self, config: Config, shape: tuple[int, ...]) -> None:
        super().__init__()
        width = config.discriminator_width
        seen = minibatch_layer(config.stabilisers.minibatch, width)
        self.layers = nn.Sequential(
            nn.Dropout(config.dropout_input),
            hidden_layer(config, prod(shape)),
            nn.Dropout(config.dropout),
            hidden_layer(config, width),
            nn.Dropout(config.dropout),
            seen,
            ranged_linear(width + seen.extra_channels, 1, config.discriminator_range),
        )

    def forward(self, examples: Tensor) -> Tensor:
        """Images `[N, C, H, W]` in [-1, 1], or points `[N, 2]` -> scores `[N]`."""
        # Dropout leaves out ink on black, as in [0, 1] of the released code.
        inputs = (examples + 1) / 2 if examples.dim() == 4 else examples
        scores: Tensor = self.layers(inputs.flatten(1)).flatten()
        return scores


def hidden_layer(config: Config, inputs: int) -> nn.Module:
    """One hidden layer of the discriminator, `[N, inputs]` -> `[N, discriminator_width]`."""
    width, weight_range = config.discriminator_width, config.discriminator_range
    if config.discriminator == "maxout":
        return Maxout(inputs, width, config.discriminator_pieces, weight_range)
    return nn.Sequential(ranged_linear(inputs, width, weight_range), nn.LeakyReLU(0.2, inplace=True))


class FirstGAN(GAN):
    """The game of the first GAN.

    Raises:
        ValueError: the data has neither images nor points.
    """

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        if not {"image", "point"} & set(shapes):
            raise ValueError(f"this family makes images or points, but the data has only {', '.join(sorted(shapes))}")
        self.config = config
        self.makes = "image" if "image" in shapes else "point"
        self.needs = frozenset({self.makes})
        self.generator = Generator(config, shapes[self.makes])
        self.discriminator = Discriminator(config, shapes[self.makes])
        self.augment = Augment(config.stabilisers, shapes[self.makes])

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def turns(self) -> list[Turn]:
        steps, adapt = self.config.discriminator_steps, self.augment.adapt
        discriminator = Turn("discriminator", self.discriminator_loss, repeat=steps, project=adapt)
        return [discriminator, Turn("generator", self.generator_loss)]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        return self.synthesise(self.latents(given, noise), given, noise)

    def latents(self, given: Batch, noise: Noise) -> Tensor:
        """z `[N, L]`, normal or uniform."""
        return noise.latent(self.config.noise, self.config.latent)

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        """Images `[N, C, H, W]` in [-1, 1], or points `[N, 2]`."""
        samples: Tensor = self.generator(latents)
        return samples

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        """Latents in [-truncation, truncation]."""
        return truncated(latents, self.config.noise, truncation)

    def latent_weights(self) -> list[Tensor]:
        """Of the generator's first layer, `[outputs, L]`."""
        return [self.generator.latent_weights()]

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[log D(x)] - E[log(1 - D(G(z)))]."""
        real = self._score(batch[self.makes], progress)
        fake = self._score(self._fakes(batch), progress)
        loss = minimax_d(real, fake, self.config.stabilisers.label_smoothing)
        return Loss({"adversarial": loss}, probability_notes(real, fake) | self.augment.observe(real))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """E[log(1 - D(G(z)))] or -E[log D(G(z))]."""
        objective = minimax_g if self.config.objective == "minimax" else non_saturating_g
        return Loss({"adversarial": objective(self._score(self._fakes(batch), progress))})

    def _fakes(self, batch: Batch) -> Tensor:
        real = batch[self.makes]
        return self.sample({}, FreshNoise(len(real), real.device))

    def _score(self, examples: Tensor, progress: float) -> Tensor:
        cures = self.config.stabilisers
        scores: Tensor = self.discriminator(
            add_instance_noise(self.augment(examples), cures.instance_noise, cures.instance_noise_until, progress)
        )
        return scores


def paper() -> Recipe:
    """Algorithm 1: minimax, one discriminator step, uniform noise, momentum, on 28 x 28 digits."""
    return _digits(Config(noise="uniform", objective="minimax"), discriminator_rate=0.1)


def mnist() -> Recipe:
    """The released code's values: non-saturating, normal noise, maxout, SGD with rising momentum, on 28 x 28 digits."""
    return _digits(Config(noise="normal", objective="non_saturating"), discriminator_rate=0.05)


def _digits(gan: Config, discriminator_rate: float) -> Recipe:
    epoch = 50_000
    return Recipe(
        family="gan",
        gan=gan,
        optimisers={"generator": _falling(0.1, epoch), "discriminator": _falling(discriminator_rate, epoch)},
        data=Data(resolution=28, colour="grey"),
        train=Training(images=250 * epoch, batch=100),
    )


def _falling(rate: float, epoch: int) -> Optimiser:
    # The rate is divided by 1.000004 after every update of 100 images: by 1e5 after ln(1e5) / ln(1.000004) = 2,878,237 updates.
    return sgd(exponential(rate, rate * 1e-5, over=287_823_712), momentum=linear(0.5, 0.7, over=249 * epoch, delay=epoch))


def cpu() -> Recipe:
    """Garments in minutes on two cores: 28 x 28, plain MLP, Adam, averaged weights."""
    return Recipe(
        family="gan",
        gan=Config(
            latent=64,
            noise="normal",
            generator_width=512,
            generator_range=None,
            discriminator="mlp",
            discriminator_width=512,
            discriminator_range=None,
            stabilisers=Stabilisers(minibatch="std", instance_noise=0.2),
        ),
        optimisers={"generator": adam(2e-4, beta1=0.5), "discriminator": adam(2e-4, beta1=0.5)},
        data=Data(path="fashion", resolution=28, colour="grey"),
        train=Training(images=400_000, batch=100),
        average=Average(half_life=constant(10_000), ramp_up=0.05),
        jobs=Jobs(log_every=10_000, sample_every=50_000, checkpoint_every=100_000),
    )


def tiny() -> Recipe:
    """A check that everything runs, in a second or two."""
    return Recipe(
        family="gan",
        gan=Config(latent=8, generator_width=32, discriminator_width=16, discriminator_pieces=2),
        optimisers={"generator": sgd(0.1, momentum=0.5), "discriminator": sgd(0.1, momentum=0.5)},
        data=Data(path="fashion", resolution=8),
        train=Training(images=480, batch=16),
        average=Average(half_life=constant(100)),
        jobs=Jobs(log_every=80, sample_every=240, checkpoint_every=160, num_samples=16),
    )


def ring() -> Recipe:
    """All 8 modes of the ring in half a minute: instance noise that decays, then rates that do, averaged weights."""
    images = 1_024_000
    return Recipe(
        family="gan",
        gan=_plane("non_saturating", Stabilisers(instance_noise=1.0, instance_noise_until=0.7)),
        optimisers={
            "generator": adam(linear(1e-3, 0, over=images), beta1=0.5),
            "discriminator": adam(linear(2e-3, 0, over=images), beta1=0.5),
        },
        data=Data(path="ring"),
        train=Training(images=images, batch=256),
        average=Average(half_life=constant(35_000)),
        jobs=Jobs(log_every=12_800, sample_every=128_000, checkpoint_every=512_000, num_samples=1_000),
    )


def ring_collapse() -> Recipe:
    """Mode collapse to study: minimax, and a generator ten times as fast as its discriminator, which it keeps escaping."""
    return Recipe(
        family="gan",
        gan=_plane("minimax", Stabilisers()),
        optimisers={"generator": adam(1e-3, beta1=0.5), "discriminator": adam(1e-4, beta1=0.5)},
        data=Data(path="ring"),
        train=Training(images=64_000, batch=64),
        jobs=Jobs(log_every=1_600, sample_every=6_400, checkpoint_every=32_000, num_samples=1_000),
    )


def _plane(objective: Objective, stabilisers: Stabilisers) -> Config:
    return Config(
        latent=16,
        noise="normal",
        objective=objective,
        generator_width=128,
        generator_range=None,
        discriminator="mlp",
        discriminator_width=128,
        discriminator_range=None,
        dropout_input=0.0,
        dropout=0.0,
        stabilisers=stabilisers,
    )
