"""The benchmarks of the default writer: what a question rests on, what is found of it, and selections of one size."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
if str(FOLDER) not in sys.path:
    sys.path.append(str(FOLDER))

import conversation_tables  # noqa: E402
import conversations  # noqa: E402
import nano_chat  # noqa: E402
from statements import Chat, Said, Statement, read_chats  # noqa: E402

LISBON = "I live in Lisbon with my dog Rex."
WEATHER = "Is it warm there?"
ADVICE = "Lisbon is warm in May."


def message(id: int, role: str, content: str) -> dict[str, Any]:
    return {"id": id, "role": role, "content": content, "time_anchor": "May-01-2026"}


@pytest.fixture
def chat(tmp_path: Path) -> Chat:
    turns = [
        [message(4, "user", f"{LISBON} {WEATHER} ->-> 1,1"), message(5, "assistant", f"{ADVICE} Enjoy it!")],
        [message(6, "user", "ok cool")],
    ]
    asked = {
        "question": "What is the name of my dog?",
        "answer": "Rex",
        "source_chat_ids": [4],
        "rubric": ["Rex"],
    }
    told = {"question": "When is it warm?", "answer": "May", "source_chat_ids": {"first": [5], "second": [4]}}
    preferred = {"question": "Where should I eat?", "preference_being_tested": "x", "source_chat_ids": [6]}
    record = {
        "chat_id": 9,
        "chat": [{"turns": turns}],
        "probing_questions": {
            "information_extraction": [asked],
            "temporal_reasoning": [told],
            "preference_following": [preferred],
            "abstention": [{"question": "Who is Ana?", "ideal_response": "Not said."}],
        },
    }
    file = tmp_path / "train.jsonl"
    file.write_text(json.dumps(record) + "\n", encoding="utf-8")
    (read,) = read_chats(file)
    return read


def test_a_statement_is_the_line_that_shares_most_with_question_and_answer(chat: Chat) -> None:
    assert [said.lines for said in chat.messages] == [(LISBON, WEATHER), (ADVICE, "Enjoy it!"), ("ok cool",)]
    assert chat.messages[0].time == "2026-05-01"
    assert chat.statements == (
        Statement(kind="information_extraction", question="What is the name of my dog?", message=0, line=LISBON),
        Statement(kind="temporal_reasoning", question="When is it warm?", message=1, line=ADVICE),
        Statement(kind="temporal_reasoning", question="When is it warm?", message=0, line=WEATHER),
        Statement(kind="preference_following", question="Where should I eat?", message=2, line="ok cool"),
    )


def test_what_is_stored_and_what_is_found(chat: Chat) -> None:
    lines = conversations.lines_of(chat)
    done = conversations.outcome("own", chat, partial(conversations.keep_lines, lines[:2]))
    assert (done.entries, done.p50_ms) == (2, None)
    assert [each.stored for each in done.found] == [True, False, True, False]
    assert [each.first for each in done.found] == [(True, True), (False, False), (True, True), (False, False)]
    assert [each.role for each in done.found] == ["user", "assistant", "user", "user"]


def test_a_whole_message_holds_its_lines_and_has_its_time(chat: Chat) -> None:
    done = conversations.outcome("all", chat, conversations.whole_messages)
    assert done.entries == 3 and done.kept_tokens == done.read_tokens
    assert all(each.stored for each in done.found)
    assert done.p50_ms is not None and done.p95_ms is not None and 0 < done.p50_ms <= done.p95_ms


def test_a_selection_is_as_long_as_it_may_be(chat: Chat) -> None:
    lines = conversations.lines_of(chat)
    size = conversations.nano_counter()(conversations.spoken(*lines[0]))
    assert conversations.of_size(lines, size) == lines[:1]
    assert conversations.of_size(lines, size - 1) == []


def test_lessons_keep_what_a_question_rests_on_and_leave_out_what_nobody_can_tell(chat: Chat) -> None:
    gold = {statement.line for statement in chat.statements}
    user, assistant = chat.messages[:2]

    def worth(said: Said, text: str, own: bool) -> tuple[bool, bool]:
        line = nano_chat.labelled(said, text, gold, own=own)
        return line is not None, line is not None and line.kind is not None

    kept, passed, left_out = (True, True), (True, False), (False, False)
    for own, sons in ((False, left_out), (True, kept)):
        assert worth(user, LISBON, own) == kept
        assert worth(assistant, ADVICE, own) == passed
        assert worth(user, "ok", own) == passed
        assert worth(user, "Can you tell me more about my town please?", own) == passed
        assert worth(user, "I have two sons and a boat here.", own) == sons


def test_a_share_is_a_mean_over_chats_of_means_over_statements() -> None:
    def row(chat: str, *stored: bool) -> dict[str, Any]:
        return {"chat": chat, "found": [{"stored": each} for each in stored]}

    rows = [row("1", True, True, False, False), row("1", True, True, True, False), row("2", True)]
    # Chat 1 has (1 + 1 + 0.5 + 0) / 4 over its two draws, chat 2 has 1.
    text = conversation_tables.share(rows, lambda found: found["stored"])
    assert text.startswith("0.81 [")
