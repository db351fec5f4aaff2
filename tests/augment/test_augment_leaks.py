"""Augmentations stay out of the samples while they are invertible, and get into them when they are not.

A generator learns images that are bright at the top, and another with the same random numbers such as are bright at the
bottom. If it can learn which side is up, both come out right; if not, both come out alike, whatever they are.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zerosum.data.dataset import Dataset
from zerosum.data.feed import Feed
from zerosum.datacard import DataCard
from zerosum.game import Batch
from zerosum.gans.gan import Config, FirstGAN
from zerosum.noise import SeededNoise
from zerosum.recipe import Average, Stabilisers, adam
from zerosum.schedules import constant
from zerosum.training.loop import Loop
from zerosum.training.state import State

SIZE = 8


@dataclass
class BrightOnOneSide(Dataset):
    """512 images with an upper half of about +0.65 and a lower half of about -0.65, or upside down."""

    upside_down: bool
    card: DataCard = DataCard(512, "", {"image": (1, SIZE, SIZE)})

    def __len__(self) -> int:
        return 512

    def batch(self, indices: np.ndarray, mirrored: np.ndarray | None = None) -> Batch:
        levels = torch.rand(512, 2, generator=torch.Generator().manual_seed(0))[torch.as_tensor(indices)] * 0.5 + 0.4
        halves = levels * torch.tensor([-1, 1] if self.upside_down else [1, -1])
        pixels = ((halves.repeat_interleave(SIZE // 2, 1) + 1) * 127.5).round().to(torch.uint8)
        return {"image": pixels[:, None, :, None].expand(-1, 1, SIZE, SIZE).contiguous()}


def contrast(images: Tensor) -> float:
    """Upper less lower half; about 1.3 in the upright data."""
    upper, lower = images.chunk(2, 2)
    return float(upper.mean() - lower.mean())


def train(upside_down: bool, seed: int, augment: str, probability: float, steps: int = 300) -> float:
    """The contrast of the samples of a small generator, trained at a fixed probability."""
    torch.manual_seed(seed)
    cures = Stabilisers(augment=augment, augment_limit=1.0, augment_images=10**12)
    small = {"generator_width": 64, "generator_range": None, "discriminator_width": 64, "discriminator_range": None}
    config = Config(latent=4, noise="normal", discriminator="mlp", dropout_input=0, dropout=0, stabilisers=cures, **small)
    gan = FirstGAN(config, {"image": (1, SIZE, SIZE)})
    if augment == "ada":
        gan.augment.probability.fill_(probability)
    state = State(gan, {"generator": adam(1e-3, 0.5), "discriminator": adam(2e-3, 0.5)}, batch=32)
    feed = Feed(BrightOnOneSide(upside_down), batch=32, seed=seed)
    Loop(state, feed, steps * 32, seed, Average(half_life=constant(1600))).run()
    feed.close()
    return contrast(state.average.sample({}, SeededNoise(range(128))))


def kept(seed: int, augment: str, probability: float = 0.0) -> float:
    """What both generators have at least of the contrast of their own data."""
    return min(train(False, seed, augment, probability), -train(True, seed, augment, probability))


def test_samples_of_moderate_augmentation_are_as_upright_as_those_of_none() -> None:
    plain = kept(0, "none")
    assert plain > 1.1
    assert kept(0, "diffaug") > plain - 0.25
    assert kept(0, "ada", 0.3) > plain - 0.25


def test_samples_of_certain_augmentation_are_not() -> None:
    assert kept(0, "ada", 1.0) < 0.6
