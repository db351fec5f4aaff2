"""A released folder: loaded, it is the same generator; its card says what was measured and no more. The hub is a fake one."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import zerosum
from zerosum import gans
from zerosum.cli import main
from zerosum.export import hub
from zerosum.export.release import public

COMMIT = "0" * 40


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny run."""
    folder = tmp_path_factory.mktemp("release") / "run"
    zerosum.train(gans.get_recipe("biggan:tiny"), folder)
    return folder


@pytest.fixture(scope="module")
def released(run: Path) -> Path:
    """What the command makes of it."""
    folder = run.with_name("released")
    assert main(["export", str(run), "--to", "safetensors", "--out", str(folder)]) == 0
    return folder


def test_it_gives_the_same_samples(run: Path, released: Path, tmp_path: Path) -> None:
    ours, theirs = zerosum.load(run), zerosum.load(released)
    assert np.array_equal(ours.sample(12, seed=3), theirs.sample(12, seed=3))
    assert (theirs.name, theirs.card) == (ours.name, ours.card)
    assert {file.name for file in released.iterdir()} == {"weights.safetensors", "config.json", "README.md", "samples.png"}
    assert main(["sample", str(released), "-n", "3", "--label", "2", "--out", str(tmp_path / "x.npz")]) == 0
    assert np.array_equal(np.load(tmp_path / "x.npz")["samples"], ours.sample(3, label=2))
    assert main(["export", str(released), "--to", "onnx", "--out", str(tmp_path / "x.onnx")]) == 0


def test_the_card_tells_figures_of_this_generator_alone(run: Path, tmp_path: Path) -> None:
    figure = {"value": 0.51234, "interval": [0.4, 0.6], "floor": 0.01, "num_real": 100, "num_fake": 50, "judge": "lite0"}
    own = {**figure, "judge_hash": "abcdef0123456789", "generator": zerosum.load(run).name}
    metrics = {"recall": own, "precision": {**own, "generator": "other at 5 images (1234)"}}
    (run / "metrics.json").write_text(json.dumps(metrics))
    try:
        assert main(["export", str(run), "--to", "safetensors", "--out", str(tmp_path / "x")]) == 0
    finally:
        (run / "metrics.json").unlink()
    card = (tmp_path / "x" / "README.md").read_text()
    assert "| recall | 0.5123 | 0.4 to 0.6 | 0.01 | 100 and 50 | lite0 abcdef012345 |" in card
    assert "| precision |" not in card
    assert "# license: fill in" in card
    assert "10 classes" in card


def test_a_card_without_figures_says_so(released: Path) -> None:
    card = (released / "README.md").read_text()
    assert "Nobody has measured this generator yet" in card
    assert "## Verdict of the doctor\n\n**" in card
    assert 'zerosum.load("FOLDER")' in card


def test_no_folder_of_this_machine_is_told() -> None:
    plain = json.loads(gans.get_recipe("dcgan:tiny").to_json())
    plain["data"]["path"], plain["train"]["start"] = "/home/me/secret/faces", r"C:\me\runs\old"
    told = public(plain)
    assert (told["data"]["path"], told["train"]["start"]) == ("faces", "old")


def copied(released: Path, target: Path, **changes: str) -> Path:
    """A copy of the folder with other files."""
    target.mkdir()
    for file in released.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    for name, text in changes.items():
        (target / name.replace("_", ".")).write_text(text)
    return target


def test_damaged_folders_are_refused_in_words(released: Path, tmp_path: Path) -> None:
    config = json.loads((released / "config.json").read_text())
    for name, text, words in (
        ("a", "{", r"config\.json is damaged"),
        ("b", json.dumps({"model_type": "bert"}), "is not of a generator"),
        ("c", json.dumps({**config, "zerosum": 99}), "upgrade zerosum"),
        (
            "d",
            json.dumps({**config, "recipe": {**config["recipe"], "family": "os.path"}}),
            "if you trust it, say --family os.path",
        ),
        ("e", json.dumps({key: value for key, value in config.items() if key != "data"}), r"config\.json is damaged"),
    ):
        with pytest.raises(ValueError, match=words):
            zerosum.load(copied(released, tmp_path / name, config_json=text))
    with pytest.raises(ValueError, match="is not the file that config.json was written for"):
        zerosum.load(copied(released, tmp_path / "f", weights_safetensors="nonsense"))
    (tmp_path / "f" / "weights.safetensors").unlink()
    with pytest.raises(ValueError, match=r"weights\.safetensors is damaged: FileNotFoundError"):
        zerosum.load(tmp_path / "f")
    with pytest.raises(ValueError, match="leave the checkpoint best out"):
        zerosum.load(released, checkpoint="best")


class FakeHub(BaseHTTPRequestHandler):
    """As much of the hub as creating a repository, one commit and a download need; tokens "good", "reader" and none."""

    files: dict[str, bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.allowed("good"):
            return
        if self.path == "/api/repos/create":
            self.answer({"url": f"http://{self.headers['Host']}/{json.loads(body)['organization']}/{json.loads(body)['name']}"})
        elif "/preupload/" in self.path:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in json.loads(body)["files"]
            ]
            self.answer({"files": files})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.answer({"commitOid": COMMIT, "commitUrl": f"http://{self.headers['Host']}/me/faces/commit/{COMMIT}"})
        else:
            self.answer({})

    def do_GET(self) -> None:
        if "/nobody/" in self.path:
            self.answer({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        elif self.path.startswith("/api/models"):
            names = [{"rfilename": name} for name in self.files]
            tree = [{"type": "file", "path": name, "size": len(value), "oid": "a" * 40} for name, value in self.files.items()]
            self.answer(tree if "/tree/" in self.path else {"id": "me/faces", "sha": COMMIT, "siblings": names})
        else:
            content = self.files[self.path.split("/")[-1].partition("?")[0]]
            etag = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
            self.answer(content, 200, etag)

    do_HEAD = do_GET  # noqa: N815

    def allowed(self, token: str) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if given == token:
            return True
        self.answer({"error": "no"}, 403 if given == "reader" else 401)
        return False

    def answer(self, value: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def fake_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """The files of a hub on this machine, which huggingface_hub takes for the real one."""
    constants = pytest.importorskip("huggingface_hub.constants", reason='pip install "zerosum[hub]"')
    FakeHub.files = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        "ENDPOINT": address,
        "HUGGINGFACE_CO_URL_TEMPLATE": address + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_TOKEN_PATH": str(tmp_path / "token"),
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_PROGRESS_BARS": True,
    }.items():
        monkeypatch.setattr(constants, name, value, raising=False)
    monkeypatch.setenv("HF_TOKEN", "good")
    monkeypatch.chdir(tmp_path)
    yield FakeHub.files
    server.shutdown()
    thread.join()
    server.server_close()


def test_up_to_the_hub_and_down_again(run: Path, fake_hub: dict[str, bytes], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), "--to", "hub", "me/faces"]) == 0
    assert set(fake_hub) == {"weights.safetensors", "config.json", "README.md", "samples.png"}
    assert "zerosum.load('me/faces')" in capfd.readouterr().out
    assert np.array_equal(zerosum.load("me/faces").sample(4), zerosum.load(run).sample(4))
    del fake_hub["config.json"]
    with pytest.raises(ValueError, match="is no generator of zerosum's"):
        hub.download("me/other")


def test_what_the_hub_refuses_is_said_in_words(
    run: Path, fake_hub: dict[str, bytes], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for token, words in (("bad", "does not know your token"), ("reader", "does not let your token write me/faces")):
        monkeypatch.setenv("HF_TOKEN", token)
        assert main(["export", str(run), "--to", "hub", "me/faces"]) == 2
        said = capfd.readouterr().err
        assert words in said
        assert "HF_TOKEN" in said
    assert not fake_hub
    monkeypatch.delenv("HF_TOKEN")
    assert main(["export", str(run), "--to", "hub", "me/faces"]) == 2
    assert "hf auth login" in capfd.readouterr().err
    with pytest.raises(ValueError, match="no repository nobody/x that you may see"):
        zerosum.load("nobody/x")
    assert main(["export", str(run), "--to", "hub", "faces"]) == 2
    assert "USER/NAME" in capfd.readouterr().err


def test_a_hub_that_cannot_be_reached(fake_hub: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OSError, match=r"the hub \(http://127.0.0.1:9\) cannot be reached about me/faces"):
        hub.download("me/faces")


def test_a_missing_run_is_not_taken_for_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    assert not hub.is_name("runs/x")
    assert hub.is_name("me/x")
    assert not any(map(hub.is_name, ("x", "/me/x", "./x", "me/x/y", "../x")))
    with pytest.raises(ValueError, match="is not a run"):
        zerosum.load("runs/x")
