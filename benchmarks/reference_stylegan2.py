"""StyleGAN2 as the paper's formulas read: the yardstick of large.py for `zerosum.gans.stylegan2`.

Weights are modulated and demodulated for every sample and used in one grouped convolution, resampling inserts zeros and then
filters by the whole kernel, derivatives are torch's own, tensors lie in the default layout. Parameters have zerosum's names, so
that a state dict fits both; tests/test_reference_stylegan2.py shows that images, losses and gradients are equal. The skip
generator and the residual discriminator, unconditional and without clamping, are covered.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.gans.stylegan2 import Config, StyleGAN2
from zerosum.noise import FreshNoise

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])
KERNEL = TAPS.outer(TAPS) / TAPS.sum().square()
SHAPE, BATCH = (3, 64, 64), 8
CONFIG = Config(latent=128, style=128, mapping_layers=4, channel_base=4096, channel_max=128, r1_gamma=1.0, half_resolutions=0)
"""A network of a user's size, at 64 x 64."""


def resample(maps: Tensor, up: int, down: int, before: int, after: int, gain: float) -> Tensor:
    """Zeros between the places, margins of zeros, the whole filter, every `down`-th place."""
    num, channels, height, width = maps.shape
    maps = maps.reshape(num, channels, height, 1, width, 1)
    maps = functional.pad(maps, [0, up - 1, 0, 0, 0, up - 1])
    maps = functional.pad(maps.reshape(num, channels, height * up, width * up), [before, after, before, after])
    kernel = (KERNEL * gain).expand(channels, 1, 4, 4)
    return functional.conv2d(maps, kernel, groups=channels)[:, :, ::down, ::down]


class Dense(nn.Module):
    """An equalised linear layer."""

    def __init__(self, inputs: int, outputs: int, rate: float = 1.0, bias: float = 0.0, activate: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.gain, self.rate, self.activate = rate / inputs**0.5, rate, activate

    def forward(self, values: Tensor) -> Tensor:
        """`[N, inputs]` -> `[N, outputs]`."""
        values = functional.linear(values, self.weight * self.gain, self.bias * self.rate)
        return functional.leaky_relu(values, 0.2) * 2**0.5 if self.activate else values


class Mapping(nn.Module):
    """From latents to styles."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        sizes = [config.latent] + [config.style] * config.mapping_layers
        self.layers = nn.Sequential(*(Dense(a, b, config.mapping_rate, activate=True) for a, b in pairwise(sizes)))
        self.register_buffer("w_avg", torch.zeros(config.style))

    def forward(self, latent: Tensor) -> Tensor:
        """`[N, latent]` -> `[N, style]`."""
        return self.layers(latent / (latent.square().mean(1, keepdim=True) + 1e-8).sqrt())


class Modulated(nn.Module):
    """A modulated 3x3 convolution with noise, bias and activation."""

    def __init__(self, inputs: int, outputs: int, style: int, resolution: int, up: bool) -> None:
        super().__init__()
        self.affine = Dense(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.resolution, self.up = resolution, up

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """`[N, inputs, h, w]` and `[N, style]` -> `[N, outputs, H, W]`."""
        num = len(maps)
        weights = self.weight * self.affine(style)[:, None, :, None, None]
        weights = weights * (weights.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
        maps = maps.reshape(1, -1, *maps.shape[2:])
        if self.up:
            weights = weights.transpose(1, 2).flatten(0, 1)
            maps = functional.conv_transpose2d(maps, weights, stride=2, groups=num)
            maps = maps.reshape(num, -1, *maps.shape[2:])
            maps = resample(maps, 1, 1, 1, 1, 4.0)
        else:
            maps = functional.conv2d(maps, weights.flatten(0, 1), padding=1, groups=num)
            maps = maps.reshape(num, -1, *maps.shape[2:])
        maps = maps + torch.randn(num, 1, self.resolution, self.resolution) * self.noise_strength
        return functional.leaky_relu(maps + self.bias[:, None, None], 0.2) * 2**0.5


class ToImage(nn.Module):
    """A modulated 1x1 convolution."""

    def __init__(self, inputs: int, style: int) -> None:
        super().__init__()
        self.affine = Dense(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(SHAPE[0], inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(SHAPE[0]))

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """`[N, inputs, H, W]` and `[N, style]` -> `[N, 3, H, W]`."""
        num = len(maps)
        weights = self.weight * (self.affine(style) / maps.shape[1] ** 0.5)[:, None, :, None, None]
        image = functional.conv2d(maps.reshape(1, -1, *maps.shape[2:]), weights.flatten(0, 1), groups=num)
        return image.reshape(num, -1, *maps.shape[2:]) + self.bias[:, None, None]


class GeneratorBlock(nn.Module):
    """One resolution of the generator."""

    def __init__(self, config: Config, resolution: int) -> None:
        super().__init__()
        after = config.channels(resolution)
        if resolution == 4:
            self.const = nn.Parameter(torch.randn(after, 4, 4))
        else:
            self.conv0 = Modulated(config.channels(resolution // 2), after, config.style, resolution, up=True)
        self.conv1 = Modulated(after, after, config.style, resolution, up=False)
        self.to_rgb = ToImage(after, config.style)


class Synthesis(nn.Module):
    """From styles to images."""

    def __init__(self, config: Config, resolution: int) -> None:
        super().__init__()
        sizes = [2**power for power in range(2, resolution.bit_length())]
        self.blocks = nn.ModuleDict({f"b{size}": GeneratorBlock(config, size) for size in sizes})

    def forward(self, styles: Tensor) -> Tensor:
        """`[N, layers, style]` -> `[N, 3, H, W]`."""
        layers, style, image = iter(styles.unbind(1)), styles[:, 0], None
        for block in self.blocks.values():
            if image is None:
                maps = block.const.repeat(len(styles), 1, 1, 1)
            else:
                maps = block.conv0(maps, style)
                image = resample(image, 2, 1, 2, 1, 4.0)
            maps = block.conv1(maps, next(layers))
            style = next(layers)
            part = block.to_rgb(maps, style)
            image = part if image is None else image + part
        return image


class Generator(nn.Module):
    """Mapping and synthesis."""

    def __init__(self, config: Config, resolution: int) -> None:
        super().__init__()
        self.mapping, self.synthesis = Mapping(config), Synthesis(config, resolution)
        self.num_layers = 2 * len(self.synthesis.blocks)


class Conv(nn.Module):
    """An equalised convolution of equal or half the size."""

    def __init__(self, inputs: int, outputs: int, size: int, down: bool = False, bias: bool = True, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain, self.down = gain, down

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, inputs, H, W]` -> `[N, outputs, H, W]`, or half of it."""
        size = self.weight.shape[-1]
        weight = self.weight / self.weight[0].numel() ** 0.5
        if not self.down:
            maps = functional.conv2d(maps, weight, padding=size // 2)
        elif size == 1:
            maps = functional.conv2d(resample(maps, 1, 2, 1, 1, 1.0), weight)
        else:
            maps = functional.conv2d(resample(maps, 1, 1, 2, 2, 1.0), weight, stride=2)
        if self.bias is None:
            return maps * self.gain
        return functional.leaky_relu(maps + self.bias[:, None, None], 0.2) * (2**0.5 * self.gain)


class DiscriminatorBlock(nn.Module):
    """One resolution of the discriminator."""

    def __init__(self, config: Config, resolution: int, first: bool) -> None:
        super().__init__()
        before, after = config.channels(resolution), config.channels(resolution // 2)
        if first:
            self.from_rgb = Conv(SHAPE[0], before, 1)
        self.conv0 = Conv(before, before, 3)
        self.conv1 = Conv(before, after, 3, down=True, gain=0.5**0.5)
        self.skip = Conv(before, after, 1, down=True, bias=False, gain=0.5**0.5)
        self.first = first

    def forward(self, maps: Tensor) -> Tensor:
        """The image, or maps, -> maps of half the size."""
        if self.first:
            maps = self.from_rgb(maps)
        return self.skip(maps) + self.conv1(self.conv0(maps))


class End(nn.Module):
    """From 4x4 maps to scores."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.channels(4)
        self.conv = Conv(width + 1, width, 3)
        self.fc = Dense(width * 16, width, activate=True)
        self.out = Dense(width, 1)
        self.group = config.minibatch_group

    def forward(self, maps: Tensor) -> Tensor:
        """`[N, C, 4, 4]` -> `[N]`."""
        num = len(maps)
        group = min(self.group, num)
        parts = maps.reshape(group, num // group, *maps.shape[1:])
        deviation = (parts - parts.mean(0)).square().mean(0).add(1e-8).sqrt().mean((1, 2, 3))
        plane = deviation.repeat(group)[:, None, None, None].expand(num, 1, *maps.shape[2:])
        return self.out(self.fc(self.conv(torch.cat([maps, plane], 1)).flatten(1))).squeeze(1)


class Discriminator(nn.Module):
    """From images to scores."""

    def __init__(self, config: Config, resolution: int) -> None:
        super().__init__()
        sizes = [2**power for power in range(resolution.bit_length() - 1, 2, -1)]
        self.blocks = nn.ModuleDict({f"b{size}": DiscriminatorBlock(config, size, size == resolution) for size in sizes})
        self.end = End(config)

    def forward(self, images: Tensor) -> Tensor:
        """`[N, 3, H, W]` -> `[N]`."""
        for block in self.blocks.values():
            images = block(images)
        return self.end(images)


class Reference:
    """The game: four losses of a batch of real images `[N, 3, H, W]`, random numbers drawn in zerosum's order."""

    def __init__(self, config: Config, resolution: int) -> None:
        self.config = config
        self.generator, self.discriminator = Generator(config, resolution), Discriminator(config, resolution)
        self.path_mean = torch.zeros(())

    def styles(self, num: int, track: bool = False) -> Tensor:
        """Mixed styles `[N, layers, style]`."""
        mapping, layers = self.generator.mapping, self.generator.num_layers
        styles = mapping(torch.randn(num, self.config.latent))
        if track:
            mapping.w_avg.copy_(styles.detach().mean(0).lerp(mapping.w_avg, self.config.style_decay))
        mixed = styles[:, None].repeat(1, layers, 1)
        if self.config.mixing > 0:
            others = mapping(torch.randn(num, self.config.latent))[:, None].repeat(1, layers, 1)
            chance, cut = torch.rand(()), torch.randint(1, layers, ())
            if chance < self.config.mixing:
                mixed = torch.cat([mixed[:, :cut], others[:, cut:]], 1)
        return mixed

    def discriminator_loss(self, images: Tensor) -> Tensor:
        """The logistic loss of the discriminator."""
        fakes = self.generator.synthesis(self.styles(len(images)))
        real, fake = self.discriminator(images), self.discriminator(fakes)
        return functional.softplus(-real).mean() + functional.softplus(fake).mean()

    def generator_loss(self, images: Tensor) -> Tensor:
        """The non-saturating loss of the generator."""
        fakes = self.generator.synthesis(self.styles(len(images), track=True))
        return functional.softplus(-self.discriminator(fakes)).mean()

    def r1_loss(self, images: Tensor) -> Tensor:
        """gamma / 2 E[|grad D|^2]."""
        images = images.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(self.discriminator(images).sum(), images, create_graph=True)
        return self.config.r1_gamma / 2 * gradient.square().sum((1, 2, 3)).mean()

    def path_loss(self, images: Tensor) -> Tensor:
        """The squared distance of path lengths from their mean."""
        styles = self.styles(max(len(images) // self.config.path_shrink, 1))
        fakes = self.generator.synthesis(styles)
        noise = torch.randn(fakes.shape) / (fakes.shape[2] * fakes.shape[3]) ** 0.5
        (gradient,) = torch.autograd.grad((fakes * noise).sum(), styles, create_graph=True)
        lengths = gradient.square().sum(2).mean(1).sqrt()
        mean = self.path_mean + self.config.path_decay * (lengths.mean() - self.path_mean)
        self.path_mean = mean.detach()
        return self.config.path_weight * (lengths - mean).square().mean()


def pair(config: Config = CONFIG, resolution: int = SHAPE[1]) -> tuple[StyleGAN2, Reference]:
    """Both, with the same weights."""
    torch.manual_seed(0)
    ours, theirs = StyleGAN2(config, {"image": (SHAPE[0], resolution, resolution)}), Reference(config, resolution)
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            if name.endswith("noise_strength"):
                parameter.fill_(0.1)
    theirs.generator.load_state_dict(ours.generator.state_dict())
    theirs.discriminator.load_state_dict(ours.discriminator.state_dict())
    return ours.to(memory_format=torch.channels_last), theirs


def cases() -> dict[str, tuple[Callable[[], None], Callable[[], None], float]]:
    """For each case what zerosum does, what the reference does, and how many times as fast it should be."""
    ours, theirs = pair()
    images = torch.rand(BATCH, *SHAPE) * 2 - 1
    batch = {"image": images.contiguous(memory_format=torch.channels_last)}
    losses = {turn.loss.__name__: turn.loss for turn in ours.turns()}

    def turn(names: list[str], mine: bool) -> Callable[[], None]:
        players = ours.players() if mine else {"generator": theirs.generator, "discriminator": theirs.discriminator}
        adam = {
            name: torch.optim.Adam(player.parameters(), 1e-6, (0.0, 0.99), fused=True if mine else None)
            for name, player in players.items()
        }

        def play() -> None:
            for name in names:
                moving = "generator" if name in ("generator_loss", "path_loss") else "discriminator"
                for player, network in players.items():
                    network.requires_grad_(player == moving)
                adam[moving].zero_grad(set_to_none=True)
                loss = sum(losses[name](batch, 0.0).terms.values()) if mine else getattr(theirs, name)(images)
                loss.backward()
                adam[moving].step()

        return play

    @torch.inference_mode()
    def generate() -> None:
        ours.sample({}, FreshNoise(16))

    @torch.inference_mode()
    def generate_by_reference() -> None:
        layers = theirs.generator.num_layers
        styles = theirs.generator.mapping(torch.randn(16, CONFIG.latent))[:, None].repeat(1, layers, 1)
        theirs.generator.synthesis(styles).clamp(-1, 1)

    played = {
        "stylegan2 step": (["discriminator_loss", "generator_loss"], 1.25),
        "stylegan2 R1 turn": (["r1_loss"], 1.4),
        "stylegan2 path length turn": (["path_loss"], 1.4),
    }
    found = {case: (turn(names, mine=True), turn(names, mine=False), goal) for case, (names, goal) in played.items()}
    return {**found, "stylegan2 generation": (generate, generate_by_reference, 1.8)}
