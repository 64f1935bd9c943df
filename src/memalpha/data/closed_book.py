"""Questions that a model answers with nothing to read teach no memory anything: they are taken out.

arXiv:2509.25911 asks Qwen3-32B for this. Only answers that have to be contained are tried: labels are numbers of one
stream, and keywords half guessed say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from memalpha.agent.model import Model, Prompt, Sampling
from memalpha.agent.prompting import load
from memalpha.metrics import score
from memalpha.records import Episode, Message, Metric, Question, Role

_SAMPLING = Sampling(temperature=0.0, max_tokens=64)


def without_known(
    episodes: Sequence[Episode], model: Model, progress: Callable[[int, int], None] | None = None
) -> list[Episode]:
    """The episodes without questions that the model answers right at once, and without episodes that have no other.

    Args:
        episodes: Asked one after the other, the questions of each in one batch.
        model: What is known to it is known; a model that fails raises `ModelError`.
        progress: Called with episodes done and episodes in all.
    """
    left = []
    for number, episode in enumerate(episodes):
        if progress:
            progress(number, len(episodes))
        known = set(_known(episode.questions, model))
        questions = tuple(question for question in episode.questions if question not in known)
        if questions:
            left.append(replace(episode, questions=questions))
    return left


def _known(questions: Sequence[Question], model: Model) -> Iterator[Question]:
    asked = [question for question in questions if question.metric is Metric.CONTAINS]
    system = Message(role=Role.SYSTEM, content=load("closed_book"))
    prompts = [Prompt(messages=(system, Message(role=Role.USER, content=question.text))) for question in asked]
    completions = model.complete(prompts, _SAMPLING) if prompts else []
    for question, completion in zip(asked, completions, strict=True):
        if score(question.metric, completion.text, question.answers) == 1.0:
            yield question
