"""The activation of dense networks whose gradient is itself penalised."""

from torch import Tensor, nn


class LeakyReLU(nn.Module):
    """max(x, slope x), as a product with a slope that is constant for autograd.

    When a gradient penalty is differentiated, torch's own sends zeros, its second derivative, back through the whole network, a
    third of all the work; here nothing is sent. Between convolutions it saves nothing, for they send zeros of their own.
    Parameters that the penalty does not depend on (biases) get no gradient from it, where torch gives zeros.

    Args:
        slope: for negative values, in [0, 1); 0 is ReLU.
    """

    def __init__(self, slope: float = 0.0) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, values: Tensor) -> Tensor:
        """Any shape."""
        return values * values.detach().sign().clamp_(min=self.slope)
