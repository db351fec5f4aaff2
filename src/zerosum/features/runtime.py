"""What runs the built-in networks on a CPU: ONNX Runtime where it is installed, which is faster, or torch, the reference.

A network is exported once for each version of both, and kept in the cache folder. Each time it is loaded it is compared with
torch, so that a figure may say which of them made it, and both make the same.
"""

import importlib
import logging
import os
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zerosum.caches import cache_folder

Runtime = Literal["auto", "torch", "onnx"]
Run = Callable[[Tensor], Tensor]
"""Images `[N, 3, R, R]` as the network sees them, to features `[N, D]`."""
PACKAGES = ("onnxruntime", "onnx")
TOLERANCE = 1e-4
"""Largest difference of a feature from torch's, over the largest feature."""

log = logging.getLogger("zerosum")


def choose(
    network: nn.Module, resolution: int, sha256: str, device: torch.device, runtime: Runtime = "auto"
) -> tuple[Run, str]:
    """What runs a frozen network of images `[N, 3, resolution, resolution]`, and its name for the provenance.

    Args:
        sha256: of the network's weights.
        runtime: auto: ONNX Runtime on a CPU where it is installed and agrees with torch.

    Raises:
        ImportError: "onnx", and a package is missing.
        ValueError: "onnx" on another device than a CPU, or it fails.
    """
    if runtime == "torch" or (runtime == "auto" and (device.type != "cpu" or missing())):
        return network, "torch"
    if device.type != "cpu":
        raise ValueError(f"the runtime onnx is for a CPU, not {device.type}: leave it out, or take torch")
    if missing():
        raise ImportError(f"the runtime onnx needs {' and '.join(missing())}: pip install {' '.join(missing())}")
    version: str = importlib.import_module("onnxruntime").__version__
    try:
        run = checked(network, resolution, kept_file(sha256, resolution, version))
    except Exception as error:  # of export, disk and session; the classes of the last are not public
        if runtime == "onnx":
            raise ValueError(f"onnxruntime {version} cannot run the network: {error}. Take the runtime torch") from error
        log.warning("features by torch, for onnxruntime %s cannot run the network: %s", version, error)
        return network, "torch"
    return run, f"onnxruntime {version}"


def missing() -> list[str]:
    """The packages that are not installed."""
    return [name for name in PACKAGES if find_spec(name) is None]


def kept_file(sha256: str, resolution: int, version: str) -> Path:
    """Where the exported network is kept."""
    name = f"{sha256[:16]}-{resolution}-torch{torch.__version__}-onnxruntime{version}.onnx"
    return cache_folder() / "networks" / name


def checked(network: nn.Module, resolution: int, file: Path) -> Run:
    """The network in the file, exported now if it is not there or damaged, after a comparison with torch.

    Raises:
        OSError: the file cannot be written.
        ValueError: their features differ.
    """
    try:
        run = open_session(file)
    except Exception:  # not there, or not whole: the runtime's classes of errors are not public
        export(network, resolution, file)
        run = open_session(file)
    images = torch.rand(2, 3, resolution, resolution, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        expected = network(images)
    difference = ((run(images) - expected).abs().max() / expected.abs().max()).item()
    if not difference <= TOLERANCE:
        raise ValueError(f"its features differ from torch's by {difference:.1g} of the largest, above {TOLERANCE:g}")
    return run


def export(network: nn.Module, resolution: int, file: Path) -> None:
    """Write the network as ONNX for any number of images, whole or not at all; torch's older exporter is ten times as fast.

    Raises:
        OSError: the file cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    new, number = file.with_name(f".{file.name}.{os.getpid()}.new"), {0: "number"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (torch.zeros(2, 3, resolution, resolution),),
                str(new),
                dynamo=False,
                input_names=["images"],
                output_names=["features"],
                dynamic_axes={"images": number, "features": number},
            )
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


def open_session(file: Path) -> Run:
    """The exported network, on as many threads as torch has now."""
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.contiguous().numpy()})[0])
