"""Runs of n words: how far texts are made of those of other texts, as pure functions of lists of words.

BLEU-n (Papineni et al. 2002) is that of one text, a sentence, against many references, with equal weights for 1 to n and 0.1 in
place of a count of 0 (smoothing method 1 of Chen & Cherry 2014), as papers on text GANs give it. Self-BLEU (Zhu et al. 2018) is
that of each text against all others of its own set: high where texts repeat each other.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from math import exp, log

Words = Sequence[Hashable]
"""A text's words, or its tokens by number."""
Run = tuple[Hashable, ...]

FLOOR = 0.1
"""What counts in place of no match at all."""


def ngrams(words: Words, n: int) -> list[Run]:
    """All runs of n words, in order."""
    return [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]


class References:
    """Texts that others are compared with: how often each run occurs in one of them at most.

    Args:
        texts: the references.
        n: longest run.
    """

    def __init__(self, texts: Iterable[Words], n: int) -> None:
        self.n = n
        self.lengths: Counter[int] = Counter()
        self.most: list[dict[Run, tuple[int, int, int]]] = [{} for _ in range(n)]
        """Of every run the largest count in one text, how many texts have it, and the next largest count."""
        for words in texts:
            self.lengths[len(words)] += 1
            for size, known in enumerate(self.most, 1):
                for run, count in Counter(ngrams(words, size)).items():
                    best, times, second = known.get(run, (0, 0, 0))
                    if count > best:
                        known[run] = (count, 1, best)
                    elif count == best:
                        known[run] = (best, times + 1, second)
                    else:
                        known[run] = (best, times, max(second, count))

    def bleu(self, words: Words, is_one: bool = False) -> list[float]:
        """BLEU-1 to BLEU-n of a text, against all references.

        Args:
            is_one: the text is itself one of the references, and is compared with the others.
        """
        if not words:
            return [0.0] * self.n
        lengths = [length for length, count in self.lengths.items() if count > (is_one and length == len(words))]
        closest = min(lengths, key=lambda length: (abs(length - len(words)), length))
        short = min(0.0, 1 - closest / len(words))
        found, sum_of_logs = [], 0.0
        for size in range(1, self.n + 1):
            counts = Counter(ngrams(words, size))
            matches = sum(min(count, self._most(size, run, count, is_one)) for run, count in counts.items())
            sum_of_logs += log((matches or FLOOR) / max(1, sum(counts.values())))
            found.append(exp(short + sum_of_logs / size))
        return found

    def _most(self, size: int, run: Run, own: int, is_one: bool) -> int:
        """How often a run occurs in one reference at most, the text's own `own` left out if it is one."""
        best, times, second = self.most[size - 1].get(run, (0, 0, 0))
        return second if is_one and own == best and times == 1 else best


def bleu(texts: Sequence[Words], references: Iterable[Words], n: int) -> list[list[float]]:
    """BLEU-1 to BLEU-n of each text against all references, `[N, n]`."""
    known = References(references, n)
    return [known.bleu(words) for words in texts]


def self_bleu(texts: Sequence[Words], n: int) -> list[list[float]]:
    """BLEU-1 to BLEU-n of each text against all others, `[N, n]`.

    Raises:
        ValueError: fewer than 2 texts.
    """
    if len(texts) < 2:
        raise ValueError(f"self-BLEU compares texts with each other: at least 2 are needed, not {len(texts)}")
    known = References(texts, n)
    return [known.bleu(words, is_one=True) for words in texts]


def repeats(texts: Sequence[Words]) -> float:
    """Share of texts that are there more than once."""
    counts = Counter(map(tuple, texts))
    return sum(count for count in counts.values() if count > 1) / max(1, len(texts))
