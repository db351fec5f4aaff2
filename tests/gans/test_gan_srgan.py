from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import interpolate

from zerosum.gans import srgan
from zerosum.noise import SilentNoise

SMALL: dict[str, Any] = {"width": 4, "blocks": 1, "discriminator_width": 4, "hidden": 8}


def shapes(scale: int = 4, side: int = 32) -> dict[str, tuple[int, ...]]:
    return {"source": (3, side // scale, side // scale), "target": (3, side, side)}


def batch(scale: int = 4, n: int = 4) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {key: torch.rand(n, *shape) * 2 - 1 for key, shape in shapes(scale).items()}


def test_the_papers_networks_have_their_sizes() -> None:
    """Counted by hand from figure 4, biases where no batch norm follows."""
    with torch.device("meta"):
        gan = srgan.SRGAN(srgan.Config(adversarial=1e-3), shapes(side=96))
    conv, norm, prelu = 64 * 64 * 9, 2 * 64, 1
    generator = (3 * 64 * 81 + 64 + prelu) + 16 * (2 * (conv + norm) + prelu) + (conv + norm)
    generator += 2 * (64 * 256 * 9 + 256 + prelu) + (64 * 3 * 81 + 3)
    assert sum(weight.numel() for weight in gan.generator.parameters()) == generator
    widths = [64, 64, 128, 128, 256, 256, 512, 512]
    convs = sum(9 * a * b + 2 * b for a, b in pairwise(widths)) + 3 * 64 * 9 + 64
    dense = 512 * 6 * 6 * 1024 + 1024 + 1024 + 1
    assert sum(weight.numel() for weight in gan.discriminator.parameters()) == convs + dense
    strides = [layer.stride[0] for layer in gan.discriminator.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert strides == [1, 2] * 4


@pytest.mark.parametrize("scale", [4, 2, 1])
def test_nothing_beyond_its_reach_changes_a_pixel(scale: int) -> None:
    gan = srgan.SRGAN(srgan.Config(**{**SMALL, "width": 2}, skip="bicubic"), shapes(scale)).double().eval()
    for weight in gan.parameters():
        weight.data = weight.data.abs() * 0.1 + 0.01  # so that nothing cancels
    side, farthest = 2 * gan.reach + 8, 0
    source = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    images = gan.sample({"source": source}, SilentNoise(1))
    assert images.shape == (1, 3, side * scale, side * scale)
    for place in range(side // 2 * scale, (side // 2 + 1) * scale):
        (gradient,) = torch.autograd.grad(images[:, :, place].sum(), source, retain_graph=True)
        rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
        farthest = max(farthest, side // 2 - int(rows.min()), int(rows.max()) - side // 2)
    assert gan.reach - 3 <= farthest <= gan.reach


def test_losses_are_those_of_the_paper() -> None:
    gan, data = srgan.SRGAN(srgan.Config(**SMALL, mse=3.0, adversarial=0.5), shapes()).eval(), batch()
    made = gan.generator((data["source"] + 1) / 2)
    torch.testing.assert_close(made, gan.sample(data, SilentNoise(4)))
    real, fake = gan.discriminator(data["target"]), gan.discriminator(made)
    one, zero = torch.ones_like(fake), torch.zeros_like(fake)
    terms = gan.generator_loss(data, 0.0).terms
    torch.testing.assert_close(terms["mse"], 3 * ((made - data["target"]) ** 2).mean())
    torch.testing.assert_close(terms["adversarial"], 0.5 * cross_entropy(fake, one))
    judged = gan.discriminator_loss(data, 0.0).terms["adversarial"]
    torch.testing.assert_close(judged, cross_entropy(real, one) + cross_entropy(fake, zero))


def test_the_perceptual_loss_leaves_the_random_stream_alone_and_falls_to_zero() -> None:
    gan, data = srgan.SRGAN(srgan.Config(**SMALL, mse=0.0, perceptual=2.0), shapes()), batch()
    torch.manual_seed(5)
    term = gan.generator_loss(data, 0.0).terms["perceptual"]
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))
    assert term > 0
    assert gan._distance(data["target"], data["target"]) == 0


def test_the_first_stage_has_no_discriminator_and_both_stages_fit() -> None:
    first, second = srgan.srresnet(), srgan.gan("runs/first")
    assert set(srgan.SRGAN(srgan.Config(**SMALL), shapes()).players()) == {"generator"}
    assert set(first.optimisers) == {"generator"}
    assert set(second.optimisers) == {"generator", "discriminator"}
    assert second.train.start == "runs/first"
    rate = second.optimisers["generator"].rate
    assert [rate(images) for images in (0, 1_600_000, 1_600_016, 3_200_000)] == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5])
    assert (first.train.images // 16, second.train.images // 16) == (1_000_000, 200_000)


def test_short_runs_start_from_bicubic() -> None:
    gan, data = srgan.SRGAN(srgan.Config(**SMALL, skip="bicubic"), shapes()), batch()
    wanted = interpolate(data["source"], [32, 32], mode="bicubic", antialias=True)
    torch.testing.assert_close(gan.sample(data, SilentNoise(4)), wanted)


def test_wrong_settings_and_data_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="set data.kind photographs"):
        srgan.SRGAN(srgan.Config(), {"image": (3, 32, 32)})
    with pytest.raises(ValueError, match="the scale must be 1, 2 or 4"):
        srgan.SRGAN(srgan.Config(), {"source": (3, 8, 8), "target": (3, 64, 64)})
    with pytest.raises(ValueError, match="halves the sides four times: data.resolution 40 is not 16 n"):
        srgan.SRGAN(srgan.Config(adversarial=1.0), shapes(side=40))
    with pytest.raises(ValueError, match="give one of them a weight, such as mse 1"):
        srgan.Config(mse=0.0)
