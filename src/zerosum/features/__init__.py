"""Frozen feature networks that judge images: loaded by name, pinned by checksum, fast on a CPU."""

import difflib
from pathlib import Path

import torch

from zerosum.features.custom import load_function, load_onnx, load_torchscript
from zerosum.features.inception import load_inception
from zerosum.features.lite0 import RESOLUTION, load_lite0
from zerosum.features.network import FeatureNetwork, Provenance
from zerosum.features.runtime import Runtime

CHOICES = ("lite0", "lite0@RESOLUTION", "inception", "inception:PATH", "FILE.pt", "FILE.torchscript", "FILE.onnx")


def load(name: str, device: str | torch.device = "cpu", runtime: Runtime = "auto") -> FeatureNetwork:
    """The feature network of that name.

    Args:
        name: lite0 (EfficientNet-Lite0 at 96 pixels), lite0@224 (at another resolution), inception (the FID Inception, fetched
            on first use), inception:PATH (its weights' file), a file ending in .pt, .torchscript or .onnx, or
            package.module:function of your own that returns a network.
        device: where it computes (an .onnx file always on the CPU); features come back on the CPU.
        runtime: what runs lite0 and inception. auto: ONNX Runtime on a CPU where it is installed, else torch; torch; onnx: ONNX
            Runtime or an error. Features differ by rounding, and the provenance names it.

    Raises:
        ValueError: an unknown name, damaged weights, or a network that cannot be used.
        FileNotFoundError: a file that is not there, or could not be fetched.
        ImportError: a missing package, with the line that installs it.
    """
    device = torch.device(device)
    kind, at, size = name.partition("@")
    if kind == "lite0" and (size.isdecimal() or not at):
        return load_lite0(int(size or RESOLUTION), device, runtime)
    kind, colon, rest = name.partition(":")
    if kind == "inception" and (rest or not colon):
        return load_inception(Path(rest).expanduser() if rest else None, device, runtime)
    if runtime != "auto":
        raise ValueError(f"the runtime {runtime} is a choice for lite0 and inception only, not for {name}: leave it out")
    path = Path(name).expanduser()
    if path.suffix in (".pt", ".torchscript"):
        return load_torchscript(path, device)
    if path.suffix == ".onnx":
        return load_onnx(path)
    if kind and rest:
        return load_function(name, device)
    near = difflib.get_close_matches(kind.partition("@")[0], ("lite0", "inception"), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"unknown feature network {name!r}: {hint}The choices are {', '.join(CHOICES)}, package.module:function")


__all__ = ["FeatureNetwork", "Provenance", "Runtime", "load"]
