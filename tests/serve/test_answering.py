"""Answers whole and streamed, over engines that fail, or whose clients go away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from memalpha.agent.decoding import Row, Sample
from memalpha.serve.answering import answer, answer_streamed
from memalpha.serve.asking import Asked
from memalpha.serve.openai_choices import ChatChoice, Wanted
from memalpha.serve.openai_errors import RefusedError
from memalpha.serve.openai_replies import Head, Protocol
from memalpha.serve.scheduler import Job, Scheduler

HEAD = Head(protocol=Protocol.CHAT, model="m", id="chatcmpl-1", created=7)


class Letters:
    def decode(self, ids: Any) -> str:
        return "".join(map(chr, ids))

    def offsets(self, sample: Sample, text: str) -> tuple[int, ...]:
        return ()


def echo(row: Row) -> Any:
    text = "".join(map(chr, row.ids))
    failures = {"bad": RuntimeError("out of\nmemory"), "cut": (text, RuntimeError("the lights went out"))}
    return failures.get(text, text)


def asked(*texts: str, usage: bool = False) -> Asked:
    return Asked(
        head=HEAD,
        prompt_tokens=sum(map(len, texts)),
        jobs=tuple(Job(row=Row(ids=[*map(ord, text)], max_tokens=9)) for text in texts),
        choices=tuple(ChatChoice(at, Wanted(), Letters()) for at in range(len(texts))),
        extra={},
        tells_usage=usage,
    )


async def never() -> None:
    await asyncio.sleep(60)


async def at_once() -> None:
    return


@pytest.fixture
def ask(scripted_engine: Any) -> Iterator[Callable[..., Any]]:
    """Runs one question against a scheduler with an engine that echoes its prompt."""
    opened: list[tuple[Any, Scheduler]] = []

    def run(do: Callable[..., Awaitable[Any]], *, gated: bool = False, **limits: int) -> Any:
        engine = scripted_engine(echo, gated=gated)
        scheduler = Scheduler(engine, **limits)
        scheduler.start()
        opened.append((engine, scheduler))
        return asyncio.run(asyncio.wait_for(do(scheduler, engine) if gated else do(scheduler), 20))

    yield run
    for engine, scheduler in opened:
        if engine.gate is not None:
            engine.let(1000)
        scheduler.close()


async def events(scheduler: Scheduler, question: Asked) -> list[str]:
    return [event async for event in await answer_streamed(scheduler, question)]


def test_a_whole_answer(ask: Any) -> None:
    found = ask(lambda scheduler: answer(scheduler, asked("ab", "cde"), never))
    assert [choice["message"]["content"] for choice in found["choices"]] == ["ab", "cde"]
    assert [choice["index"] for choice in found["choices"]] == [0, 1]
    # Two and three letters, each with an end token.
    assert found["usage"] == {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}


def test_a_streamed_answer(ask: Any) -> None:
    told = ask(lambda scheduler: events(scheduler, asked("ab", "c", usage=True)))
    assert told[-1] == "data: [DONE]\n\n"
    bodies = [json.loads(event.removeprefix("data: ")) for event in told[:-1]]
    said = {0: "", 1: ""}
    for body in bodies[:-1]:
        assert body["usage"] is None
        (choice,) = body["choices"]
        said[choice["index"]] += choice["delta"].get("content", "")
    assert said == {0: "ab", 1: "c"}
    assert (bodies[-1]["choices"], bodies[-1]["usage"]["completion_tokens"]) == ([], 5)
    assert sum(body["choices"][0]["finish_reason"] == "stop" for body in bodies[:-1]) == 2


@pytest.mark.parametrize("streamed", [False, True])
def test_a_failure_before_the_first_token_is_an_error(ask: Any, streamed: bool) -> None:
    def do(scheduler: Scheduler) -> Any:
        question = asked("good", "bad")
        return events(scheduler, question) if streamed else answer(scheduler, question, never)

    with pytest.raises(RefusedError, match=r"the model failed on this request \(out of memory\)") as caught:
        ask(do)
    assert (caught.value.status, caught.value.code) == (500, "sampling_failed")


def test_a_failure_later_ends_a_stream_without_its_mark(ask: Any) -> None:
    told = ask(lambda scheduler: events(scheduler, asked("cut")))
    assert [json.loads(event.removeprefix("data: ")).get("choices") is None for event in told] == [False] * 4 + [True]
    assert json.loads(told[-1].removeprefix("data: "))["error"] == {
        "message": "the model failed on this request (the lights went out); see the log of the server",
        "type": "server_error",
        "param": None,
        "code": "sampling_failed",
    }


def test_a_client_that_goes_away_gets_nothing_and_is_not_sampled_for(ask: Any) -> None:
    question = asked("ab", "cd")

    async def do(scheduler: Scheduler, engine: Any) -> Any:
        return await answer(scheduler, question, at_once)

    assert ask(do, gated=True) is None
    assert all(job.done.cancelled() for job in question.jobs)


def test_a_stream_that_is_closed_gives_up_its_jobs(ask: Any) -> None:
    async def do(scheduler: Scheduler, engine: Any) -> bool:
        engine.let(1)
        stream = await answer_streamed(scheduler, asked("abcdef"))
        await anext(stream)
        await stream.aclose()
        engine.let(1)  # the step that was on its way
        while scheduler.running:
            await asyncio.sleep(0.002)
        return scheduler.healthy

    assert ask(do, gated=True)


def test_a_full_queue_is_told_as_such(ask: Any) -> None:
    async def do(scheduler: Scheduler, engine: Any) -> None:
        first = asyncio.ensure_future(answer(scheduler, asked("a"), never))
        while not scheduler.running:
            await asyncio.sleep(0.002)
        waiting = asyncio.ensure_future(answer(scheduler, asked("b"), never))
        while not scheduler.waiting:
            await asyncio.sleep(0.002)
        with pytest.raises(RefusedError, match="1 completions wait and 1 more were asked for") as caught:
            await answer(scheduler, asked("c"), never)
        assert (caught.value.status, caught.value.code) == (429, "queue_full")
        with pytest.raises(RefusedError, match="got a request for 2 completions, expected at most 1") as caught:
            await answer_streamed(scheduler, asked("c", "d"))
        assert caught.value.status == 400
        engine.let(20)
        await asyncio.gather(first, waiting)

    ask(do, gated=True, queue_limit=1)


def test_a_server_that_is_closing_says_so(scripted_engine: Any) -> None:
    with pytest.raises(RefusedError, match="shutting down") as caught:
        asyncio.run(answer(Scheduler(scripted_engine(echo)), asked("a"), never))
    assert caught.value.status == 503
