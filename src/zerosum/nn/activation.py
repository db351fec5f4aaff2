"""The activation of dense networks whose gradient is itself penalised."""

from typing import Any

import torch
from torch import Tensor, nn


class _LeakyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, slope: float) -> Tensor:
        result = torch.nn.functional.leaky_relu(values, slope)
        ctx.save_for_backward(result)
        ctx.slope = slope
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (result,) = ctx.saved_tensors
        # Detached: the second derivative is 0, so a second backward pass need not go down the forward pass.
        return torch.ops.aten.leaky_relu_backward(gradient, result.detach(), ctx.slope, True), None


class LeakyReLU(nn.Module):
    """max(x, slope x), with a second derivative known to be zero.

    When a gradient penalty is differentiated, torch's own sends zeros back through the whole network, a third of all the
    work; this one stops them. Between convolutions it saves nothing, for torch's convolutions send zeros of their own.
    Parameters that the penalty does not depend on (biases) get no gradient from it, where torch gives zeros.

    Args:
        slope: for negative values, in [0, 1); 0 is ReLU.
    """

    def __init__(self, slope: float = 0.0) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, values: Tensor) -> Tensor:
        """Any shape."""
        result: Tensor = _LeakyReLU.apply(values, self.slope)  # type: ignore[no-untyped-call]
        return result
