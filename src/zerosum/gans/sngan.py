"""SN-GAN: a hinge game whose discriminator is made 1-Lipschitz by spectral normalisation of every weight.

Miyato, Kataoka, Koyama & Yoshida 2018, "Spectral normalization for generative adversarial networks" (arXiv 1802.05957), and
Miyato & Koyama 2018, "cGANs with projection discriminator" (arXiv 1802.05637). Every weight is divided by its largest singular
value, found by one power iteration a pass. The discriminator lowers E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))], the generator
-E[D(G(z))]. With labels y, D(x, y) = psi(f(x)) + (V y) . f(x), and the generator's batch norms depend on y.

Faithful to the official code (pfnet-research/sngan_projection): networks, initialisation, sum pooling, and the optimisers and
lengths of its configurations, one recipe each. Different here: the discriminator moves before the generator, not after;
generated images take the labels of the batch, not uniform draws, so that labels may be several attributes or continuous; V and
the batch norms' gains and biases are linear maps of the label, which for one-hot labels are the code's embeddings.
"""

from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from zerosum.augment import Augment
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import hinge_d, hinge_g, score_notes
from zerosum.nn.convolutional import image_shape
from zerosum.nn.instance_noise import add_instance_noise
from zerosum.nn.minibatch import MinibatchKind, minibatch_layer
from zerosum.nn.residual import ResidualFeatures, ResidualGenerator, xavier
from zerosum.noise import FreshNoise, Noise, truncated
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Stabilisers, Training, adam, positive
from zerosum.schedules import constant, linear


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of SN-GAN."""

    latent: int = 128
    """Size of the latent, standard normal."""
    generator_width: int = 256
    """Channels of the generator: of all maps up to 32 pixels, of the last map above."""
    discriminator_width: int = 128
    """Channels of the discriminator: of all maps up to 32 pixels, of the first map above."""
    conditional: bool = False
    """Condition on the labels: conditional batch norm in the generator, projection in the discriminator."""
    discriminator_steps: int = 5
    """Updates of the discriminator in a step, each on a fresh batch."""
    generator_samples: int = 2
    """Images generated in the generator's turn, as a multiple of the batch."""
    stabilisers: Stabilisers = Stabilisers()
    """Cures for instability and mode collapse."""

    def __post_init__(self) -> None:
        positive(latent=self.latent, generator_width=self.generator_width, discriminator_width=self.discriminator_width)
        positive(discriminator_steps=self.discriminator_steps, generator_samples=self.generator_samples)
        if self.stabilisers.label_smoothing:
            raise ValueError("label_smoothing is for cross-entropy losses, this one is a hinge: set label_smoothing to 0")


class ProjectionDiscriminator(nn.Module):
    """psi(f(x)) + (V y) . f(x), f being sum-pooled residual features (Miyato & Koyama 2018, eq. 3); without labels psi(f(x)).

    Args:
        channels, resolution: of the images; the resolution is 16, 32, 64 or 128.
        label_width: L, the length of one label; 0 for none.
    """

    def __init__(self, channels: int, resolution: int, width: int, label_width: int, minibatch: MinibatchKind) -> None:
        super().__init__()
        self.features = ResidualFeatures(channels, resolution, width, spectral=True)
        size = self.features.num_features
        self.minibatch = minibatch_layer(minibatch, size)
        # The official code has no bias here at 32 pixels.
        self.score = xavier(nn.Linear(size + self.minibatch.extra_channels, 1, bias=resolution > 32), spectral=True)
        self.project = xavier(nn.Linear(label_width, size, bias=False), spectral=True) if label_width else None

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """`[N, C, H, W]`, and labels `[N, L]` if conditional -> scores `[N]`."""
        features = self.features(images).sum((2, 3))
        scores: Tensor = self.score(self.minibatch(features)).squeeze(1)
        return scores if self.project is None else scores + (self.project(label) * features).sum(1)


class SNGAN(GAN):
    """The game of SN-GAN.

    Raises:
        ValueError: the data has no images, of a resolution other than 16, 32, 64 or 128, or no labels to condition on.
    """

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
        self.generator = ResidualGenerator(config.latent, channels, resolution, config.generator_width, label_width)
        self.discriminator = ProjectionDiscriminator(
            channels, resolution, config.discriminator_width, label_width, config.stabilisers.minibatch
        )
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
        """z `[N, L]`, standard normal."""
        return noise.normal(self.config.latent)

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        """Images `[N, C, H, W]` in [-1, 1]."""
        images: Tensor = self.generator(latents, *self._label(given))
        return images

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        """Latents in [-truncation, truncation]."""
        return truncated(latents, "normal", truncation)

    def latent_weights(self) -> list[Tensor]:
        """Of the generator's first layer, `[outputs, L]`."""
        return [self.generator.latent_weights()]

    def discriminator_loss(self, batch: Batch, progress: float) -> Loss:
        """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]."""
        fakes = self.sample(batch, FreshNoise(len(batch["image"]), batch["image"].device))
        real, fake = self._score(batch["image"], batch, progress), self._score(fakes, batch, progress)
        return Loss({"adversarial": hinge_d(real, fake)}, score_notes(real, fake) | self.augment.observe(real))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[D(G(z))]."""
        num = len(batch["image"]) * self.config.generator_samples
        given = {"label": batch["label"].repeat(self.config.generator_samples, 1)} if self.config.conditional else {}
        fakes = self.sample(given, FreshNoise(num, batch["image"].device))
        return Loss({"adversarial": hinge_g(self._score(fakes, given, progress))})

    def _label(self, given: Batch) -> list[Tensor]:
        return [given["label"]] if self.config.conditional else []

    def _score(self, images: Tensor, given: Batch, progress: float) -> Tensor:
        cures = self.config.stabilisers
        noisy = add_instance_noise(self.augment(images), cures.instance_noise, cures.instance_noise_until, progress)
        scores: Tensor = self.discriminator(noisy, *self._label(given))
        return scores


def cifar10() -> Recipe:
    """The official sn_cifar10_unconditional.yml: 32x32, batch 64 (generator 128), Adam 2e-4 falling to 0 over 50k steps."""
    return _cifar10(conditional=False)


def cifar10_projection() -> Recipe:
    """The official sn_cifar10.yml: the same with classes."""
    return _cifar10(conditional=True)


def _cifar10(conditional: bool) -> Recipe:
    rate = linear(2e-4, 0, over=64 * 50_000)
    return Recipe(
        family="sngan",
        gan=Config(
            latent=128,
            generator_width=256,
            discriminator_width=128,
            conditional=conditional,
            discriminator_steps=5,
            generator_samples=2,
        ),
        data=Data(resolution=32, colour="rgb"),
        optimisers={"generator": adam(rate, 0.0, 0.9), "discriminator": adam(rate, 0.0, 0.9)},
        train=Training(images=64 * 50_000, batch=64),
        jobs=Jobs(log_every=6_400, sample_every=64_000, checkpoint_every=320_000),
    )


def imagenet64_projection() -> Recipe:
    """The official sn_projection_64.yml: 64x64 with classes, 250k steps, the rate falling to 0 over the last 50k."""
    rate = linear(2e-4, 0, over=64 * 50_000, delay=64 * 200_000)
    return Recipe(
        family="sngan",
        gan=Config(
            latent=128,
            generator_width=64,
            discriminator_width=64,
            conditional=True,
            discriminator_steps=5,
            generator_samples=1,
        ),
        data=Data(resolution=64, colour="rgb"),
        optimisers={"generator": adam(rate, 0.0, 0.9), "discriminator": adam(rate, 0.0, 0.9)},
        train=Training(images=64 * 250_000, batch=64),
        jobs=Jobs(log_every=6_400, sample_every=320_000, checkpoint_every=640_000),
    )


def cpu() -> Recipe:
    """Garments in about six minutes on two cores: 32x32, narrow networks, one discriminator step, its rate twice as high."""
    images = 80_000
    return Recipe(
        family="sngan",
        gan=Config(
            latent=64,
            generator_width=24,
            discriminator_width=16,
            conditional=False,
            discriminator_steps=1,
            generator_samples=1,
        ),
        data=Data(resolution=32),
        optimisers={
            "generator": adam(linear(4e-4, 0, over=images / 2, delay=images / 2), 0.0, 0.9),
            "discriminator": adam(linear(8e-4, 0, over=images / 2, delay=images / 2), 0.0, 0.9),
        },
        train=Training(images=images, batch=32),
        average=Average(half_life=constant(2_000), ramp_up=0.05),
        jobs=Jobs(log_every=640, sample_every=6_400, checkpoint_every=19_200),
    )


def tiny() -> Recipe:
    """16x16 with classes in seconds: to see that everything works."""
    return Recipe(
        family="sngan",
        gan=Config(
            latent=16,
            generator_width=8,
            discriminator_width=8,
            conditional=True,
            discriminator_steps=2,
            generator_samples=2,
        ),
        data=Data(resolution=16),
        optimisers={"generator": adam(1e-3, 0.0, 0.9), "discriminator": adam(1e-3, 0.0, 0.9)},
        train=Training(images=16 * 20, batch=16),
        average=Average(half_life=constant(64)),
        jobs=Jobs(log_every=64, sample_every=160, checkpoint_every=160, num_samples=16),
    )
