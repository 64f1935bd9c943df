"""A sentence encoder from a folder, against pooling done slowly by hand; a tiny random BERT stands in for MiniLM."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from memalpha.agent.encoder import load_embedder
from memalpha.errors import ConfigError, ModelError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"ann bo lives sails in oslo rome .".split()]
TEXTS = ["Ann lives in Oslo.", "Bo sails.", "", "Ann"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a BERT with 2 layers of 16 numbers; not to be changed."""
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = Tokenizer(WordPiece({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", WORDS.index("[CLS]")), ("[SEP]", WORDS.index("[SEP]"))]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=32,
        )
    ).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(made, tmp_path / "encoder"))


def pooling(folder: Path, **modes: object) -> None:
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes))


def states(folder: Path, text: str) -> np.ndarray:
    """The last states [T, D] of one text alone, without padding."""
    embedder = load_embedder(folder)
    with torch.inference_mode():
        inputs = embedder.tokenizer(text, return_tensors="pt")
        found: np.ndarray = embedder.network(**inputs).last_hidden_state[0].numpy()
    return found


def unit(row: np.ndarray) -> np.ndarray:
    return row / np.linalg.norm(row)


def test_rows_are_the_mean_over_the_tokens_at_length_one(made: Path) -> None:
    embedder = load_embedder(made)
    rows = embedder.embed(TEXTS)
    assert (rows.shape, rows.dtype, embedder.dimensions, embedder.name) == ((4, 16), np.float32, 16, made.name)
    for text, row in zip(TEXTS, rows, strict=True):
        assert row == pytest.approx(unit(states(made, text).mean(axis=0)), abs=1e-5)
    assert embedder.embed([]).shape == (0, 16)


def test_rows_do_not_depend_on_the_batch(made: Path) -> None:
    embedder = load_embedder(made)
    many = [*TEXTS, *["Ann sails in Rome."] * 40]
    assert np.allclose(embedder.embed(many)[:4], embedder.embed(TEXTS), atol=1e-5)


def test_the_first_token_where_the_folder_asks_for_it(folder: Path) -> None:
    for modes in ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, {"pooling_mode": "cls"}):
        pooling(folder, **modes)
        (row,) = load_embedder(folder).embed(["Bo sails."])
        assert row == pytest.approx(unit(states(folder, "Bo sails.")[0]), abs=1e-5)


def test_the_pooling_of_minilm_is_the_mean(made: Path, folder: Path) -> None:
    pooling(folder, word_embedding_dimension=16, pooling_mode_mean_tokens=True, pooling_mode_cls_token=False)
    assert np.allclose(load_embedder(folder).embed(TEXTS), load_embedder(made).embed(TEXTS))


def test_a_longer_text_is_cut_at_the_length_of_the_folder(folder: Path) -> None:
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 4}')
    embedder = load_embedder(folder)
    # [CLS] ann lives [SEP]
    assert np.allclose(embedder.embed(["Ann lives in Oslo."]), embedder.embed(["Ann lives"]), atol=1e-6)


@pytest.mark.parametrize(
    ("modes", "message"),
    [
        ({"pooling_mode_max_tokens": True}, "asks for max_tokens, expected the mean or cls"),
        ({"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": True}, "max_tokens and mean_tokens"),
        ({"pooling_mode": "lasttoken"}, "asks for lasttoken"),
    ],
)
def test_another_pooling_is_refused(folder: Path, modes: dict[str, object], message: str) -> None:
    pooling(folder, **modes)
    with pytest.raises(ConfigError, match=message):
        load_embedder(folder)


def test_broken_folders_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no config\.json"):
        load_embedder(tmp_path / "absent")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": "long"}')
    with pytest.raises(ConfigError, match="max_seq_length 'long'"):
        load_embedder(folder)
    (folder / "sentence_bert_config.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read as JSON"):
        load_embedder(folder)
    (folder / "sentence_bert_config.json").write_text("[]")
    with pytest.raises(ConfigError, match="holds list"):
        load_embedder(folder)
    (folder / "sentence_bert_config.json").unlink()
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="no encoder could be loaded from"):
        load_embedder(folder)


def test_weights_that_are_missing_are_never_drawn_at_random(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lack encoder\.layer\.1\.output\.dense\.weight"):
        load_embedder(folder)
