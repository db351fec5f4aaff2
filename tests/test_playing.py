"""The playground's tools, on generators of every kind: offered by what a generator is given, and doing what they say."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.latent_gans import Flat

import zerosum
from zerosum.datacard import Column, DataCard, Labels
from zerosum.pictures import picture
from zerosum.playing import EVERY, direction_files, tools
from zerosum.run import Run
from zerosum.sampling import Sampler
from zerosum.studio.tools import Choice, Number, Result, Tool, Upload, checked, defaults, fitting

OFFERED = {
    "dcgan": ["Samples", "Directions", "Interpolation", "Projection"],
    "cgan": ["Samples", "Directions", "Interpolation", "Projection"],
    "stylegan2": ["Samples", "Directions", "Interpolation", "Style mixing", "Projection"],
    "gan": ["Samples", "Directions"],
    "esrgan": ["Picture to picture"],
    "pix2pix": ["Picture to picture"],
    "cyclegan": ["Picture to picture"],
    "inpainting": ["Holes filled"],
    "text_to_image": ["Prompt"],
    "textgan": ["Sentences"],
    "wavegan": ["Samples", "Directions"],
    "hifigan": [],
}
RECIPES = {"gan": "gan:ring"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("playing")
    for family in OFFERED:
        recipe = zerosum.get_recipe(RECIPES.get(family, f"{family}:tiny"))
        batch = min(recipe.train.batch, 16)
        recipe = replace(recipe, train=replace(recipe.train, images=batch, batch=batch, micro_batches=1))
        zerosum.train(recipe, folder / family)
    return folder


def tool(sampler: Sampler, title: str) -> Tool:
    return next(tool for tool in fitting(tools(), sampler) if tool.title == title)


def use(folder: Path, title: str, **values: object) -> Result:
    """What a tool makes, with the values that it begins with and these."""
    sampler, run = zerosum.load(folder), Run(folder)
    chosen = tool(sampler, title)
    controls = chosen.controls(sampler, run, {})
    begun = {**defaults(controls), **{name.replace("_", " "): value for name, value in values.items()}}
    return chosen.use(sampler, run, checked(controls, begun))


def opened(result: Result) -> Image.Image:
    return Image.open(io.BytesIO(result.media))


@pytest.mark.parametrize("family", OFFERED)
def test_tools_are_offered_by_what_a_generator_is_given(runs: Path, family: str) -> None:
    assert [tool.title for tool in fitting(tools(), zerosum.load(runs / family))] == OFFERED[family]


@pytest.mark.parametrize("family", OFFERED)
def test_live_tools_work_with_what_they_begin_with(runs: Path, family: str) -> None:
    for chosen in fitting(tools(), zerosum.load(runs / family)):
        if chosen.live:
            assert opened(use(runs / family, chosen.title)).width > 8


def test_samples_are_those_of_the_seeds(runs: Path) -> None:
    result = use(runs / "cgan", "Samples", seed=5, n=3)
    assert "images (" in result.words
    sheet, made = np.asarray(opened(result)), zerosum.load(runs / "cgan").sample(3, seed=5)
    side = made.shape[1]
    assert np.array_equal(sheet[2 : 2 + side, 2 : 2 + side], made[0, ..., 0])
    one_class = use(runs / "cgan", "Samples", seed=5, n=3, label="Bag" if "Bag" in classes(runs) else classes(runs)[0])
    assert one_class.media != result.media
    assert use(runs / "dcgan", "Samples", n=4, truncation=0.5).media != use(runs / "dcgan", "Samples", n=4).media


def classes(runs: Path) -> tuple[str, ...]:
    return zerosum.load(runs / "cgan").card.labels.classes


def test_classes_columns_and_truncation_have_controls() -> None:
    shapes = {"image": (1, 8, 8), "label": (2,)}
    labels = Labels(columns=(Column("age", 40.0, 10.0), Column("smiling")))
    sampler = Sampler(Flat(shapes), DataCard(9, "x", shapes, labels), name="run at 5 images (0)")
    controls = {control.name: control for control in tool(sampler, "Samples").controls(sampler, Run(Path()), {})}
    age, smiling = controls["label 0"], controls["label 1"]
    assert isinstance(age, Number)
    assert isinstance(smiling, Number)
    assert (age.label, age.low, age.value, age.high) == ("age", 10, 40, 70)
    assert (smiling.label, smiling.low, smiling.high) == ("smiling", 0, 1)
    shapes = {"image": (1, 8, 8), "label": (3,)}
    sampler = Sampler(Flat(shapes), DataCard(9, "x", shapes, Labels(("cat", "dog", "hat"))))
    (label,) = (each for each in tool(sampler, "Samples").controls(sampler, Run(Path()), {}) if each.name == "label")
    assert isinstance(label, Choice)
    assert label.choices == (EVERY, "cat", "dog", "hat")


def test_directions_are_found_once_and_move_samples(runs: Path) -> None:
    sampler, run = zerosum.load(runs / "dcgan"), Run(runs / "dcgan")
    still = use(runs / "dcgan", "Directions")
    file = direction_files(sampler, run)["sefa"]
    assert file.is_file()
    before = file.stat().st_mtime_ns
    moved = use(runs / "dcgan", "Directions", direction_2=3.0)
    assert moved.media != still.media
    assert f"--move {file}:2=3" in moved.words
    assert file.stat().st_mtime_ns == before
    assert np.array_equal(np.asarray(opened(still)), np.asarray(opened(use(runs / "dcgan", "Samples", n=8))))
    with pytest.raises(ValueError, match="choose one of sefa, ganspace"):
        use(runs / "dcgan", "Directions", file="../../secret.npz")
    foreign = run.folder / "directions" / "mine.npz"
    foreign.write_bytes(b"no arrays")
    with pytest.raises(ValueError, match="does not hold directions"):
        tool(sampler, "Directions").controls(sampler, run, {"file": "mine.npz"})
    foreign.unlink()


def test_interpolation_and_mixing(runs: Path) -> None:
    way = opened(use(runs / "dcgan", "Interpolation", n=5, stops=2))
    assert way.format == "GIF"
    assert way.size[0] >= 256
    mixed = [use(runs / "stylegan2", "Style mixing", n=2, layers=layers).media for layers in ("coarse", "fine")]
    assert mixed[0] != mixed[1]


def test_a_picture_is_projected_and_compared(runs: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    result = use(runs / "dcgan", "Projection", picture=picture, steps=3)
    assert "dB" in result.words
    assert result.before
    assert result.after
    assert result.before.size == result.after.size
    with pytest.raises(ValueError, match="upload a picture first"):
        use(runs / "dcgan", "Projection")


@pytest.mark.parametrize("family", ["esrgan", "pix2pix", "cyclegan"])
def test_pictures_become_pictures(runs: Path, family: str) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (48, 32, 3), np.uint8)
    scale = zerosum.load(runs / family).gan.scale
    result = use(runs / family, "Picture to picture", picture=picture, side=24.0)
    assert result.before
    assert result.after
    assert result.before.size == result.after.size == (16 * scale, 24 * scale)
    assert np.asarray(result.after).std() > 0
    if family == "cyclegan":
        back = use(runs / family, "Picture to picture", picture=picture, side=24.0, reverse=True)
        assert back.after
        assert not np.array_equal(np.asarray(back.after), np.asarray(result.after))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"n": 1_000_000}, "Number must be a number from 1 to 64"),
        ({"n": "many"}, "Number must be"),
        ({"n": float("nan")}, "Number must be"),
        ({"seed": -1}, "Seed must be"),
        ({"n": True}, "Number must be"),
        ({"truncation": 99}, "Truncation must be"),
    ],
)
def test_values_that_no_page_sends_are_refused(runs: Path, values: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        use(runs / "dcgan", "Samples", **values)


def test_uploads_are_asked_for_as_files_to_check(runs: Path) -> None:
    sampler = zerosum.load(runs / "pix2pix")
    asked = tool(sampler, "Picture to picture").controls(sampler, Run(runs / "pix2pix"), {})
    assert [type(control) for control in asked] == [Upload, Number]


def test_pictures_are_made_of_words(runs: Path) -> None:
    sampler = zerosum.load(runs / "text_to_image")
    assert sampler.card.captions
    made = use(runs / "text_to_image", "Prompt", n=3, seed=5)
    assert made.media == picture(sampler.sample(3, seed=5, prompt=sampler.card.captions.example), 8)
    with pytest.raises(ValueError, match="no word of '' is among"):
        use(runs / "text_to_image", "Prompt", prompt="")


def test_sentences_go_on_from_a_beginning(runs: Path) -> None:
    sampler = zerosum.load(runs / "textgan")
    first = str(sampler.sample(1)[0]).split()[0]
    lines = use(runs / "textgan", "Sentences", n=4, prefix=first, temperature=0.5).words.split("\n")
    assert lines == sampler.sample(4, prefix=first, temperature=0.5).tolist()


def test_a_box_is_filled_and_all_else_stays(runs: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    found = use(runs / "inpainting", "Holes filled", picture=pixels, side=64)
    assert found.before
    assert found.after
    before, after = np.asarray(found.before), np.asarray(found.after)
    hole = np.zeros((40, 60), bool)
    hole[16:24, 24:36] = True
    assert (before[hole] == 255).all()
    assert np.array_equal(before[~hole], pixels[~hole])
    assert np.array_equal(after[~hole], pixels[~hole])
    assert not np.array_equal(after[hole], pixels[hole])
    for box in ({"width": 0}, {"left": 0, "top": 0, "width": 100, "height": 100}):
        with pytest.raises(ValueError, match="the box must hold some of the picture"):
            use(runs / "inpainting", "Holes filled", picture=pixels, **box)


def test_sounds_are_shown(runs: Path) -> None:
    assert opened(use(runs / "wavegan", "Samples", n=8)).size[0] > 8
