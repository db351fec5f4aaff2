"""What a frozen feature network is to its users: pixels in, features out, and where both come from."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

UINT8_HINT = "images in [-1, 1] become pixels by ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)"


@dataclass(frozen=True)
class Provenance:
    """What every figure that a feature network gives must carry with it."""

    name: str
    sha256: str
    """Of the weights' file; of a user's own function, of its source file and weights."""
    source: str
    """Where the weights come from."""
    licence: str
    """Of the weights."""
    resize: str
    """How images come to the network's resolution, in words."""
    resolution: int | None = None
    """Height and width of what the network sees, in pixels; None: the images' own."""
    width: int | None = None
    """D, the number of features; None: whatever the user's network gives."""
    runtime: str = "torch"
    """What runs the network: torch, or onnxruntime with its version; features differ by rounding."""


@dataclass(frozen=True)
class FeatureNetwork:
    """A frozen network that judges images by their features."""

    provenance: Provenance
    embed: Callable[[Tensor], Tensor] = field(repr=False)
    """Pixels uint8 `[n, C, H, W]` with C 1 or 3, on `device`, to features `[n, D]`; resizes and normalises by itself."""
    logits: Callable[[Tensor], Tensor] | None = field(default=None, repr=False)
    """Features `[N, D]` to logits `[N, K]` over ImageNet's classes, on the CPU; None where the network has none."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    embed_unrounded: Callable[[Tensor], Tensor] | None = field(default=None, repr=False)
    """As `embed`, by torch, of pixels that are not rounded, float32 in 0..255; None where the network takes none."""

    def __call__(self, pixels: Tensor, batch: int = 16) -> Tensor:
        """Features float32 `[N, D]`, on the CPU, of pixels uint8 `[N, C, H, W]` in 0..255 with C 1 (grey) or 3 (RGB).

        They do not depend on `batch`, the number of images worked off at once, beyond rounding.

        Raises:
            ValueError: other pixels; a user's network that fails on them or gives other than finite floats `[n, D]`.
        """
        check_pixels(pixels)
        return self._embedded(self.embed, pixels, batch)

    def unrounded(self, pixels: Tensor, batch: int = 16) -> Tensor:
        """Features float32 `[N, D]` of pixels float32 `[N, C, H, W]` in 0..255 that were not rounded: smooth in the pixels.

        Raises:
            ValueError: the network takes rounded pixels only; or as a call.
        """
        if self.embed_unrounded is None:
            raise ValueError(f"{self.provenance.name} takes rounded pixels only; for unrounded ones choose lite0 or inception")
        check_shape(pixels)
        return self._embedded(self.embed_unrounded, pixels, batch)

    def _embedded(self, embed: Callable[[Tensor], Tensor], pixels: Tensor, batch: int) -> Tensor:
        with torch.no_grad():
            parts = [self._checked(embed, part.to(self.device)) for part in torch.split(pixels, batch)]
        return torch.cat(parts)

    def _checked(self, embed: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
        features, name = embed(pixels), self.provenance.name
        if (
            not isinstance(features, Tensor)
            or not features.is_floating_point()
            or features.ndim != 2
            or len(features) != len(pixels)
        ):
            found = f"{features.dtype} {list(features.shape)}" if isinstance(features, Tensor) else type(features).__name__
            raise ValueError(f"{name} must return float features [{len(pixels)}, D] for {len(pixels)} images, not {found}")
        if not features.isfinite().all():
            raise ValueError(f"{name} returned features that are not finite; it is given uint8 pixels in 0..255")
        return features.float().cpu()


def check_pixels(pixels: Tensor) -> None:
    """Refuse what is not uint8 `[N, 1 or 3, H, W]` with N > 0.

    Raises:
        ValueError: saying what was given and how to make pixels of it.
    """
    if pixels.dtype != torch.uint8:
        raise ValueError(f"a feature network takes uint8 pixels in 0..255, not {pixels.dtype}: {UINT8_HINT}")
    check_shape(pixels)


def check_shape(pixels: Tensor) -> None:
    """Refuse what is not `[N, 1 or 3, H, W]` with N > 0.

    Raises:
        ValueError: saying what was given.
    """
    shape = list(pixels.shape)
    if len(shape) == 4 and shape[1] not in (1, 3) and shape[3] in (1, 3):
        raise ValueError(f"pixels must be [N, C, H, W], not {shape}: channels come second, so permute(0, 3, 1, 2) first")
    if len(shape) != 4 or shape[1] not in (1, 3) or 0 in shape:
        raise ValueError(f"pixels must be [N, C, H, W] with C 1 (grey) or 3 (RGB) and N, H, W above 0, not {shape}")


def as_rgb(images: Tensor) -> Tensor:
    """Images `[N, 1 or 3, H, W]` as `[N, 3, H, W]`, grey in all three channels."""
    return images.expand(-1, 3, -1, -1)
