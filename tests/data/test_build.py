"""Building a set from small files of real shapes: limits, split, leaks, and parts of what is too long."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.data import build as module
from memalpha.data.build import Built, Plan, Row, build, sources_in, split_long, suites_in, table
from memalpha.data.labelled import Shape
from memalpha.data.leaks import LeakKind, LeakPolicy
from memalpha.data.sources import csabstruct
from memalpha.errors import ConfigError, EpisodeError
from memalpha.records import Chunk, Episode, Question


def words(text: str) -> int:
    return len(text.split())


def chat(number: int, questions: int = 3) -> dict[str, Any]:
    """One record of BEAM: a message and a question for each place."""
    towns = [f"Town{number}x{n}" for n in range(questions)]
    said = [f"On day {n} of trip {number} we saw the old harbour of {town}." for n, town in enumerate(towns)]
    asked = [
        {"question": f"What did trip {number} see on day {n}?", "answer": town, "source_chat_ids": [n]}
        for n, town in enumerate(towns)
    ]
    messages = [{"role": "user", "id": n, "content": text} for n, text in enumerate(said)]
    return {
        "chat_id": number,
        "chat": [{"batch_number": 1, "turns": [messages], "time_anchor": None}],
        "probing_questions": {"information_extraction": asked},
    }


def write(file: Path, rows: Sequence[object]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def chats(folder: Path, count: int = 20) -> Path:
    return write(folder / "beam" / "train.jsonl", [chat(n) for n in range(count)])


def abstracts(folder: Path) -> Path:
    rows = [
        {"abstract_id": n, "sentences": [f"In sentence {n} we come to number {n * 7}."], "labels": [f"l{n % 3}"]}
        for n in range(4000)
    ]
    return write(folder / "csabstruct" / "train.jsonl", rows)


@pytest.fixture(autouse=True)
def _small_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csabstruct, "SHAPE", Shape(episodes=99, chunk_tokens=(20, 40), reuse=False, questions=20))


def run(given: dict[str, list[Any]], plan: Plan | None = None, **tests: Sequence[Episode]) -> Built:
    return build(given, tests, plan or Plan(), count_tokens=words)


def ids(episodes: Sequence[Episode]) -> list[str]:
    return [episode.id for episode in episodes]


def test_each_source_is_split_nine_to_one_by_the_seed(tmp_path: Path) -> None:
    given: dict[str, list[Any]] = {"beam": [chats(tmp_path)], "csabstruct": [abstracts(tmp_path)]}
    built = run(given)
    samples = [episode for episode in (*built.training, *built.validation) if episode.source == "csabstruct"]
    held = [sum(episode.source == name for episode in built.validation) for name in given]
    assert held == [2, round(len(samples) / 10)]
    assert len(set(ids([*built.training, *built.validation]))) == 20 + len(samples)
    assert [episode.source for episode in built.training] != sorted(episode.source for episode in built.training)
    assert run(given) == built
    assert ids(run(given, Plan(seed=1)).training) != ids(built.training)


def test_training_is_limited_and_validation_is_not(tmp_path: Path) -> None:
    given: dict[str, list[Any]] = {"beam": [chats(tmp_path)], "csabstruct": [abstracts(tmp_path)]}
    built = run(given, Plan(limit=3, limits={"beam": 5}))
    assert sum(episode.source == "beam" for episode in built.training) == 5
    assert sum(episode.source == "csabstruct" for episode in built.training) == 3
    assert len(built.validation) == len(run(given).validation)


def test_one_episode_is_for_training(tmp_path: Path) -> None:
    built = run({"beam": [chats(tmp_path, 1)]})
    assert (len(built.training), len(built.validation)) == (1, 0)
    built = run({"beam": [chats(tmp_path, 2)]})
    assert (len(built.training), len(built.validation)) == (1, 1)


def test_a_stream_that_two_files_have_is_taken_once(tmp_path: Path) -> None:
    rows = [chat(n, 6) for n in range(4)]
    one = write(tmp_path / "beam" / "train_a.jsonl", rows)
    two = write(tmp_path / "beam" / "train_b.jsonl", [*rows[2:], chat(9, 6)])
    built = run({"beam": [one, two]})
    found = sorted(ids([*built.training, *built.validation]))
    assert found == ["train_a.jsonl:0", "train_a.jsonl:1", "train_a.jsonl:2", "train_a.jsonl:3", "train_b.jsonl:9"]


def test_what_validation_asks_is_not_asked_in_training(tmp_path: Path) -> None:
    rows = [chat(n) for n in range(10)]
    for row in rows:  # everybody asks this, and the answer is in every chat
        row["chat"][0]["turns"][0].append({"role": "user", "id": 99, "content": "My dog is called Milo."})
        row["probing_questions"]["information_extraction"].append(
            {"question": "How is my dog called?", "answer": "Milo", "source_chat_ids": [99]}
        )
    built = run({"beam": [write(tmp_path / "train.jsonl", rows)]})
    assert built.asked_twice == 9
    asked = {question.text for episode in built.training for question in episode.questions}
    assert "How is my dog called?" not in asked
    assert all(len(episode.questions) == 3 for episode in built.training)
    assert [len(episode.questions) for episode in built.validation] == [4]


def leaking(test: str, answer: str) -> Episode:
    question = Question(text=test, answers=(answer,))
    return Episode(id="t", chunks=(Chunk(text="Elsewhere."),), questions=(question,), source="suite")


LEAK = leaking("What did trip 3 see on day 1?", "Town3x1")


def test_a_set_that_gives_a_test_away_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError) as caught:
        run({"beam": [chats(tmp_path)]}, suite=[LEAK])
    assert str(caught.value) == (
        "got 1 leaks into 1 tests, expected none: most are from beam into suite (1, same question), such as "
        "'What did trip 3 see on day 1?'; leave them out with --leaks drop"
    )


@pytest.mark.parametrize("policy", [LeakPolicy.DROP, LeakPolicy.KEEP])
def test_unless_told_otherwise(tmp_path: Path, policy: LeakPolicy) -> None:
    built = run({"beam": [chats(tmp_path)]}, Plan(leaks=policy), suite=[LEAK], clean=[leaking("Which way?", "x")])
    assert [leak.kind for leak in built.report.leaks] == [LeakKind.SAME_QUESTION]
    assert built.report.tests == {"suite": 1, "clean": 1}
    sizes = sorted(len(episode.questions) for episode in (*built.training, *built.validation))
    assert sizes == ([2] if policy is LeakPolicy.DROP else [3]) + [3] * 19


def test_leaks_of_both_parts_are_dropped(tmp_path: Path) -> None:
    given: dict[str, list[Any]] = {"beam": [chats(tmp_path)]}
    held = {ids(run(given).validation)[0].split(":")[1], "3"}
    tests = [leaking(f"What did trip {n} see on day 1?", f"Town{n}x1") for n in range(20)]
    built = run(given, Plan(leaks=LeakPolicy.DROP), suite=tests)
    assert len(held) >= 1
    assert all(len(episode.questions) == 2 for episode in (*built.training, *built.validation))
    assert len(built.training) == 18
    assert len(built.validation) == 2


def test_progress_is_told(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    given: dict[str, list[Any]] = {"beam": [chats(tmp_path)]}
    build(given, {}, Plan(), count_tokens=words, progress=lambda *told: seen.append(told))
    assert seen == [("reading beam", 0, 1), ("comparing with 0 tests", 1, 1)]


def test_unknown_names_and_limits_below_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got the source 'quad', expected one of squad, hotpotqa,"):
        run({"quad": [tmp_path]})
    with pytest.raises(ConfigError, match="got the source 'quad'"):
        Plan(limits={"quad": 3})
    with pytest.raises(ConfigError, match="got limit=0, expected at least 1"):
        Plan(limit=0)
    with pytest.raises(ConfigError, match="got squad=0, expected at least 1"):
        Plan(limits={"squad": 0})


def test_a_source_without_episodes_is_named(tmp_path: Path) -> None:
    asked = {"abstention": [{"question": "Who?", "ideal_response": "Nobody says."}]}
    file = write(tmp_path / "train.jsonl", [{**chat(1), "probing_questions": asked}])
    with pytest.raises(EpisodeError, match=f"^{file}: got no episode of beam, expected at least one"):
        run({"beam": [file]})


def test_sources_are_found_by_the_names_of_folders(tmp_path: Path) -> None:
    for name in ("beam_100k/train.jsonl", "beam_100k/test.jsonl", "squad/train-v1.1.json", "squad/train-v2.0.json"):
        write(tmp_path / name, [])
    for name in ("squadron/train.json", "nlu/all.csv", "trec/TREC_10.label", "trec/train_5500.label", "train.json"):
        write(tmp_path / name, [])
    for name in ("perltmem_en_v2.json", "perltqa_en_v2.json"):
        write(tmp_path / "perltqa" / name, [])
    assert sources_in(tmp_path) == {
        "squad": [tmp_path / "squad" / "train-v1.1.json", tmp_path / "squad" / "train-v2.0.json"],
        "perltqa": [tmp_path / "perltqa"],
        "trec": [tmp_path / "trec" / "train_5500.label"],
        "beam": [tmp_path / "beam_100k" / "train.jsonl"],
    }
    assert sources_in(tmp_path / "absent") == {}


def test_suites_are_found_by_their_files(tmp_path: Path) -> None:
    assert suites_in(tmp_path) == {}
    write(tmp_path / "beam_100k" / "test.jsonl", [])
    assert suites_in(tmp_path) == {}


def test_rows_are_means(tmp_path: Path) -> None:
    question = Question(text="?", answers=("x",))
    some = [
        Episode(id="a", source="nlu", chunks=(Chunk(text="a b"), Chunk(text="c")), questions=(question,)),
        Episode(id="b", source="nlu", chunks=(Chunk(text="a b c"),), questions=(question, question)),
        Episode(id="c", source="squad", chunks=(Chunk(text="a"),), questions=(question,)),
        Episode(id="d", source="mine", chunks=(Chunk(text="a"),), questions=(question,)),
    ]
    assert table(some, words) == [
        Row(source="squad", episodes=1, chunks=1, tokens=1, questions=1),
        Row(source="nlu", episodes=2, chunks=1.5, tokens=2, questions=1.5),
        Row(source="mine", episodes=1, chunks=1, tokens=1, questions=1),
    ]


def long(sizes: Sequence[int], evidence: Sequence[tuple[int, ...]]) -> Episode:
    return Episode(
        id="e",
        chunks=tuple(Chunk(text=f"c{n} " * size) for n, size in enumerate(sizes)),
        questions=tuple(Question(text=f"q{n}", answers=("x",), evidence=at) for n, at in enumerate(evidence)),
    )


def test_a_long_episode_is_split_with_the_questions_that_stay_whole() -> None:
    whole = long([3, 3, 3, 9, 3], [(0,), (0, 1), (1, 2), (3,), (4,), ()])
    first, second, third = split_long(whole, 6, words)
    assert [part.id for part in (first, second, third)] == ["e/0", "e/2", "e/3"]  # nothing is asked of the second
    assert [len(part.chunks) for part in (first, second, third)] == [2, 1, 1]
    assert [(q.text, q.evidence) for part in (first, second, third) for q in part.questions] == [
        ("q0", (0,)),
        ("q1", (0, 1)),
        ("q3", (0,)),
        ("q4", (0,)),
    ]
    assert list(split_long(whole, 21, words)) == [whole]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 20), st.data())
def test_parts_are_short_and_in_order(sizes: list[int], most: int, data: st.DataObject) -> None:
    places = st.lists(st.integers(0, len(sizes) - 1), max_size=2, unique=True).map(lambda at: tuple(sorted(at)))
    whole = long(sizes, data.draw(st.lists(places, min_size=1, max_size=6)))
    parts = list(split_long(whole, most, words))
    for part in parts:
        assert sum(words(chunk.text) for chunk in part.chunks) <= most or len(part.chunks) == 1
        for question in part.questions:
            [original] = [each for each in whole.questions if each.text == question.text]
            assert [part.chunks[at] for at in question.evidence] == [whole.chunks[at] for at in original.evidence]
    chunks = [chunk for part in parts for chunk in part.chunks]
    assert chunks == [chunk for chunk in whole.chunks if chunk in chunks]


def test_long_episodes_are_split_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TOKENS", 10)
    file = write(tmp_path / "train.jsonl", [chat(1)])
    monkeypatch.setattr("memalpha.data.suites.beam.CHUNK_TOKENS", 14)  # a line of 13 words a chunk
    built = run({"beam": [file]})
    assert sorted(ids([*built.training, *built.validation])) == [f"train.jsonl:1/{n}" for n in range(3)]


def test_the_paper_and_the_plan_agree() -> None:
    assert Plan() == replace(Plan(), seed=42, limit=100, leaks=LeakPolicy.REFUSE)
    assert (module.MOST_TOKENS, module.HELD_OUT) == (30_000, 0.1)
