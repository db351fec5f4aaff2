"""Text token by token: how likely a text is, and how one is written from what a network says of the next token."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu

from zerosum.game import Batch, Loss, Shapes
from zerosum.noise import Noise
from zerosum.vocabulary import END

State = tuple[Tensor, ...]
"""What a network remembers, `[N, ...]` each."""


class Writer(Protocol):
    """A network that says of every token how likely it comes next."""

    num_tokens: int
    """V; number V itself stands before a text."""

    def start(self, count: int) -> State:
        """What it remembers before the first of `count` texts."""

    def step(self, previous: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits `[N, V]` of what follows the tokens `[N]`, and what is remembered then."""


def read_shapes(shapes: Shapes) -> tuple[int, int]:
    """The length of a text and the number of tokens that there are.

    Raises:
        ValueError: the data is not text.
    """
    if "tokens" not in shapes:
        raise ValueError(
            f"this family learns from text, but the data has only {', '.join(sorted(shapes))}: set data.kind tokens"
        )
    return shapes["tokens"][0], shapes["vocabulary"][0]


def is_written(tokens: Tensor) -> Tensor:
    """Which places of texts `[N, T]` are up to the first end, and with it: bool `[N, T]`. What comes after says nothing."""
    ends = (tokens == END).int()
    return ends.cumsum(1) - ends == 0


def shifted(tokens: Tensor, first: int) -> Tensor:
    """What stands before each token of texts `[N, T]`; before the first one it is `first`."""
    return torch.cat([torch.full_like(tokens[:, :1], first), tokens[:, :-1]], 1)


def log_likelihoods(seen: Tensor, output: nn.Module, tokens: Tensor) -> Tensor:
    """log P of every token of texts `[N, T]`, 0 after the end.

    Args:
        seen: what the network knows before each of them, `[N, T, H]`.
        output: from `[M, H]` to logits `[M, V]`; it is asked at written places only.
    """
    places = is_written(tokens)
    found = -cross_entropy(output(seen[places]).float(), tokens[places], reduction="none")
    return torch.zeros(tokens.shape, device=tokens.device).masked_scatter(places, found)


def likelihood_loss(log_likelihoods: Tensor, tokens: Tensor) -> Loss:
    """-E[log P] of a token, which maximum likelihood lowers, and the perplexity that it means; both arguments `[N, T]`."""
    lost = -log_likelihoods.sum() / is_written(tokens).sum()
    return Loss({"likelihood": lost}, {"perplexity": lost.detach().exp()})


def choose(logits: Tensor, chances: Tensor) -> Tensor:
    """Tokens `[N]` drawn by logits `[N, V]`: where the cumulative sum passes numbers `[N]` that are uniform in [0, 1)."""
    sums = logits.float().softmax(1).cumsum(1)
    return torch.searchsorted(sums, chances[:, None] * sums[:, -1:], right=True)[:, 0].clamp(max=logits.shape[1] - 1)


def write_on(writer: Writer, chances: Tensor, previous: Tensor, state: State, temperature: Tensor | None = None) -> Tensor:
    """The tokens `[N, T]` that follow `previous` `[N]`, drawn with numbers `[N, T]` in [0, 1). Nothing follows an end."""
    written = []
    for place in range(chances.shape[1]):
        logits, state = writer.step(previous, state)
        logits = logits if temperature is None else logits.float() / temperature[:, None]
        previous = torch.where(previous == END, END, choose(logits, chances[:, place]))
        written.append(previous)
    return torch.stack(written, 1)


def write(writer: Writer, length: int, given: Batch, noise: Noise) -> Tensor:
    """Texts `[N, length]`.

    Args:
        given: where there are such, "prefix" `[N, P]`, the tokens they begin with, and "temperature" `[N]`, which logits are
            divided by.
    """
    chances = (noise.uniform(length) + 1) / 2
    previous, state = torch.full((len(noise),), writer.num_tokens, device=chances.device), writer.start(len(noise))
    prefix = given.get("prefix", previous[:, None][:, :0])
    for place in range(prefix.shape[1]):
        _, state = writer.step(previous, state)
        previous = prefix[:, place]
    rest = write_on(writer, chances[:, prefix.shape[1] :], previous, state, given.get("temperature"))
    return torch.cat([prefix, rest], 1)


class WindowFeatures(nn.Module):
    """The largest answer of each filter to any window of a text (Kim 2014): embedded texts `[N, T, E]` to `[N, F]`.

    Args:
        embedding: E.
        filters: (tokens wide, how many) of each kind; those wider than a text are left out.
        length: T.
    """

    def __init__(self, embedding: int, filters: Sequence[tuple[int, int]], length: int) -> None:
        super().__init__()
        fitting = [(width, count) for width, count in filters if width <= length]
        self.windows = nn.ModuleList(nn.Conv1d(embedding, count, width) for width, count in fitting)
        self.features = sum(count for _, count in fitting)

    def forward(self, embedded: Tensor) -> Tensor:
        """Features `[N, F]`, not negative."""
        texts = embedded.transpose(1, 2)
        return torch.cat([relu(window(texts)).amax(2) for window in self.windows], 1)
