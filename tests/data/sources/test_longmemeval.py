"""LongMemEval-train: several questions over the sessions that hold their answers, on records of the real shape."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.hub import HubSet
from memalpha.data.sources import longmemeval
from memalpha.data.sources.longmemeval import load
from memalpha.errors import EpisodeError
from memalpha.records import Episode


def session(number: int, words: int = 40) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": f"I saw whale{number}.", "has_answer": True},
        {"role": "assistant", "content": " ".join(["so"] * words) + "."},
    ]


def record(number: int, sessions: list[int], **change: Any) -> dict[str, Any]:
    return {
        "question_id": f"q{number}",
        "question_type": "single-session-user",
        "question": f"Which whale {number}?",
        "answer": f"whale{sessions[0]}",
        "question_date": "2023/05/30 (Tue) 23:40",
        "haystack_session_ids": [f"s{at}" for at in sessions],
        "haystack_dates": [f"2023/05/{28 - at:02d} (Sat) 02:21" for at in sessions],
        "haystack_sessions": [session(at) for at in sessions],
        "answer_session_ids": [f"s{sessions[0]}"],
        **change,
    }


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    file = folder / "longmemeval_oracle.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    return file


def test_questions_are_joined_over_their_sessions_by_date(
    tmp_path: Path, prove: Callable[..., list[Episode]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(longmemeval, "TOKENS", (100, 300))
    rows = [record(n, [n, n + 1]) for n in range(8)]  # the second session of each is the first one of the next
    file = write(tmp_path, [*rows, record(9, [9], question_id="q9_abs", answer="Nothing is said of it.")])
    episodes = prove(load, file)
    assert sum(len(episode.questions) for episode in episodes) == 8  # all but the abstention
    for number, episode in enumerate(episodes):
        assert (episode.id, episode.source) == (f"longmemeval_oracle.json:3:{number}", "longmemeval")
        assert len({chunk.text for chunk in episode.chunks}) == len(episode.chunks)
        for question in episode.questions:
            [place] = question.evidence
            assert f"User: I saw {question.answers[0]}." in episode.chunks[place].lines
        asked = {int(question.answers[0].removeprefix("whale")) for question in episode.questions}
        assert len(episode.chunks) == len(asked | {at + 1 for at in asked})


@pytest.mark.parametrize(
    ("tokens", "questions"),
    [
        ((1, 10_000), [4, 4, 1]),  # four, since the least tokens are there at once
        ((200, 10_000), [5, 4]),  # 44 words a session: the fifth passes 200
        ((1, 100), [2, 2, 2, 2, 1]),  # two fit
        ((1, 10), [1] * 9),  # one is there in any case
    ],
)
def test_four_questions_and_enough_tokens_but_not_too_many(
    tmp_path: Path, tokens: tuple[int, int], questions: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(longmemeval, "TOKENS", tokens)
    file = write(tmp_path, [record(n, [n]) for n in range(9)])
    episodes = list(load(file, count_tokens=lambda text: len(text.split())))
    assert [len(episode.questions) for episode in episodes] == questions


def test_the_shape_is_the_papers() -> None:
    assert (longmemeval.TOKENS, longmemeval.QUESTIONS) == ((10_000, 30_000), 4)


def test_the_hub_is_refused() -> None:
    with pytest.raises(EpisodeError, match=r"^hub:o/n:train: got a place on the hub, expected a file"):
        list(load(HubSet(name="o/n")))


def test_real_record(shared_data: Path, prove: Callable[..., list[Episode]]) -> None:
    file = shared_data / "longmemeval" / "sample_s_full.jsonl.gz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    [episode] = prove(load, file)
    assert episode.questions[0].answers == ("Business Administration",)
