"""From jobs to an answer of the OpenAI protocol, at once or as a stream of server-sent events.

What fails is an error, never a text: before the first token with a status of its own; later, in a stream, as the last
event, without the mark that ends a whole answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

from memalpha.agent.decoding import Sample
from memalpha.serve.asking import Asked
from memalpha.serve.openai_errors import ErrorKind, RefusedError
from memalpha.serve.openai_replies import usage
from memalpha.serve.scheduler import ClosingError, Job, Piece, QueueFullError, Scheduler

Gone = Callable[[], Awaitable[None]]
"""Returns once the client has gone."""

Event = tuple[int, Piece | Future[Sample]]
"""What happened to the job of this number: a token came, or it is done."""


async def answer(scheduler: Scheduler, asked: Asked, gone: Gone) -> dict[str, Any] | None:
    """The answer once it is complete; None when the client went away before. Raises `RefusedError`."""
    _submit(scheduler, asked.jobs)
    done = asyncio.gather(*(asyncio.wrap_future(job.done) for job in asked.jobs))
    watch = asyncio.ensure_future(gone())
    watched: set[asyncio.Future[Any]] = {watch, done}
    try:
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            return None
        if error := done.exception():
            raise _failed(error) from error
        samples = done.result()
    finally:
        watch.cancel()
        _give_up(asked.jobs)
    choices = [choice.whole(sample) for choice, sample in zip(asked.choices, samples, strict=True)]
    return asked.head.reply(choices, _usage(asked, samples), **asked.extra)


async def answer_streamed(scheduler: Scheduler, asked: Asked) -> AsyncIterator[str]:
    """The events of the answer, once the first token is there; what fails before that raises `RefusedError`."""
    events: asyncio.Queue[Event] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def hand_over(index: int, event: Piece | Future[Sample]) -> None:
        loop.call_soon_threadsafe(events.put_nowait, (index, event))

    jobs = tuple(replace(job, tell=partial(hand_over, index)) for index, job in enumerate(asked.jobs))
    for index, job in enumerate(jobs):
        job.done.add_done_callback(partial(hand_over, index))
    _submit(scheduler, jobs)
    try:
        first = await events.get()
        if isinstance(first[1], Future) and (error := first[1].exception()):
            raise _failed(error) from error
    except BaseException:
        _give_up(jobs)
        raise
    return _events(asked, jobs, first, events)


async def _events(asked: Asked, jobs: Sequence[Job], event: Event, events: asyncio.Queue[Event]) -> AsyncIterator[str]:
    samples: list[Sample] = []
    blank = {"usage": None} if asked.tells_usage else {}
    try:
        for choice in asked.choices:
            for body in choice.open():
                yield _data(asked.head.chunk(body, **blank, **asked.extra))
        while True:
            index, what = event
            if isinstance(what, Piece):
                bodies = asked.choices[index].grow(what)
            elif error := what.exception():
                yield _data(_failed(error).body())
                return
            else:
                samples.append(what.result())
                bodies = asked.choices[index].close(samples[-1])
            for body in bodies:
                yield _data(asked.head.chunk(body, **blank))
            if len(samples) == len(jobs):
                break
            event = await events.get()
        if asked.tells_usage:
            yield _data(asked.head.chunk(usage=_usage(asked, samples)))
        yield "data: [DONE]\n\n"
    finally:
        _give_up(jobs)


def _submit(scheduler: Scheduler, jobs: Sequence[Job]) -> None:
    if len(jobs) > scheduler.queue_limit:
        raise RefusedError(
            f"got a request for {len(jobs)} completions, expected at most {scheduler.queue_limit}, which is what the "
            "queue holds; ask for fewer at a time"
        )
    try:
        scheduler.submit(jobs)
    except QueueFullError as error:
        raise RefusedError(str(error), status=429, kind=ErrorKind.LIMIT, code="queue_full") from error
    except ClosingError as error:
        raise RefusedError(str(error), status=503, kind=ErrorKind.SERVER, code="closing") from error


def _failed(error: BaseException) -> RefusedError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return RefusedError(
        f"the model failed on this request ({reason}); see the log of the server",
        status=500,
        kind=ErrorKind.SERVER,
        code="sampling_failed",
    )


def _give_up(jobs: Sequence[Job]) -> None:
    """Whoever is still sampled is not waited for any more."""
    for job in jobs:
        job.done.cancel()


def _usage(asked: Asked, samples: Sequence[Sample]) -> dict[str, Any]:
    return usage(asked.prompt_tokens, sum(len(sample.drawn) for sample in samples))


def _data(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
