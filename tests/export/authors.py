"""Checkpoints as the authors' own code writes them, of golden weights: real pickles with stand-ins under the right names."""

import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

GOLDEN = Path(__file__).parents[1] / "golden"


def golden(name: str) -> dict[str, Tensor]:
    """All tensors of a golden file."""
    return load_file(GOLDEN / f"{name}.safetensors")


def weights(name: str, player: str) -> dict[str, Tensor]:
    """One player's weights under the authors' names."""
    prefix = f"weights.{player}."
    return {key.removeprefix(prefix): value for key, value in golden(name).items() if key.startswith(prefix)}


def never(*_: Any, **__: Any) -> Any:
    raise AssertionError("code of the pickle was run")


def reconstruct(meta: dict[str, Any]) -> Any:
    """Stands under the name of NVIDIA's function while a pickle is written."""
    return never(meta)


class Persistent(nn.Module):
    """Pickles itself as NVIDIA's persistent classes do: by source, class name and state."""

    kind = "Layer"

    def __reduce__(self) -> Any:
        source = "raise SystemExit('code of the pickle was run')"
        return reconstruct, (
            {"type": "class", "version": 6, "module_src": source, "class_name": self.kind, "state": vars(self)},
        )


class EasyDict(dict):
    """Stands for dnnlib's."""


class Plain(nn.Module):
    """Pickles itself as any module does: by the name of its class."""


NAMES: dict[Any, tuple[str, str]] = {
    reconstruct: ("torch_utils.persistence", "_reconstruct_persistent_obj"),
    EasyDict: ("dnnlib.util", "EasyDict"),
    Plain: ("R3GAN.Networks", "ResidualBlock"),
}


@contextmanager
def under_their_names() -> Iterator[None]:
    """While it lasts, the stand-ins can be pickled under the authors' names; afterwards these cannot be imported."""
    before = {thing: (thing.__module__, thing.__name__, thing.__qualname__) for thing in NAMES}
    made: list[str] = []
    for thing, (module, name) in NAMES.items():
        thing.__module__, thing.__name__, thing.__qualname__ = module, name, name
        for part in (module.partition(".")[0], module):
            if part not in sys.modules:
                sys.modules[part] = ModuleType(part)
                made.append(part)
        setattr(sys.modules[module], name, thing)
    try:
        yield
    finally:
        for thing, names in before.items():
            thing.__module__, thing.__name__, thing.__qualname__ = names
        for part in made:
            del sys.modules[part]


def module_of(tensors: Mapping[str, Tensor], kind: Callable[[], nn.Module], buffers: tuple[str, ...]) -> nn.Module:
    """A tree of modules that holds these tensors under their names; those that end in `buffers` are buffers."""
    root = kind()
    for name, value in tensors.items():
        *path, last = name.split(".")
        layer = root
        for part in path:
            if part not in layer._modules:
                layer.add_module(part, kind())
            layer = layer._modules[part]  # type: ignore[assignment]
        if last in buffers:
            layer.register_buffer(last, value.clone())
        else:
            layer.register_parameter(last, nn.Parameter(value.clone()))
    return root


STYLEGAN_BUFFERS = ("resample_filter", "noise_const", "w_avg")


def nvidia_pickle(path: Path, clamp: float | None = None, protocol: int = pickle.DEFAULT_PROTOCOL, **changes: Any) -> Path:
    """A `network-snapshot-*.pkl` of StyleGAN2 with the golden weights."""
    networks = {}
    for player in "GD":
        network = module_of(weights("stylegan2", player), Persistent, STYLEGAN_BUFFERS)
        network._init_args, network._init_kwargs = (), EasyDict(z_dim=32, synthesis_kwargs=EasyDict(num_fp16_res=4))
        for name, layer in network.named_modules():
            if ".conv" in name and name.endswith(("conv0", "conv1")):
                layer.conv_clamp, layer.activation = clamp, "lrelu"
                if player == "G":
                    layer.use_noise = True
            if name.startswith("mapping.fc"):
                layer.activation, layer.bias_gain = "lrelu", 0.01
            for attribute, value in changes.items():
                if hasattr(layer, attribute):
                    setattr(layer, attribute, value)
        networks[player] = network
    networks["D"].b4.mbstd = Persistent()
    networks["D"].b4.mbstd.group_size = 4
    value = {**networks, "G_ema": networks["G"], "augment_pipe": None, "training_set_kwargs": EasyDict(path="faces.zip")}
    with under_their_names():
        path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


def r3gan_pickle(path: Path) -> Path:
    """A snapshot of R3GAN's training with the golden weights."""
    networks = {}
    for player in "GD":
        inside = {f"Model.{name}": value for name, value in weights("r3gan", player).items()}
        networks[player] = module_of(inside, Plain, ("Kernel",))
        networks[player].Model.MainLayers._modules["2"].DataType = torch.bfloat16
    with under_their_names():
        path.write_bytes(pickle.dumps({**networks, "G_ema": networks["G"], "augment_pipe": None}))
    return path


def state_dicts(name: str, folder: Path, prefix: str = "") -> tuple[Path, Path]:
    """Generator and discriminator as state dicts in two files."""
    paths = folder / "G.pth", folder / "D.pth"
    for path, player in zip(paths, "GD", strict=True):
        torch.save({prefix + key: value for key, value in weights(name, player).items()}, path)
    return paths
