from dataclasses import replace

import pytest
import torch

from zerosum import gans
from zerosum.gans.textgan import Config, RelationalMemory, RelGAN, gumbel
from zerosum.losses import relativistic_d
from zerosum.noise import FreshNoise, SeededNoise
from zerosum.vocabulary import END

SHAPES = {"tokens": (6,), "vocabulary": (9,)}


def small(**settings: float) -> RelGAN:
    config = replace(gans.get_recipe("textgan:tiny").gan, **settings)
    assert isinstance(config, Config)
    return RelGAN(config, SHAPES)


def test_softened_words_are_shares_and_sharpen_with_the_inverse_temperature() -> None:
    generator = small().generator
    soft, sharp = (generator.soften(6, sharpness, SeededNoise(range(50))) for sharpness in (1.0, 1_000.0))
    assert torch.allclose(soft.sum(2), torch.ones(50, 6), atol=1e-5)
    assert (soft.argmax(2) == sharp.argmax(2)).all()
    assert sharp.amax(2).mean() > 0.98 > soft.amax(2).mean()


def test_after_the_end_all_is_end() -> None:
    generator = small().generator
    with torch.no_grad():
        generator.output.bias[END] += 2
    soft = generator.soften(6, 1.0, SeededNoise(range(50)))
    words = soft.argmax(2)
    over = ((words == END).int().cumsum(1) - (words == END).int()) > 0
    assert over.any()
    assert (soft[over] == torch.eye(9)[END]).all()


def test_softened_words_are_drawn_as_sampled_ones_are() -> None:
    gan = small()
    soft = gan.generator.soften(6, 1.0, FreshNoise(20_000)).argmax(2)
    hard = gan.sample({}, FreshNoise(20_000))
    for place in (0, 5):
        shares = [words[:, place].bincount(minlength=9) / 20_000 for words in (soft, hard)]
        assert torch.allclose(*shares, atol=0.02)


def test_gumbel_noise_has_the_mean_and_variance_of_its_distribution() -> None:
    drawn = gumbel(FreshNoise(100), 10_000)
    assert drawn.mean().item() == pytest.approx(0.5772, abs=0.01)
    assert drawn.var().item() == pytest.approx(torch.pi**2 / 6, abs=0.03)


def test_a_word_and_its_one_hot_row_are_scored_alike_through_every_representation() -> None:
    discriminator = small().discriminator.eval()
    tokens = torch.randint(9, (4, 6))
    scores = discriminator(tokens)
    assert scores.shape == (4, 3)
    assert torch.allclose(scores, discriminator(torch.eye(9)[tokens]), atol=1e-5)
    # A representation is a slice of the embedding: another slice leaves its scores alone.
    with torch.no_grad():
        discriminator.embedding[:, :2] += 1
    changed = discriminator(tokens)
    assert torch.allclose(changed[:, 1:], scores[:, 1:], atol=1e-6)
    assert not torch.allclose(changed[:, 0], scores[:, 0], atol=1e-3)


def test_losses_pair_texts_by_representation() -> None:
    gan = small(dropout=0.0)
    batch = {"tokens": torch.randint(1, 9, (4, 6))}
    torch.manual_seed(3)
    loss = gan.discriminator_loss(batch, 0.5).terms["adversarial"]
    torch.manual_seed(3)
    fakes = gan.generator.soften(6, 100**0.5, FreshNoise(4))
    assert torch.isclose(loss, relativistic_d(gan.discriminator(batch["tokens"]), gan.discriminator(fakes)))


def test_memory_by_hand_of_one_head() -> None:
    torch.manual_seed(2)
    memory = RelationalMemory(3, 2, 1, 4)
    before, coming = torch.randn(1, 2, 4), torch.randn(1, 3)
    taken = memory.take_in(coming)
    rows = torch.cat([before[0], taken])
    query, key, value = memory.attend_norm(memory.attend(rows)).chunk(3, 1)
    found = memory.norm(before[0] + (query[:2] @ key.T / 4**0.5).softmax(1) @ value)
    found = memory.mlp_norm(found + memory.mlp(found))
    gates = memory.gates_of_input(taken) + memory.gates_of_memory(before[0].tanh())
    expected = gates[:, :4].sigmoid() * found.tanh() + (gates[:, 4:] + 1).sigmoid() * before[0]
    assert torch.allclose(memory(coming, before)[0], expected, atol=1e-6)


def test_likelihoods_sum_to_one_over_all_next_words() -> None:
    generator = small().generator
    texts = torch.tensor([[1, 2, last, END, END, END] for last in range(9)])
    assert generator(texts)[:, 2].exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_the_first_stage_has_no_discriminator() -> None:
    gan = small(adversarial=False)
    assert set(gan.players()) == {"generator"}
    assert [turn.player for turn in gan.turns()] == ["generator"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inverse_temperature": 0.5}, "gan.inverse_temperature must be at least 1"),
        ({"dropout": 1.0}, "gan.dropout"),
        ({"slots": 0}, "slots must be above 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**settings)
