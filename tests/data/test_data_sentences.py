"""Sentence-transformers of the user's own."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from zerosum.data.sentences import PLACE, find_sentence_encoder, load_sentence_encoder


def test_texts_become_vectors_that_do_not_depend_on_their_neighbours(sentence_encoder: Path) -> None:
    encoder = load_sentence_encoder(str(sentence_encoder))
    texts = ["a red apple", "a fish", "a red apple", "something much longer than all of the others"]
    vectors = encoder(texts)
    assert (vectors.shape, vectors.dtype) == ((4, 12), np.float32)
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-6)
    np.testing.assert_allclose(vectors[1], encoder(["a fish"])[0], atol=1e-5)
    assert np.abs(vectors[0] - vectors[1]).max() > 0.01


def test_it_is_the_mean_of_what_its_network_says_of_the_pieces(sentence_encoder: Path) -> None:
    encoder = load_sentence_encoder(str(sentence_encoder))
    transformer = encoder.model[0]
    pieces = transformer.tokenizer("a red apple", return_tensors="pt")
    with torch.no_grad():
        said = transformer.auto_model(**pieces).last_hidden_state
    np.testing.assert_allclose(encoder(["a red apple"])[0], said.mean(1)[0].numpy(), atol=1e-5)


def test_it_is_found_where_it_was_or_where_the_environment_says(
    sentence_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = load_sentence_encoder(str(sentence_encoder)).sha256
    assert find_sentence_encoder(str(sentence_encoder), sha256).name == str(sentence_encoder)
    with pytest.raises(ValueError, match=f"by the sentence-transformer /gone, but '/gone' is no folder.*; set .* {PLACE}"):
        find_sentence_encoder("/gone", sha256)
    shutil.copytree(sentence_encoder, tmp_path / "moved")
    monkeypatch.setenv(PLACE, str(tmp_path / "moved"))
    assert find_sentence_encoder("/gone", sha256).sha256 == sha256
    with pytest.raises(ValueError, match="moved has other weights .* than that which this generator was trained with, /gone"):
        find_sentence_encoder("/gone", "0" * 64)


def test_what_is_no_sentence_transformer_is_refused(sentence_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'/not/there' is no folder: give that of a sentence-transformer, or its name"):
        load_sentence_encoder("/not/there")
    with pytest.raises(ValueError, match="has no modules.json"):
        load_sentence_encoder(str(tmp_path))
    shutil.copytree(sentence_encoder, tmp_path / "damaged")
    for weights in (tmp_path / "damaged").rglob("*.safetensors"):
        weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged' cannot be used: "):
        load_sentence_encoder(str(tmp_path / "damaged"))


def test_the_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(ImportError, match=r'pip install "zerosum\[text\]"'):
        load_sentence_encoder(str(tmp_path))
