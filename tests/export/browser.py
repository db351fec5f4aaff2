"""A headless Chromium for tests of pages, and skips with a reason where there is none."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zerosum.export.page import Runtime, find_runtime

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    """ONNX Runtime Web, from $ZEROSUM_RUNTIME or by npm."""
    path = os.environ.get("ZEROSUM_RUNTIME")
    try:
        return find_runtime(Path(path) if path else None)
    except ValueError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, driven by playwright."""
    if CHROMIUM is None or importlib.util.find_spec("playwright") is None:
        pytest.skip("pages are tested in a browser: apt-get install chromium, pip install playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def opened(browser: Any, folder: Path) -> Any:
    """The page in that folder, opened from the disk, ready."""
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.set_default_timeout(120_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
    page.goto((folder / "index.html").as_uri())
    page.wait_for_function("window.zerosum || document.querySelector('.problem')")
    assert page.locator(".problem").count() == 0, page.text_content("#status")
    assert not problems
    return page


def pixels(page: Any, selector: str = "#image") -> np.ndarray:
    """What a canvas shows, uint8 `[H, W, 3]`."""
    width, height, values = page.evaluate(
        """(selector) => {
            const canvas = document.querySelector(selector);
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return [canvas.width, canvas.height, Array.from(data)];
        }""",
        selector,
    )
    return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of images uint8 `[H, W, 1 or 3]`; 99 where they are equal."""
    error = np.square(one.astype(float) - other.astype(float)).mean()
    return 99.0 if not error else float(10 * np.log10(255**2 / error))
