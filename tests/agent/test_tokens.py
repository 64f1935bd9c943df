"""Counting tokens with the tokenizer of a policy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from memalpha.agent.tokens import NANO_FOLDER, TokenCounter, load_counter, nano_counter
from memalpha.errors import ConfigError

NANO = Tokenizer.from_file(str(NANO_FOLDER / "tokenizer.json"))


def word_tokenizer() -> Tokenizer:
    """One token a word, and two special tokens around a text."""
    made = Tokenizer(WordLevel({"?": 0, "<s>": 1, "</s>": 2, "Ann": 3, "sails": 4}, unk_token="?"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return made


class Spy:
    """A tokenizer that keeps what it was asked."""

    def __init__(self) -> None:
        self.inner = word_tokenizer()
        self.asked: list[str] = []

    def encode(self, text: str, *, add_special_tokens: bool) -> object:
        self.asked.append(text)
        return self.inner.encode(text, add_special_tokens=add_special_tokens)


def test_special_tokens_around_a_text_do_not_count() -> None:
    count = TokenCounter(word_tokenizer(), name="words")
    assert [count(text) for text in ("", "Ann", "Ann sails", "Ann sails far")] == [0, 1, 2, 3]
    assert count.name == "words"


def test_a_text_is_counted_once() -> None:
    spy = Spy()
    count = TokenCounter(spy, name="spy")  # type: ignore[arg-type]
    assert [count("Ann sails"), count("Ann"), count("Ann sails")] == [2, 1, 2]
    assert spy.asked == ["Ann sails", "Ann"]


def test_a_counter_is_loaded_from_a_folder_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    word_tokenizer().save(str(file))
    assert load_counter(tmp_path)("Ann sails") == load_counter(file)("Ann sails") == 2
    assert load_counter(tmp_path).name == tmp_path.name


@pytest.mark.parametrize("name", [".", "tokenizer.json", "no/such/folder"])
def test_no_tokenizer_is_one_clear_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"is not there; expected the tokenizer\.json of the policy"):
        load_counter(tmp_path / name)


@pytest.mark.parametrize("text", ["", "{", "{}", '{"model": 3}', "[]", "\x00"])
def test_a_damaged_tokenizer_is_one_clear_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"tokenizer\.json is no tokenizer \(.+\); fetch it again") as caught:
        load_counter(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_nano_counter() -> None:
    count = nano_counter()
    assert count is nano_counter()
    assert count.name == "nano"
    assert count("") == 0
    assert count("<|chunk|>") == count("<|write|>") == count("<|end|>") == 1
    assert count("The weather was fine again this morning.") == 9
    folder = load_counter(NANO_FOLDER)
    assert all(folder(text) == count(text) for text in ("Ann's favourite drink is tea.", "Kelomaith 4711", "🙂"))


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=40))
def test_any_text_can_be_counted_and_read_back(text: str) -> None:
    ids = NANO.encode(text, add_special_tokens=False).ids
    assert NANO.decode(ids, skip_special_tokens=False) == text
    assert nano_counter()(text) == len(ids)


def test_counting_needs_no_heavy_package() -> None:
    code = (
        "import sys; from memalpha.agent.tokens import nano_counter; nano_counter()('x');"
        "print(*sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (0, ""), run.stderr
