"""Scores and intervals on hand-worked traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.agent.reader import Answer, Shown
from memalpha.episode import Trace
from memalpha.errors import EpisodeError
from memalpha.evaluation.harness import bootstrap, by_competency, compare, summarise
from memalpha.memory.bank import Bank, MemoryKind, Provenance
from memalpha.records import Chunk, Competency, Episode, Question

AR, CR, LRU = (
    Competency.ACCURATE_RETRIEVAL,
    Competency.CONFLICT_RESOLUTION,
    Competency.LONG_RANGE_UNDERSTANDING,
)


def trace(asked: Sequence[tuple[Competency, float]], *, memory: str, shown: str = "", raw_tokens: int = 10) -> Trace:
    """Questions whose gold answer is "yes", with their scores."""
    bank = Bank(count_tokens=lambda text: len(text.split()))
    bank.insert(MemoryKind.SEMANTIC, memory, Provenance())
    return Trace(
        episode=Episode(
            id="t",
            chunks=(Chunk(text="x"),),
            questions=tuple(Question(text="?!", answers=("yes",), competency=each) for each, _ in asked),
        ),
        steps=(),
        bank=bank,
        answers=tuple(Answer(text="", shown=Shown(core=shown, entries=())) for _ in asked),
        scores=tuple(score for _, score in asked),
        raw_tokens=raw_tokens,
    )


TRACES = (
    trace([(AR, 1.0), (CR, 0.0)], memory="one two", shown="oh yes", raw_tokens=4),
    trace([(AR, 1.0), (AR, 0.5), (CR, 1.0), (AR, 1.0)], memory="one two three four", raw_tokens=16),
)


def test_a_row_from_two_traces() -> None:
    row = summarise("x", TRACES, "2 chunks", seconds=1.5)
    # (1 + 0) / 2 = 0.5 and 3.5 / 4 = 0.875.
    assert row.score == pytest.approx(0.6875)
    assert (row.low, row.high) == (0.5, 0.875)
    # Over questions, whatever their episode: AR 3.5 of 4, CR 1 of 2.
    assert row.by_competency == {AR: 0.875, CR: 0.5}
    assert row.sufficiency == 0.5
    assert row.memory_tokens == 3.0
    # 2 / 4 and 4 / 16.
    assert row.memory_share == 0.375
    # Both wrote what they hold; of the questions of the first "oh yes" was read for each, of the second nothing.
    assert (row.written_tokens, row.read_tokens) == (3.0, 1.0)
    assert (row.system, row.read_budget, row.seconds, row.episodes) == ("x", "2 chunks", 1.5, 2)


def test_competencies_come_in_their_order_and_only_when_asked() -> None:
    asked = trace([(CR, 1.0), (LRU, 0.5), (AR, 0.0)], memory="m")
    assert list(by_competency([asked]).items()) == [(AR, 0.0), (LRU, 0.5), (CR, 1.0)]


def test_the_interval_of_one_episode_is_a_point() -> None:
    assert bootstrap(np.array([0.3])) == (pytest.approx(0.3), pytest.approx(0.3))


def test_the_interval_narrows_with_the_root_of_the_episodes() -> None:
    # Of 0 and 1 in equal parts the standard error is 0.5 / sqrt(n), the interval 1.96 of them on both sides.
    low, high = bootstrap(np.tile([0.0, 1.0], 50), resamples=20_000)
    assert low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.01)
    assert high == pytest.approx(0.5 + 1.96 * 0.05, abs=0.01)
    assert bootstrap(np.tile([0.0, 1.0], 50)) == bootstrap(np.tile([0.0, 1.0], 50))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_the_interval_lies_within_the_scores(scores: list[float]) -> None:
    low, high = bootstrap(np.array(scores), resamples=50)
    assert min(scores) - 1e-9 <= low <= high <= max(scores) + 1e-9


@dataclass
class Told:
    """A system that gives back what it is told and remembers what it was asked."""

    name: str
    traces: list[Trace]
    read_budget: str = "nothing"
    asked: list[Sequence[Episode]] = field(default_factory=list)

    def run(self, episodes: Sequence[Episode]) -> list[Trace]:
        self.asked.append(episodes)
        return self.traces


def test_systems_are_asked_the_same_in_order() -> None:
    systems = [Told("b", list(TRACES)), Told("a", [TRACES[0]])]
    episodes = [trace.episode for trace in TRACES]
    names: list[str] = []
    rows, traces = compare(systems, episodes, progress=names.append)
    assert names == ["b", "a"] == [row.system for row in rows] == list(traces)
    assert traces["a"] == [TRACES[0]]
    assert [row.score for row in rows] == [0.6875, 0.5]
    assert all(row.seconds >= 0 for row in rows)
    assert all(system.asked == [episodes] for system in systems)


def test_no_episodes_are_refused() -> None:
    with pytest.raises(EpisodeError, match="no episodes to score systems on"):
        compare([Told("a", [])], [])
