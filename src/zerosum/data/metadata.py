"""metadata.jsonl or metadata.csv beside images, as in the Hugging Face imagefolder convention."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from zerosum.data.source import listed

NAMES = ("metadata.jsonl", "metadata.csv")
KEY = "file_name"


def read_metadata(
    name: str, content: bytes, images: list[str], path: Path, keys: Sequence[str] = (KEY,)
) -> tuple[dict[str, list[Any]], list[str]]:
    """The metadata's columns in the order of the images, and where each image's row is ("metadata.csv line 7").

    Args:
        name: metadata.jsonl (one JSON object a line) or metadata.csv (with a header), lying in `path` with `content`.
        images: names relative to the metadata file; each must have exactly one row with that `file_name`.
        keys: what the column with these names may be called.

    Raises:
        ValueError: a broken line, a row without an image, an image without a row, two rows for an image.
    """
    where = path / name
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise ValueError(f"{where} is not UTF-8 text: {problem}") from problem
    known, rows, strange = set(images), dict[str, tuple[int, dict[str, Any]]](), list[str]()
    for line, row in _jsonl(where, text) if name.endswith(".jsonl") else _csv(where, text):
        file = next((row.pop(key) for key in keys if key in row), None)
        if not isinstance(file, str):
            raise ValueError(f"{where} line {line} has no {keys[0]!r}, the image's path relative to this file")
        file = str(PurePosixPath(file))
        if file in rows:
            raise ValueError(f"{where} line {line} names {file!r} again, after line {rows[file][0]}: remove one of the two")
        if file in known:
            rows[file] = line, row
        else:
            strange.append(f"{file!r} (line {line})")
    if strange:
        what = "there is no such image: add it, or remove the line"
        if len(strange) > 1:
            what = f"there are no such images ({len(strange)} lines): add them, or remove the lines"
        raise ValueError(f"{where} names {listed(strange)}, but {what}")
    without = [repr(image) for image in images if image not in rows]
    if without:
        raise ValueError(f"{where} has no row for {len(without)} of {len(images)} images: {listed(without)}; add them")
    columns = dict.fromkeys(column for _, row in rows.values() for column in row)
    return {column: [rows[image][1].get(column) for image in images] for column in columns}, [
        f"{name} line {rows[image][0]}" for image in images
    ]


def _jsonl(where: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except json.JSONDecodeError as problem:
            raise ValueError(f"{where} line {line} is not valid JSON: {problem.msg} at column {problem.colno}") from problem
        if not isinstance(row, dict):
            raise ValueError(f'{where} line {line} is not a JSON object such as {{"{KEY}": "1.png", "label": "cat"}}')
        yield line, row


def _csv(where: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            if None in row or None in row.values():
                wanted = len(reader.fieldnames or ())
                raise ValueError(f"{where} line {reader.line_num} does not have {wanted} values, as its header does")
            yield reader.line_num, {column: value if value != "" else None for column, value in row.items()}
    except csv.Error as problem:
        raise ValueError(f"{where} line {reader.line_num} is not valid CSV: {problem}") from problem
