"""The data inside the package is what it says."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from zerosum.data import open_data
from zerosum.data.embedded import FOLDER, GARMENTS, open_embedded
from zerosum.recipe import Data


def test_fashion_has_the_original_pixels() -> None:
    raw = gzip.decompress((FOLDER / "fashion" / "t10k-images-idx3-ubyte.gz").read_bytes())
    assert hashlib.md5(raw[16:]).hexdigest() == "b7656a891b218fc13e45205c48a92cae"
    dataset = open_data(Data(path="fashion", resolution=28))
    assert (len(dataset), dataset.card.shapes) == (10_000, {"image": (1, 28, 28), "label": (10,)})
    batch = dataset.batch(np.arange(10_000))
    assert batch["image"].numpy().tobytes() == raw[16:]
    assert batch["label"].sum(0).tolist() == [1000] * 10
    assert dataset.card.labels.classes == GARMENTS


def test_emoji_at_its_own_and_another_resolution() -> None:
    dataset = open_data(Data(path="emoji", resolution=32))
    assert (len(dataset), dataset.card.shapes) == (1636, {"image": (3, 32, 32), "label": (8,)})
    batch = dataset.batch(np.array([0, 1635]))
    np.testing.assert_array_equal(batch["image"][1].permute(1, 2, 0), open_embedded("emoji").read(1635))
    assert dataset.captions[:2] == ["mahjong", "black joker"]
    assert open_data(Data(path="emoji", resolution=64)).card.shapes["image"] == (3, 64, 64)


def test_drums_of_five_classes() -> None:
    dataset = open_data(Data(path="drums", kind="audio", samples=8_000))
    assert (len(dataset), dataset.card.shapes) == (70, {"wave": (1, 8_000), "label": (5,)})
    assert dataset.card.labels.classes == ("cymbal", "kick", "snare", "tabla", "tom")
    batch = dataset.batch(np.arange(70))
    assert batch["label"].sum(0).tolist() == [8, 18, 11, 26, 7]
    assert (batch["wave"].abs().amax((1, 2)) > 0.01).all()


def test_it_is_small_and_has_its_licences() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 7e6
    assert "Zalando" in (FOLDER / "fashion" / "LICENSE").read_text()
    assert "CC0 1.0" in (FOLDER / "drums" / "LICENSE").read_text()
    notice = (FOLDER / "emoji" / "LICENSE").read_text()
    assert all(words in notice for words in ("Apache License", "emoji-datasource-google 16.0.0", "Cal Henderson"))


def test_a_folder_of_the_same_name_is_not_what_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    open_data(Data(path="ring"))
    assert not caplog.text
    Path("ring").mkdir()
    open_data(Data(path="ring"))
    assert "for what lies here write ./ring" in caplog.text
