"""The steps that the benchmark times side by side are the same: same weights and noise, same losses and gradients. And what
the benchmark of translating does by itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from plain import Plain
from steps import CASES, copy_players, without_cures
from translation import TASKS, lasting, make_recipe, prepared, threshold
from zerosum import gans


@pytest.mark.parametrize("case", CASES)
def test_by_hand_and_zerosum_agree(case: str) -> None:
    recipe = without_cures(gans.get_recipe(case))
    resolution = recipe.data.resolution
    shapes = {"image": (1, resolution, resolution), "label": (10,)}
    torch.manual_seed(0)
    gan, plain = gans.find(recipe.family).gan(recipe.gan, shapes), Plain(recipe, shapes)
    gan.to(memory_format=torch.channels_last)
    batch = {"image": torch.rand(8, *shapes["image"]) * 2 - 1, "label": torch.eye(10)[torch.arange(8)]}
    for turn in gan.turns():
        copy_players(gan, plain)
        player = gan.players()[turn.player]
        network = plain.generator if turn.player == "generator" else plain.judge
        gan.requires_grad_(False)
        player.requires_grad_(True)
        gan.zero_grad()
        plain.generator.zero_grad()
        plain.judge.zero_grad()
        torch.manual_seed(1)
        ours = sum(turn.loss(batch, 0.0).terms.values())
        torch.manual_seed(1)
        theirs = plain.generator_loss(batch) if turn.player == "generator" else plain.judge_loss(batch)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
        ours.backward()
        theirs.backward()
        for mine, other in zip(player.parameters(), network.parameters(), strict=True):
            scale = other.grad.abs().max().item()
            torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=2e-3 * scale + 1e-6)


@pytest.mark.parametrize("name", TASKS)
def test_a_longer_run_of_translation_is_stretched_as_a_whole(name: str) -> None:
    recipe = make_recipe(TASKS[name], Path("tasks"), seed=3)
    images = recipe.train.images
    longer = lasting(recipe, 2 * images + recipe.train.batch - 1)
    assert (longer.train.images, longer.train.seed, longer.data) == (2 * images, 3, recipe.data)
    for player, before in recipe.optimisers.items():
        for share in (0.0, 0.4, 0.7, 1.0):
            assert longer.optimisers[player].rate(share * 2 * images) == pytest.approx(before.rate(share * images))
    assert longer.jobs.sample_every == 2 * recipe.jobs.sample_every
    assert longer.average.half_life.start == 2 * recipe.average.half_life.start


def test_sources_get_margins_and_what_is_trained_on_room(tmp_path: Path) -> None:
    task, tasks = TASKS["noto2openmoji"], tmp_path / "tasks"
    for side in ("trainA", "trainB", "testA", "testB"):
        (tasks / task.train / side).mkdir(parents=True)
        Image.new("RGB", (64, 64)).save(tasks / task.train / side / "1.png")
    copy = prepared(task, tasks, tmp_path) / task.train
    for side, size, drawn in (("trainA", 72, 57), ("trainB", 72, 64), ("testA", 64, 57), ("testB", 64, 64)):
        picture = np.asarray(Image.open(copy / side / "1.png").convert("L"))
        assert picture.shape == (size, size)
        assert (picture < 128).any(0).sum() == (picture < 128).any(1).sum() == pytest.approx(drawn, abs=1)
    assert prepared(TASKS["color2line"], tasks, tmp_path) == tasks


def test_the_one_line_is_that_of_the_grey_values() -> None:
    colours = torch.tensor([[0, 0, 0], [89, 89, 89], [91, 91, 91], [255, 0, 0], [0, 0, 255], [255, 255, 255]])
    made = threshold((colours / 127.5 - 1).reshape(6, 3, 1, 1))
    assert made.shape == (6, 3, 1, 1)
    assert made[:, 0, 0, 0].tolist() == [-1, -1, 1, -1, -1, 1]
    assert torch.equal(made[:, 0], made[:, 2])
