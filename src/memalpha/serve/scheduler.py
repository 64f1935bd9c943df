"""Many requests, one model: a worker thread owns it and samples the waiting requests together.

Requests that wait when the worker comes by become a group with a cache of its own; the worker takes a step with each
group in turn, so that a short request does not wait for a long one to end. A row whose requester has gone is dropped.
What fails in a group fails its requests alone; the worker goes on.

Left out: requests that join a group on its way, and prompts that share a cache.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from memalpha.agent.decoding import Drawn, Row, Sample
from memalpha.errors import MemalphaError, ModelError

log = logging.getLogger(__name__)


class QueueFullError(MemalphaError):
    """As many requests wait as may wait; nothing was taken."""


class ClosingError(MemalphaError):
    """The server is shutting down, or its worker has ended."""


class Steps(Protocol):
    """A group of rows on its way, such as a `Decoder`."""

    @property
    def alive(self) -> bool:
        """Whether any row has tokens to come."""
        ...

    def step(self) -> list[Drawn]:
        """One more token for each row that is alive."""
        ...

    def drop(self, row: int) -> None:
        """Draw nothing more for a row."""
        ...


class Engine(Protocol):
    """What the worker needs of a model; `LocalModel` has it."""

    def start(self, rows: Sequence[Row]) -> Steps:
        """A group of rows to be stepped through."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What is new of a sample since the last piece."""

    text: str
    drawn: Drawn
    """The token that brought it."""
    offset: int
    """Where this token starts in the whole text."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """One row that somebody waits for; cancelling `done` gives it up."""

    row: Row
    stop: tuple[str, ...] = ()
    tell: Callable[[Piece], None] | None = None
    """Called on the worker's thread after each token, if given; the last piece comes with `done`."""
    done: Future[Sample] = field(default_factory=Future)


class _Group:
    """Jobs that are started together."""

    def __init__(self, engine: Engine, jobs: Sequence[Job]) -> None:
        self._engine = engine
        self._jobs = jobs
        self._samples = [Sample(engine.decode, job.stop, follow=job.tell is not None) for job in jobs]
        self._open = set(range(len(jobs)))
        self._steps: Steps | None = None

    def __len__(self) -> int:
        """How many have tokens to come; any thread may ask."""
        return len(self._open)

    @property
    def open(self) -> list[Job]:
        """Those that have tokens to come, for the worker."""
        return [self._jobs[at] for at in self._open]

    def step(self) -> None:
        steps = self._steps = self._steps or self._engine.start([job.row for job in self._jobs])
        for at in [at for at in self._open if self._jobs[at].done.cancelled()]:
            steps.drop(at)
            self._open.remove(at)
        for drawn in steps.step() if self._open else ():
            if self._take(drawn):
                steps.drop(drawn.row)
                self._open.remove(drawn.row)

    def fail(self, error: Exception) -> None:
        for job in self.open:
            _fail(job, error)
        self._open.clear()

    def _take(self, drawn: Drawn) -> bool:
        """Add a token and tell whoever waits; returns whether it was the last of its row."""
        job, sample = self._jobs[drawn.row], self._samples[drawn.row]
        before, known = sample.sure, sample.known
        last = sample.take(drawn) or drawn.ended or len(sample.drawn) == job.row.max_tokens
        if last:
            sample.finish()
        if job.tell is not None:
            job.tell(Piece(text=sample.sure[len(before) :], drawn=drawn, offset=known))
        if last and job.done.set_running_or_notify_cancel():
            job.done.set_result(sample)
        return last


class Scheduler:
    """The queue of one model, and the thread that works through it."""

    def __init__(
        self, engine: Engine, *, queue_limit: int = 256, group_limit: int = 4, batch_tokens: int = 48_000
    ) -> None:
        """Nothing runs before `start`.

        Args:
            engine: The model; nobody else may sample from it meanwhile.
            queue_limit: Most rows that wait to be started.
            group_limit: Most groups on their way at once.
            batch_tokens: Most prompt and completion tokens on their way at once, padding included; a longer row goes
                alone.
        """
        self._engine = engine
        self._queue_limit, self._group_limit, self._batch_tokens = queue_limit, group_limit, batch_tokens
        self._waiting: deque[Job] = deque()
        self._groups: list[_Group] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="memalpha-model", daemon=True)

    @property
    def queue_limit(self) -> int:
        """Most rows that wait to be started."""
        return self._queue_limit

    @property
    def healthy(self) -> bool:
        """Whether requests are taken."""
        return self._thread.is_alive() and not self._closing

    @property
    def waiting(self) -> int:
        """Rows that wait to be started."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Rows that are being sampled."""
        return sum(map(len, list(self._groups)))

    def start(self) -> None:
        """Start the worker."""
        self._thread.start()

    def close(self) -> None:
        """Take no more requests, end those that were taken, then end the worker."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take all of these jobs, or none; raises `QueueFullError` or `ClosingError`."""
        with self._changed:
            if not self.healthy:
                raise ClosingError("the server is shutting down; send the request to another one, or later")
            if len(self._waiting) + len(jobs) > self._queue_limit:
                raise QueueFullError(
                    f"{len(self._waiting)} completions wait and {len(jobs)} more were asked for, expected at most "
                    f"{self._queue_limit} to wait; send the request again later"
                )
            self._waiting.extend(jobs)
            self._changed.notify()

    def _work(self) -> None:
        try:
            while self._admit():
                for group in list(self._groups):
                    self._step(group)
        except BaseException as error:
            self._give_up(ModelError(f"the thread that samples has ended ({error!r}); start the server again"))
            raise

    def _step(self, group: _Group) -> None:
        try:
            group.step()
        except Exception as error:  # nothing is swallowed: whoever waits for the group gets it
            log.exception("sampling failed for %d requests", len(group))
            group.fail(error)
        if not len(group):
            self._groups.remove(group)

    def _admit(self) -> bool:
        """Start what may be started, and wait while there is nothing to do; returns whether to go on."""
        with self._changed:
            while not self._waiting and not self._groups:
                if self._closing:
                    return False
                self._changed.wait()
            jobs = self._next_jobs()
        if jobs:
            self._groups.append(_Group(self._engine, jobs))
        return True

    def _next_jobs(self) -> list[Job]:
        """The longest run of waiting jobs, in order, that there is room for beside the groups on their way."""
        if len(self._groups) >= self._group_limit:
            return []
        room = self._batch_tokens - sum(_tokens(group.open) for group in self._groups)
        taken: list[Job] = []
        while self._waiting:
            if self._waiting[0].done.cancelled():
                self._waiting.popleft()
            elif _tokens([*taken, self._waiting[0]]) <= room or not (taken or self._groups):
                taken.append(self._waiting.popleft())
            else:
                break
        return taken

    def _give_up(self, error: ModelError) -> None:
        with self._changed:
            self._closing = True
            for group in self._groups:
                group.fail(error)
            for job in self._waiting:
                _fail(job, error)
            self._groups.clear()
            self._waiting.clear()


def _tokens(jobs: Sequence[Job]) -> int:
    """What a group of jobs may come to, padding included."""
    widest = max((len(job.row.ids) for job in jobs), default=0) + max((job.row.max_tokens for job in jobs), default=0)
    return len(jobs) * widest


def _fail(job: Job, error: Exception) -> None:
    if job.done.set_running_or_notify_cancel():
        job.done.set_exception(error)
