"""R-precision: how often what was made of a text is nearer to that text than to 99 others (Xu et al. 2018, sec. 4).

Nearness is judged by a pair of encoders of their own, which no generator is trained with: a projection of a feature network's
features, and one of the letters that a text is made of. They learn on the training images and their captions, anew each time.
"""

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import dropout, embedding_bag, normalize

from zerosum.data import Captioned
from zerosum.datacard import split_words
from zerosum.evaluate.arrays import Features
from zerosum.evaluate.figures import Figure
from zerosum.evaluate.intervals import Positions, bootstrap_interval
from zerosum.evaluate.runner import LEAST
from zerosum.features import FeatureNetwork
from zerosum.losses import matching_loss
from zerosum.noise import derive_seed

PROMPT_METRICS = ("r-precision",)
CHOICES = 100
"""Texts that each image is to be told from, its own among them."""
BINS, LETTERS = 4096, (3, 4, 5)
"""Into how many bins runs of so many letters fall, and whole words."""
SIZE, SHARPNESS, DROPPED = 128, 10.0, 0.5
"""Of the judge: length of its vectors, what cosines are multiplied by, share of features and letters left out in training."""
STEPS, BATCH, RATE, DECAY = 300, 256, 3e-3, 0.1
"""Of its training, by AdamW."""


def spell(text: str) -> Tensor:
    """The bins of a text's words and of their runs of letters, int64 `[n]`."""
    words = [f"<{word}>" for word in split_words(text)]
    runs = [word[i : i + size] for word in words for size in (*LETTERS, len(word)) for i in range(len(word) - size + 1)]
    return torch.tensor([zlib.crc32(run.encode()) % BINS for run in runs], dtype=torch.long)


class Retrieval(nn.Module):
    """Images by their features and texts by their letters, as vectors of one space.

    Args:
        features: of the training images `[N, D]`; other features are brought to their scale.
    """

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.mean, self.scale = features.mean(0), features.std(0) + 1e-3
        self.images = nn.Linear(features.shape[1], SIZE)
        self.letters = nn.Parameter(torch.randn(BINS, SIZE) / SIZE**0.5)

    def see(self, features: Tensor) -> Tensor:
        """Features `[N, D]` -> unit vectors `[N, SIZE]`."""
        return normalize(self.images(dropout((features - self.mean) / self.scale, DROPPED, self.training)), dim=1)

    def read(self, texts: Sequence[Tensor]) -> Tensor:
        """Texts, as `spell` gives them -> unit vectors `[N, SIZE]`."""
        lengths = torch.tensor([len(text) for text in texts])
        weights = dropout(torch.ones(int(lengths.sum())), DROPPED, self.training)
        starts = lengths.cumsum(0) - lengths
        return normalize(
            embedding_bag(torch.cat(list(texts)), self.letters, starts, mode="sum", per_sample_weights=weights), dim=1
        )


def train_judge(features: Features, texts: Sequence[Sequence[str]], seed: int) -> Retrieval:
    """A judge of which texts belong to which images; torch's own stream is left as it was.

    Args:
        features: of images `[N, D]`.
        texts: of every image, one or more.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(derive_seed(seed, "retrieval"))
        known, spelled = torch.as_tensor(features), [[spell(text) for text in own] for own in texts]
        judge = Retrieval(known)
        optimiser = torch.optim.AdamW(judge.parameters(), RATE, weight_decay=DECAY)
        names = {words: number for number, words in enumerate(sorted({key(own[0]) for own in texts}))}
        concept = torch.tensor([names[key(own[0])] for own in texts])
        for _ in range(STEPS):
            rows = torch.randperm(len(known))[:BATCH]
            chosen = [spelled[row][int(torch.randint(len(spelled[row]), ()))] for row in rows.tolist()]
            same = concept[rows][:, None] == concept[rows][None]
            loss = matching_loss(SHARPNESS * judge.see(known[rows]) @ judge.read(chosen).T, same)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return judge.eval()


def key(text: str) -> tuple[str, ...]:
    """What two texts must share to be the same."""
    return tuple(split_words(text))


@torch.no_grad()
def retrieved(judge: Retrieval, features: Features, texts: Sequence[str], seed: int) -> tuple[NDArray[np.float64], int]:
    """Whether each image is nearer to its text than to the others, 0 or 1 `[N]`, and how many there were to choose from.

    Args:
        features: of images `[N, D]`.
        texts: `[N]`; the others are drawn from the different ones among them.

    Raises:
        ValueError: all texts are the same.
    """
    different = sorted({key(text): text for text in texts}.items())
    places = {words: place for place, (words, _) in enumerate(different)}
    choices = min(CHOICES, len(different))
    if choices < 2:
        raise ValueError("the r-precision needs at least 2 different captions")
    nearness = (judge.see(torch.as_tensor(features)) @ judge.read([spell(text) for _, text in different]).T).numpy()
    stream, hits = np.random.default_rng(derive_seed(seed, "choices")), []
    for row, own in enumerate(places[key(text)] for text in texts):
        others = stream.permutation(len(different) - 1)[: choices - 1]
        others += others >= own
        hits.append(float(nearness[row, own] > nearness[row, others].max()))
    return np.array(hits), choices


@dataclass(frozen=True)
class Asked:
    """What generated images were asked for: the first captions at `positions` `[N]` of `data`."""

    data: Captioned
    positions: Positions
    split: str
    """Which captions they are."""
    name: str = "r-precision"
    """What the figure is called."""


def asked_for(data: Captioned, order: Positions, seen: Positions | None, split: str) -> list[tuple[Asked, Positions]]:
    """The captions that samples were made of, apart where some were held out, and which samples these are.

    Args:
        order: of all samples, positions in `data`.
        seen: positions that were trained on, if they are of `data`.
        split: what `data` is, if it was not trained on.
    """
    if seen is None:
        return [(Asked(data, order, split), np.arange(len(order)))]
    trained = np.isin(order, seen)
    parts = [("train", "r-precision", np.flatnonzero(trained)), ("held out", "r-precision held out", np.flatnonzero(~trained))]
    return [(Asked(data, order[rows], part, name), rows) for part, name, rows in parts if len(np.unique(order[rows])) >= LEAST]


def retrieval_figure(
    judge: Retrieval, network: FeatureNetwork, fake: Features, real: Features, asked: Asked, generator: str, seed: int = 0
) -> Figure:
    """The R-precision of generated images, and for a floor that of the real ones of the same captions.

    Args:
        fake, real: features `[N, D]` of what was made of the captions, and of the images that have them.
        generator: what made the generated ones, in words.

    Raises:
        ValueError: fewer than 2 different captions.
    """
    texts = [asked.data.texts[position][0] for position in asked.positions.tolist()]
    (hits, choices), (best, _) = (retrieved(judge, side, texts, seed) for side in (fake, real))
    # Several images of one caption stand or fall together: the interval is over captions.
    captions = np.unique(asked.positions)
    provenance = network.provenance
    return Figure(
        asked.name,
        float(hits.mean()),
        bootstrap_interval([hits[asked.positions == caption].mean() for caption in captions], seed=seed),
        float(best.mean()),
        judge=f"{provenance.name} and letters",
        judge_hash=hashlib.sha256(provenance.sha256.encode() + Path(__file__).read_bytes()).hexdigest(),
        resize=provenance.resize,
        num_real=len(captions),
        num_fake=len(hits),
        split=asked.split,
        seed=seed,
        note=f"own caption nearest of {choices}; by chance {1 / choices:.3g}; real against real: their own images",
        generator=generator,
        runtime=provenance.runtime,
    )
