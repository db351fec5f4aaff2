import importlib
import io

import numpy as np
import pytest
import torch
from PIL import Image

from zerosum.pictures import animation, grid, picture, spectrograms, to_pixels, video


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


@pytest.mark.parametrize("shape", [(6, 8, 8, 3), (3, 31, 45, 1), (2, 300, 301, 3)])
def test_videos_play_back_what_was_put_in(shape: tuple[int, ...]) -> None:
    import av

    n, height, width, _ = shape
    ramp = np.linspace(0, 255, n * width).reshape(n, 1, width, 1)
    frames = np.broadcast_to(ramp, shape).astype(np.uint8)
    with av.open(io.BytesIO(video(frames))) as container:
        played = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    times = -(-256 // min(height, width))
    assert len(played) == n
    assert played[0].shape == (height * times + height * times % 2, width * times + width * times % 2, 3)
    for frame, shown in zip(frames, played, strict=True):
        small = shown[: height * times : times, : width * times : times]
        assert np.abs(small.astype(int) - frame).mean() < 8


def test_a_missing_encoder_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r'pip install "zerosum\[video\]"'):
        video(np.zeros((2, 8, 8, 1), np.uint8))


def test_spectrograms_show_when_and_how_high() -> None:
    time = np.arange(8_192) / 16_000
    low, high = (np.sin(2 * np.pi * hertz * time) * (time < 0.25) for hertz in (300, 5_000))
    shown = spectrograms(np.stack([low, high])[:, None].astype(np.float32))
    assert shown.shape == (2, 64, 64, 1)
    darkest = shown[:, :, 8:24, 0].mean(2).argmin(1)
    assert darkest[0] > 48
    assert darkest[1] < 16, "high ones are above"
    assert shown[:, :, 36:].min() > 200, "silence is white"
    quieter = spectrograms(np.stack([low / 10, high / 10])[:, None].astype(np.float32))
    assert np.abs(quieter.astype(int) - shown).max() <= 2, "each beside its own loudest place"


@pytest.mark.parametrize("samples", [64, 100, 1_024, 65_536])
def test_spectrograms_of_any_length(samples: int) -> None:
    waves = np.random.default_rng(0).normal(0, 0.1, (3, 2, samples)).astype(np.float32)
    height, width = spectrograms(waves).shape[1:3]
    assert height == 64
    assert 1 <= width <= 100
    assert (spectrograms(np.zeros((1, 1, samples), np.float32)) == 255).all()
