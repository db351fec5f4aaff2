"""Commands in processes of their own that start at once: they are forked from a server that has imported everything."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import torch
from torch.distributed import TCPStore

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["zerosum.cli.train", "torch._dynamo", "matplotlib.figure"])


@contextmanager
def started(arguments: list[str], words: Path, **variables: str) -> Iterator[ForkServerProcess]:
    """A process that does `zerosum` with these arguments and more environment, and writes its words to a file."""
    process = SERVER.Process(target=command, args=(arguments, words, variables))
    process.start()
    try:
        yield process
        process.join()
    finally:
        process.kill()


def command(arguments: list[str], words: Path, variables: dict[str, str]) -> None:
    """What the process does, in one thread as its tests."""
    from zerosum.cli import main

    torch.set_num_threads(1)
    os.environ.update(variables)
    with words.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    raise SystemExit(main(arguments))


def run_two(arguments: list[str], words: Path) -> None:
    """Do `zerosum` with these arguments in two processes that train together, told what torchrun tells its."""
    # The store is this process's, at a port that the system chose: none can be taken by others in between.
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    told = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    first, second = (words.with_suffix(f".{rank}") for rank in (0, 1))
    with (
        started(arguments, first, RANK="0", WORLD_SIZE="2", **told) as one,
        started(arguments, second, RANK="1", WORLD_SIZE="2", **told) as other,
    ):
        pass
    assert (one.exitcode, other.exitcode) == (0, 0), first.read_text() + second.read_text()
