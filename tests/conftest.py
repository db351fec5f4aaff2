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


@pytest.fixture(scope="session")
def sentence_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sentence-transformer of two small layers, of random weights, that knows letters."""
    modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
    from sentence_transformers import SentenceTransformer
    from tokenizers.implementations import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    letters = [chr(letter) for letter in range(ord("a"), ord("z") + 1)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    BertWordPieceTokenizer({word: number for number, word in enumerate(words)}).save(str(folder / "letters.json"))
    BertTokenizerFast(tokenizer_file=str(folder / "letters.json")).save_pretrained(folder / "bert")
    torch.manual_seed(0)
    sizes = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)).save_pretrained(folder / "bert")
    parts = [modules.Transformer(str(folder / "bert")), modules.Pooling(12)]
    SentenceTransformer(modules=parts, device="cpu").save(str(folder / "whole"))
    return folder / "whole"


@pytest.fixture(autouse=True)
def repeatable() -> None:
    """The same draws, and the same sums in the same order, every time."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
