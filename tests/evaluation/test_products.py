"""mem0 through its own package: what it stores, finds and refuses; everything stays on this machine."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memalpha.agent.model import ScriptedModel
from memalpha.agent.reader import ModelReader
from memalpha.errors import MissingExtraError, ModelError
from memalpha.evaluation import products
from memalpha.evaluation.products import Mem0System, add_lines, open_mem0
from memalpha.memory.bank import Bank, MemoryKind
from memalpha.memory.embedding import HashedEmbedder, Vectors, unit_rows
from memalpha.records import Chunk, Episode, Question

needs_mem0 = pytest.mark.skipif(find_spec("mem0") is None, reason="mem0 is not installed: pip install 'memalpha[mem0]'")


def words(text: str) -> int:
    return len(text.split())


MOVES = Episode(
    id="e",
    chunks=(
        Chunk(text="Ann lives in Oslo.\nThanks.", time="2024-03-01"),
        Chunk(text="Bo lives in Rome.\nThanks.", time="2024-03-02"),
    ),
    questions=(
        Question(text="Where does Ann live?", answers=("Oslo",)),
        Question(text="Where does Bo live?", answers=("Rome",)),
    ),
)


class Initials:
    """A vector says whether "Ann", "Bo" and "Thanks" stand in a text."""

    name = "initials"
    dimensions = 3

    def embed(self, texts: Sequence[str]) -> Vectors:
        return unit_rows(np.array([[word in text for word in ("Ann", "Bo", "Thanks")] for text in texts], np.float32))


@needs_mem0
def test_lines_are_stored_as_they_are_and_found_by_the_products_own_search() -> None:
    system = Mem0System(count_tokens=words, embedder=Initials())
    (trace,) = system.run([MOVES])
    assert system.name == "mem0, raw (initials)"
    assert trace.bank.entries(MemoryKind.EPISODIC)[1].provenance.lines == (2,)
    # 4 + 1 + 4 words; "Thanks." is kept twice by mem0 and counts once.
    assert (trace.memory_tokens, trace.written_tokens, trace.score) == (9, 9, 1.0)
    first, second = ([entry.text for entry in answer.shown.entries] for answer in trace.answers)
    assert (first[0], second[0]) == ("Ann lives in Oslo.", "Bo lives in Rome.")
    assert sorted(first) == sorted(second) == ["Ann lives in Oslo.", "Bo lives in Rome.", "Thanks."]
    assert trace.answers[0].text == "[2024-03-01] Ann lives in Oslo."


@needs_mem0
def test_episodes_do_not_see_each_other() -> None:
    other = Episode(id="o", chunks=(Chunk(text="Ann digs."),), questions=MOVES.questions[:1])
    traces = Mem0System(count_tokens=words, embedder=HashedEmbedder()).run([MOVES, other])
    assert [trace.score for trace in traces] == [1.0, 0.0]
    assert [entry.text for entry in traces[1].answers[0].shown.entries] == ["Ann digs."]


@needs_mem0
def test_any_model_answers() -> None:
    model = ScriptedModel(["Oslo", "Rome"])
    system = Mem0System(
        count_tokens=words,
        embedder=HashedEmbedder(64),
        reader_of=lambda selector: ModelReader(model, selector=selector),
    )
    assert system.run([MOVES])[0].score == 1.0
    assert "- [2024-03-01] Ann lives in Oslo." in model.prompts[0].messages[0].content


@needs_mem0
def test_no_report_is_sent_and_nothing_is_left_at_home() -> None:
    with open_mem0(HashedEmbedder(8)):
        assert importlib.import_module("mem0.memory.telemetry").MEM0_TELEMETRY is False
        folder = importlib.import_module("mem0.memory.setup").mem0_dir
    assert (os.environ["MEM0_TELEMETRY"], folder) == ("False", os.environ["MEM0_DIR"])
    assert Path(folder).parent == Path(tempfile.gettempdir())


class Forgetful:
    """A mem0 that loses the last line without a word."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def add(self, messages: list[dict[str, str]], *, user_id: str, infer: bool) -> dict[str, Any]:
        assert infer is False
        self.kept += [message["content"] for message in messages]
        return {"results": [{"id": text, "memory": text} for text in self.kept[-len(messages) :]]}

    def get_all(self, *, filters: dict[str, str], top_k: int) -> dict[str, Any]:
        return {"results": self.kept[:-1][:top_k]}


def test_a_lost_line_is_no_score() -> None:
    with pytest.raises(ModelError, match="mem0 kept 3 of the 4 lines"):
        add_lines(Forgetful(), MOVES, Bank(count_tokens=words))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'memalpha\[mem0\]'"):
        Mem0System(count_tokens=words, embedder=HashedEmbedder(8)).run([MOVES])
