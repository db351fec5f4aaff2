import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from feature_inputs import random_pixels, randomise
from torch import Tensor
from torch.nn.functional import avg_pool2d, batch_norm, conv2d, linear, max_pool2d

from zerosum import features
from zerosum.features import inception
from zerosum.features.weights import fetch, sha256_of

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def network() -> inception.Inception:
    torch.manual_seed(0)
    network = inception.Inception().eval().requires_grad_(False)
    randomise(network)
    return network


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / inception.FILE
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def pinned(weights, monkeypatch) -> Path:
    """Random weights that pass for the released ones."""
    monkeypatch.setattr(inception, "SHA256", sha256_of(weights))
    return weights


def unit(state: State, name: str, x: Tensor, stride: int = 1) -> Tensor:
    """relu(bn(conv(x))) of the graph in double precision; stride 1 keeps the size."""
    values = {
        key: state[f"{name}.{key}"].double()
        for key in ("conv.weight", "bn.running_mean", "bn.running_var", "bn.weight", "bn.bias")
    }
    kernel, *norm = values.values()
    padding = (kernel.shape[2] // 2, kernel.shape[3] // 2) if stride == 1 else 0
    return batch_norm(conv2d(x, kernel, None, stride, padding), *norm, eps=1e-3).relu()


def through(state: State, x: Tensor, *names: str, stride: int = 1) -> Tensor:
    """Units one after another, the last with the stride."""
    for name in names:
        x = unit(state, name, x, stride if name == names[-1] else 1)
    return x


def mean_pool(x: Tensor) -> Tensor:
    """Mean of the 3x3 neighbours that exist: sums over counts."""
    ones = torch.ones_like(x[:, :1])
    return avg_pool2d(x, 3, 1, 1) / avg_pool2d(ones, 3, 1, 1)


def numbered(name: str, count: int) -> list[str]:
    return [f"{name}_{number}" for number in range(1, count + 1)]


def mixed(state: State, name: str, x: Tensor) -> Tensor:
    """One block, from what the weights' names say."""
    at = f"{name}."
    if name in ("Mixed_6a", "Mixed_7a"):
        longer = numbered(f"{at}branch3x3dbl", 3) if name == "Mixed_6a" else numbered(f"{at}branch7x7x3", 4)
        shorter = [f"{at}branch3x3"] if name == "Mixed_6a" else numbered(f"{at}branch3x3", 2)
        return torch.cat([through(state, x, *shorter, stride=2), through(state, x, *longer, stride=2), max_pool2d(x, 3, 2)], 1)
    first = unit(state, f"{at}branch1x1", x)
    pooled = max_pool2d(x, 3, 1, 1) if name == "Mixed_7c" else mean_pool(x)
    last = unit(state, f"{at}branch_pool", pooled)
    if name.startswith("Mixed_5"):
        middle = [through(state, x, *numbered(f"{at}branch5x5", 2)), through(state, x, *numbered(f"{at}branch3x3dbl", 3))]
    elif name.startswith("Mixed_6"):
        middle = [through(state, x, *numbered(f"{at}branch7x7", 3)), through(state, x, *numbered(f"{at}branch7x7dbl", 5))]
    else:
        one, two = unit(state, f"{at}branch3x3_1", x), through(state, x, *numbered(f"{at}branch3x3dbl", 2))
        middle = [unit(state, f"{at}branch3x3_2{side}", one) for side in "ab"]
        middle += [unit(state, f"{at}branch3x3dbl_3{side}", two) for side in "ab"]
    return torch.cat([first, *middle, last], 1)


def independent(state: State, pixels: Tensor) -> Tensor:
    """Features of RGB pixels already of 299 x 299, from the names in the state alone, in double precision."""
    x = (pixels.double() - 128) / 128
    x = unit(state, "Conv2d_1a_3x3", x, stride=2)
    x = unit(state, "Conv2d_2a_3x3", x)[:, :, 1:-1, 1:-1]  # "valid" is "same" without its rim
    x = max_pool2d(unit(state, "Conv2d_2b_3x3", x), 3, 2)
    x = max_pool2d(unit(state, "Conv2d_4a_3x3", unit(state, "Conv2d_3b_1x1", x))[:, :, 1:-1, 1:-1], 3, 2)
    for name in sorted({key.partition(".")[0] for key in state if key.startswith("Mixed")}):
        x = mixed(state, name, x)
    return x.mean((2, 3))


def test_agrees_with_an_independent_formulation_folded_or_not(network, pinned) -> None:
    pixels = random_pixels(1, 3, 299, 299)
    expected = independent(network.state_dict(), pixels).float()
    assert expected.std() > 0.1
    assert_relatively_close(inception.embed(network, pixels), expected)
    judge = features.load(f"inception:{pinned}")
    assert_relatively_close(judge(pixels), expected)
    assert judge.logits is not None
    torch.testing.assert_close(judge.logits(expected), linear(expected, network.fc.weight))


def assert_relatively_close(found: Tensor, expected: Tensor) -> None:
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


def test_agrees_with_torch_fidelity(network, weights, monkeypatch) -> None:
    found = importlib.util.find_spec("torch_fidelity")
    if found is None:
        pytest.skip("torch-fidelity is not installed (pip install --no-deps torch-fidelity: it asks for torchvision)")
    package = ModuleType("torch_fidelity")  # without its __init__, which imports torchvision
    package.__path__ = list(found.submodule_search_locations or ())
    monkeypatch.setitem(sys.modules, "torch_fidelity", package)
    module = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    theirs = module.FeatureExtractorInceptionV3(
        "theirs", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights)
    )
    pixels = random_pixels(2, 3, 64, 48)
    with torch.no_grad():
        expected, logits = theirs.eval()(pixels)
        ours = inception.embed(network, pixels)
    assert_relatively_close(ours, expected)
    assert_relatively_close(linear(ours, network.fc.weight), logits)


def test_the_names_are_those_of_the_released_file(network) -> None:
    names = list(network.state_dict())
    assert len(names) == 566
    assert {"Conv2d_1a_3x3.conv.weight", "Mixed_6c.branch7x7dbl_4.bn.running_var", "Mixed_7c.branch3x3_2b.conv.weight"} < set(
        names
    )
    assert network.fc.weight.shape == (1008, 2048)


def test_features_depend_neither_on_the_batch_nor_on_grey_or_rgb(pinned) -> None:
    judge = features.load(f"inception:{pinned}")
    grey = random_pixels(3, 1, 32, 32)
    together = judge(grey)
    assert together.shape == (3, 2048)
    assert_relatively_close(judge(grey[1:2].repeat(1, 3, 1, 1), batch=1), together[1:2])
    assert judge.provenance.width == 2048
    assert "TensorFlow" in judge.provenance.resize


def test_onnxruntime_makes_the_same_features(pinned) -> None:
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    pytest.importorskip("onnx", reason="needs onnx")
    pixels = random_pixels(2, 3, 60, 40)
    by_torch, by_onnx = (features.load(f"inception:{pinned}", runtime=choice) for choice in ("torch", "onnx"))
    assert by_onnx.provenance.runtime.startswith("onnxruntime")
    assert_relatively_close(by_onnx(pixels), by_torch(pixels))


def test_other_weights_are_refused(weights) -> None:
    with pytest.raises(
        ValueError, match=r"sha256 is .*expected 6726825d.*Delete it and fetch it again from https://github.com/mseitzer"
    ):
        features.load(f"inception:{weights}")


def test_a_path_without_a_file_is_refused(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no weights at .*nowhere.*inception:PATH"):
        features.load(f"inception:{tmp_path / 'nowhere.pth'}")


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


def test_fetched_on_first_use_and_kept(pinned, hub, monkeypatch, capfd) -> None:
    monkeypatch.setattr(inception, "URL", pinned.as_uri())
    first = features.load("inception")
    assert [file.name for file in hub.iterdir()] == [inception.FILE]
    assert "fetching" in capfd.readouterr().err
    monkeypatch.setattr(inception, "URL", "file:///nowhere")
    pixels = random_pixels(1, 1, 16, 16)
    assert torch.equal(features.load("inception")(pixels), first(pixels))
    (hub / inception.FILE).rename(hub / inception.TWIN)
    assert inception.cached() == hub / inception.TWIN


def test_offline_says_where_to_get_it_and_leaves_nothing(hub, monkeypatch) -> None:
    monkeypatch.setattr(inception, "URL", "file:///nowhere/weights.pth")
    with pytest.raises(FileNotFoundError, match=r"could not be fetched from file:///nowhere.*inception:PATH.*lite0"):
        features.load("inception")
    assert not list(hub.iterdir())


def test_a_download_of_other_bytes_is_refused_and_leaves_nothing(tmp_path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"not weights")
    with pytest.raises(ValueError, match=r"expected 6726.*It came from file://.*try again"):
        fetch(source.as_uri(), tmp_path / "cache" / "weights.pth", inception.SHA256)
    assert not list((tmp_path / "cache").iterdir())
