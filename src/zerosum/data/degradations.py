"""What makes a photograph worse: the small, blurred, noisy or faded picture that a generator learns to undo.

- `bicubic`: Pillow's BICUBIC, a = -0.5, antialiased. The kernel and its widening are those of MATLAB's imresize; at the
  borders Pillow leaves out what lies outside, where MATLAB mirrors.
- `real`: the second-order degradations of Real-ESRGAN (Wang et al. 2021, arXiv 2107.10833, sec. 3 and appendix A): blur,
  resize, noise and JPEG, twice, and a sinc filter at the end. Its numbers are those of the released settings.
- `old`: an old print: blur, fading, stains, grain, scratches, dust and JPEG. There is no paper for its numbers.

Everything drawn comes from a numpy stream, so a degradation is a function of the seed (JPEG: and of the version of libjpeg).
Pictures are float32 `[H, W, C]` in [0, 1] in between.
"""

import io
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Kind = Literal["bicubic", "real", "old"]
Stream = np.random.Generator
Pixels = NDArray[np.uint8]
Picture = NDArray[np.float32]

RESIZERS = (Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)
KERNELS = {"normal": 0.70, "generalised": 0.15, "plateau": 0.15}
"""Shapes of blur kernels and how often each is drawn (Real-ESRGAN, appendix A)."""
SINC = 0.1
"""How often a blur is a sinc filter instead."""


def degrade(pixels: Pixels, scale: int, kind: Kind, stream: Stream) -> Pixels:
    """A degraded picture uint8 `[H / scale, W / scale, C]` of pixels uint8 `[H, W, C]`, C 1 or 3, sides scale * n."""
    height, width = pixels.shape[0] // scale, pixels.shape[1] // scale
    if kind == "bicubic":
        return bicubic(pixels, height, width)
    picture = np.divide(pixels, 255, dtype=np.float32)
    return to_pixels(second_order(picture, height, width, stream) if kind == "real" else old_print(picture, scale, stream))


def bicubic(pixels: Pixels, height: int, width: int) -> Pixels:
    """Pixels uint8 `[H, W, C]` as `[height, width, C]`, antialiased."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)).reshape(height, width, pixels.shape[-1])


def second_order(picture: Picture, height: int, width: int, stream: Stream) -> Picture:
    """Blur, resize, noise and JPEG, twice; the last JPEG before or after the last resize with its sinc filter."""
    rows, columns = picture.shape[:2]
    picture = filtered(picture, drawn_kernel((0.2, 3.0), stream))
    times = drawn_times((0.2, 0.7, 0.1), (0.15, 1.5), stream)
    picture = resized(picture, round(rows * times), round(columns * times), drawn_rule(stream))
    picture = jpeg(noisy(picture, (1, 30), (0.05, 3.0), stream), stream.uniform(30, 95))
    if stream.random() < 0.8:
        picture = filtered(picture, drawn_kernel((0.2, 1.5), stream))
    times = drawn_times((0.3, 0.4, 0.3), (0.3, 1.2), stream)
    picture = resized(picture, round(height * times), round(width * times), drawn_rule(stream))
    picture = noisy(picture, (1, 25), (0.05, 2.5), stream)
    quality, jpeg_first = stream.uniform(30, 95), stream.random() < 0.5
    last = sinc_kernel(drawn_size(stream), stream.uniform(np.pi / 3, np.pi)) if stream.random() < 0.8 else None
    if jpeg_first:
        picture = jpeg(picture, quality)
    picture = resized(picture, height, width, drawn_rule(stream))
    picture = picture if last is None else filtered(picture, last)
    return picture if jpeg_first else jpeg(picture, quality)


def old_print(picture: Picture, scale: int, stream: Stream) -> Picture:
    """Blur, fading, stains, grain, scratches, dust and JPEG."""
    if stream.random() < 0.8:
        picture = filtered(picture, gaussian_kernel(drawn_size(stream), stream.uniform(0.3, 2.0)))
    picture = resized(picture, picture.shape[0] // scale, picture.shape[1] // scale, Image.Resampling.BICUBIC)
    if stream.random() < 0.8:
        picture = faded(picture, stream)
    picture = grainy(picture, stream)
    if stream.random() < 0.7:
        picture = scratched(picture, stream)
    return jpeg(picture, stream.uniform(40, 95)) if stream.random() < 0.7 else picture


# Blur


def drawn_size(stream: Stream) -> int:
    """Of a kernel: odd, 7 to 21 pixels."""
    return int(2 * stream.integers(3, 11) + 1)


def drawn_kernel(deviations: tuple[float, float], stream: Stream) -> Picture:
    """A random blur `[k, k]` that sums to 1: sinc, or normal, generalised or plateau-shaped, isotropic or not."""
    size = drawn_size(stream)
    if stream.random() < SINC:
        return sinc_kernel(size, stream.uniform(np.pi / 3 if size < 13 else np.pi / 5, np.pi))
    shape = stream.choice(list(KERNELS), p=list(KERNELS.values()))
    along, across = stream.uniform(*deviations, size=2)
    if stream.random() < 0.65:
        across = along
    power = stream.uniform(0.5, 4.0) if shape == "generalised" else stream.uniform(1.0, 2.0) if shape == "plateau" else 1.0
    distance = squared_distance(size, along, across, stream.uniform(-np.pi, np.pi)) ** power
    return summing_to_one(1 / (1 + distance) if shape == "plateau" else np.exp(-0.5 * distance))


def squared_distance(size: int, along: float, across: float, angle: float) -> NDArray[np.float64]:
    """x' S^-1 x at every place x of a kernel, `[size, size]`; S has these deviations along the axes turned by the angle."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    cos, sin = np.cos(angle), np.sin(angle)
    distance: NDArray[np.float64] = ((cos * x + sin * y) / along) ** 2 + ((cos * y - sin * x) / across) ** 2
    return distance


def gaussian_kernel(size: int, deviation: float) -> Picture:
    """A round normal kernel `[size, size]` that sums to 1."""
    return summing_to_one(np.exp(-0.5 * squared_distance(size, deviation, deviation, 0.0)))


def sinc_kernel(size: int, cutoff: float) -> Picture:
    """The ideal low-pass filter of round spectrum, which rings: w J1(w r) / (2 pi r) (Wang et al. 2021, eq. 6).

    Args:
        cutoff: w, in radians a pixel, in (0, pi].
    """
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius = np.hypot(x, y)
    bessel = torch.special.bessel_j1(torch.from_numpy(cutoff * radius)).numpy()
    centre = cutoff**2 / (4 * np.pi)
    return summing_to_one(np.where(radius > 0, cutoff * bessel / (2 * np.pi * np.maximum(radius, 1e-9)), centre))


def summing_to_one(kernel: NDArray[np.float64]) -> Picture:
    """The kernel divided by its sum."""
    return np.asarray(kernel / kernel.sum(), np.float32)


def filtered(picture: Picture, kernel: Picture) -> Picture:
    """The picture convolved with a kernel `[k, k]` by way of its spectrum, mirrored at the borders."""
    reach, (height, width) = kernel.shape[0] // 2, picture.shape[:2]
    around = ((reach, reach), (reach, reach), (0, 0))
    padded = np.pad(picture, around, "reflect") if reach < min(height, width) else np.pad(picture, around, "symmetric")
    shape = padded.shape[:2]
    spectrum = np.fft.rfft2(kernel, shape)[..., None]
    whole = np.fft.irfft2(np.fft.rfft2(padded, axes=(0, 1)) * spectrum, shape, axes=(0, 1))
    return whole[2 * reach :, 2 * reach :].astype(np.float32)


# Resize, noise, JPEG


def drawn_times(shares: tuple[float, float, float], bounds: tuple[float, float], stream: Stream) -> float:
    """A factor of size: larger, smaller or the same, with these shares."""
    way = stream.choice(3, p=shares)
    return float((stream.uniform(1, bounds[1]), stream.uniform(bounds[0], 1), 1.0)[way])


def drawn_rule(stream: Stream) -> Image.Resampling:
    """Area, bilinear or bicubic."""
    return RESIZERS[stream.integers(3)]


def resized(picture: Picture, height: int, width: int, rule: Image.Resampling) -> Picture:
    """The picture at another size, at least 1 pixel a side, antialiased."""
    size = (max(1, width), max(1, height))
    if size == (picture.shape[1], picture.shape[0]):
        return picture
    planes = [
        np.asarray(Image.fromarray(plane).resize(size, rule)) for plane in np.ascontiguousarray(picture.transpose(2, 0, 1))
    ]
    return np.stack(planes, axis=-1)


def noisy(picture: Picture, deviations: tuple[float, float], strengths: tuple[float, float], stream: Stream) -> Picture:
    """The picture with normal noise of a deviation (in levels of 255), or that of counting photons; grey 40 % of the time."""
    is_normal, is_grey = stream.random() < 0.5, stream.random() < 0.4
    seen = picture.mean(axis=2, keepdims=True) if is_grey else picture
    if is_normal:
        noise = stream.normal(scale=stream.uniform(*deviations) / 255, size=seen.shape)
    else:
        # Photons are counted as if the picture had this many levels.
        levels = 255.0
        counted = stream.poisson(np.clip(seen, 0, 1) * levels) / levels
        noise = (counted - np.clip(seen, 0, 1)) * stream.uniform(*strengths)
    return np.clip(picture + noise.astype(np.float32), 0, 1)


def jpeg(picture: Picture, quality: float) -> Picture:
    """The picture after JPEG at a quality of 1 to 95."""
    pixels, stream = to_pixels(picture), io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(stream, "JPEG", quality=round(quality))
    with Image.open(stream) as image:
        return np.asarray(image, np.float32).reshape(pixels.shape) * np.float32(1 / 255)


# What age does


def faded(picture: Picture, stream: Stream) -> Picture:
    """Less contrast, less colour, a yellow or brown tint, and stains: broad spots that are lighter or darker."""
    grey = picture.mean(axis=2, keepdims=True)
    picture = grey + stream.uniform(0.2, 1.0) * (picture - grey)
    contrast, black = stream.uniform(0.45, 0.95), stream.uniform(0.0, 0.25)
    picture = np.minimum(black + contrast * picture, 1)
    tint = 1 - stream.uniform(0, 1) * np.array([0.0, 0.08, 0.3], np.float32)
    picture = picture * (tint if picture.shape[2] == 3 else 1)
    stains = stream.normal(scale=stream.uniform(0.0, 0.08), size=(4, 4, 1)).astype(np.float32)
    height, width = picture.shape[:2]
    return np.asarray(picture + resized(stains, height, width, Image.Resampling.BICUBIC), np.float32)


def grainy(picture: Picture, stream: Stream) -> Picture:
    """Film grain: normal noise, mostly grey, in grains of one to two pixels."""
    deviation, size = stream.uniform(0, 0.08), stream.uniform(1, 2)
    height, width = picture.shape[:2]
    grain = stream.normal(size=(round(height / size) + 1, round(width / size) + 1, 1)).astype(np.float32)
    colour = stream.normal(scale=0.3, size=picture.shape).astype(np.float32)
    grain = resized(grain, height, width, Image.Resampling.BILINEAR)
    return np.asarray(picture + deviation * (grain + colour), np.float32)


def scratched(picture: Picture, stream: Stream) -> Picture:
    """Thin light or dark lines that bend a little, and specks of dust."""
    height, width = picture.shape[:2]
    mask = Image.new("L", (2 * width, 2 * height))
    draw = ImageDraw.Draw(mask)
    for _ in range(stream.integers(0, 5)):
        place, way = stream.uniform(0, 2, 2) * (width, height), stream.normal(size=2)
        step = way / np.hypot(*way) * stream.uniform(0.05, 0.3) * max(width, height)
        bends = stream.normal(scale=0.15, size=(5, 2)) * np.abs(step).max()
        line = place + np.cumsum(np.vstack([np.zeros(2), step + bends]), axis=0)
        points = [(x, y) for x, y in line.tolist()]
        draw.line(points, fill=int(stream.integers(120, 256)), width=int(stream.integers(1, 4)))
    for x, y, radius in zip(*stream.uniform(0, 2, (2, stream.integers(0, 12))), stream.uniform(0.5, 3, 12), strict=False):
        left, top = x * width - radius, y * height - radius
        draw.ellipse((left, top, left + 2 * radius, top + 2 * radius), fill=int(stream.integers(120, 256)))
    cover = np.asarray(mask.resize((width, height), Image.Resampling.BOX), np.float32)[..., None] / 255
    shade = stream.uniform(0.8, 1.0) if stream.random() < 0.75 else stream.uniform(0.0, 0.2)
    return np.asarray(picture * (1 - cover) + shade * cover, np.float32)


def to_pixels(picture: Picture) -> Pixels:
    """A picture in [0, 1] as uint8, rounded."""
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
