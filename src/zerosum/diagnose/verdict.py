"""From what was found in a run so far to a verdict in words, its evidence, and the next thing to try."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean
from typing import Literal, get_args

from zerosum.diagnose.examination import Signals

Verdict = Literal[
    "learning",
    "in equilibrium",
    "mode collapse",
    "labels ignored",
    "discriminator overpowers",
    "generator overpowers",
    "discriminator overfits",
    "diverging",
    "stalled",
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
HEALTHY: tuple[Verdict, ...] = ("learning", "in equilibrium")

Rule = Callable[[Sequence[Signals], Sequence[Signals]], list[str]]
"""(the newest examinations, all examinations) -> evidence, empty if the verdict does not apply."""

WINDOW = 5
"""Examinations that a verdict rests on; before there are so many, a run is learning unless it has broken down."""
NEAR, FAR = 0.02, 0.05
"""Distance (energy coefficient) below which samples are near real examples in looks, and above which they are far."""
GETTING_NEARER = 0.97
"""Distance now over distance before, under which a run improves."""
FOOLED = 0.15
ALWAYS_RIGHT = 0.99
SURE = 0.75
"""D(x) - D(G(z)) of a discriminator that has nothing left to learn."""
OVERFITTING = 0.35
COPIED = 0.2
MISSING = 0.25
UNIFORM = 0.5
TWINS = 0.5
WEAK_LABELS = 0.2
"""Agreement with labels, from 0 as by chance to 1, below which they say nothing."""
BY_HEART = 2.0
"""Error of held-out pairs over that of pairs learned from, above which these are known by heart."""
VANISHED, EXPLODED = 1e-5, 100.0
"""Gradient norm below which a network is no longer moved; difference of logits that no sigmoid tells from infinity."""
LOST = 5.0
"""Distance over the best distance so far, above which what had been learned is lost."""


CURES: Mapping[str, str | float] = {"augment": "ada", "minibatch": "std", "instance_noise": 0.2}
"""Stabilisers that are advised, and their values."""


@dataclass(frozen=True)
class Players:
    """Whom advice is given about."""

    rates: Mapping[str, float]
    """Learning rate of every player, where it is highest."""
    discriminators: tuple[str, ...]
    """The players that judge."""
    cures: frozenset[str] = frozenset()
    """The stabilisers that the family takes, of `CURES`."""
    images: bool = True
    """Whether it is images that are made: text and sounds are not mirrored."""


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor says of a run."""

    verdict: Verdict
    evidence: tuple[str, ...]
    """Figures that the verdict rests on, in sentences."""
    advice: tuple[str, ...]
    """What to try next, as exact options."""
    remarks: tuple[str, ...] = ()
    """What else was noticed."""

    def __str__(self) -> str:
        lines = [f"verdict: {self.verdict}", *(f"  because {reason}" for reason in self.evidence)]
        return "\n".join(
            [*lines, *(f"  try {advice}" for advice in self.advice), *(f"  note: {remark}" for remark in self.remarks)]
        )


def diagnose(history: Sequence[Signals], players: Players) -> Diagnosis:
    """The verdict on a run.

    Args:
        history: what was found so far, oldest first, at least once.
    """
    remarks = tuple(notice(history[-1]))
    for rule in RULES:
        evidence = rule(history[-WINDOW:], history)
        if evidence:
            verdict: Verdict = NAMES[rule]
            return Diagnosis(verdict, tuple(evidence), tuple(advise(verdict, players, history[-1].images)), remarks)
    newest = history[-1]
    evidence = (
        [] if newest.distance is None else [f"samples are {newest.distance:.3f} from real examples, and this still changes"]
    )
    return Diagnosis("learning", tuple(evidence), (), remarks)


def converged(verdicts: Sequence[str]) -> bool:
    """Whether a run has been in equilibrium for long enough to end it."""
    return len(verdicts) >= WINDOW and all(verdict == "in equilibrium" for verdict in verdicts[-WINDOW:])


def known(rows: Iterable[Signals], name: str) -> list[float]:
    """A signal of several examinations, those left out in which it is not known."""
    return [value for row in rows if (value := getattr(row, name)) is not None]


def all_of(rows: Sequence[Signals], name: str, least: float = -inf, most: float = inf) -> bool:
    """Whether a signal is known and within bounds in every one of `WINDOW` examinations."""
    values = known(rows, name)
    return len(values) == WINDOW and all(least <= value <= most for value in values)


def diverging(rows: Sequence[Signals], history: Sequence[Signals]) -> list[str]:
    """Something is NaN or infinite, or the networks have been driven where nothing reaches them any more."""
    newest = rows[-1]
    if not newest.finite:
        return ["losses, weights or samples are no longer finite numbers"]
    distances = known(history, "distance")
    if len(distances) < 2 or min(distances[-2:]) < FAR:
        return []
    player, norm = min((newest.gradient_norms or {"": inf}).items(), key=lambda item: item[1])
    if norm < VANISHED:
        return [
            f"the gradient of the {player} has vanished ({norm:.1g}), and samples are {distances[-1]:.2f} from real examples"
        ]
    if newest.probability_real is not None and (newest.score_real or 0) - (newest.score_fake or 0) > EXPLODED:
        return [
            f"scores have grown to {newest.score_real:.3g} and {newest.score_fake:.3g}, where nothing can be learned from them"
        ]
    if min(distances[-2:]) > max(LOST * min(distances), 0.2):
        return [f"samples were {min(distances):.3f} from real examples, and are now {distances[-1]:.3f}"]
    return []


def labels_ignored(rows: Sequence[Signals], history: Sequence[Signals]) -> list[str]:
    """A conditional generator's samples do not look like their classes."""
    newest, agreements = rows[-1], known(rows, "label_agreement")
    if newest.label_signal is None or len(agreements) < WINDOW:
        return []
    if newest.label_signal < WEAK_LABELS:
        return [f"the labels say nothing about how the real examples look (agreement {newest.label_signal:.2f}): shuffled?"]
    if max(agreements) < WEAK_LABELS * newest.label_signal:
        return [f"samples agree with the labels asked for at {agreements[-1]:.2f}, real examples at {newest.label_signal:.2f}"]
    return []


def generator_overpowers(rows: Sequence[Signals], history: Sequence[Signals]) -> list[str]:
    """The discriminator is fooled by samples that are far from real."""
    if all_of(rows, "accuracy", most=FOOLED) and all_of(rows, "distance", least=FAR):
        accuracy, distance = rows[-1].accuracy, rows[-1].distance
        return [f"the discriminator ranks only {accuracy:.0%} of pairs rightly, yet samples are {distance:.2f} from real ones"]
    return []


def mode_collapse(rows: Sequence[Signals], history: Sequence[Signals]) -> list[str]:
    """Samples lack variety, and do not gain any."""
    missing, diversity, twins = (known(rows, name) for name in ("missing_share", "diversity", "duplicates"))
    if len(diversity) < WINDOW or len(history) < WINDOW + 2 or gaining(history):
        return []
    newest, evidence = rows[-1], []
    if missing and min(missing) > MISSING:
        classes = f" (classes {', '.join(newest.missing_classes)})" if newest.missing_classes else ""
        evidence.append(f"samples never show {missing[-1]:.0%} of what is in the data{classes}")
    if max(diversity) < UNIFORM:
        evidence.append(f"samples differ from each other {diversity[-1]:.2f} times as much as real examples do")
    if min(twins) > TWINS:
        evidence.append(f"{twins[-1]:.0%} of samples are near duplicates of another")
    return evidence


def discriminator_overfits(rows: Sequence[Signals], history: Sequence[Signals]) -> list[str]:
    """The discriminator knows its training examples by heart, or the generator copies them."""
    newest, evidence = rows[-1], []
    if all_of(rows, "overfitting", least=OVERFITTING) and not is_harmless(history):
        evidence.append(
            f"examples that were held out score {newest.overfitting:.0%} of the way from training examples to samples"
        )
    if all_of(rows, "copies", least=COPIED):
        evidence.append(f"{newest.copies:.0%} of samples are near copies of a training example")
    return evidence


def is_harmless(history: Sequence[Signals]) -> bool:
    """Whether held-out pairs are still translated about as well as ever, whatever the discriminator knows by heart."""
    errors = known(history, "error")
    return bool(errors) and errors[-1] * GETTING_NEARER <= min(errors)


def discriminator_overpowers(rows: Sequence[Signals], history: Sequence[Signals]) -> list[str]:
    """The discriminator is sure of everything, so that the generator learns slowly or nothing."""
    if not all_of(rows, "distance", least=NEAR):
        return []
    newest = rows[-1]
    real, fake = known(rows, "probability_real"), known(rows, "probability_fake")
    if len(real) == len(fake) == WINDOW and fmean(real) - fmean(fake) > SURE:
        return [f"D(x) is {newest.probability_real:.2f} and D(G(z)) {newest.probability_fake:.2f}: losses near 0 teach little"]
    if all_of(rows, "accuracy", least=ALWAYS_RIGHT) and not improving(rows):
        return [f"the discriminator ranks {newest.accuracy:.1%} of pairs rightly, and samples come no nearer to real examples"]
    return []


def in_equilibrium(rows: Sequence[Signals], history: Sequence[Signals]) -> list[str]:
    """Samples are near real examples and no longer come nearer."""
    if not all_of(rows, "distance", most=NEAR) or improving(rows):
        return []
    newest = rows[-1]
    return [f"samples have stayed at {newest.distance:.3f} from real examples for {WINDOW} examinations", *balance(newest)]


def stalled(rows: Sequence[Signals], history: Sequence[Signals]) -> list[str]:
    """Samples are far from real examples and come no nearer."""
    if len(history) < 2 * WINDOW or improving(rows) or improving(history[-2 * WINDOW :]):
        return []
    distance = rows[-1].distance
    return [f"samples have stayed at {distance:.3f} from real examples for {2 * WINDOW} examinations", *balance(rows[-1])]


def improving(rows: Sequence[Signals]) -> bool:
    """Whether samples are coming nearer to real examples, or of pairs to their own targets."""
    distances, errors = known(rows, "distance"), known(rows, "error")
    return len(distances) < WINDOW or falling(distances) or (len(errors) == WINDOW and falling(errors))


def falling(values: Sequence[float]) -> bool:
    """Whether the later half of some values is clearly below the earlier one."""
    before, now = fmean(values[: len(values) // 2]), fmean(values[-(len(values) // 2) :])
    return before - now > (1 - GETTING_NEARER) * abs(before)


def gaining(history: Sequence[Signals]) -> bool:
    """Whether samples show more than they did a window ago, and come nearer to real examples."""
    later, earlier = (
        [fmean(known(rows, name) or [0.0]) for name in ("diversity", "missing_share", "distance")]
        for rows in (history[-WINDOW:], history[-2 * WINDOW : -WINDOW])
    )
    return later[0] > 1.05 * earlier[0] and later[1] < earlier[1] - 0.05 and later[2] < 0.9 * earlier[2]


def balance(newest: Signals) -> Iterator[str]:
    """How far D is from 1/2."""
    if newest.probability_real is not None and newest.probability_fake is not None:
        yield f"D(x) is {newest.probability_real:.2f}, D(G(z)) {newest.probability_fake:.2f}; both are 1/2 where D cannot tell"
    if newest.accuracy is not None:
        yield f"the discriminator ranks {newest.accuracy:.0%} of pairs rightly; 50 % where it cannot tell"


def notice(newest: Signals) -> Iterator[str]:
    """What is worth knowing beside the verdict."""
    if newest.skipped:
        yield newest.skipped
    if newest.saturated is not None and newest.saturated > 0.3:
        yield f"{newest.saturated:.0%} more pixels than in real images are pure black or white: lower the generator's rate"
    if newest.checkerboard is not None and newest.checkerboard > 4:
        yield f"the finest details are {newest.checkerboard:.1f} times as strong as in real images (a checkerboard, or noise)"
    if newest.error is not None and newest.error_train is not None and newest.error > BY_HEART * newest.error_train:
        yield (
            f"what is made of held-out sources is {newest.error / newest.error_train:.1f} times as far from its target as of "
            "sources that were learned from: more pairs, --data.mirror True, or a smaller network"
        )
    if newest.error is not None and newest.overfitting is not None and newest.overfitting > OVERFITTING:
        yield (
            f"the discriminator knows its training pairs by heart (held-out ones score {newest.overfitting:.0%} of the way to "
            f"what is made); this does no harm while the error of held-out pairs, {newest.error:.3f}, does not grow"
        )
    if newest.missing_classes:
        yield f"no samples look like {', '.join(newest.missing_classes)}"


def advise(verdict: Verdict, players: Players, images: int) -> Iterator[str]:
    """The next things to try after so many images, as options."""
    judges = players.discriminators
    others = tuple(name for name in players.rates if name not in judges)
    if verdict == "diverging":
        yield f"lower rates: {rates(players, players.rates, 0.2)}; or --recover"
    if verdict == "labels ignored":
        yield "check the labels with `zerosum data check`, and look at images of a few classes"
    if verdict == "generator overpowers":
        yield f"a faster discriminator: {rates(players, judges, 10)}"
        yield f"or a slower generator: {rates(players, others, 0.1)}"
    if verdict == "mode collapse":
        yield f"a slower generator: {rates(players, others, 0.5)}"
        yield "more turns for the discriminator where it is fooled: --train.balance 0.8"
        if "minibatch" in players.cures:
            yield "a discriminator that sees the batch: --gan.stabilisers.minibatch std; or the family wgan_gp"
    if verdict == "discriminator overpowers":
        yield f"a slower discriminator: {rates(players, judges, 0.1)}"
        if "instance_noise" in players.cures:
            yield "a harder task for it: --gan.stabilisers.instance_noise 0.2"
    if verdict == "discriminator overfits":
        if "augment" in players.cures:
            yield "show it altered images: --augment ada"
        yield "more data" + (", or --data.mirror True where left and right do not matter" if players.images else "")
        yield "take an earlier checkpoint"
    if verdict == "stalled":
        yield f"other rates: {rates(players, players.rates, 0.5)}"
        yield f"a larger network, or a longer run: --train.images {2 * images}"
    if verdict == "in equilibrium":
        falling = [f"--optimisers.{name}.rate 'linear({rate:.2g}, 0, over={images})'" for name, rate in players.rates.items()]
        yield f"stop here, or start a new run whose rates fall: {' '.join(falling)}"


def rates(players: Players, names: Collection[str], factor: float) -> str:
    """Options that multiply some players' rates."""
    return " ".join(f"--optimisers.{name}.rate {players.rates[name] * factor:.2g}" for name in names)


NAMES: dict[Rule, Verdict] = {
    diverging: "diverging",
    labels_ignored: "labels ignored",
    discriminator_overfits: "discriminator overfits",
    generator_overpowers: "generator overpowers",
    mode_collapse: "mode collapse",
    discriminator_overpowers: "discriminator overpowers",
    in_equilibrium: "in equilibrium",
    stalled: "stalled",
}
RULES = tuple(NAMES)
"""In order of gravity: the first that applies gives the verdict."""
