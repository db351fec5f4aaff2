"""Do the distances rise when images get worse? python benchmarks/monotone.py PHOTOS EMOJI

The lite0 Frechet and kernel distance of held-out real images to other real ones, with rising blur, rising noise and fewer and
fewer classes, for crops of photographs (classes: the first word of the file name), emoji (sub-folders) and the embedded
Fashion-MNIST. Prints a markdown table.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from zerosum import features
from zerosum.data import Images, open_data
from zerosum.evaluate import frechet_distance, kernel_distance
from zerosum.features import FeatureNetwork
from zerosum.recipe import Data

BLUR = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Standard deviations, in pixels."""
NOISE = (0.0, 4.0, 8.0, 16.0, 32.0)
"""Standard deviations, of 255."""
CROP, PER_PHOTO = 64, 24
"""Pixels a side of the crops of photographs, and how many of each."""
LEAST_PHOTOS = 4
"""In a class; fewer photographs of one first word belong to the class of others."""


@dataclass(frozen=True, eq=False)
class Real:
    """Real images, with their classes."""

    name: str
    images: np.ndarray
    """uint8 `[N, C, H, W]`."""
    labels: np.ndarray
    """Class numbers `[N]`."""


def blurred(images: np.ndarray, radius: float) -> np.ndarray:
    """Under a Gaussian window of this standard deviation, rounded."""
    filter_ = ImageFilter.GaussianBlur(radius)
    done = [np.asarray(Image.fromarray(image.transpose(1, 2, 0).squeeze()).filter(filter_)) for image in images]
    return np.stack([image.reshape(*images.shape[2:], -1).transpose(2, 0, 1) for image in done])


def noisy(images: np.ndarray, scale: float, seed: int = 0) -> np.ndarray:
    """With Gaussian noise of this standard deviation, rounded."""
    noise = np.random.default_rng(seed).normal(scale=scale, size=images.shape)
    return (images + noise).round().clip(0, 255).astype(np.uint8)


Row = tuple[str, float, float]
"""Level, Frechet distance, kernel distance."""


def series(real: Real, num: int, judge: FeatureNetwork, levels: int = 5, seed: int = 0) -> dict[str, list[Row]]:
    """Kind of harm -> a row for each level of it, of `num` held-out images beside as many other real ones; unharmed first.

    Where classes are dropped, the smallest first, others of the classes that are left take the place of what is dropped.
    """
    order = np.random.default_rng(seed).permutation(len(real.images))
    images, labels = real.images[order], real.labels[order]
    reference, rest = embed(judge, images[:num]), labels[num:]

    def distances(harmed: np.ndarray) -> tuple[float, float]:
        found = embed(judge, harmed)
        return frechet_distance(reference, found), kernel_distance(reference, found).value

    held_out = images[num : 2 * num]
    whole, rows = distances(held_out), dict[str, list[Row]]()
    places = np.linspace(0, len(BLUR) - 1, levels).round().astype(int)
    for name, harm, values, unit in (("blur", blurred, BLUR, "pixels"), ("noise", noisy, NOISE, "of 255")):
        harmed = (values[place] for place in places)
        rows[name] = [(f"{v:g} {unit}", *(distances(harm(held_out, v)) if v else whole)) for v in harmed]
    by_size = np.argsort(-np.bincount(labels), kind="stable")
    rows["classes"] = [(f"{len(by_size)} of {len(by_size)}", *whole)]
    for kept in np.linspace(len(by_size), 1, levels).round().astype(int)[1:]:
        is_left = np.isin(rest, by_size[:kept])
        chosen = num + np.flatnonzero(is_left)[:num]
        if len(chosen) == num:
            rows["classes"].append((f"{kept} of {len(by_size)}", *distances(images[chosen])))
    return rows


def embed(judge: FeatureNetwork, images: np.ndarray) -> np.ndarray:
    """Features `[N, D]`."""
    return judge(torch.from_numpy(images)).numpy()


def rises(values: Sequence[float]) -> bool:
    """Whether each is above the one before."""
    return all(a < b for a, b in pairwise(values))


def prepared(name: str, settings: Data) -> Real:
    """A labelled data set."""
    dataset = open_data(settings)
    assert isinstance(dataset, Images)
    assert dataset.labels is not None
    return Real(name, np.array(dataset.images), dataset.labels)


def crops(folder: Path, per_photo: int, seed: int = 0) -> Real:
    """Random crops of photographs whose shorter side is brought to 128 pixels."""
    stream, images, names = np.random.default_rng(seed), [], []
    for path in sorted(folder.glob("*.jpg")):
        with Image.open(path) as photo:
            share = 2 * CROP / min(photo.size)
            size = [max(2 * CROP, round(side * share)) for side in photo.size]
            small = photo.convert("RGB").resize(size, Image.Resampling.BICUBIC)
        pixels = np.asarray(small)
        for _ in range(per_photo):
            top, left = (stream.integers(side - CROP + 1) for side in pixels.shape[:2])
            images.append(pixels[top : top + CROP, left : left + CROP].transpose(2, 0, 1))
            names.append(path.stem.partition("_")[0])
    counts = Counter(names)
    names = [name if counts[name] >= LEAST_PHOTOS * per_photo else "other" for name in names]
    return Real("photographs", np.stack(images), np.unique(names, return_inverse=True)[1])


def show(name: str, harm: str, rows: list[Row]) -> str:
    """Two rows of the table, one for each distance."""
    lines = []
    for column, distance in ((1, "Frechet"), (2, "KID x 1000")):
        values = [row[column] * (1000 if column == 2 else 1) for row in rows]
        cells = ", ".join(f"{row[0].split()[0]}: {value:.1f}" for row, value in zip(rows, values, strict=True))
        unit = rows[0][0].partition(" ")[2] if harm != "classes" else f"left {rows[0][0].partition(' ')[2]}"
        lines.append(f"| {name} | {harm} ({unit}) | {distance} | {cells} | {'yes' if rises(values) else 'no'} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="a folder of photographs named CLASS_anything.jpg")
    parser.add_argument("emoji", help="a folder of emoji with a sub-folder per class")
    parser.add_argument("--num", type=int, default=500, help="images a side")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images")
    arguments = parser.parse_args()
    judge = features.load("lite0")
    print("| images | harm | distance | level: value | strictly rising |\n|---|---|---|---|---|", flush=True)
    for real in (
        crops(arguments.photos, PER_PHOTO),
        prepared("emoji", Data(path=arguments.emoji, resolution=64)),
        prepared("Fashion-MNIST", Data(path="fashion", resolution=32)),
    ):
        for harm, rows in series(real, arguments.num, judge, seed=arguments.seed).items():
            print(show(real.name, harm, rows), flush=True)


if __name__ == "__main__":
    main()
