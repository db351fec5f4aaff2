from collections import Counter

import numpy as np
import pytest

from zerosum.data.embedded import SENTENCES
from zerosum.evaluate.intervals import bootstrap_interval
from zerosum.evaluate.kneser_ney import END, START, KneserNey
from zerosum.evaluate.text import HIGHER_IS_BETTER, Measured, text_figures
from zerosum.vocabulary import split_words

WORDS = [split_words(line) for line in SENTENCES.read_text(encoding="utf-8").splitlines()]
TRAINING, HELD_OUT = WORDS[::2], WORDS[1::4]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_sum_to_one_in_any_context(order: int) -> None:
    model = KneserNey(TRAINING, order)
    for context in ([], [START, START], [START, "The"], ["of", "the"], ["never", "wombat"]):
        known = sum(model.probability(word, context) for word in model.known)
        assert known + model.probability("wombat", context) == pytest.approx(1)
    assert START not in model.known
    assert END in model.known


def test_a_bigram_model_by_hand() -> None:
    """a a b, a c: c(a, .) = 3 of 3 kinds, all once; continuations a: 2, b, c: 1, the end: 2, of 6."""
    model = KneserNey([["a", "a", "b"], ["a", "c"]], order=2)
    pairs = Counter([(START, "a"), ("a", "a"), ("a", "b"), ("b", END), (START, "a"), ("a", "c"), ("c", END)])
    once, twice = (sum(count == times for count in pairs.values()) for times in (1, 2))
    less = once / (once + 2 * twice)
    less_below = 2 / (2 + 2 * 2)
    below = (1 - less_below) / 6 + less_below * 4 / 6 / 5
    assert model.probability("b", ["a"]) == pytest.approx((1 - less) / 3 + less * 3 / 3 * below)
    assert model.probability("zz", ["a"]) == pytest.approx(less * less_below * 4 / 6 / 5)


def test_perplexity_tells_real_text_from_shuffled_and_both_from_noise() -> None:
    model, stream = KneserNey(TRAINING), np.random.default_rng(0)
    shuffled = [stream.permutation(words).tolist() for words in HELD_OUT]
    words = sorted(model.known - {END})
    noise = [stream.choice(words, len(text)).tolist() for text in HELD_OUT]
    seen, real, mixed, random = (model.perplexity(texts) for texts in (TRAINING, HELD_OUT, shuffled, noise))
    assert seen < real < mixed < random


def figures_of(texts: list[list[str]], baseline: list[list[str]]) -> dict[str, float]:
    sides = {"": (texts, "one"), "maximum likelihood": (baseline, "other")}
    return {figure.name: figure for figure in text_figures(sides, TRAINING, HELD_OUT, split="held out")}


def test_figures_stand_beside_the_baseline_and_real_text() -> None:
    stream = np.random.default_rng(1)
    shuffled = [stream.permutation(words).tolist() for words in TRAINING[:250]]
    copied = [TRAINING[0]] * 250
    found = figures_of(copied, shuffled)
    assert set(found) == {*HIGHER_IS_BETTER, *(f"{name} (maximum likelihood)" for name in HIGHER_IS_BETTER)}
    assert found["self-bleu-4"].value == pytest.approx(1)
    assert found["repeats"].value == 1
    assert found["novelty"].value == 0
    assert found["self-bleu-4"].floor < 0.5
    assert found["coverage"].value < found["coverage (maximum likelihood)"].value < found["coverage"].floor
    assert found["perplexity"].value < found["perplexity"].floor < found["perplexity (maximum likelihood)"].value
    assert found["novel-trigrams"].value < found["novel-trigrams (maximum likelihood)"].value
    assert found["perplexity"].note.endswith("better than maximum likelihood")
    assert found["self-bleu-4"].note.endswith("worse than maximum likelihood")
    assert found["repeats"].interval is None
    assert found["repeats"].note == "lower is better, down to that of real text", "what has no interval is not compared"
    low, high = found["bleu-2 (maximum likelihood)"].interval
    assert low < found["bleu-2 (maximum likelihood)"].value < high
    assert found["bleu-2 (maximum likelihood)"].generator == "other"


def test_intervals_are_those_of_other_draws_of_texts() -> None:
    model, stream = KneserNey(TRAINING), np.random.default_rng(2)
    log, sizes = [-model.log_likelihood(text) for text in HELD_OUT], [len(text) + 1 for text in HELD_OUT]
    measured = Measured(log, sizes, is_log=True)
    assert measured.value() == pytest.approx(model.perplexity(HELD_OUT))
    drawn = [[HELD_OUT[place] for place in stream.integers(len(HELD_OUT), size=len(HELD_OUT))] for _ in range(100)]
    low, high = measured.interval(0)
    outside = sum(not low < model.perplexity(texts) < high for texts in drawn)
    assert 0 < outside < 15
    means = Measured(log, [1] * len(log)).interval(0)
    assert means == pytest.approx(bootstrap_interval(log), rel=0.02)


def test_real_text_is_its_own_equal() -> None:
    found = figures_of(HELD_OUT[1::2], HELD_OUT[1::2])
    for name in HIGHER_IS_BETTER:
        assert found[name].value == pytest.approx(found[name].floor)
    assert "not told apart from maximum likelihood" in found["bleu-3"].note


def test_too_little_held_out_text_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 24 held-out texts are needed to judge by, not 5"):
        text_figures({"": (TRAINING, "")}, TRAINING, HELD_OUT[:5], split="held out")
