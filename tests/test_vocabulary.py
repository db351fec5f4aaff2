import importlib

import pytest

from zerosum.vocabulary import END, UNKNOWN, Vocabulary, join, learn, split_words

TEXTS = ["The cat sat, and the cat ran.", "the dog didn't run", "3,000 well-fed cats (and 2.5 dogs)!"]


@pytest.mark.parametrize("kind", ["words", "characters", "bpe"])
def test_a_text_comes_back(kind: str) -> None:
    vocabulary = learn(TEXTS, kind, 60)
    for text in TEXTS:
        tokens = vocabulary.encode(text)
        assert END not in tokens
        assert vocabulary.decode([*tokens, END, 5, 6]) == text
    assert len(set(vocabulary.tokens)) == len(vocabulary) <= 60


def test_pieces_become_longer_than_characters_and_shorter_than_words() -> None:
    lengths = [len(learn(TEXTS * 5, kind, 60).encode(TEXTS[0])) for kind in ("words", "bpe", "characters")]
    assert lengths == sorted(set(lengths))


def test_words_keep_numbers_hyphens_and_apostrophes_whole() -> None:
    assert split_words("didn't well-fed 3,000.") == ["didn't", "well-fed", "3,000", "."]
    assert join(["so", "(", "he", "said", ")", ",", "yes", "!"]) == "so (he said), yes!"


def test_the_commonest_are_kept() -> None:
    vocabulary = learn(["b a a", "a c"], "words", 3)
    assert vocabulary.tokens[1:] == ("a", "b")
    assert vocabulary.numbers("a c b") == [1, UNKNOWN, 2]


@pytest.mark.parametrize(("kind", "text"), [("words", "the wombat"), ("characters", "caé"), ("bpe", "caé")])
def test_unknown_tokens_are_named(kind: str, text: str) -> None:
    strange = "'wombat'" if kind == "words" else "'é'"
    with pytest.raises(ValueError, match=f"^{strange}: no (words|characters) of this vocabulary, which has"):
        learn(TEXTS, kind, 60).encode(text)


def test_a_missing_package_is_answered_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r'pip install "zerosum\[text\]"'):
        learn(TEXTS, "bpe", 60)


def test_the_same_text_gives_the_same_vocabulary() -> None:
    assert learn(TEXTS, "bpe", 50) == learn(TEXTS, "bpe", 50)
    assert Vocabulary("words", ("<end>", "a")).decode([1, 1, 0, 1]) == "a a"
