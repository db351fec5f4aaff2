"""Metrics by name: which there are, and what they need."""

import difflib
from collections.abc import Collection

from zerosum.evaluate.labelled import LESSON_METRICS, STACKED_METRICS
from zerosum.evaluate.points import POINT_METRICS
from zerosum.evaluate.retrieval import PROMPT_METRICS
from zerosum.evaluate.runner import GROUPS, METRICS

IMAGE_METRICS = (*METRICS, "ppl", *LESSON_METRICS, *STACKED_METRICS)
CAPTION_METRICS = (*METRICS, "ppl", *PROMPT_METRICS)
ALL_METRICS = tuple(dict.fromkeys((*IMAGE_METRICS, *POINT_METRICS, *PROMPT_METRICS)))


def read_metrics(text: str) -> list[str]:
    """Names of metrics, each once, from `fid,kid,...`.

    Raises:
        ValueError: an unknown one.
    """
    names = list(dict.fromkeys(word.strip() for word in text.split(",")))
    for name in names:
        if name not in ALL_METRICS:
            near = difflib.get_close_matches(name, ALL_METRICS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"unknown metric {name!r}: {hint}The metrics are {', '.join(ALL_METRICS)}")
    return names


def needed(metrics: Collection[str]) -> set[str]:
    """What metrics need beside features, as `Group.needs` has it."""
    return {need for group in GROUPS if set(group.metrics) & set(metrics) for need in group.needs}
