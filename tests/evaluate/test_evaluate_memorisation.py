"""Memorised training examples are told from fresh samples and from poor ones."""

import numpy as np
import pytest
import torch
from torchmetrics.image.mifid import _compute_cosine_distance

from zerosum.evaluate.frechet import frechet_distance
from zerosum.evaluate.memorisation import memorisation, mifid, training_angles


def draw(num: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num, 12)).astype(np.float32)


TRAIN, HELD_OUT = draw(2000, 0), draw(1000, 1)


def test_fresh_samples_are_as_close_as_held_out_ones() -> None:
    fresh = memorisation(TRAIN, HELD_OUT, draw(1500, 2))
    assert fresh.closer == pytest.approx(0.5, abs=0.04)
    assert fresh.copied == pytest.approx(0.01, abs=0.01)
    itself = memorisation(TRAIN, HELD_OUT, HELD_OUT)
    assert itself.closer == pytest.approx(0.5)
    assert itself.copied == pytest.approx(0.01)


def test_copies_are_found_and_noise_hides_them_gradually() -> None:
    copies = TRAIN[:1000]
    assert memorisation(TRAIN, HELD_OUT, copies) == memorisation(TRAIN, HELD_OUT, copies[::-1])
    assert vars(memorisation(TRAIN, HELD_OUT, copies)) == {"copied": 1, "closer": 1}
    series = [memorisation(TRAIN, HELD_OUT, copies + noise * draw(1000, 3)) for noise in (0, 0.3, 0.6, 1)]
    assert [found.closer for found in series] == sorted((found.closer for found in series), reverse=True)
    assert [found.copied for found in series] == sorted((found.copied for found in series), reverse=True)
    half = np.concatenate([copies[:500], draw(500, 4)])
    assert memorisation(TRAIN, HELD_OUT, half).copied == pytest.approx(0.505, abs=0.02)
    assert memorisation(TRAIN, HELD_OUT, 3 * draw(500, 5)).closer < 0.01, "far off the data"


def test_closer_is_mann_whitney() -> None:
    fake = np.round(draw(60, 6), 1)
    train, held_out = np.round(TRAIN[:50], 1), np.round(HELD_OUT[:40], 1)
    ours, theirs = (np.linalg.norm(side[:, None] - train, axis=2).min(1) for side in (fake, held_out))
    expected = np.mean([(x < y) + (x == y) / 2 for x in ours for y in theirs])
    assert memorisation(train, held_out, fake).closer == pytest.approx(expected, abs=1e-3)


def test_mifid_agrees_with_torchmetrics_and_its_definition() -> None:
    """torchmetrics averages over its first argument; the paper over generated samples."""
    train, fake = np.abs(TRAIN[:300]).astype(np.float64), np.abs(draw(200, 7)).astype(np.float64)
    theirs = float(_compute_cosine_distance(torch.from_numpy(fake), torch.from_numpy(train), 1.0))
    angles = training_angles(train, fake)
    assert angles.mean() == pytest.approx(theirs, rel=1e-9)
    np.testing.assert_allclose(training_angles(train, -7 * fake), angles, rtol=1e-9)
    distance = frechet_distance(train, fake)
    assert mifid(distance, angles, threshold=0.5) == pytest.approx(distance / theirs, rel=1e-9)
    assert mifid(distance, angles, threshold=theirs / 2) == distance
    assert mifid(1.0, training_angles(train, train[:50])) == pytest.approx(1e14)
    with pytest.raises(ValueError, match="generated example 3 has features that are all zero"):
        training_angles(train, fake * (np.arange(200) != 3)[:, None])
