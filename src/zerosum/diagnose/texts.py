"""What the doctor looks at in texts: whether they repeat each other, or the text that was trained on."""

from typing import Any

from torch import Tensor

from zerosum.ngrams import repeats, self_bleu
from zerosum.vocabulary import END

NGRAM = 3
"""Of self-BLEU."""
SKIPPED = (
    "of text, neither its distance to real text nor what it leaves out is examined here, so equilibrium is not said: "
    "zerosum evaluate has BLEU and perplexity"
)


class Texts:
    """Real texts that samples are compared with.

    Args:
        train, held_out: tokens `[N, T]` of some that are and are not trained on.
        all_trained: tokens `[M, T]` of all that are.
    """

    def __init__(self, train: Tensor, held_out: Tensor, all_trained: Tensor) -> None:
        self.train, self.held_out = as_words(train), as_words(held_out)
        self.known = set(map(tuple, as_words(all_trained)))

    def compare(self, samples: Tensor) -> dict[str, Any]:
        """Samples `[N, T]` beside real texts."""
        texts, found = as_words(samples), dict[str, Any](skipped=SKIPPED)
        real = self.train[: len(texts)]
        if len(real) > 1:
            # Of as many on both sides: the more texts, the more each repeats one of the others.
            found["diversity"] = variety(texts[: len(real)]) / max(variety(real), 1e-12)
            found["duplicates"] = max(0.0, repeats(texts) - repeats(real))
        if self.held_out:
            found["copies"] = self._copied(texts) - self._copied(self.held_out)
        return found

    def _copied(self, texts: list[list[int]]) -> float:
        return sum(tuple(words) in self.known for words in texts) / len(texts)


def as_words(tokens: Tensor) -> list[list[int]]:
    """Texts `[N, T]` up to the end, as numbers."""
    rows = tokens.tolist()
    return [row[: row.index(END)] if END in row else row for row in rows]


def variety(texts: list[list[int]]) -> float:
    """How little texts repeat each other: 1 - self-BLEU-3, the mean over texts."""
    return 1 - sum(scores[NGRAM - 1] for scores in self_bleu(texts, NGRAM)) / len(texts)
