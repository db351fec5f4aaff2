"""Generated texts beside held-out ones and beside maximum likelihood: BLEU, self-BLEU, coverage, novelty, perplexity.

All is measured on words, whatever the generator's tokens are. Half of the held-out texts are references, the other half are
judged like samples: what is reached by real text. Every side has as many texts, for most figures depend on their number.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zerosum.evaluate.figures import Figure
from zerosum.evaluate.kneser_ney import KneserNey
from zerosum.ngrams import References, ngrams, repeats, self_bleu

Texts = Sequence[Sequence[str]]
"""Lists of words."""

LONGEST = 5
"""Of the runs of BLEU."""
LEAST = 24
"""Held-out texts without which nothing is measured."""
HIGHER_IS_BETTER = {
    **{f"bleu-{n}": True for n in range(2, LONGEST + 1)},
    **{f"self-bleu-{n}": False for n in range(2, LONGEST + 1)},
    "coverage": True,
    "novelty": None,
    "novel-trigrams": None,
    "perplexity": False,
    "real-words": True,
    "repeats": False,
}
"""The metrics, and which way is up; None: neither."""


@dataclass(frozen=True)
class Measured:
    """What texts add to a figure over what they weigh in it: one number each, or one of all together."""

    added: Sequence[float]
    weights: Sequence[float]
    is_log: bool = False
    """Whether the figure is exp of that."""

    def value(self) -> float:
        """The figure."""
        return float(self._of(np.arange(len(self.added))))

    def interval(self, seed: int, num_draws: int = 2000) -> tuple[float, float] | None:
        """95 % bootstrap interval for another draw of texts (Efron 1979); None for a figure of all together."""
        if (count := len(self.added)) < 2:
            return None
        found = self._of(np.random.default_rng(seed).integers(count, size=(num_draws, count)))
        return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))

    def _of(self, chosen: np.ndarray) -> np.ndarray:
        weights = np.asarray(self.weights, float)[chosen].sum(-1)
        found: np.ndarray = np.asarray(self.added, float)[chosen].sum(-1) / np.maximum(weights, 1)
        return np.exp(found) if self.is_log else found


class TextJudge:
    """What texts are judged by.

    Args:
        training: texts that the generator was trained on.
        references: held-out texts.
    """

    def __init__(self, training: Texts, references: Texts) -> None:
        self.references, self.model = References(references, LONGEST), KneserNey(training)
        self.lines = set(map(tuple, training))
        self.words = {word for words in training for word in words}
        self.trigrams = {run for words in training for run in ngrams(words, 3)}
        self.pairs = Counter(run for words in references for run in ngrams(words, 2))

    def judge(self, texts: Texts) -> dict[str, Measured]:
        """Every metric of texts."""
        others, selves = [self.references.bleu(words) for words in texts], self_bleu(texts, LONGEST)
        shown, trigrams = {run for words in texts for run in ngrams(words, 2)}, [ngrams(words, 3) for words in texts]
        each, lengths = [1.0] * len(texts), [len(words) for words in texts]
        return {
            **{f"bleu-{n}": Measured([scores[n - 1] for scores in others], each) for n in range(2, LONGEST + 1)},
            **{f"self-bleu-{n}": Measured([scores[n - 1] for scores in selves], each) for n in range(2, LONGEST + 1)},
            "coverage": Measured([sum(self.pairs[run] for run in shown)], [self.pairs.total()]),
            "novelty": Measured([tuple(words) not in self.lines for words in texts], each),
            "novel-trigrams": Measured(
                [sum(run not in self.trigrams for run in runs) for runs in trigrams], [len(runs) for runs in trigrams]
            ),
            "perplexity": Measured(
                [-self.model.log_likelihood(words) for words in texts], [length + 1 for length in lengths], is_log=True
            ),
            "real-words": Measured([sum(word in self.words for word in words) for words in texts], lengths),
            "repeats": Measured([repeats(texts)], [1]),
        }


def text_figures(
    sides: Mapping[str, tuple[Texts, str]], training: Texts, held_out: Texts, *, split: str, seed: int = 0
) -> list[Figure]:
    """Every metric of generated texts, and below it that of what they are compared with.

    Args:
        sides: texts and what made them, by name: first "" for those that are judged, then such as "maximum likelihood".
        training: texts that all of them were trained on.
        held_out: real texts: every other one is a reference, the others are the floor.
        split: which they are, in a word.
        seed: of the bootstrap.

    Raises:
        ValueError: too few texts that were held out.
    """
    if len(held_out) < LEAST:
        raise ValueError(f"at least {LEAST} held-out texts are needed to judge by, not {len(held_out)}")
    judge, real = TextJudge(training, held_out[::2]), held_out[1::2]
    count = min(len(real), *(len(texts) for texts, _ in sides.values()))
    found = {name: judge.judge(texts[:count]) for name, (texts, _) in sides.items()}
    floors, figures = judge.judge(real[:count]), []
    for metric in HIGHER_IS_BETTER:
        for name, (_, generator) in sides.items():
            measured = found[name][metric]
            figures.append(
                Figure(
                    f"{metric} ({name})" if name else metric,
                    measured.value(),
                    interval=measured.interval(seed),
                    floor=floors[metric].value(),
                    judge="words",
                    judge_hash="none",
                    resize="texts as they are, in words and signs",
                    num_real=len(held_out),
                    num_fake=count,
                    split=split,
                    seed=seed,
                    note="" if name else remark(metric, found, seed),
                    generator=generator,
                )
            )
    return figures


def remark(metric: str, found: Mapping[str, Mapping[str, Measured]], seed: int) -> str:
    """Which way is up, and on which side of the others the judged texts are, where intervals tell them apart."""
    if (is_higher_better := HIGHER_IS_BETTER[metric]) is None:
        return "share of all that is not in the training text"
    said = ["higher is better" if is_higher_better else "lower is better, down to that of real text"]
    ours, *others = (found[name][metric] for name in found)
    for name, theirs in zip(list(found)[1:], others, strict=True):
        if (one := ours.interval(seed)) and (other := theirs.interval(seed)):
            word = "better than" if (ours.value() > theirs.value()) == is_higher_better else "worse than"
            said.append(f"{'not told apart from' if one[0] <= other[1] and other[0] <= one[1] else word} {name}")
    return "; ".join(said)
