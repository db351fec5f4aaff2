"""The page in a browser: it draws what `zerosum sample` draws, and every control does what it says."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browser import browser, opened, pixels, psnr, runtime  # noqa: F401  (fixtures)
from PIL import Image
from torch import Tensor, nn

import zerosum
from zerosum import gans
from zerosum.apply.directions import sefa
from zerosum.apply.upscale import Enlarger
from zerosum.datacard import DataCard
from zerosum.export.onnx import export_onnx
from zerosum.export.page import Runtime, page_settings, write_page
from zerosum.game import GAN, Batch, Turn
from zerosum.noise import Noise, SeededNoise
from zerosum.run import Run
from zerosum.sampling import Sampler

Made = Callable[[str], tuple[Any, Sampler, Tensor]]


@pytest.fixture(scope="module")
def made(browser: Any, runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Made:  # noqa: F811
    """Trains a tiny recipe; gives its page, open, its sampler and the shift of its page's direction."""
    kept: dict[str, tuple[Any, Sampler, Tensor]] = {}

    def make(spec: str) -> tuple[Any, Sampler, Tensor]:
        if spec not in kept:
            folder = tmp_path_factory.mktemp("page")
            sampler = zerosum.train(gans.get_recipe(spec), folder / "run")
            source = "source" in sampler.gan.given
            shift = torch.zeros(1) if source else sefa(sampler, 1).shift(0, 1.0)
            recipe = Run(folder / "run").plain_recipe()
            exported = export_onnx(sampler, recipe)
            settings = page_settings(sampler, exported, recipe, [] if source else [("up", shift)], title="A <b>title</b>")
            write_page(folder / "page", exported, settings, runtime)
            kept[spec] = opened(browser, folder / "page"), sampler, shift
        return kept[spec]

    return make


def settled(page: Any) -> np.ndarray:
    """The image after all that was asked for is drawn."""
    page.evaluate("window.zerosum.view.change({})")
    return pixels(page)


def slide(page: Any, selector: str, value: float) -> None:
    page.eval_on_selector(selector, "(input, value) => { input.value = value; input.oninput(); }", value)


def test_seed_class_truncation_and_directions_give_the_samples_of_python(made: Made) -> None:
    page, sampler, shift = made("biggan:tiny")
    label = sampler.card.labels.classes[3]
    assert page.text_content("h1") == "A <b>title</b>"
    assert psnr(settled(page), sampler.sample(1, seed=0, label=0)[0]) > 40
    page.fill("#seed", "1234567890123")
    page.press("#seed", "Enter")
    assert psnr(settled(page), sampler.sample(1, seed=1234567890123, label=0)[0]) > 40
    page.select_option("#class", label=label)
    assert psnr(settled(page), sampler.sample(1, seed=1234567890123, label=label)[0]) > 40
    slide(page, "#truncation", 0.5)
    assert psnr(settled(page), sampler.sample(1, seed=1234567890123, label=label, truncation=0.5)[0]) > 40
    slide(page, "#direction0", 2)
    wanted = sampler.sample(1, seed=1234567890123, label=label, truncation=0.5, shift=2 * shift)[0]
    assert psnr(settled(page), wanted) > 40
    before = settled(page)
    page.click("#reset")
    assert not np.array_equal(settled(page), before)
    assert page.locator("#speed").text_content().endswith("milliseconds a sample.")


def test_the_sheet_shows_the_next_seeds_and_every_class(made: Made) -> None:
    page, sampler, _ = made("biggan:tiny")
    page.evaluate("Object.assign(window.zerosum.view, {seed: 5, first: 5, label: 2, truncation: 1e6, strengths: [0]})")
    settled(page)
    wanted = sampler.sample(24, seed=5, label=2)
    assert page.locator(".cell").count() == 24
    for number in (0, 9, 23):
        assert psnr(pixels(page, f".cell:nth-child({number + 1}) canvas"), wanted[number]) > 40
    page.select_option("#sheet", "classes")
    settled(page)
    assert page.locator(".cell").count() == 10
    assert psnr(pixels(page, ".cell:nth-child(8) canvas"), sampler.sample(1, seed=5, label=7)[0]) > 40
    page.click(".cell:nth-child(8)")
    assert psnr(settled(page), sampler.sample(1, seed=5, label=7)[0]) > 40
    assert page.input_value("#class") == "7"
    page.select_option("#sheet", "seeds")
    page.click("#more")
    settled(page)
    assert psnr(pixels(page, ".cell:nth-child(1) canvas"), sampler.sample(1, seed=29, label=7)[0]) > 40


@pytest.mark.parametrize("spec", ["dcgan:tiny", "stylegan2:tiny"])
def test_ways_are_those_of_interpolate(made: Made, spec: str) -> None:
    page, sampler, _ = made(spec)
    way = sampler.interpolate(5, seed=3, label=0 if sampler.gan.given else None)
    page.evaluate("Object.assign(window.zerosum.view, {seed: 3})")
    for number, share in ((0, 0), (1, 0.25), (3, 0.75)):
        page.evaluate("(share) => window.zerosum.view.frame(share)", share)
        assert psnr(pixels(page), way[number]) > 40


def test_mapped_latents_are_truncated_by_their_share(made: Made) -> None:
    page, sampler, shift = made("stylegan2:tiny")
    slide(page, "#truncation", 0.3)
    slide(page, "#direction0", -1.5)
    page.fill("#seed", "77")
    page.press("#seed", "Enter")
    wanted = sampler.sample(1, seed=77, label=0, truncation=0.3, shift=-1.5 * shift)[0]
    assert psnr(settled(page), wanted) > 40
    way = sampler.interpolate(3, seed=77, label=0, truncation=0.3, shift=-1.5 * shift)
    page.evaluate("window.zerosum.view.frame(0.5)")
    assert psnr(pixels(page), way[1]) > 40


def test_a_latent_from_python_gives_the_image_of_python(made: Made) -> None:
    page, sampler, _ = made("dcgan:tiny")
    latents = sampler.latents([40])
    page.evaluate(
        """async (latent) => {
            const inputs = {latent: [Float32Array.from(latent), [1, latent.length]], truncation: [Float32Array.of(1e6), []],
                            shift: [new Float32Array(latent.length), [1, latent.length]]};
            paint(document.querySelector("#image"), (await window.zerosum.generator.run(1, inputs)).image);
        }""",
        latents[0].tolist(),
    )
    assert psnr(pixels(page), sampler.synthesise(latents)[0]) > 40


def test_it_draws_what_torch_draws(made: Made) -> None:
    page, *_ = made("dcgan:tiny")
    for seed in (0, 1, 2**32 + 5, 2**52 + 1):
        shapes: list[tuple[Any, tuple[int, ...]]] = [
            ("normal", (3,)),
            ("uniform", (5,)),
            ("normal", (16,)),
            ("normal", (2,)),
            ("normal", (1, 5, 7)),
            ("uniform", (700,)),
        ]
        noise = SeededNoise([seed])
        wanted = [(noise.normal if kind == "normal" else noise.uniform)(*shape).flatten() for kind, shape in shapes]
        found = page.evaluate("([seed, draws]) => Array.from(drawn(seed, draws)[0])", [seed, shapes])
        assert np.abs(np.array(found) - torch.cat(wanted).numpy()).max() < 1e-5


def test_keys_buttons_and_labels(made: Made) -> None:
    page, *_ = made("dcgan:tiny")
    page.click("h1")
    before = page.input_value("#seed")
    page.keyboard.press("n")
    assert page.input_value("#seed") != before
    page.click("#play")
    assert page.get_attribute("#play", "aria-pressed") == "true"
    first = pixels(page)
    page.wait_for_timeout(500)
    assert not np.array_equal(pixels(page), first)
    page.click("#play")
    assert page.text_content("#play") == "Play"
    with page.expect_download() as download:
        page.click("#save")
    with Image.open(download.value.path()) as image:
        assert image.size == (16, 16)
    with page.expect_download() as download:
        page.click("#savesheet")
    with Image.open(download.value.path()) as image:
        assert image.size == (8 * 18 + 2, 3 * 18 + 2)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas[role=img]")]
            .filter((one) => !(one.getAttribute("aria-label") || one.textContent.trim() || one.labels?.length)).length"""
    )
    assert unnamed == 0


def test_a_picture_is_translated_as_by_the_command(made: Made) -> None:
    page, sampler, _ = made("cyclegan:tiny")
    chance = np.random.default_rng(0)
    photo = np.asarray(Image.fromarray(chance.integers(0, 256, (5, 7, 3), np.uint8)).resize((42, 30), Image.Resampling.BICUBIC))
    stream = io.BytesIO()
    Image.fromarray(photo).save(stream, "png")
    page.set_input_files("#file", {"name": "in.png", "mimeType": "image/png", "buffer": stream.getvalue()})
    page.wait_for_function("document.querySelector('#image').width === 42")
    page.evaluate("window.zerosum.view.busy")
    assert psnr(pixels(page, "#before"), photo) > 99 - 1
    assert psnr(pixels(page), Enlarger(sampler, becomes="other").enlarge(photo)) > 40
    page.set_input_files("#file", {"name": "x.txt", "mimeType": "text/plain", "buffer": b"no picture"})
    page.wait_for_function("document.querySelector('.problem')")
    assert "x.txt is no picture" in page.text_content("#status")


class Hole(GAN):
    """Fills holes with white, whatever is around them."""

    needs = frozenset({"source", "target"})
    given = frozenset({"source"})
    makes = "target"
    scale, reach, multiple = 1, 0, 4

    def __init__(self) -> None:
        super().__init__({"source": (4, 16, 16), "target": (3, 16, 16)})
        self.generator = nn.Conv2d(1, 3, 1, bias=False)
        nn.init.constant_(self.generator.weight, 1.0)

    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator}

    def turns(self) -> list[Turn]:
        return []

    def sample(self, given: Batch, noise: Noise) -> Tensor:
        known = given["source"][:, 3:]
        return torch.where(known > 0, given["source"][:, :3], self.generator(torch.ones_like(known)))


def test_a_hole_is_painted_and_filled(browser: Any, runtime: Runtime, tmp_path: Path) -> None:  # noqa: F811
    sampler = Sampler(Hole().for_sampling(), DataCard(1, "", {"source": (4, 16, 16), "target": (3, 16, 16)}))
    recipe = json.loads(gans.get_recipe("dcgan:tiny").to_json())
    exported = export_onnx(sampler, recipe)
    write_page(tmp_path / "page", exported, page_settings(sampler, exported, recipe), runtime)
    page = opened(browser, tmp_path / "page")
    stream = io.BytesIO()
    Image.new("RGB", (40, 40), (200, 0, 0)).save(stream, "png")
    page.set_input_files("#file", {"name": "in.png", "mimeType": "image/png", "buffer": stream.getvalue()})
    page.wait_for_function("document.querySelector('#image').width === 40")
    assert (pixels(page) == (200, 0, 0)).all()
    page.locator("#before").scroll_into_view_if_needed()
    box = page.locator("#before").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2)
    page.mouse.up()
    page.evaluate("window.zerosum.view.busy")
    filled = (pixels(page) == 255).all(2)
    assert filled[20, 20]
    assert filled[20, 30]
    assert 0.02 < filled.mean() < 0.5
    page.click("#clear")
    page.evaluate("window.zerosum.view.busy")
    assert (pixels(page) == (200, 0, 0)).all()
