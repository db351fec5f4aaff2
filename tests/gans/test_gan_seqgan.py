from dataclasses import replace

import pytest
import torch

from zerosum import gans
from zerosum.gans.seqgan import Config, SeqGAN
from zerosum.noise import FreshNoise
from zerosum.vocabulary import END

SHAPES = {"tokens": (5,), "vocabulary": (7,)}


def small(**settings: float) -> SeqGAN:
    config = replace(gans.get_recipe("seqgan:tiny").gan, **settings)
    assert isinstance(config, Config)
    return SeqGAN(config, SHAPES)


def test_the_last_reward_is_the_discriminators_and_the_others_are_means_of_ways_on() -> None:
    gan = small(rollouts=3_000)
    tokens = torch.tensor([[1, 2, 3, 4, 5]])
    rewards = gan.rewards(tokens)
    assert torch.allclose(rewards[0, 4], gan.discriminator(tokens).sigmoid()[0])
    # All ways on from four words, by their likelihood: sum over y of G(y | 1 2 3 4) D(1 2 3 4 y).
    every = torch.tensor([[1, 2, 3, 4, last] for last in range(7)])
    likely = gan.generator(every)[:, 4].exp()
    assert torch.isclose(likely.sum(), torch.tensor(1.0), atol=1e-5)
    expected = (likely * gan.discriminator(every).sigmoid()).sum()
    assert torch.isclose(rewards[0, 3], expected, atol=2e-3)


def test_a_text_that_has_ended_is_rewarded_as_it_is() -> None:
    gan = small()
    tokens = torch.tensor([[1, 2, END, END, END]])
    rewards = gan.rewards(tokens)
    assert torch.equal(rewards[0, 2:], gan.discriminator(tokens).sigmoid().expand(3))


def test_the_policy_gradient_is_that_of_the_expected_reward() -> None:
    """Texts of one place, so that all of them can be summed over: d/dw sum_y G(y) D(y)."""
    gan = SeqGAN(replace(small().config, filters=((1, 8),)), {"tokens": (1,), "vocabulary": (7,)})
    every = torch.arange(7)[:, None]
    reward = gan.discriminator(every).sigmoid().detach()
    exact = torch.autograd.grad((gan.generator(every)[:, 0].exp() * reward).sum(), gan.generator.output.bias)[0]
    torch.manual_seed(1)
    loss = gan.generator_loss({"tokens": torch.zeros(40_000, 1, dtype=torch.int64)}, 0.0).terms["policy"]
    estimate = -torch.autograd.grad(loss, gan.generator.output.bias)[0]
    assert torch.allclose(estimate, exact, atol=4e-3)


def test_the_delayed_copy_follows_and_is_nobodys() -> None:
    gan = small(rollout_rate=0.8)
    before = gan.delayed.output.bias.clone()
    assert not list(gan.delayed.parameters())
    with torch.no_grad():
        gan.generator.output.bias += 1
    gan.follow(0)
    assert torch.allclose(gan.delayed.output.bias, before + 0.2)
    assert "delayed" not in dict(gan.for_sampling().named_children())


def test_the_first_stage_has_no_discriminator_and_its_copy_is_the_generator() -> None:
    gan = small(adversarial=False)
    assert set(gan.players()) == {"generator"}
    with torch.no_grad():
        gan.generator.output.bias += 1
    gan.follow(0)
    assert torch.equal(gan.delayed.output.bias, gan.generator.output.bias)


def test_likelihoods_are_those_of_what_is_written() -> None:
    gan = small()
    texts = gan.sample({}, FreshNoise(20_000))
    first = texts[:, 0].bincount(minlength=7) / 20_000
    expected = gan.generator(torch.arange(7)[:, None].expand(7, 5))[:, 0].exp()
    assert torch.allclose(first, expected, atol=0.02)


def test_the_discriminator_begins_before_the_generator() -> None:
    gan = small(discriminator_steps=2, first_discriminator_steps=7)
    assert [gan.discriminator_steps(step) for step in range(3)] == [9, 2, 2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"dropout": 1.0}, "gan.dropout"), ({"rollouts": 0}, "rollouts must be above 0"), ({"filters": ()}, "filters")],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**settings)
    with pytest.raises(ValueError, match="wider than data.num_tokens 5"):
        small(filters=((6, 2),))
