"""A value as a function of the images seen: `0.0002`, `linear(0.0002, 0, over=3.2e6)`, `cosine(...)`, `exponential(...)`."""

import math
import re
from dataclasses import dataclass
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

SHAPES = ("constant", "linear", "cosine", "exponential")


@dataclass(frozen=True)
class Schedule:
    """Goes from `start` to `end` over `over` images, after waiting for `delay` images, and stays at `end`."""

    start: float
    end: float
    over: float = 0
    delay: float = 0
    shape: str = "constant"

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(f"a schedule's shape is one of {', '.join(SHAPES)}, not {self.shape!r}")
        if not all(map(math.isfinite, (self.start, self.end, self.over, self.delay))):
            raise ValueError(f"a schedule's numbers must be finite: {self}")
        if self.shape != "constant" and self.over <= 0:
            raise ValueError(f"{self.shape} schedule: `over` must be a positive number of images, not {self.over:g}")
        if self.shape == "exponential" and (self.start <= 0 or self.end <= 0):
            raise ValueError(f"an exponential schedule needs positive ends, not {self.start:g} and {self.end:g}")

    def __call__(self, images: float) -> float:
        """The value after `images` images."""
        if self.shape == "constant":
            return self.start
        t = min(max((images - self.delay) / self.over, 0.0), 1.0)
        if self.shape == "exponential":
            return float(self.start * (self.end / self.start) ** t)
        if self.shape == "cosine":
            t = (1 - math.cos(math.pi * t)) / 2
        return self.start + (self.end - self.start) * t

    def __str__(self) -> str:
        if self.shape == "constant":
            return exactly(self.start)
        delay = f", delay={exactly(self.delay)}" if self.delay else ""
        return f"{self.shape}({exactly(self.start)}, {exactly(self.end)}, over={exactly(self.over)}{delay})"

    @classmethod
    def parse(cls, value: object) -> Self:
        """A schedule from a number or from its written form.

        Raises:
            ValueError: the text is neither.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return cls(float(value), float(value))
        number = r"\s*([-+.\deE]+)\s*"
        if isinstance(value, str):
            try:
                if match := re.fullmatch(rf"\s*(\w+)\({number},{number},\s*over={number}(?:,\s*delay={number})?\)\s*", value):
                    shape, *numbers = match.groups(default="0")
                    start, end, over, delay = map(float, numbers)
                    return cls(start, end, over, delay, shape)
                return cls(float(value), float(value))
            except ValueError as error:
                if "schedule" in str(error):
                    raise
        raise ValueError(f"not a value or schedule: {value!r}; write 0.0002 or linear(0.0002, 0, over=1000000)")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def plain(schedule: Schedule) -> float | str:
            return schedule.start if schedule.shape == "constant" else str(schedule)

        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(plain)
        )


def exactly(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return repr(float(value)).removesuffix(".0")


def constant(value: float) -> Schedule:
    """The same value throughout."""
    return Schedule(value, value)


def linear(start: float, end: float, *, over: float, delay: float = 0) -> Schedule:
    """A straight line over `over` images, after `delay` images."""
    return Schedule(start, end, over, delay, "linear")


def cosine(start: float, end: float, *, over: float, delay: float = 0) -> Schedule:
    """Half a cosine over `over` images, after `delay` images."""
    return Schedule(start, end, over, delay, "cosine")


def exponential(start: float, end: float, *, over: float, delay: float = 0) -> Schedule:
    """A constant factor per image, from `start` to `end` over `over` images, after `delay` images."""
    return Schedule(start, end, over, delay, "exponential")
