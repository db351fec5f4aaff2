"""The Python door: train a recipe, load what was trained."""

import logging
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from rich.console import Console

from zerosum import distributed, gans, judging
from zerosum.data import Dataset, open_data, split
from zerosum.data.feed import Feed, to_float
from zerosum.datacard import DataCard, Labels
from zerosum.diagnose.examination import Signals
from zerosum.export import hub
from zerosum.export.release import Release, is_release
from zerosum.game import GAN, Batch
from zerosum.locking import locked
from zerosum.noise import derive_seed
from zerosum.recipe import Recipe
from zerosum.report import write_report
from zerosum.run import Run, check_folder, open_run
from zerosum.run import load as load_run
from zerosum.sampling import Sampler, finish, label_rows
from zerosum.supervision import Supervisor, is_examined, softened
from zerosum.training.estimate import SECONDS, Cost, measure
from zerosum.training.jobs import checkpoint_job, log_job, sample_job, tensorboard_job, write_sheet
from zerosum.training.loop import DivergedError, Job, Loop
from zerosum.training.memory import ShortOfMemoryError, first_sentence, free_unused, guarded, is_shortage, more_parts
from zerosum.training.progress import Display
from zerosum.training.state import State, take_over

log = logging.getLogger("zerosum")

SECONDS_BETWEEN_REPORTS = 30
COMPILES_FROM = "2.12"
"""The version of torch from which compiled networks see that a player was frozen or set free."""


def load(path: str | Path, family: str | None = None, checkpoint: str | int = "newest") -> Sampler:
    """The trained generator of a run folder, ready to sample from.

    Args:
        path: a run folder; a folder of `zerosum export --to safetensors`; or the name of such a one on the hub, "user/name".
        family: of a run of a GAN of your own, its module (`examples.my_gan`): it is imported only if you name it.
        checkpoint: "newest", "best" (where the run was judged during training), or the images seen.

    Raises:
        ValueError: the folder is not a run, or has no such checkpoint.
        ImportError, OSError: of a name on the hub: huggingface_hub is missing, or the hub cannot be reached.
    """
    folder = hub.download(str(path)) if hub.is_name(str(path)) else Path(path)
    if is_release(folder):
        if checkpoint != "newest":
            raise ValueError(f"{path} holds one generator: leave the checkpoint {checkpoint} out")
        gan, card, name = Release(folder).load(family)
    else:
        gan, card, name = load_run(folder, family, checkpoint)
    device = distributed.device()
    return Sampler(gan.to(device), card, device, name)


def train(
    recipe: Recipe | str,
    out: str | Path | None = None,
    *,
    console: Console | None = None,
    watch: Callable[[int], bool] = lambda images: False,
) -> Sampler:
    """Train a recipe to its end, or resume it where it was left, and return the trained generator.

    Args:
        recipe: a whole recipe, or the name of one, such as "dcgan:cpu".
        out: the run folder; where none is given, runs/ and the recipe's name. An unfinished run of the same recipe is resumed.
        console: where progress is shown.
        watch: called after every step with the images seen; True stops the training as Ctrl-C does.

    Raises:
        ValueError: the recipe, its data and the folder do not fit together.
        DivergedError: a loss or a weight became NaN or infinite.
        KeyboardInterrupt: stopped by Ctrl-C, a termination signal or `watch`, after a checkpoint has been saved.
    """
    folder = default_folder(recipe if isinstance(recipe, str) else recipe.family) if out is None else Path(out)
    recipe = gans.get_recipe(recipe) if isinstance(recipe, str) else recipe
    with distributed.world():
        _train(recipe, folder, console or Console(quiet=distributed.rank() > 0), watch)
        distributed.barrier()
    return load(folder, recipe.family)


def estimate(recipe: Recipe, folder: Path, seconds: float = SECONDS) -> Cost:
    """What training a recipe to its end, or going on in the run folder, will cost. Nothing is written there.

    Raises:
        ValueError, ShortOfMemoryError: as `train`.
    """
    with distributed.world(), TemporaryDirectory() as elsewhere, warnings_only():
        device, run = distributed.device(), Run(Path(elsewhere) / "run")
        judge = judging.load_judge(recipe.jobs, device)
        dataset = _open_data_once(recipe)
        train, held_out = split(len(dataset), recipe.data.held_out)
        open_run(run.folder, recipe, dataset.card)
        left = recipe.train.images - max((int(found.name) for found in Run(folder).checkpoints()), default=0)
        own, display = spared(recipe, Run(folder)), Display(Console(quiet=True), 0, recipe.train.images)
        while True:
            state = make_state(own, dataset, device)
            if judge:
                judging.check(judge, state.gan, dataset)
            supervisor = Supervisor(run, own, dataset, train, held_out, state.gan.makes, display.judge)
            jobs = make_jobs(own, run, dataset, state, display, device, judge, supervisor)
            with closing(make_feed(own, dataset, train, device)) as feed:
                loop, shortage = make_loop(own, state, feed, (), lambda images: False), ""
                try:
                    return measure(loop, jobs, max(left, 0), seconds)
                except (RuntimeError, MemoryError) as error:
                    if not is_shortage(error):
                        raise
                    shortage = first_sentence(error)
            own = replace(own, train=replace(own.train, micro_batches=finer(loop, shortage)))
            del state, jobs, feed, loop
            free_unused()


def default_folder(name: str) -> Path:
    """Where a recipe of that name trains into if nothing else is said: `dcgan:cpu` into runs/dcgan-cpu."""
    return Path("runs") / re.sub(r"\W+", "-", name)


def _train(recipe: Recipe, folder: Path, console: Console, look: Callable[[int], bool]) -> None:
    device, first, training = distributed.device(), distributed.rank() == 0, recipe.train
    if first:
        check_folder(folder)
    judge = judging.load_judge(recipe.jobs, device)
    dataset = _open_data_once(recipe)
    train, held_out = split(len(dataset), recipe.data.held_out)
    state = make_state(recipe, dataset, device)
    if judge:
        judging.check(judge, state.gan, dataset)
    make_feed(recipe, dataset, train, device).close()  # refuses batches that cannot be cut before anything is written
    with ExitStack() as stack:
        if first:
            stack.enter_context(locked(folder))
            open_run(folder, recipe, dataset.card)
            stack.enter_context(logged_to(folder / "log.txt"))
        distributed.barrier()
        run = Run(folder)
        stopped = stack.enter_context(stop_on_signal())
        while True:
            resume(run, recipe, state, device)
            display, own = Display(console, state.images, training.images), spared(recipe, run)
            supervisor = Supervisor(run, own, dataset, train, held_out, state.gan.makes, display.judge)
            if state.images >= training.images or supervisor.has_converged():
                log.info("%s. To train it further, %s", *how_it_ended(run, state.images, training.images))
                return
            jobs = make_jobs(recipe, run, dataset, state, display, device, judge, supervisor)

            def watch(images: int, display: Display = display, supervisor: Supervisor = supervisor) -> bool:
                display.advance(images)
                return stopped.is_set() or supervisor.ending is not None or look(images)

            with closing(make_feed(own, dataset, train, device)) as feed, display:
                again = play(make_loop(own, state, feed, jobs, watch), run, supervisor)
            if not again:
                return
            del state, jobs, feed
            free_unused()
            state = make_state(recipe, dataset, device)


def make_loop(recipe: Recipe, state: State, feed: Feed, jobs: Sequence[Job], watch: Callable[[int], bool]) -> Loop:
    """The loop that plays the recipe to its end."""
    training = recipe.train
    every, precision = recipe.jobs.log_every, training.precision
    return Loop(state, feed, training.images, training.seed, recipe.average, jobs, every, watch, precision)


def spared(recipe: Recipe, run: Run) -> Recipe:
    """The recipe with the micro-batches that the run has come to where memory was too short."""
    found = [shortage["micro_batches"] for shortage in run.shortages()]
    return replace(recipe, train=replace(recipe.train, micro_batches=max([recipe.train.micro_batches, *found])))


def make_state(recipe: Recipe, dataset: Dataset, device: torch.device) -> State:
    """The run's state before its first step.

    Raises:
        ValueError: recipe and data do not fit together, or torch or the device cannot compute as it says.
    """
    training = recipe.train
    if training.precision != "float32" and device.type != "cuda":
        raise ValueError(
            f"train.precision {training.precision} is for CUDA devices; on this one ({device.type}) it would be slow or fail: "
            "leave it out"
        )
    if training.compile and torch.__version__ < COMPILES_FROM:
        raise ValueError(
            f"train.compile needs torch {COMPILES_FROM} or newer, this is {torch.__version__}: older ones do not notice whose "
            "turn it is (pytorch pull request 177158). Leave it out, or bring torch up to date"
        )
    gan = build_gan(recipe, dataset.card, device)
    gan.check(dataset.batch(np.arange(1)))
    scaled = training.precision == "float16"
    state = State(gan, recipe.optimisers, training.batch, training.balance, training.freeze, scaled)
    if training.compile:
        compile_networks(gan)
    return state


def compile_networks(gan: GAN) -> None:
    """Have the players, and the parts that may be called without them, compiled when they are first used."""
    for player in gan.players().values():
        for module in (player, *player.children()):
            module.compile()


def play(loop: Loop, run: Run, supervisor: Supervisor) -> bool:
    """Run the loop, and leave a report and a word of explanation however it ends.

    Returns:
        Whether the run is to be played again: it diverged and has been brought back to where it was healthy, or memory was too
        short and batches are to be cut into more parts.

    Raises:
        DivergedError: with the last good checkpoint and what to do.
        ShortOfMemoryError: they cannot be cut any further, or there are several processes.
        KeyboardInterrupt: stopped before the end, after a checkpoint.
    """
    first, state, reason, shortage = distributed.rank() == 0, loop.state, "", ""
    try:
        loop.run()
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        shortage = first_sentence(error)
    except DivergedError as error:
        reason = f"training diverged {error}"
        if first:
            supervisor.write_down(Signals(images=state.images, finite=False), supervisor.players(state.gan, state.settings))
        if not supervisor.may_recover():
            raise DivergedError(explain_divergence(run, reason)) from None
    finally:
        if first:
            with suppress(OSError):  # never in front of what has just gone wrong
                write_report(run)
    if shortage:
        cut_finer(run, loop, shortage)
        return True
    if reason or distributed.any_rank(supervisor.ending == "diverging"):
        distributed.barrier()
        if first:
            supervisor.recover(state.images, reason or "the doctor finds the run diverging")
        distributed.barrier()
        return True
    if distributed.any_rank(supervisor.ending == "converged"):
        log.info("converged at %s images", f"{state.images:,}")
    elif state.images < loop.images:
        log.info("stopped at %s images; the same command goes on from there", f"{state.images:,}")
        raise KeyboardInterrupt
    return False


def finer(loop: Loop, shortage: str) -> int:
    """The micro-batches into which batches are to be cut, for memory was too short.

    Raises:
        ShortOfMemoryError: they cannot be cut further, or other processes would have to agree.
    """
    processes, batch = distributed.world_size(), loop.state.batch
    parts = more_parts(batch, processes, len(loop.feed.own))
    if parts is None or processes > 1:
        cure = f"start a new run with --train.micro-batches {parts}"
        if parts is None:
            cure = f"batches of {batch} cannot be cut any further: choose a smaller --data.resolution or narrower networks"
        raise ShortOfMemoryError(f"out of memory at {loop.state.images:,} images: {shortage}; {cure}")
    return parts


def cut_finer(run: Run, loop: Loop, shortage: str) -> None:
    """Write down into how many more parts batches are cut from the last checkpoint on, for memory was too short.

    Raises:
        ShortOfMemoryError: as `finer`.
    """
    parts, images = finer(loop, shortage), loop.state.images
    back_to = max((int(folder.name) for folder in run.checkpoints()), default=0)
    run.add_shortage({"images": images, "reason": shortage, "back_to": back_to, "micro_batches": parts})
    log.warning(
        "out of memory at %s images: %s. Back to %s images, and on with batches of %d in %d parts instead of %d, "
        "as with --train.micro-batches %d",
        *(f"{images:,}", shortage, f"{back_to:,}", loop.state.batch, parts, len(loop.feed.own), parts),
    )


def how_it_ended(run: Run, images: int, length: int) -> tuple[str, str]:
    """What there is to say of a run with nothing left to do, and how to train it further."""
    if images >= length:
        return f"{run.folder} is finished: {images:,} images seen", "raise --train.images"
    return f"{run.folder} has converged: {images:,} of {length:,} images seen", "leave out --stop-when"


def build_gan(recipe: Recipe, card: DataCard, device: torch.device) -> GAN:
    """The recipe's networks with their first weights, a function of the seed, in training mode.

    Raises:
        ValueError: the data lacks what the family needs.
    """
    family = gans.find(recipe.family)
    if not isinstance(recipe.gan, family.config):
        raise ValueError(f"the recipe's gan settings are a {type(recipe.gan).__name__}, {family.name} has its own Config")
    torch.manual_seed(derive_seed(recipe.train.seed, "weights"))
    gan = family.gan(recipe.gan, card.shapes)
    if gan.rate not in (None, card.rate):
        raise ValueError(f"gan.rate is {gan.rate} Hz, but the data has {card.rate} Hz: set data.rate and gan.rate to the same")
    if "label" in gan.needs:
        check_labels(card.labels, gan.needs_classes, recipe.data.path)
    if recipe.train.channels_last:
        gan.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return gan.to(device).train()


def check_labels(labels: Labels, needs_classes: bool, path: str) -> None:
    """Refuse labels that a conditional family can learn nothing from.

    Raises:
        ValueError: a single class, or columns where it must be classes.
    """
    if len(labels.classes) == 1:
        raise ValueError(
            f"a conditional family learns to tell classes apart, but all of {path} is of one class ({labels.classes[0]!r}); "
            "put each class into a sub-folder of its own, or choose a family that needs no labels"
        )
    if needs_classes and labels.columns:
        columns = ", ".join(column.name for column in labels.columns)
        raise ValueError(
            f"this family is conditioned on classes, not on columns ({columns}): leave out --data.labels, or use cgan"
        )


def resume(run: Run, recipe: Recipe, state: State, device: torch.device) -> None:
    """Bring the state to the run's newest intact checkpoint, if it has one, with rates as its recoveries left them.

    Raises:
        ValueError: the run that the recipe starts from cannot be used.
    """
    state.settings = softened(recipe.optimisers, run.recoveries())
    saved = run.newest_state(device)
    if saved is not None:
        state.load_state_dict(saved)
        log.info("resumed %s at %s images", run.folder, f"{state.images:,}")
    elif recipe.train.start:
        origin = Run(Path(recipe.train.start))
        if origin.recipe_file.is_file() and origin.card().vocabulary != run.card().vocabulary:
            raise ValueError(
                f"train.start {origin.folder} was trained with another vocabulary: give the data.path and the data.vocabulary, "
                "data.vocabulary_size and data.text that it was given"
            )
        start_from(origin, recipe.family, state, device)
    if distributed.rank() == 0:
        run.cut_rows(state.images)
        run.cut_best(state.images)
    distributed.barrier()


def start_from(origin: Run, family: str, state: State, device: torch.device) -> None:
    """Begin with the networks of another run, as they are in its newest checkpoint, and with their average.

    Raises:
        ValueError: that folder is no run of the family, has no checkpoint, or most of its generator's weights do not fit.
    """
    other = origin.plain_recipe()["family"]
    if other != family:
        raise ValueError(f"train.start {origin.folder} is a run of {other}, whose networks are not those of {family}")
    saved = origin.newest_state(device)
    if saved is None:
        raise ValueError(f"train.start {origin.folder} has no checkpoint yet; train it first")
    taken, left = take_over(state.gan, saved["gan"])
    averaged, _ = take_over(state.average, saved["average"])
    sizes = {name: value.numel() for name, value in state.average.state_dict().items()}
    if 2 * sum(sizes[name] for name in averaged) < sum(sizes.values()):
        raise ValueError(
            f"train.start {origin.folder}: most of its generator's weights have other shapes than those needed here; give "
            "the same gan settings and data.resolution as that run"
        )
    log.info("started from %s: %s of %s weights taken over", origin.folder, len(taken), len(taken) + len(left))
    if left:
        shown = ", ".join(left[:8]) + (f" and {len(left) - 8} more" if len(left) > 8 else "")
        log.warning("these start anew, for they are missing there or have another shape: %s", shown)


def make_feed(recipe: Recipe, dataset: Dataset, positions: np.ndarray, device: torch.device) -> Feed:
    """This process's share of the batches, of the examples at these positions `[M]`."""
    micro, rank = recipe.train.micro_batches, distributed.rank()
    return Feed(
        dataset,
        positions,
        batch=recipe.train.batch,
        seed=recipe.train.seed,
        parts=distributed.world_size() * micro,
        own=range(rank * micro, (rank + 1) * micro),
        mirror=recipe.data.mirror,
        device=device,
        channels_last=recipe.train.channels_last,
    )


def make_jobs(
    recipe: Recipe,
    run: Run,
    dataset: Dataset,
    state: State,
    display: Display,
    device: torch.device,
    judge: judging.Judge | None,
    supervisor: Supervisor,
) -> list[Job]:
    """Log, samples, evaluation, diagnosis, checkpoint and report, in the order in which they run."""
    every, n, labels = recipe.jobs, recipe.jobs.num_samples, dataset.card.labels
    columns = len(labels.classes) if state.gan.given and 2 <= len(labels.classes) <= 16 else 8
    # From all over the data, which often comes sorted by class.
    real = dataset.batch(np.linspace(0, len(dataset) - 1, n).round().astype(np.int64))
    given: Batch = {}
    if "label" in state.gan.given:
        given = {"label": (label_rows(labels, n, None) if labels.classes else real["label"]).to(device)}
    if "source" in state.gan.given:
        given = {"source": to_float(real[state.gan.takes].to(device))}
    given |= {key: real[key].to(device) for key in state.gan.given - {"label", "source"}}
    if distributed.rank() == 0:
        names = {"real": state.gan.makes}
        if "source" in state.gan.given and state.gan.takes != state.gan.makes:
            names["source"] = state.gan.takes
        for name, key in names.items():
            shown = real[key]
            values = (
                shown.permute(0, 2, 3, 1).numpy() if shown.dim() == 4 else finish(state.gan, shown, dataset.card.vocabulary)
            )
            write_sheet(run, name, values, columns, dataset.card.rate)
    sample = guarded(sample_job(run, every.sample_every, given, n, columns, device, dataset.card))
    if distributed.rank() == 0 and state.step == 0:
        sample.run(state, {})
    jobs = [
        log_job(run, every.log_every, state.images, display.show),
        sample,
        *([judging.judge_job(judge, run, recipe, dataset, display.show)] if judge else []),
        *([supervisor.job] if is_examined(state.gan, recipe.data) else []),
        checkpoint_job(run, every.checkpoint_every, every.keep),
        report_job(run, every.sample_every),
    ]
    jobs += [tensorboard_job(run, every.log_every)] if every.tensorboard else []
    return [guarded(job) for job in jobs]


def report_job(run: Run, every: int) -> Job:
    """Write report.html anew, but not more often than twice a minute: drawing takes half a second."""
    last = time.monotonic()

    def report(state: State, means: dict[str, float]) -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_REPORTS:
            write_report(run)
            last = time.monotonic()

    return Job(every, report, looks=False)


def explain_divergence(run: Run, reason: str) -> str:
    """What a user needs to know when a run has diverged."""
    checkpoint = run.newest_checkpoint()
    kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "no checkpoint had been written yet"
    return (
        f"{reason}; {kept}. Start a new run with lower rates (--optimisers.generator.rate, --optimisers.discriminator.rate) "
        "or a stronger penalty, or let --recover lower them by itself"
    )


def _open_data_once(recipe: Recipe) -> Dataset:
    """Let one process prepare the data and the others open what it has prepared."""
    with distributed.first_alone():
        return open_data(recipe.data)


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Append what zerosum logs, from INFO on, to a file as well."""
    level = log.level
    log.setLevel(min(log.getEffectiveLevel(), logging.INFO))
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
        log.setLevel(level)


@contextmanager
def warnings_only() -> Iterator[None]:
    """Keep what zerosum logs from being seen, but for warnings."""
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that is set by Ctrl-C or a termination signal; a second one interrupts at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def stop(number: int, frame: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        log.info("stopping after this step and saving a checkpoint; once more to stop at once")
        stopped.set()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        numbers.append(signal.SIGBREAK)  # all that one process can send another there
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
