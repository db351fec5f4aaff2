"""WGAN: a critic that estimates the Wasserstein distance, kept Lipschitz by clipping its weights.

Arjovsky, Chintala & Bottou 2017, "Wasserstein GAN" (arXiv 1701.07875). W(p, q) is the maximum over 1-Lipschitz functions f of
E_p[f(x)] - E_q[f(x)] (eq. 2). The critic lowers E[f(G(z))] - E[f(x)], several times a step, with its weights in [-clip, clip];
the generator lowers -E[f(G(z))] (algorithm 1).

Faithful to algorithm 1 (`paper()`) and to the official code, martinarjovsky/WassersteinGAN, main.py (`official()`): DCGAN
networks with batch norm in both, whose gains and biases are clipped as well. Paper and code differ: the code clips before each
update of the critic, the paper after, as here in both; the code trains the critic 100 times in each of the first 25 steps and
in every 500th. The code's fully connected generator ends linearly, here in tanh for images.
"""

from typing import Literal

from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from zerosum.augment import Augment, centred
from zerosum.game import GAN, Batch, Loss, Shapes, Turn
from zerosum.losses import score_notes, wasserstein_d, wasserstein_g
from zerosum.nn.convolutional import ConvDiscriminator, ConvGenerator, image_shape
from zerosum.nn.dense import DenseCritic, DenseGenerator
from zerosum.nn.instance_noise import add_instance_noise
from zerosum.noise import FreshNoise, Noise, truncated
from zerosum.recipe import STRICT, Average, Data, GANConfig, Jobs, Recipe, Stabilisers, Training, positive, rmsprop
from zerosum.regularizers import clip_weights
from zerosum.schedules import constant


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config(GANConfig):
    """Settings of WGAN."""

    network: Literal["dcgan", "mlp"] = "dcgan"
    """Strided convolutions with batch norm, or fully connected ReLU layers."""
    latent: int = 100
    """Size of the latent, standard normal."""
    width: int = 64
    """Of dcgan: channels next to the image, doubling towards 4x4. Of mlp: units in a hidden layer."""
    hidden_layers: int = 3
    """Of mlp: hidden layers."""
    clip: float = 0.01
    """The critic's weights stay in plus and minus this."""
    critic_steps: int = 5
    """Updates of the critic in a step, each on a fresh batch."""
    long_critic_steps: int = 0
    """Updates of the critic in each of the first 25 steps and in every 500th (100 in the code); 0: as in all others."""
    stabilisers: Stabilisers = Stabilisers()
    """Cures for instability and mode collapse."""

    def __post_init__(self) -> None:
        positive(latent=self.latent, width=self.width, hidden_layers=self.hidden_layers)
        positive(clip=self.clip, critic_steps=self.critic_steps)
        if self.long_critic_steps < 0:
            raise ValueError(f"long_critic_steps must not be negative, not {self.long_critic_steps}")
        if self.stabilisers.label_smoothing:
            raise ValueError("label_smoothing is for cross-entropy losses, this one is Wasserstein: set label_smoothing to 0")


class WGAN(GAN):
    """The game of WGAN.

    Raises:
        ValueError: dcgan, and the data has no images or a resolution that is not a power of two from 8.
    """

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__(shapes)
        self.config = config
        self.makes = "point" if config.network == "mlp" and "point" in shapes else "image"
        self.needs = frozenset({self.makes})
        width, minibatch = config.width, config.stabilisers.minibatch
        if config.network == "mlp":
            shape = shapes[self.makes]
            self.generator: DenseGenerator | ConvGenerator = DenseGenerator(config.latent, shape, width, config.hidden_layers)
            self.critic: nn.Module = DenseCritic(shape, width, config.hidden_layers, slope=0.0, minibatch=minibatch)
        else:
            channels, resolution = image_shape(shapes)
            self.generator = ConvGenerator(config.latent, channels, resolution, width)
            self.critic = ConvDiscriminator(channels, resolution, width, minibatch=minibatch)
        self.augment = Augment(config.stabilisers, shapes[self.makes])

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "critic": self.critic}

    def turns(self) -> list[Turn]:
        critic = Turn("critic", self.critic_loss, repeat=self.critic_steps, project=self.after_update)
        return [critic, Turn("generator", self.generator_loss)]

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        return self.synthesise(self.latents(given, noise), given, noise)

    def latents(self, given: Batch, noise: Noise) -> Tensor:
        """z `[N, L]`, standard normal."""
        return noise.normal(self.config.latent)

    def synthesise(self, latents: Tensor, given: Batch, noise: Noise) -> Tensor:
        """Images `[N, C, H, W]` in [-1, 1], or points `[N, 2]`."""
        samples: Tensor = self.generator(latents)
        return samples

    def truncate(self, latents: Tensor, truncation: float, layers: int | None = None) -> Tensor:
        """Latents in [-truncation, truncation]."""
        return truncated(latents, "normal", truncation)

    def latent_weights(self) -> list[Tensor]:
        """Of the generator's first layer, `[outputs, L]`."""
        return [self.generator.latent_weights()]

    def critic_loss(self, batch: Batch, progress: float) -> Loss:
        """E[f(G(z))] - E[f(x)]."""
        real, fake = self._score(batch[self.makes], progress), self._score(self._fakes(batch), progress)
        notes = score_notes(real, fake) | self.augment.observe(centred(real, fake))
        return Loss({"adversarial": wasserstein_d(real, fake)}, notes)

    def generator_loss(self, batch: Batch, progress: float) -> Loss:
        """-E[f(G(z))]."""
        return Loss({"adversarial": wasserstein_g(self._score(self._fakes(batch), progress))})

    def critic_steps(self, step: int) -> int:
        """Updates of the critic in this step, counted from 0."""
        long = self.config.long_critic_steps and (step < 25 or step % 500 == 0)
        return self.config.long_critic_steps if long else self.config.critic_steps

    def after_update(self, images: int) -> None:
        """Bring the critic's weights into [-clip, clip], and adapt the augmentation."""
        clip_weights(self.critic.parameters(), self.config.clip)
        self.augment.adapt(images)

    def _fakes(self, batch: Batch) -> Tensor:
        real = batch[self.makes]
        return self.sample({}, FreshNoise(len(real), real.device))

    def _score(self, examples: Tensor, progress: float) -> Tensor:
        cures = self.config.stabilisers
        noisy = add_instance_noise(self.augment(examples), cures.instance_noise, cures.instance_noise_until, progress)
        scores: Tensor = self.critic(noisy)
        return scores


def paper() -> Recipe:
    """Algorithm 1 at 64x64: 5 critic steps, RMSprop 5e-5, clipping to 0.01; the paper gives no length, here 200k steps."""
    return Recipe(
        family="wgan",
        gan=Config(network="dcgan", latent=100, width=64, clip=0.01, critic_steps=5),
        data=Data(resolution=64),
        optimisers={"generator": rmsprop(5e-5), "critic": rmsprop(5e-5)},
        train=Training(images=64 * 200_000, batch=64),
        jobs=Jobs(log_every=6_400, sample_every=128_000, checkpoint_every=640_000),
    )


def official() -> Recipe:
    """The official main.py at 64x64: as the paper, with 100 critic steps at the start and now and then."""
    return Recipe(
        family="wgan",
        gan=Config(network="dcgan", latent=100, width=64, clip=0.01, critic_steps=5, long_critic_steps=100),
        data=Data(resolution=64),
        optimisers={"generator": rmsprop(5e-5), "critic": rmsprop(5e-5)},
        train=Training(images=64 * 228_000, batch=64),  # its 25 epochs of the 3.03 million LSUN bedrooms
        jobs=Jobs(log_every=6_400, sample_every=128_000, checkpoint_every=640_000),
    )


def cpu() -> Recipe:
    """Garments in minutes on two cores: 32x32, narrow networks, faster rates."""
    return Recipe(
        family="wgan",
        gan=Config(network="dcgan", latent=64, width=24, clip=0.02, critic_steps=3),
        data=Data(resolution=32),
        optimisers={"generator": rmsprop(3e-4), "critic": rmsprop(3e-4)},
        train=Training(images=64 * 900, batch=64),
        average=Average(half_life=constant(2_000), ramp_up=0.05),
        jobs=Jobs(log_every=640, sample_every=6_400, checkpoint_every=19_200),
    )


def tiny() -> Recipe:
    """16x16 in seconds: to see that everything works."""
    return Recipe(
        family="wgan",
        gan=Config(network="dcgan", latent=16, width=8, clip=0.02, critic_steps=2, long_critic_steps=3),
        data=Data(resolution=16),
        optimisers={"generator": rmsprop(1e-3), "critic": rmsprop(1e-3)},
        train=Training(images=16 * 20, batch=16),
        average=Average(half_life=constant(64)),
        jobs=Jobs(log_every=64, sample_every=160, checkpoint_every=160, num_samples=16),
    )
