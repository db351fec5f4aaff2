import json
import re
from pathlib import Path

import pytest

import zerosum
from zerosum.report import curves, thin, write_report
from zerosum.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("report") / "run"
    zerosum.train("dcgan:tiny", folder)
    return Run(folder)


def test_report_needs_nothing_but_itself(run: Run) -> None:
    page = write_report(run).read_text()
    sources = re.findall(r"(?:src|href)=['\"]([^'\"]{5})", page)
    assert sources
    assert set(sources) == {"data:"}
    assert "<script" not in page


def test_report_shows_every_setting(run: Run) -> None:
    page = write_report(run).read_text()
    for name in ("optimisers.generator.rate", "gan.latent", "data.resolution", "torch"):
        assert f"<td>{name}</td>" in page


def test_what_a_user_typed_is_not_markup(run: Run) -> None:
    recipe = json.loads(run.recipe_file.read_text())
    recipe["data"]["path"] = "<script>alert(1)</script>"
    run.recipe_file.write_text(json.dumps(recipe))
    assert "<script" not in write_report(run).read_text()


def test_a_run_that_has_logged_nothing_yet() -> None:
    assert curves([]) == curves([{"images": 80}]) == "<p>Nothing logged yet.</p>"


def test_statistics_that_come_and_go() -> None:
    assert "svg" in curves([{"images": 1, "step": 1, "loss/a/b": 1.0}, {"images": 2, "step": 2, "D(x)": 0.5}])


@pytest.mark.parametrize("n", [0, 1, 9, 10, 1000])
def test_thinning_keeps_the_ends(n: int) -> None:
    kept = thin(list(range(n)), 10)
    assert len(kept) == min(n, 10)
    assert kept[:1] + kept[-1:] == list(range(n))[:1] + list(range(n))[-1:]
    assert kept == sorted(set(kept))


def test_a_picture_is_never_half_there(run: Run, tmp_path: Path) -> None:
    assert not list(run.samples_folder.glob(".*"))
