"""What families that make pictures larger share: the scale of their data, and the source enlarged to add to."""

from torch import Tensor
from torch.nn.functional import interpolate

from zerosum.game import Shapes


def read_shapes(shapes: Shapes) -> tuple[int, int, int]:
    """Channels, sides of targets and scale.

    Raises:
        ValueError: no sources and targets, or of sides whose ratio is not 1, 2 or 4.
    """
    if not {"source", "target"} <= set(shapes):
        raise ValueError(
            f"this family learns from pairs of source and target, but the data has only {', '.join(sorted(shapes))}: "
            "set data.kind photographs"
        )
    (_, small, _), (channels, resolution, _) = shapes["source"], shapes["target"]
    scale = resolution // small
    if scale not in (1, 2, 4) or small * scale != resolution:
        raise ValueError(f"targets of {resolution} pixels for sources of {small}: the scale must be 1, 2 or 4")
    return channels, resolution, scale


def enlarged(sources: Tensor, scale: int) -> Tensor:
    """Sources `[N, C, h, w]` as `[N, C, h * scale, w * scale]`, bicubic."""
    if scale == 1:
        return sources
    return interpolate(sources, [side * scale for side in sources.shape[2:]], mode="bicubic", antialias=True)
