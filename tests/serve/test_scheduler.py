"""The worker on engines that say what they are told to: who is sampled with whom, who waits, who fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

import pytest

from memalpha.agent.decoding import Row
from memalpha.errors import ModelError
from memalpha.serve.scheduler import ClosingError, Job, Piece, QueueFullError, Scheduler

SECONDS = 20


def echo(row: Row) -> str:
    return "".join(map(chr, row.ids))


def job(text: str, max_tokens: int = 20, **more: Any) -> Job:
    return Job(row=Row(ids=[*map(ord, text)], max_tokens=max_tokens), **more)


@pytest.fixture
def running() -> Any:
    """Starts schedulers and closes them in the end."""
    opened: list[tuple[Any, Scheduler]] = []

    def start(engine: Any, **limits: int) -> Scheduler:
        scheduler = Scheduler(engine, **limits)
        scheduler.start()
        opened.append((engine, scheduler))
        return scheduler

    yield start
    for engine, scheduler in opened:
        if engine.gate is not None:
            engine.let(10_000)
        scheduler.close()


def until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not met():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def texts(*jobs: Job) -> list[str]:
    return [each.done.result(SECONDS).finish() for each in jobs]


def test_what_waits_is_sampled_together(running: Any, scripted_engine: Any) -> None:
    engine = scripted_engine(echo, gated=True)
    scheduler = running(engine)
    first, later = job("one"), [job("two"), job("three"), job("four")]
    scheduler.submit([first])
    until(lambda: scheduler.running == 1)
    for each in later:
        scheduler.submit([each])
    assert scheduler.waiting == 3
    engine.let(100)
    assert texts(first, *later) == ["one", "two", "three", "four"]
    assert engine.groups == [1, 3]
    assert (scheduler.waiting, scheduler.running) == (0, 0)


def test_a_short_request_does_not_wait_for_a_long_one(running: Any, scripted_engine: Any) -> None:
    engine = scripted_engine(echo, gated=True)
    scheduler = running(engine)
    long = job("x" * 1000, max_tokens=1000)
    scheduler.submit([long])
    until(lambda: scheduler.running == 1)
    short = job("abc")
    scheduler.submit([short])
    engine.let(12)  # four tokens each for both, and a few that were on their way
    assert texts(short) == ["abc"]
    assert not long.done.done()


def test_a_completion_ends_by_itself_or_by_a_stop_text_or_is_cut(running: Any, scripted_engine: Any) -> None:
    scheduler = running(scripted_engine(echo))
    jobs = [job("abc"), job("abcdef", stop=("de",)), job("abcdef", 3), job("abc", 3)]
    scheduler.submit(jobs)
    assert texts(*jobs) == ["abc", "abc", "abc", "abc"]
    samples = [each.done.result() for each in jobs]
    assert [sample.finished for sample in samples] == [True, True, False, False]
    assert [len(sample.drawn) for sample in samples] == [4, 5, 3, 3]


def test_pieces_come_as_they_are_sampled_and_make_the_text(running: Any, scripted_engine: Any) -> None:
    pieces: list[Piece] = []
    scheduler = running(scripted_engine(echo))
    told = job("ab<c</d", stop=("</x",), tell=pieces.append)
    scheduler.submit([told])
    assert texts(told) == ["ab<c</d"]
    assert [piece.text for piece in pieces] == ["a", "b", "", "<c", "", "", "</d", ""]
    assert [piece.offset for piece in pieces] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert [chr(piece.drawn.token) for piece in pieces] == [*"ab<c</d", "\0"]


def test_what_a_stream_holds_back_comes_with_its_last_token(running: Any, scripted_engine: Any) -> None:
    pieces: list[Piece] = []
    scheduler = running(scripted_engine(echo))
    told = job("ab<", 3, stop=("</",), tell=pieces.append)
    scheduler.submit([told])
    assert texts(told) == ["ab<"]
    assert [piece.text for piece in pieces] == ["a", "b", "<"]


def test_whoever_gives_up_is_dropped(running: Any, scripted_engine: Any) -> None:
    engine = scripted_engine(echo, gated=True)
    scheduler = running(engine)
    gone, stays = job("x" * 500, 1000), job("abc")
    scheduler.submit([gone, stays])
    until(lambda: scheduler.running == 2)
    waits = job("never", 5)
    scheduler.submit([waits])
    assert gone.done.cancel()
    assert waits.done.cancel()
    engine.let(20)
    assert texts(stays) == ["abc"]
    until(lambda: scheduler.running == 0)
    with pytest.raises(CancelledError):
        gone.done.result(0)
    assert engine.groups == [2]


def test_what_fails_in_a_group_fails_its_requests_alone(
    running: Any, scripted_engine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = running(scripted_engine(lambda row: ValueError("no memory") if echo(row) == "bad" else echo(row)))
    bad, beside = job("bad"), job("good")
    scheduler.submit([bad, beside])
    for each in (bad, beside):
        with pytest.raises(ValueError, match="no memory"):
            each.done.result(SECONDS)
    after = job("good")
    scheduler.submit([after])
    assert texts(after) == ["good"]
    assert scheduler.healthy
    assert "sampling failed for 2 requests" in caplog.text


def test_an_engine_that_cannot_even_start_fails_the_requests(running: Any, scripted_engine: Any) -> None:
    engine = scripted_engine(echo)
    engine.start = lambda rows: (_ for _ in ()).throw(MemoryError("too wide"))
    scheduler = running(engine)
    asked = job("x")
    scheduler.submit([asked])
    with pytest.raises(MemoryError, match="too wide"):
        asked.done.result(SECONDS)


def test_a_full_queue_takes_all_of_a_request_or_nothing(running: Any, scripted_engine: Any) -> None:
    engine = scripted_engine(echo, gated=True)
    scheduler = running(engine, queue_limit=3)
    scheduler.submit([job("first")])
    until(lambda: scheduler.running == 1)
    waiting = [job("a"), job("b")]
    scheduler.submit(waiting)
    with pytest.raises(QueueFullError, match="2 completions wait and 2 more were asked for, expected at most 3"):
        scheduler.submit([job("c"), job("d")])
    assert scheduler.waiting == 2
    last = job("e")
    scheduler.submit([last])
    engine.let(100)
    assert texts(*waiting, last) == ["a", "b", "e"]


def test_a_group_has_room_for_so_many_tokens_and_nobody_overtakes(running: Any, scripted_engine: Any) -> None:
    engine = scripted_engine(echo, gated=True)
    scheduler = running(engine, batch_tokens=40)
    scheduler.submit([job("a", 9)])  # 10 tokens
    until(lambda: scheduler.running == 1)
    # 15 and 15 tokens fit beside it, a third would not; the last would, but comes after it.
    jobs = [job("bbbbb", 10), job("ccccc", 10), job("ddddd", 10), job("e", 1)]
    scheduler.submit(jobs)
    engine.let(1)
    until(lambda: (scheduler.running, scheduler.waiting) == (3, 2))
    engine.let(100)
    assert texts(*jobs) == ["bbbbb", "ccccc", "ddddd", "e"]
    assert engine.groups == [1, 2, 2]


def test_a_row_that_is_longer_than_the_room_goes_alone(running: Any, scripted_engine: Any) -> None:
    engine = scripted_engine(echo)
    scheduler = running(engine, batch_tokens=5)
    jobs = [job("abcdef", 10), job("ghijkl", 10)]
    scheduler.submit(jobs)
    assert texts(*jobs) == ["abcdef", "ghijkl"]
    assert engine.groups == [1, 1]


def test_no_more_groups_than_allowed_are_on_their_way(running: Any, scripted_engine: Any) -> None:
    engine = scripted_engine(echo, gated=True)
    scheduler = running(engine, group_limit=2)
    jobs = [job(letter * 3) for letter in "abcd"]
    for each in jobs:
        scheduler.submit([each])
        engine.let(1)
        until(lambda: scheduler.waiting == 0 or scheduler.running == 2)
    assert (scheduler.running, scheduler.waiting) == (2, 2)
    engine.let(100)
    assert texts(*jobs) == ["aaa", "bbb", "ccc", "ddd"]
    assert engine.groups == [1, 1, 2]


def test_closing_ends_what_was_taken_and_takes_no_more(scripted_engine: Any) -> None:
    engine = scripted_engine(echo, gated=True)
    scheduler = Scheduler(engine)
    with pytest.raises(ClosingError):
        scheduler.submit([job("too early")])
    scheduler.start()
    assert scheduler.healthy
    jobs = [job("abc"), job("de")]
    scheduler.submit(jobs[:1])
    until(lambda: scheduler.running == 1)
    scheduler.submit(jobs[1:])
    closing = threading.Thread(target=scheduler.close)
    closing.start()
    until(lambda: not scheduler.healthy)
    with pytest.raises(ClosingError, match="shutting down"):
        scheduler.submit([job("too late")])
    engine.let(100)
    closing.join(SECONDS)
    assert texts(*jobs) == ["abc", "de"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_when_the_worker_ends_nobody_is_left_waiting(scripted_engine: Any) -> None:
    engine = scripted_engine(lambda row: SystemExit() if echo(row) == "x" else echo(row), gated=True)
    scheduler = Scheduler(engine)
    scheduler.start()
    jobs = [job("x"), job("waits")]
    scheduler.submit(jobs[:1])
    until(lambda: scheduler.running == 1)
    scheduler.submit(jobs[1:])
    engine.let(1)
    for each in jobs:
        with pytest.raises(ModelError, match="the thread that samples has ended"):
            each.done.result(SECONDS)
    until(lambda: not scheduler.healthy)
    with pytest.raises(ClosingError):
        scheduler.submit([job("y")])
    scheduler.close()
