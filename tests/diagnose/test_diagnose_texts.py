import numpy as np
import pytest
import torch

from zerosum.data import open_data
from zerosum.diagnose.examination import Signals
from zerosum.diagnose.texts import SKIPPED, Texts, as_words
from zerosum.diagnose.verdict import Players, diagnose
from zerosum.recipe import Data

TOKENS = open_data(Data(path="sentences", kind="tokens")).batch(np.arange(2_000))["tokens"]
TRAIN, HELD_OUT, FRESH = TOKENS[::2][:500], TOKENS[1::4], TOKENS[3::4]


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Texts(TRAIN, HELD_OUT, TOKENS[::2])


def test_real_text_is_as_varied_as_real_text(texts: Texts) -> None:
    found = texts.compare(FRESH)
    assert found["diversity"] == pytest.approx(1, abs=0.05)
    assert found["duplicates"] < 0.02
    assert abs(found["copies"]) < 0.05
    assert found["skipped"] == SKIPPED


def test_repeated_and_copied_text_is_noticed(texts: Texts) -> None:
    repeated = texts.compare(FRESH[:5].repeat(100, 1))
    assert repeated["diversity"] < 0.1
    assert repeated["duplicates"] == 1
    assert texts.compare(TOKENS[::2][500:])["copies"] > 0.9


def test_words_go_up_to_the_end() -> None:
    assert as_words(torch.tensor([[3, 4, 0, 0], [5, 6, 7, 8], [0, 0, 0, 0]])) == [[3, 4], [5, 6, 7, 8], []]


def test_collapse_is_said_of_text_and_what_is_skipped_too(texts: Texts) -> None:
    def history(samples: torch.Tensor) -> list[Signals]:
        found = texts.compare(samples)
        return [Signals.from_row(Signals(images=images, **found).to_row()) for images in range(1, 11)]

    players = Players({"generator": 1e-3, "discriminator": 1e-3}, ("discriminator",))
    collapsed, healthy = (diagnose(history(samples), players) for samples in (FRESH[:5].repeat(100, 1), FRESH))
    assert collapsed.verdict == "mode collapse"
    assert "near duplicates" in " ".join(collapsed.evidence)
    assert healthy.verdict == "learning"
    assert healthy.remarks == (SKIPPED,)
