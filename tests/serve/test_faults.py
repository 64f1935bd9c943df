"""Faults injected between `EndpointModel` and its server, over real HTTP: a run recovers or raises, and no score moves.

A relay stands in the middle. It passes requests on, but for those that its plan gives a fault.
"""

from __future__ import annotations

import itertools
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from memalpha.agent.endpoint import EndpointModel
from memalpha.agent.judge import Judge
from memalpha.agent.reader import ModelReader
from memalpha.agent.tokens import nano_counter
from memalpha.agent.writer import Writer
from memalpha.data.words import Split
from memalpha.data.world import make_episodes
from memalpha.episode import Trace
from memalpha.errors import ModelError
from memalpha.evaluation.baselines import WriterSystem
from memalpha.evaluation.harness import SystemScore, compare
from memalpha.memory.bank import MemoryKind

EPISODES = make_episodes(2, seed=11, tokens=250, split=Split.TEST)
ALWAYS = range(10_000)


class Fault(StrEnum):
    """What happens to a request instead of an answer."""

    RESET = "reset"
    """The connection is reset without a byte."""
    CLOSED = "closed"
    """The connection is closed without a byte."""
    BUSY = "busy"
    """Status 429 with Retry-After."""
    FAILED = "failed"
    """Status 500."""
    SLOW = "slow"
    """No answer in time."""
    TRICKLE = "trickle"
    """An answer that never ends, byte by byte."""
    SHORT = "short"
    """An answer that ends before its Content-Length."""
    TORN = "torn"
    """A chunked answer that is torn off in the middle."""
    NO_JSON = "no json"
    """Status 200 with half of a JSON body."""
    NO_CHOICE = "no choice"
    """Status 200 without a choice."""
    ERROR_BODY = "error body"
    """Status 200 with an error in the body."""
    ABORTED = "aborted"
    """Status 200 with a text that its engine gave up."""


RECOVERABLE = tuple(Fault)[:8]
FATAL = tuple(Fault)[8:]
UNFINISHED = (Fault.RESET, Fault.CLOSED, Fault.SLOW, Fault.TRICKLE, Fault.SHORT, Fault.TORN)
"""What leaves a connection that is good for nothing more."""
ENDLESS = (Fault.SLOW, Fault.TRICKLE)
"""What only a deadline ends."""
BODIES = {
    Fault.NO_JSON: b'{"choices": [{"message": {"content": "Paris',
    Fault.NO_CHOICE: b'{"choices": []}',
    Fault.ERROR_BODY: b'{"error": {"message": "overloaded"}}',
    Fault.ABORTED: b'{"choices": [{"message": {"content": "Par"}, "finish_reason": "error"}]}',
}


class Relay:
    """Passes requests on to `answer`; request number n gets the fault if n is in the plan."""

    def __init__(self, answer: Callable[[str, bytes], tuple[int, bytes]]) -> None:
        self.fault: Fault | None = None
        self.plan: Collection[int] = ()
        self.hits = 0
        self._numbers = itertools.count()
        self._released = threading.Event()
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                number = next(relay._numbers)
                if relay.fault is not None and number in relay.plan:
                    relay.hits += 1
                    relay._break(self, relay.fault)
                else:
                    status, reply = answer(self.path, body)
                    relay._send(self, status, reply)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def set(self, fault: Fault | None, plan: Collection[int]) -> None:
        """From now on the requests of these numbers, the next one being 0, get the fault."""
        self.fault, self.plan, self.hits, self._numbers = fault, plan, 0, itertools.count()

    def close(self) -> None:
        self._released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _send(self, to: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
        to.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            to.send_header(name.replace("_", "-"), value)
        to.end_headers()
        to.wfile.write(body)

    def _break(self, to: BaseHTTPRequestHandler, fault: Fault) -> None:
        to.close_connection = fault in UNFINISHED
        match fault:
            case Fault.RESET:
                # Lingering for 0 s makes closing a reset.
                to.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                to.connection.close()
            case Fault.BUSY:
                self._send(to, 429, b'{"error": {"message": "slow down"}}', Retry_After="7")
            case Fault.FAILED:
                self._send(to, 500, b"boom")
            case Fault.SLOW:
                self._released.wait(10)
            case Fault.TRICKLE:
                to.send_response(200)
                to.send_header("Content-Length", "10000")
                to.end_headers()
                self._trickle(to)
            case Fault.SHORT:
                self._send(to, 200, b'{"choices": [{"message": {"content": "Paris"}}]}', Content_Length="900")
            case Fault.TORN:
                to.send_response(200)
                to.send_header("Transfer-Encoding", "chunked")
                to.end_headers()
                to.wfile.write(b'30\r\n{"choices": [{"message": {"content": "Paris"}}]}\r\n')
            case Fault.NO_JSON | Fault.NO_CHOICE | Fault.ERROR_BODY | Fault.ABORTED:
                self._send(to, 200, BODIES[fault])

    def _trickle(self, to: BaseHTTPRequestHandler) -> None:
        try:
            while not self._released.wait(0.05):
                to.wfile.write(b" ")
        except OSError:
            return  # the client has had enough


def read_by_rule(path: str, body: bytes) -> tuple[int, bytes]:
    """A reader's model: of the entries in its prompt it says the one that shares most words with the question."""
    system, question = (message["content"] for message in json.loads(body)["messages"])
    wanted = set(re.findall(r"\w+", question.lower()))
    lines = [line for line in system.splitlines() if line.startswith("- ")] or [""]
    best = max(lines, key=lambda line: len(wanted & set(re.findall(r"\w+", line.lower()))))
    return 200, json.dumps({"choices": [{"message": {"content": best}, "finish_reason": "stop"}]}).encode()


def judge_by_rule(path: str, body: bytes) -> tuple[int, bytes]:
    return 200, b'{"choices": [{"message": {"content": "{\\"correct\\": true}"}, "finish_reason": "stop"}]}'


@pytest.fixture
def relay() -> Iterator[Callable[..., Relay]]:
    opened: list[Relay] = []

    def start(answer: Callable[[str, bytes], tuple[int, bytes]]) -> Relay:
        opened.append(Relay(answer))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.fixture
def to_nano(served: str) -> Iterator[Callable[[str, bytes], tuple[int, bytes]]]:
    """Passes requests on to the served nano."""
    with httpx.Client(timeout=20) as client:

        def forward(path: str, body: bytes) -> tuple[int, bytes]:
            url = served.removesuffix("/v1") + path
            reply = client.post(url, content=body, headers={"Content-Type": "application/json"})
            return reply.status_code, reply.content

        yield forward


Result = tuple[list[SystemScore], dict[str, list[Trace]]]


def run(
    writer_url: str,
    reader_url: str,
    *,
    seconds: tuple[float, float] = (20.0, 20.0),
    retries: int = 6,
    sleep: Callable[[float], None] = lambda _: None,
) -> Result:
    """An evaluation whose writer and reader are models on servers; `seconds` is the patience with each of the two."""
    more: dict[str, Any] = {"retries": retries, "concurrency": 3, "sleep": sleep}
    with (
        EndpointModel(writer_url, "nano", timeout_seconds=seconds[0], **more) as writes,
        EndpointModel(reader_url, "reader", timeout_seconds=seconds[1], **more) as reads,
    ):
        system = WriterSystem(
            name="over HTTP", writer=Writer(writes), count_tokens=nano_counter(), reader=ModelReader(reads)
        )
        return compare([system], EPISODES)


def told(result: Result) -> tuple[Any, ...]:
    """All of a result but the seconds it took."""
    rows, traces = result
    return [replace(row, seconds=0.0) for row in rows], [
        (
            [(step.completion.text, step.calls, step.results) for step in trace.steps],
            [(entry.id, entry.rendered) for kind in MemoryKind for entry in trace.bank.entries(kind)],
            [answer.text for answer in trace.answers],
            trace.scores,
        )
        for trace in traces["over HTTP"]
    ]


@pytest.fixture(scope="module")
def clean(served: str) -> Result:
    """The evaluation without a fault, and with nothing between the model and its server."""
    reads = Relay(read_by_rule)
    try:
        return run(served, reads.url)
    finally:
        reads.close()


@pytest.mark.parametrize("fault", RECOVERABLE)
def test_a_run_that_recovers_has_the_scores_of_a_clean_one(
    relay: Callable[..., Relay], to_nano: Any, clean: Result, fault: Fault
) -> None:
    assert clean[0][0].score > 0.3  # there is something to lose
    writes, reads = relay(to_nano), relay(read_by_rule)
    # Each fault that only a deadline ends costs that long, and the nano must have its time on a busy machine.
    seconds, plan = ((8.0, 0.5), {1}) if fault in ENDLESS else ((20.0, 20.0), {0, 2, 3})
    writes.set(fault, plan)
    reads.set(fault, {1})
    waits: list[float] = []
    assert told(run(writes.url, reads.url, seconds=seconds, sleep=waits.append)) == told(clean)
    assert (writes.hits, reads.hits) == (len(plan), 1)
    assert len(waits) >= len(plan) + 1
    assert sum(wait >= 7.0 for wait in waits) == (4 if fault is Fault.BUSY else 0)


@pytest.mark.parametrize(
    ("part", "fault"), [*itertools.product(["writer"], FATAL), ("reader", Fault.NO_JSON), ("reader", Fault.ABORTED)]
)
def test_a_body_that_is_no_answer_ends_the_run_at_once(
    relay: Callable[..., Relay], to_nano: Any, part: str, fault: Fault
) -> None:
    writes, reads = relay(to_nano), relay(read_by_rule)
    broken = writes if part == "writer" else reads
    broken.set(fault, {1})
    with pytest.raises(ModelError, match="gave status 200 with a malformed body"):
        run(writes.url, reads.url)
    assert broken.hits == 1


@pytest.mark.parametrize("fault", RECOVERABLE)
def test_a_fault_that_stays_ends_the_run(relay: Callable[..., Relay], to_nano: Any, fault: Fault) -> None:
    writes, reads = relay(to_nano), relay(read_by_rule)
    writes.set(fault, ALWAYS)
    with pytest.raises(ModelError, match=r"/v1/chat/completions failed 2 times, the last time with "):
        run(writes.url, reads.url, retries=1, seconds=(0.1 if fault in ENDLESS else 20.0, 20.0))
    assert writes.hits >= 2


def test_a_reader_whose_server_fails_ends_the_run(relay: Callable[..., Relay], to_nano: Any) -> None:
    writes, reads = relay(to_nano), relay(read_by_rule)
    reads.set(Fault.FAILED, ALWAYS)
    with pytest.raises(
        ModelError, match=r"failed 2 times, the last time with status 500 \(check the server's log\): boom"
    ):
        run(writes.url, reads.url, retries=1)


def test_a_server_that_is_down_ends_the_run(relay: Callable[..., Relay], to_nano: Any) -> None:
    writes, reads = relay(to_nano), Relay(read_by_rule)
    reads.close()
    with pytest.raises(ModelError, match=r"failed 2 times.*ConnectError.*check that the server runs"):
        run(writes.url, reads.url, retries=1)


@pytest.mark.parametrize("fault", [Fault.FAILED, Fault.NO_JSON])
def test_no_answer_is_kept_of_a_fault(relay: Callable[..., Relay], clean: Result, fault: Fault) -> None:
    reads = relay(read_by_rule)
    trace = clean[1]["over HTTP"][0]
    question = trace.episode.questions[0].text
    with EndpointModel(reads.url, "reader", retries=0) as model:
        reader = ModelReader(model)
        reads.set(fault, {0})
        with pytest.raises(ModelError):
            reader.read(trace.bank, [question])
        (answer,) = reader.read(trace.bank, [question])
        assert (reads.hits, reader.cache.misses) == (1, 2)
        assert answer == trace.answers[0]


@pytest.mark.parametrize("fault", [Fault.CLOSED, Fault.BUSY, Fault.FAILED, Fault.SHORT, *FATAL])
def test_a_fault_is_no_verdict(relay: Callable[..., Relay], fault: Fault) -> None:
    server = relay(judge_by_rule)
    with EndpointModel(server.url, "judge", retries=1, sleep=lambda seconds: None) as model:
        server.set(fault, ALWAYS)
        with pytest.raises(ModelError):
            Judge(model).correct("Where?", ["Rome"], "in Rome")
        server.set(fault, {0} if fault in RECOVERABLE else ())
        assert Judge(model).correct("Where?", ["Rome"], "in Rome")
