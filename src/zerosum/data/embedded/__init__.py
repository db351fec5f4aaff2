"""Data that ships inside the package, with its licences: written by scripts/embed_data.py."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from zerosum.data.archives import open_zip
from zerosum.data.folders import IMAGES, Wanted
from zerosum.data.idx import open_idx
from zerosum.data.source import Source

FOLDER = Path(__file__).parent
GARMENTS = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
SENTENCES = FOLDER / "sentences" / "sentences.txt"
"""2,000 example sentences of WordNet 3.0, a line each."""
TILE = 32
"""Width and height of an emoji on its sheet, in pixels."""


def open_embedded(name: str, wanted: Wanted = IMAGES) -> Source:
    """fashion: the 10,000 test images of Fashion-MNIST, 28x28 grey, 10 classes; emoji: 1,636 Noto emoji, 32x32, 8 classes;
    drums: 70 sounds at 16 kHz, 5 classes.

    Raises:
        ValueError: sounds are asked for where there are images, or images where there are sounds.
    """
    if (name == "drums") == (wanted is IMAGES):
        kinds = "sounds: set data.kind audio" if name == "drums" else "images, not sounds; the embedded sounds are drums"
        raise ValueError(f"data.path {name} holds {kinds}")
    if name == "drums":
        source = open_zip(FOLDER / "drums" / "drums.zip", wanted)
        assert source is not None
        return replace(source, path=name, kind="embedded")
    if name == "fashion":
        return replace(open_idx(FOLDER / "fashion" / "t10k-images-idx3-ubyte.gz", GARMENTS), path=name, kind="embedded")
    rows = [json.loads(line) for line in (FOLDER / "emoji" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    columns = {key: [row[key] for row in rows] for key in ("label", "caption")}
    return Source(name, "embedded", [row["file_name"] for row in rows], _emoji, columns)


@cache
def _sheet() -> np.ndarray:
    with Image.open(FOLDER / "emoji" / "sheet.webp") as sheet:
        return np.asarray(sheet.convert("RGB"))


def _emoji(index: int) -> np.ndarray:
    sheet = _sheet()
    top, left = (TILE * place for place in divmod(index, sheet.shape[1] // TILE))
    return sheet[top : top + TILE, left : left + TILE]
