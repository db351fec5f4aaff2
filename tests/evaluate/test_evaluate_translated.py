"""What is made beside the kind that it should be of, and beside the one that it should have remained."""

import numpy as np
import pytest
import torch
from torch import Tensor

from zerosum import features
from zerosum.data.embedded import open_embedded
from zerosum.evaluate.translated import cycle_errors, in_batches, mean_of, retrieval, translated_figures
from zerosum.features import FeatureNetwork


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    return features.load("lite0@32", runtime="torch")


def emoji(first: int, count: int = 30) -> Tensor:
    """Pictures `[count, 3, 32, 32]` in [-1, 1]."""
    source = open_embedded("emoji")
    pixels = np.stack([np.asarray(source.read(first + 13 * number)) for number in range(count)])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_retrieval_counts_who_finds_their_own() -> None:
    truths = np.random.default_rng(0).normal(size=(40, 8))
    made = truths + 0.9 * np.random.default_rng(1).normal(size=(40, 8))
    made[:3] = truths[3:6]
    expected = []
    for number, row in enumerate(made):
        angles = [np.arccos(row @ truth / np.sqrt((row @ row) * (truth @ truth))) for truth in truths]
        expected.append(float(int(np.argmin(angles)) == number))
    assert retrieval(made, truths) == expected
    assert 0 < sum(expected) < 37
    assert retrieval(5 * truths, truths) == [1.0] * 40
    assert retrieval(truths[[0, 1]], truths[[0, 0]]) == [0.5, 0.5], "twins are shared"
    assert retrieval(np.zeros((4, 8)), truths[:4]) == [0.25] * 4, "blank pictures are near to none"
    with pytest.raises(ValueError, match="must be alike"):
        retrieval(made, truths[:5])


def test_cycle_errors_are_in_levels_and_of_each_picture() -> None:
    pictures = torch.zeros(3, 3, 4, 4)
    shifts = torch.tensor([0.0, 1.0, -2.0]).reshape(3, 1, 1, 1) / 127.5
    assert cycle_errors(pictures, pictures + shifts, lambda made: made) == pytest.approx([0, 1, 2])


def test_mean_colour_and_batches() -> None:
    pictures = emoji(0)
    made = mean_of(pictures)(emoji(5, 2))
    assert made.shape == (2, 3, 32, 32)
    torch.testing.assert_close(made[1, 2], pictures[:, 2].mean().expand(32, 32))
    sizes = list[int]()

    def make(part: Tensor) -> Tensor:
        sizes.append(len(part))
        return part + 1

    assert torch.equal(in_batches(make, torch.zeros(130, 1)), torch.ones(130, 1))
    assert sizes == [64, 64, 2]


def test_kind_and_content_are_told_apart(network: FeatureNetwork) -> None:
    """Doing nothing keeps the content alone; the truth of another is of the kind alone; the truth has both."""
    sources, targets, others = emoji(0), -emoji(0), -emoji(400)
    domain = network(((others + 1) * 127.5).round().to(torch.uint8)).numpy()
    made = {"": targets, "source": sources, "others": others}
    figures = translated_figures(
        made, sources, targets, domain, network, back=lambda made: -0.9 * made, split="held out", generator="the truth"
    )
    found = {figure.name: figure for figure in figures}
    metrics = ("retrieval", "frechet (lite0@32)", "kernel distance (lite0@32)")
    assert list(found) == [metric + end for end in ("", " (source)", " (others)") for metric in metrics] + ["cycle"]
    assert found["retrieval"].value == found["retrieval"].floor
    assert found["retrieval"].value > 0.9 > found["retrieval (source)"].value > found["retrieval (others)"].value
    distance = "kernel distance (lite0@32)"
    assert found[f"{distance} (others)"].value < found[distance].value < found[f"{distance} (source)"].value
    assert (found["retrieval"].generator, found["retrieval (source)"].generator) == ("the truth", "")
    assert (found["retrieval"].num_real, found[distance].num_real, found["retrieval"].split) == (30, 30, "held out")
    expected = (0.1 * sources).abs().mean().item() * 127.5
    assert found["cycle"].value == pytest.approx(expected, abs=0.5), "what is made is rounded first"
    low, high = found["retrieval (source)"].interval or (1.0, 0.0)
    assert low <= found["retrieval (source)"].value <= high
