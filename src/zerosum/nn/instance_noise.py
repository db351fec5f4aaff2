"""Instance noise: blurs both distributions until they overlap, so that the discriminator has a gradient to give."""

import torch
from torch import Tensor


def add_instance_noise(examples: Tensor, std: float, until: float, progress: float) -> Tensor:
    """Gaussian noise on what the discriminator sees, real and generated (Sonderby et al. 2017, sec. 2.3).

    Args:
        examples: `[N, ...]`.
        std: of the noise at the start of the run; it decays linearly.
        until: share of the run, in (0, 1], after which there is none: the examples come back as they are.
        progress: of the run, in [0, 1].
    """
    std *= max(0.0, 1 - progress / until)
    return examples + std * torch.randn_like(examples) if std else examples
