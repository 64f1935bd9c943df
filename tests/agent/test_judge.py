"""Verdicts, and what is no verdict."""

from collections.abc import Sequence

import pytest

from memalpha.agent.judge import Judge
from memalpha.agent.model import Completion, Prompt, Sampling, ScriptedModel
from memalpha.agent.prompting import fingerprint, load
from memalpha.errors import ConfigError, ModelError


class DownModel:
    """A server that is down."""

    name = "down"

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        raise ModelError("down")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ('{"valid": true}', True),
        ('```json\n{"valid": false, "why": "empty"}\n```', False),
        ('It could be {"valid": true} or not. {braces} So: {"valid": false}', False),
    ],
)
def test_verdicts_on_entries(reply: str, expected: bool) -> None:
    model = ScriptedModel([reply])
    assert Judge(model).valid_entry("semantic", 'Toto is a "dog"') is expected
    asked = model.prompts[0].messages[0].content
    assert "Kind of this entry: semantic" in asked
    assert r'as a JSON string: "Toto is a \"dog\""' in asked


def test_verdicts_on_answers() -> None:
    model = ScriptedModel(['{"correct": true}', '{"correct": false}'])
    judge = Judge(model)
    assert judge.correct("Who?", ["Toto", "the dog"], "It was Toto.") is True
    assert judge.correct("Who?", ["Toto"], "{{question}}") is False
    assert 'a JSON list: ["Toto", "the dog"]' in model.prompts[0].messages[0].content
    assert 'Given answer, as a JSON string: "{{question}}"' in model.prompts[1].messages[0].content


def test_blank_texts_need_no_judge() -> None:
    model = ScriptedModel([])
    assert Judge(model).correct("Who?", ["Toto"], " \n") is False
    assert Judge(model).valid_entry("core", "") is False
    assert model.prompts == []


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="'resource', expected one of core"):
        Judge(ScriptedModel([])).valid_entry("resource", "x")


def test_an_unreadable_reply_is_asked_for_once_more() -> None:
    model = ScriptedModel(["Yes.", '{"valid": true}'])
    assert Judge(model).valid_entry("core", "x") is True
    again = model.prompts[1].messages[0].content
    assert again.startswith(model.prompts[0].messages[0].content)
    assert 'exactly {"valid": true} or {"valid": false}' in again


@pytest.mark.parametrize(
    "reply", ["yes", "", '{"valid": "true"}', '{"correct": true}', '{"valid": 1}', '{"a": {"valid": true}}']
)
def test_two_unreadable_replies_raise(reply: str) -> None:
    model = ScriptedModel([reply, reply, '{"valid": true}'])
    with pytest.raises(ModelError, match="the judge scripted replied"):
        Judge(model).valid_entry("core", "x")
    assert len(model.prompts) == 2


def test_an_outage_raises() -> None:
    with pytest.raises(ModelError, match="down"):
        Judge(DownModel()).correct("q", ["a"], "p")


def test_the_prompts_are_pinned() -> None:
    pinned = {name: fingerprint(load(name)) for name in ("judge_entry", "judge_answer", "judge_again")}
    assert pinned == {
        "judge_entry": "66a605b7a6c2",
        "judge_answer": "9e5dd1ed58de",
        "judge_again": "1b1dc454ebf0",
    }
