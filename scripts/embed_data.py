"""Write the data that ships inside the package: python scripts/embed_data.py FOLDER.

FOLDER holds fashion-mnist/ from Debian's dataset-fashion-mnist; emoji/ from npm's emoji-datasource-google 16.0.0 at 64x64;
text/ with the example sentences of WordNet 3.0, of Debian's wordnet-base; and drums-cc0/ from Debian's
sonic-pi-samples, at 16 kHz.
"""

import gzip
import hashlib
import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from zerosum.data.embedded import FOLDER, SENTENCES, TILE
from zerosum.data.images import prepare
from zerosum.vocabulary import UNKNOWN, learn

COLUMNS = 41
FASHION = "b7656a891b218fc13e45205c48a92cae"
"""md5 of the raw pixels of the 10,000 test images."""
DRUMS = {
    "kick": ("bd_*", "drum_heavy_kick", "drum_bass_*", "elec_*_kick"),
    "snare": ("sn_*", "drum_snare_*", "elec_*snare"),
    "cymbal": ("drum_cymbal_*", "drum_splash_*", "elec_cymbal"),
    "tom": ("drum_tom_*", "elec_fuzz_tom"),
    "tabla": ("tabla_*",),
}
"""The sounds that are embedded, half a second of each."""


def embed_fashion(origin: Path, target: Path) -> None:
    """Copy the test images and labels, after checking the pixels."""
    images = (origin / "t10k-images-idx3-ubyte.gz").read_bytes()
    pixels = gzip.decompress(images)[16:]
    if hashlib.md5(pixels).hexdigest() != FASHION:
        raise SystemExit(f"{origin}: these are not the 10,000 test images of Fashion-MNIST")
    target.mkdir(parents=True, exist_ok=True)
    (target / "t10k-images-idx3-ubyte.gz").write_bytes(images)
    (target / "t10k-labels-idx1-ubyte.gz").write_bytes((origin / "t10k-labels-idx1-ubyte.gz").read_bytes())


def embed_emoji(origin: Path, target: Path) -> None:
    """Lay all Noto emoji but the flags on one lossless sheet, row by row, and write a line of metadata for each."""
    rows = [json.loads(line) for line in (origin / "captions.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = sorted((row for row in rows if row["label"] != "flags"), key=lambda row: row["file"])
    sheet = Image.new("RGB", (COLUMNS * TILE, -(-len(rows) // COLUMNS) * TILE), "white")
    target.mkdir(parents=True, exist_ok=True)
    with (target / "metadata.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for index, row in enumerate(rows):
            pixels = prepare((origin / "noto" / row["file"]).read_bytes(), TILE, "crop", "rgb").transpose(1, 2, 0)
            sheet.paste(Image.fromarray(np.ascontiguousarray(pixels)), (index % COLUMNS * TILE, index // COLUMNS * TILE))
            caption = row["short_names"][0].replace("_", " ")
            file.write(json.dumps({"file_name": row["file"], "label": row["label"], "caption": caption}) + "\n")
    sheet.save(target / "sheet.webp", lossless=True, quality=100, method=6)


def embed_sentences(origin: Path, target: Path) -> None:
    """Copy 2,000 sentences from all over the file, of those that are made of its 1,500 commonest words alone."""
    lines = (origin / "wordnet_examples.txt").read_text(encoding="utf-8").splitlines()
    vocabulary = learn(lines, "words", 1_501)
    simple = [line for line in lines if UNKNOWN not in vocabulary.numbers(line)]
    chosen = [simple[place] for place in np.linspace(0, len(simple) - 1, 2_000).round().astype(int)]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(chosen) + "\n", encoding="utf-8", newline="\n")


def embed_drums(origin: Path, target: Path) -> None:
    """Sounds of five classes as FLAC files in an archive, always with the same bytes."""
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target / "drums.zip", "w") as archive:
        for label, patterns in DRUMS.items():
            files = sorted(file for pattern in patterns for file in origin.glob(f"{pattern}.wav"))
            for file in files:
                wave, rate = soundfile.read(file, dtype="int16")
                stream = io.BytesIO()
                soundfile.write(stream, wave[: rate // 2], rate, format="FLAC")
                archive.writestr(zipfile.ZipInfo(f"{label}/{file.stem}.flac"), stream.getvalue())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    embed_fashion(Path(sys.argv[1]) / "fashion-mnist", FOLDER / "fashion")
    embed_emoji(Path(sys.argv[1]) / "emoji", FOLDER / "emoji")
    embed_drums(Path(sys.argv[1]) / "drums-cc0", FOLDER / "drums")
    embed_sentences(Path(sys.argv[1]) / "text", SENTENCES)
