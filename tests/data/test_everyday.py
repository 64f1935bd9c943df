"""Everyday talk: repeatable, fair in its answers, and with frames that can all be filled."""

from __future__ import annotations

import re

from memalpha.agent.tokens import nano_counter
from memalpha.data.everyday import CHUNKS, Line, make_episode, make_talk
from memalpha.data.words import Split
from memalpha.memory.entry import MemoryKind
from memalpha.metrics import contains
from memalpha.records import Competency

TALKS = [make_talk(seed) for seed in range(150)]
LINES = [line for talk in TALKS for chunk in talk for line in chunk]


def test_the_same_seed_is_the_same_talk_and_another_split_another() -> None:
    assert make_talk(3) == make_talk(3)
    assert make_talk(3) != make_talk(4)
    assert make_talk(3) != make_talk(3, split=Split.TEST)
    assert len(make_talk(3)) == CHUNKS
    assert len(make_talk(3, chunks=4)) == 4


def test_every_brace_is_filled_and_every_line_has_a_speaker_and_words() -> None:
    assert not [line.text for line in LINES if re.search(r"[{}]", line.text) and "WHERE" not in line.text]
    assert all(re.fullmatch(r"[A-Z]\w+: \S.*\w.*", line.text) for line in LINES)


def test_what_is_worth_keeping_is_said_by_users_but_for_what_the_assistant_did() -> None:
    worth = [line for line in LINES if line.kind is not None]
    assert 0.25 < len(worth) / len(LINES) < 0.45
    of_assistant = [line for line in worth if line.text.startswith("Assistant: ")]
    assert 0 < len(of_assistant) < 0.1 * len(worth)
    assert all(line.thread is None for line in of_assistant)
    assert {line.kind for line in worth} == {MemoryKind.SEMANTIC, MemoryKind.EPISODIC}


def test_a_correction_follows_the_statement_of_its_thread() -> None:
    for talk in TALKS:
        said: set[int] = set()
        for line in (line for chunk in talk for line in chunk if line.thread is not None):
            assert line.corrects == (line.thread in said)
            said.add(line.thread)  # type: ignore[arg-type]
    assert sum(line.corrects for line in LINES) > 100


def test_an_episode_asks_for_the_latest_value_and_its_evidence_says_it() -> None:
    episodes = [make_episode(seed) for seed in range(150)]
    questions = [(episode, question) for episode in episodes for question in episode.questions]
    for episode, question in questions:
        (answer,), (place,) = question.answers, question.evidence
        assert contains(episode.chunks[place].text, question.answers), (answer, episode.chunks[place].text)
        assert "what" in question.text.lower() and question.text.endswith("?")
    corrected = [question for _, question in questions if question.competency is Competency.CONFLICT_RESOLUTION]
    assert 0.1 < len(corrected) / len(questions) < 0.6


def test_an_episode_is_the_talk_of_the_same_seed() -> None:
    lines = tuple(tuple(line.text for line in chunk) for chunk in make_talk(8))
    assert tuple(chunk.lines for chunk in make_episode(8).chunks) == lines


def test_a_chunk_is_as_long_as_the_messages_of_an_application() -> None:
    tokens = [sum(nano_counter()(line.text) for line in chunk) for talk in TALKS for chunk in talk]
    assert 20 < sum(tokens) / len(tokens) < 110
    assert max(tokens) < 400


def test_a_line_of_nobody_is_worth_nothing() -> None:
    assert Line(text="User: Hi!") == Line(text="User: Hi!", kind=None, thread=None, corrects=False)
