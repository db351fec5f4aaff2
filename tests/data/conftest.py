"""Real little data sets, made from the embedded emoji and written in every form that is read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data.embedded import open_embedded


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def emoji() -> list[np.ndarray]:
    """Pixels uint8 [32, 32, 3] of every emoji."""
    source = open_embedded("emoji")
    return [np.asarray(source.read(index)) for index in range(len(source.names))]


@pytest.fixture
def folder(tmp_path: Path, emoji: list[np.ndarray]) -> Path:
    """Six PNG files in two sub-folders, `cat` and `dog`."""
    root = tmp_path / "pets"
    for index in range(6):
        place = root / ("cat" if index < 3 else "dog") / f"{index}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(emoji[10 * index]).save(place)
    return root
