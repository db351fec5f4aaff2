"""Conditional batch norm."""

import torch
from torch import nn

from zerosum.nn.norm import ConditionalBatchNorm2d


def test_starts_as_batch_norm_whatever_the_label() -> None:
    maps, label = torch.randn(8, 3, 4, 4), torch.randn(8, 5)
    torch.testing.assert_close(ConditionalBatchNorm2d(3, 5)(maps, label), nn.BatchNorm2d(3)(maps))


def test_one_hot_labels_choose_a_gain_and_a_bias() -> None:
    norm, maps = ConditionalBatchNorm2d(3, 2), torch.randn(4, 3, 5, 5)
    gains, biases = torch.randn(2, 3), torch.randn(2, 3)
    with torch.no_grad():
        norm.gain.weight.copy_((gains - 1).T)
        norm.bias.weight.copy_(biases.T)
    classes = torch.tensor([0, 1, 1, 0])
    plain = nn.BatchNorm2d(3, affine=False)(maps)
    expected = plain * gains[classes][:, :, None, None] + biases[classes][:, :, None, None]
    torch.testing.assert_close(norm(maps, torch.eye(2)[classes]), expected)
