"""Feature networks of the user's own: a TorchScript file, an ONNX file, or a function that builds one.

Each is given the pixels as they are, uint8 `[n, 3, H, W]` in 0..255 with grey in all three channels, and must return float
features `[n, D]`: resizing and normalising are its own business.
"""

import importlib
import inspect
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zerosum.caches import digest_state
from zerosum.features.network import FeatureNetwork, Provenance, as_rgb
from zerosum.features.weights import sha256_of

Embed = Callable[[Tensor], Tensor]


def load_torchscript(path: Path, device: torch.device) -> FeatureNetwork:
    """The network in a TorchScript file.

    Raises:
        FileNotFoundError: nothing lies at the path.
        ValueError: it is no TorchScript.
    """
    check_file(path)
    try:
        network = torch.jit.load(path, map_location=device).eval()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"{path} is not a TorchScript file ({reason}); write one with torch.jit.trace(...).save(...)"
        ) from None
    return of_user(str(path), sha256_of(path), network, device, "torch")


def load_onnx(path: Path) -> FeatureNetwork:
    """The network in an ONNX file of one input, uint8 or float32, whose first output is the features.

    A float32 input is given the same values 0..255. It runs on the CPU.

    Raises:
        FileNotFoundError: nothing lies at the path.
        ImportError: onnxruntime is missing.
        ValueError: it is no ONNX file, or takes other than one input of pixels.
    """
    check_file(path)
    try:
        runtime: Any = importlib.import_module("onnxruntime")
    except ImportError:
        raise ImportError("a feature network in an .onnx file needs onnxruntime: pip install onnxruntime") from None
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its classes of errors are not public
        raise ValueError(f"{path} is not an ONNX file that onnxruntime can run: {error}") from None
    types = {"tensor(uint8)": torch.uint8, "tensor(float)": torch.float32}
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in types:
        found = ", ".join(f"{put.name}: {put.type}" for put in inputs)
        raise ValueError(f"{path} must take one input, uint8 or float32 pixels [N, 3, H, W], not {found}")
    name, dtype = inputs[0].name, types[inputs[0].type]

    def embed(pixels: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {name: pixels.to(dtype).numpy()})[0])

    return of_user(str(path), sha256_of(path), embed, torch.device("cpu"), f"onnxruntime {runtime.__version__}")


def load_function(spec: str, device: torch.device) -> FeatureNetwork:
    """What the user's `package.module:function` returns when called: a module or another callable.

    Raises:
        ValueError: it cannot be imported, is no function, or returns nothing that can be called.
    """
    module_name, _, name = spec.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ValueError(f"feature network {spec!r}: no module {module_name!r} can be imported from here") from None
    build = getattr(module, name, None)
    if not callable(build):
        raise ValueError(f"feature network {spec!r}: {module_name} has no function {name!r}")
    network = build()
    if not callable(network):
        raise ValueError(f"feature network {spec!r}: {name}() must return a callable of pixels, not {type(network).__name__}")
    digest = sha256(Path(inspect.getfile(module)).read_bytes())
    if isinstance(network, nn.Module):
        network = network.to(device).eval().requires_grad_(False)
        digest.update(digest_state(network.state_dict()))
    return of_user(spec, digest.hexdigest(), network, device, "its own")


def of_user(name: str, digest: str, network: Embed, device: torch.device, runtime: str) -> FeatureNetwork:
    """A feature network whose provenance is what its user says of it elsewhere."""

    def embed(pixels: Tensor) -> Tensor:
        try:
            return network(as_rgb(pixels))
        except Exception as error:
            raise ValueError(f"{name} failed on uint8 pixels {[len(pixels), 3, *pixels.shape[2:]]}: {error}") from error

    provenance = Provenance(name, digest, source=name, licence="the user's own", resize="its own", runtime=runtime)
    return FeatureNetwork(provenance, embed, device=device)


def check_file(path: Path) -> None:
    """Refuse a path at which no file lies.

    Raises:
        FileNotFoundError: naming it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no feature network at {path}")
