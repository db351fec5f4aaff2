"""The same networks and steps as a competent user writes them by hand in PyTorch: the yardstick of steps.py.

The usual formulation: nn.Sequential, the default memory layout, Adam and RMSprop as they come, upsample then convolve, convolve
then pool, the fake batch detached, one optimiser per network. Every network lists its parameters in the order of zerosum's, so
that `copy_weights` maps one to the other; tests/test_benchmarks.py shows that losses and gradients are equal.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from zerosum.game import Batch, Shapes
from zerosum.recipe import Optimiser, Recipe


class Plain:
    """One family's training step. Only the settings that the benchmarked recipes use are covered.

    Args:
        recipe: a recipe of one of zerosum's families.
        shapes: of the data's examples.
    """

    def __init__(self, recipe: Recipe, shapes: Shapes) -> None:
        self.family, self.config = recipe.family, recipe.gan
        self.generator, self.judge = networks(recipe, shapes)
        self.judge_steps = getattr(recipe.gan, "critic_steps", getattr(recipe.gan, "discriminator_steps", 1))
        judge = next(name for name in recipe.optimisers if name != "generator")
        self.generator_optimiser = optimiser(recipe.optimisers["generator"], self.generator)
        self.judge_optimiser = optimiser(recipe.optimisers[judge], self.judge)

    def step(self, batches: Iterable[Batch]) -> None:
        """Train on one batch per step of the discriminator or critic, then the generator on the last one."""
        for batch in batches:
            self.judge_optimiser.zero_grad()
            self.judge_loss(batch).backward()
            self.judge_optimiser.step()
            if self.family == "wgan":
                for parameter in self.judge.parameters():
                    parameter.data.clamp_(-self.config.clip, self.config.clip)
        self.generator_optimiser.zero_grad()
        self.generator_loss(batch).backward()
        self.generator_optimiser.step()

    def judge_loss(self, batch: Batch) -> Tensor:
        """What the discriminator or critic lowers."""
        if self.family in ("sngan", "wgan_gp"):
            images = self.generate(batch).detach()
            real, fake = self.score(batch["image"], batch), self.score(images, batch)
        else:
            real = self.score(batch["image"], batch)
            images = self.generate(batch).detach()
            fake = self.score(images, batch)
        if self.family == "sngan":
            return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
        if self.family == "wgan":
            return fake.mean() - real.mean()
        if self.family == "wgan_gp":
            return fake.mean() - real.mean() + self.config.penalty * self.gradient_penalty(batch["image"], images)
        bce = functional.binary_cross_entropy_with_logits
        return bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))

    def generator_loss(self, batch: Batch) -> Tensor:
        """What the generator lowers."""
        fake = self.score(self.generate(batch, getattr(self.config, "generator_samples", 1)), batch)
        if self.family in ("gan", "dcgan", "cgan"):
            return functional.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))
        return -fake.mean()

    def generate(self, batch: Batch, times: int = 1) -> Tensor:
        """Generated images `[N, C, H, W]`."""
        latent = torch.randn(len(batch["image"]) * times, self.config.latent)
        if self.family == "cgan":
            latent = torch.cat([latent, batch["label"]], 1)
        return self.generator(latent)

    def score(self, images: Tensor, batch: Batch) -> Tensor:
        """Scores `[N]`."""
        if self.family == "cgan":
            planes = batch["label"][:, :, None, None].expand(-1, -1, *images.shape[2:])
            images = torch.cat([images, planes], 1)
        return self.judge(images).view(-1)

    def gradient_penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        """E[(|grad f(x^)| - 1)^2]."""
        alpha = torch.rand(len(real), 1, 1, 1)
        between = (alpha * fake + (1 - alpha) * real).requires_grad_()
        scores = self.judge(between)
        (gradient,) = torch.autograd.grad(scores, between, torch.ones_like(scores), create_graph=True)
        return ((gradient.flatten(1).norm(2, dim=1) - 1) ** 2).mean()


def networks(recipe: Recipe, shapes: Shapes) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator or critic."""
    config, (channels, resolution, _) = recipe.gan, shapes["image"]
    if recipe.family == "gan":
        return first_generator(config, shapes["image"]), first_discriminator(config, shapes["image"])
    if recipe.family == "sngan":
        generator = ResidualGenerator(config.latent, channels, config.generator_width)
        return generator, ResidualDiscriminator(channels, config.discriminator_width)
    if getattr(config, "network", "dcgan") == "mlp":
        size, width = channels * resolution**2, config.width
        generator = dense(config.latent, width, config.hidden_layers, size, nn.ReLU())
        judge = dense(size, width, config.hidden_layers, 1, nn.LeakyReLU(config.slope))
        return nn.Sequential(*generator, nn.Tanh(), nn.Unflatten(1, shapes["image"])), nn.Sequential(nn.Flatten(), *judge)
    num_labels = shapes["label"][0] if recipe.family == "cgan" else 0
    widths = [getattr(config, name, None) or config.width for name in ("generator_width", "discriminator_width")]
    norm = "batch" if recipe.family != "wgan_gp" else config.critic_norm
    judge = conv_discriminator(channels + num_labels, resolution, widths[1], norm)
    return conv_generator(config.latent + num_labels, channels, resolution, widths[0]), judge


def optimiser(settings: Optimiser, network: nn.Module) -> torch.optim.Optimizer:
    """As it comes."""
    if settings.kind == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), settings.rate(0), settings.beta2(0))
    return torch.optim.Adam(network.parameters(), settings.rate(0), (settings.beta1, settings.beta2(0)))


@torch.no_grad()
def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """All parameters and buffers of one network into another that has them in the same order."""
    for group in (nn.Module.parameters, nn.Module.buffers):
        for theirs, ours in zip(group(source), group(target), strict=True):
            ours.copy_(theirs)


def dense(num_inputs: int, width: int, hidden_layers: int, num_outputs: int, activation: nn.Module) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(hidden_layers):
        layers += [nn.Linear(num_inputs, width), activation]
        num_inputs = width
    return nn.Sequential(*layers, nn.Linear(width, num_outputs))


class Affine(nn.Module):
    """scale x + shift."""

    def __init__(self, scale: float, shift: float) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x + self.shift


def first_generator(config, shape: tuple[int, ...]) -> nn.Sequential:
    layers = dense(config.latent, config.generator_width, 2, shape[0] * shape[1] * shape[2], nn.ReLU(True))
    return nn.Sequential(*layers, nn.Sigmoid(), Affine(2, -1), nn.Unflatten(1, shape))


def first_discriminator(config, shape: tuple[int, ...]) -> nn.Sequential:
    width, layers = config.discriminator_width, [Affine(0.5, 0.5), nn.Flatten(), nn.Dropout(config.dropout_input)]
    for inputs in (shape[0] * shape[1] * shape[2], width):
        layers += [nn.Linear(inputs, width), nn.LeakyReLU(0.2, True), nn.Dropout(config.dropout)]
    return nn.Sequential(*layers, nn.Linear(width, 1))


def conv_generator(latent: int, channels: int, resolution: int, width: int) -> nn.Sequential:
    width *= resolution // 8
    layers = [nn.Unflatten(1, (latent, 1, 1)), nn.ConvTranspose2d(latent, width, 4, 1, 0, bias=False)]
    for _ in range(resolution.bit_length() - 4):
        layers += [nn.BatchNorm2d(width), nn.ReLU(True), nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False)]
        width //= 2
    layers += [nn.BatchNorm2d(width), nn.ReLU(True), nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*layers)


def conv_discriminator(channels: int, resolution: int, width: int, norm: str) -> nn.Sequential:
    layers = [nn.Conv2d(channels, width, 4, 2, 1, bias=norm == "none"), nn.LeakyReLU(0.2, True)]
    for _ in range(resolution.bit_length() - 4):
        layers += [nn.Conv2d(width, width * 2, 4, 2, 1, bias=norm == "none")]
        width *= 2
        if norm != "none":
            layers += [nn.BatchNorm2d(width) if norm == "batch" else nn.GroupNorm(1, width)]
        layers += [nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 4, 1, 0, bias=False))


class UpBlock(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1)
        self.up = nn.Upsample(scale_factor=2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(self.up(functional.relu(self.norm1(x))))
        h = self.conv2(functional.relu(self.norm2(h)))
        return h + self.shortcut(self.up(x))


class DownBlock(nn.Module):
    def __init__(self, before: int, after: int, down: bool, first: bool = False) -> None:
        super().__init__()
        self.down, self.first = down, first
        self.conv1 = spectral_norm(nn.Conv2d(before, after, 3, padding=1))
        self.conv2 = spectral_norm(nn.Conv2d(after, after, 3, padding=1))
        self.shortcut = spectral_norm(nn.Conv2d(before, after, 1)) if down else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(x if self.first else functional.relu(x))
        h = self.conv2(functional.relu(h))
        if not self.down:
            return h + x
        if self.first:
            return functional.avg_pool2d(h, 2) + self.shortcut(functional.avg_pool2d(x, 2))
        return functional.avg_pool2d(h, 2) + functional.avg_pool2d(self.shortcut(x), 2)


class ResidualGenerator(nn.Module):
    def __init__(self, latent: int, channels: int, width: int) -> None:
        super().__init__()
        self.start = nn.Linear(latent, width * 16)
        self.blocks = nn.Sequential(*(UpBlock(width, width) for _ in range(3)))
        self.end = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, channels, 3, padding=1), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.end(self.blocks(self.start(z).view(len(z), -1, 4, 4)))


class ResidualDiscriminator(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        downs = [DownBlock(channels, width, True, first=True), DownBlock(width, width, True)]
        self.blocks = nn.Sequential(*downs, DownBlock(width, width, False), DownBlock(width, width, False))
        self.score = spectral_norm(nn.Linear(width, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.score(functional.relu(self.blocks(x)).sum((2, 3))).squeeze(1)
