from collections import Counter
from math import exp, log

import numpy as np
import pytest

from zerosum.ngrams import bleu, repeats, self_bleu


def bleu_by_hand(words: list[int], references: list[list[int]], n: int) -> float:
    """Papineni et al. 2002, straight from the definition, with 0.1 for no match."""
    logs = []
    for size in range(1, n + 1):
        runs = Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
        clipped = 0
        for run, count in runs.items():
            others = [sum(tuple(r[i : i + size]) == run for i in range(len(r) - size + 1)) for r in references]
            clipped += min(count, max(others))
        logs.append(log((clipped if clipped else 0.1) / max(1, len(words) - size + 1)))
    closest = sorted((abs(len(r) - len(words)), len(r)) for r in references)[0][1]
    penalty = 1.0 if len(words) > closest else exp(1 - closest / len(words))
    return penalty * exp(sum(logs) / n)


def random_texts(seed: int, count: int) -> list[list[int]]:
    stream = np.random.default_rng(seed)
    return [stream.integers(0, 5, stream.integers(1, 9)).tolist() for _ in range(count)]


def test_bleu_is_that_of_the_definition() -> None:
    texts, references = random_texts(0, 30), random_texts(1, 12)
    for words, found in zip(texts, bleu(texts, references, 5), strict=True):
        assert found == pytest.approx([bleu_by_hand(words, references, n) for n in range(1, 6)])


def test_self_bleu_leaves_out_the_text_itself_once() -> None:
    texts = random_texts(2, 25)
    texts += texts[:2]
    for place, found in enumerate(self_bleu(texts, 4)):
        others = texts[:place] + texts[place + 1 :]
        assert found == pytest.approx([bleu_by_hand(texts[place], others, n) for n in range(1, 5)])


def test_copies_score_one_and_nothing_scores_nothing() -> None:
    words = [1, 2, 3, 4, 5, 6]
    assert bleu([words], [words, [9]], 5)[0] == pytest.approx([1.0] * 5)
    assert self_bleu([words] * 3, 5)[0] == pytest.approx([1.0] * 5)
    assert bleu([[]], [words], 2) == [[0.0, 0.0]]
    with pytest.raises(ValueError, match="at least 2 are needed, not 1"):
        self_bleu([words], 2)


def test_repeats_are_counted_with_their_first() -> None:
    assert repeats([[1], [2], [1], [3]]) == 0.5
    assert repeats([[1], [2]]) == repeats([]) == 0.0
