import pytest
import torch

from zerosum.noise import BlendedNoise, FreshNoise, KeptNoise, SeededNoise, derive_seed, truncated


def test_a_sample_depends_on_its_seed_alone() -> None:
    together = SeededNoise(range(5)).normal(3, 2)
    alone = torch.cat([SeededNoise([seed]).normal(3, 2) for seed in range(5)])
    assert torch.equal(together, alone)


def test_successive_draws_differ() -> None:
    noise = SeededNoise([0])
    assert not torch.equal(noise.normal(4), noise.normal(4))


@pytest.mark.parametrize("noise", [SeededNoise(range(2000)), FreshNoise(2000)])
def test_distributions(noise: SeededNoise | FreshNoise) -> None:
    torch.manual_seed(0)
    normal, uniform = noise.latent("normal", 8), noise.latent("uniform", 8)
    assert normal.mean().abs() < 0.03
    assert (normal.std() - 1).abs() < 0.03
    assert uniform.min() >= -1
    assert uniform.max() < 1
    assert (uniform.var() - 1 / 3).abs() < 0.02


def test_neighbouring_seeds_are_independent() -> None:
    latents = SeededNoise(range(256)).normal(256)
    correlation = torch.corrcoef(latents) - torch.eye(256)
    assert correlation.abs().max() < 0.35


def test_blend_starts_and_ends_where_it_says_and_keeps_the_variance() -> None:
    start, end = [3] * 5, [4] * 5
    blend = BlendedNoise(SeededNoise(start), SeededNoise(end), torch.linspace(0, 1, 5)).normal(4096)
    assert torch.equal(blend[0], SeededNoise([3]).normal(4096)[0])
    assert torch.allclose(blend[-1], SeededNoise([4]).normal(4096)[0], atol=1e-6)
    assert (blend.std(1) - 1).abs().max() < 0.05


def test_blend_of_uneven_lengths_is_refused() -> None:
    with pytest.raises(ValueError, match="equal lengths, got 1, 2 and 1"):
        BlendedNoise(SeededNoise([0]), SeededNoise([0, 1]), torch.zeros(1))


def test_derived_seeds_differ_and_last() -> None:
    seeds = {derive_seed(seed, step, part) for seed in range(10) for step in range(100) for part in range(10)}
    assert len(seeds) == 10_000
    assert derive_seed(0, "order", 1) == 2_002_067_703_672_271_585, "training can no longer be reproduced"


def test_truncated_values_are_those_of_the_truncated_distribution() -> None:
    values = FreshNoise(200_000).normal()
    cut = truncated(values, "normal", 0.7)
    rejected = values[values.abs() < 0.7]
    assert cut.abs().max() <= 0.7
    torch.testing.assert_close(cut.std(), rejected.std(), rtol=0.01, atol=0)
    assert cut[values.argsort()].diff().min() >= 0
    torch.testing.assert_close(truncated(values, "normal", 12.0), values, rtol=1e-4, atol=1e-4)
    uniform = FreshNoise(1000).uniform(3)
    torch.testing.assert_close(truncated(uniform, "uniform", 0.5), uniform / 2)
    assert torch.equal(truncated(uniform, "uniform", 2.0), uniform)
    with pytest.raises(ValueError, match="above 0, not 0"):
        truncated(values, "normal", 0)


def test_kept_noise_is_given_again_after_rewinding() -> None:
    kept, fresh = KeptNoise(SeededNoise([4, 5])), SeededNoise([4, 5])
    first, second = kept.normal(3), kept.uniform(2, 2)
    assert len(kept) == 2
    assert torch.equal(first, fresh.normal(3))
    assert torch.equal(second, fresh.uniform(2, 2))
    kept.rewind(1)
    assert torch.equal(kept.uniform(2, 2), second)
    third = kept.normal(1)
    assert torch.equal(third, fresh.normal(1))
    kept.rewind()
    assert torch.equal(kept.normal(3), first)
    assert [kind for kind, _ in kept.drawn] == ["normal", "uniform", "normal"]
