"""The nano policy's tokenizer, its corpus, and that demonstrations can be learned."""

import random
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from memalpha.agent.local import load_local
from memalpha.agent.model import Prompt
from memalpha.agent.parsing import render_call
from memalpha.agent.tokens import NANO_FOLDER
from memalpha.records import Message, Role, ToolCall
from memalpha.rl import warm_start
from memalpha.rl.demonstrations import Demonstration, demonstrations
from memalpha.rl.nano_text import CALL_TOKENS
from memalpha.rl.warm_start import (
    CHAT_TEMPLATE,
    END,
    VOCABULARY,
    WRITE,
    Corpus,
    _batches,
    _tensors,
    encode,
    new_policy,
    train,
    train_tokenizer,
)

NANO = Tokenizer.from_file(str(NANO_FOLDER / "tokenizer.json"))


def some(seed: int, count: int) -> list[Demonstration]:
    return list(islice(demonstrations(seed), count))


# The tokenizer.


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_the_shipped_tokenizer_gives_back_any_text(text: str) -> None:
    assert NANO.decode(NANO.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == text


def test_the_shipped_tokenizer_gives_back_demonstrations() -> None:
    for shown in some(3, 200):
        for text in (shown.prompt, shown.completion):
            assert NANO.decode(NANO.encode(text).ids, skip_special_tokens=False) == text


def test_a_quoting_insert_is_five_tokens() -> None:
    call = render_call(ToolCall(name="memory_insert", arguments={"lines": [7], "memory_type": "semantic"}))
    assert NANO.encode(call).tokens == [CALL_TOKENS[0], "7", CALL_TOKENS[5], "semantic", CALL_TOKENS[8]]


def test_a_quoting_update_is_seven_tokens_and_numbers_are_digits() -> None:
    arguments = {"lines": [12], "memory_type": "episodic", "memory_id": 345}
    tokens = NANO.encode(render_call(ToolCall(name="memory_update", arguments=arguments))).tokens
    assert tokens == [CALL_TOKENS[2], "1", "2", CALL_TOKENS[5], "episodic", CALL_TOKENS[7], *"345", CALL_TOKENS[9]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(folder, seed=1, episodes=40)
    return folder


def test_a_new_tokenizer_has_its_special_tokens_first_and_every_call_piece_as_one(trained: Path) -> None:
    tokenizer = Tokenizer.from_file(str(trained / "tokenizer.json"))
    assert [tokenizer.token_to_id(token) for token in ("<|pad|>", END, "<|chunk|>", WRITE)] == [0, 1, 2, 3]
    assert tokenizer.get_vocab_size() <= VOCABULARY
    for piece in CALL_TOKENS:
        assert tokenizer.encode(piece).tokens == [piece]
    assert tokenizer.encode("1995").tokens == list("1995")


def test_a_new_tokenizer_loads_from_its_folder_with_its_template(trained: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(trained)
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (0, 1)
    assert tokenizer.chat_template == CHAT_TEMPLATE
    shown = some(5, 1)[0]
    messages = [{"role": "user", "content": shown.prompt}]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert text == shown.prompt + WRITE
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_same_seed_trains_the_same_tokenizer(trained: Path, tmp_path: Path) -> None:
    train_tokenizer(tmp_path, seed=1, episodes=40)
    assert (tmp_path / "tokenizer.json").read_bytes() == (trained / "tokenizer.json").read_bytes()


# The corpus.


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return encode(NANO_FOLDER / "tokenizer.json", demonstrations(7), 300)


def rows_of(corpus: Corpus) -> list[list[int]]:
    return [
        corpus.ids[start : start + length].tolist()
        for start, length in zip(corpus.starts_N, corpus.lengths_N, strict=True)
    ]


def test_a_row_is_prompt_write_completion_end(corpus: Corpus) -> None:
    rows = rows_of(corpus)
    assert len(rows) == 300
    assert sum(map(len, rows)) == len(corpus.ids)
    texts = []
    for row, prompt in zip(rows, corpus.prompt_lengths_N.tolist(), strict=True):
        assert row[prompt - 1] == NANO.token_to_id(WRITE)
        assert row[-1] == NANO.token_to_id(END)
        texts.append((NANO.decode(row[: prompt - 1], skip_special_tokens=False), NANO.decode(row[prompt:-1])))
    assert texts == [(shown.prompt, shown.completion) for shown in some(7, 300)]


def test_demonstrations_that_are_too_long_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_start, "MAX_TOKENS", 200)
    lengths = [len(NANO.encode(shown.prompt + WRITE + shown.completion + END).ids) for shown in some(7, 200)]
    fitting = [length for length in lengths if length <= 200]
    assert 30 < len(fitting) < 170
    assert encode(NANO_FOLDER / "tokenizer.json", demonstrations(7), 30).lengths_N.tolist() == fitting[:30]


def test_a_prompt_is_encoded_as_when_sampling(corpus: Corpus, tiny_policy: Path) -> None:
    model = load_local(tiny_policy)
    prompts = [row[:length] for row, length in zip(rows_of(corpus), corpus.prompt_lengths_N, strict=True)]
    for shown in some(7, 30):
        ids = model.encode(Prompt(messages=(Message(role=Role.USER, content=shown.prompt),)))
        assert ids in prompts


def test_batches_hold_each_row_once_within_their_tokens(corpus: Corpus) -> None:
    batches = _batches(corpus, 3000, random.Random(0))
    assert sorted(row for batch in batches for row in batch) == list(range(300))
    for batch in batches:
        lengths = corpus.lengths_N[batch]
        assert len(batch) == 1 or len(batch) * int(lengths.max()) <= 3000 + 8 * len(batch)
    padding = sum(len(batch) * int(corpus.lengths_N[batch].max()) for batch in batches) / len(corpus.ids)
    assert padding < 1.2


def test_tensors_by_hand() -> None:
    # Two rows: prompts of 2 and 3 tokens; the last weight of a prompt is that of the first sampled token.
    corpus = Corpus(
        ids=np.array([5, 3, 7, 1, 6, 6, 3, 1], np.uint16),
        lengths_N=np.array([4, 4]),
        prompt_lengths_N=np.array([2, 3]),
    )
    ids_BL, weights_BL = _tensors(corpus, [1, 0], 0.25)
    assert ids_BL.tolist() == [[6, 6, 3, 1], [5, 3, 7, 1]]
    assert weights_BL.tolist() == [[0.25, 0.25, 1.0], [0.25, 1.0, 1.0]]


def test_padding_has_no_weight() -> None:
    corpus = Corpus(
        ids=np.array([5, 3, 1, 6, 3, 7, 8, 1], np.uint16), lengths_N=np.array([3, 5]), prompt_lengths_N=np.array([2, 2])
    )
    ids_BL, weights_BL = _tensors(corpus, [0, 1], 0.5)
    assert ids_BL.tolist() == [[5, 3, 1, 0, 0], [6, 3, 7, 8, 1]]
    assert weights_BL.tolist() == [[0.5, 1.0, 0.0, 0.0], [0.5, 1.0, 1.0, 1.0]]


# Learning.


def test_the_policy_has_about_a_million_parameters_and_the_same_ones_for_a_seed() -> None:
    one, again, other = (new_policy(seed) for seed in (0, 0, 1))
    assert 1.0e6 < sum(value.numel() for value in one.parameters()) < 1.2e6
    assert one.config.vocab_size == VOCABULARY
    first = [next(each.parameters()) for each in (one, again, other)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


def test_demonstrations_can_be_learned(corpus: Corpus, tiny_policy: Path) -> None:
    network = load_local(tiny_policy).network
    options = {"batch_tokens": 3000, "peak_rate": 0.2}  # few steps, so that the rate rises fast
    first = train(network, [corpus], **options)  # type: ignore[arg-type]
    second = train(network, [corpus], **options)  # type: ignore[arg-type]
    assert first < 7.7  # the logarithm of 2048 is 7.62
    assert second < first - 1.0
    assert second < 3.5
