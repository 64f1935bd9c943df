"""Messages as chunks: speakers, times, whose words each line is, and what is no message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.errors import ConfigError
from memalpha.memory.entry import Origin
from memalpha.service.conversation import Messages, Said, portions, read_messages

USER, ASSISTANT, TOOL, DOCUMENT = Origin


def words(text: str) -> int:
    return len(text.split())


def part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def told(messages: Messages, origin: Origin | None = None) -> list[tuple[str, str, Origin]]:
    return [(said.speaker, said.text, said.origin) for said in read_messages(messages, origin)]


def test_a_text_is_the_users() -> None:
    assert told(" I moved to Lisbon. ") == [("User", "I moved to Lisbon.", USER)]
    assert told(["Hi", {"content": "there"}]) == [("User", "Hi", USER), ("User", "there", USER)]


def test_roles_say_whose_words_they_are() -> None:
    messages: Messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [part("What is"), {"type": "image_url"}, part("this?")]},
        {"role": "assistant", "content": None},
        {"role": "tool", "content": "a cat", "name": "look at"},
        {"role": "assistant", "content": "A cat."},
        {"role": "document", "content": "Cats."},
    ]
    assert told(messages) == [
        ("User", "What is\nthis?", USER),
        ("look at", "a cat", TOOL),
        ("Assistant", "A cat.", TOOL),
        ("Document", "Cats.", DOCUMENT),
    ]
    assert {origin for _, _, origin in told(messages, DOCUMENT)} == {DOCUMENT}


def test_an_origin_goes_by_its_name_too() -> None:
    assert told("It rains.", "document") == [("User", "It rains.", DOCUMENT)]  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="got the origin 'rumour', expected one of user, assistant, tool, document"):
        read_messages("It rains.", "rumour")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([], "got no message with a text"),
        ("  ", "got no message with a text"),
        ([{"role": "system", "content": "Be kind."}], "got no message with a text"),
        ([7], "got message 1 of type int"),
        (["a", {"role": "robot", "content": "x"}], "got the role 'robot' in message 2"),
        ([{"role": "user", "content": 3}], "got a content of type int in message 1"),
        ([{"role": "user", "content": ["a"]}], "got a content of type list in message 1"),
        ("a\0b", "zero byte"),
        ("a \ud800 b", "half of a surrogate pair"),
    ],
)
def test_what_is_no_message_is_one_sentence(messages: Messages, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_messages(messages)


def test_a_sentence_is_a_line_and_a_long_text_is_cut() -> None:
    said = read_messages(["Ann has a dog. It is old.\n\n- Bo sings", {"role": "assistant", "content": "Nice!"}])
    (whole,) = portions(said, "2026-05-01", 50, words)
    assert whole.chunk.lines == ("User: Ann has a dog.", "User: It is old.", "User: - Bo sings", "Assistant: Nice!")
    assert whole.chunk.time == "2026-05-01"
    assert whole.origins == (USER, USER, USER, ASSISTANT)
    cut = portions(said, None, 9, words)
    assert [part.chunk.lines for part in cut] == [whole.chunk.lines[:2], whole.chunk.lines[2:]]
    assert [part.origins for part in cut] == [(USER, USER), (USER, ASSISTANT)]
    assert [part.chunk.text for part in portions(said, None, 3, words)][:2] == ["User: Ann has", "a dog."]


def test_what_anybody_may_have_written_stands_in_chunks_of_its_own() -> None:
    roles = ["user", "tool", "document", "assistant", "user"]
    said = read_messages([{"role": role, "content": f"{role} speaks."} for role in roles])
    assert [part.origins for part in portions(said, None, 100, words)] == [
        (USER,),
        (TOOL, DOCUMENT, DOCUMENT),
        (USER,),
    ]


def test_the_assistant_speaks_for_what_it_has_just_read_until_the_user_speaks() -> None:
    roles = ["assistant", "tool", "assistant", "assistant", "user", "assistant", "document", "tool", "assistant"]
    said = read_messages([{"role": role, "content": "x"} for role in roles])
    assert [each.origin for each in said] == [
        ASSISTANT, TOOL, TOOL, TOOL, USER, ASSISTANT, DOCUMENT, TOOL, DOCUMENT,
    ]  # fmt: skip


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Origin)), st.text(alphabet="ab .!?\n", min_size=1, max_size=60)), max_size=8
    ),
    st.integers(1, 12),
)
def test_no_word_is_lost_and_each_line_has_an_origin(told: list[tuple[Origin, str]], most: int) -> None:
    said = [Said(speaker="S", text=text, origin=origin) for origin, text in told if text.strip()]
    parts = portions(said, None, most, words)
    for part in parts:
        assert len(part.origins) == len(part.chunk.lines)
        assert len({origin.trusted for origin in part.origins}) == 1
    heard = " ".join(part.chunk.text for part in parts).replace("S:", "").split()
    assert heard == " ".join(each.text for each in said).split()
