"""What the rows of a ledger come to: a table for each suite, one by competency, differences, score against length.

Everything is computed from the rows of the cells that are asked for, in their order, so that an evaluation that was
interrupted comes to the numbers of one that was not; times aside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from memalpha.evaluation.harness import SystemScore
from memalpha.evaluation.ledger import Ledger, MemoryRow, QuestionRow
from memalpha.evaluation.paper_tables import PaperTable, column_of
from memalpha.evaluation.statistics import holm, interval, mean_of, resampled_means, sign_flip
from memalpha.evaluation.sweep import Cell
from memalpha.records import Competency

RAG = "rag-top2"
"""Every system is compared with this one, and with the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its interval of 95%."""

    score: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """How much better a system is than another on the same questions."""

    system: str
    against: str
    difference: Estimate
    p: float
    """Two-sided, by sign flips of episodes; raised by Holm's method for the systems of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The table of one suite."""

    suite: str
    rows: tuple[SystemScore, ...]
    contrasts: tuple[Contrast, ...]
    episodes: int
    questions: int
    raw_tokens: float
    """Mean length of a stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overall:
    """A system over all suites, each of which counts once."""

    system: str
    mean: Estimate
    by_competency: Mapping[Competency, Estimate]
    memory_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperCells:
    """The cells of a system for a table of the paper; None where its suite was not run."""

    system: str
    scores: tuple[float | None, ...]
    memory: tuple[float | None, ...]
    """Thousands of tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Titles:
    """How a system is shown."""

    title: str
    read_budget: str


class Results:
    """The rows of some systems on some cells."""

    def __init__(self, ledger: Ledger, cells: Sequence[Cell], systems: Mapping[str, Titles]) -> None:
        """`systems` by the names in the ledger, every one of which must have been asked everything."""
        self._ledger, self._cells, self._systems = ledger, cells, systems
        self.suites = tuple(dict.fromkeys(cell.suite for cell in cells))

    def boards(self) -> list[Board]:
        """The table of each suite."""
        return [self._board(suite) for suite in self.suites]

    def overall(self) -> list[Overall]:
        """Every system over all suites and over those that ask for a competency; suites are drawn apart."""
        return [self._overall(system) for system in self._systems]

    def contrasts(self) -> list[Contrast]:
        """Differences over all suites, each of which counts once."""
        return self._contrasts(self.suites)

    def paper(self, table: PaperTable) -> list[PaperCells]:
        """Our cells for a table of the paper; empty when none of its suites was run."""
        found = [self._paper_cells(system, table) for system in self._systems]
        return [cells for cells in found if any(score is not None for score in cells.scores)]

    def _questions(self, system: str, suite: str) -> dict[tuple[int, str], list[QuestionRow]]:
        """The rows of each episode, in the order of its questions."""
        return {
            (cell.seed, episode.id): [
                self._ledger.questions[system, suite, cell.seed, episode.id, number]
                for number in range(len(episode.questions))
            ]
            for cell in self._cells
            if cell.suite == suite
            for episode in cell.episodes
        }

    def _memories(self, system: str, suite: str) -> list[MemoryRow]:
        return [
            self._ledger.memories[system, suite, cell.seed, episode.id]
            for cell in self._cells
            if cell.suite == suite
            for episode in cell.episodes
        ]

    def _board(self, suite: str) -> Board:
        rows = tuple(self._score(system, suite) for system in self._systems)
        asked = [cell for cell in self._cells if cell.suite == suite]
        lengths = [memory.raw_tokens for memory in self._memories(next(iter(self._systems)), suite)]
        return Board(
            suite=suite,
            rows=rows,
            contrasts=tuple(self._contrasts((suite,))),
            episodes=len(lengths),
            questions=sum(cell.questions for cell in asked),
            raw_tokens=float(np.mean(lengths)),
        )

    def _score(self, system: str, suite: str) -> SystemScore:
        asked = list(self._questions(system, suite).values())
        memories = self._memories(system, suite)
        estimate = estimated(_scores(asked))
        reading = sum(row.seconds for rows in asked for row in rows)
        judged = all(row.judged is not None for rows in asked for row in rows)
        return SystemScore(
            system=self._systems[system].title,
            score=estimate.score,
            low=estimate.low,
            high=estimate.high,
            by_competency=_by_competency(asked),
            sufficiency=mean_of([np.array([float(row.sufficient) for row in rows]) for rows in asked]),
            memory_tokens=float(np.mean([row.memory_tokens for row in memories])),
            memory_share=float(np.mean([row.memory_tokens / row.raw_tokens for row in memories])),
            written_tokens=float(np.mean([row.written_tokens for row in memories])),
            read_tokens=mean_of([np.array([float(row.read_tokens) for row in rows]) for rows in asked]),
            read_budget=self._systems[system].read_budget,
            seconds=sum(row.seconds for row in memories) + reading,
            episodes=len(memories),
            read_seconds=reading,
            judged=mean_of([np.array([float(bool(row.judged)) for row in rows]) for rows in asked]) if judged else None,
        )

    def _overall(self, system: str) -> Overall:
        by_competency = {}
        for competency in Competency:
            parts = [_scores(self._questions(system, suite).values(), competency) for suite in self.suites]
            if any(parts):
                by_competency[competency] = estimated(*filter(None, parts))
        shares = [
            np.mean([row.memory_tokens / row.raw_tokens for row in self._memories(system, suite)])
            for suite in self.suites
        ]
        return Overall(
            system=self._systems[system].title,
            mean=estimated(*(_scores(self._questions(system, suite).values()) for suite in self.suites)),
            by_competency=by_competency,
            memory_share=float(np.mean(shares)),
        )

    def _contrasts(self, suites: Sequence[str]) -> list[Contrast]:
        """Each system against the best and against RAG-Top2; the best is the best of these rows."""
        means = {
            system: float(np.mean([mean_of(_scores(self._questions(system, suite).values())) for suite in suites]))
            for system in self._systems
        }
        best = max(means, key=means.__getitem__)
        found = []
        for against in dict.fromkeys([best, *([RAG] if RAG in means else [])]):
            others = [system for system in self._systems if system != against]
            pairs = [self._difference(system, against, suites) for system in others]
            for system, (difference, _), p in zip(others, pairs, holm([p for _, p in pairs]), strict=True):
                names = self._systems[system].title, self._systems[against].title
                found.append(Contrast(system=names[0], against=names[1], difference=difference, p=p))
        return found

    def _difference(self, system: str, against: str, suites: Sequence[str]) -> tuple[Estimate, float]:
        parts = []
        for suite in suites:
            ours, theirs = self._questions(system, suite), self._questions(against, suite)
            pairs = zip(_scores(ours.values()), _scores(theirs.values()), strict=True)
            parts.append([mine - other for mine, other in pairs])
        # Weighted so that the mean over all episodes is the mean over suites.
        episodes = sum(map(len, parts))
        weighted = [each.mean() * episodes / (len(parts) * len(part)) for part in parts for each in part]
        return estimated(*parts), sign_flip(np.array(weighted))

    def _paper_cells(self, system: str, table: PaperTable) -> PaperCells:
        scores: dict[str, list[float]] = defaultdict(list)
        memory: dict[str, list[float]] = defaultdict(list)
        for cell in self._cells:
            for episode in cell.episodes:
                column = column_of(episode)
                if column is None or column not in table.columns:
                    continue
                key = (system, cell.suite, cell.seed, episode.id)
                rows = [self._ledger.questions[*key, number] for number in range(len(episode.questions))]
                found = [row.judged if column.judged else row.score for row in rows]
                if None not in found:
                    scores[column.title].append(float(np.mean([float(each or 0.0) for each in found])))
                    memory[column.title].append(self._ledger.memories[key].memory_tokens / 1000)
        return PaperCells(
            system=self._systems[system].title,
            scores=tuple(_mean_or_none(scores[column.title]) for column in table.columns),
            memory=tuple(_mean_or_none(memory[column.title]) for column in table.columns),
        )


def estimated(*suites_EQ: Sequence[np.ndarray]) -> Estimate:
    """The mean over suites of the mean over the episodes of each; each is drawn by itself for the interval."""
    means_R = np.mean([resampled_means(scores, seed=seed) for seed, scores in enumerate(suites_EQ)], axis=0)
    low, high = interval(means_R)
    return Estimate(score=float(np.mean([mean_of(scores) for scores in suites_EQ])), low=low, high=high)


def by_length(
    boards: Sequence[Board], value: Callable[[SystemScore], float]
) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """By suite without its length and by system: mean length of a stream and a value, from the shortest on.

    Only suites that were built in several lengths.
    """
    found: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for board in sorted(boards, key=lambda board: board.raw_tokens):
        for row in board.rows:
            found[board.suite.partition("@")[0]][row.system].append((board.raw_tokens, value(row)))
    return {suite: dict(lines) for suite, lines in found.items() if any(len(points) > 1 for points in lines.values())}


def _scores(asked: Iterable[Sequence[QuestionRow]], competency: Competency | None = None) -> list[np.ndarray]:
    """Scores of each episode that asks for the competency, or of all."""
    found = [[row.score for row in rows if competency in (None, row.competency)] for rows in asked]
    return [np.array(scores) for scores in found if scores]


def _by_competency(asked: Sequence[Sequence[QuestionRow]]) -> dict[Competency, float]:
    """Mean over all questions of each competency, as `memalpha.evaluation.harness.by_competency`."""
    scores: dict[Competency, list[float]] = defaultdict(list)
    for rows in asked:
        for row in rows:
            scores[row.competency].append(row.score)
    return {each: sum(scores[each]) / len(scores[each]) for each in Competency if scores[each]}


def _mean_or_none(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
