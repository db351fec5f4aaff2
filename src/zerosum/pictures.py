"""Samples as files: sheets, plots, animations, videos, arrays, lines of text."""

import importlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zerosum.spectra import Mel, log_mel

Pixels = NDArray[np.uint8]
Samples = NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.str_]

LEAST_VIDEO = 256
"""Pixels a side to which smaller frames of a video are enlarged, for players blur small ones."""

BANDS, DECIBELS = 64, 80.0
"""Of spectrograms: pixels from the lowest frequency to the highest, and from the loudest place to white."""
SILENCE = -2.0
"""The log-mel feature that the loudest place is taken to have at least, so that silence stays white."""
SMALLEST_WINDOW = 128
"""Samples of the window of a spectrogram, at least."""


def to_pixels(images: Tensor) -> Pixels:
    """Images `[N, C, H, W]` in [-1, 1] as uint8 `[N, H, W, C]`, rounded."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def grid(images: Pixels, columns: int = 8, gap: int = 2) -> Pixels:
    """Images `[N, H, W, C]` side by side, row by row, on white: `[rows * (H + gap) + gap, columns * (W + gap) + gap, C]`."""
    n, height, width, channels = images.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = gap + i // columns * (height + gap), gap + i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def spectrograms(waves: NDArray[np.float32]) -> Pixels:
    """Log-mel spectrograms of waves `[N, C, T]`, uint8 `[N, 64, frames, 1]`: low ones below, 80 dB from white to black.

    Each is drawn beside its own loudest place, unless it is silent; time in about 64 frames, frequencies from 0 to half the
    rate, whatever that is.
    """
    wave = torch.from_numpy(waves).mean(1)
    size = max(SMALLEST_WINDOW, min(512, wave.shape[1] // 16 * 2))
    hop = max(2, wave.shape[1] // BANDS // 2 * 2)
    wave = torch.nn.functional.pad(wave, (0, max(size - wave.shape[1], 0)))
    features = log_mel(wave, Mel(rate=16_000, size=max(size, hop), hop=hop, bands=BANDS, high=8_000.0))
    loudest = features.amax((1, 2), keepdim=True).clamp(min=SILENCE)
    shade = 1 + (features - loudest) * (20 / np.log(10) / DECIBELS)
    return to_pixels(1 - 2 * shade.clamp(0, 1).flip(1)[:, None])


def interleaved(columns: Sequence[Samples]) -> Samples:
    """Columns of a sheet, `[N, ...]` each, as one row after the other, `[N * columns, ...]`."""
    stacked: Any = np.stack(columns, 1)
    rows: Samples = stacked.reshape(-1, *columns[0].shape[1:])
    return rows


def scatter(points: NDArray[np.float32]) -> bytes:
    """A plot of points `[N, 2]` as a PNG file of 480 x 480 pixels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 4.8), dpi=100)
    axes = figure.add_subplot(aspect="equal")
    axes.scatter(points[:, 0], points[:, 1], s=4, alpha=0.5, linewidths=0)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def picture(samples: Samples, columns: int = 8, gap: int = 2) -> bytes:
    """Samples as one PNG file: a grid of images, of spectrograms of sounds, or a plot of points."""
    if samples.ndim == 3:
        samples = spectrograms(samples.astype(np.float32, copy=False))
    if samples.ndim != 4:
        return scatter(samples.astype(np.float32, copy=False))
    stream = io.BytesIO()
    to_image(grid(samples.astype(np.uint8, copy=False), columns, gap)).save(stream, "png")
    return stream.getvalue()


def sheet(samples: Samples, columns: int = 8) -> tuple[str, bytes]:
    """Samples as one file to look at, and how its name ends: .txt for texts, a line each, else .png."""
    if samples.dtype.kind == "U":
        return ".txt", lines(samples)
    return ".png", picture(samples, columns)


def lines(texts: Samples) -> bytes:
    """Texts `[N]` as a file, a line each."""
    return "".join(f"{text}\n" for text in texts.tolist()).encode()


def animation(frames: Samples, kind: str, milliseconds: int = 50) -> bytes:
    """Frames uint8 `[N, H, W, C]` as an endless animation file, `kind` "gif" or "webp"."""
    first, *others = [to_image(frame) for frame in frames.astype(np.uint8, copy=False)]
    stream = io.BytesIO()
    first.save(stream, kind, save_all=True, append_images=others, duration=milliseconds, loop=0)
    return stream.getvalue()


def video(frames: Samples, frames_per_second: int = 20) -> bytes:
    """Frames uint8 `[N, H, W, C]` as an MP4 file (H.264). Small ones are enlarged by whole numbers to 256 pixels or more.

    Raises:
        ImportError: the optional package that encodes it is missing, with the line that installs it.
    """
    try:
        av: Any = importlib.import_module("av")
    except ImportError:
        raise ImportError('an .mp4 needs an extra: pip install "zerosum[video]"; or end --out in .gif or .webp') from None
    pixels = np.broadcast_to(frames.astype(np.uint8, copy=False), (*frames.shape[:3], 3))
    times = -(-LEAST_VIDEO // min(pixels.shape[1:3]))
    pixels = pixels.repeat(times, 1).repeat(times, 2)
    # 4:2:0 colour needs even sides: an odd one gets its last line twice.
    pixels = np.pad(pixels, ((0, 0), (0, pixels.shape[1] % 2), (0, pixels.shape[2] % 2), (0, 0)), "edge")
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        track = container.add_stream("libx264", rate=frames_per_second, options={"crf": "18"})
        track.height, track.width, track.pix_fmt = *pixels.shape[1:3], "yuv420p"
        for frame in pixels:
            container.mux(track.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(track.encode())
    return stream.getvalue()


def archive(samples: Samples) -> bytes:
    """Samples as a compressed .npz file with the array `samples`."""
    stream = io.BytesIO()
    np.savez_compressed(stream, samples=samples)
    return stream.getvalue()


def to_image(pixels: Pixels) -> Image.Image:
    """Pixels `[H, W, C]` with 1 or 3 channels, or 2 or 4 with transparency, as a Pillow image."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
