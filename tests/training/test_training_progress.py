import io

import pytest
from rich.console import Console

from zerosum.training.progress import Display, values

ROW = {"images": 320.0, "images_per_second": 1234.5, "loss/discriminator/adversarial": 1.25, "score_real": 2.0}
ROW |= {"D(x)": 0.75, "loss/critic/gradient_penalty": 0.5, "gradient_norm/generator": 3.0}


def test_values_in_short() -> None:
    assert values(ROW) == "1,234 images/s  discriminator 1.25  D(x) 0.75  critic/gradient_penalty 0.5"
    without = {name: value for name, value in ROW.items() if name != "D(x)"}
    assert values({"images": 320.0, "metric/recall": 0.25}) == "recall 0.25"
    assert "score_real 2" in values(without), "raw scores where there are no probabilities"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_both_kinds_of_output_say_the_same(is_terminal: bool) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=is_terminal, width=120)
    with Display(console, 0, 640) as display:
        display.advance(320)
        display.show(ROW)
    text = stream.getvalue()
    for part in ("320 / 640 images", "left", "1,234 images/s", "D(x) 0.75"):
        assert part in text
    assert ("\x1b[" in text) == is_terminal


def test_lines_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    with Display(Console(file=stream, width=120), 0, 640) as display:
        for images in range(1, 641):
            display.show(ROW | {"images": images})
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2, "the first, and the last"
    assert "640 / 640" in lines[-1]
