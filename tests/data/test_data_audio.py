"""Sounds: files of any rate and format into slices; bad ones refused or left out in words."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from zerosum.cli import main
from zerosum.data import Audio, check, open_data
from zerosum.data.feed import Feed
from zerosum.data.sounds import prepare, resample, trim
from zerosum.recipe import Data

RATE = 8_000


def tone(hertz: float = 440.0, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


def save(path: Path, wave: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three kinds of file in two sub-folders."""
    for number, name in enumerate(("low/a.wav", "low/b.flac", "low/c.ogg", "high/d.wav", "high/e.WAV")):
        save(tmp_path / "sounds" / name, tone(200.0 * (number + 1)))
    return tmp_path / "sounds"


def settings(path: Path, **others: object) -> Data:
    return replace(Data(path=str(path), kind="audio", rate=RATE, samples=1_024), **others)  # type: ignore[arg-type]


def opened(path: Path, **others: object) -> Audio:
    dataset = open_data(settings(path, **others))
    assert isinstance(dataset, Audio)
    return dataset


def test_folders_become_waves_and_classes(folder: Path) -> None:
    dataset = opened(folder)
    assert dataset.card.shapes == {"wave": (1, 1_024), "label": (2,)}
    assert (dataset.card.labels.classes, dataset.card.rate) == (("high", "low"), RATE)
    batch = dataset.batch(np.arange(5))
    names = ["high/d.wav", "high/e.WAV", "low/a.wav", "low/b.flac", "low/c.ogg"]
    assert dataset.names == names
    for wave, label, name in zip(batch["wave"], batch["label"], names, strict=True):
        wanted = tone(200.0 * ("abcde".index(name.split("/")[1][0]) + 1))[:1_024]
        # OGG is lossy, the others keep 16 bits.
        assert np.abs(wave[0].numpy() - wanted).max() < (0.05 if name.endswith("ogg") else 1e-4)
        assert label.tolist() == ([1, 0] if name.startswith("high") else [0, 1])


def test_the_second_time_nothing_is_decoded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(folder).batch(np.arange(5))
    monkeypatch.setattr("zerosum.data.sounds.decode", None)
    again = opened(folder).batch(np.arange(5))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert len(opened(folder, samples=2_048).card.shapes) == 2


def test_an_archive_gives_what_its_folder_gives(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sounds.zip", "w") as archive:
        for file in folder.rglob("*.*"):
            archive.write(file, file.relative_to(folder))
    one, other = opened(folder), opened(tmp_path / "sounds.zip")
    assert one.card == other.card


def test_mixed_rates_are_brought_to_one_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for rate in (8_000, 11_025, 44_100):
        save(tmp_path / "mixed" / f"{rate}.wav", tone(rate=rate), rate)
    with caplog.at_level("INFO", "zerosum.data"):
        waves = opened(tmp_path / "mixed").batch(np.arange(3))["wave"][:, 0]
    assert "1 of 11025 Hz, 1 of 44100 Hz resampled to data.rate 8000" in caplog.text
    inner = slice(100, 900)  # away from the edges, where a filter has nothing to look at
    for wave in waves:
        assert np.abs(wave.numpy()[inner] - tone()[:1_024][inner]).max() < 5e-3


@pytest.mark.parametrize(("before", "after"), [(44_100, 16_000), (8_000, 22_050)])
def test_resampling_keeps_a_tone_and_removes_what_the_rate_cannot_have(before: int, after: int) -> None:
    made = resample(tone(1_000, rate=before)[None], before, after)[0]
    assert np.abs(made - tone(1_000, rate=after))[300:-300].max() < 5e-3
    if before > after:
        assert np.abs(resample(tone(0.45 * before, rate=before)[None], before, after))[:, 300:-300].max() < 0.01


def test_short_sounds_get_silence_or_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path / "data" / "long.wav", tone())
    save(tmp_path / "data" / "short.wav", tone(seconds=0.05))
    with caplog.at_level("INFO", "zerosum.data"):
        wave = opened(tmp_path / "data").batch(np.array([1]))["wave"][0, 0]
        kept = opened(tmp_path / "data", short="skip")
    said = "1 of 2 sounds are shorter than a slice of 1024 samples (0.13 s), such as short.wav: "
    assert said + "silence is added" in caplog.text
    assert said + "they are left out" in caplog.text
    assert wave[400:].abs().max() == 0
    assert wave[:400].abs().max() > 0.4
    assert (kept.names, kept.card.num_examples) == (["long.wav"], 1)
    assert kept.card.content != opened(tmp_path / "data").card.content
    (tmp_path / "data" / "long.wav").unlink()
    with pytest.raises(ValueError, match="every sound is shorter than data.samples 1024"):
        opened(tmp_path / "data", short="skip")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("bad.flac", "cut", "damaged"),
        ("bad.wav", b"this is no sound at all", "not a sound in a known format"),
        ("bad.ogg", b"", "not a sound in a known format"),
        ("silent.wav", np.zeros(800, np.float32), "silent from end to end"),
        ("empty.wav", np.zeros(0, np.float32), "no samples"),
    ],
)
def test_bad_files_are_left_out_or_refused_by_name(
    folder: Path, name: str, content: bytes | str | np.ndarray, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    bad = folder / "low" / name
    if isinstance(content, np.ndarray):
        save(bad, content)
    else:
        whole = save(folder / "whole.flac", np.random.default_rng(0).normal(0, 0.1, 4_000))
        bad.write_bytes(content if isinstance(content, bytes) else whole.read_bytes()[:3_000])
        whole.unlink()
    dataset = opened(folder)
    assert len(dataset) == 5
    assert dataset.skipped[0][0] == f"low/{name}"
    assert reason in dataset.skipped[0][1]
    with pytest.raises(ValueError, match=rf"1 of 6 sounds in .*\n  low/{name}: .*{reason}"):
        opened(folder, broken="refuse")


def test_samples_that_are_not_finite(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nan.wav", np.full(900, np.nan, np.float32), RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match="not finite"):
        opened(tmp_path)


def test_places_without_sounds(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="is empty: put sounds into it"):
        opened(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"holds 1 files, but none is a sound by its name \(.wav, .flac, .ogg"):
        opened(tmp_path / "empty")
    with pytest.raises(ValueError, match="fashion holds images, not sounds; the embedded sounds are drums"):
        open_data(Data(kind="audio"))
    with pytest.raises(ValueError, match="drums holds sounds: set data.kind audio"):
        open_data(Data(path="drums"))
    with pytest.raises(ValueError, match="no known kind; give a folder of sounds"):
        opened(tmp_path / "empty" / "notes.txt")
    with pytest.raises(ValueError, match="holds sounds: name a family .* such as wavegan:cpu, or set data.kind audio"):
        open_data(Data(path=str(folder)))


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("rate", 10, "data.rate must be from 1,000"),
        ("samples", 3, "data.samples at least 64"),
        ("trim", -1.0, "trim must not be negative"),
        ("mirror", True, "data.mirror is for images"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, option: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings(tmp_path, **{option: value})


def test_channels_are_mixed_or_kept(tmp_path: Path) -> None:
    both = np.stack([tone(300), tone(500)], 1)
    save(tmp_path / "data" / "a.wav", both)
    save(tmp_path / "data" / "b.wav", tone())
    mono, stereo = (opened(tmp_path / "data", channels=channels).batch(np.arange(2))["wave"] for channels in ("mono", "stereo"))
    assert np.abs(mono[0, 0].numpy() - both.mean(1)[:1_024]).max() < 1e-4
    assert np.abs(stereo[0].numpy() - both.T[:, :1_024]).max() < 1e-4
    assert torch.equal(stereo[1, 0], stereo[1, 1])


def test_silence_is_trimmed_at_both_ends_only() -> None:
    wave = np.concatenate([np.zeros(100), tone()[1:50], np.zeros(60), tone()[1:50], np.full(70, 1e-4)])[None].astype(np.float32)
    assert trim(wave, 40.0).shape[1] == 49 + 60 + 49
    assert trim(wave, 100.0).shape[1] == wave.shape[1] - 100


def test_clipping_and_counts(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", tone())
    wave, origin = prepare(path.read_bytes(), 16_000, 2, 0.0)
    assert (wave.dtype, wave.shape) == (np.int16, (2, 8_000))
    assert (origin.rate, origin.channels, origin.samples) == (RATE, 1, 4_000)


def test_random_slices_are_a_function_of_seeds(folder: Path) -> None:
    dataset, places = opened(folder, slices="random"), np.arange(5)
    one, again, other = (dataset.drawn(places, None, seeds)["wave"] for seeds in (range(5), range(5), range(5, 10)))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    whole = dataset.sound(0)[0]
    assert any(np.array_equal(whole[start : start + 1_024], one[0, 0].numpy()) for start in range(len(whole) - 1_023))
    assert torch.equal(dataset.batch(places)["wave"][0, 0], torch.from_numpy(whole[:1_024]))


def test_a_feed_of_sounds_in_parts_is_one_feed(folder: Path) -> None:
    dataset = opened(folder, slices="random")

    def drawn(parts: int, own: range) -> list[torch.Tensor]:
        feed = Feed(dataset, np.arange(5), batch=4, seed=1, parts=parts, own=own, device=torch.device("cpu"))
        try:
            return [part["wave"] for part in feed.draw(3)]
        finally:
            feed.close()

    (whole,), halves = drawn(1, range(1)), drawn(2, range(2))
    assert torch.equal(whole, torch.cat(halves))


def test_the_doctor_of_data_looks_at_sounds(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save(folder / "low" / "f.wav", tone(rate=11_025, seconds=0.05), 11_025)
    (folder / "low" / "g.flac").write_bytes(b"nothing")
    report = check(settings(folder))
    assert (report.num_examples, report.num_readable, report.classes) == (7, 6, {"high": 2, "low": 4})
    assert report.unreadable == (("low/g.flac", "not a sound in a known format"),)
    assert len(report.effects) == 2
    assert "1 of 11025 Hz resampled" in report.effects[0]
    assert main(["data", "check", str(folder), "--data.kind", "audio"]) == 1
    assert "unreadable files" in capfd.readouterr().out


def test_a_batch_of_none(folder: Path) -> None:
    assert opened(folder).batch(np.arange(0))["wave"].shape == (0, 1, 1_024)


@pytest.mark.parametrize("name", ["samples.npy", "table.json", "card.json", "labels.npy"])
def test_a_damaged_cache_is_made_anew(folder: Path, own_cache: Path, name: str) -> None:
    before = opened(folder).batch(np.arange(5))
    (file,) = own_cache.glob(f"*/{name}")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    again = opened(folder).batch(np.arange(5))
    assert all(torch.equal(before[key], again[key]) for key in before)


def test_another_process_may_be_first(folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(folder)
    (place,) = [path for path in own_cache.iterdir() if path.is_dir()]
    changed = (place / "samples.npy").stat().st_mtime_ns
    tries = iter([True, False, False])
    whole = Audio.__init__

    def late(self: Audio, folder: Path, settings: Data) -> None:
        if next(tries):
            raise FileNotFoundError
        whole(self, folder, settings)

    monkeypatch.setattr(Audio, "__init__", late)
    assert opened(folder).card == first.card
    assert (place / "samples.npy").stat().st_mtime_ns == changed, "what lies there is used"
    assert len(list(own_cache.iterdir())) == 1
