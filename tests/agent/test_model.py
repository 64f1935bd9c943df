"""The records of the seam and the scripted fake."""

import pytest

from memalpha.agent.model import Completion, Model, Prompt, Sampling, ScriptedModel
from memalpha.errors import ConfigError, ModelError
from memalpha.records import Message, Role


def ask(text: str) -> Prompt:
    return Prompt(messages=(Message(role=Role.USER, content=text),))


def test_a_prompt_is_messages_or_tokens() -> None:
    assert Prompt(tokens=(1, 2)).messages == ()
    with pytest.raises(ModelError, match="neither"):
        Prompt()
    with pytest.raises(ModelError, match="both"):
        Prompt(messages=ask("x").messages, tokens=(1,))


def test_sampling_refuses_what_no_engine_can_do() -> None:
    with pytest.raises(ConfigError, match="temperature -1"):
        Sampling(temperature=-1)
    with pytest.raises(ConfigError, match="max_tokens 0"):
        Sampling(max_tokens=0)


def test_scripted_replies_come_in_order_and_prompts_are_kept() -> None:
    fake = ScriptedModel(["a", "b", "c"], name="fake")
    model: Model = fake
    assert model.name == "fake"
    assert model.complete([ask("1"), ask("2")], Sampling()) == [Completion(text="a"), Completion(text="b")]
    assert model.complete([ask("3")], Sampling())[0].text == "c"
    assert fake.prompts == [ask("1"), ask("2"), ask("3")]


def test_scripted_function_sees_the_prompt() -> None:
    model = ScriptedModel(lambda prompt: prompt.messages[-1].content.upper())
    assert model.complete([ask("hey")], Sampling())[0].text == "HEY"


def test_a_script_that_has_run_out_raises() -> None:
    model = ScriptedModel(["only"])
    with pytest.raises(ModelError, match="1 replies"):
        model.complete([ask("1"), ask("2")], Sampling())
    assert len(model.prompts) == 2
