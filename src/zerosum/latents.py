"""What a generator's latents are: noise as it came (z) or mapped from it (w), one for all layers or one for each."""

import re
from dataclasses import dataclass
from math import isfinite

import torch

from zerosum.game import GAN, HasLatents
from zerosum.noise import Distribution, KeptNoise, SeededNoise


@dataclass(frozen=True)
class LatentSpace:
    """What the latents of a generator are."""

    shape: tuple[int, ...]
    """Of one latent: (L,), or (layers, L) where each layer of the generator takes one of its own."""
    distribution: Distribution | None
    """From which latents are drawn as they are (z); None: they are mapped from noise (w)."""

    @property
    def num_layers(self) -> int:
        """Latents of one sample that can be set apart; 1 if all layers share one."""
        return self.shape[0] if len(self.shape) == 2 else 1


def check_truncation(space: LatentSpace, truncation: float, layers: int | None) -> None:
    """Refuse what these latents cannot be truncated to.

    Raises:
        ValueError: naming the value and what is allowed.
    """
    mapped = space.distribution is None
    if not isfinite(truncation) or truncation < 0 or (truncation == 0 and not mapped):
        allowed = "0 (the mean) to 1 (all of the way), or more" if mapped else "above 0: the largest absolute value of z"
        raise ValueError(f"truncation must be {allowed}, not {truncation:g}")
    if layers is not None and len(space.shape) == 1:
        raise ValueError("this generator takes one latent for all its layers: leave truncation_layers out")
    if layers is not None and not 1 <= layers <= space.num_layers:
        raise ValueError(f"truncation_layers must be from 1 to {space.num_layers}, the layers of this generator, not {layers}")


def space_of(gan: HasLatents, device: torch.device | str = "cpu") -> LatentSpace:
    """What a generator's latents are, seen from how it makes those of one sample: noise as it came, or mapped."""
    noise = KeptNoise(SeededNoise([0], device))
    shapes = gan.shapes if isinstance(gan, GAN) else {}
    given = {"label": torch.zeros(1, *shapes["label"], device=device)} if "label" in getattr(gan, "given", ()) else {}
    with torch.no_grad():
        latents = gan.latents(given, noise)
    kinds = {kind for kind, _ in noise.drawn}
    values = torch.cat([drawn.flatten() for _, drawn in noise.drawn]) if noise.drawn else torch.zeros(0)
    as_drawn = len(kinds) == 1 and torch.equal(values, latents.flatten().to(values))
    return LatentSpace(tuple(latents.shape[1:]), kinds.pop() if as_drawn else None)


def read_layers(text: str, num_layers: int) -> range:
    """Layers by name or number: "coarse", "middle", "fine", "all", "3", "0-3".

    As in Karras et al. 2019, sec. 3.1, two layers a resolution: coarse is 4 and 8 pixels (layers 0-3), middle 16 and 32 (4-7),
    fine all above. A generator with no more than 8 layers is cut into thirds instead.

    Raises:
        ValueError: something else, or out of range.
    """
    ends = (4, 8) if num_layers > 8 else (-(-num_layers // 3), -(-2 * num_layers // 3))
    names = {
        "coarse": range(ends[0]),
        "middle": range(*ends),
        "fine": range(ends[1], num_layers),
        "all": range(num_layers),
    }
    if text in names:
        return names[text]
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if not found:
        raise ValueError(f"layers {text!r}: write coarse, middle, fine, all, or a range of 0-{num_layers - 1} such as 0-3")
    first, last = int(found[1]), int(found[2] or found[1])
    if not first <= last < num_layers:
        raise ValueError(f"layers {text!r} are out of range: this generator has layers 0-{num_layers - 1}")
    return range(first, last + 1)
