"""What a model knows by itself is not asked; a model that fails is no model that knows nothing."""

import pytest

from memalpha.agent.model import Prompt, ScriptedModel
from memalpha.data.closed_book import without_known
from memalpha.errors import ModelError
from memalpha.records import Chunk, Episode, Metric, Question

CHUNKS = (Chunk(text="Text."),)


def episode(*questions: tuple[str, str] | Question) -> Episode:
    asked = tuple(q if isinstance(q, Question) else Question(text=q[0], answers=(q[1],)) for q in questions)
    return Episode(id="e", chunks=CHUNKS, questions=asked)


def test_what_is_known_is_not_asked() -> None:
    def reply(prompt: Prompt) -> str:
        assert "there is no text to look at" in prompt.messages[0].content
        return {"Capital of France?": "It is Paris.", "Who?": "unknown"}.get(prompt.messages[-1].content, "Paris")

    label = Question(text="Which label?", answers=("Paris",), metric=Metric.LABEL)
    some = [
        episode(("Capital of France?", "paris"), ("Who?", "Ada"), label),
        episode(("Capital of France?", "Paris")),
        episode(label),
    ]
    model = ScriptedModel(reply)
    seen: list[tuple[int, int]] = []
    assert without_known(some, model, lambda done, total: seen.append((done, total))) == [
        episode(("Who?", "Ada"), label),
        episode(label),
    ]
    assert [prompt.messages[-1].content for prompt in model.prompts] == [
        "Capital of France?",
        "Who?",
        "Capital of France?",
    ]
    assert seen == [(0, 3), (1, 3), (2, 3)]


def test_an_outage_raises() -> None:
    with pytest.raises(ModelError):
        without_known([episode(("Who?", "Ada"), ("Where?", "Oslo"))], ScriptedModel(["Ada"]))
