"""How likely a text is by runs of words alone: interpolated Kneser-Ney, a judge that has nothing to do with the networks."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from math import exp, log

START, END = "<start>", "<end>"


class KneserNey:
    """P(word | the words before it), interpolated Kneser-Ney (Chen & Goodman 1999, sec. 2.7), with one discount an order.

    An order's discount is n1 / (n1 + 2 n2), n1 and n2 the runs that occur once and twice. Below the highest order a run counts
    for the different words that stand before it; one that begins a text, for how often it does. Below single words stands a
    uniform distribution over the known words, the end and one unknown word.

    Args:
        texts: lists of words.
        order: words in the longest run.
    """

    def __init__(self, texts: Iterable[Sequence[str]], order: int = 3) -> None:
        self.order = order
        counts: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order)]
        before: list[defaultdict[tuple[str, ...], set[str]]] = [defaultdict(set) for _ in range(order)]
        for words in texts:
            padded = [START] * (order - 1) + [*words, END]
            for place in range(order - 1, len(padded)):
                for size in range(1, order + 1):
                    run = tuple(padded[place - size + 1 : place + 1])
                    counts[size - 1][run] += 1
                    if size < order:
                        before[size - 1][run].add(padded[place - size])
        self.known = {run[0] for run in counts[0]}
        self.counts = [
            {run: count if size == order or run[0] == START else len(before[size - 1][run]) for run, count in found.items()}
            for size, found in enumerate(counts, 1)
        ]
        self.totals: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order)]
        self.followers: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order)]
        for size, found in enumerate(self.counts):
            for run, count in found.items():
                self.totals[size][run[:-1]] += count
                self.followers[size][run[:-1]] += 1
        self.discounts = [discount(found.values()) for found in self.counts]

    def probability(self, word: str, context: Sequence[str]) -> float:
        """Of a word after others, of which the last order - 1 count; of all unknown words together where it is one."""
        likely = 1 / (len(self.known) + 1)
        for size in range(self.order):
            seen = tuple(context[len(context) - size :])
            if total := self.totals[size][seen]:
                count, less = self.counts[size].get((*seen, word), 0), self.discounts[size]
                likely = (max(count - less, 0) + less * self.followers[size][seen] * likely) / total
        return likely

    def log_likelihood(self, words: Sequence[str]) -> float:
        """log P of a text and its end."""
        padded = [START] * (self.order - 1) + [*words, END]
        places = range(self.order - 1, len(padded))
        return sum(log(self.probability(padded[place], padded[place - self.order + 1 : place])) for place in places)

    def perplexity(self, texts: Sequence[Sequence[str]]) -> float:
        """exp(-E[log P]) of a word of the texts, ends included."""
        return exp(-sum(map(self.log_likelihood, texts)) / sum(len(words) + 1 for words in texts))


def discount(counts: Iterable[int]) -> float:
    """n1 / (n1 + 2 n2), and 1/2 where no run occurs once."""
    times = Counter(counts)
    return times[1] / (times[1] + 2 * times[2]) if times[1] else 0.5
