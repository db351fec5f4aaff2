"""Parquet files with encoded images, as the Hugging Face hub serves them."""

import json
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from zerosum.data.source import Source

IMAGE = "image"


def open_parquet(path: Path) -> Source:
    """Images from the column `image`: encoded bytes, or {"bytes", "path"}. Other columns that hold plain values are kept.

    Names of numbered classes are taken from the Hugging Face schema, where there is one.

    Raises:
        ImportError: pyarrow is not installed.
        ValueError: damaged, or no such column.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as problem:
        raise ImportError('reading .parquet needs pyarrow: pip install "zerosum[parquet]"') from problem
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as problem:
        raise ValueError(f"{path} is not a readable parquet file: {problem}") from problem
    with ExitStack() as opened:
        opened.enter_context(file)
        schema, num_examples = file.schema_arrow, file.metadata.num_rows
        read = _reader(file, _holds_structs(schema, path))
        if not num_examples:
            raise ValueError(f"{path} holds no images")
        columns = {name: file.read([name])[name].to_pylist() for name in schema.names if _is_plain(schema.field(name).type)}
        opened.pop_all()
    names = [f"{path.name}[{index}]" for index in range(num_examples)]
    return Source(os.fspath(path), "parquet", names, read, columns, class_names=_class_names(schema), close=file.close)


def _is_plain(kind: Any) -> bool:
    from pyarrow import types

    return any(
        fits(kind) for fits in (types.is_integer, types.is_floating, types.is_boolean, types.is_string, types.is_large_string)
    )


def _holds_structs(schema: Any, path: Path) -> bool:
    """Whether the images are {"bytes", "path"}, not bytes alone; ValueError if they are neither."""
    from pyarrow import types

    if IMAGE not in schema.names:
        raise ValueError(f"{path} has no column {IMAGE!r} of encoded images; its columns are {', '.join(schema.names)}")
    kind = schema.field(IMAGE).type
    is_struct = types.is_struct(kind) and "bytes" in {part.name for part in kind}
    if not is_struct and not types.is_binary(kind) and not types.is_large_binary(kind):
        raise ValueError(f"{path}: the column {IMAGE!r} holds {kind}; expected encoded images as bytes or {{'bytes', 'path'}}")
    return is_struct


def _reader(file: Any, is_struct: bool) -> Callable[[int], bytes]:
    starts = np.cumsum([0] + [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)])
    lock = threading.Lock()

    @lru_cache(maxsize=2)
    def group(number: int) -> Any:
        column = file.read_row_group(number, columns=[IMAGE])[IMAGE].combine_chunks()
        return column.field("bytes") if is_struct else column

    def read(index: int) -> bytes:
        number = int(np.searchsorted(starts, index, side="right")) - 1
        with lock:
            return group(number)[index - int(starts[number])].as_py() or b""

    return read


def _class_names(schema: Any) -> tuple[str, ...]:
    features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    return tuple(features.get("label", {}).get("names") or ())
