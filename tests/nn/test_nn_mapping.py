"""The mapping network: labels, its mean, truncation and mixing."""

import pytest
import torch

from zerosum.nn.equalised import normalise
from zerosum.nn.mapping import MappingNetwork, mix_styles, truncate_styles


def test_maps_latents_labels_or_both() -> None:
    latent, label = torch.randn(3, 5), torch.eye(3)
    assert MappingNetwork(5, 0, 7, 2)(latent).shape == (3, 7)
    assert MappingNetwork(0, 3, 7, 2)(None, label).shape == (3, 7)
    both = MappingNetwork(5, 3, 7, 2)
    torch.testing.assert_close(both(latent, label), both(latent * 9, label))
    joined = torch.cat([normalise(latent), normalise(both.embed(label))], 1)
    torch.testing.assert_close(both(latent, label), both.layers(joined))
    assert (both(latent, label) - both(latent, label.roll(1, 0))).abs().max() > 1e-3


def test_the_mean_style_is_followed() -> None:
    mapping = MappingNetwork(5, 0, 7, 2, decay=0.9)
    styles = torch.randn(4, 7, requires_grad=True)
    mapping.track(styles)
    mapping.track(styles)
    torch.testing.assert_close(mapping.w_avg, (1 - 0.81) * styles.detach().mean(0))
    assert "w_avg" not in MappingNetwork(5, 0, 7, 2).state_dict()


def test_truncation() -> None:
    styles, mean = torch.randn(2, 4, 3), torch.randn(3)
    torch.testing.assert_close(truncate_styles(styles, mean, 0.7), mean + 0.7 * (styles - mean))
    cut = truncate_styles(styles, mean, 0.5, layers=3)
    torch.testing.assert_close(cut[:, :3], mean + 0.5 * (styles - mean)[:, :3])
    assert torch.equal(cut[:, 3:], styles[:, 3:])


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_mixing_happens_as_often_as_asked_and_cuts_anywhere(probability: float) -> None:
    torch.manual_seed(0)
    first, second = torch.zeros(2, 5, 3), torch.ones(2, 5, 3)
    cuts = [int((mix_styles(first, second, probability)[0, :, 0] == 0).sum()) for _ in range(400)]
    assert sum(cut < 5 for cut in cuts) / 400 == pytest.approx(probability, abs=0.1)
    assert set(cuts) == ({5} if not probability else {1, 2, 3, 4} | ({5} if probability < 1 else set()))
