"""What the playground is made of: a tool asks for things by controls and gives a result; the page knows no tool by name.

To add one, write a function that makes a `Tool` where rooms are put together (`zerosum.playing`), and add it to the list there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from zerosum.run import Run
from zerosum.sampling import Sampler


@dataclass(frozen=True)
class Control:
    """Something that a tool asks for, by name."""

    name: str
    label: str
    help: str = ""


@dataclass(frozen=True)
class Number(Control):
    """A number in a range: given as a slider where `slides`, else typed."""

    value: float = 0
    low: float = 0
    high: float = 2**31 - 1
    step: float = 1
    slides: bool = False
    optional: bool = False
    """Whether a switch beside it turns it off: then it is None."""


@dataclass(frozen=True)
class Choice(Control):
    """One of several texts; `redraws`: other controls depend on it."""

    choices: tuple[str, ...] = ()
    value: str = ""
    redraws: bool = False


@dataclass(frozen=True)
class Switch(Control):
    """Yes or no."""

    value: bool = False


@dataclass(frozen=True)
class Words(Control):
    """A text, such as a prompt."""

    value: str = ""


@dataclass(frozen=True)
class Upload(Control):
    """A picture of the user's: the tool is given its pixels, checked and decoded, uint8 `[H, W, C]` with C 1 or 3."""


Values = Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """What a tool has made."""

    words: str = ""
    """What there is to say of it."""
    media: bytes = b""
    """A file; empty: nothing but words."""
    suffix: str = ".png"
    """Of the file's kind: .png, .webp."""
    before: Image.Image | None = None
    """With it the result is shown as before and after, under a slider; both of one size."""
    after: Image.Image | None = None


@dataclass(frozen=True)
class Tool:
    """Something to do with a trained generator."""

    title: str
    help: str
    fits: Callable[[Sampler], bool]
    """Whether it works for a generator: by what this is given and makes, not by its name."""
    controls: Callable[[Sampler, Run, Values], Sequence[Control]]
    """What it asks for, given the values of the choices that redraw."""
    use: Callable[[Sampler, Run, Values], Result]
    """Raises ValueError in words for a user."""
    live: bool = False
    """Whether it is so fast that every change shows at once."""


def fitting(tools: Sequence[Tool], sampler: Sampler) -> list[Tool]:
    """The tools that work for a generator."""
    return [tool for tool in tools if tool.fits(sampler)]


def defaults(controls: Sequence[Control]) -> dict[str, Any]:
    """The values that controls begin with."""
    return {
        control.name: None
        if isinstance(control, Upload) or getattr(control, "optional", False)
        else getattr(control, "value", None)
        for control in controls
    }


def checked(controls: Sequence[Control], values: Values) -> dict[str, Any]:
    """The values of a browser, held to what the controls allow: a request need not come from the page.

    Raises:
        ValueError: out of range, no such choice, or not of the kind asked for.
    """
    found: dict[str, Any] = {}
    for control in controls:
        value = values.get(control.name)
        match control:
            case Number():
                found[control.name] = in_range(control, value)
            case Choice():
                if value not in control.choices:
                    raise ValueError(f"{control.label}: choose one of {', '.join(control.choices)}, not {value!r}")
                found[control.name] = value
            case Switch():
                found[control.name] = bool(value)
            case Words():
                found[control.name] = str(value or "")
            case _:
                found[control.name] = value
    return found


def in_range(control: Number, value: object) -> float | int | None:
    """A number as its control allows.

    Raises:
        ValueError: it is none, or out of range.
    """
    if value is None and control.optional:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not control.low <= value <= control.high:
        raise ValueError(f"{control.label} must be a number from {control.low:g} to {control.high:g}, not {value!r}")
    whole = float(control.step).is_integer() and float(control.low).is_integer()
    return round(value) if whole else float(value)
