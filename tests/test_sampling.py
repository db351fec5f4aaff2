import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from zerosum.datacard import DataCard, Labels
from zerosum.game import GAN, Batch, Turn
from zerosum.noise import Noise
from zerosum.pictures import animation, grid, picture, to_pixels
from zerosum.sampling import Sampler, label_rows


class Plain(GAN):
    """A generator that shows its latent and label as grey levels."""

    needs = frozenset({"image", "label"})
    given = frozenset({"label"})

    def players(self) -> dict[str, nn.Module]:
        return {}

    def turns(self) -> list[Turn]:
        return []

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        latent = noise.normal(1, 2, 2).tanh()
        return torch.cat([latent, given["label"].mul(2).sub(1)[:, None, :2, None].expand(-1, -1, -1, 2)], 2)


@pytest.fixture
def sampler() -> Sampler:
    card = DataCard(10, "", {"image": (1, 4, 2), "label": (3,)}, Labels(classes=("a", "b", "c")))
    return Sampler(Plain(card.shapes), card)


def test_samples_are_pixels_and_classes_come_in_turn(sampler: Sampler) -> None:
    samples = sampler.sample(7)
    assert samples.shape == (7, 4, 2, 1)
    assert samples.dtype == np.uint8
    assert [tuple(sample[2:, 0, 0]) for sample in samples[:4]] == [(255, 0), (0, 255), (0, 0), (255, 0)]


def test_batches_change_nothing(sampler: Sampler) -> None:
    many = sampler.sample(130, seed=9, label="b")
    for i in (0, 63, 64, 129):
        assert np.array_equal(sampler.sample(1, seed=9 + i, label=1)[0], many[i])


def test_interpolation_goes_from_seed_to_seed_smoothly(sampler: Sampler) -> None:
    frames = sampler.interpolate(41, seed=3, stops=3, label="a").astype(int)
    for frame, seed in ((0, 3), (20, 4), (40, 5)):
        assert np.abs(frames[frame] - sampler.sample(1, seed=seed, label="a")[0]).max() <= 1
    whole = np.abs(frames[20] - frames[0]).max()
    assert np.abs(np.diff(frames, axis=0)).max() < max(whole, 60) / 2
    assert len(np.unique(sampler.interpolate(5)[:, 2:].reshape(5, -1), axis=0)) == 1, "one class all the way"


@pytest.mark.parametrize(("n", "stops"), [(1, 2), (5, 1)])
def test_interpolation_needs_a_way(sampler: Sampler, n: int, stops: int) -> None:
    with pytest.raises(ValueError, match="at least 2 frames and 2 stops"):
        sampler.interpolate(n, stops=stops)


def test_pixels_are_rounded_and_clamped() -> None:
    images = torch.tensor([-2.0, -1.0, -0.999, 0.0, 1.0, 3.0]).reshape(1, 1, 1, 6)
    assert to_pixels(images).flatten().tolist() == [0, 0, 0, 128, 255, 255]


def test_every_byte_survives_the_way_there_and_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert np.array_equal(to_pixels(levels.float() / 127.5 - 1)[0, :, :, 0], levels[0, 0].numpy())


def test_grid_lays_out_row_by_row_on_white() -> None:
    sheet = grid(np.stack([np.full((2, 3, 1), i, np.uint8) for i in range(5)]), columns=3, gap=1)
    assert sheet.shape == (2 * 3 + 1, 3 * 4 + 1, 1)
    assert [int(sheet[1, 1 + 4 * column, 0]) for column in range(3)] == [0, 1, 2]
    assert [int(sheet[4, 1 + 4 * column, 0]) for column in range(3)] == [3, 4, 255]
    assert (sheet[0] == 255).all()


def test_pictures_and_animations_are_files_that_open() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(picture(frames, 2, gap=0))) as image:
        assert np.array_equal(np.asarray(image)[:8, 8:], frames[1])
    for kind in ("gif", "webp"):
        with Image.open(io.BytesIO(animation(frames, kind))) as image:
            assert image.n_frames == 6
    with Image.open(io.BytesIO(picture(np.zeros((9, 2), np.float32)))) as image:
        assert image.size == (480, 480)


def test_columns_must_be_told() -> None:
    from zerosum.datacard import Column

    with pytest.raises(ValueError, match="give a label, age=VALUE"):
        label_rows(Labels(columns=(Column("age"),)), 3, None)
