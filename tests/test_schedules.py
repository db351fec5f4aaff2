import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerosum.schedules import Schedule, constant, cosine, exponential, linear

RATES = st.floats(1e-8, 10)
IMAGES = st.floats(1, 1e9)


@pytest.mark.parametrize(
    ("schedule", "images", "value"),
    [
        (constant(0.5), 1e9, 0.5),
        (linear(1.0, 0.0, over=100), 25, 0.75),
        (linear(1.0, 0.0, over=100, delay=50), 50, 1.0),
        (linear(1.0, 0.0, over=100, delay=50), 100, 0.5),
        (cosine(1.0, 0.0, over=100), 25, (1 + math.cos(math.pi / 4)) / 2),
        (exponential(1e-1, 1e-3, over=100), 50, 1e-2),
        (exponential(1e-1, 1e-3, over=100), 1_000, 1e-3),
    ],
)
def test_value(schedule: Schedule, images: float, value: float) -> None:
    assert schedule(images) == pytest.approx(value)


def test_goodfellows_decay_is_a_constant_factor_per_update() -> None:
    updates = math.log(1e5) / math.log(1.000004)
    rate = exponential(0.1, 1e-6, over=updates * 100)
    assert rate(100) == pytest.approx(0.1 / 1.000004)
    assert rate(250_000 * 100) == pytest.approx(0.1 / 1.000004**250_000)


@given(RATES, RATES, IMAGES, st.floats(0, 1e9), st.sampled_from([linear, cosine, exponential]))
def test_ends_bounds_and_written_form(start: float, end: float, over: float, delay: float, make) -> None:  # type: ignore[no-untyped-def]
    schedule = make(start, end, over=over, delay=delay)
    assert schedule(delay) == pytest.approx(start)
    assert schedule(delay + over * 1.01) == pytest.approx(end)
    low, high = sorted((start, end))
    assert low * (1 - 1e-9) <= schedule(delay + over * 0.3) <= high * (1 + 1e-9)
    assert Schedule.parse(str(schedule)) == schedule


@pytest.mark.parametrize("text", ["fast", "linear(1, 2)", "linear(1, 2, over=x)", "step(1, 2, over=3)", "", None, True, "nan"])
def test_nonsense_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="schedule"):
        Schedule.parse(text)


def test_impossible_ends_are_refused() -> None:
    with pytest.raises(ValueError, match="positive ends, not 0.1 and 0"):
        exponential(0.1, 0.0, over=10)
    with pytest.raises(ValueError, match="`over` must be a positive number of images, not -3"):
        linear(0.1, 0.0, over=-3)
