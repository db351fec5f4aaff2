"""The mapping network of style-based GANs, and how its styles are truncated and mixed."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from zerosum.nn.equalised import EqualisedLinear, normalise


class MappingNetwork(nn.Module):
    """From a normalised latent, beside an embedded label, to a style w (Karras et al. 2019, sec. 2; 2020).

    Args:
        latent: size of the latent z; 0: the label alone is mapped.
        label_width: L, the length of one label; 0 for none.
        style: size of w.
        num_layers: each with a leaky ReLU.
        rate: learning rate as a multiple of the network's.
        decay: of the mean w after every `track`; None: no mean is kept.
    """

    w_avg: Tensor
    """The moving mean of w, `[style]`."""

    def __init__(
        self,
        latent: int,
        label_width: int,
        style: int,
        num_layers: int = 8,
        rate: float = 0.01,
        decay: float | None = None,
    ) -> None:
        super().__init__()
        self.decay = decay
        self.embed = EqualisedLinear(label_width, style) if label_width else None
        sizes = [latent + (style if label_width else 0), *[style] * num_layers]
        self.layers = nn.Sequential(*(EqualisedLinear(*pair, rate=rate, activate=True) for pair in pairwise(sizes)))
        if decay is not None:
            self.register_buffer("w_avg", torch.zeros(style))

    def forward(self, latent: Tensor | None, label: Tensor | None = None) -> Tensor:
        """Latents `[N, latent]` and labels `[N, L]`, whichever there are -> styles `[N, style]`."""
        parts = [] if latent is None else [normalise(latent)]
        if self.embed is not None:
            parts.append(normalise(self.embed(label)))
        styles: Tensor = self.layers(torch.cat(parts, 1))
        return styles

    @torch.no_grad()
    def track(self, styles: Tensor) -> None:
        """Move the mean w towards that of a batch `[N, style]`."""
        assert self.decay is not None, "this mapping keeps no mean"
        self.w_avg.lerp_(styles.detach().mean(0).to(self.w_avg.dtype), 1 - self.decay)


def truncate_styles(styles: Tensor, mean: Tensor, share: float, layers: int | None = None) -> Tensor:
    """Styles `[N, layers, W]` at a share of their way from the mean `[W]`, in the first `layers` or all."""
    if layers is None:
        return torch.lerp(mean, styles, share)
    return torch.cat([torch.lerp(mean, styles[:, :layers], share), styles[:, layers:]], 1)


def mix_styles(first: Tensor, second: Tensor, probability: float) -> Tensor:
    """The first styles, and with that probability the second ones from a layer on that is drawn for the whole batch.

    Args:
        first, second: `[N, layers, W]` (Karras et al. 2019, sec. 3.1).
    """
    chance, cut = torch.rand(()).item(), int(torch.randint(1, first.shape[1], ()))
    return torch.cat([first[:, :cut], second[:, cut:]], 1) if chance < probability else first
