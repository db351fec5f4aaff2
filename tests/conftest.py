"""What every test gets: its own data cache, shared by the whole session, and the same random numbers."""

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def data_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of prepared data of this session's own; child processes find it in the environment."""
    folder = tmp_path_factory.getbasetemp().parent / "cache"
    os.environ["ZEROSUM_CACHE"] = str(folder)
    return folder


@pytest.fixture(autouse=True)
def repeatable() -> None:
    """The same draws, and the same sums in the same order, every time."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
