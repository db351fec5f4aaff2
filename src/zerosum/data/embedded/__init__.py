"""Data that ships inside the package, with its licences: written by scripts/embed_data.py."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from zerosum.data.idx import open_idx
from zerosum.data.source import Source

FOLDER = Path(__file__).parent
GARMENTS = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
SENTENCES = FOLDER / "sentences" / "sentences.txt"
"""2,000 example sentences of WordNet 3.0, a line each."""
TILE = 32
"""Width and height of an emoji on its sheet, in pixels."""


def open_embedded(name: str) -> Source:
    """fashion: the 10,000 test images of Fashion-MNIST, 28x28 grey, 10 classes; emoji: 1,636 Noto emoji, 32x32, 8 classes."""
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
