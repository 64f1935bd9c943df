"""HotpotQA in both shapes, worked by hand on two questions; then invariants on random records and on the real files."""

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.data.passages import places
from memalpha.data.sources import hotpotqa
from memalpha.data.sources.hotpotqa import load, load_packed
from memalpha.errors import ConfigError, EpisodeError
from memalpha.metrics import score
from memalpha.records import Chunk, Competency, Episode, Metric

ORLA = ["Orla &amp; Sons", ["Orla & Sons is a bakery in Tromso.", " ", " It opened in\n1950."]]
BAKER = ["Tromso", ["The town lies north of the circle.", " Its river is the Elva."]]
BRIDGE = {
    "_id": "1",
    "question": " Which river flows in the town of Orla & Sons? ",
    "answer": "Elva",
    "type": "bridge",
    "level": "hard",
    "supporting_facts": [["Orla &amp; Sons", 0], ["Tromso", 1], ["Tromso", 0]],
    "context": [["Empty", [" "]], ORLA, ["Porto", ["Porto is a city."]], BAKER],
}
YES_NO = {
    "_id": "2",
    "question": "Are Porto and Tromso towns?",
    "answer": "yes",
    "supporting_facts": [["Porto", 0], ["Tromso", 0]],
    "context": [["Porto", ["Porto is a city."]], BAKER, ["Mint", ["Mint (herb) grows."]]],
}
TEXTS = {
    "Orla & Sons": "Orla & Sons is a bakery in Tromso.\nIt opened in 1950.",
    "Porto": "Porto is a city.",
    "Tromso": "Tromso: The town lies north of the circle.\nIts river is the Elva.",
    "Mint": "Mint (herb) grows.",
}


def words(text: str) -> int:
    return len(text.split())


def hub(row: dict[str, Any]) -> dict[str, Any]:
    """The same record in the shape of Hugging Face's datasets."""
    return {
        "id": row["_id"],
        "question": row["question"],
        "answer": row["answer"],
        "supporting_facts": {
            "title": [t for t, _ in row["supporting_facts"]],
            "sent_id": [n for _, n in row["supporting_facts"]],
        },
        "context": {"title": [t for t, _ in row["context"]], "sentences": [s for _, s in row["context"]]},
    }


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


RAW = [BRIDGE, YES_NO]
HUB = [hub(row) for row in RAW]
SHAPES = {
    "official.json": json.dumps(RAW),
    "indented.json": json.dumps(RAW, indent=1),
    "raw.jsonl": lines(RAW),
    "hub.jsonl": lines(HUB),
    "hub.json": json.dumps(HUB),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_gives_the_same_episode(tmp_path: Path, name: str, packed: bool) -> None:
    file = tmp_path / (f"{name}.gz" if packed else name)
    data = SHAPES[name].encode()
    file.write_bytes(gzip.compress(data) if packed else data)
    [episode] = load(file)
    assert (episode.id, episode.source) == (f"{file.name}:0:0", "hotpotqa")
    assert sorted(chunk.text for chunk in episode.chunks) == sorted(
        TEXTS[t] for t in ("Orla & Sons", "Porto", "Tromso")
    )
    assert [chunk.time for chunk in episode.chunks] == ["2024-01-01", "2024-01-02", "2024-01-03"]
    [question] = episode.questions
    assert (question.text, question.answers) == ("Which river flows in the town of Orla & Sons?", ("Elva",))
    assert (question.metric, question.competency) == (Metric.CONTAINS, Competency.ACCURATE_RETRIEVAL)
    assert evidence(episode) == [{TEXTS["Orla & Sons"], TEXTS["Tromso"]}]


def test_yes_and_no_are_asked_on_demand_and_paragraphs_of_both_questions_come_once(tmp_path: Path) -> None:
    [episode] = load(write(tmp_path, RAW), keep_yes_no=True)
    assert sorted(chunk.text for chunk in episode.chunks) == sorted(TEXTS.values())
    assert {question.answers for question in episode.questions} == {("Elva",), ("yes",)}
    by_answer = dict(zip((question.answers[0] for question in episode.questions), evidence(episode), strict=True))
    assert by_answer["yes"] == {TEXTS["Porto"], TEXTS["Tromso"]}


def test_a_title_stands_before_the_first_sentence_unless_it_is_there(tmp_path: Path) -> None:
    rows = [
        record(
            "Who?",
            "Ada",
            {"Ada (ship)": ["Ada is a ship.", "Big."], "ORLA": ["The orla sank."], "It": ["With wit."]},
            ["Ada (ship)"],
        )
    ]
    [episode] = load(write(tmp_path, rows))
    assert {chunk.text for chunk in episode.chunks} == {
        "Ada (ship): Ada is a ship.\nBig.",
        "The orla sank.",
        "It: With wit.",
    }


@pytest.mark.parametrize(
    "row",
    [
        {"answer": "absent"},
        {"answer": "Porto"},  # stands in a paragraph that is not a supporting one
        {"answer": " "},
        {"question": ""},
        {"supporting_facts": []},
        {"supporting_facts": [["Tromso", 0], ["Elsewhere", 0]]},
        {"supporting_facts": [["Tromso", 0], ["Empty", 0]]},
    ],
)
def test_a_question_that_its_paragraphs_do_not_answer_is_left_out(tmp_path: Path, row: dict[str, Any]) -> None:
    assert list(load(write(tmp_path, [{**BRIDGE, **row}]))) == []


def test_one_text_of_a_title_is_kept_and_a_question_needs_its_own(tmp_path: Path) -> None:
    texts = {"red": "The sky is red.", "blue": "The sky is blue."}
    rows = [record("Which?", colour, {"Sky": [text]}, ["Sky"]) for colour, text in texts.items()]
    [episode] = load(write(tmp_path, rows))
    [question], [chunk] = episode.questions, episode.chunks
    assert chunk.text == texts[question.answers[0]]


def test_questions_are_shuffled_and_packed_and_the_rest_is_an_episode_too(tmp_path: Path) -> None:
    file = write(tmp_path, numbered(10))
    episodes = list(load(file, questions_per_episode=4))
    assert [(len(episode.chunks), len(episode.questions)) for episode in episodes] == [(12, 4), (12, 4), (6, 2)]
    order = [int(question.text) for episode in episodes for question in episode.questions]
    assert sorted(order) == list(range(10))
    assert order != list(range(10))
    titles = [chunk.text.split()[0] for chunk in episodes[0].chunks]
    assert titles != sorted(titles)


def test_the_same_seed_gives_the_same_episodes_and_another_seed_others(tmp_path: Path) -> None:
    file = write(tmp_path, numbered(10))
    assert list(load(file, seed=3)) == list(load(file, seed=3))
    assert [episode.chunks for episode in load(file, seed=3)] != [episode.chunks for episode in load(file, seed=4)]


def test_long_paragraphs_are_cut_on_demand_and_all_parts_are_evidence(tmp_path: Path) -> None:
    rows = [record("Which river?", "Elva", {"Tromso": BAKER[1]}, ["Tromso"])]
    [episode] = load(write(tmp_path, rows), max_chunk_tokens=8, count_tokens=words)
    assert episode.chunks == (
        Chunk(text="Tromso: The town lies north of the circle.", time="2024-01-01"),
        Chunk(text="Its river is the Elva.", time="2024-01-02"),
    )
    assert episode.questions[0].evidence == (0, 1)


def test_an_answer_that_the_limit_cuts_in_two_is_left_out(tmp_path: Path) -> None:
    rows = [record("Where?", "north of the circle", {"Tromso": BAKER[1]}, ["Tromso"])]
    assert len(list(load(write(tmp_path, rows), max_chunk_tokens=8, count_tokens=words))) == 1
    assert list(load(write(tmp_path, rows), max_chunk_tokens=2, count_tokens=words)) == []


@pytest.mark.parametrize("option", ["questions_per_episode", "max_chunk_tokens"])
def test_sizes_below_one_are_refused(tmp_path: Path, option: str) -> None:
    with pytest.raises(ConfigError, match=f"got {option}=0, expected at least 1"):
        list(load(tmp_path, **{option: 0}))  # type: ignore[arg-type]


def chained(count: int) -> list[dict[str, Any]]:
    """Questions with two supporting paragraphs of 60 words, one of them shared with the next question."""
    filler = " ".join(["so"] * 52)
    texts = {
        f"Town {n}": [f"Town {n} has the river Elva{n}.", f"It lies there, {filler} far."] for n in range(count + 1)
    }
    return [
        record(
            f"Which river {n}?",
            f"Elva{n}",
            {f"Town {n}": texts[f"Town {n}"], f"Town {n + 1}": texts[f"Town {n + 1}"], "Other": ["Other towns."]},
            [f"Town {n}", f"Town {n + 1}"],
        )
        for n in range(count)
    ]


def test_packed_episodes_hold_the_supporting_paragraphs_only(
    tmp_path: Path, prove: Callable[..., list[Episode]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hotpotqa, "PACKED_LENGTH", 1500)
    monkeypatch.setattr(hotpotqa, "PACKED_TOKENS", (100, 300))
    episodes = prove(load_packed, write(tmp_path, chained(40)))
    asked = [question.text for episode in episodes for question in episode.questions]
    assert len(set(asked)) == len(asked) >= 30
    for episode in episodes:
        texts = [chunk.text for chunk in episode.chunks]
        assert not any("Other" in text for text in texts)
        towns = [line.split()[1] for chunk in episode.chunks for line in chunk.lines if line.startswith("Town")]
        assert len(set(towns)) == len(towns)
        for question in episode.questions:
            n = int(question.text.split()[2][:-1])
            assert all(any(f"Town {k} has" in texts[index] for index in question.evidence) for k in (n, n + 1))
            assert len(question.evidence) <= 2


def test_packed_episodes_of_few_questions_and_long_or_yes_no_golds_are_left_out(tmp_path: Path) -> None:
    long = {"answer": "Town 0 has the river Elva0"}
    assert len(list(load_packed(write(tmp_path, chained(10)), count_tokens=words))) == 1
    assert list(load_packed(write(tmp_path, chained(9)), count_tokens=words)) == []
    for change in (long, {"answer": "yes"}):
        rows = chained(10)
        rows[0] = {**rows[0], **change}
        assert list(load_packed(write(tmp_path, rows), count_tokens=words)) == []


def test_packed_questions_need_their_paragraphs_in_the_chunks_that_are_left(
    tmp_path: Path, prove: Callable[..., list[Episode]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hotpotqa, "PACKED_TOKENS", (100, 120))  # one of 29 paragraphs a chunk
    [episode] = prove(load_packed, write(tmp_path, chained(28)))
    assert len(episode.chunks) == 20
    assert 10 <= len(episode.questions) <= 19


def test_the_packed_shape_is_the_papers() -> None:
    assert (hotpotqa.PACKED_TOKENS, hotpotqa.PACKED_LENGTH) == ((100, 2048), 10_000)
    assert (hotpotqa.PACKED_CHUNKS, hotpotqa.PACKED_ASKED) == (20, (10, 100))


def test_real_file_packed(shared_data: Path, prove: Callable[..., list[Episode]]) -> None:
    if not (shared_data / "hotpotqa" / "train_raw.jsonl.gz").is_file():
        pytest.skip(f"no hotpotqa in {shared_data}")
    episodes = prove(load_packed, shared_data / "hotpotqa" / "train_raw.jsonl.gz")
    assert sum(len(episode.questions) for episode in episodes) > 30


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in BRIDGE.items() if name != key}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x", "got text, expected a JSON object with the key 'question'"),
        (without("question"), "the key 'question' is missing; add it"),
        (without("answer"), "the key 'answer' is missing; add it"),
        (without("context"), "the key 'context' is missing; add it"),
        (without("supporting_facts"), "the key 'supporting_facts' is missing; add it"),
        ({**BRIDGE, "answer": None}, "answer: got null, expected text"),
        ({**BRIDGE, "context": "x"}, "context: got text, expected a list"),
        ({**BRIDGE, "context": [["A"]]}, "context 0: got a list, expected a title and its sentences"),
        ({**BRIDGE, "context": [["A", "x"]]}, "context 0: sentences: got text, expected a list"),
        ({**BRIDGE, "context": [ORLA, ["A", [3]]]}, "context 1: sentences: got int, expected text"),
        ({**BRIDGE, "context": {"title": ["A"]}}, "context: the key 'sentences' is missing; add it"),
        (
            {**BRIDGE, "context": {"title": ["A"], "sentences": []}},
            "context: got 1 titles and 0 sentences, expected as many of both",
        ),
        ({**BRIDGE, "supporting_facts": ["A"]}, "supporting_facts 0: got text, expected a title and its sent_id"),
        ({**BRIDGE, "supporting_facts": {"title": []}}, "supporting_facts: the key 'sent_id' is missing; add it"),
    ],
)
def test_a_half_valid_record_is_named_with_line_and_key(tmp_path: Path, row: object, message: str) -> None:
    file = write(tmp_path, [BRIDGE, row])
    with pytest.raises(EpisodeError) as caught:
        list(load(file))
    assert str(caught.value) == f"{file}:2: {message}"


SENTENCES = st.lists(st.text("ab .\n", max_size=12), max_size=3)


@given(
    st.lists(st.dictionaries(st.sampled_from("ABCD"), SENTENCES, min_size=1), max_size=6), st.integers(), st.booleans()
)
def test_what_holds_of_every_episode(
    tmp_path_factory: pytest.TempPathFactory, contexts: list[dict[str, list[str]]], seed: int, keep: bool
) -> None:
    rng = random.Random(seed)
    answers = ["a", "ab", "b. a", "A", "yes"]
    rows = [record(str(n), rng.choice(answers), c, rng.sample(sorted(c), 1)) for n, c in enumerate(contexts)]
    file = write(tmp_path_factory.mktemp("hotpotqa"), rows)
    for episode in load(file, seed=seed, questions_per_episode=2, keep_yes_no=keep):
        check(episode)
        assert len(episode.chunks) <= 4


@pytest.mark.parametrize(
    ("name", "episodes", "questions", "chunks"),
    [("train_raw.jsonl.gz", 23, 91, 910), ("train_hf.jsonl.gz", 71, 284, 2828), ("test_raw.jsonl.gz", 11, 42, 420)],
)
def test_real_files(shared_data: Path, name: str, episodes: int, questions: int, chunks: int) -> None:
    file = shared_data / "hotpotqa" / name
    if not file.is_file():
        pytest.skip(f"no hotpotqa/{name} in {shared_data}")
    found = list(load(file))
    assert (len(found), sum(len(episode.questions) for episode in found)) == (episodes, questions)
    assert abs(sum(len(episode.chunks) for episode in found) - chunks) < 10
    for episode in found:
        check(episode)


def check(episode: Episode) -> None:
    texts = [chunk.text for chunk in episode.chunks]
    for question in episode.questions:
        assert score(question.metric, question.answers[0], question.answers) == 1.0
        assert question.evidence
        assert question.answers[0] == "yes" or places(
            question.answers[0], [texts[index] for index in question.evidence]
        )


def evidence(episode: Episode) -> list[set[str]]:
    return [{episode.chunks[index].text for index in question.evidence} for question in episode.questions]


def record(question: str, answer: str, context: dict[str, Any], supporting: list[str]) -> dict[str, Any]:
    facts = [[title, 0] for title in supporting]
    return {
        "question": question,
        "answer": answer,
        "supporting_facts": facts,
        "context": [list(each) for each in context.items()],
    }


def numbered(count: int) -> list[dict[str, Any]]:
    return [
        record(str(n), "blue", {f"{k}{n}": [f"{k}{n} is blue."] for k in "abc"}, [f"b{n}", f"c{n}"])
        for n in range(count)
    ]


def write(folder: Path, rows: list[Any]) -> Path:
    file = folder / "rows.jsonl"
    file.write_text(lines(rows), encoding="utf-8")
    return file
