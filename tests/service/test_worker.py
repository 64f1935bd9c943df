"""The worker: every accepted message is written exactly once, whatever happens to the process or to the model."""

from __future__ import annotations

import os
import random
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue

import pytest

import memalpha
from memalpha.agent.model import Prompt, ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.errors import ModelError, StoreError
from memalpha.memory.entry import MemoryKind, Origin
from memalpha.memory.store import Backlog, Letter
from memalpha.records import ToolCall
from memalpha.service import Memory
from memalpha.service.worker import Addition, Outcome, Worker

OpenMemory = Callable[..., Memory]
SCRIPT = Path(__file__).with_name("working.py")
WORKING = runpy.run_path(str(SCRIPT))
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(memalpha.__file__).resolve().parents[1])}


def said(text: str, **more: object) -> Addition:
    return Addition(messages=[{"role": "user", "content": text}], **more)  # type: ignore[arg-type]


def texts(memory: Memory) -> list[str]:
    return [entry.text for entry in memory.get_all()]


def held_up(reading: threading.Event, go_on: threading.Event, content: str) -> ScriptedModel:
    """A model that says when it reads, and writes a text once it may go on."""

    def reply(_: Prompt) -> str:
        reading.set()
        assert go_on.wait(20)
        call = {"memory_type": "semantic", "content": content}
        return render_call(ToolCall(name="memory_insert", arguments=call))

    return ScriptedModel(reply)


@pytest.fixture
def ana(open_memory: OpenMemory) -> Memory:
    return open_memory()


@pytest.fixture
def outcomes() -> list[Outcome]:
    return []


@pytest.fixture
def worker(ana: Memory, outcomes: list[Outcome]) -> Iterator[Worker]:
    made = Worker(ana, idle_seconds=0.01, told=outcomes.append)
    yield made
    if made.alive:
        made.close()


def until(reached: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def fail(*errors: Exception) -> Callable[[Prompt], str]:
    """A model that fails so often, and then keeps nothing."""
    left = list(errors)

    def reply(_: Prompt) -> str:
        if left:
            raise left.pop(0)
        return ""

    return reply


def test_letters_are_read_in_order_by_the_writer(ana: Memory, worker: Worker, outcomes: list[Outcome]) -> None:
    bo = ana.for_user("bo")
    for number in range(3):
        said(f"keep {number}").post(ana)
        said(f"keep {number} of Bo").post(bo)
    worker.start()
    until(lambda: ana.store.inbox.backlog().waiting == 0)
    assert texts(ana) == [f"User: keep {number}" for number in range(3)]
    assert texts(bo) == [f"User: keep {number} of Bo" for number in range(3)]
    assert outcomes == [Outcome.WRITTEN] * 6
    worker.close()
    assert not worker.alive


def test_all_that_is_asked_for_is_kept_in_the_letter(ana: Memory, worker: Worker) -> None:
    said("a contract", at="2026-05-01", infer=False, kind=MemoryKind.EPISODIC, origin=Origin.DOCUMENT).post(ana)
    worker.work_off()
    (entry,) = ana.get_all()
    assert (entry.text, entry.kind, entry.time) == ("a contract", MemoryKind.EPISODIC, "2026-05-01")
    assert entry.provenance.origin is Origin.DOCUMENT


def test_what_has_no_time_was_said_when_it_was_accepted(ana: Memory, worker: Worker) -> None:
    said("keep this").post(ana)
    letter = ana.store.inbox.take(ana.scope.address)
    assert letter is not None
    worker.work_off()
    assert ana.get_all()[0].time == letter.accepted.date().isoformat()


def test_nothing_waits_for_the_next_look_when_the_worker_is_woken(ana: Memory) -> None:
    worker = Worker(ana, idle_seconds=3600)
    worker.start()
    said("keep this").post(ana)
    worker.wake()
    until(lambda: texts(ana) == ["User: keep this"])
    worker.close()


def test_an_outage_of_the_model_postpones_and_loses_nothing(open_memory: OpenMemory) -> None:
    outcomes: list[Outcome] = []
    ana = open_memory(writer=ScriptedModel(fail(ModelError("the model is away"), ModelError("still away"))))
    worker = Worker(ana, told=outcomes.append)
    ticket = said("keep this").post(ana) or 0
    for attempt, seconds in ((1, 1), (2, 2)):
        before = datetime.now(UTC)
        worker.work_off()
        letter = ana.store.inbox.look(ana.scope.address, ticket)
        assert letter is not None and letter.due is not None
        assert (letter.attempts, letter.problem) == (attempt, ["the model is away", "still away"][attempt - 1])
        assert timedelta(seconds=seconds) <= letter.due - before <= timedelta(seconds=seconds + 5)
        assert worker.work_off() is False  # nobody's turn yet
        ana.store.inbox.postpone(Letter(**{**fields(letter), "attempts": attempt - 1}), "", timedelta(0))
    worker.work_off()
    assert ana.store.inbox.backlog().waiting == 0
    assert outcomes == [Outcome.POSTPONED, Outcome.POSTPONED, Outcome.WRITTEN]


def fields(letter: Letter) -> dict[str, object]:
    return {name: getattr(letter, name) for name in Letter.__dataclass_fields__}


def test_a_letter_that_fails_too_often_is_dead_and_can_be_tried_again(open_memory: OpenMemory) -> None:
    ana = open_memory(writer=ScriptedModel(fail(*(ModelError("the model is away") for _ in range(3)))))
    worker = Worker(ana, attempts=1)
    for text in ("first", "second"):
        said(text).post(ana)
    for _ in range(2):
        worker.work_off()
    dead = ana.store.inbox.letters(ana.scope.address, dead=True)
    assert [letter.problem for letter in dead] == ["the model is away"] * 2
    assert worker.work_off() is False
    ana.store.inbox.revive(dead[1])
    worker.work_off()
    assert len(ana.store.inbox.letters(ana.scope.address, dead=True)) == 2
    ana.store.inbox.revive(dead[0])
    worker.work_off()
    assert [letter.ticket for letter in ana.store.inbox.letters(ana.scope.address)] == [dead[1].ticket]


@pytest.mark.parametrize(
    ("addition", "why"),
    [
        (said(" "), "got no message with a text"),
        (said("a\0b"), "got a zero byte or half of a surrogate pair in message 1"),
        (Addition(messages=[{"role": "nobody", "content": "a"}]), "got the role 'nobody' in message 1"),
        (said("word " * 9000, infer=False, kind=MemoryKind.CORE), "core"),
    ],
)
def test_what_can_never_be_written_is_a_dead_letter_at_once(
    ana: Memory, worker: Worker, outcomes: list[Outcome], addition: Addition, why: str
) -> None:
    addition.post(ana)
    said("keep this").post(ana)
    worker.work_off()
    worker.work_off()
    (dead,) = ana.store.inbox.letters(ana.scope.address)
    assert dead.due is None
    assert why in (dead.problem or "")
    assert texts(ana) == ["User: keep this"]
    assert outcomes == [Outcome.DEAD, Outcome.WRITTEN]


def test_what_nobody_foresaw_postpones_one_letter_and_ends_nothing(
    open_memory: OpenMemory, caplog: pytest.LogCaptureFixture
) -> None:
    ana = open_memory(writer=ScriptedModel(fail(RuntimeError("keep out"))))
    said("keep this").post(ana)
    said("nothing").post(ana.for_user("bo"))
    outcomes: list[Outcome] = []
    Worker(ana, told=outcomes.append).work_off()
    assert outcomes == [Outcome.POSTPONED, Outcome.WRITTEN]
    (letter,) = ana.store.inbox.letters(ana.scope.address)
    assert letter.problem == "the server failed (RuntimeError); see its log"
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_the_worker_outlives_a_database_that_is_away(
    ana: Memory, worker: Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    due, tried = ana.store.inbox.due, threading.Event()

    def away(_: int) -> list[object]:
        tried.set()
        raise StoreError("the server is away, and this is a text")

    monkeypatch.setattr(ana.store.inbox, "due", away)
    worker.start()
    assert tried.wait(20)
    said("keep this").post(ana)
    monkeypatch.setattr(ana.store.inbox, "due", due)
    until(lambda: texts(ana) == ["User: keep this"])
    assert "this is a text" not in caplog.text


def test_a_letter_that_was_written_is_settled_and_not_written_again(ana: Memory, worker: Worker) -> None:
    ticket = said("keep this").post(ana, name="message 1")
    ana.add("keep this", key=f"inbox {ticket}")
    ana.erase(1)  # what was erased since is not written again either
    worker.work_off()
    assert ana.store.inbox.backlog().waiting == 0
    assert texts(ana) == []
    other = said("keep that").post(ana, name="message 2")
    ana.add("keep that", key="message 2")
    worker.work_off()
    assert texts(ana) == ["User: keep that"]
    assert ana.scope.written(f"inbox {other}") == ana.scope.written("message 2")


def test_what_is_sent_under_one_key_in_both_ways_at_once_is_written_once(open_memory: OpenMemory) -> None:
    reading, go_on = threading.Event(), threading.Event()
    ana = open_memory(writer=held_up(reading, go_on, "from the inbox"))
    worker = Worker(ana, idle_seconds=0.01)
    ticket = said("keep this").post(ana, name="message 1")
    worker.start()
    assert reading.wait(20)
    at_once = ana.add("at once", infer=False, key="message 1")
    go_on.set()
    until(lambda: not ana.store.inbox.backlog().waiting)
    worker.close()
    assert [entry.text for entry in ana.get_all()] == ["at once"]
    assert ana.scope.written(f"inbox {ticket}") == at_once.changes == ana.add("at once", key="message 1").changes


def test_what_a_worker_wrote_and_did_not_settle_is_in_use_under_both_keys(ana: Memory) -> None:
    ticket = said("keep this").post(ana, name="message 1")
    letter = ana.store.inbox.take(ana.scope.address)
    assert letter is not None
    written = Addition.of(letter).to(ana, key=(letter.key, "message 1"))
    assert ana.add("keep this", key="message 1").changes == written.changes
    assert ana.scope.written(f"inbox {ticket}") == written.changes
    assert len(ana.history()) == 1


def test_what_is_erased_while_it_is_read_does_not_come_back(open_memory: OpenMemory) -> None:
    reading, erased = threading.Event(), threading.Event()
    ana = open_memory(writer=held_up(reading, erased, "a secret"))
    worker = Worker(ana, idle_seconds=0.01)
    said("keep a secret").post(ana)
    worker.start()
    assert reading.wait(20)
    ana.erase()
    erased.set()
    until(lambda: not ana.store.inbox.backlog().waiting)
    worker.close()
    assert ana.history() == ()


def test_closing_ends_after_the_letter_at_hand(open_memory: OpenMemory) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def reply(_: Prompt) -> str:
        reading.set()
        assert go_on.wait(20)
        return ""

    ana = open_memory(writer=ScriptedModel(reply))
    worker = Worker(ana)
    for text in "abc":
        said(text).post(ana)
    worker.start()
    assert reading.wait(20)
    worker.close(0.01)  # it takes longer than that
    assert ana.store.inbox.backlog().waiting == 3
    go_on.set()
    worker.close()
    assert ana.store.inbox.backlog().waiting == 2


def marked(memory: Memory, user: str) -> Counter[str]:
    """How often each text was written, by what stands before the number of its own."""
    return Counter(entry.text.split()[-2] for entry in memory.for_user(user).get_all())


@pytest.mark.parametrize("kills", [20, pytest.param(300, marks=pytest.mark.slow)])
def test_whoever_is_killed_loses_nothing_and_writes_nothing_twice(tmp_path: Path, kills: int) -> None:
    path = tmp_path / "memory.db"
    Memory(path, user="server").close()
    rng = random.Random(kills)
    accepted: dict[str, list[str]] = {user: [] for user in WORKING["USERS"]}
    children: Queue[int] = Queue()

    def listen(lines: Iterable[str]) -> None:
        for line in lines:
            match line.split():
                case ["pid", number]:
                    children.put(int(number))
                case ["accepted", user, text]:
                    accepted[user].append(text)

    command = [sys.executable, str(SCRIPT), str(path)]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        listening = threading.Thread(target=listen, args=(parent.stdout,))
        listening.start()
        for number in range(kills):
            kind = "unsettled" if number % 4 == 0 else "any"
            parent.stdin.write(f"{number} {kind}\n")
            child = children.get(timeout=60)
            if kind == "any":
                time.sleep(rng.uniform(0.02, 0.2))
                os.kill(child, signal.SIGKILL)
            until(lambda pid=child: not alive(pid), seconds=60)  # type: ignore[misc]
        parent.stdin.close()
        listening.join(60)
    with Memory(path, user="server", writer=ScriptedModel(WORKING["keep_once"])) as memory:
        waited = memory.store.inbox.backlog().waiting
        while Worker(memory).work_off():
            pass
        for user, sent in accepted.items():
            written = marked(memory, user)
            assert len(sent) > kills / 4
            assert [text for text in sent if written[text] != 1] == []
            assert max(written.values()) == 1  # nor what was not acknowledged
        assert memory.store.check() == ()
        assert memory.store.inbox.backlog() == Backlog(waiting=0, dead=0, oldest=None)
    assert waited > 0


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
