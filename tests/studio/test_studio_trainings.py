"""Trainings as processes: started by the command that a user would type, stopped with a checkpoint, and resumed by it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zerosum import gans
from zerosum.cli.studio import make_workshop
from zerosum.locking import trainer
from zerosum.run import Run
from zerosum.studio.train_tab import free_name, resume, words_for
from zerosum.studio.trainings import Trainings, check_name, command, written
from zerosum.studio.workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    made = make_workshop(tmp_path, ())
    yield made
    for process in made.trainings.started.values():
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_run_is_started_stopped_by_another_studio_and_resumed(workshop: Workshop) -> None:
    recipe, values = gans.get_recipe("dcgan:tiny"), {"train.images": 100_000, "jobs.checkpoint_every": 50_000}
    words = words_for(workshop, "dcgan:tiny", recipe, "one", values)
    assert written(words) == (
        f"zerosum train dcgan:tiny --out={workshop.folder / 'one'} --train.images=100000 --jobs.checkpoint-every=50000"
    )
    folder = workshop.folder / "one"
    workshop.trainings.start(words, folder)
    with pytest.raises(ValueError, match="being trained already"):
        workshop.trainings.start(words, folder)
    wait_for(lambda: len(Run(folder).stats()) > 2)
    later = Trainings()  # of a studio that was opened after the one that started it was closed
    assert later.is_running(folder)
    assert "saves a checkpoint" in later.stop(folder)
    assert "stopping already" in later.stop(folder)
    assert workshop.trainings.started[folder].wait(60) == 130
    assert trainer(folder) is None
    assert "(ended with status 130)" in workshop.trainings.output(folder)
    (checkpoint,) = Run(folder).checkpoints()
    assert 0 < int(checkpoint.name) < 100_000
    with pytest.raises(ValueError, match="nothing trains into one"):
        later.stop(folder)
    said = resume(workshop, "one")
    assert said == f"one goes on: {written(words)}"
    wait_for(lambda: f"resumed {folder} at {int(checkpoint.name):,}" in workshop.trainings.output(folder))
    assert workshop.trainings.started[folder].poll() is None


def test_it_outlives_the_studio(tmp_path: Path) -> None:
    words = command("dcgan:tiny", tmp_path / "one", ["--train.images=100000"])
    code = f"""
from pathlib import Path
from zerosum.studio.trainings import Trainings
trainings = Trainings()
trainings.start({words!r}, Path({str(tmp_path / "one")!r}))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    wait_for(lambda: trainer(tmp_path / "one") and Run(tmp_path / "one").stats())
    assert Trainings().stop(tmp_path / "one")
    wait_for(lambda: trainer(tmp_path / "one") is None)
    assert Run(tmp_path / "one").checkpoints()


def test_what_goes_wrong_is_shown(workshop: Workshop) -> None:
    folder = workshop.folder / "none"
    workshop.trainings.start(command("dcgan:tiny", folder, ["--data.path=/there/is/nothing"]), folder)
    assert workshop.trainings.started[folder].wait(60) == 2
    assert "/there/is/nothing" in workshop.trainings.output(folder)
    assert "(ended with status 2)" in workshop.trainings.output(folder)
    assert not workshop.entries()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "-rf", "a b", "x" * 81, "a\n", "é", "a."])
def test_names_that_could_be_paths_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="run's name"):
        check_name(name)


def test_names_that_are_taken_are_refused_and_others_proposed(workshop: Workshop) -> None:
    (workshop.folder / "dcgan-cpu").mkdir()
    (workshop.folder / "dcgan-cpu" / "recipe.json").write_text("{}")
    with pytest.raises(ValueError, match="there is a run dcgan-cpu already"):
        words_for(workshop, "dcgan:cpu", gans.get_recipe("dcgan:cpu"), "dcgan-cpu", {})
    assert free_name(workshop, "dcgan-cpu") == "dcgan-cpu-2"
    assert check_name(free_name(workshop, "examples.my_gan-tiny"))


def test_runs_of_a_module_need_the_users_word(workshop: Workshop) -> None:
    (workshop.folder / "own").mkdir()
    (workshop.folder / "own" / "recipe.json").write_text('{"version": 1, "family": "evil.module", "data": {"path": "x"}}')
    with pytest.raises(ValueError, match="--family evil.module"):
        resume(workshop, "own")
    assert "evil.module" not in sys.modules


def test_a_stop_before_training_has_begun_leaves_nothing_running(workshop: Workshop) -> None:
    folder = workshop.folder / "soon"
    workshop.trainings.start(command("dcgan:tiny", folder, []), folder)
    workshop.trainings.stop(folder)
    assert workshop.trainings.started[folder].wait(60) in (-signal.SIGTERM, 130)
    assert not workshop.trainings.is_running(folder)
