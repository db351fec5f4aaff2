"""A trained generator -> samples, grids and interpolations. A sample depends on its own seed and label alone."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zerosum.datacard import DataCard, Labels
from zerosum.game import GAN, Batch
from zerosum.noise import BlendedNoise, Noise, SeededNoise

Label = int | str | Mapping[str, float]
Pixels = NDArray[np.uint8]
Samples = NDArray[np.uint8] | NDArray[np.float32]

BATCH = 64
"""Samples made at once."""


@dataclass(frozen=True)
class Sampler:
    """A trained generator, ready to use; `zerosum.load` gives one."""

    gan: GAN
    """The family, with its sampling networks only."""
    card: DataCard
    """What it was trained on."""
    device: torch.device | str = "cpu"
    name: str = ""
    """Which checkpoint it is: run folder, images seen, and the start of its weights' sha256."""

    def sample(self, n: int = 1, *, seed: int = 0, label: Label | None = None) -> Samples:
        """`n` samples: images uint8 `[N, H, W, C]`, points float32 `[N, 2]`. Sample i is that of seed + i.

        Args:
            label: of a conditional generator: a class by number or name, or {column: value}; None: every class in turn.

        Raises:
            ValueError: a label that the generator does not have, or none where it must be given.
        """
        if n < 1:
            raise ValueError(f"the number of samples must be at least 1, not {n}")
        return finish(self.gan, self.draw(range(seed, seed + n), label))

    def interpolate(self, n: int, *, seed: int = 0, stops: int = 2, label: Label | None = None) -> Samples:
        """`n` frames on the way through the latents of `stops` seeds, each way equally long: uint8 `[N, H, W, C]`.

        Args:
            label: of a conditional generator, the same for all frames; None: the first class.

        Raises:
            ValueError: fewer than 2 frames or stops, or a label that the generator does not have.
        """
        if n < 2 or stops < 2:
            raise ValueError(f"an interpolation needs at least 2 frames and 2 stops, not {n} and {stops}")
        way = torch.linspace(0, stops - 1, n)
        leg = way.long().clamp(max=stops - 2)
        given = self.given(1 if label is None and self.gan.given else n, label)
        given = {key: value[:1].expand(n, *value.shape[1:]) for key, value in given.items()}

        def noise(part: slice) -> Noise:
            start = [seed + int(i) for i in leg[part]]
            share = (way - leg)[part].to(self.device)
            return BlendedNoise(SeededNoise(start, self.device), SeededNoise([s + 1 for s in start], self.device), share)

        return finish(self.gan, generate(self.gan, given, noise, n))

    def draw(self, seeds: range, label: Label | None = None) -> Tensor:
        """Samples as the generator gives them: images float32 `[N, C, H, W]` in [-1, 1]."""
        return generate(self.gan, self.given(len(seeds), label), lambda part: SeededNoise(seeds[part], self.device), len(seeds))

    def given(self, n: int, label: Label | None) -> Batch:
        """What the generator must be given for `n` samples."""
        if label is not None and "label" not in self.gan.given:
            Labels().encode(label)
        if "label" not in self.gan.given:
            return {}
        return {"label": label_rows(self.card.labels, n, label).to(self.device)}


def label_rows(labels: Labels, n: int, label: Label | None) -> Tensor:
    """`n` label vectors `[N, L]`: all of one label, or of every class in turn.

    Raises:
        ValueError: an unknown label, or None where labels are columns.
    """
    if label is None:
        if labels.columns:
            wanted = ",".join(f"{column.name}=VALUE" for column in labels.columns)
            raise ValueError(f"this generator is conditioned on columns: give a label, {wanted}")
        return torch.eye(labels.width)[torch.arange(n) % labels.width]
    return torch.tensor([labels.encode(label)] * n)


@torch.inference_mode()
def generate(gan: GAN, given: Batch, noise: Callable[[slice], Noise], n: int) -> Tensor:
    """`n` samples, made `BATCH` at a time; `noise` gives that of a slice of them."""
    parts = [slice(start, min(start + BATCH, n)) for start in range(0, n, BATCH)]
    return torch.cat([gan.sample({key: value[part] for key, value in given.items()}, noise(part)) for part in parts])


def finish(gan: GAN, samples: Tensor) -> Samples:
    """Samples as a user wants them: images as pixels uint8 `[N, H, W, C]`, points as float32 `[N, 2]`."""
    return to_pixels(samples) if gan.makes == "image" else samples.cpu().numpy()


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
    """Samples as one PNG file: a grid of images, or a plot of points."""
    if samples.ndim != 4:
        return scatter(samples.astype(np.float32, copy=False))
    stream = io.BytesIO()
    to_image(grid(samples.astype(np.uint8, copy=False), columns, gap)).save(stream, "png")
    return stream.getvalue()


def animation(frames: Samples, kind: str, milliseconds: int = 50) -> bytes:
    """Frames uint8 `[N, H, W, C]` as an endless animation file, `kind` "gif" or "webp"."""
    first, *others = [to_image(frame) for frame in frames.astype(np.uint8, copy=False)]
    stream = io.BytesIO()
    first.save(stream, kind, save_all=True, append_images=others, duration=milliseconds, loop=0)
    return stream.getvalue()


def archive(samples: Samples) -> bytes:
    """Samples as a compressed .npz file with the array `samples`."""
    stream = io.BytesIO()
    np.savez_compressed(stream, samples=samples)
    return stream.getvalue()


def to_image(pixels: Pixels) -> Image.Image:
    """Pixels `[H, W, C]` with 1 or 3 channels as a Pillow image."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
