"""Sentence-transformers of the user's own, which read texts as vectors (Reimers & Gurevych 2019, arXiv 1908.10084)."""

import importlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zerosum.caches import digest_state

PLACE = "ZEROSUM_SENTENCE_ENCODER"
"""The environment variable that says where the encoder lies, if not where a recipe says or a run was trained with it."""
ON_HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class SentenceEncoder:
    """A frozen reader of texts."""

    name: str
    """Its folder, or its name on the hub."""
    sha256: str
    """Of its weights."""
    model: Any
    """The SentenceTransformer."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Texts as vectors, float32 `[N, D]`."""
        found: NDArray[np.float32] = self.model.encode(list(texts), show_progress_bar=len(texts) > 10_000)
        return found.astype(np.float32, copy=False)


def load_sentence_encoder(name: str) -> SentenceEncoder:
    """The sentence-transformer in a folder, or of that name on the hub (fetched on first use). Code beside it is not run.

    Where the environment variable ZEROSUM_SENTENCE_ENCODER is set, that folder instead.

    Raises:
        ImportError: sentence-transformers is missing, with the line that installs it.
        ValueError: there is none.
    """
    return _load(os.environ.get(PLACE) or name)


@lru_cache(maxsize=2)
def _load(name: str) -> SentenceEncoder:
    try:
        library, transformers = map(importlib.import_module, ("sentence_transformers", "transformers.utils.logging"))
    except ImportError:
        raise ImportError('reading texts by a sentence-transformer needs an extra: pip install "zerosum[text]"') from None
    folder = Path(name).expanduser()
    if not folder.is_dir() and not ON_HUB.fullmatch(name):
        raise ValueError(f"{name!r} is no folder: give that of a sentence-transformer, or its name on the hub")
    if folder.is_dir() and not (folder / "modules.json").is_file():
        raise ValueError(f"{name!r} has no modules.json, so it is no sentence-transformer")
    transformers.disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = library.SentenceTransformer(str(folder) if folder.is_dir() else name, device=device).eval()
    except Exception as problem:  # those of three libraries, and none of them public
        reason = str(problem).strip().partition("\n")[0]
        raise ValueError(f"the sentence-transformer {name!r} cannot be used: {reason}") from problem
    return SentenceEncoder(name, digest_state(model.state_dict()).hex(), model)


def find_sentence_encoder(name: str, sha256: str) -> SentenceEncoder:
    """The encoder that a run was trained with.

    Raises:
        ImportError: as `load_sentence_encoder`.
        ValueError: there is none, or one with other weights.
    """
    cure = f"set the environment variable {PLACE} to the folder where it lies"
    try:
        encoder = load_sentence_encoder(name)
    except ValueError as problem:
        raise ValueError(f"this generator reads texts by the sentence-transformer {name}, but {problem}; {cure}") from problem
    if encoder.sha256 != sha256:
        raise ValueError(
            f"the sentence-transformer {encoder.name} has other weights (sha256 {encoder.sha256[:12]}) than that which this "
            f"generator was trained with, {name} ({sha256[:12]}): {cure}"
        )
    return encoder
