"""The game against maximum likelihood on real sentences: the second stage of textgan and seqgan beside the first.

    python benchmarks/text.py FOLDER [--out runs/text] [--families textgan seqgan] [--corpora wordnet kjv] [--seeds 0 1 2]

FOLDER holds wordnet_examples.txt (example sentences of WordNet) and kjv.txt (verses). Runs that are there and finished are not
trained again, and what was judged, on text that was held out, lies beside them as JSON and is not judged again. The tables of
docs/text.md are written anew, but with --no-page: then families, texts and seeds can be processes of their own, also elsewhere.

Maximum likelihood is also written colder (Caccia et al. 2020): at the temperature at which its texts repeat each other as much
as those of the game, so that both gave up as much variety.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console

import zerosum
from zerosum import gans
from zerosum.data import Tokens, open_data, split
from zerosum.evaluate.intervals import student_interval
from zerosum.evaluate.text import HIGHER_IS_BETTER, Texts, text_figures
from zerosum.ngrams import self_bleu
from zerosum.recipe import Recipe
from zerosum.run import Run, write
from zerosum.sampling import Sampler
from zerosum.vocabulary import split_words

PAGE = Path(__file__).parents[1] / "docs" / "text.md"
CORPORA = {
    "wordnet": ("wordnet_examples.txt", "Example sentences of WordNet"),
    "kjv": ("kjv.txt", "Verses of the King James Bible, the first 16 words and signs"),
}
STAGES = {"cpu_likelihood": 1.0, "cpu": 2.0}
"""Recipes of both stages, and the share of their length that is trained."""
TEMPERATURES = tuple(hundredths / 100 for hundredths in range(105, 45, -5))
METRICS = ("bleu-2", "bleu-3", "bleu-4", "bleu-5", "self-bleu-3", "self-bleu-4", "perplexity", "coverage", "novelty", "repeats")
SHOWN = 6
"""Samples of each stage in the page."""


def recipe_for(name: str, path: Path, share: float, seed: int, start: Path | None) -> Recipe:
    """A recipe for a CPU on this text."""
    recipe = gans.get_recipe(name)
    images = max(1, round(recipe.train.images * share / recipe.train.batch)) * recipe.train.batch
    training = replace(recipe.train, images=images, seed=seed, start=None if start is None else str(start))
    jobs = replace(recipe.jobs, sample_every=images, checkpoint_every=images, keep=1)
    return replace(recipe, data=replace(recipe.data, path=str(path)), train=training, jobs=jobs)


def train_both(folder: Path, family: str, path: Path, seed: int) -> list[Path]:
    """Both stages, the second from the first."""
    runs = list[Path]()
    for name, share in STAGES.items():
        run = folder / f"{path.stem}-{family}-{name}-{seed}"
        recipe = recipe_for(f"{family}:{name}", path, share, seed, runs[-1] if runs else None)
        if recipe.train.images not in [int(checkpoint.name) for checkpoint in Run(run).checkpoints()]:
            zerosum.train(recipe, run, console=Console(quiet=True))
        runs.append(run)
    return runs


@dataclass(frozen=True)
class Judged:
    """What one seed gave."""

    values: dict[str, dict[str, float]]
    """Of every side, every metric."""
    temperature: float
    """Of the colder side."""
    shown: dict[str, list[str]]
    """The first texts of the game and of maximum likelihood."""


def judged(out: Path, family: str, path: Path, seed: int) -> Judged:
    """What one seed gave, trained and judged if it is not there yet."""
    file = out / f"{path.stem}-{family}-{seed}.json"
    if not file.exists():
        found = judge(train_both(out, family, path, seed), path)
        write(file, json.dumps(asdict(found), indent=2, ensure_ascii=False))
    return Judged(**json.loads(file.read_text(encoding="utf-8")))


def judge(runs: Sequence[Path], path: Path) -> Judged:
    """The game beside maximum likelihood, colder maximum likelihood and real text."""
    first, second = (zerosum.load(run) for run in runs)
    settings = Run(runs[0]).recipe().data
    dataset = open_data(replace(settings, path=str(path)))
    if not isinstance(dataset, Tokens) or dataset.card.content != first.card.content:
        raise SystemExit(f"{path} is not what {runs[0]} was trained on")
    train, held_out = (in_words(dataset.texts(positions)) for positions in split(len(dataset), settings.held_out))
    n = len(held_out) // 2
    game, likely = (sampler.sample(n).tolist() for sampler in (second, first))
    temperature = as_varied(first, in_words(game), n)
    colder = in_words(first.sample(n, temperature=temperature).tolist())
    sides = {"": (in_words(game), ""), "likelihood": (in_words(likely), ""), "colder": (colder, "")}
    figures = {figure.name: figure for figure in text_figures(sides, train, held_out, split="held out")}
    values = {
        name or "game": {metric: figures[f"{metric} ({name})" if name else metric].value for metric in METRICS}
        for name in sides
    }
    values["real"] = {metric: figures[metric].floor or 0.0 for metric in METRICS}
    return Judged(values, temperature, {"maximum likelihood": likely[:SHOWN], "game": game[:SHOWN]})


def as_varied(sampler: Sampler, texts: Texts, n: int) -> float:
    """The temperature at which self-BLEU-3 is nearest to that of these texts."""

    def repeating(found: Texts) -> float:
        return float(np.mean([scores[2] for scores in self_bleu(found, 3)]))

    aim = repeating(texts)
    found = {heat: repeating(in_words(sampler.sample(n, temperature=heat).tolist())) for heat in TEMPERATURES}
    return min(TEMPERATURES, key=lambda heat: abs(found[heat] - aim))


def in_words(texts: Sequence[str]) -> list[list[str]]:
    """Texts as words and signs."""
    return [split_words(text) for text in texts]


def table(seeds: Sequence[Judged]) -> list[str]:
    """Every metric: means over seeds with their intervals, and what they say of the game."""
    heats = sorted({one.temperature for one in seeds})
    colder = f"likelihood at {' to '.join(dict.fromkeys(f'{heat:g}' for heat in (heats[0], heats[-1])))}"
    rows = [
        f"| | maximum likelihood | {colder} | game | real text | the game beside likelihood | beside the colder |",
        "|---" * 7 + "|",
    ]
    for metric in METRICS:
        values = {side: [one.values[side][metric] for one in seeds] for side in ("likelihood", "colder", "game", "real")}
        cells = [shown(found) for found in values.values()]
        verdicts = [verdict(metric, values["game"], values[side]) for side in ("likelihood", "colder")]
        rows.append(f"| `{metric}` | {' | '.join([*cells, *verdicts])} |")
    return rows


def shown(values: Sequence[float]) -> str:
    """The mean over seeds, and its 95 % interval (Student's)."""
    if len(set(values)) < 2:
        return number(values[0])
    low, high = student_interval(values)
    return f"{number(float(np.mean(values)))} ({number(low)} .. {number(high)})"


def number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def verdict(metric: str, ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Better or worse where the intervals over seeds lie apart; of what is best near real text, lower or higher."""
    if (is_higher_better := HIGHER_IS_BETTER[metric]) is None or len(ours) < 2:
        return ""
    (low, high), (lowest, highest) = student_interval(ours), student_interval(theirs)
    if low <= highest and lowest <= high:
        return "not told apart"
    if metric.startswith(("self-bleu", "perplexity")):
        return "**higher**" if low > highest else "**lower**"
    return "**better**" if (low > highest) == is_higher_better else "**worse**"


def section(corpus: str, family: str, found: Sequence[Judged], seeds: Sequence[int]) -> list[str]:
    """The table of one text and one family, and samples of its first seed as they come."""
    lines = [f"### {CORPORA[corpus][1]}, `{family}`", "", *table(found), ""]
    for stage, texts in found[0].shown.items():
        lines += [f"{stage}, run of seed {seeds[0]}, the first {len(texts)} as they come:", "", "```", *texts, "```", ""]
    return lines


def main() -> None:
    """Train, judge and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/text"))
    parser.add_argument("--families", nargs="+", default=["textgan", "seqgan"])
    parser.add_argument("--corpora", nargs="+", default=list(CORPORA), choices=list(CORPORA))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--only-train", action="store_true", help="do not judge")
    parser.add_argument("--no-page", action="store_true", help="leave docs/text.md as it is")
    chosen, lines = parser.parse_args(), list[str]()
    for corpus in chosen.corpora:
        path = chosen.folder / CORPORA[corpus][0]
        for family in chosen.families:
            if chosen.only_train:
                for seed in chosen.seeds:
                    train_both(chosen.out, family, path, seed)
            else:
                found = [judged(chosen.out, family, path, seed) for seed in chosen.seeds]
                lines += section(corpus, family, found, chosen.seeds)
    print("\n".join(lines))
    if lines and not chosen.no_page:
        head, mark, rest = PAGE.read_text(encoding="utf-8").partition("<!-- text -->\n")
        if mark:
            write(PAGE, head + mark + "\n".join(lines) + "<!-- /" + rest.partition("<!-- /")[2])


if __name__ == "__main__":
    main()
