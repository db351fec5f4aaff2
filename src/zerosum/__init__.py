"""zerosum: generative adversarial networks. `zerosum.train("dcgan:cpu")`, `zerosum.load("runs/x").sample(64)`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zerosum.api import load, train
    from zerosum.gans import get_recipe
    from zerosum.recipe import Recipe
    from zerosum.sampling import Sampler

__all__ = ["Recipe", "Sampler", "get_recipe", "load", "train"]

_HOMES = {
    "Recipe": "zerosum.recipe",
    "Sampler": "zerosum.sampling",
    "get_recipe": "zerosum.gans",
    "load": "zerosum.api",
    "train": "zerosum.api",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `zerosum --help` need not import torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'zerosum' has no attribute {name!r}")
    import importlib

    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value
