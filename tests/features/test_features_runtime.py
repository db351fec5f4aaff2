"""ONNX Runtime makes torch's features, or is not used; figures say which of them it was."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from feature_inputs import random_pixels
from torch import Tensor

from zerosum import features
from zerosum.data import Images, open_data
from zerosum.evaluate.figures import Figure, from_plain, table, to_plain
from zerosum.evaluate.runner import Examples, evaluate_features
from zerosum.evaluate.samples import data_examples
from zerosum.features import runtime
from zerosum.recipe import Data

onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
pytest.importorskip("onnx", reason="needs onnx")

ONNX = f"onnxruntime {onnxruntime.__version__}"
PIXELS = random_pixels(3, 3, 40, 50)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder without exported networks."""
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "networks"


def relative_difference(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("name", ["lite0", "lite0@64"])
def test_features_are_those_of_torch(name: str) -> None:
    by_torch, by_onnx, chosen = (features.load(name, runtime=choice) for choice in ("torch", "onnx", "auto"))
    assert [judge.provenance.runtime for judge in (by_torch, by_onnx, chosen)] == ["torch", ONNX, ONNX]
    for pixels in (PIXELS, PIXELS[:1, :1], random_pixels(19, 1, 28, 28)):
        assert relative_difference(by_onnx(pixels), by_torch(pixels)) < 1e-5
        assert torch.equal(by_onnx(pixels), chosen(pixels))
    assert torch.equal(by_onnx.unrounded(PIXELS.float()), by_torch(PIXELS)), "of what is not rounded torch makes the features"


def test_figures_agree_and_name_what_made_them() -> None:
    dataset = open_data(Data(path="fashion"))
    assert isinstance(dataset, Images)
    real = torch.from_numpy(np.array(dataset.images[:240]))
    fake = (real[:120].float() + torch.randn(120, *real.shape[1:], generator=torch.Generator().manual_seed(0)) * 9).clamp(
        0, 255
    )
    metrics = ("fid", "kid", "precision", "recall", "density", "coverage", "inception-score", "diversity", "duplicates")
    found: list[list[Figure]] = []
    for choice in ("torch", "onnx"):
        judge = features.load("lite0@64", runtime=choice)
        assert judge.logits is not None
        sides = (judge(pixels.to(torch.uint8)) for pixels in (real, fake))
        examples = [Examples(side.numpy(), logits=judge.logits(side)) for side in sides]
        who = {"judge": "lite0@64", "judge_hash": "0", "resize": "some", "split": "test"}
        found.append(evaluate_features(*examples, metrics, **who, runtime=judge.provenance.runtime, num_subsets=0))
    for one, other in zip(*found, strict=True):
        assert other.value == pytest.approx(one.value, rel=1e-4), one.name
        assert (one.runtime, other.runtime) == ("torch", ONNX)
    assert ONNX in str(table(found[1]).title)
    plain = to_plain(found[0])
    for values in plain.values():
        del values["runtime"]
    assert from_plain(plain) == found[0], "figures without it are of a time when there was torch alone"


def test_features_that_were_kept_are_those_of_the_runtime_that_is_named(tmp_path: Path) -> None:
    dataset = open_data(Data(path="fashion"))
    assert isinstance(dataset, Images)
    for choice in ("torch", "onnx", "auto"):
        data_examples(dataset, features.load("lite0@32", runtime=choice), 24, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_exported_once_and_kept_whole(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = features.load("lite0@32")(PIXELS)
    (file,) = own_cache.iterdir()
    content = file.read_bytes()
    assert torch.__version__ in file.name
    assert onnxruntime.__version__ in file.name
    file.write_bytes(content[:1000])
    assert torch.equal(features.load("lite0@32")(PIXELS), expected)
    assert file.stat().st_size == len(content), "a damaged file is written anew"
    monkeypatch.setattr(runtime, "export", lambda *_: pytest.fail("exported again"))
    assert torch.equal(features.load("lite0@32")(PIXELS), expected)
    assert list(own_cache.iterdir()) == [file]


def test_other_features_than_those_of_torch_are_not_used(own_cache: Path, caplog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "TOLERANCE", 1e-12)
    judge = features.load("lite0@32")
    assert judge.provenance.runtime == "torch"
    assert torch.equal(judge(PIXELS), features.load("lite0@32", runtime="torch")(PIXELS))
    assert "features by torch, for onnxruntime" in caplog.text
    assert "differ from torch's by" in caplog.text
    with pytest.raises(ValueError, match="differ from torch's by .* Take the runtime torch"):
        features.load("lite0@32", runtime="onnx")


def test_a_cache_that_cannot_be_written_leaves_it_to_torch(tmp_path: Path, caplog, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "file"))
    assert features.load("lite0@32").provenance.runtime == "torch"
    assert "cannot run the network" in caplog.text


@pytest.mark.parametrize("package", runtime.PACKAGES)
def test_without_its_packages_torch_is_used(package: str, caplog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert features.load("lite0@32").provenance.runtime == "torch"
    assert not caplog.text
    with pytest.raises(ImportError, match=f"pip install {package}$"):
        features.load("lite0@32", runtime="onnx")


def test_a_gpu_is_torchs() -> None:
    network, gpu = torch.nn.Identity(), torch.device("cuda")
    assert runtime.choose(network, 32, "0", gpu) == (network, "torch")
    with pytest.raises(ValueError, match="is for a CPU, not cuda"):
        runtime.choose(network, 32, "0", gpu, "onnx")


def test_it_is_no_choice_for_networks_of_the_users() -> None:
    with pytest.raises(ValueError, match="for lite0 and inception only, not for mine.pt"):
        features.load("mine.pt", runtime="torch")
