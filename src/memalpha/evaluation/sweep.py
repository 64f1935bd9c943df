"""Systems over suites over seeds, question by question into a ledger: the harness behind `memalpha eval --suites`.

What the ledger holds already is not asked again. Episodes of a system are independent: they go side by side in groups,
which a local model serves in batches, or one each to several threads, where a server does the work. An outage raises
and leaves what was finished; no error becomes an answer or a score.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from memalpha.agent.judge import Judge
from memalpha.agent.reader import Answer
from memalpha.episode import Count, is_sufficient, shown_tokens
from memalpha.errors import CheckpointError, EpisodeError
from memalpha.evaluation.baselines import WatchedSystem
from memalpha.evaluation.ledger import Ledger, MemoryRow, QuestionRow, digest
from memalpha.memory.bank import Bank
from memalpha.metrics import score
from memalpha.records import Episode
from memalpha.rewards import RewardPreset, RewardWeights, RuleValidator, reward
from memalpha.traces import keep_trace

SIDE_BY_SIDE = 8
"""Episodes of a group."""

Load = Callable[[str, int], Sequence[Episode]]
"""The episodes of a suite by its name and a seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one seed draws from one suite."""

    suite: str
    seed: int
    episodes: tuple[Episode, ...]

    @property
    def questions(self) -> int:
        """How many there are."""
        return sum(len(episode.questions) for episode in self.episodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much goes on at the same time."""

    side_by_side: int = SIDE_BY_SIDE
    """Episodes of one group, of whatever suites."""
    workers: int = 1
    """Groups at once, in threads; more than one only where systems and models may be used from several."""


class Observer:
    """Follows a sweep; does nothing by itself."""

    def on_system(self, name: str, asked: int, total: int) -> None:
        """A system begins, with `asked` of its `total` questions answered earlier."""

    def on_answers(self, count: int) -> None:
        """So many more questions are answered; may be called from any thread."""


def plan(suites: Sequence[str], seeds: Sequence[int], load: Load) -> list[Cell]:
    """A cell for each suite and seed, without the episodes that an earlier seed drew in the same form.

    Systems are deterministic, so the same episode again would narrow an interval and tell nothing. Raises
    `EpisodeError` for two episodes of one id in a suite.
    """
    cells = []
    for suite in suites:
        seen: set[str] = set()
        for seed in seeds:
            drawn = {digest(episode): episode for episode in load(suite, seed)}
            fresh = tuple(episode for mark, episode in drawn.items() if mark not in seen)
            seen.update(drawn)
            if len({episode.id for episode in fresh}) < len(fresh):
                ids = [episode.id for episode in fresh]
                twice = next(each for each in ids if ids.count(each) > 1)
                raise EpisodeError(f"{suite}: got two episodes with the id {twice!r}, expected one; rename one of them")
            if fresh:
                cells.append(Cell(suite=suite, seed=seed, episodes=fresh))
    return cells


def run_sweep(
    systems: Mapping[str, WatchedSystem],
    cells: Sequence[Cell],
    ledger: Ledger,
    *,
    count_tokens: Count,
    judge: Judge | None = None,
    pace: Pace | None = None,
    observer: Observer | None = None,
) -> None:
    """Ask every system every question that the ledger does not hold.

    Args:
        systems: By the names under which they are kept.
        cells: From `plan`.
        ledger: Holds what was answered, and takes what is.
        count_tokens: Length of a text.
        judge: Says of every answer whether it is right, beside its score.
        pace: How much goes on at the same time.
        observer: Told of progress.

    Raises:
        CheckpointError: The ledger holds an episode of this id with other chunks or questions.
        ModelError: A model, a server or the judge failed; what was finished is kept.
        OutputError: A row could not be written.
    """
    pace, observer = pace or Pace(), observer or Observer()
    total = sum(cell.questions for cell in cells)
    for name, system in systems.items():
        asked = [each for cell in cells for each in _missing(name, cell, ledger)]
        groups = _groups(asked, pace.side_by_side)
        jobs = [_Job(name, system, group, ledger, count_tokens, judge, observer) for group in groups]
        observer.on_system(name, total - sum(job.questions for job in jobs), total)
        if pace.workers == 1:
            for job in jobs:
                job.run()
        else:
            _in_threads(jobs, pace.workers)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is left to ask of an episode."""

    cell: Cell
    episode: Episode
    numbers: tuple[int, ...]

    @property
    def reduced(self) -> Episode:
        """The episode with these questions only; no system knows a question while it reads."""
        return replace(self.episode, questions=tuple(self.episode.questions[number] for number in self.numbers))

    @property
    def shown(self) -> bool:
        """Whether its trace is kept: it is the first of its cell, and all of it is asked."""
        return self.episode is self.cell.episodes[0] and len(self.numbers) == len(self.episode.questions)


class _Job:
    """A group of episodes for one system; writes down what the system tells while it runs."""

    def __init__(
        self,
        name: str,
        system: WatchedSystem,
        group: Sequence[_Asked],
        ledger: Ledger,
        count_tokens: Count,
        judge: Judge | None,
        observer: Observer,
    ) -> None:
        self._name, self._system = name, system
        self._asked = {asked.episode.id: asked for asked in group}
        self._ledger, self._count, self._judge, self._observer = ledger, count_tokens, judge, observer
        self.questions = sum(len(asked.numbers) for asked in group)

    def run(self) -> None:
        traces = self._system.run([asked.reduced for asked in self._asked.values()], self)
        for asked, trace in zip(self._asked.values(), traces, strict=True):
            if asked.shown:
                name = f"{asked.cell.suite}-seed-{asked.cell.seed}-{self._name}"
                earned = reward(trace, preset=RewardPreset.DEFAULT, validator=RuleValidator(), count_tokens=self._count)
                keep_trace(self._ledger.folder, name, trace, earned, RewardWeights())

    def wrote(self, episode: Episode, bank: Bank, seconds: float) -> None:
        asked = self._asked[episode.id]
        self._ledger.add_memory(
            MemoryRow(
                system=self._name,
                suite=asked.cell.suite,
                seed=asked.cell.seed,
                episode=episode.id,
                digest=digest(asked.episode),
                raw_tokens=sum(self._count(chunk.text) for chunk in episode.chunks),
                memory_tokens=bank.tokens(),
                written_tokens=sum(self._count(each.after) for each in bank.log if each.after),
                seconds=seconds,
            )
        )

    def answered(self, episode: Episode, first: int, answers: Sequence[Answer], seconds: float) -> None:
        asked = self._asked[episode.id]
        for place, answer in enumerate(answers, start=first):
            question = episode.questions[place]
            judged = self._judge.correct(question.text, question.answers, answer.text) if self._judge else None
            self._ledger.add_question(
                QuestionRow(
                    system=self._name,
                    suite=asked.cell.suite,
                    seed=asked.cell.seed,
                    episode=episode.id,
                    number=asked.numbers[place],
                    competency=question.competency,
                    metric=question.metric,
                    answer=answer.text,
                    score=score(question.metric, answer.text, question.answers),
                    judged=judged,
                    sufficient=is_sufficient(answer, question),
                    read_tokens=shown_tokens(answer, self._count),
                    seconds=seconds / len(answers),
                )
            )
        self._observer.on_answers(len(answers))


def _missing(name: str, cell: Cell, ledger: Ledger) -> Iterator[_Asked]:
    for episode in cell.episodes:
        key = (name, cell.suite, cell.seed, episode.id)
        known = ledger.memories.get(key)
        if known and known.digest != digest(episode):
            raise CheckpointError(
                f"{ledger.folder} holds another episode {episode.id!r} of {cell.suite}, seed {cell.seed}; the data has "
                "changed since, take another folder"
            )
        numbers = tuple(at for at in range(len(episode.questions)) if (*key, at) not in ledger.questions)
        if numbers:
            yield _Asked(cell, episode, numbers)


def _groups(asked: Sequence[_Asked], size: int) -> list[list[_Asked]]:
    """Episodes that go side by side, in order and of any suites; no two of a group share an id."""
    groups: list[list[_Asked]] = []
    for each in asked:
        last = groups[-1] if groups else []
        if not last or len(last) == size or each.episode.id in {other.episode.id for other in last}:
            groups.append([])
        groups[-1].append(each)
    return groups


def _in_threads(jobs: Sequence[_Job], workers: int) -> None:
    """All jobs, so many at once; after the first failure none begins, and it is raised when those begun have ended."""
    stopped = threading.Event()

    def run(job: _Job) -> None:
        if not stopped.is_set():
            job.run()

    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="memalpha-sweep") as pool:
        futures = [pool.submit(run, job) for job in jobs]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        stopped.set()
        for future in done:
            future.result()
