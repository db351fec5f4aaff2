from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data.glance import Glance, glance


def test_counts_images_and_classes_and_looks_at_sizes(folder: Path) -> None:
    assert glance(str(folder)) == Glance(6, 32, 2)
    Image.fromarray(np.zeros((90, 300, 3), np.uint8)).save(folder / "cat" / "wide.png")
    assert glance(str(folder)) == Glance(7, 32, 2)


def test_embedded_data_and_points() -> None:
    assert glance("fashion") == Glance(10_000, 28, 10)
    assert glance("emoji") == Glance(1_636, 32, 8)
    assert glance("ring").side == 0


def test_broken_images_do_not_count_unless_all_are(folder: Path) -> None:
    for number in range(3):
        (folder / "cat" / f"{number}.png").write_bytes(b"no image")
    assert glance(str(folder)).side == 32
    for file in folder.rglob("*.png"):
        file.write_bytes(b"no image")
    with pytest.raises(ValueError, match="no image can be read; see `zerosum data check"):
        glance(str(folder))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        glance(str(tmp_path / "nowhere"))
