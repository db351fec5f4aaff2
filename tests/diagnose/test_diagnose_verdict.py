"""From a history to a verdict: every verdict by the signs that call for it, and advice that can be followed."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zerosum import gans
from zerosum.cli.options import options
from zerosum.cli.train import Train, spelled_out
from zerosum.diagnose.examination import Signals
from zerosum.diagnose.verdict import CURES, HEALTHY, RULES, VERDICTS, WINDOW, Players, Verdict, advise, converged, diagnose
from zerosum.recipe import Recipe
from zerosum.supervision import takes

HALF = Signals(
    images=1_000,
    accuracy=0.7,
    accuracy_held_out=0.7,
    score_real=0.5,
    score_fake=-0.5,
    score_spread=0.1,
    overfitting=0.0,
    probability_real=0.6,
    probability_fake=0.4,
    gradient_norms={"generator": 0.5, "discriminator": 0.5},
    update_ratios={"generator": 0.01, "discriminator": 0.01},
    distance=0.1,
    distance_floor=0.001,
    diversity=0.95,
    missing_share=0.02,
    duplicates=0.02,
    copies=0.0,
    label_signal=0.8,
    saturated=0.0,
    checkerboard=1.0,
)
"""Nothing wrong, but not there yet."""
PLAYERS = Players({"generator": 2e-4, "discriminator": 4e-4}, ("discriminator",), frozenset(CURES))


def steady(count: int = 2 * WINDOW, **changes: Any) -> list[Signals]:
    """As many examinations, all with the same findings."""
    return [replace(HALF, images=1_000 * number, **changes) for number in range(count)]


def falling(count: int = 2 * WINDOW, **changes: Any) -> list[Signals]:
    """Examinations of samples that come nearer to real examples every time."""
    return [replace(row, distance=0.4 * 0.85**number) for number, row in enumerate(steady(count, **changes))]


CASES: dict[str, tuple[Verdict, list[Signals], str]] = {
    "nearing": ("learning", falling(), "this still changes"),
    "near": ("in equilibrium", steady(distance=0.01), "stayed at 0.010"),
    "as near as can be": ("in equilibrium", steady(distance=-0.001), "stayed at -0.001"),
    "modes": ("mode collapse", steady(missing_share=0.4), "never show 40%"),
    "classes": ("mode collapse", steady(missing_share=0.4, missing_classes=("bag", "coat")), r"\(classes bag, coat\)"),
    "uniform": ("mode collapse", steady(diversity=0.2), "0.20 times as much"),
    "twins": ("mode collapse", steady(duplicates=0.7), "70% of samples are near duplicates"),
    "labels": ("labels ignored", steady(label_agreement=0.02), "at 0.02, real examples at 0.80"),
    "shuffled labels": ("labels ignored", steady(label_agreement=0.3, label_signal=0.03), "shuffled"),
    "sure": ("discriminator overpowers", falling(probability_real=0.97, probability_fake=0.02), r"D\(x\) is 0.97"),
    "wholly sure": ("discriminator overpowers", falling(probability_real=1.0, probability_fake=0.0), r"D\(G\(z\)\) 0.00"),
    "always right": (
        "discriminator overpowers",
        steady(accuracy=1.0, probability_real=None, probability_fake=None),
        "ranks 100.0% of pairs rightly",
    ),
    "fooled": ("generator overpowers", steady(accuracy=0.05), "ranks only 5% of pairs rightly"),
    "by heart": ("discriminator overfits", steady(overfitting=0.6), "held out score 60% of the way"),
    "copies": ("discriminator overfits", steady(copies=0.5), "50% of samples are near copies"),
    "not a number": ("diverging", [replace(HALF, finite=False)], "no longer finite"),
    "vanished": ("diverging", steady(gradient_norms={"generator": 0.0, "discriminator": 1.0}), "gradient of the generator"),
    "no way back": ("diverging", steady(score_real=900.0, score_fake=-900.0), "scores have grown to 900 and -900"),
    "lost": ("diverging", [*steady(distance=0.02), *steady(2, distance=0.9)], "are now 0.900"),
    "far for long": ("stalled", steady(), "stayed at 0.100 from real examples for 10 examinations"),
}


@pytest.mark.parametrize("case", CASES)
def test_verdict_by_its_signs(case: str) -> None:
    expected, history, evidence = CASES[case]
    diagnosis = diagnose(history, PLAYERS)
    assert diagnosis.verdict == expected
    assert any(re.search(evidence, line) for line in diagnosis.evidence), diagnosis.evidence
    assert bool(diagnosis.advice) == (expected != "learning")


def test_every_verdict_is_reached() -> None:
    assert {verdict for verdict, _, _ in CASES.values()} == set(VERDICTS)
    assert len(RULES) == len(VERDICTS) - 1


@pytest.mark.parametrize("case", CASES)
def test_before_there_are_enough_examinations_a_run_is_learning(case: str) -> None:
    verdict, history, _ = CASES[case]
    early = diagnose(history[: WINDOW - 1], PLAYERS).verdict
    assert early == ("diverging" if verdict == "diverging" and case != "lost" else "learning")


def test_one_healthy_examination_in_the_window_is_enough_to_wait() -> None:
    for case in ("modes", "uniform", "twins", "labels", "always right", "fooled", "by heart", "copies"):
        verdict, history, _ = CASES[case]
        assert diagnose([*history[:-3], replace(HALF, label_agreement=0.7), *history[-2:]], PLAYERS).verdict != verdict, case


def test_order_of_gravity() -> None:
    signs: list[tuple[Verdict, dict[str, Any]]] = [
        ("stalled", {}),
        ("in equilibrium", {"distance": 0.01}),
        ("discriminator overpowers", {"distance": 0.1, "probability_real": 0.99, "probability_fake": 0.01}),
        ("mode collapse", {"missing_share": 0.5}),
        ("generator overpowers", {"accuracy": 0.05}),
        ("discriminator overfits", {"overfitting": 0.9}),
        ("labels ignored", {"label_agreement": 0.0}),
        ("diverging", {"finite": False}),
    ]
    together: dict[str, Any] = {}
    for verdict, sign in signs:
        together |= sign
        assert diagnose(steady(**together), PLAYERS).verdict == verdict


def test_a_single_examination_that_is_not_finite_is_diverging_at_once_and_a_past_one_is_not() -> None:
    broken = Signals(images=9_000, finite=False)
    assert diagnose([broken], PLAYERS).verdict == "diverging"
    assert diagnose([*falling(), broken], PLAYERS).verdict == "diverging"
    assert diagnose([*falling()[:4], broken, *falling()], PLAYERS).verdict == "learning"


def test_a_history_of_which_little_is_known_is_learning() -> None:
    for known in ({}, {"accuracy": 1.0}, {"gradient_norms": {"generator": 0.0}}, {"probability_real": 1.0}):
        assert diagnose([Signals(images=number, **known) for number in range(12)], PLAYERS).verdict == "learning"  # type: ignore[arg-type]


def test_variety_that_grows_is_no_collapse() -> None:
    rows = falling(2 * WINDOW)
    growing = [replace(row, diversity=0.05 * number, missing_share=0.9 - 0.04 * number) for number, row in enumerate(rows)]
    assert growing[-1].diversity is not None
    assert growing[-1].diversity < 0.5
    assert diagnose(growing, PLAYERS).verdict == "learning"
    assert diagnose([replace(row, distance=0.3) for row in growing], PLAYERS).verdict == "mode collapse"


def test_converged_is_equilibrium_for_a_window() -> None:
    assert converged(["learning", *["in equilibrium"] * WINDOW])
    assert not converged(["in equilibrium"] * (WINDOW - 1))
    assert not converged([*["in equilibrium"] * WINDOW, "learning"])
    assert not converged([*["in equilibrium"] * (WINDOW - 1), "stalled", "in equilibrium"])


def with_errors(errors: Sequence[float], **changes: Any) -> list[Signals]:
    """Examinations of pairs, with these differences to the targets of held-out ones."""
    rows = steady(len(errors), error_train=0.1, **changes)
    return [replace(row, error=error) for row, error in zip(rows, errors, strict=True)]


def test_pairs_are_learning_while_the_error_of_held_out_ones_falls() -> None:
    falls, stays = [0.3 * 0.9**number for number in range(2 * WINDOW)], [0.1] * 2 * WINDOW
    assert diagnose(with_errors(falls, distance=0.01), PLAYERS).verdict == "learning"
    assert diagnose(with_errors(stays, distance=0.01), PLAYERS).verdict == "in equilibrium"
    assert diagnose(with_errors(falls), PLAYERS).verdict == "learning"
    assert diagnose(with_errors(stays), PLAYERS).verdict == "stalled"


def test_a_discriminator_that_knows_its_pairs_by_heart_is_an_ailment_once_held_out_ones_suffer() -> None:
    falls = [0.3 * 0.9**number for number in range(2 * WINDOW)]
    found = diagnose(with_errors(falls, overfitting=0.5), PLAYERS)
    assert found.verdict == "learning"
    assert "knows its training pairs by heart" in found.remarks[0]
    assert diagnose(with_errors(falls[::-1], overfitting=0.5), PLAYERS).verdict == "discriminator overfits"
    assert diagnose(steady(overfitting=0.5), PLAYERS).verdict == "discriminator overfits", "without pairs as before"


def test_a_generator_that_knows_its_pairs_by_heart_is_remarked_on() -> None:
    assert "2.5 times as far from its target" in diagnose(with_errors([0.25]), PLAYERS).remarks[0]
    assert diagnose(with_errors([0.15]), PLAYERS).remarks == ()


def test_remarks_come_with_any_verdict() -> None:
    newest = replace(HALF, saturated=0.5, checkerboard=9.0, missing_classes=("bag",))
    remarks = diagnose([newest], PLAYERS).remarks
    assert len(remarks) == 3
    assert "50% more pixels" in remarks[0]
    assert "9.0 times" in remarks[1]
    assert "bag" in remarks[2]
    assert diagnose([HALF], PLAYERS).remarks == ()


def test_a_diagnosis_in_words() -> None:
    _, history, _ = CASES["twins"]
    diagnosis = diagnose([*history[:-1], replace(history[-1], saturated=0.5)], PLAYERS)
    lines = str(diagnosis).splitlines()
    assert lines[0] == "verdict: mode collapse"
    assert lines[1] == "  because 70% of samples are near duplicates of another"
    assert [line for line in lines if line.startswith("  try ")] == [f"  try {advice}" for advice in diagnosis.advice]
    assert lines[-1].startswith("  note: 50% more pixels")
    assert len(lines) == 1 + len(diagnosis.evidence) + len(diagnosis.advice) + len(diagnosis.remarks)


def accepted(words: Sequence[str], spec: str) -> Recipe:
    """The recipe that `zerosum train SPEC WORDS` would train."""
    return options(Train, "zerosum train", spelled_out(list(words)), Train(gans.get_recipe(spec), Path("runs"))).recipe


def options_in(advice: str) -> list[str]:
    """The options in a sentence, each with its value if it has one."""
    words: list[str] = []
    for word in shlex.split(re.sub(r"; ", " ; ", advice)):
        if word.startswith("--") or (words and words[-1].startswith("--") and word != ";"):
            words.append(word)
    return words


@pytest.mark.parametrize("family", gans.names())
@pytest.mark.parametrize("verdict", VERDICTS)
def test_advice_can_be_followed_to_the_letter(verdict: Verdict, family: str) -> None:
    spec = f"{family}:tiny"
    recipe = gans.get_recipe(spec)
    names = tuple(recipe.optimisers)
    judges = tuple(name for name in names if name != "generator")
    rates = {name: optimiser.rate.start for name, optimiser in recipe.optimisers.items()}
    cures = frozenset(name for name, value in CURES.items() if takes(recipe.gan, name, value))
    advice = list(advise(verdict, Players(rates, judges, cures, recipe.data.kind not in ("tokens", "audio")), 64_000))
    assert bool(advice) == (verdict != "learning")
    for line in advice:
        words = options_in(line)
        if not words:
            continue
        followed = accepted(words, spec)
        assert followed != recipe, line
        for name, optimiser in followed.optimisers.items():
            if f"--optimisers.{name}.rate" in words:
                assert optimiser.rate != recipe.optimisers[name].rate
                assert 0 < optimiser.rate.start <= 10 * rates[name]
    if verdict == "diverging":
        assert all(f"--optimisers.{name}.rate {0.2 * rate:.2g}" in advice[0] for name, rate in rates.items())


def test_augmentation_is_for_images_only() -> None:
    assert any("--augment" in line for line in advise("discriminator overfits", PLAYERS, 1_000))
    points = replace(PLAYERS, cures=PLAYERS.cures - {"augment"})
    assert not any("--augment" in line for line in advise("discriminator overfits", points, 1_000))


def test_healthy_verdicts_are_verdicts() -> None:
    assert set(HEALTHY) < set(VERDICTS)
