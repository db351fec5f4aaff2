import sys
from pathlib import Path

import pytest
import torch
from feature_inputs import random_pixels
from torch import Tensor, nn

from zerosum import features

MODULE = """
import torch
from torch import nn

class Means(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor({scale}))

    def forward(self, pixels):
        return pixels.float().mean((2, 3)) * self.scale

def build():
    return Means()

def plain():
    return lambda pixels: pixels.float().amax((2, 3))

def nothing():
    return None

def maps():
    return lambda pixels: pixels.float()

def infinite():
    return lambda pixels: pixels.float().mean((2, 3)) / 0

def fails():
    return nn.Linear(3, 2)

number = 3
"""


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """An importable module `mine` of the user's own."""
    (tmp_path / "mine.py").write_text(MODULE.format(scale=2.0))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    yield tmp_path / "mine.py"
    sys.modules.pop("mine", None)


class Means(nn.Module):
    """The mean of every channel."""

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels `[N, 3, H, W]` to `[N, 3]`."""
        return pixels.float().mean((2, 3))


def test_a_function_of_the_users(mine) -> None:
    pixels = random_pixels(5, 1, 9, 9)
    network = features.load("mine:build")
    torch.testing.assert_close(network(pixels, batch=2), pixels.float().mean((2, 3)).repeat(1, 3) * 2)
    assert torch.equal(features.load("mine:plain")(pixels), pixels.float().amax((2, 3)).repeat(1, 3))
    assert (network.provenance.name, network.provenance.width, network.logits) == ("mine:build", None, None)


def test_its_checksum_follows_weights_and_source(mine) -> None:
    first = features.load("mine:build").provenance.sha256
    assert features.load("mine:build").provenance.sha256 == first
    mine.write_text(MODULE.format(scale=3.0) + "# other\n")
    assert features.load("mine:build").provenance.sha256 != first
    assert features.load("mine:plain").provenance.sha256 not in (first, features.load("mine:build").provenance.sha256)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mine:missing", "mine has no function 'missing'"),
        ("mine:number", "mine has no function 'number'"),
        ("mine:nothing", r"nothing\(\) must return a callable of pixels, not NoneType"),
        ("nowhere.at_all:build", "no module 'nowhere.at_all' can be imported"),
    ],
)
def test_what_is_no_network_is_refused(mine, spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        features.load(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mine:maps", r"must return float features \[2, D\] for 2 images, not torch.float32 \[2, 3, 8, 8\]"),
        ("mine:infinite", "not finite"),
        ("mine:fails", r"mine:fails failed on uint8 pixels \[2, 3, 8, 8\]"),
    ],
)
def test_what_is_no_features_is_refused(mine, spec: str, message: str) -> None:
    network = features.load(spec)
    with pytest.raises(ValueError, match=message):
        network(random_pixels(2, 3, 8, 8))


@pytest.mark.parametrize("suffix", ["pt", "torchscript"])
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_torchscript_file(tmp_path, suffix: str) -> None:
    path = tmp_path / f"means.{suffix}"
    torch.jit.script(Means()).save(path)
    pixels = random_pixels(3, 3, 12, 10)
    network = features.load(str(path))
    assert torch.equal(network(pixels), pixels.float().mean((2, 3)))
    assert network.provenance.name == str(path)
    path.write_bytes(b"no network")
    with pytest.raises(ValueError, match="not a TorchScript file"):
        features.load(str(path))


@pytest.mark.parametrize(("dtype", "number"), [("uint8", 2), ("float32", 1)])
def test_an_onnx_file(tmp_path, dtype: str, number: int) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    onnx = pytest.importorskip("onnx", reason="needs onnx to write the file")
    kind = number
    steps = [
        onnx.helper.make_node("Cast", ["pixels"], ["float"], to=1),
        onnx.helper.make_node("ReduceMean", ["float", "axes"], ["out"], keepdims=0),
    ]
    graph = onnx.helper.make_graph(
        steps,
        "means",
        [onnx.helper.make_tensor_value_info("pixels", kind, ["n", 3, "h", "w"])],
        [onnx.helper.make_tensor_value_info("out", 1, ["n", 3])],
        [onnx.helper.make_tensor("axes", 7, [2], [2, 3])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    path = tmp_path / "means.onnx"
    path.write_bytes(model.SerializeToString())
    pixels = random_pixels(3, 1, 12, 10)
    torch.testing.assert_close(features.load(str(path))(pixels), pixels.float().mean((2, 3)).repeat(1, 3))
    path.write_bytes(b"no network")
    with pytest.raises(ValueError, match="not an ONNX file"):
        features.load(str(path))


def test_onnx_without_its_package_is_answered_with_the_line_that_installs_it(tmp_path, monkeypatch) -> None:
    (tmp_path / "network.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="pip install onnxruntime"):
        features.load(str(tmp_path / "network.onnx"))


@pytest.mark.parametrize("name", ["missing.pt", "missing.onnx", "missing.torchscript"])
def test_a_missing_file_is_named(name: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"no feature network at {name}"):
        features.load(name)


@pytest.mark.parametrize(
    ("name", "near"), [("lite", "lite0"), ("incepton", "inception"), ("lite1@96", "lite0"), ("inception:", "inception")]
)
def test_an_unknown_name_is_refused_with_the_nearest_and_the_choices(name: str, near: str) -> None:
    with pytest.raises(
        ValueError, match=rf"unknown feature network '{name}': did you mean '{near}'\?.*lite0.*inception.*\.onnx"
    ):
        features.load(name)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (torch.rand(1, 3, 8, 8), r"takes uint8 pixels in 0..255, not torch.float32: images in \[-1, 1\]"),
        (torch.zeros(1, 8, 8, 3, dtype=torch.uint8), r"channels come second, so permute\(0, 3, 1, 2\)"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"must be \[N, C, H, W\].*not \[3, 8, 8\]"),
        (torch.zeros(1, 4, 8, 8, dtype=torch.uint8), r"C 1 \(grey\) or 3 \(RGB\)"),
        (torch.zeros(0, 3, 8, 8, dtype=torch.uint8), r"above 0, not \[0, 3, 8, 8\]"),
    ],
)
def test_other_than_pixels_is_refused(mine, pixels: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        features.load("mine:build")(pixels)
