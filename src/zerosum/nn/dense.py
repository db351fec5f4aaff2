"""Fully connected networks of (leaky) ReLUs, as in WGAN-GP's code: He-uniform weights, the last Xavier-uniform, zero biases."""

from collections.abc import Iterator
from math import prod

from torch import Tensor, nn

from zerosum.nn.activation import LeakyReLU
from zerosum.nn.minibatch import MinibatchKind, minibatch_layer


class DenseGenerator(nn.Module):
    """ReLU layers, then tanh for images or nothing for points.

    Args:
        shape: of one example: (C, H, W), or (2,) for points.
    """

    def __init__(self, latent: int, shape: tuple[int, ...], width: int, hidden_layers: int) -> None:
        super().__init__()
        self.shape = shape
        hidden = _hidden(latent, width, hidden_layers, nn.ReLU(inplace=True))
        self.layers = nn.Sequential(*hidden, _last(width, prod(shape)))

    def forward(self, latent: Tensor) -> Tensor:
        """`[N, latent]` -> images `[N, C, H, W]` in [-1, 1], or points `[N, 2]`."""
        outputs: Tensor = self.layers(latent).unflatten(1, self.shape)
        return outputs.tanh() if len(self.shape) == 3 else outputs

    def latent_weights(self) -> Tensor:
        """Those of the first layer, `[outputs, latent]`."""
        return self.layers[0].get_parameter("weight")


class DenseCritic(nn.Module):
    """Leaky ReLU layers, then a score.

    Args:
        shape: of one example.
        slope: of the units for negative values; 0 is ReLU.
        minibatch: what the last layer sees of the batch.
    """

    def __init__(
        self, shape: tuple[int, ...], width: int, hidden_layers: int, slope: float = 0.2, minibatch: MinibatchKind = "none"
    ) -> None:
        super().__init__()
        seen = minibatch_layer(minibatch, width)
        hidden, last = _hidden(prod(shape), width, hidden_layers, LeakyReLU(slope)), _last(width + seen.extra_channels, 1)
        self.layers = nn.Sequential(nn.Flatten(), *hidden, seen, last)

    def forward(self, examples: Tensor) -> Tensor:
        """`[N, *shape]` -> scores `[N]`."""
        scores: Tensor = self.layers(examples).squeeze(1)
        return scores


def _hidden(inputs: int, width: int, num_layers: int, activation: nn.Module) -> Iterator[nn.Module]:
    for layer in range(num_layers):
        linear = nn.Linear(width if layer else inputs, width)
        nn.init.kaiming_uniform_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        yield from (linear, activation)


def _last(width: int, outputs: int) -> nn.Linear:
    linear = nn.Linear(width, outputs)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
