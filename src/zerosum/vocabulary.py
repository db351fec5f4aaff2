"""What the numbers of a text mean: words, characters or pieces of words; number 0 ends a text."""

import importlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

END = 0
"""The token that ends a text and fills up what is left of it."""
END_NAME = "<end>"
UNKNOWN = -1
"""In place of a token that is not in the vocabulary."""
SPACE = "\u2581"
"""What stands for a space in pieces of words."""
LISTED = 5
"""Tokens in an error."""

WORD = re.compile(r"\d+(?:[.,]\d+)+|\w+(?:['\u2019-]\w+)*|[^\w\s]")
"""A number, a word with its inner hyphens and apostrophes, or another sign."""

Kind = Literal["words", "characters", "bpe"]


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by number, and how a text becomes tokens and tokens a text."""

    kind: Kind
    tokens: tuple[str, ...]
    """By number, the end first."""
    merges: tuple[tuple[str, str], ...] = ()
    """Of bpe: which pieces become one, in order."""

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, without an end.

        Raises:
            ValueError: it has tokens that are not in the vocabulary.
            ImportError: pieces of words need an optional package.
        """
        numbers = self.numbers(text)
        if UNKNOWN in numbers:
            strange = [piece for piece in dict.fromkeys(cut(text, self.kind)) if piece not in self._numbers]
            listed = ", ".join(map(repr, strange[:LISTED])) + (f" and {len(strange) - LISTED} more" if strange[LISTED:] else "")
            what = "words" if self.kind == "words" else "characters"
            raise ValueError(f"{listed}: no {what} of this vocabulary, which has {len(self) - 1:,} tokens, all from its data")
        return numbers

    def numbers(self, text: str) -> list[int]:
        """As `encode`, with -1 in place of tokens that are not in the vocabulary."""
        pieces = cut(text, self.kind)
        if self.kind == "bpe" and all(piece in self._numbers for piece in pieces):
            pieces = self._merger.encode("".join(pieces)).tokens
        return [self._numbers.get(piece, UNKNOWN) for piece in pieces]

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens up to the first end."""
        pieces = []
        for token in tokens:
            if token == END:
                break
            pieces.append(self.tokens[token])
        if self.kind == "words":
            return join(pieces)
        return "".join(pieces).replace(SPACE, " ").strip() if self.kind == "bpe" else "".join(pieces)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens) if number != END}

    @cached_property
    def _merger(self) -> Any:
        tokenizers = load_tokenizers()
        merger = tokenizers.Tokenizer(tokenizers.models.BPE(self._numbers, list(self.merges)))
        merger.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(SPACE, "never")
        return merger


def split_words(text: str) -> list[str]:
    """A text's words and signs."""
    return WORD.findall(text)


def join(words: Sequence[str]) -> str:
    """Words and signs as a text, without a space before closing signs and after opening ones."""
    text = re.sub(r" ([.,;:!?%)\]}])", r"\1", " ".join(words))
    return re.sub(r"([(\[{]) ", r"\1", text)


def cut(text: str, kind: Kind) -> list[str]:
    """A text in words or characters; of bpe in characters with its spaces, and one before it, made visible."""
    text = " ".join(text.split())
    if kind == "words":
        return split_words(text)
    return list(text) if kind == "characters" or not text else list(SPACE + text.replace(" ", SPACE))


def learn(texts: Sequence[str], kind: Kind, size: int) -> Vocabulary:
    """The vocabulary of these texts: the end and the commonest words, characters or pieces, at most `size` tokens.

    Raises:
        ImportError: pieces of words need an optional package.
    """
    counts = Counter(piece for text in texts for piece in cut(text, kind))
    commonest = sorted(counts, key=lambda piece: (-counts[piece], piece))[: size - 1]
    if kind != "bpe":
        return Vocabulary(kind, (END_NAME, *commonest))
    tokenizers = load_tokenizers()
    merger = tokenizers.Tokenizer(tokenizers.models.BPE())
    merger.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(SPACE, "never")
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size - 1, initial_alphabet=commonest, limit_alphabet=len(commonest), show_progress=False
    )
    known = set(commonest)
    merger.train_from_iterator(("".join(piece for piece in cut(text, kind) if piece in known) for text in texts), trainer)
    model = json.loads(merger.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return Vocabulary(kind, (END_NAME, *tokens), tuple((first, second) for first, second in model["merges"]))


def load_tokenizers() -> Any:
    """The optional package that learns and applies merges.

    Raises:
        ImportError: it is missing, with the line that installs it.
    """
    try:
        return importlib.import_module("tokenizers")
    except ImportError:
        raise ImportError('data.vocabulary bpe needs an extra: pip install "zerosum[text]"') from None
