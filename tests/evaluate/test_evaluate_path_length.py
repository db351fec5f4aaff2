"""The path length of a generator whose path is known, and how it is measured."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from zerosum.evaluate.path_length import TRIM, pair_lengths, path_length, path_length_figure, trimmed
from zerosum.features import FeatureNetwork, Provenance, load
from zerosum.noise import Noise
from zerosum.sampling import Sampler

PIXELS = 48


class Linear:
    """Images that are a linear function of normal noise: G(z) = scale z."""

    given: frozenset[str] = frozenset()

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def sample(self, given: dict[str, Tensor], noise: Noise) -> Tensor:
        return self.scale * noise.normal(3, 4, 4)


def sampler(scale: float) -> Sampler:
    gan: Any = Linear(scale)
    card: Any = SimpleNamespace()
    return Sampler(gan, card)


def judge(takes_floats: bool = True) -> FeatureNetwork:
    """Pixels are their own features."""
    provenance = Provenance("pixels", "0" * 64, "the test", "none", "none")

    def embed(pixels: torch.Tensor) -> torch.Tensor:
        return pixels.flatten(1).float()

    return FeatureNetwork(provenance, embed, embed_unrounded=embed if takes_floats else None)


@pytest.mark.parametrize("scale", [0.02, 0.04])
def test_a_linear_generator_has_the_length_of_its_circle(scale: float) -> None:
    """d/dt (cos a z1 + sin a z2) with a = pi t / 2 is (pi / 2) times a standard normal vector."""
    expected = (127.5 * scale * math.pi / 2) ** 2 * PIXELS
    found = path_length(sampler(scale), judge(), 400, seed=1)
    assert found.value == pytest.approx(expected, rel=0.05)
    low, high = found.interval
    assert low < expected < high
    assert found.standard_error == pytest.approx(expected * math.sqrt(2 / PIXELS / 400), rel=0.2)


def test_the_step_does_not_matter_and_the_seed_decides() -> None:
    lengths = pair_lengths(sampler(0.02), judge(), 70, seed=3)
    assert lengths.shape == (70,)
    assert np.allclose(lengths, pair_lengths(sampler(0.02), judge(), 70, seed=3, epsilon=1e-3), rtol=0.02)
    assert np.array_equal(lengths[:10], pair_lengths(sampler(0.02), judge(), 70, seed=3)[:10])
    assert not np.isclose(lengths, pair_lengths(sampler(0.02), judge(), 70, seed=4)).any()


def test_the_outermost_hundredths_are_left_out() -> None:
    values = np.arange(1000, dtype=float)
    values[-1] = 1e9
    found = trimmed(values)
    assert found.value == pytest.approx(499.5)
    inner = np.sort(values)[10:-10]
    assert found.value == inner.mean()
    winsorised = np.clip(values, *np.quantile(values, [TRIM, 1 - TRIM]))
    assert found.standard_error == pytest.approx(winsorised.std(ddof=1) / 0.98 / math.sqrt(1000))


def test_the_name_promises_nothing_else() -> None:
    figure = path_length_figure(sampler(0.02), judge(), 50)
    assert figure.name == "path length (pixels)"
    assert (figure.num_real, figure.num_fake, figure.floor) == (0, 100, None)
    assert figure.note == "50 pairs, a step of 0.0001"


def test_refusals() -> None:
    with pytest.raises(ValueError, match="pixels takes rounded pixels only; for unrounded ones choose lite0 or inception"):
        path_length(sampler(0.02), judge(takes_floats=False), 10)
    with pytest.raises(ValueError, match="at least 2 pairs, not 1"):
        path_length(sampler(0.02), judge(), 1)


def test_lite0_sees_what_rounding_hides() -> None:
    network, stream = load("lite0@32"), torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (3, 1, 16, 16), generator=stream).float()
    # Unrounded pixels go through torch, rounded ones perhaps through ONNX Runtime.
    torch.testing.assert_close(network.unrounded(pixels), network(pixels.to(torch.uint8)), rtol=1e-4, atol=1e-4)
    moved = network.unrounded((pixels + 0.01).clamp(0, 255))
    change = (moved - network.unrounded(pixels)).norm(dim=1)
    assert ((change > 0) & (change < 0.1)).all()
    with pytest.raises(ValueError, match=r"pixels must be \[N, C, H, W\]"):
        network.unrounded(pixels[0])
