"""Typed options from the command line, by tyro."""

from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from typing import Any, TypeVar

import tyro
from pydantic import ValidationError

from zerosum.schedules import Schedule

T = TypeVar("T")

_rules = tyro.constructors.ConstructorRegistry()


@_rules.primitive_rule
def _schedule(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec[Any] | None:
    if info.type not in (Schedule, Schedule | None):
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="NUMBER|SCHEDULE" if info.type is Schedule else "NUMBER|SCHEDULE|None",
        instance_from_str=lambda words: None if info.type is not Schedule and words[0] == "None" else Schedule.parse(words[0]),
        is_instance=lambda value: isinstance(value, info.type),
        str_from_instance=lambda schedule: [str(schedule)],
    )


def options(kind: type[T], program: str, arguments: Sequence[str], default: T | None = None) -> T:
    """Parse the arguments into `kind`; help and unknown options are tyro's, which prints and exits, an error with status 2.

    With a default every option takes a value (`--data.mirror True`), without one booleans are flags.

    Raises:
        ValidationError: (a ValueError) a value that its settings refuse.
    """
    settings: dict[str, Any] = {} if default is None else {"default": default, "config": (tyro.conf.FlagConversionOff,)}
    parse = partial(tyro.cli, kind, prog=program, args=arguments, **settings)
    with _rules:
        try:
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                parsed: T = parse()
        except SystemExit as done:
            error: BaseException | None = done
            while error is not None:
                if isinstance(error, ValidationError):
                    raise error from None
                error = error.__context__
            parsed = parse()
    return parsed
