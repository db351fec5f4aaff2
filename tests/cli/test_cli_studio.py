"""`zerosum studio` as its user meets it: the command, and the page in a browser, with nothing asked for from elsewhere."""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zerosum
from zerosum.cli import main
from zerosum.cli.studio import Studio, find_password
from zerosum.locking import trainer
from zerosum.run import Run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LACKING = [name for name in ("gradio", "playwright") if importlib.util.find_spec(name) is None]
needs_gradio = pytest.mark.skipif("gradio" in LACKING, reason='gradio is not installed: pip install "zerosum[studio]"')
needs_browser = pytest.mark.skipif(
    bool(LACKING) or CHROMIUM is None, reason=f"needs gradio, playwright and chromium; lacking {LACKING or 'chromium'}"
)
SECONDS = 60


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studio") / "runs"
    for family in ("dcgan", "pix2pix"):
        zerosum.train(f"{family}:tiny", folder / family)
    return folder


@pytest.fixture(scope="module")
def studio(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a studio in a process of its own, and where its temporary folder lies."""
    temporary = tmp_path_factory.mktemp("temporary")
    command = [sys.executable, "-m", "zerosum", "studio", str(runs), "--port", "0"]
    log = temporary.parent / "studio.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env={**os.environ, "TMPDIR": str(temporary)}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for(lambda: "the studio is at" in log.read_text() or process.poll() is not None)
        address = re.search(r"http://127\.0\.0\.1:\d+/", log.read_text())
        assert address, log.read_text()
        yield address[0], temporary
        process.terminate()
        assert process.wait(SECONDS) == 0, log.read_text()
        assert "Traceback" not in log.read_text(), log.read_text()
        assert not list(temporary.glob("zerosum-studio-*")), "uploads must not stay"
    finally:
        process.kill()
        process.wait()
        for folder in runs.iterdir():
            if number := trainer(folder):
                os.kill(number, signal.SIGKILL)


@pytest.fixture(scope="module")
def page(studio: tuple[str, Path]) -> Iterator[Any]:
    """A page of a browser that notes every request that leaves this machine, and every error of a script."""
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(1_000 * SECONDS)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: asked.append(f"error: {error}"))
        page.goto(studio[0])
        page.wait_for_selector(".zs-card")
        yield page
        browser.close()
    assert asked
    assert [url for url in asked if not url.startswith((studio[0], "data:", "blob:"))] == []


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def open_tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def choose(page: Any, element: str, value: str) -> None:
    """Choose from one of gradio's dropdowns."""
    page.locator(f"#{element} input").click()
    page.get_by_role("option", name=value, exact=True).click()


@contextmanager
def drawn_anew(page: Any, element: str) -> Iterator[None]:
    """What is done here has an element drawn anew: it ends when the new one stands there."""
    page.wait_for_selector(element)
    old = page.query_selector(element)
    yield
    page.wait_for_function("old => !old.isConnected", arg=old)
    page.wait_for_selector(element)


def upload(page: Any, file: Path) -> None:
    """Upload a picture: it ends when its name stands there, not when the upload's progress names it."""
    page.locator("#zs-picture input[type=file]").set_input_files(file)
    page.locator("#zs-picture").get_by_label(file.name).wait_for()


@needs_browser
def test_runs_are_listed_and_shown(page: Any) -> None:
    assert sorted(page.locator(".zs-card b").all_inner_texts()) == ["dcgan", "pix2pix"]
    page.locator(".zs-card[data-run=dcgan]").click()
    page.wait_for_selector("#zs-head h2:text-is('dcgan')")
    page.wait_for_selector("#zs-sheet img")
    page.locator("#zs-head", has_text="480 of 480 images").wait_for()
    page.locator("#zs-doctor", has_text="learning").wait_for()
    page.get_by_text("distance to real examples").first.wait_for()


@needs_browser
def test_samples_are_made_and_a_picture_projected(page: Any, tmp_path: Path) -> None:
    open_tab(page, "Playground")
    with drawn_anew(page, "#zs-tool"):
        choose(page, "zs-play-run", "dcgan")
    first = page.locator("#zs-result img").get_attribute("src")
    page.locator("#zs-seed input").fill("7")
    page.locator("#zs-make").click()
    page.wait_for_function("old => document.querySelector('#zs-result img').src != old", arg=first)
    with drawn_anew(page, "#zs-tool"):
        page.locator("#zs-tools").get_by_text("Projection").click()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 40, 3), np.uint8)).save(tmp_path / "mine.png")
    page.locator("#zs-steps input[type=number]").fill("3")
    upload(page, tmp_path / "mine.png")
    page.locator("#zs-make").click()
    page.locator("#zs-result-words").get_by_text("dB (PSNR)").wait_for()
    page.locator("#zs-both img").nth(1).wait_for()


@needs_browser
def test_hostile_uploads_are_refused_in_words(page: Any, tmp_path: Path) -> None:
    open_tab(page, "Playground")
    with drawn_anew(page, "#zs-tool"):
        choose(page, "zs-play-run", "pix2pix")
    page.locator("#zs-tools", has_text="Picture to picture").wait_for()
    (tmp_path / "bomb.png").write_bytes(bomb())
    upload(page, tmp_path / "bomb.png")
    page.locator("#zs-make").click()
    page.locator("#zs-result-words").get_by_text("9000 x 9000 pixels, at most 40 million").wait_for()
    with (tmp_path / "huge.png").open("wb") as stream:
        stream.truncate(100 * 2**20)
    page.locator("#zs-picture").get_by_label("Clear").click()
    page.locator("#zs-picture input[type=file]").set_input_files(tmp_path / "huge.png")
    page.get_by_text(re.compile("exceeds|too large|maximum", re.I)).first.wait_for()


def bomb() -> bytes:
    """A PNG file of 9000 x 9000 pixels in a few kilobytes."""
    import io

    stream = io.BytesIO()
    Image.new("1", (9_000, 9_000)).save(stream, "PNG")
    return stream.getvalue()


@needs_browser
def test_a_run_is_started_stopped_and_compared(page: Any, runs: Path) -> None:
    open_tab(page, "Train")
    with drawn_anew(page, "#zs-form"):
        choose(page, "zs-recipe", "tiny")
    page.wait_for_function("document.querySelector('#zs-name input, #zs-name textarea').value == 'dcgan-tiny'")
    page.locator("#zs-name").locator("input, textarea").fill("../mine")
    page.locator("#zs-start").click()
    page.locator("#zs-started").get_by_text("a run's name is made of letters").wait_for()
    page.locator("#zs-name").locator("input, textarea").fill("mine")
    page.locator("[id='zs-field-train.images'] input").fill("0")
    page.locator("#zs-start").click()
    page.locator("#zs-started").get_by_text("images must be above 0, not 0").wait_for()
    assert not (runs / "mine").exists()
    page.locator("[id='zs-field-train.images'] input").fill("200000")
    page.locator("#zs-start").click()
    page.locator("#zs-started").get_by_text("mine has started").wait_for()
    page.get_by_text("--train.images=200000").first.wait_for()
    wait_for(lambda: Run(runs / "mine").stats())
    open_tab(page, "Runs")
    page.locator(".zs-card[data-run=mine] .zs-training").wait_for()
    page.locator(".zs-card[data-run=mine]").click()
    page.locator("#zs-stop").click()
    page.locator("#zs-told").get_by_text("saves a checkpoint").wait_for()
    wait_for(lambda: trainer(runs / "mine") is None)
    assert Run(runs / "mine").newest_checkpoint()
    page.locator("#zs-resume").wait_for()
    open_tab(page, "Compare")
    page.locator("#zs-figures table", has_text="verdict").wait_for()


@needs_browser
def test_a_page_is_not_wider_than_a_phone(page: Any, studio: tuple[str, Path]) -> None:
    narrow = page.context.browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
    narrow.goto(studio[0])
    narrow.wait_for_selector(".zs-card")
    assert narrow.evaluate("document.documentElement.scrollWidth") <= 390
    assert narrow.evaluate("document.body.classList.contains('dark')")
    narrow.close()


def ask(url: str, **headers: str) -> tuple[int, str]:
    """Status and text of a request."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@needs_gradio
def test_other_pages_names_and_files_are_refused(studio: tuple[str, Path], runs: Path) -> None:
    address, _ = studio
    assert ask(address)[0] == 200
    status, words = ask(f"{address}gradio_api/upload", Origin="http://evil.example", **{"Content-Type": "text/plain"})
    assert (status, "may not use this studio" in words) == (403, True)
    assert ask(address, Host="evil.example")[0] == 403
    assert ask(f"{address}gradio_api/file={runs / 'dcgan' / 'recipe.json'}")[0] in (403, 404)
    assert ask(f"{address}gradio_api/file=/etc/passwd")[0] in (403, 404)
    status, words = ask(f"{address}gradio_api/info")
    assert not json.loads(words)["named_endpoints"]


@needs_gradio
def test_a_password_is_asked_for(runs: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "zerosum", "studio", str(runs), "--port", "0", "--host", "0.0.0.0"]
    with (tmp_path / "log").open("w") as output:
        process = subprocess.Popen([*command, "--password", "correct horse"], stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: "the studio is at" in (tmp_path / "log").read_text() or process.poll() is not None)
        port = re.search(r"http://[\w.]+:(\d+)/", (tmp_path / "log").read_text())
        assert port, (tmp_path / "log").read_text()
        address = f"http://127.0.0.1:{port[1]}/"
        assert ask(f"{address}config")[0] == 401
        assert login(address, "wrong horse") == 400
        assert login(address, "correct horse") == 200
    finally:
        process.kill()
        process.wait()


def login(address: str, password: str) -> int:
    """Status of a login."""
    form = f"username=me&password={password.replace(' ', '+')}".encode()
    try:
        with urllib.request.urlopen(f"{address}login", form, SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Studio(host="0.0.0.0"), "--host 0.0.0.0 opens the studio to others"),
        (Studio(share=True), "--share opens the studio to others"),
        (Studio(host="0.0.0.0", password="short"), "at least 8 characters, not 5"),
        (Studio(password=""), "at least 8 characters, not 0"),
    ],
)
def test_passwords_that_are_missing_or_short(options: Studio, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(ValueError, match=words):
        find_password(options)


def test_a_password_is_asked_for_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "typed secretly")
    assert find_password(Studio(host="::")) == "typed secretly"
    assert find_password(Studio()) is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "there is no folder nowhere"),
        (["--port", "99999"], "--port must be from 0 to 65535"),
        (["--family", "dcgan.nothing"], "no module"),
    ],
)
def test_mistakes_are_said(arguments: list[str], words: str, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    monkeypatch.setattr("zerosum.cli.studio.import_gradio", lambda: None)
    assert main(["studio", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_missing_gradio_is_answered_with_the_line_that_installs_it(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["studio", str(tmp_path)]) == 2
    assert 'pip install "zerosum[studio]"' in capsys.readouterr().err
