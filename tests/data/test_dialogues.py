"""Sessions as chunks: worked by hand, then what holds of all."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.data.dialogues import Session, Turn, read_time, session_chunks
from memalpha.errors import EpisodeError
from memalpha.records import Chunk


def words(text: str) -> int:
    return len(text.split())


def session(time: str | None, *turns: tuple[str, str]) -> Session:
    return Session(turns=tuple(Turn(speaker=speaker, text=text) for speaker, text in turns), time=time)


def test_every_line_is_a_sentence_with_its_speaker_and_no_chunk_is_of_two_sessions() -> None:
    chunks, held = session_chunks(
        [
            session("2024-03-05", ("Ann", "Hi Bob. How are\nyou?\n\n- Fine"), ("Bob", " "), ("Bob", "So so.")),
            session(None, ("Ann", "Bye.")),
        ],
        8,
        words,
    )
    assert chunks == (
        Chunk(text="Ann: Hi Bob.\nAnn: How are you?", time="2024-03-05"),
        Chunk(text="Ann: - Fine\nBob: So so.", time="2024-03-05"),
        Chunk(text="Ann: Bye."),
    )
    assert held == [[range(2), range(0), range(1, 2)], [range(2, 3)]]


def test_a_session_without_text_has_no_chunk() -> None:
    chunks, held = session_chunks([session("2024-03-05", ("Ann", "")), session(None, ("Bob", "Hi."))], 8, words)
    assert chunks == (Chunk(text="Bob: Hi."),)
    assert [[list(each) for each in turns] for turns in held] == [[[]], [[0]]]


@given(st.lists(st.lists(st.text("ab .\n", max_size=30), max_size=4), max_size=4), st.integers(1, 12))
def test_every_word_of_a_turn_stands_in_its_chunks(texts: list[list[str]], limit: int) -> None:
    sessions = [session(str(at), *((f"S{n}", text) for n, text in enumerate(turns))) for at, turns in enumerate(texts)]
    chunks, held = session_chunks(sessions, limit, words)
    assert all(words(chunk.text) <= limit for chunk in chunks)
    for at, turns in enumerate(texts):
        for number, text in enumerate(turns):
            lines = "\n".join(chunks[index].text for index in held[at][number]).split()
            assert set(text.split()) <= set(lines)
            assert {chunks[index].time for index in held[at][number]} <= {str(at)}


def test_a_time_is_read_in_its_form_or_named() -> None:
    assert read_time(" March-15-2024", "%B-%d-%Y", "f:1") == datetime.datetime(2024, 3, 15)
    with pytest.raises(EpisodeError) as caught:
        read_time("soon", "%B-%d-%Y", "f:1")
    assert str(caught.value) == "f:1: got the time 'soon', expected the form '%B-%d-%Y'; mend the record"
