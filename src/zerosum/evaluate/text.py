"""Generated texts beside held-out ones and beside maximum likelihood: BLEU, self-BLEU, coverage, novelty, perplexity.

All is measured on words, whatever the generator's tokens are. Half of the held-out texts are references, the other half are
judged like samples: what is reached by real text. Every side has as many texts, for most figures depend on their number.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from zerosum.evaluate.figures import Figure
from zerosum.evaluate.intervals import bootstrap_interval
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

    def judge(self, texts: Texts) -> dict[str, list[float]]:
        """Every metric of texts: one value for each of them, or a single one of all together."""
        others, selves = [self.references.bleu(words) for words in texts], self_bleu(texts, LONGEST)
        shown = {run for words in texts for run in ngrams(words, 2)}
        trigrams = [run for words in texts for run in ngrams(words, 3)]
        words = [word for text in texts for word in text]
        return {
            **{f"bleu-{n}": [scores[n - 1] for scores in others] for n in range(2, LONGEST + 1)},
            **{f"self-bleu-{n}": [scores[n - 1] for scores in selves] for n in range(2, LONGEST + 1)},
            "coverage": [sum(self.pairs[run] for run in shown) / max(1, self.pairs.total())],
            "novelty": [float(tuple(text) not in self.lines) for text in texts],
            "novel-trigrams": [share(run not in self.trigrams for run in trigrams)],
            "perplexity": [self.model.perplexity(texts)],
            "real-words": [share(word in self.words for word in words)],
            "repeats": [repeats(texts)],
        }


def share(found: Iterable[bool]) -> float:
    """Share of what holds; 0 of nothing."""
    values = list(found)
    return sum(values) / max(1, len(values))


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
            values = found[name][metric]
            figures.append(
                Figure(
                    f"{metric} ({name})" if name else metric,
                    fmean(values),
                    interval=interval_of(values, seed),
                    floor=fmean(floors[metric]),
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


def interval_of(values: Sequence[float], seed: int) -> tuple[float, float] | None:
    """Of a mean over texts; None for a value of all together."""
    return bootstrap_interval(values, seed=seed) if len(values) > 1 else None


def remark(metric: str, found: Mapping[str, Mapping[str, list[float]]], seed: int) -> str:
    """Which way is up, and on which side of the others the judged texts are, where intervals tell them apart."""
    if (is_higher_better := HIGHER_IS_BETTER[metric]) is None:
        return "share of all that is not in the training text"
    said = ["higher is better" if is_higher_better else "lower is better, down to that of real text"]
    values, *others = (found[name][metric] for name in found)
    for name, theirs in zip(list(found)[1:], others, strict=True):
        word = "better than" if (fmean(values) > fmean(theirs)) == is_higher_better else "worse than"
        one, other = interval_of(values, seed), interval_of(theirs, seed)
        overlap = one and other and one[0] <= other[1] and other[0] <= one[1]
        said.append(f"{'not told apart from' if overlap or fmean(values) == fmean(theirs) else word} {name}")
    return "; ".join(said)
