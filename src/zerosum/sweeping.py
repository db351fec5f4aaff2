"""A sweep: runs of one recipe with some of its fields varied, those that fall behind ended early, and what came of them."""

import difflib
import importlib
import io
import json
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.table import Table

from zerosum import api, distributed, gans, judging
from zerosum.evaluate.figures import LOWER_IS_BETTER, shown_name
from zerosum.noise import derive_seed
from zerosum.recipe import Recipe, flatten
from zerosum.run import Run, naming_damage, write
from zerosum.schedules import Schedule
from zerosum.training.loop import DivergedError

log = logging.getLogger("zerosum")

LOG_FROM = 10
"""A range whose ends are that far apart, or further, is searched on a logarithmic scale."""
EVALUATIONS = 8
"""In a trial, where the recipe does not say how often to judge."""
STARTUP = 4
"""Trials that are drawn at random and not ended early, before there is something to compare with."""
RATES = "lr"
"""Short for the learning rates of all players."""

Value = int | float | str | bool | None


@dataclass(frozen=True)
class Range:
    """What a field may be: a number between two, or one of some values."""

    name: str
    """The field's dotted name, or lr."""
    text: str
    """As it was written."""
    choices: tuple[Value, ...] = ()
    low: float = 0
    high: float = 0
    whole: bool = False

    @property
    def logarithmic(self) -> bool:
        """Whether numbers are drawn on a logarithmic scale."""
        return not self.choices and self.low > 0 and self.high / self.low >= LOG_FROM

    @property
    def corners(self) -> tuple[Value, ...]:
        """Values that a recipe must be able to take."""
        if self.choices:
            return self.choices
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)

    def suggest(self, trial: Any) -> Value:
        """The value that an optuna trial draws."""
        if self.choices:
            return self.choices[int(trial.suggest_categorical(self.name, list(range(len(self.choices)))))]
        draw = trial.suggest_int if self.whole else trial.suggest_float
        value: Value = draw(self.name, *self.corners, log=self.logarithmic)
        return value


def read_range(text: str, recipe: Recipe) -> Range:
    """The range of one `FIELD=LOW..HIGH` or `FIELD=a,b,c`.

    Raises:
        ValueError: an unknown field, bounds that are not numbers or not in order, fewer than two choices.
    """
    name, equals, values = (part.strip() for part in text.partition("="))
    name = name.removeprefix("--").replace("-", "_")
    if not equals or not values:
        raise ValueError(f"--over {text!r}: write FIELD=LOW..HIGH or FIELD=a,b,c, such as optimisers.generator.rate=1e-4..1e-3")
    present = find_field(name, recipe)
    if ".." in values:
        low, high = (number(bound, text) for bound in values.split("..", 1))
        if not low < high:
            raise ValueError(f"--over {text!r}: the range must go from a smaller to a larger number")
        whole = isinstance(present, int) and not isinstance(present, bool)
        if whole and not (low.is_integer() and high.is_integer()):
            raise ValueError(f"--over {text!r}: {name} is a whole number, so the ends of its range must be too")
        return Range(name, values, low=low, high=high, whole=whole)
    choices = tuple(read_value(word.strip()) for word in re.split(r",(?![^(]*\))", values))
    if len(set(map(repr, choices))) < 2 or len(set(map(repr, choices))) < len(choices):
        raise ValueError(f"--over {text!r}: give two or more different values with commas between, or a range LOW..HIGH")
    return Range(name, values, choices)


def find_field(name: str, recipe: Recipe) -> Value:
    """The present value of a field that may be swept.

    Raises:
        ValueError: there is none of that name, or it is the sweep's own business.
    """
    fields = dict(flatten(json.loads(recipe.to_json())))
    if name == RATES:
        return float(next(iter(recipe.optimisers.values())).rate.start)
    if name not in fields or name in ("version", "family"):
        near = difflib.get_close_matches(name, [*fields, RATES], n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "`zerosum train FAMILY:RECIPE --help` lists them"
        raise ValueError(f"--over: the recipe has no field {name!r}; {hint}")
    if name.startswith("jobs.") or name in ("train.images", "data.path"):
        raise ValueError(f"--over: {name} cannot be swept, for trials must be comparable; give it to all of them as --{name}")
    value: Value = fields[name]
    return value


def number(text: str, where: str) -> float:
    """A finite number.

    Raises:
        ValueError: it is none.
    """
    with suppress(ValueError):
        if math.isfinite(value := float(text)):
            return value
    raise ValueError(f"--over {where!r}: {text.strip()!r} is not a number; write LOW..HIGH, such as 1e-4..1e-3")


def read_value(text: str) -> Value:
    """A choice: a number, True, False, None, or a text as it is."""
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    with suppress(ValueError):
        return int(text)
    with suppress(ValueError):
        return float(text)
    return text


def check(recipe: Recipe, one: Range, value: Value) -> None:
    """See that the recipe can take a value.

    Raises:
        ValueError: it refuses it, with the reason.
    """
    try:
        varied(recipe, {one.name: value})
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"--over {one.name}={one.text}: {value!r} will not do: {reason}") from None


def varied(recipe: Recipe, values: Mapping[str, Value]) -> Recipe:
    """The recipe with other values of some fields; a number in place of a schedule is where the same schedule starts.

    Raises:
        ValueError: the recipe refuses them, with their names.
    """
    plain = json.loads(recipe.to_json())
    for name, value in values.items():
        names = [f"optimisers.{player}.rate" for player in recipe.optimisers] if name == RATES else [name]
        for path in names:
            *outer, last = path.split(".")
            place = plain
            for part in outer:
                place = place[part]
            place[last] = restarted(place[last], value)
    return Recipe.from_plain(plain, gans.find(recipe.family).config)


def restarted(present: Any, value: Value) -> Any:
    """The value, or where a schedule stands and a number is given that schedule, scaled to start at the number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(present, str):
        return value
    try:
        schedule = Schedule.parse(present)
    except ValueError:
        return value
    if schedule.shape == "constant" or not schedule.start:
        return value
    return str(replace(schedule, start=value, end=schedule.end / schedule.start * value))


@dataclass
class Sweep:
    """A study in a folder: sweep.json, journal.log (optuna's), table.csv, sweep.png, and a run folder for every trial.

    Raises:
        ImportError: optuna is missing.
        ValueError: a range, metric or recipe that is no good, or the folder holds another sweep.
    """

    recipe: Recipe
    ranges: tuple[Range, ...]
    metric: str
    folder: Path
    seed: int = 0
    study: Any = field(init=False)

    def __post_init__(self) -> None:
        jobs = self.recipe.jobs
        every = jobs.evaluate_every or max(self.recipe.train.images // EVALUATIONS, 1)
        self.recipe = replace(self.recipe, jobs=replace(jobs, evaluate_every=every, metrics=self.metric))
        for one in self.ranges:
            for value in one.corners:
                check(self.recipe, one, value)
        judge = judging.load_judge(self.recipe.jobs, distributed.device())
        assert judge
        self.shown = shown_name(judge.metrics[0], judge.network.provenance.name)
        self.minimise = judge.metrics[0] in LOWER_IS_BETTER
        optuna = load_optuna()
        self._settle()
        storage = optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(
                str(self.folder / "journal.log"),
                lock_obj=optuna.storages.journal.JournalFileOpenLock(str(self.folder / "journal.log")),
            )
        )
        self.study = optuna.create_study(
            storage=storage,
            study_name="sweep",
            direction="minimize" if self.minimise else "maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=self.recipe.train.images // 4),
            load_if_exists=True,
        )

    def _settle(self) -> None:
        """Take the folder, or see that it holds this sweep."""
        plain = {
            "metric": self.metric,
            "over": {one.name: one.text for one in self.ranges},
            "seed": self.seed,
            "recipe": json.loads(self.recipe.to_json()),
        }
        file = self.folder / "sweep.json"
        if file.is_file():
            with naming_damage(file):
                old = dict(flatten(json.loads(file.read_text())))
            new = dict(flatten(plain))
            changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
            if changed:
                rows = "\n".join(f"  {name}  {old.get(name)} -> {new.get(name)}" for name in changed)
                raise ValueError(
                    f"{self.folder} holds a sweep of other settings (there -> now):\n{rows}\n"
                    "Go on with the same, or start another one with another --out"
                )
            return
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise ValueError(f"{self.folder} is not empty and not a sweep; choose another --out")
        self.folder.mkdir(parents=True, exist_ok=True)
        write(file, json.dumps(plain, indent=2))

    def run(self, trials: int, show: Callable[[str], object]) -> None:
        """Play until there are so many trials in all; an unfinished one goes on first.

        Raises:
            KeyboardInterrupt: stopped; the same sweep goes on from there.
        """
        optuna = load_optuna()
        while (trial := self._next(optuna, trials)) is not None:
            values = {one.name: one.suggest(trial) for one in self.ranges}
            run = Run(self.folder / f"{trial.number:03d}")
            show(f"trial {trial.number + 1} of {trials}: {described(values)}")
            state, value = optuna.trial.TrialState.COMPLETE, None
            try:
                recipe = varied(self.recipe, values)
                ended = self._train(recipe, run, trial)
                value = self._values(run)[-1][1]
                state = optuna.trial.TrialState.PRUNED if ended else state
            except (ValueError, DivergedError) as error:
                state = optuna.trial.TrialState.FAIL
                trial.set_user_attr("failed", str(error).splitlines()[0])
            self.study.tell(trial, value if state == optuna.trial.TrialState.COMPLETE else None, state)
            why = trial.user_attrs.get("failed")
            early = ", ended early" if state == optuna.trial.TrialState.PRUNED else ""
            show(f"  failed: {why}" if why else f"  {self.shown} {value:.4g}{early}")

    def _next(self, optuna: Any, trials: int) -> Any:
        """The trial to play; None if there are enough."""
        running = self.study.get_trials(states=[optuna.trial.TrialState.RUNNING])
        if running:
            return optuna.trial.Trial(self.study, running[0]._trial_id)
        count = len(self.study.trials)
        if count >= trials:
            return None
        # Seeded by the number, so that an interrupted sweep draws what an uninterrupted one does.
        self.study.sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=derive_seed(self.seed, count) % 2**32)
        return self.study.ask()

    def _train(self, recipe: Recipe, run: Run, trial: Any) -> bool:
        """Train a trial; whether it was ended early, for it fell behind."""
        behind, every = False, recipe.jobs.evaluate_every or 1
        reported = max(self.study.trials[trial.number].intermediate_values, default=0)

        def watch(images: int) -> bool:
            nonlocal behind, reported
            if images // every > reported // every:
                for step, value in self._values(run):
                    if step > reported:
                        trial.report(value, step)
                        reported = step
                behind = images < recipe.train.images and trial.should_prune()
            return behind

        try:
            api.train(recipe, run.folder, watch=watch)
        except KeyboardInterrupt:
            if not behind:
                raise
        return behind

    def _values(self, run: Run) -> list[tuple[int, float]]:
        """What was judged in a run: (images, value)."""
        name = f"metric/{self.shown}"
        return [(int(row["images"]), row[name]) for row in run.stats() if name in row]

    def finished(self) -> list[Any]:
        """The trials that have ended, best first: those that went to their end before the others."""
        order = {"COMPLETE": 0, "PRUNED": 1, "FAIL": 2}
        ended = [trial for trial in self.study.trials if trial.state.name in order]

        def rank(trial: Any) -> tuple[int, float]:
            value = trial.value if trial.value is not None else math.inf
            return order[trial.state.name], value if self.minimise else -value

        return sorted(ended, key=rank)

    def values(self, trial: Any) -> dict[str, Value]:
        """The values that a trial has tried."""
        return {one.name: one.choices[trial.params[one.name]] if one.choices else trial.params[one.name] for one in self.ranges}

    def rows(self) -> list[list[str]]:
        """The trials as cells, best first: run, value, fields, what became of it."""
        found = []
        for trial in self.finished():
            fields = [shortly(value) for value in self.values(trial).values()]
            seen = max(trial.intermediate_values, default=0)
            fate = {"COMPLETE": "finished", "PRUNED": f"ended early at {seen:,} images"}.get(trial.state.name)
            value = "" if trial.value is None else f"{trial.value:.4g}"
            found.append([f"{trial.number:03d}", value, *fields, fate or f"failed: {trial.user_attrs.get('failed', '')}"])
        return found

    def table(self) -> Table:
        """The trials for the terminal."""
        table = Table(title=str(self.folder), title_justify="left")
        for name in ("run", self.shown, *(one.name for one in self.ranges), "what became of it"):
            table.add_column(name)
        for cells in self.rows():
            table.add_row(*cells)
        return table

    def write_results(self) -> None:
        """table.csv and sweep.png."""
        header = ["run", self.shown, *(one.name for one in self.ranges), "end"]
        lines = [",".join(f'"{cell}"' if "," in cell else cell for cell in cells) for cells in (header, *self.rows())]
        write(self.folder / "table.csv", "\n".join(lines) + "\n")
        write(self.folder / "sweep.png", self.plot())

    def plot(self) -> bytes:
        """The metric over every field, one panel each, as a PNG file."""
        from matplotlib.figure import Figure

        ended = [trial for trial in self.finished() if trial.value is not None]
        figure = Figure(figsize=(4 * len(self.ranges), 3.4), dpi=110, layout="constrained")
        panels = figure.subplots(1, len(self.ranges), squeeze=False, sharey=True)[0]
        for panel, one in zip(panels, self.ranges, strict=True):
            for kind, label, filled in (("PRUNED", "ended early", "none"), ("COMPLETE", "finished", "tab:blue")):
                chosen = [trial for trial in ended if trial.state.name == kind]
                places = [trial.params[one.name] for trial in chosen]
                values = [trial.value for trial in chosen]
                panel.scatter(places, values, s=36, facecolors=filled, edgecolors="tab:blue", label=label)
            if one.choices:
                panel.set_xticks(range(len(one.choices)), [shortly(choice) for choice in one.choices])
            elif one.logarithmic:
                panel.set_xscale("log")
            panel.set_xlabel(one.name)
        panels[0].set_ylabel(f"{self.shown} ({'lower' if self.minimise else 'higher'} is better)")
        panels[0].legend(frameon=False)
        stream = io.BytesIO()
        figure.savefig(stream, format="png")
        return stream.getvalue()


def described(values: Mapping[str, Value]) -> str:
    """Fields and their values in a line."""
    return "  ".join(f"{name}={shortly(value)}" for name, value in values.items())


def shortly(value: Value) -> str:
    """A value with at most four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def read_ranges(texts: Sequence[str], recipe: Recipe) -> tuple[Range, ...]:
    """The ranges of all fields.

    Raises:
        ValueError: none, one that cannot be read, or a field twice.
    """
    if not texts:
        raise ValueError("a sweep needs a field to vary: --over FIELD=LOW..HIGH or FIELD=a,b,c")
    ranges = tuple(read_range(text, recipe) for text in texts)
    names = [one.name for one in ranges]
    twice = [name for name in names if names.count(name) > 1]
    if twice or (RATES in names and any(name.endswith(".rate") for name in names)):
        raise ValueError(f"--over: {twice[0] if twice else RATES} would be varied twice; name every field once")
    return ranges


def load_optuna() -> Any:
    """optuna, its own messages off.

    Raises:
        ImportError: it is missing, with the line that installs it.
    """
    try:
        optuna: Any = importlib.import_module("optuna")
    except ImportError:
        raise ImportError('zerosum sweep needs an extra: pip install "zerosum[sweep]"') from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
