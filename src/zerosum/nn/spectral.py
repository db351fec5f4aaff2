"""Spectral norm: every weight divided by its largest singular value (Miyato et al. 2018, eq. 8), found by power iteration."""

from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrize import register_parametrization

Init = Literal["orthogonal", "normal", "xavier"]
Layer = TypeVar("Layer", bound=nn.Module)


class SpectralNorm(nn.Module):
    """W / sigma(W), sigma by one power iteration a pass: v = W' u / |W' u|, then u = W v / |W v|, sigma = u' W v = |W v|.

    In training mode u is kept for the next pass; in evaluation mode the pass starts from the u that was kept and keeps nothing,
    so that the same weights always give the same result. The gradient is that of u' W v with u and v fixed.

    A frozen layer in evaluation mode computes its weight once, and again only when it or u has been written to.

    Args:
        outputs: rows of W, all but the first dimension flattened.
        eps: norms are at least this.
    """

    u: Tensor
    """The first left singular vector, `[outputs]`."""

    def __init__(self, outputs: int, eps: float = 1e-12) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("u", normalize(torch.randn(outputs), dim=0))
        self._kept: tuple[tuple[object, ...], Tensor] | None = None

    def forward(self, weight: Tensor) -> Tensor:
        """The weight `[outputs, ...]`, normalised."""
        if self.training or weight.requires_grad or torch.compiler.is_compiling():
            self._kept = None
            return self._normalised(weight)
        state = (weight._version, self.u._version, weight.device, weight.dtype)
        if self._kept is None or self._kept[0] != state:
            # Not in inference mode, whose tensors could not take part in a later graph.
            with torch.inference_mode(False), torch.no_grad():
                self._kept = (state, self._normalised(weight))
        return self._kept[1]

    def _normalised(self, weight: Tensor) -> Tensor:
        matrix = as_matrix(weight)
        with torch.no_grad():
            v = normalize(torch.mv(matrix.t(), self.u), dim=0, eps=self.eps)
        image = torch.mv(matrix, v)
        with torch.no_grad():
            u = normalize(image, dim=0, eps=self.eps)
            if self.training:
                self.u.copy_(u)
        return weight / torch.dot(u, image)


def as_matrix(weight: Tensor) -> Tensor:
    """A weight `[outputs, ...]` as `[outputs, inputs]`, the inputs in the order in which they lie in memory: no copy."""
    if weight.dim() == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        weight = weight.permute(0, 2, 3, 1)
    return weight.flatten(1)


def spectral(layer: Layer, eps: float = 1e-12) -> Layer:
    """The layer with its weight spectrally normalised; its parameter becomes `parametrizations.weight.original`."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    register_parametrization(layer, "weight", SpectralNorm(len(weight), eps), unsafe=True)
    return layer


def initialised(layer: Layer, init: Init) -> Layer:
    """The layer with new weights; biases stay as torch makes them."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    if init == "orthogonal":
        nn.init.orthogonal_(weight)
    elif init == "normal":
        nn.init.normal_(weight, 0, 0.02)
    else:
        nn.init.xavier_uniform_(weight)
    return layer


def normalised(layer: Layer, init: Init, eps: float) -> Layer:
    """The layer with new weights, spectrally normalised."""
    return spectral(initialised(layer, init), eps)
