"""The marks of two runs of one episode, line by line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.agent.reader import ExtractiveReader
from memalpha.episode import Trace, finish
from memalpha.evaluation.marks import Fate, Verdict, mark_answers, mark_chunks, name_of, visible
from memalpha.memory.bank import Bank, MemoryKind, Provenance
from memalpha.records import Chunk, Episode, Question, ToolStatus

STORED, CHANGED, IGNORED = Fate.STORED, Fate.CHANGED, Fate.IGNORED


def fates(trace: Trace) -> list[list[Fate]]:
    return [[line.fate for line in chunk.lines] for chunk in mark_chunks(trace)]


def test_lines_are_stored_changed_or_ignored(before: Trace, after: Trace) -> None:
    assert fates(before) == [[IGNORED, STORED], [IGNORED, IGNORED, IGNORED]]
    assert fates(after) == [[STORED, IGNORED], [CHANGED, STORED, IGNORED]]
    assert [chunk.kept for chunk in mark_chunks(after)] == [1, 2]


def test_a_write_tells_its_entry_what_it_replaced_and_what_became_of_it(after: Trace) -> None:
    first, second = mark_chunks(after)
    (stored,) = first.lines[0].writes
    assert (stored.target, stored.replaces, stored.afterwards) == ("semantic #1", None, "replaced in chunk 2")
    (changed,) = second.lines[0].writes
    assert (changed.target, changed.replaces, changed.afterwards) == ("semantic #1", "Ann lives in Rome.", "")
    (other,) = second.lines[1].writes
    assert (other.target, other.replaces, other.afterwards) == ("semantic #2", None, "")


def test_own_words_deletes_and_refused_calls_stand_apart(before: Trace) -> None:
    first, second = mark_chunks(before)
    assert [result.status for _, result in first.refused] == [ToolStatus.MALFORMED]
    assert [result.status for _, result in second.refused] == [ToolStatus.DUPLICATE]
    assert [write.target for write in second.deletes] == ["episodic #1"]
    assert [write.operation.after for write in second.own_words] == ["Ann and Bob talk."]
    assert first.lines[1].writes[0].afterwards == "deleted in chunk 2"
    assert (first.own_words, first.deletes) == ((), ())


def test_lines_name_the_questions_that_they_answer(after: Trace) -> None:
    first, second = mark_chunks(after)
    assert [line.answers for line in first.lines] == [(), ()]
    assert [line.answers for line in second.lines] == [(1,), (2,), ()]


def test_answers_are_marked_with_where_the_point_was_lost(before: Trace, after: Trace) -> None:
    assert [mark.verdict for mark in mark_answers(after)] == [Verdict.RIGHT, Verdict.RIGHT]
    assert [mark.reason for mark in mark_answers(after)] == ["", ""]
    assert [mark.verdict for mark in mark_answers(before)] == [Verdict.WRONG, Verdict.WRONG]
    assert {mark.reason for mark in mark_answers(before)} == {"the answer was not in what was read"}
    unlucky = mark_answers(replace(after, scores=(0.0, 0.25)))
    assert [mark.verdict for mark in unlucky] == [Verdict.WRONG, Verdict.PARTLY]
    assert {mark.reason for mark in unlucky} == {"the answer was read, but not given"}


def test_a_trace_without_steps_is_marked_from_its_log() -> None:
    episode = Episode(id="rule", chunks=(Chunk(text="a\nb"),), questions=(Question(text="a or b?", answers=("b",)),))
    bank = Bank(count_tokens=len)
    bank.insert(MemoryKind.EPISODIC, "b", Provenance(chunk=0, lines=(2,)))
    bank.update(MemoryKind.CORE, None, "a and b", Provenance(chunk=0))
    bank.update(MemoryKind.CORE, None, "b and a", Provenance())
    (chunk,) = mark_chunks(finish(episode, (), bank, ExtractiveReader(), len))
    assert [line.fate for line in chunk.lines] == [IGNORED, STORED]
    assert chunk.refused == ()
    assert [(write.target, write.afterwards) for write in chunk.own_words] == [("core", "replaced later")]
    assert [name_of(operation) for operation in bank.log] == ["episodic #1", "core", "core"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain é 東 🙂\n\ttext", "plain é 東 🙂\n\ttext"),
        ("red \x1b[31m", "red �[31m"),
        ("a\r\nb\rc", "a\nb�c"),
        ("\u202egnp.exe", "�gnp.exe"),
        ("half \ud83d", "half �"),
    ],
)
def test_visible(text: str, expected: str) -> None:
    assert visible(text) == expected


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_visible_text_can_be_written(text: str) -> None:
    assert visible(visible(text)) == visible(text)
    assert visible(text).encode("utf-8").decode("utf-8") == visible(text)
    assert "\x1b" not in visible(text)
