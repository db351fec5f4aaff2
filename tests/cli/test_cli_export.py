"""`zerosum export` as a user types it: files that run elsewhere, and refusals in words."""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import zerosum
from zerosum import gans
from zerosum.apply.directions import sefa
from zerosum.cli import main
from zerosum.export import onnx as onnx_module
from zerosum.export.graph import Graph
from zerosum.export.onnx import compare, export_onnx
from zerosum.export.page import RUNTIME_FILES
from zerosum.export.truncation import cut_off
from zerosum.noise import SeededNoise, truncated
from zerosum.pictures import to_pixels


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny run."""
    folder = tmp_path_factory.mktemp("export") / "run"
    zerosum.train(gans.get_recipe("cgan:tiny"), folder)
    return folder


def refused(capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command that fails says."""
    assert main(["export", *map(str, arguments)]) == 2
    said = capfd.readouterr()
    assert "Traceback" not in said.err
    return said.err


def test_a_program_without_zerosum_makes_the_same_samples(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), "--to", "onnx", "--out", str(tmp_path / "new" / "g.onnx")]) == 0
    assert "takes label [N, 10], latent [N, 8], truncation [], shift [N, 8]" in capfd.readouterr().out
    session, gan = onnxruntime.InferenceSession(tmp_path / "new" / "g.onnx"), zerosum.load(run)
    feeds = {
        "label": np.eye(10, dtype=np.float32)[[4, 4, 4]],
        "latent": SeededNoise(range(5, 8)).normal(8).numpy(),
        "truncation": np.array(1e6, np.float32),
        "shift": np.zeros((3, 8), np.float32),
    }
    images = session.run(["image"], feeds)[0]
    assert np.abs(to_pixels(torch.from_numpy(images)).astype(int) - gan.sample(3, seed=5, label=4)).max() <= 1
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"]) == list(gan.card.labels.classes)
    assert json.loads(told["recipe"])["family"] == "cgan"
    assert told["checkpoint"] == gan.name
    assert "differs" not in refused_again(capfd, run, tmp_path / "new" / "g.onnx")


def refused_again(capfd: pytest.CaptureFixture[str], run: Path, out: Path) -> str:
    """Nothing is written over."""
    before = out.read_bytes()
    said = refused(capfd, run, "--to", "onnx", "--out", out)
    assert "is there already: name a new one" in said
    assert out.read_bytes() == before
    return said


def test_both_ways_of_two_kinds_of_pictures(tmp_path: Path) -> None:
    sampler = zerosum.train(gans.get_recipe("cyclegan:tiny"), tmp_path / "run")
    source = torch.rand(1, 3, 24, 36) * 2 - 1
    for extra, make in (((), sampler.gan.sample), (("--reverse",), sampler.gan.reverse)):  # type: ignore[operator, union-attr]
        out = tmp_path / f"{len(extra)}.onnx"
        assert main(["export", str(tmp_path / "run"), "--to", "onnx", "--out", str(out), *extra]) == 0
        made = onnxruntime.InferenceSession(out).run(["image"], {"source": source.numpy()})[0]
        assert (torch.from_numpy(made) - make({"source": source}, SeededNoise([0]))).abs().max() < 1e-4


def test_a_page_from_a_runtime_that_is_given(run: Path, tmp_path: Path) -> None:
    for file in RUNTIME_FILES:
        (tmp_path / "package" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "package" / file).write_bytes(b"code")
    sefa(zerosum.load(run), 2).save(tmp_path / "found.npz")
    options = ["--directions", str(tmp_path / "found.npz"), "--runtime", str(tmp_path / "package"), "--title", "</script>"]
    assert main(["export", str(run), "--to", "page", "--out", str(tmp_path / "page"), *options]) == 0
    assert {"index.html", "page.css", "settings.js", "model.js", "runtime.js"} <= {
        file.name for file in (tmp_path / "page").iterdir()
    }
    settings = json.loads((tmp_path / "page" / "settings.js").read_text().removeprefix("const SETTINGS = ").rstrip(";\n"))
    assert [len(one["vector"]) for one in settings["directions"]] == [8, 8]
    assert settings["label"]["classes"] == list(zerosum.load(run).card.labels.classes)


def test_options_that_do_not_fit(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "choose onnx, safetensors, page, or hub USER/NAME" in refused(capfd, run, "--to", "keras")
    assert "a name there: --to hub USER/NAME" in refused(capfd, run, "--to", "hub")
    assert "nothing after it, not more" in refused(capfd, run, "--to", "onnx", "more")
    assert "is for --to page, not for onnx" in refused(capfd, run, "--to", "onnx", "--title", "x")
    assert "--reverse is for onnx and page" in refused(capfd, run, "--to", "safetensors", "--reverse")
    assert "leave --out x out" in refused(capfd, run, "--to", "hub", "me/x", "--out", "x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    for kind in ("safetensors", "page"):
        assert "is not empty: name a new one" in refused(capfd, run, "--to", kind, "--out", tmp_path / "full")
    out = ("--out", tmp_path / "x")
    assert "goes one way: leave out --reverse" in refused(capfd, run, "--to", "onnx", *out, "--reverse")
    assert "no directions at" in refused(capfd, run, "--to", "page", *out, "--directions", tmp_path / "none.npz")
    assert "is not the npm package onnxruntime-web" in refused(capfd, run, "--to", "page", *out, "--runtime", tmp_path / "full")
    assert "is not the npm package" in refused(capfd, run, "--to", "page", *out, "--runtime", tmp_path / "full" / "mine.txt")
    assert not (tmp_path / "x").exists()


def test_runs_that_cannot_be_exported(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "is not a run" in refused(capfd, tmp_path / "none", "--to", "onnx", "--out", tmp_path / "x")
    unfinished = tmp_path / "unfinished"
    shutil.copytree(run, unfinished, ignore=shutil.ignore_patterns("checkpoints"))
    for kind in ("onnx", "safetensors"):
        assert "has no checkpoint yet" in refused(capfd, unfinished, "--to", kind, "--out", tmp_path / "x")
    assert "no best checkpoint" in refused(capfd, run, "--to", "onnx", "--out", tmp_path / "x", "--checkpoint", "best")
    assert not (tmp_path / "x").exists()


def test_missing_packages_are_named_with_the_line_that_installs_them(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec

    def without(name: str, *rest: Any) -> Any:
        return None if name == "onnxscript" else found(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    said = refused(capfd, run, "--to", "onnx", "--out", tmp_path / "x")
    assert 'needs onnxscript: pip install "zerosum[export]"' in said
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    said = refused(capfd, run, "--to", "page", "--out", tmp_path / "x")
    assert "npm is not installed" in said
    assert "npm pack onnxruntime-web@" in said


def test_a_file_that_computes_something_else_is_refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = zerosum.load(run)
    content = export_onnx(sampler, json.loads((run / "recipe.json").read_text())).content
    other = zerosum.load(run).gan
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.5)
    with pytest.raises(ValueError, match=r"differs from torch's by .* it is not written"):
        compare(Graph(other), content)
    monkeypatch.setattr(onnx_module, "MOST_BYTES", 10)
    with pytest.raises(ValueError, match="use --to safetensors"):
        export_onnx(sampler, {"family": "cgan"})


def test_truncation_without_special_functions_is_the_same() -> None:
    values = torch.cat([torch.randn(50_000), torch.tensor([0.0, 4.5, -4.5, 5.2, -5.2])])
    for threshold in (0.02, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 1e6):
        for kind, drawn in (("normal", values), ("uniform", values.tanh())):
            found = cut_off(drawn, kind, torch.tensor(threshold))  # type: ignore[arg-type]
            assert (found - truncated(drawn, kind, threshold)).abs().max() < 1e-4  # type: ignore[arg-type]
