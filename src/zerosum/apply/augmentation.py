"""A data set enlarged by a conditional generator: samples that pass checks, in the layout of the real images."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zerosum.data.metadata import KEY
from zerosum.data.source import Source
from zerosum.pictures import picture
from zerosum.run import replacing
from zerosum.sampling import BATCH, Sampler

Check = Callable[[NDArray[np.uint8], int], NDArray[np.bool_]]
"""(images uint8 `[N, C, H, W]`, the number of the class they are meant to be of) -> which of them pass, `[N]`."""
Layout = Literal["folders", "metadata.jsonl", "metadata.csv", "npz", "idx"]

TRIES = 10
"""Samples drawn for each that is wanted, at most."""


@dataclass(frozen=True, eq=False)
class Harvest:
    """Labelled samples that passed every check."""

    images: NDArray[np.uint8]
    """uint8 `[N, C, H, W]`."""
    labels: NDArray[np.int64]
    """Class numbers `[N]`, as the generator counts them."""
    num_drawn: int
    refused: dict[str, int]
    """Check -> samples that it refused; those that an earlier one refused are not shown to it."""


def harvest(
    sampler: Sampler, classes: Sequence[int], per_class: int, checks: Mapping[str, Check], *, seed: int = 0, tries: int = TRIES
) -> Harvest:
    """Draw `per_class` samples of each class that pass every check, from at most `tries` times as many.

    Raises:
        ValueError: no sample of a class passed.
    """
    images, labels, refused, num_drawn = list[NDArray[np.uint8]](), list[int](), dict.fromkeys(checks, 0), 0
    for label in classes:
        kept, drawn, most = 0, 0, per_class * tries
        while kept < per_class and drawn < most:
            count = min(max(per_class - kept, BATCH), most - drawn)
            made = sampler.sample(count, seed=seed + label * most + drawn, label=label)
            passed = np.asarray(made, np.uint8).transpose(0, 3, 1, 2)
            drawn += count
            for name, check in checks.items():
                if len(passed):
                    good = check(passed, label)
                    refused[name] += int((~good).sum())
                    passed = passed[good]
            images.append(passed[: per_class - kept])
            kept += len(images[-1])
        if not kept:
            raise ValueError(
                f"none of {drawn:,} samples of class {sampler.card.labels.classes[label]!r} passed the checks: "
                "train the generator further, or lower --confidence"
            )
        labels += [label] * kept
        num_drawn += drawn
    return Harvest(np.concatenate(images), np.array(labels, np.int64), num_drawn, refused)


def layout_of(source: Source) -> Layout:
    """The layout in which images go to others like these: that of the source, or folders where it cannot be written."""
    if source.rows and source.rows[0].startswith("metadata.csv"):
        return "metadata.csv"
    if source.rows or source.kind == "parquet":
        return "metadata.jsonl"
    return {"npz": "npz", "IDX": "idx"}.get(source.kind, "folders")  # type: ignore[return-value]


def write_images(
    out: Path, harvested: Harvest, classes: Sequence[str], layout: Layout, column: str, beside: Mapping[str, str]
) -> None:
    """Write a data set that `open_data` reads, all of it or nothing.

    Args:
        out: a new or empty folder.
        classes: the generator's names of classes.
        layout: a folder per class, one folder with metadata, images.npz, or a pair of IDX files.
        column: of the metadata that names the class.
        beside: other files: name -> text.

    Raises:
        OSError: it cannot be written.
    """
    names = [classes[label] for label in harvested.labels]
    with replacing(out) as folder:
        if layout == "npz":
            pixels = harvested.images.transpose(0, 2, 3, 1)
            np.savez_compressed(folder / "images.npz", images=pixels, labels=np.array(numbered(names)))
        elif layout == "idx":
            write_idx(folder / "images-idx3-ubyte.gz", harvested.images[:, 0])
            write_idx(folder / "labels-idx1-ubyte.gz", np.array(numbered(names)).astype(np.uint8))
        else:
            write_pictures(folder, harvested, names, layout, column)
        for name, text in beside.items():
            (folder / name).write_text(text, encoding="utf-8")


def write_pictures(folder: Path, harvested: Harvest, names: Sequence[str], layout: Layout, column: str) -> None:
    """PNG files, in a folder per class or with metadata."""
    files = [f"{number:06d}.png" for number in range(len(names))]
    if layout == "folders":
        files = [f"{name}/{file}" for name, file in zip(names, files, strict=True)]
        for name in set(names):
            (folder / name).mkdir()
    for file, image in zip(files, harvested.images, strict=True):
        (folder / file).write_bytes(picture(image.transpose(1, 2, 0)[None], 1, gap=0))
    if layout == "folders":
        return
    rows = [{KEY: file, column: name} for file, name in zip(files, names, strict=True)]
    text = io.StringIO("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), newline="")
    if layout == "metadata.csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, [KEY, column])
        writer.writeheader()
        writer.writerows(rows)
    (folder / layout).write_text(text.getvalue(), encoding="utf-8", newline="")


def write_idx(file: Path, values: NDArray[np.uint8]) -> None:
    """An array of bytes as a gzipped IDX file."""
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    file.write_bytes(gzip.compress(header + values.tobytes(), mtime=0))


def numbered(names: Sequence[str]) -> list[Any]:
    """Names of classes as the numbers that they are in an array's file, or as they are where they are texts."""
    return [int(name) for name in names] if all(name.lstrip("-").isdecimal() for name in names) else list(names)
