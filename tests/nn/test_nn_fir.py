from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import conv2d, pad

from zerosum.nn.fir import blur, down_conv2d, downsample, fir_kernel, up_conv2d, upsample

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "stylegan2_ops.safetensors")
KERNEL = fir_kernel([1, 3, 3, 1])


def by_hand(maps, kernel, up, before, after, down):
    """Zero insertion, padding, a full filter, subsampling: the definition."""
    n, channels, height, width = maps.shape
    spread = maps.new_zeros(n, channels, height, up, width, up)
    spread[:, :, :, 0, :, 0] = maps
    padded = pad(spread.reshape(n, channels, height * up, width * up), [before, after, before, after])
    filtered = conv2d(padded.reshape(n * channels, 1, *padded.shape[2:]), kernel[None, None].to(maps.dtype))
    return filtered.reshape(n, channels, *filtered.shape[2:])[:, :, ::down, ::down]


OPERATIONS = {"up": upsample, "down": downsample, "blur": lambda maps, kernel: blur(maps, kernel, len(kernel) // 2, 1.5)}


def test_golden_parity_with_the_authors_operations():
    maps, weight = GOLDEN["io.x"], GOLDEN["io.weight"]
    torch.testing.assert_close(KERNEL, GOLDEN["io.filter"])
    ours = {
        "up2": upsample(maps, KERNEL),
        "down2": downsample(maps, KERNEL),
        "filt": by_hand(maps, KERNEL, 1, 2, 1, 1),
        "conv_up2": up_conv2d(maps, weight, KERNEL),
        "conv_down2": down_conv2d(maps, weight, KERNEL),
    }
    for name, value in ours.items():
        torch.testing.assert_close(
            value, GOLDEN[f"io.{name}"], rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("taps", [[1, 1], [1, 3, 3, 1], [1, 5, 10, 10, 5, 1]])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_equals_zero_insertion_and_a_full_filter(taps, layout):
    kernel, half = fir_kernel(taps), len(taps) // 2
    maps = torch.randn(2, 3, 8, 12).to(memory_format=layout)
    torch.testing.assert_close(upsample(maps, kernel), by_hand(maps, 4 * kernel, 2, half, half - 1, 1))
    torch.testing.assert_close(downsample(maps, kernel), by_hand(maps, kernel, 1, half - 1, half - 1, 2))
    torch.testing.assert_close(blur(maps, kernel, half, 1.5), by_hand(maps, 1.5 * kernel, 1, half, half, 1))


@pytest.mark.parametrize("name", OPERATIONS)
def test_first_and_second_derivatives_agree_with_finite_differences(name):
    operation = OPERATIONS[name]
    maps = torch.randn(1, 2, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: operation(values, KERNEL.double()), maps)
    assert torch.autograd.gradgradcheck(lambda values: operation(values, KERNEL.double()).square(), maps)


def test_refuses_what_is_no_filter():
    with pytest.raises(ValueError, match="must be symmetric"):
        fir_kernel([1, 2, 3])
    with pytest.raises(ValueError, match="not sum up to 0"):
        fir_kernel([-1, 2, -1])
