"""Prompts in one by one, completions out as they are ready: in waves, by threads, and by one decoder."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from memalpha.agent.model import Completion, Prompt, Sampling, ScriptedModel
from memalpha.agent.stream import Futures, Waves, complete_all, open_stream, row_seed
from memalpha.errors import ModelError
from memalpha.records import Message, Role

GREEDY = Sampling()


def ask(text: str) -> Prompt:
    return Prompt(messages=(Message(role=Role.USER, content=text),))


class Counting(ScriptedModel):
    def __init__(self) -> None:
        super().__init__(lambda prompt: prompt.messages[0].content.upper())
        self.calls: list[tuple[int, Sampling]] = []

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        self.calls.append((len(prompts), sampling))
        return super().complete(prompts, sampling)


def test_a_model_without_a_stream_is_asked_in_waves() -> None:
    model, warm = Counting(), Sampling(temperature=1.0)
    stream = open_stream(model)
    assert isinstance(stream, Waves)
    assert stream.ready() == []
    for key, way in ((4, GREEDY), (2, GREEDY), (9, warm)):
        stream.submit(key, ask(f"a{key}"), way)
    assert [(key, found.text) for key, found in stream.ready()] == [(4, "A4"), (2, "A2"), (9, "A9")]
    assert model.calls == [(2, GREEDY), (1, warm)]
    assert stream.ready() == []


def test_completions_come_in_the_order_of_the_prompts() -> None:
    assert [each.text for each in complete_all(Waves(Counting()), [ask("x"), ask("y")], GREEDY)] == ["X", "Y"]
    assert complete_all(Waves(Counting()), [], GREEDY) == []


def test_seeds_of_rows_differ_and_none_stays_none() -> None:
    seeds = {row_seed(Sampling(seed=seed), key) for seed in range(3) for key in range(100)}
    assert len(seeds) == 300
    assert row_seed(GREEDY, 5) is None


def test_who_is_ready_first_comes_first() -> None:
    gate = threading.Event()

    def work(prompt: Prompt) -> Completion:
        text = prompt.messages[0].content
        if text == "slow":
            assert gate.wait(10)
        return Completion(text=text)

    with ThreadPoolExecutor(2) as pool:
        stream = Futures(lambda prompt, sampling, key: pool.submit(work, prompt))
        stream.submit(0, ask("slow"), GREEDY)
        stream.submit(1, ask("quick"), GREEDY)
        assert [(key, found.text) for key, found in stream.ready()] == [(1, "quick")]
        gate.set()
        assert [(key, found.text) for key, found in stream.ready()] == [(0, "slow")]
        assert stream.ready() == []


def test_the_first_error_is_raised_and_ends_the_others() -> None:
    waiting: Future[Completion] = Future()
    broken: Future[Completion] = Future()
    broken.set_exception(ModelError("down"))
    sent = iter([waiting, broken])
    stream = Futures(lambda prompt, sampling, key: next(sent))
    stream.submit(0, ask("a"), GREEDY)
    stream.submit(1, ask("b"), GREEDY)
    with pytest.raises(ModelError, match="down"):
        stream.ready()
    assert waiting.cancelled()
    assert stream.ready() == []
