"""A model whose completions are kept: asked once, found again, never an outage."""

from __future__ import annotations

from pathlib import Path

import pytest

from memalpha.agent.model import Completion, Prompt, Sampling, ScriptedModel
from memalpha.errors import CheckpointError, ConfigError, ModelError
from memalpha.evaluation.recorded import RecordedModel
from memalpha.records import Message, Role, ToolCall

GREEDY = Sampling(max_tokens=8)


def prompt(text: str, **more: object) -> Prompt:
    return Prompt(messages=(Message(role=Role.USER, content=text),), **more)  # type: ignore[arg-type]


def texts(model: RecordedModel, *prompts: str) -> list[str]:
    return [each.text for each in model.complete([prompt(text) for text in prompts], GREEDY)]


def test_what_was_asked_is_not_asked_again(tmp_path: Path) -> None:
    inner = ScriptedModel(["one", "two", "three"])
    model = RecordedModel(inner, tmp_path / "kept.jsonl")
    assert texts(model, "a", "b", "a") == ["one", "two", "one"]
    again = RecordedModel(inner, tmp_path / "kept.jsonl")
    assert texts(again, "b", "c", "a") == ["two", "three", "one"]
    assert (model.asked, again.asked, again.name) == (2, 1, "scripted")


def test_tools_sampling_and_model_tell_prompts_apart(tmp_path: Path) -> None:
    file = tmp_path / "kept.jsonl"
    model = RecordedModel(ScriptedModel(["one", "two", "three"]), file)
    prompts = [prompt("a"), prompt("a", tools=({"name": "t"},))]
    assert [each.text for each in model.complete(prompts, GREEDY)] == ["one", "two"]
    assert model.complete([prompt("a")], Sampling(max_tokens=9))[0].text == "three"
    assert texts(RecordedModel(ScriptedModel(["four"], name="other"), file), "a") == ["four"]


def test_an_outage_raises_and_keeps_the_lots_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memalpha.evaluation.recorded.ASKED_AT_ONCE", 2)
    with pytest.raises(ModelError, match="asked more often"):
        texts(RecordedModel(ScriptedModel(["one", "two", "three"]), tmp_path / "kept.jsonl"), "a", "b", "c", "d")
    again = RecordedModel(ScriptedModel(["3", "4"]), tmp_path / "kept.jsonl")
    assert texts(again, "a", "b", "c", "d") == ["one", "two", "3", "4"]


def test_calls_come_back_as_they_were(tmp_path: Path) -> None:
    call = ToolCall(name="memory_insert", arguments={"lines": [1]}, text="x")

    class Calling(ScriptedModel):
        def complete(self, prompts: object, sampling: Sampling) -> list[Completion]:
            return [Completion(text="", tool_calls=(call,), finished=False)]

    first = RecordedModel(Calling([]), tmp_path / "kept.jsonl").complete([prompt("a")], GREEDY)
    again = RecordedModel(ScriptedModel([]), tmp_path / "kept.jsonl")
    assert again.complete([prompt("a")], GREEDY) == first == [Completion(text="", tool_calls=(call,), finished=False)]


def test_drawn_completions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"temperature 1\.0"):
        RecordedModel(ScriptedModel(["a"]), tmp_path / "k").complete([prompt("a")], Sampling(temperature=1.0))


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "k").write_text('{"key": "a", "text": "b"}\n')
    with pytest.raises(CheckpointError, match=r"k:1 is damaged \(KeyError"):
        RecordedModel(ScriptedModel([]), tmp_path / "k")
