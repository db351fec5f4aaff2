"""Every kind of path opens, and what cannot be opened says why."""

import gzip
import io
import json
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data import Images, open_data
from zerosum.recipe import Data


def load(path: Path | str, **settings: object) -> Images:
    dataset = open_data(Data(path=str(path), **{"resolution": 32, **settings}))  # type: ignore[arg-type]
    assert isinstance(dataset, Images)
    return dataset


def refuse(path: Path | str, message: str, kind: type[Exception] = ValueError, **settings: object) -> None:
    with pytest.raises(kind, match=message):
        load(path, **settings)


def test_folder_with_sub_folders(folder: Path, emoji: list[np.ndarray]) -> None:
    dataset = load(folder)
    assert dataset.card.labels.classes == ("cat", "dog")
    assert dataset.card.shapes == {"image": (3, 32, 32), "label": (2,)}
    batch = dataset.batch(np.array([5, 0]), np.array([True, False]))
    np.testing.assert_array_equal(batch["image"][0].permute(1, 2, 0), emoji[50][:, ::-1])
    np.testing.assert_array_equal(batch["image"][1].permute(1, 2, 0), emoji[0])
    assert batch["label"].tolist() == [[0, 1], [1, 0]]


def test_flat_folder_has_no_labels_and_nested_names_sort_naturally(tmp_path: Path) -> None:
    for name in ("flat/a.png", "deep/all/10/a.png", "deep/all/9/x/b.png", "deep/all/.hidden/c.png", "deep/all/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(path, "PNG")
    assert load(tmp_path / "flat").card.labels.width == 0
    assert "label" not in load(tmp_path / "flat").batch(np.array([0]))
    assert load(tmp_path / "deep").card.labels.classes == ("9", "10")
    assert len(load(tmp_path / "deep")) == 2


@pytest.mark.parametrize("wrapped", [False, True])
def test_archives_equal_the_folder(folder: Path, tmp_path: Path, wrapped: bool) -> None:
    root = folder.parent if wrapped else folder
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        archive.writestr("__MACOSX/pets/._0.png", b"junk")
        for path in files[::-1]:
            archive.write(path, path.relative_to(root))
    contents = {load(tmp_path / "pets.zip").card.content}
    for mode in ("", "gz", "bz2", "xz"):
        name = tmp_path / f"pets.tar{'.' if mode else ''}{mode}"
        with tarfile.open(name, f"w:{mode}") as archive:
            for path in files[::-1]:
                archive.add(path, f"./{path.relative_to(root).as_posix()}")
        contents.add(load(name).card.content)
    assert contents == {load(folder).card.content}


def write_idx(path: Path, array: np.ndarray, magic: int | None = None) -> Path:
    header = struct.pack(f">I{array.ndim}I", magic or 0x800 + array.ndim, *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_with_labels_beside(tmp_path: Path, ending: str, emoji: list[np.ndarray]) -> None:
    grey = np.stack([picture[:, :, 0] for picture in emoji[:4]])
    path = write_idx(tmp_path / f"x-images-idx3-ubyte{ending}", grey)
    write_idx(tmp_path / f"x-labels-idx1-ubyte{ending}", np.array([7, 1, 7, 0]))
    dataset = load(path)
    assert dataset.card.labels.classes == ("0", "1", "7")
    np.testing.assert_array_equal(dataset.images[:, 0], grey)
    assert dataset.batch(np.arange(4))["label"].argmax(1).tolist() == [2, 1, 2, 0]


def test_idx_errors(tmp_path: Path) -> None:
    zeros = np.zeros((3, 8, 8))
    refuse(
        write_idx(tmp_path / "a-images-idx3", zeros, 77),
        "not an IDX file of images: it begins with 00 00 00 4d, not 00 00 08 03",
    )
    path = write_idx(tmp_path / "b-images-idx3", zeros)
    path.write_bytes(path.read_bytes()[:-1])
    refuse(path, r"truncated or damaged: 207 bytes do not fit its header \[3, 8, 8\]")
    path.write_bytes(b"\0\0\x08\x03\0\0")
    refuse(path, "truncated or damaged")
    path = write_idx(tmp_path / "c-images-idx3.gz", zeros)
    path.write_bytes(path.read_bytes()[:-9])
    refuse(path, "c-images-idx3.gz cannot be read")
    path = write_idx(tmp_path / "d-images-idx3", zeros)
    write_idx(tmp_path / "d-labels-idx1", np.zeros(4))
    refuse(path, r"3 images, but labels of shape \[4\]: there must be one per image")


def test_npz_and_npy_in_every_layout_and_scale_are_the_same_pixels(tmp_path: Path, emoji: list[np.ndarray]) -> None:
    pictures = np.stack(emoji[:5])
    forms = {
        "nhwc": pictures,
        "nchw": pictures.transpose(0, 3, 1, 2),
        "float": pictures.astype(np.float32) / 255,
        "signed": pictures.astype(np.float64) / 127.5 - 1,
        "deep": pictures.astype(np.uint16) * 257,
        "int": pictures.astype(np.int64),
    }
    for name, array in forms.items():
        np.save(tmp_path / f"{name}.npy", array)
        np.testing.assert_array_equal(load(tmp_path / f"{name}.npy").images, forms["nchw"], err_msg=name)
    np.savez_compressed(tmp_path / "both.npz", x=forms["nchw"], y=np.array([1, 0, 1, 0, 1])[:, None])
    assert load(tmp_path / "both.npz").card.labels.classes == ("0", "1")


def test_array_errors(tmp_path: Path) -> None:
    def npz(**arrays: np.ndarray) -> Path:
        np.savez(tmp_path / "a.npz", **arrays)
        return tmp_path / "a.npz"

    images = np.zeros((3, 8, 8), np.uint8)
    refuse(npz(z=images), r"no array called images, image, x, data or arr_0 with the images; it holds z \[3, 8, 8\]")
    refuse(npz(x=images, y=np.zeros(2)), r"3 images, but labels of shape \[2\]")
    refuse(npz(x=images[0]), r"images of shape \[8, 8\]; expected \[N, H, W\]")
    refuse(npz(x=images + 7.5), "floats from 7.5 to 7.5; scale them to 0 to 1 or -1 to 1")
    refuse(npz(x=np.full((3, 8, 8), np.nan)), "floats from nan to nan")
    refuse(npz(x=images.astype(int) - 1), "integers from -1 to -1; expected 0 to 255 or 0 to 65535")
    refuse(npz(x=np.array([["a"]], dtype=object)), "cannot be read")
    (tmp_path / "b.npy").write_bytes(b"nonsense")
    refuse(tmp_path / "b.npy", "b.npy cannot be read")


def parquet(path: Path, **columns: object) -> Path:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("as_struct", [False, True])
def test_parquet(tmp_path: Path, emoji: list[np.ndarray], as_struct: bool) -> None:
    raws = [png(picture) for picture in emoji[:5]]
    column = [{"bytes": raw, "path": None} for raw in raws] if as_struct else raws
    path = parquet(tmp_path / "a.parquet", image=column, label=["b", "a", "b", "a", "b"], size=[1, 2, 3, 4, 5])
    dataset = load(path)
    np.testing.assert_array_equal(dataset.images, np.stack(emoji[:5]).transpose(0, 3, 1, 2))
    assert dataset.card.labels.classes == ("a", "b")
    assert load(path, labels=("size",)).card.labels.columns[0].mean == 3


def test_parquet_takes_class_names_from_the_hub(tmp_path: Path, emoji: list[np.ndarray]) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    info = json.dumps({"info": {"features": {"label": {"names": ["zebra", "ape"], "_type": "ClassLabel"}}}})
    table = pa.table({"image": [png(emoji[0]), png(emoji[1])], "label": [1, 1]}).replace_schema_metadata({"huggingface": info})
    pq.write_table(table, tmp_path / "a.parquet")
    dataset = load(tmp_path / "a.parquet")
    assert dataset.card.labels.classes == ("zebra", "ape")
    assert dataset.batch(np.array([0]))["label"].tolist() == [[0, 1]]


def test_parquet_errors(tmp_path: Path) -> None:
    refuse(parquet(tmp_path / "a.parquet", text=["x"]), "has no column 'image' of encoded images; its columns are text")
    refuse(parquet(tmp_path / "a.parquet", image=["x"]), "the column 'image' holds string; expected encoded images as bytes")
    (tmp_path / "b.parquet").write_bytes(b"nonsense")
    refuse(tmp_path / "b.parquet", "b.parquet is not a readable parquet file")


def test_paths_that_hold_nothing(tmp_path: Path, folder: Path) -> None:
    refuse("fashoin", r"data.path 'fashoin' does not exist. Did you mean fashion\? Give a folder of images", FileNotFoundError)
    refuse(tmp_path / "pest", r"Did you mean .*pets\?", FileNotFoundError)
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", "is empty: put images into it")
    (tmp_path / "empty" / "a.txt").write_text("x")
    refuse(tmp_path / "empty", "holds 1 files, but none is an image by its name")
    (tmp_path / "empty" / "t10k-images-idx3-ubyte.gz").write_bytes(b"")
    refuse(tmp_path / "empty", "holds no images, but t10k-images-idx3-ubyte.gz: give data.path one of these files")
    refuse(tmp_path / "empty" / "a.txt", "is a file of no known kind; give a folder of images")


def test_damaged_archives(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(folder, "pets")
    whole = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(whole[: len(whole) // 2])
    refuse(tmp_path / "a.tar.gz", "a.tar.gz is a damaged tar")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("notes.txt", "x")
    refuse(tmp_path / "b.zip", "holds 1 files, but none is an image")


def test_images_beside_sub_folders_have_no_class(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    Image.new("L", (8, 8)).save(folder / "top.png")
    assert load(folder).card.labels.width == 0
    assert "1 of 7 images lie outside of sub-folders, so none has a class" in caplog.text


def test_metadata_is_found_in_the_only_folder_and_not_ignored_elsewhere(folder: Path) -> None:
    rows = [{"file_name": f"{'cat' if i < 3 else 'dog'}/{i}.png", "label": "pet"} for i in range(6)]
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    assert load(folder).card.labels.classes == ("pet",)
    inner = folder.parent / "outer" / "pets"
    inner.parent.mkdir()
    folder.rename(inner)
    assert load(inner.parent).card.labels.classes == ("pet",)
    (inner / "metadata.jsonl").rename(inner / "cat" / "metadata.jsonl")
    refuse(inner.parent, "one metadata.jsonl or metadata.csv, at the top, but there is cat/metadata.jsonl")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refuse(tmp_path / "a.parquet", r'needs pyarrow: pip install "zerosum\[parquet\]"', ImportError)
