"""BigGAN as it is usually written, for comparison: python benchmarks/reference_biggan.py

The straightforward formulation: nearest doubling, then convolution; convolution, then pooling; a power iteration at every call,
in evaluation mode too; batch norm, then gain and bias; the default memory layout; Adam as it comes; the discriminator sees real
and generated images in one batch, and the generator makes those without a graph. Every network lists its parameters and buffers
in the order of zerosum's, so that `copy_weights` maps one to the other; tests/test_reference_biggan.py shows that losses and
gradients are equal. Only the settings of `narrow` are covered, at 32x32.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from plain import copy_weights, optimiser
from steps import engine_step
from zerosum import gans
from zerosum.api import build_gan, make_feed
from zerosum.data import open_data
from zerosum.game import Batch, Shapes
from zerosum.noise import FreshNoise
from zerosum.recipe import Recipe

Case = tuple[Callable[[], None], Callable[[], None], float]


class Spectral(nn.Module):
    """A weight that is divided by its largest singular value at every call."""

    def __init__(self, *shape: int, bias: bool = True, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
        self.weight = nn.Parameter(torch.empty(shape))
        self.register_buffer("u", torch.randn(shape[0]))

    def normalised(self) -> Tensor:
        matrix = self.weight.view(len(self.weight), -1)
        with torch.no_grad():
            v = functional.normalize(self.u @ matrix, dim=0, eps=self.eps)
            u = functional.normalize(matrix @ v, dim=0, eps=self.eps)
            if self.training:
                self.u.copy_(u)
        return self.weight / (u @ (matrix @ v))


class Conv(Spectral):
    def __init__(self, before: int, after: int, kernel: int = 3) -> None:
        super().__init__(after, before, kernel, kernel)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.normalised(), self.bias, padding=self.weight.shape[-1] // 2)


class Linear(Spectral):
    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.normalised(), self.bias)


class ConditionalNorm(nn.Module):
    def __init__(self, channels: int, inputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = Linear(channels, inputs, bias=False)
        self.bias = Linear(channels, inputs, bias=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        gain, bias = (1 + self.gain(y)).view(len(y), -1, 1, 1), self.bias(y).view(len(y), -1, 1, 1)
        return self.norm(x) * gain + bias


class UpBlock(nn.Module):
    def __init__(self, before: int, after: int, inputs: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = ConditionalNorm(before, inputs), ConditionalNorm(after, inputs)
        self.conv1, self.conv2, self.shortcut = Conv(before, after), Conv(after, after), Conv(before, after, 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = functional.interpolate(functional.relu(self.norm1(x, y)), scale_factor=2)
        h = self.conv2(functional.relu(self.norm2(self.conv1(h), y)))
        return h + self.shortcut(functional.interpolate(x, scale_factor=2))


class DownBlock(nn.Module):
    def __init__(self, before: int, after: int, down: bool, first: bool) -> None:
        super().__init__()
        self.down, self.first = down, first
        self.conv1, self.conv2 = Conv(before, after), Conv(after, after)
        self.shortcut = Conv(before, after, 1) if down else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(functional.relu(self.conv1(x if self.first else functional.relu(x))))
        if not self.down:
            return h + x
        h = functional.avg_pool2d(h, 2)
        if self.first:
            return h + self.shortcut(functional.avg_pool2d(x, 2))
        return h + functional.avg_pool2d(self.shortcut(x), 2)


class Generator(nn.Module):
    def __init__(self, latent: int, channels: int, width: int, classes: int, embedding: int) -> None:
        super().__init__()
        self.chunk, width = latent // 4, width * 4
        self.embed = nn.Parameter(torch.empty(classes, embedding))
        self.linear = Linear(width * 16, self.chunk)
        self.blocks = nn.ModuleList(UpBlock(width, width, embedding + self.chunk) for _ in range(3))
        self.end = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), Conv(width, channels), nn.Tanh())

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        y, (first, *others) = label @ self.embed, z.split(self.chunk, 1)
        x = self.linear(first).view(len(z), -1, 4, 4)
        for block, chunk in zip(self.blocks, others, strict=True):
            x = block(x, torch.cat([y, chunk], 1))
        return self.end(x)


class Discriminator(nn.Module):
    def __init__(self, channels: int, width: int, classes: int) -> None:
        super().__init__()
        width *= 4
        plan = enumerate([channels, width, width, width])
        self.blocks = nn.Sequential(*(DownBlock(before, width, number < 2, number == 0) for number, before in plan))
        self.linear = Linear(1, width)
        self.embed = Spectral(classes, width, bias=False)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        h = functional.relu(self.blocks(x)).sum((2, 3))
        return self.linear(h).squeeze(1) + (label @ self.embed.normalised() * h).sum(1)


class Reference:
    """Training step and generation.

    Args:
        recipe: biggan:cpu, or one with other widths, sizes and rates.
        shapes: of the data's examples.
    """

    def __init__(self, recipe: Recipe, shapes: Shapes) -> None:
        config, channels, classes = recipe.gan, shapes["image"][0], shapes["label"][0]
        self.config, self.latent = config, config.latent // 4 * 4
        self.generator = Generator(config.latent, channels, config.generator_width, classes, config.embedding)
        self.judge = Discriminator(channels, config.discriminator_width, classes)
        self.generator_optimiser = optimiser(recipe.optimisers["generator"], self.generator)
        self.judge_optimiser = optimiser(recipe.optimisers["discriminator"], self.judge)

    def step(self, batches: list[Batch]) -> None:
        """The discriminator on every batch, then the generator on the last one."""
        self.generator.requires_grad_(False)
        self.judge.requires_grad_(True)
        for batch in batches:
            self.judge_optimiser.zero_grad()
            self.judge_loss(batch).backward()
            self.judge_optimiser.step()
        self.generator.requires_grad_(True)
        self.judge.requires_grad_(False)
        self.generator_optimiser.zero_grad()
        self.generator_loss(batches[-1]).backward()
        self.generator_optimiser.step()

    def judge_loss(self, batch: Batch) -> Tensor:
        """The hinge."""
        with torch.no_grad():
            fakes = self.generate(batch["label"])
        label = torch.cat([batch["label"], batch["label"]])
        real, fake = self.judge(torch.cat([batch["image"], fakes]), label).chunk(2)
        return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()

    def generator_loss(self, batch: Batch) -> Tensor:
        """-E[D(G(z))]."""
        return -self.judge(self.generate(batch["label"]), batch["label"]).mean()

    def generate(self, label: Tensor) -> Tensor:
        """Images of new latents."""
        return self.generator(torch.randn(len(label), self.latent), label)


def make_batches(recipe: Recipe) -> list[Batch]:
    """Some batches of the recipe's data, in the default memory layout."""
    dataset = open_data(recipe.data)
    feed = make_feed(recipe, dataset, np.arange(len(dataset)), torch.device("cpu"))
    batches = [feed.draw(number)[0] for number in range(8)]
    feed.close()
    return [{key: value.contiguous() for key, value in batch.items()} for batch in batches]


def narrow() -> Recipe:
    """The paper's game, spectral norm in both networks, at the size of `biggan:cpu`."""
    recipe = gans.get_recipe("biggan:cpu")
    settings = {"spectral_generator": True, "generator_width": 8, "discriminator_width": 8}
    return replace(recipe, gan=replace(recipe.gan, **settings), train=replace(recipe.train, batch=32))


def cases() -> dict[str, Case]:
    """Name -> (zerosum's, the reference's, how many times as fast zerosum's is to be)."""
    recipe = narrow()
    card = open_data(recipe.data).card
    gan, reference = build_gan(recipe, card, torch.device("cpu")), Reference(recipe, card.shapes)
    copy_weights(gan.generator, reference.generator)
    copy_weights(gan.discriminator, reference.judge)
    batches, steps = make_batches(recipe), recipe.gan.discriminator_steps
    sampler, label = gan.for_sampling(), torch.eye(card.shapes["label"][0])[torch.arange(64) % card.shapes["label"][0]]
    still = Reference(recipe, card.shapes)
    copy_weights(gan.generator, still.generator)
    still.generator.eval()

    @torch.inference_mode()
    def ours() -> None:
        sampler.sample({"label": label}, FreshNoise(64))

    @torch.inference_mode()
    def theirs() -> None:
        still.generate(label)

    return {
        "biggan step": (engine_step(recipe), lambda: reference.step(batches[:steps]), 1.45),
        "biggan generation": (ours, theirs, 1.8),
    }


def main(repeats: int = 15) -> None:
    """Measure in turns, one pinned thread, CPU time, medians."""
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for name, (*sides, goal) in cases().items():
        times: list[list[float]] = [[], []]
        for number in range(repeats + 3):
            for side in (0, 1) if number % 2 else (1, 0):
                start = time.process_time()
                sides[side]()
                times[side] += [time.process_time() - start]
        ours, theirs = (median(values[3:]) for values in times)
        print(f"{name:<24}{1e3 * ours:>9.1f} ms{1e3 * theirs:>9.1f} ms{theirs / ours:>7.2f}, goal {goal}", flush=True)


if __name__ == "__main__":
    main()
