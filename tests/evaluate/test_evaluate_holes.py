import numpy as np
import pytest
import torch
from torch import Tensor

from zerosum import features
from zerosum.data.holes import draw_hole
from zerosum.evaluate.holes import cut, diffuse, hole_figures, mean_colour
from zerosum.features.perceptual import load_perceptual


def holed(picture: Tensor, hole: np.ndarray) -> Tensor:
    known = torch.from_numpy(~hole)[None, None]
    return torch.cat([picture * known, known * 2.0 - 1], 1)


def random_hole(seed: int, side: int = 32) -> np.ndarray:
    return draw_hole(side, side, "mixed", np.random.default_rng(seed))


def test_diffusion_makes_every_pixel_the_mean_of_its_neighbours() -> None:
    picture, hole = torch.rand(1, 2, 32, 32, dtype=torch.float64), random_hole(1)
    filled, known = diffuse(holed(picture, hole)), torch.from_numpy(~hole)
    assert torch.equal(filled * known, picture * known)
    around = torch.nn.functional.pad(filled, (1, 1, 1, 1), value=float("nan"))
    sides = [around[:, :, :-2, 1:-1], around[:, :, 2:, 1:-1], around[:, :, 1:-1, :-2], around[:, :, 1:-1, 2:]]
    mean = torch.stack(sides).nanmean(0)
    torch.testing.assert_close(filled[:, :, ~known], mean[:, :, ~known])


def test_diffusion_continues_a_ramp_exactly() -> None:
    ramp = (torch.arange(20.0)[None] + 2 * torch.arange(16.0)[:, None])[None, None].double() / 60 - 0.5
    hole = np.zeros((16, 20), np.bool_)
    hole[4:12, 5:14] = True
    torch.testing.assert_close(diffuse(holed(ramp, hole)), ramp)
    assert torch.equal(diffuse(holed(ramp, hole & False)), ramp)
    with pytest.raises(ValueError, match="nothing of the picture is known"):
        diffuse(holed(ramp, np.ones((16, 20), np.bool_)))


def test_mean_colour_is_the_mean_of_what_is_known() -> None:
    picture, hole = torch.rand(1, 3, 32, 32), random_hole(0)
    filled, known = mean_colour(holed(picture, hole)), torch.from_numpy(~hole)
    torch.testing.assert_close(filled[0, :, hole], picture[0, :, ~hole].mean(1, keepdim=True).expand(-1, int(hole.sum())))
    assert torch.equal(filled * known, picture * known)


def test_the_truth_beats_what_costs_nothing() -> None:
    truths = [(torch.rand(1, 3, 32, 32) * 255).round() / 127.5 - 1 for _ in range(24)]
    pairs = [(holed(truth, random_hole(seed)), truth) for seed, truth in enumerate(truths)]
    by_source = {source.numpy().tobytes(): truth for source, truth in pairs}
    figures = hole_figures(
        lambda source: by_source[source.numpy().tobytes()],
        pairs,
        load_perceptual(),
        features.load("lite0"),
        32,
        split="held out",
        generator="the truth",
    )
    found = {figure.name: figure for figure in figures}
    for metric, worst in (("psnr", 50), ("ssim", 0.99)):
        assert found[metric].value > worst > found[f"{metric} (diffusion)"].value
    for metric in ("perceptual", "frechet (lite0)"):
        assert found[metric].value < 0.01 < found[f"{metric} (diffusion)"].value
    assert found["kernel distance (lite0)"].value < found["kernel distance (lite0) (diffusion)"].value
    assert found["psnr"].note == "higher is better; better than diffusion on 24 of 24; better than mean colour on 24 of 24"
    assert found["psnr"].generator == "the truth"
    few = hole_figures(diffuse, pairs[:3], load_perceptual(), features.load("lite0"), 32, split="", generator="")
    assert not any("distance" in figure.name or "frechet" in figure.name for figure in few)


def test_parts_are_whole() -> None:
    parts = cut(torch.rand(1, 3, 70, 40), 32)
    assert [tuple(part.shape) for part in parts] == [(3, 32, 32)] * 2
