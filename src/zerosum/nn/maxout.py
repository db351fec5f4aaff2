"""The layers of the first GANs: maxout, and linear layers with weights drawn from a range."""

from torch import Tensor, nn


class Maxout(nn.Module):
    """The largest of several linear functions, unit by unit (Goodfellow et al. 2013, eq. 1)."""

    def __init__(self, inputs: int, units: int, pieces: int, weight_range: float | None = None) -> None:
        super().__init__()
        self.linear = ranged_linear(inputs, units * pieces, weight_range)
        self.units = units

    def forward(self, inputs: Tensor) -> Tensor:
        """`[N, inputs]` -> `[N, units]`."""
        pieces: Tensor = self.linear(inputs).reshape(inputs.shape[0], self.units, -1)
        return pieces.amax(2)


def ranged_linear(inputs: int, outputs: int, weight_range: float | None = None) -> nn.Linear:
    """A linear layer with weights uniform in +-weight_range and biases 0; None: torch's own initial values."""
    layer = nn.Linear(inputs, outputs)
    if weight_range is not None:
        nn.init.uniform_(layer.weight, -weight_range, weight_range)
        nn.init.zeros_(layer.bias)
    return layer
