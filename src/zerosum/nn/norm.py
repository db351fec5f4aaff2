"""Normalisation that depends on a condition or a style, and batch statistics estimated anew."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class ConditionalBatchNorm2d(nn.Module):
    """Batch norm whose gain and bias depend on the label (Dumoulin et al. 2017; Miyato & Koyama 2018).

    gain = 1 + A label and bias = B label, with A and B zero at first. For one-hot labels that is a gain and a bias per class.

    Args:
        channels: of the maps.
        label_width: L, the length of one label, or of whatever else is the condition.
        prepare: is given each of A and B and returns it initialised in another way, spectrally normalised ...
        eps: added to the variance.
    """

    def __init__(
        self,
        channels: int,
        label_width: int,
        prepare: Callable[[nn.Linear], nn.Linear] | None = None,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        prepare = prepare or _zero
        self.norm = nn.BatchNorm2d(channels, eps, affine=False)
        self.gain = prepare(nn.Linear(label_width, channels, bias=False))
        self.bias = prepare(nn.Linear(label_width, channels, bias=False))

    def forward(self, maps: Tensor, label: Tensor) -> Tensor:
        """Maps `[N, C, H, W]` and labels `[N, L]` -> maps `[N, C, H, W]`."""
        gain, bias = 1 + self.gain(label), self.bias(label)
        if self.norm.training:
            maps = self.norm(maps)
        else:  # the same in one product: (x - mean) / std gain + bias
            assert self.norm.running_mean is not None
            assert self.norm.running_var is not None
            gain = gain * (self.norm.running_var + self.norm.eps).rsqrt()
            bias = bias - gain * self.norm.running_mean
        return torch.addcmul(bias[:, :, None, None], gain[:, :, None, None], maps)


def _zero(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    return layer


@contextmanager
def standing_statistics(network: nn.Module) -> Iterator[None]:
    """While it lasts, batch norms' statistics are estimated anew: means over the batches that pass (Brock et al. 2019, sec. 4).

    Those that training leaves belong to the weights of many steps, not to these, and still less to their average.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [(norm.training, norm.momentum) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the cumulative mean
        norm.train()
    try:
        yield
    finally:
        for norm, (training, momentum) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.train(training)


def adaptive_instance_norm(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """AdaIN: every map of every sample normalised to mean 0 and variance 1, then scaled and shifted (Huang & Belongie 2017).

    Args:
        maps: `[N, C, H, W]`.
        scale, shift: `[N, C]`.
    """
    variance, mean = torch.var_mean(maps, (2, 3), correction=0)
    gain = scale * (variance + 1e-8).rsqrt()
    return torch.addcmul((shift - mean * gain)[:, :, None, None], maps, gain[:, :, None, None])
