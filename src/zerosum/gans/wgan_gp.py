"""WGAN-GP: a Wasserstein critic kept Lipschitz by a penalty on its gradient between real and generated examples.

Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville 2017, "Improved training of Wasserstein GANs" (arXiv 1704.00028). The critic
lowers E[f(G(z))] - E[f(x)] + lambda E[(|grad f(x^)| - 1)^2] at random points x^ between x and G(z) (eq. 3), five times a step;
the generator lowers -E[f(G(z))]. With classes (`conditional`), the critic also names the class, of real images for its own loss
and of generated ones for the generator's (Odena et al. 2017), and the generator's batch norms depend on it.

Faithful to the official code, igul222/improved_wgan_training: hyper-parameters, layer norm in the 64-pixel critic and none in
the others, initialisation, widths. Paper and code differ: lambda is 10 in the paper, 0.1 in the toy code; the paper recommends
layer norm in critics, the code's CIFAR ResNet has none. Different here: MNIST comes at 32 pixels, where the code crops to 28
inside a generator without batch norm; no dequantising noise; generated images take the labels of the batch, not uniform draws;
64 pixels have the paper's DCGAN baseline, not the code's residual networks; the toy points are not divided by 1.414.
"""

from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from zerosum.augment import Augment, centred
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import score_notes, wasserstein_d, wasserstein_g
from zerosum.nn.convolutional import ConvDiscriminator, ConvGenerator, image_shape
from zerosum.nn.dense import DenseCritic, DenseGenerator
from zerosum.nn.instance_noise import add_instance_noise
from zerosum.nn.residual import ResidualFeatures, ResidualGenerator, xavier
from zerosum.noise import FreshNoise, Noise, truncated
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Stabilisers, Training, adam, positive
from zerosum.regularizers import gradient_penalty
from zerosum.schedules import constant, linear


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of WGAN-GP."""

    network: Literal["dcgan", "resnet", "mlp"] = "dcgan"
    """Strided convolutions, residual blocks, or fully connected layers."""
    latent: int = 128
    """Size of the latent, standard normal."""
    width: int = 64
    """Of dcgan: channels next to the image, doubling towards 4x4. Of resnet: channels of all maps up to 32 pixels, above of
    those next to the image. Of mlp: units in a hidden layer."""
    kernel: Literal[4, 5] = 5
    """Of dcgan: size of the convolutions."""
    critic_norm: Literal["layer", "none"] = "layer"
    """Of dcgan and resnet: the critic's norm, over each example; never the batch, for the penalty is one per example."""
    hidden_layers: int = 4
    """Of mlp: hidden layers."""
    slope: float = 0.2
    """Of mlp: slope of the critic's units for negative values; 0 is ReLU."""
    penalty: float = 10.0
    """Weight of the gradient penalty (lambda)."""
    critic_steps: int = 5
    """Updates of the critic in a step, each on a fresh batch."""
    generator_samples: int = 1
    """Examples generated in the generator's turn, as a multiple of the batch."""
    conditional: bool = False
    """Of resnet: condition on the class, by a classifier in the critic and conditional batch norm in the generator."""
    class_weight: float = 1.0
    """Weight of naming the class of real images in the critic's loss."""
    generator_class_weight: float = 0.1
    """Weight of being given the right class in the generator's loss."""
    stabilisers: Stabilisers = Stabilisers()
    """Cures for instability and mode collapse."""

    def __post_init__(self) -> None:
        positive(latent=self.latent, width=self.width, hidden_layers=self.hidden_layers, penalty=self.penalty)
        positive(critic_steps=self.critic_steps, generator_samples=self.generator_samples)
        if not 0 <= self.slope < 1:
            raise ValueError(f"slope must be in [0, 1), not {self.slope}")
        if self.conditional and self.network != "resnet":
            raise ValueError(
                f"gan.conditional needs gan.network resnet, not {self.network}: set the one or leave out the other"
            )
        if self.stabilisers.minibatch != "none":
            raise ValueError(
                f"stabilisers.minibatch {self.stabilisers.minibatch} mixes the examples of a batch, but the gradient penalty "
                "is one per example: set it to none, or take another family"
            )
        if self.stabilisers.label_smoothing:
            raise ValueError("label_smoothing is for cross-entropy losses, this one is Wasserstein: set label_smoothing to 0")


class ResidualCritic(nn.Module):
    """Mean-pooled residual features, then a score and a logit per class.

    Args:
        channels, resolution: of the images; the resolution is 16, 32, 64 or 128.
        num_classes: 0 for the score alone.
    """

    def __init__(self, channels: int, resolution: int, width: int, norm: Literal["layer", "none"], num_classes: int) -> None:
        super().__init__()
        self.features = ResidualFeatures(channels, resolution, width, norm=norm)
        self.outputs = xavier(nn.Linear(self.features.num_features, 1 + num_classes))

    def forward(self, images: Tensor) -> Tensor:
        """`[N, C, H, W]` -> the score and the logits `[N, 1 + classes]`."""
        outputs: Tensor = self.outputs(self.features(images).mean((2, 3)))
        return outputs


Generator = ConvGenerator | ResidualGenerator | DenseGenerator


class WGANGP(GAN):
    """The game of WGAN-GP.

    Raises:
        ValueError: the data has no images of a resolution the networks are made for, or no labels to condition on.
    """

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        self.makes = "point" if config.network == "mlp" and "point" in shapes else "image"
        if config.conditional and "label" not in shapes:
            raise ValueError("gan.conditional needs classes, but the data has none: put each class into a folder of its own")
        self.given = frozenset({"label"} if config.conditional else ())
        self.needs_classes = config.conditional
        self.needs = self.given | {self.makes}
        self.generator, self.critic = _networks(config, shapes, self.makes)
        self.augment = Augment(config.stabilisers, shapes[self.makes])

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "critic": self.critic}

    def turns(self) -> list[Turn]:
        steps, adapt = self.config.critic_steps, self.augment.adapt
        critic = Turn("critic", self.critic_loss, repeat=steps, project=adapt, second_order=True)
        return [critic, Turn("generator", self.generator_loss)]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        return self.synthesise(self.latents(given, noise), given, noise)

    def latents(self, given: Batch, noise: Noise) -> Tensor:
        """z `[N, L]`, standard normal."""
        return noise.normal(self.config.latent)

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        """Images `[N, C, H, W]` in [-1, 1], or points `[N, 2]`."""
        label = [given["label"]] if self.config.conditional else []
        samples: Tensor = self.generator(latents, *label)
        return samples

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        """Latents in [-truncation, truncation]."""
        return truncated(latents, "normal", truncation)

    def latent_weights(self) -> list[Tensor]:
        """Of the generator's first layer, `[outputs, L]`."""
        return [self.generator.latent_weights()]

    def critic_loss(self, batch: Batch, progress: float) -> Loss:
        """E[f(G(z))] - E[f(x)] + lambda E[(|grad f(x^)| - 1)^2], and the classes' cross-entropy if conditional."""
        real = self._seen(batch[self.makes], progress)
        fake = self._seen(self.sample(batch, FreshNoise(len(real), real.device)), progress)
        # No layer looks at the batch, so both go through as one.
        scores, logits = self._judge(torch.cat([real, fake]))
        real_score, fake_score = scores.chunk(2)
        penalty = gradient_penalty(lambda examples: self._judge(examples)[0], real, fake)
        terms = {"adversarial": wasserstein_d(real_score, fake_score), "gradient_penalty": self.config.penalty * penalty}
        if self.config.conditional:
            terms["class"] = self.config.class_weight * cross_entropy(logits[: len(real)], batch["label"])
        return Loss(terms, score_notes(real_score, fake_score) | self.augment.observe(centred(real_score, fake_score)))

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[f(G(z))], and the classes' cross-entropy if conditional."""
        num, times = len(batch[self.makes]), self.config.generator_samples
        given = {key: batch[key].repeat(times, 1) for key in self.given}
        fakes = self.sample(given, FreshNoise(num * times, batch[self.makes].device))
        scores, logits = self._judge(self._seen(fakes, progress))
        terms = {"adversarial": wasserstein_g(scores)}
        if self.config.conditional:
            terms["class"] = self.config.generator_class_weight * cross_entropy(logits, given["label"])
        return Loss(terms)

    def _seen(self, examples: Tensor, progress: float) -> Tensor:
        cures = self.config.stabilisers
        return add_instance_noise(self.augment(examples), cures.instance_noise, cures.instance_noise_until, progress)

    def _judge(self, examples: Tensor) -> tuple[Tensor, Tensor]:
        """Scores `[N]` and class logits `[N, L]`."""
        outputs = self.critic(examples).reshape(len(examples), -1)
        return outputs[:, 0], outputs[:, 1:]


def _networks(config: Config, shapes: Shapes, makes: str) -> tuple[Generator, nn.Module]:
    """Generator and critic."""
    latent, width = config.latent, config.width
    if config.network == "mlp":
        dense = DenseCritic(shapes[makes], width, config.hidden_layers, config.slope)
        return DenseGenerator(latent, shapes[makes], width, config.hidden_layers), dense
    channels, resolution = image_shape(shapes)
    if config.network == "resnet":
        num_classes = shapes["label"][0] if config.conditional else 0
        critic = ResidualCritic(channels, resolution, width, config.critic_norm, num_classes)
        return ResidualGenerator(latent, channels, resolution, width, num_classes), critic
    generator = ConvGenerator(latent, channels, resolution, width, config.kernel)
    return generator, ConvDiscriminator(channels, resolution, width, config.kernel, config.critic_norm)


def images64() -> Recipe:
    """64x64, DCGAN networks with layer norm in the critic, as the LSUN baseline: Adam 1e-4 (0, 0.9), 200k steps."""
    return Recipe(
        family="wgan_gp",
        gan=Config(network="dcgan", width=64, kernel=5, critic_norm="layer", penalty=10.0, critic_steps=5),
        data=Data(resolution=64),
        optimisers={"generator": adam(1e-4, 0.0, 0.9), "critic": adam(1e-4, 0.0, 0.9)},
        train=Training(images=64 * 200_000, batch=64),
        jobs=Jobs(log_every=6_400, sample_every=128_000, checkpoint_every=640_000),
    )


def mnist() -> Recipe:
    """The official gan_mnist.py at 32x32: batch 50, no norm in the critic, Adam 1e-4 (0.5, 0.9), 200k steps."""
    return Recipe(
        family="wgan_gp",
        gan=Config(network="dcgan", width=64, kernel=5, critic_norm="none", penalty=10.0, critic_steps=5),
        data=Data(resolution=32, colour="grey"),
        optimisers={"generator": adam(1e-4, 0.5, 0.9), "critic": adam(1e-4, 0.5, 0.9)},
        train=Training(images=50 * 200_000, batch=50),
        jobs=Jobs(log_every=5_000, sample_every=100_000, checkpoint_every=500_000),
    )


def cifar10() -> Recipe:
    """The official gan_cifar_resnet.py without classes: 128 channels, Adam 2e-4 (0, 0.9) falling to 0 over 100k steps."""
    return _cifar10(conditional=False)


def cifar10_classes() -> Recipe:
    """The official gan_cifar_resnet.py as it stands: classes by a classifier in the critic, weights 1 and 0.1."""
    return _cifar10(conditional=True)


def _cifar10(conditional: bool) -> Recipe:
    rate = linear(2e-4, 0, over=64 * 100_000)
    return Recipe(
        family="wgan_gp",
        gan=Config(
            network="resnet",
            width=128,
            critic_norm="none",
            penalty=10.0,
            critic_steps=5,
            generator_samples=2,
            conditional=conditional,
            class_weight=1.0,
            generator_class_weight=0.1,
        ),
        data=Data(resolution=32, colour="rgb"),
        optimisers={"generator": adam(rate, 0.0, 0.9), "critic": adam(rate, 0.0, 0.9)},
        train=Training(images=64 * 100_000, batch=64),
        jobs=Jobs(log_every=6_400, sample_every=64_000, checkpoint_every=320_000),
    )


def mlp() -> Recipe:
    """32x32, fully connected: four hidden layers of 512 units in both, as in the official gan_64x64.py."""
    return Recipe(
        family="wgan_gp",
        gan=Config(network="mlp", width=512, hidden_layers=4, slope=0.2, penalty=10.0, critic_steps=5),
        data=Data(resolution=32),
        optimisers={"generator": adam(1e-4, 0.0, 0.9), "critic": adam(1e-4, 0.0, 0.9)},
        train=Training(images=64 * 200_000, batch=64),
        jobs=Jobs(log_every=6_400, sample_every=128_000, checkpoint_every=640_000),
    )


def ring() -> Recipe:
    """The official gan_toy.py: 8 Gaussians on a circle, three hidden layers of 512 ReLUs, lambda 0.1, batch 256, 100k steps."""
    return Recipe(
        family="wgan_gp",
        gan=Config(network="mlp", latent=2, width=512, hidden_layers=3, slope=0.0, penalty=0.1, critic_steps=5),
        data=Data(path="ring"),
        optimisers={"generator": adam(1e-4, 0.5, 0.9), "critic": adam(1e-4, 0.5, 0.9)},
        train=Training(images=256 * 100_000, batch=256),
        jobs=Jobs(log_every=25_600, sample_every=256_000, checkpoint_every=2_560_000, num_samples=1_024),
    )


def cpu() -> Recipe:
    """Garments in minutes on two cores: 32x32, narrow DCGAN networks, small batches, falling rates."""
    rate = linear(3e-4, 0, over=96_000)
    return Recipe(
        family="wgan_gp",
        gan=Config(network="dcgan", latent=64, width=24, kernel=4, critic_norm="layer", penalty=10.0, critic_steps=3),
        data=Data(resolution=32),
        optimisers={"generator": adam(rate, 0.5, 0.9), "critic": adam(rate, 0.5, 0.9)},
        train=Training(images=96_000, batch=32),
        average=Average(half_life=constant(2_000), ramp_up=0.05),
        jobs=Jobs(log_every=640, sample_every=6_400, checkpoint_every=19_200),
    )


def tiny() -> Recipe:
    """16x16 in seconds: to see that everything works."""
    return Recipe(
        family="wgan_gp",
        gan=Config(network="dcgan", latent=16, width=8, kernel=4, critic_norm="layer", penalty=10.0, critic_steps=2),
        data=Data(resolution=16),
        optimisers={"generator": adam(1e-3, 0.0, 0.9), "critic": adam(1e-3, 0.0, 0.9)},
        train=Training(images=16 * 20, batch=16),
        average=Average(half_life=constant(64)),
        jobs=Jobs(log_every=64, sample_every=160, checkpoint_every=160, num_samples=16),
    )
