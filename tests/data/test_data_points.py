"""The mixtures are the field's, and modes are counted as the field counts them."""

import numpy as np
import pytest
import torch

from zerosum.data import modes, modes_found, open_data
from zerosum.recipe import Data


@pytest.mark.parametrize(("name", "num_modes", "spread"), [("ring", 8, 0.02), ("grid", 25, 0.05)])
def test_points_are_a_balanced_mixture(name: str, num_modes: int, spread: float) -> None:
    dataset = open_data(Data(path=name))
    points = dataset.batch(np.arange(len(dataset)))["point"]
    assert points.dtype == torch.float32
    assert dataset.card.shapes == {"point": (2,)}
    centres = modes(name)
    nearest = np.linalg.norm(points.numpy()[:, None] - centres, axis=2).argmin(1)
    offsets = points.numpy() - centres[nearest]
    np.testing.assert_allclose(offsets.std(0), spread, rtol=0.02)
    np.testing.assert_allclose(offsets.mean(0), 0, atol=spread / 50)
    np.testing.assert_allclose(np.bincount(nearest) / len(points), 1 / num_modes, rtol=0.06)
    assert modes_found(points, name, least_share=0.5 / num_modes) == (num_modes, pytest.approx(1 - np.exp(-4.5), abs=0.002))
    assert open_data(Data(path=name)).card == dataset.card


def test_centres() -> None:
    np.testing.assert_allclose(np.linalg.norm(modes("ring"), axis=1), 2, rtol=1e-6)
    assert sorted(set(modes("grid").ravel().tolist())) == [-4, -2, 0, 2, 4]
    with pytest.raises(ValueError, match="unknown mixture 'star'; there are ring, grid"):
        modes("star")


def test_modes_found() -> None:
    centres = modes("ring")
    points = np.concatenate([np.repeat(centres[:1], 97, axis=0), centres[3:4], [[0, 0]], [centres[5] + 0.061 / np.sqrt(2)]])
    assert modes_found(points, "ring") == (2, 0.98)
    assert modes_found(points, "ring", least_share=0.02) == (1, 0.98)
    assert modes_found(torch.zeros(0, 2), "ring") == (0, 0.0)
