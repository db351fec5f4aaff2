"""Normalisation that depends on a condition or a style."""

import torch
from torch import Tensor, nn


class ConditionalBatchNorm2d(nn.Module):
    """Batch norm whose gain and bias depend on the label (Dumoulin et al. 2017; Miyato & Koyama 2018).

    gain = 1 + A label and bias = B label, with A and B zero at first. For one-hot labels that is a gain and a bias per class.

    Args:
        channels: of the maps.
        label_width: L, the length of one label.
    """

    def __init__(self, channels: int, label_width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Linear(label_width, channels, bias=False)
        self.bias = nn.Linear(label_width, channels, bias=False)
        nn.init.zeros_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, maps: Tensor, label: Tensor) -> Tensor:
        """Maps `[N, C, H, W]` and labels `[N, L]` -> maps `[N, C, H, W]`."""
        gain, bias = 1 + self.gain(label), self.bias(label)
        return torch.addcmul(bias[:, :, None, None], gain[:, :, None, None], self.norm(maps))


def adaptive_instance_norm(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """AdaIN: every map of every sample normalised to mean 0 and variance 1, then scaled and shifted (Huang & Belongie 2017).

    Args:
        maps: `[N, C, H, W]`.
        scale, shift: `[N, C]`.
    """
    variance, mean = torch.var_mean(maps, (2, 3), correction=0)
    gain = scale * (variance + 1e-8).rsqrt()
    return torch.addcmul((shift - mean * gain)[:, :, None, None], maps, gain[:, :, None, None])
