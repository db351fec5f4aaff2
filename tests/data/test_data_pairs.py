from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zerosum.data import Colouring, Dataset, Pairs, open_data
from zerosum.data.embedded import open_embedded
from zerosum.data.feed import Feed
from zerosum.recipe import Data


def pixels(number: int, width: int = 16, height: int = 16) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Twelve pairs of 16 x 16 pixels; B is A with its colours inverted."""
    for number in range(12):
        save(tmp_path / "data" / "A" / f"{number}.png", pixels(number))
        save(tmp_path / "data" / "B" / f"{number}.{'bmp' if number % 2 else 'png'}", 255 - pixels(number))
    return tmp_path / "data"


def settings(path: Path, **others: object) -> Data:
    return replace(Data(path=str(path), kind="pairs", resolution=16), **others)  # type: ignore[arg-type]


def everything(dataset: Dataset) -> dict[str, torch.Tensor]:
    return dataset.batch(np.arange(len(dataset)))


def test_two_folders_become_pairs_of_equal_names(folders: Path) -> None:
    dataset = open_data(settings(folders))
    assert isinstance(dataset, Pairs)
    assert dataset.card.shapes == {"source": (3, 16, 16), "target": (3, 16, 16)}
    batch = everything(dataset)
    assert batch["source"].dtype == torch.uint8
    assert len(batch["source"]) == 12
    assert torch.equal(batch["source"], 255 - batch["target"])


def test_the_other_way_round(folders: Path) -> None:
    there, back = everything(open_data(settings(folders))), everything(open_data(settings(folders, sides=("B", "A"))))
    assert torch.equal(there["source"], back["target"])
    assert torch.equal(there["target"], back["source"])


def test_files_that_show_both_are_cut_in_the_middle(tmp_path: Path) -> None:
    for number in range(5):
        save(tmp_path / "both" / f"{number}.png", np.hstack([pixels(number), 255 - pixels(number)]))
    batch = everything(open_data(settings(tmp_path / "both")))
    assert torch.equal(batch["source"][1], torch.from_numpy(pixels(1)).permute(2, 0, 1))
    assert torch.equal(batch["source"], 255 - batch["target"])
    back = everything(open_data(settings(tmp_path / "both", sides=("B", "A"))))
    assert torch.equal(batch["source"], back["target"])
    with pytest.raises(ValueError, match=r"called A \(left\) and B \(right\)"):
        open_data(settings(tmp_path / "both", sides=("left", "right")))
    save(tmp_path / "both" / "odd.png", pixels(9, width=33))
    with pytest.raises(ValueError, match=r"odd.png: 33 pixels wide, which cannot be halved"):
        open_data(settings(tmp_path / "both", broken="refuse"))
    assert len(open_data(settings(tmp_path / "both"))) == 5


def test_an_unreadable_picture_takes_its_partner_with_it(folders: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folders / "A" / "3.png").write_bytes(b"nothing")
    (folders / "B" / "5.bmp").write_bytes(b"nothing")
    batch = everything(open_data(settings(folders)))
    assert len(batch["source"]) == 10
    assert torch.equal(batch["source"], 255 - batch["target"])
    assert "A/3.png" in caplog.text
    assert "B/5.bmp" in caplog.text


def test_mirroring_and_jitter_do_the_same_to_both(folders: Path) -> None:
    dataset = open_data(settings(folders, jitter=6, resolution=10))
    assert dataset.card.shapes["source"] == (3, 10, 10)
    batches = []
    for _ in range(2):
        feed = Feed(dataset, batch=12, seed=3, mirror=True)
        batches.append(feed.draw(0)[0])
        feed.close()
    assert torch.equal(batches[0]["source"], batches[1]["source"])
    torch.testing.assert_close(batches[0]["source"], -batches[0]["target"], rtol=0, atol=1e-6)
    middle = torch.from_numpy(pixels(0)).permute(2, 0, 1)[:, 3:13, 3:13]
    assert torch.equal(dataset.batch(np.arange(1))["source"][0], middle)
    assert not torch.equal(dataset.drawn(np.arange(1), None, [1])["source"], dataset.drawn(np.arange(1), None, [2])["source"])


def test_what_is_wrong_with_pairs_is_said(folders: Path) -> None:
    (folders / "A" / "3.png").rename(folders / "A" / "three.png")
    with pytest.raises(ValueError, match=r"2 files have no partner .*: A/three, B/3. Add"):
        open_data(settings(folders))
    (folders / "A" / "three.png").rename(folders / "A" / "3.png")
    save(folders / "B" / "4.png", pixels(4, width=20))
    with pytest.raises(ValueError, match=r"one size, but 1 pairs do not: A/4.png \(16 x 16\) and B/4.png \(20 x 16\)"):
        open_data(settings(folders))
    save(folders / "B" / "4.png", pixels(4))
    save(folders / "B" / "4.bmp", pixels(4))
    with pytest.raises(ValueError, match="in B more than one file is named 4: keep one of each"):
        open_data(settings(folders))


def test_an_empty_or_missing_side_is_said(folders: Path) -> None:
    for file in (folders / "A").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match="A is empty: put images into it"):
        open_data(settings(folders))
    with pytest.raises(ValueError, match=r"no sub-folders photo and map, but only B: name the two"):
        open_data(settings(folders, sides=("photo", "map")))
    with pytest.raises(ValueError, match="two different sub-folders, not 'A' twice"):
        settings(folders, sides=("A", "A"))
    with pytest.raises(ValueError, match="data.jitter is for pairs"):
        Data(jitter=3)


def test_a_turned_picture_has_the_size_that_it_is_seen_at(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "data" / "B" / "1.png", pixels(0, width=16, height=24))
    (tmp_path / "data" / "A").mkdir()
    Image.fromarray(pixels(0, width=24, height=16)).save(tmp_path / "data" / "A" / "1.png", exif=exif)
    assert len(open_data(settings(tmp_path / "data"))) == 1


def test_of_an_animation_the_first_frame_is_paired_and_cmyk_becomes_rgb(folders: Path) -> None:
    first, second = (Image.fromarray(pixels(number)) for number in (3, 90))
    (folders / "A" / "3.png").unlink()
    first.save(folders / "A" / "3.gif", save_all=True, append_images=[second])
    flat = np.full((16, 16, 3), (200, 40, 90), np.uint8)
    (folders / "B" / "4.png").unlink()
    Image.fromarray(flat).convert("CMYK").save(folders / "B" / "4.jpg", quality=100)
    dataset = open_data(settings(folders))
    assert dataset.card.shapes == {"source": (3, 16, 16), "target": (3, 16, 16)}
    places = {name: place for place, name in enumerate(sorted(str(number) for number in range(12)))}
    batch = everything(dataset)
    shown = np.asarray(first.quantize(256).convert("RGB")).astype(int)
    made = batch["source"][places["3"]].permute(1, 2, 0).numpy()
    assert np.abs(made - shown).mean() < 20, "the first frame, in the colours of a GIF"
    assert np.abs(made - np.asarray(second).astype(int)).mean() > 40
    difference = batch["target"][places["4"]].permute(1, 2, 0).numpy().astype(int) - flat
    assert np.abs(difference).max() <= 4


def test_colouring_takes_the_colours_away() -> None:
    data = Data(path="emoji", kind="colouring", resolution=32)
    dataset = open_data(data)
    assert isinstance(dataset, Colouring)
    assert dataset.card.shapes == {"source": (1, 32, 32), "target": (3, 32, 32)}
    batch = dataset.batch(np.arange(20))
    grey = np.stack([np.asarray(Image.fromarray(np.asarray(open_embedded("emoji").read(n))).convert("L")) for n in range(20)])
    assert np.abs(batch["source"][:, 0].numpy().astype(int) - grey).max() <= 1
    with pytest.raises(ValueError, match="leaves nothing to colour"):
        open_data(replace(data, colour="grey"))
