"""Too little memory in training: batches are cut into more parts, and the run is the one that was started so."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import zerosum
from zerosum import api, gans
from zerosum.api import train
from zerosum.cli import main
from zerosum.data import open_data
from zerosum.game import Batch, Turn
from zerosum.gans.seqgan import Config
from zerosum.recipe import Recipe
from zerosum.run import Run
from zerosum.training import jobs
from zerosum.training.loop import Loop
from zerosum.training.memory import ShortOfMemoryError, is_shortage, more_parts

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports take longer than these runs."""
    monkeypatch.setattr(api, "write_report", lambda run: None)


def cuda_is_full() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB")


def ask_for_too_much() -> None:
    torch.empty(1 << 60, dtype=torch.uint8)


def tiny(images: int = 480, **settings: Any) -> Recipe:
    """dcgan:tiny in batches of 16, with a checkpoint every 160 images."""
    recipe = zerosum.get_recipe("dcgan:tiny")
    return replace(recipe, train=replace(recipe.train, images=images, **settings), jobs=replace(recipe.jobs, keep=9))


def limit(monkeypatch: pytest.MonkeyPatch, examples: int, after: int, fail: Callable[[], None]) -> None:
    """Let plays of more than so many examples fail after so many images."""
    backward = Loop._backward

    def limited(loop: Loop, turn: Turn, batch: Batch, weight: float) -> dict[str, Tensor]:
        if len(batch["image"]) > examples and loop.state.images >= after:
            fail()
        return backward(loop, turn, batch, weight)

    monkeypatch.setattr(Loop, "_backward", limited)


def final_weights(folder: Path) -> dict[str, Tensor]:
    state = Run(folder).newest_state(CPU)
    assert state is not None
    weights: dict[str, Tensor] = state["gan"]
    return weights


def equal(one: Path, other: Path) -> bool:
    mine, theirs = final_weights(one), final_weights(other)
    return all(torch.equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("fail", [cuda_is_full, ask_for_too_much])
def test_from_the_beginning_it_is_the_run_with_more_micro_batches(
    fail: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train(tiny(micro_batches=4), tmp_path / "four")
    limit(monkeypatch, 4, 96, fail)
    with caplog.at_level(logging.WARNING, "zerosum"):
        train(tiny(), tmp_path / "run")
    assert equal(tmp_path / "run", tmp_path / "four")
    found = Run(tmp_path / "run").shortages()
    assert [(one["images"], one["back_to"], one["micro_batches"]) for one in found] == [(96, 0, 2), (96, 0, 4)]
    assert "out of memory at 96 images: " in caplog.text
    assert "Back to 0 images, and on with batches of 16 in 4 parts instead of 2, as with --train.micro-batches 4" in caplog.text
    assert Run(tmp_path / "run").recipe().train.micro_batches == 1, "the same command goes on"


def test_it_goes_back_to_the_last_checkpoint_and_can_be_killed_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, after in {"early": 176, "late": 304}.items():
        with monkeypatch.context() as patch:
            limit(patch, 8, after, cuda_is_full)
            train(tiny(320), tmp_path / name)
        assert [one["back_to"] for one in Run(tmp_path / name).shortages()] == [160]
        rows = Run(tmp_path / name).stats()
        assert [row["images"] for row in rows] == [80, 160, 240, 320]
    assert equal(tmp_path / "early", tmp_path / "late")
    train(tiny(), tmp_path / "early")
    limit(monkeypatch, 8, 176, cuda_is_full)
    train(tiny(), tmp_path / "whole")
    assert equal(tmp_path / "early", tmp_path / "whole"), "memory.json is read again"
    train(tiny(micro_batches=2), tmp_path / "two")
    assert not equal(tmp_path / "two", tmp_path / "whole"), "until the checkpoint the batches were whole"


def test_what_cannot_be_cut_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limit(monkeypatch, 0, 0, cuda_is_full)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "dcgan:tiny", "--out", "run"]) == 2
    said = capsys.readouterr().err
    assert "out of memory at 0 images: CUDA out of memory; batches of 16 cannot be cut any further" in said
    assert [one["micro_batches"] for one in Run(Path("run")).shortages()] == [2, 4, 8]
    assert main(["train", "dcgan:tiny", "--out", "run", "--train.micro-batches", "8"]) == 2
    assert len(Run(Path("run")).shortages()) == 0, "another recipe, another memory"


def test_processes_would_have_to_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, data = tiny(), open_data(tiny().data)
    feed = api.make_feed(recipe, data, np.arange(len(data)), CPU)
    loop = api.make_loop(recipe, api.make_state(recipe, data, CPU), feed, (), bool)
    assert api.finer(loop, "full") == 2
    monkeypatch.setattr("zerosum.distributed.world_size", lambda: 2)
    with pytest.raises(ShortOfMemoryError, match=r"at 0 images: full; start a new run with --train.micro-batches 2"):
        api.finer(loop, "full")
    feed.close()


def test_jobs_and_other_errors_are_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="mat1"):
        limit(patch, 0, 0, broken)
        train(tiny(), tmp_path / "run")
    monkeypatch.setattr(jobs, "generate", lambda *_: cuda_is_full())
    with pytest.raises(ShortOfMemoryError, match=r"beside training.*CUDA out of memory\. Ask for fewer \(--jobs.num-samples"):
        train(tiny(), tmp_path / "run")
    assert not Run(tmp_path / "run").shortages()


def test_every_verb_says_it_in_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("zerosum.cli.ls.main", lambda arguments: ask_for_too_much())
    assert main(["ls"]) == 2
    assert "zerosum: out of memory: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("batch", "processes", "micro", "expected"),
    [(64, 1, 1, 2), (64, 1, 16, 32), (64, 1, 32, None), (9, 1, 1, 3), (12, 2, 1, 2), (12, 2, 3, None), (7, 1, 1, None)],
)
def test_parts(batch: int, processes: int, micro: int, expected: int | None) -> None:
    assert more_parts(batch, processes, micro) == expected


def test_signs() -> None:
    assert is_shortage(RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"))
    assert is_shortage(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert is_shortage(MemoryError())
    assert not is_shortage(RuntimeError("expected scalar type Float"))
    assert not is_shortage(ValueError("out of memory"))


def test_estimate_leaves_the_run_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api.estimate, "__defaults__", (0.5,))
    estimated = ["train", "dcgan:tiny", "--estimate", "--out", "run", "--train.images", "160000"]
    assert main(estimated) == 0
    assert not list(tmp_path.iterdir())
    memory, speed, lasting = capsys.readouterr().out.splitlines()
    assert memory.startswith("memory    ")
    assert " GiB of " in memory
    assert "images/s (CPU, 1 thread)" in speed
    assert " for 160,000 images, " in lasting
    assert main(["train", "dcgan:tiny", "--out", "run"]) == 0
    before = {file: file.read_bytes() for file in Path("run").rglob("*") if file.is_file()}
    capsys.readouterr()
    limit(monkeypatch, 8, 0, cuda_is_full)
    assert main(estimated) == 0
    said = capsys.readouterr().out
    assert "in 2 micro-batches" in said
    assert " for 159,520 images, " in said
    assert before == {file: file.read_bytes() for file in Path("run").rglob("*") if file.is_file()}


def test_estimate_is_near_what_the_run_takes(tmp_path: Path) -> None:
    cost = api.estimate(tiny(4800), tmp_path / "none", seconds=1.5)
    assert cost.left == 4800
    assert cost.beside > 0
    begun = time.perf_counter()
    train(tiny(4800), tmp_path / "run")
    assert 0.2 < cost.seconds / (time.perf_counter() - begun) < 5


def test_a_first_step_that_holds_more_does_not_count(tmp_path: Path) -> None:
    recipe = gans.get_recipe("seqgan:tiny")
    assert isinstance(recipe.gan, Config)
    longer = replace(recipe, gan=replace(recipe.gan, first_discriminator_steps=300))
    usual, begun = (api.estimate(chosen, tmp_path / "none", seconds=0.2) for chosen in (recipe, longer))
    assert begun.speed > usual.speed / 10


def test_damaged_memory_is_named(tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text("{")
    with pytest.raises(ValueError, match=r"memory\.json is damaged"):
        Run(tmp_path).shortages()
    (tmp_path / "memory.json").write_text(json.dumps([]))
    assert Run(tmp_path).shortages() == []
