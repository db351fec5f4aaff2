import pytest
import torch
from torch import Tensor, nn

from zerosum.nn.sequences import (
    WindowFeatures,
    choose,
    is_written,
    likelihood_loss,
    log_likelihoods,
    read_shapes,
    shifted,
    write,
)
from zerosum.noise import SeededNoise
from zerosum.vocabulary import END


class Counting:
    """After token n comes n + 1, or with a chance of 1/4 the end; the state counts steps."""

    num_tokens = 6

    def start(self, count: int) -> tuple[Tensor, ...]:
        return (torch.zeros(count),)

    def step(self, previous: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        after = torch.where(previous == self.num_tokens, 1, previous % 5 + 1)
        logits = torch.full((len(previous), self.num_tokens), -torch.inf)
        logits[:, END] = torch.tensor(0.25).log()
        logits[torch.arange(len(previous)), after] = torch.tensor(0.75).log()
        return logits, (state[0] + 1,)


def test_nothing_follows_an_end_and_its_chance_is_met() -> None:
    texts = write(Counting(), 8, {}, SeededNoise(range(4_000)))
    written = is_written(texts)
    assert (texts[~written] == END).all()
    for row in texts[:50].tolist():
        length = row.index(END) if END in row else 8
        assert row[:length] == [place % 5 + 1 for place in range(length)]
    assert ((texts[:, 0] == END).float().mean() - 0.25).abs() < 0.02


def test_prefix_and_temperature() -> None:
    noise = SeededNoise(range(200))
    texts = write(Counting(), 5, {"prefix": torch.tensor([[3, 4]] * 200), "temperature": torch.full((200,), 0.1)}, noise)
    assert texts.tolist() == [[3, 4, 5, 1, 2]] * 200  # cold: the likelier of the two alone


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    logits = torch.tensor([0.1, 0.0, 0.6, 0.3]).log().expand(10_000, 4)
    drawn = choose(logits, torch.rand(10_000)).bincount(minlength=4) / 10_000
    assert torch.allclose(drawn, torch.tensor([0.1, 0.0, 0.6, 0.3]), atol=0.02)
    assert choose(logits[:1], torch.tensor([0.9999999])).item() == 3


def test_likelihood_counts_the_end_once_and_nothing_after() -> None:
    tokens, seen = torch.tensor([[2, 1, END, END], [1, 2, 1, 2]]), torch.randn(2, 4, 5)
    output = nn.Linear(5, 3)
    found = log_likelihoods(seen, output, tokens)
    by_hand = output(seen).log_softmax(2)
    assert found[0, 3] == 0
    for row, place in ((0, 0), (0, 2), (1, 3)):
        assert torch.isclose(found[row, place], by_hand[row, place, tokens[row, place]])
    loss = likelihood_loss(found, tokens)
    assert torch.isclose(loss.terms["likelihood"], -found.sum() / 7)
    assert torch.isclose(loss.notes["perplexity"], (-found.sum() / 7).exp())


def test_what_stands_before_each_token() -> None:
    assert shifted(torch.tensor([[5, 6, 7]]), 9).tolist() == [[9, 5, 6]]


def test_windows_wider_than_a_text_are_left_out() -> None:
    features = WindowFeatures(4, [(1, 2), (3, 5), (9, 7)], 6)
    found = features(torch.randn(2, 6, 4))
    assert found.shape == (2, features.features) == (2, 7)
    assert (found >= 0).all()


def test_data_without_text_is_refused() -> None:
    with pytest.raises(ValueError, match="the data has only image: set data.kind tokens"):
        read_shapes({"image": (1, 8, 8)})
