"""Reading pickles without running them: what checkpoints hold comes out, and hostile ones do nothing."""

import io
import os
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from zerosum.export import unpickle
from zerosum.export.files import read_bytes, read_checkpoint, read_legacy
from zerosum.export.networks import find_networks
from zerosum.export.tensors import Array
from zerosum.export.unpickle import Described, RefusedError, read_pickle


class Call:
    """Pickles itself as a call of anything with anything."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.function, self.arguments, self.state = function, arguments, state

    def __reduce__(self) -> Any:
        return (self.function, self.arguments) if self.state is None else (self.function, self.arguments, self.state)


def saved(value: Any, new: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=new)
    return stream.getvalue()


def repacked(content: bytes, change: Any = lambda name, part: part, compress: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive with changed parts."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w", compress) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change(entry.filename, old.read(entry.filename)))
    return stream.getvalue()


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file that hostile pickles try to make."""
    return tmp_path / "hacked"


TENSORS = {
    "float": torch.arange(6.0).reshape(2, 3),
    "view": torch.arange(12.0).reshape(3, 4).t()[1:],
    "half": torch.ones(3, dtype=torch.float16),
    "short": torch.full((2,), 1.5, dtype=torch.bfloat16),
    "count": torch.tensor(7),
    "flags": torch.tensor([True, False]),
    "empty": torch.zeros(0, 3),
    "parameter": nn.Parameter(torch.randn(4, generator=torch.Generator().manual_seed(0))),
}


@pytest.mark.parametrize("form", ["zip", "legacy", *range(2, 6)])
def test_tensors_come_out_as_they_went_in(form: Any) -> None:
    content = saved(TENSORS, form == "zip") if isinstance(form, str) else pickle.dumps(TENSORS, protocol=form)
    found = read_bytes(content)
    assert list(found) == list(TENSORS)
    for name, value in TENSORS.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)


@pytest.mark.parametrize("form", ["zip", "legacy", *range(2, 6)])
def test_numbers_arrays_and_collections_come_out(form: Any) -> None:
    value = {
        "fid": np.float64(3.5),
        "list": [1, "two", None, (True, -(2**70)), 0.25],
        "ordered": OrderedDict(a=1, b=OrderedDict()),
        "set": {1, 2},
        "array": np.arange(6.0).reshape(2, 3),
        "text": b"\x00\xff",
        "size": torch.Size([1, 2]),
    }
    found = read_bytes(saved(value, form == "zip") if isinstance(form, str) else pickle.dumps(value, protocol=form))
    array = found.pop("array")
    assert isinstance(array, Array)
    assert np.array_equal(array.values, value.pop("array"))  # type: ignore[arg-type]
    assert found == value


def test_modules_are_described_and_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm2d(2))
    content = pickle.dumps(network)
    monkeypatch.setattr(nn.Linear, "__setstate__", lambda *_: pytest.fail("made"), raising=False)
    found = read_bytes(content)
    assert isinstance(found, Described)
    assert found.kind == "torch.nn.modules.container.Sequential"
    tensors = find_networks(found, len(content))[""].tensors
    assert all(torch.equal(tensors[name], value) for name, value in network.state_dict().items())
    assert tensors.keys() == network.state_dict().keys()


def text_of(words: str) -> bytes:
    """The opcode that pushes a text."""
    return b"X" + len(words).to_bytes(4, "little") + words.encode()


def hostile(mine: Path) -> dict[str, tuple[bytes, str]]:
    """Pickles that would make a file if they were run, and what is said of them."""
    command = f"touch {mine}"
    inner = pickle.dumps(Call(os.system, command))
    chain = b"\x80\x02cbuiltins\ngetattr\n(cbuiltins\n__import__\nU\x02os\x85RU\x06systemtR" + text_of(command) + b"\x85R."
    module = nn.Linear(1, 1)
    module.x = Call(os.system, command)  # type: ignore[assignment]
    named = b"c" + b"builtins\ngetattr\n" + b"."
    return {
        "os.system": (inner, f"{os.system.__module__}.system"),
        "eval": (pickle.dumps(Call(eval, f"open({str(mine)!r}, 'w')")), "builtins.eval"),
        "exec": (pickle.dumps(Call(exec, f"open({str(mine)!r}, 'w')")), "builtins.exec"),
        "open": (pickle.dumps(Call(open, str(mine), "w")), "io.open"),
        "getattr": (chain, "builtins.getattr"),
        "getattr alone": (b"\x80\x02" + named, "builtins.getattr"),
        "in a list": (pickle.dumps([1, {"state_dict": Call(os.system, command)}]), "system"),
        "in a module": (pickle.dumps(module), "system"),
        "torch.load": (pickle.dumps(Call(torch.load, str(mine))), "torch.serialization.load"),
        "nested": (pickle.dumps(Call(torch.storage._load_from_bytes, inner)), "nested file"),
        "nested archive": (
            pickle.dumps(Call(torch.storage._load_from_bytes, saved(Call(os.system, command), False))),
            "system",
        ),
        "nested twice": (
            pickle.dumps(
                Call(
                    torch.storage._load_from_bytes,
                    saved(Call(torch.storage._load_from_bytes, saved(torch.ones(1), False)), False),
                )
            ),
            "inside a file",
        ),
        "legacy archive": (saved(Call(os.system, command), False), "system"),
        "zip archive": (saved(Call(os.system, command), True), "system"),
        "dotted name": (b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.", "OrderedDict.__init__"),
        "attribute of a class": (b"\x80\x04\x8c\x05torch\x8c\x17FloatStorage.__reduce__\x93.", "FloatStorage.__reduce__"),
        "module's function": (b"\x80\x02ctorch.nn.modules.module\n_global\n)R.", "calls torch.nn.modules"),
        "state of a function": (b"\x80\x02ccollections\nOrderedDict\n}X\x01\x00\x00\x00aK\x01sb.", "sets the state of"),
        "call of a text": (b"\x80\x02X\x01\x00\x00\x00a)R.", "calls a str"),
        "extension": (b"\x80\x02\x82\x01.", "EXT1"),
        "old object": (b"\x80\x02(cos\nsystem\nX\x01\x00\x00\x00ao.", "system"),
        "old instance": (b"(X\x01\x00\x00\x00aios\nsystem\n.", "neither a pickle"),
        "persistent id": (b"\x80\x02X\x01\x00\x00\x00aQ.", "outside of the file"),
        "text persistent id": (b"\x80\x02Pfile:///etc/passwd\n.", "outside of the file"),
        "objects in an array": (pickle.dumps(np.array([Call(os.system, command)], dtype=object)), "number type"),
        "a tuple as a key": (pickle.dumps({(1, 2): 3}), "tuple as a key"),
        "keyword arguments": (b"\x80\x04ctorch.nn.modules.linear\nLinear\n)}\x8c\x01aK\x01s\x92.", "keyword arguments"),
        "encoding": (b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.", "encodes"),
        "TensorFlow": (b"\x80\x02cdnnlib.tflib.network\nNetwork\n)R.", "TensorFlow"),
    }


@pytest.mark.parametrize("name", list(hostile(Path("x"))))
def test_hostile_pickles_are_refused_by_name_and_nothing_runs(name: str, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, said = hostile(mine)[name]
    monkeypatch.setattr(pickle, "loads", lambda *_: pytest.fail("unpickled"))
    monkeypatch.setattr(pickle, "Unpickler", lambda *_: pytest.fail("unpickled"))
    monkeypatch.setattr(torch, "load", lambda *_: pytest.fail("loaded"))
    with pytest.raises(ValueError, match=said):
        read_bytes(content)
    assert not mine.exists()


def test_the_hostile_ones_would_have_worked(mine: Path) -> None:
    for name in ("os.system", "getattr"):
        pickle.loads(hostile(mine)[name][0])
        mine.unlink()


def test_a_hostile_pickle_inside_an_archive_by_its_zip(mine: Path) -> None:
    evil = pickle.dumps(Call(os.system, f"touch {mine}"))
    content = repacked(saved({"x": torch.ones(3)}, True), lambda name, part: evil if name.endswith("data.pkl") else part)
    with pytest.raises(RefusedError, match="system"):
        read_bytes(content)
    assert not mine.exists()


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    content = repacked(saved({"x": torch.zeros(1_000_000)}, True), compress=zipfile.ZIP_DEFLATED)
    assert len(content) < 40_000
    with pytest.raises(RefusedError, match="compressed archive"):
        read_bytes(content)


def test_parts_that_lie_over_each_other_are_refused() -> None:
    stream = io.BytesIO(saved({"x": torch.zeros(50_000)}, True))
    with zipfile.ZipFile(stream, "a") as archive:
        for number in range(20):
            entry = next(entry for entry in archive.infolist() if entry.filename.endswith("data/0"))
            copy = zipfile.ZipInfo(f"archive/data/{number + 1}")
            copy.header_offset, copy.file_size, copy.compress_size, copy.CRC = (
                entry.header_offset,
                entry.file_size,
                entry.compress_size,
                entry.CRC,
            )
            archive.filelist.append(copy)
            archive.NameToInfo[copy.filename] = copy
        archive._didModify = True
    with pytest.raises(RefusedError, match="more than its size"):
        read_bytes(stream.getvalue())


@pytest.mark.parametrize("new", [True, False])
def test_a_storage_smaller_than_it_says_is_refused(new: bool) -> None:
    content = saved({"x": torch.zeros(4)}, new)
    content = repacked(content, lambda name, part: part[:8] if name.endswith("data/0") else part) if new else content[:-8]
    with pytest.raises(ValueError, match="8 bytes for 4 numbers|not whole"):
        read_bytes(content)


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((5,), (1,), 0),
        ((4,), (1,), 1),
        ((2, 2), (4, 1), 0),
        ((1_000_000,), (0,), 0),
        ((-1,), (1,), 0),
        ((4,), (-1,), 3),
        ((4,), (1, 1), 0),
    ],
)
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(size: Any, stride: Any, offset: int) -> None:
    storage = torch.zeros(4)._typed_storage()
    content = pickle.dumps(Call(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, OrderedDict()))
    with pytest.raises(ValueError, match="a tensor of shape"):
        read_bytes(content)


def test_a_file_read_a_thousand_times_inside_a_pickle_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = saved(torch.zeros(100)._typed_storage(), False)
    many = b"\x80\x04]\x94(" + b"ctorch.storage\n_load_from_bytes\n"
    many += b"B" + len(inside).to_bytes(4, "little") + inside + b"\x94\x85R"
    many += (b"ctorch.storage\n_load_from_bytes\n" + b"h\x01\x85R") * 999 + b"e."
    calls = []
    found = read_pickle(io.BytesIO(many), nested=lambda content: calls.append(1) or read_legacy(content))
    assert len(found) == 1000
    assert len(calls) == 1


def test_an_endless_pickle_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickle, "MAX_OPCODES", 100)
    with pytest.raises(RefusedError, match="more than 100 steps"):
        read_bytes(b"\x80\x02" + b"N0" * 60 + b"N.")


def test_modules_within_themselves_are_refused() -> None:
    network = nn.Sequential(nn.Linear(1, 1))
    network.add_module("again", network)
    with pytest.raises(ValueError, match="nested more than"):
        find_networks(read_bytes(pickle.dumps(network)), 10_000)
    wide = nn.Sequential()
    for _ in range(9):
        wide = nn.Sequential(*[wide] * 10)
    with pytest.raises(ValueError, match="more than 100,000 modules"):
        find_networks(read_bytes(pickle.dumps(wide)), 10_000)


def test_tensors_that_share_one_storage_cannot_make_a_huge_network() -> None:
    value: dict[str, Tensor] = dict.fromkeys(map(str, range(1000)), torch.zeros(1000))
    content = saved(value, True)
    with pytest.raises(ValueError, match="add up to more than the size of the file"):
        find_networks(read_bytes(content), len(content))


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_a_file_that_is_cut_off_anywhere_is_refused_in_words(form: str) -> None:
    value = {"x": torch.arange(300.0), "module": OrderedDict(y=torch.ones(2))}
    content = pickle.dumps(value) if form == "pickle" else saved(value, form == "zip")
    assert read_bytes(content)
    for length in np.linspace(0, len(content) - 1, 97).astype(int):
        with pytest.raises(ValueError, match=r"\w"):
            read_bytes(content[:length])


def test_random_damage_is_refused_in_words_or_harmless() -> None:
    content = bytearray(pickle.dumps({"module": nn.Linear(2, 2), "x": np.arange(3)}))
    chance = np.random.default_rng(0)
    for _ in range(2_000):
        damaged = bytearray(content)
        for place in chance.integers(0, len(content), 3):
            damaged[place] = chance.integers(0, 256)
        try:
            read_bytes(bytes(damaged))
        except ValueError as error:
            assert str(error)


def test_every_opcode_is_read_or_refused() -> None:
    known = {opcode.name for opcode in pickletools.opcodes}
    handled = {name for name in known if hasattr(unpickle._Machine, f"op_{name.lower()}")}
    plain = {*unpickle.CONSTANTS, *unpickle.FIXED, *unpickle.FIXED_TUPLES, *unpickle.WITHOUT_MEANING, "STOP"}
    assert known - handled - plain == {"EXT1", "EXT2", "EXT4", "INST", "OBJ", "FROZENSET", "NEXT_BUFFER", "READONLY_BUFFER"}


def test_files_of_every_kind(tmp_path: Path) -> None:
    value = {"a": torch.ones(2)}
    save_file(value, tmp_path / "x.safetensors")
    torch.save(value, tmp_path / "x.pth")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(value))
    for name in ("x.safetensors", "x.pth", "x.pkl"):
        found, digest, size = read_checkpoint(tmp_path / name)
        assert torch.equal(found["a"], value["a"])
        assert len(digest) == 64
        assert size == (tmp_path / name).stat().st_size
