"""The headline, sentence by sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memalpha.errors import ConfigError
from memalpha.evaluation.findings import find_pairs, headline
from memalpha.evaluation.harness import SystemScore


def test_a_run_that_learned(rows: list[SystemScore]) -> None:
    progress, memory, standing = headline(rows)
    assert (progress.title, progress.figure, progress.note) == ("Score", "0.200 → 0.500", "×2.50")
    assert progress.sentence == (
        "On the same 16 episodes the mean score rose from 0.200 to 0.500, 2.50 times what it was; "
        "the 95% intervals do not overlap."
    )
    assert (memory.title, memory.figure) == ("Memory against RAG-Top2", "30%")
    assert memory.sentence == (
        "After RL ends with 60 tokens in memory where RAG-Top2 keeps 200, and scores 0.500 where RAG-Top2 scores 0.400."
    )
    assert (standing.figure, standing.note) == ("1 of 2", "baselines score lower")
    assert standing.sentence == "After RL scores above RAG-Top2 and not above Sentence BM25."


def test_a_run_that_did_not_learn_says_so(rows: list[SystemScore]) -> None:
    warm, trained, *_ = rows
    (worse,) = headline([replace(warm, score=0.5, low=0.3, high=0.7), replace(trained, score=0.4, low=0.3)])
    assert (worse.figure, worse.note) == ("0.500 → 0.400", "×0.80")
    assert "fell from 0.500 to 0.400, 0.80 times what it was; the 95% intervals overlap." in worse.sentence
    (same,) = headline([replace(warm, score=0.5001), replace(trained, score=0.4999)])
    assert (same.note, "stayed at 0.500;" in same.sentence) == ("no change", True)
    (first,) = headline([replace(warm, score=0.0), replace(trained, episodes=1)])
    assert (first.note, "On the same episode the" in first.sentence) == ("from zero", True)
    assert "times" not in first.sentence


def test_pairs_go_by_the_end_of_their_names(rows: list[SystemScore]) -> None:
    names = ["After RL (greedy)", "Warm start (sampled)", "Warm start (greedy)", "After RL (sampled)", "Warm start (x)"]
    named = [replace(rows[0], system=name) for name in names]
    assert [(a.system, b.system) for a, b in find_pairs(named)] == [
        ("Warm start (sampled)", "After RL (sampled)"),
        ("Warm start (greedy)", "After RL (greedy)"),
    ]
    titles = [claim.title for claim in headline(named)]
    assert titles == ["Score, sampled", "Score, greedy", "Against the baselines"]


def test_nothing_to_compare_is_refused(rows: list[SystemScore]) -> None:
    with pytest.raises(ConfigError, match="got the systems RAG-Top2, Sentence BM25, expected one named 'Warm start'"):
        headline(rows[2:])
