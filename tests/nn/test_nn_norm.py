"""Conditional batch norm."""

import torch
from torch import nn

from zerosum.nn.norm import ConditionalBatchNorm2d, standing_statistics


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


def test_evaluation_is_one_product_with_the_same_result() -> None:
    norm, maps, label = ConditionalBatchNorm2d(3, 4), torch.randn(6, 3, 5, 5), torch.randn(6, 4)
    nn.init.normal_(norm.gain.weight)
    nn.init.normal_(norm.bias.weight)
    for _ in range(3):
        norm(maps * 2 + 1, label)
    norm.eval()
    expected = norm.norm(maps) * (1 + norm.gain(label))[:, :, None, None] + norm.bias(label)[:, :, None, None]
    torch.testing.assert_close(norm(maps, label), expected)


def test_standing_statistics_are_means_over_the_batches_that_pass() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5), nn.BatchNorm2d(3)).eval()
    network[0](torch.randn(4, 3, 2, 2) * 100)
    batches = [torch.randn(4, 3, 5, 5) * scale + scale for scale in (1, 2, 5)]
    with standing_statistics(network):
        assert not network[1].training
        for batch in batches:
            network(batch)
    mean = torch.stack([batch.mean((0, 2, 3)) for batch in batches]).mean(0)
    variance = torch.stack([batch.var((0, 2, 3)) for batch in batches]).mean(0)
    torch.testing.assert_close(network[0].running_mean, mean)
    torch.testing.assert_close(network[0].running_var, variance)
    assert not any(module.training for module in network)
    assert network[0].momentum == 0.1
