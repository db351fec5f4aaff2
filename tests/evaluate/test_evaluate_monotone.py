"""The default judge's distances rise when real images get worse."""

import numpy as np
import pytest

from monotone import Real, prepared, rises, series
from zerosum import features
from zerosum.recipe import Data

NUM, LEVELS = 200, 3


@pytest.mark.parametrize("path", ["fashion", "emoji"])
def test_distances_rise_with_blur_noise_and_lost_classes(path: str) -> None:
    real = prepared(path, Data(path=path, resolution=32))
    rows = series(real, NUM, features.load("lite0@64"), LEVELS)
    assert set(rows) == {"blur", "noise", "classes"}
    for harm, found in rows.items():
        assert len(found) == LEVELS
        assert rises([row[1] for row in found]), (harm, found)
        assert rises([row[2] for row in found]), (harm, found)


def test_classes_are_dropped_and_the_number_of_images_is_kept() -> None:
    stream, labels = np.random.default_rng(0), np.repeat([0, 1, 2], [120, 60, 30])
    seen: list[np.ndarray] = []

    def judge(pixels: object) -> object:
        array = pixels.numpy()  # type: ignore[attr-defined]
        seen.append(array[:, 0, 0, 0])
        return pixels.float().mean((2, 3))  # type: ignore[attr-defined]

    images = stream.integers(0, 256, (210, 3, 12, 12), np.uint8)
    images[:, :, 0, 0] = labels[:, None]
    rows = series(Real("three", images, labels), 50, judge, LEVELS)  # type: ignore[arg-type]
    assert [row[0] for row in rows["classes"]] == ["3 of 3", "2 of 3", "1 of 3"]
    assert [sorted(set(part)) for part in seen[-2:]] == [[0, 1], [0]]
    assert {len(part) for part in seen} == {50}
