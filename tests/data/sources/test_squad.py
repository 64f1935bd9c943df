"""SQuAD in each of its shapes, worked by hand on three paragraphs; then invariants on random and on real ones."""

import gzip
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.data.passages import places
from memalpha.data.sources import squad
from memalpha.data.sources.squad import load, load_packed
from memalpha.errors import ConfigError, EpisodeError
from memalpha.metrics import score
from memalpha.records import Chunk, Competency, Episode, Metric, Question

WHALE = "Dr. Orla studied the blue whale. It weighs 150 tons, the heaviest of all.\n It sings at night."
MINT = "Mint grows in wet soil. Its oil is sold in Lisbon."
EMPTY = "Nothing is asked of this paragraph."
ARTICLES: list[dict[str, Any]] = [
    {
        "title": "Whale",
        "paragraphs": [
            {
                "context": WHALE,
                "qas": [
                    {
                        "id": "1",
                        "question": " What did Orla study? ",
                        "answers": ["blue whale", "the blue whale", "blue whale"],
                    },
                    {"id": "2", "question": "How heavy is it?", "answers": ["150 tons"]},
                    {"id": "3", "question": "What is never said?", "answers": []},
                ],
            },
            {"context": EMPTY, "qas": []},
        ],
    },
    {
        "title": "Mint",
        "paragraphs": [
            {
                "context": MINT,
                "qas": [
                    {"id": "4", "question": "Where is mint oil sold?", "answers": ["Lisbon"]},
                    {"id": "5", "question": "What stands nowhere?", "answers": ["Lisbon", "Porto"]},
                ],
            }
        ],
    },
]
PARAGRAPHS = [{"title": each["title"], **paragraph} for each in ARTICLES for paragraph in each["paragraphs"]]
CHUNKS = {
    WHALE: "Dr. Orla studied the blue whale.\nIt weighs 150 tons, the heaviest of all.\nIt sings at night.",
    MINT: "Mint grows in wet soil.\nIts oil is sold in Lisbon.",
    EMPTY: EMPTY,
}
ASKED = {
    "What did Orla study?": (("blue whale", "the blue whale"), WHALE),
    "How heavy is it?": (("150 tons",), WHALE),
    "Where is mint oil sold?": (("Lisbon",), MINT),
}


def words(text: str) -> int:
    return len(text.split())


def official(qa: dict[str, Any]) -> dict[str, Any]:
    answers = [{"text": text, "answer_start": 0} for text in qa["answers"]]
    impossible = not answers
    plausible = [{"text": "It sings", "answer_start": 0}]
    return {**qa, "answers": plausible if impossible else answers, "is_impossible": impossible}


def with_qas(change: Callable[[dict[str, Any]], dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**each, "paragraphs": [{**p, "qas": [change(qa) for qa in p["qas"]]} for p in each["paragraphs"]]}
        for each in ARTICLES
    ]


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def flat() -> list[dict[str, Any]]:
    return [
        {
            "id": qa["id"],
            "context": p["context"],
            "question": qa["question"],
            "answers": {"text": qa["answers"], "answer_start": []},
        }
        for p in PARAGRAPHS
        for qa in p["qas"]
    ] + [{"id": "9", "context": EMPTY, "question": "Anything?", "answers": {"text": [], "answer_start": []}}]


SHAPES = {
    "official.json": json.dumps({"version": "v2.0", "data": with_qas(official)}),
    "indented.json": json.dumps({"version": "v2.0", "data": with_qas(official)}, indent=1),
    "articles.jsonl": lines(with_qas(official)),
    "paragraphs.jsonl": lines(PARAGRAPHS),
    "questions.jsonl": lines(flat()),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_gives_the_same_episode(tmp_path: Path, name: str, packed: bool) -> None:
    file = tmp_path / (f"{name}.gz" if packed else name)
    data = SHAPES[name].encode()
    file.write_bytes(gzip.compress(data) if packed else data)
    [episode] = load(file, count_tokens=words)
    assert episode.id == f"{file.name}:0:0"
    assert episode.source == "squad"
    assert sorted(chunk.text for chunk in episode.chunks) == sorted(CHUNKS.values())
    assert [chunk.time for chunk in episode.chunks] == ["2024-01-01", "2024-01-02", "2024-01-03"]
    place = {chunk.text: index for index, chunk in enumerate(episode.chunks)}
    expected = [
        Question(text=text, answers=answers, evidence=(place[CHUNKS[context]],))
        for text, (answers, context) in ASKED.items()
    ]
    assert sorted(episode.questions, key=lambda q: q.text) == sorted(expected, key=lambda q: q.text)
    assert {question.metric for question in episode.questions} == {Metric.CONTAINS}
    assert {question.competency for question in episode.questions} == {Competency.ACCURATE_RETRIEVAL}


def test_a_long_paragraph_is_cut_at_sentence_ends_and_evidence_is_the_part_with_the_answer(tmp_path: Path) -> None:
    file = write(tmp_path, PARAGRAPHS[:1])
    [episode] = load(file, max_chunk_tokens=8, count_tokens=words)
    assert episode.chunks == (
        Chunk(text="Dr. Orla studied the blue whale.", time="2024-01-01"),
        Chunk(text="It weighs 150 tons, the heaviest of all.", time="2024-01-02"),
        Chunk(text="It sings at night.", time="2024-01-03"),
    )
    assert {question.text: question.evidence for question in episode.questions} == {
        "What did Orla study?": (0,),
        "How heavy is it?": (1,),
    }


def test_an_answer_in_two_parts_is_evidence_twice_and_one_cut_in_two_is_left_out(tmp_path: Path) -> None:
    context = "Mint is green. Basil is green. Sage is grey."
    qas = [
        {"question": "Which colour?", "answers": ["green"]},
        {"question": "Which two herbs come first?", "answers": ["Mint is green. Basil"]},
    ]
    [episode] = load(write(tmp_path, [{"context": context, "qas": qas}]), max_chunk_tokens=3, count_tokens=words)
    assert [(question.text, question.evidence) for question in episode.questions] == [("Which colour?", (0, 1))]
    [episode] = load(write(tmp_path, [{"context": context, "qas": qas}]), count_tokens=words)
    assert len(episode.questions) == 2


def test_evidence_is_never_another_paragraph_with_the_same_words(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"context": f"Mint is sold in Lisbon, says {n}.", "qas": []} for n in range(5)]
    rows[3]["qas"] = [{"question": "Where?", "answers": ["Lisbon"]}]
    [episode] = load(write(tmp_path, rows), count_tokens=words)
    [question] = episode.questions
    assert [episode.chunks[index].text for index in question.evidence] == ["Mint is sold in Lisbon, says 3."]


def test_paragraphs_are_mixed_and_packed_and_the_rest_is_an_episode_too(tmp_path: Path) -> None:
    episodes = list(load(write(tmp_path, numbered(20)), paragraphs_per_episode=8, count_tokens=words))
    assert [len(episode.chunks) for episode in episodes] == [8, 8, 4]
    order = [int(chunk.text.split()[1]) for episode in episodes for chunk in episode.chunks]
    assert sorted(order) == list(range(20))
    assert order != list(range(20))
    assert [episode.id for episode in episodes] == ["rows.jsonl:0:0", "rows.jsonl:0:1", "rows.jsonl:0:2"]


def test_questions_are_drawn_from_all_places_alike(tmp_path: Path) -> None:
    file = write(tmp_path, numbered(400))
    drawn = [question for episode in load(file, seed=1, count_tokens=words) for question in episode.questions]
    assert len(drawn) == 800
    counts = Counter(question.text.rsplit(" ", 1)[1] for question in drawn)
    assert counts.keys() == set("01234")
    assert all(120 < count < 200 for count in counts.values())  # 160 each on average


def test_the_same_seed_gives_the_same_episodes_and_another_seed_others(tmp_path: Path) -> None:
    file = write(tmp_path, numbered(20))
    assert list(load(file, seed=3, count_tokens=words)) == list(load(file, seed=3, count_tokens=words))
    assert bodies(load(file, seed=3, count_tokens=words)) != bodies(load(file, seed=4, count_tokens=words))


def test_a_paragraph_that_comes_twice_is_one_chunk_with_the_questions_of_both(tmp_path: Path) -> None:
    rows = [
        {"context": MINT, "qas": [{"question": "Where is it sold?", "answers": ["Lisbon"]}]},
        {"context": MINT, "qas": [{"question": "Which soil?", "answers": ["wet"]}]},
    ]
    [episode] = load(write(tmp_path, rows), count_tokens=words)
    assert (len(episode.chunks), len(episode.questions)) == (1, 2)


def test_paragraphs_without_an_answerable_question_make_no_episode(tmp_path: Path) -> None:
    rows = [
        {"context": f"Text {n}.", "qas": [{"question": "?", "answers": [" "]}, {"question": " ", "answers": ["Text"]}]}
        for n in range(9)
    ]
    assert list(load(write(tmp_path, rows), count_tokens=words)) == []


@pytest.mark.parametrize("option", ["paragraphs_per_episode", "questions_per_paragraph", "max_chunk_tokens"])
def test_sizes_below_one_are_refused(tmp_path: Path, option: str) -> None:
    with pytest.raises(ConfigError, match=f"got {option}=0, expected at least 1"):
        list(load(tmp_path, count_tokens=words, **{option: 0}))


def article(count: int, asked: int = 6) -> list[dict[str, Any]]:
    """Paragraphs of two lines and 108 words, each with short golds of its own, and one that is too long to be asked."""
    filler = " ".join(["so"] * 99)
    return [
        {
            "context": f"Paragraph {n} is blue{n}. Then {filler} it ends.",
            "qas": [{"question": f"Colour {n} {k}?", "answers": [f"is blue{n}", f"blue{n}"]} for k in range(asked)]
            + [{"question": f"Long {n}?", "answers": [f"Paragraph {n} is blue{n}. Then"]}],
        }
        for n in range(count)
    ]


def test_packed_episodes_hold_whole_paragraphs_in_order(
    tmp_path: Path, prove: Callable[..., list[Episode]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(squad, "PACKED_TOKENS", (100, 400))
    episodes = prove(load_packed, write(tmp_path, article(60)))
    lines = [line for episode in episodes for chunk in episode.chunks for line in chunk.lines[1:-1]]
    assert [line.split()[1] for line in lines[::2]] == [str(n) for n in range(60)][: len(lines) // 2]
    assert all(len(episode.chunks) == 10 for episode in episodes[:-1])
    sizes = {len(chunk.lines) // 2 - 1 for episode in episodes for chunk in episode.chunks}
    assert sizes == {1, 2, 3}  # a size of 100 to 400 words has room for one to three paragraphs
    for episode in episodes:
        assert 50 <= len(episode.questions) <= 100
        for question in episode.questions:
            number = question.text.split()[1]
            assert question.answers == (f"is blue{number}", f"blue{number}")
            assert [f"Paragraph {number} " in chunk.text for chunk in episode.chunks].index(True) in question.evidence


@pytest.mark.parametrize(("paragraphs", "asked", "episodes"), [(7, 6, 0), (8, 6, 1), (8, 5, 0), (9, 5, 1)])
def test_packed_episodes_with_less_to_ask_are_left_out(
    tmp_path: Path, paragraphs: int, asked: int, episodes: int
) -> None:
    # Each paragraph gives one more, whose gold is too long: 7 x 7 = 49, 8 x 7 = 56, 8 x 6 = 48, 9 x 6 = 54.
    assert len(list(load_packed(write(tmp_path, article(paragraphs, asked)), count_tokens=words))) == episodes


def test_packed_episodes_of_long_golds_are_left_out(tmp_path: Path) -> None:
    rows = article(20, asked=1)  # 40 given, 20 of them short
    assert list(load_packed(write(tmp_path, rows), count_tokens=words)) == []
    rows = article(26, asked=1)  # 52 given, 26 of them short
    assert list(load_packed(write(tmp_path, rows), count_tokens=words)) == []


def test_the_packed_shape_is_the_papers() -> None:
    assert (squad.PACKED_TOKENS, squad.PACKED_CHUNKS) == ((100, 2048), 10)
    assert (squad.PACKED_GIVEN, squad.PACKED_ASKED) == (50, (30, 100))


def test_real_file_packed(shared_data: Path, prove: Callable[..., list[Episode]]) -> None:
    if not (shared_data / "xquad_en" / "train.jsonl.gz").is_file():
        pytest.skip(f"no xquad_en in {shared_data}")
    episodes = prove(load_packed, shared_data / "xquad_en" / "train.jsonl.gz")
    assert sum(len(episode.questions) for episode in episodes) > 100


GOOD = PARAGRAPHS[0]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([1], "item 0: got int, expected a JSON object with the key 'context'"),
        ({"title": "x", "qas": []}, "the key 'context' is missing; add it"),
        ({"context": 3, "qas": []}, "context: got int, expected text"),
        ({"context": " \n", "qas": []}, "context: got empty text, expected a paragraph; leave the record out"),
        ({"context": "x"}, "the key 'qas' is missing; add it"),
        ({"context": "x", "qas": {}}, "qas: got a JSON object, expected a list"),
        ({"context": "x", "qas": [{"answers": []}]}, "qas 0: the key 'question' is missing; add it"),
        ({"context": "x", "qas": [{"question": "?"}]}, "qas 0: the key 'answers' is missing; add it"),
        ({"context": "x", "qas": [{"question": "?", "answers": "x"}]}, "qas 0: answers: got text, expected a list"),
        ({"context": "x", "qas": [{"question": "?", "answers": [1]}]}, "qas 0: answers 0: got int, expected text"),
        (
            {"context": "x", "qas": [{"question": "?", "answers": [{}]}]},
            "qas 0: answers 0: the key 'text' is missing; add it",
        ),
        ({"paragraphs": [{"qas": []}]}, "paragraphs 0: the key 'context' is missing; add it"),
        ({"data": [GOOD, {"paragraphs": 1}]}, "data 1: paragraphs: got int, expected a list"),
        ({"context": "x", "question": "?", "answers": {}}, "answers: the key 'text' is missing; add it"),
    ],
)
def test_a_half_valid_record_is_named_with_line_and_key(tmp_path: Path, record: object, message: str) -> None:
    file = write(tmp_path, [GOOD, record])
    with pytest.raises(EpisodeError) as caught:
        list(load(file, count_tokens=words))
    assert str(caught.value) == f"{file}:2: {message}"


CONTEXT = st.lists(
    st.sampled_from("Mint grows. In Oslo! 1066 tons, Dr. Orla said so? \u2028 -x 3.5".split(" ")), min_size=1
).map(" ".join)


@given(
    st.lists(CONTEXT.filter(str.strip), min_size=1, max_size=6), st.integers(), st.integers(1, 20), st.integers(1, 4)
)
def test_what_holds_of_every_episode(
    tmp_path_factory: pytest.TempPathFactory, contexts: list[str], seed: int, limit: int, per_episode: int
) -> None:
    rng = random.Random(seed)
    rows = []
    for context in contexts:
        spans = [sorted(rng.sample(range(len(context) + 1), 2)) for _ in range(3)]
        rows.append(
            {"context": context, "qas": [{"question": "?", "answers": [context[a:b], "Mint"]} for a, b in spans]}
        )
    file = write(tmp_path_factory.mktemp("squad"), rows)
    episodes = list(
        load(file, seed=seed, paragraphs_per_episode=per_episode, max_chunk_tokens=limit, count_tokens=words)
    )
    for episode in episodes:
        check(episode)
        assert all(words(chunk.text) <= limit for chunk in episode.chunks)


@pytest.mark.parametrize(
    ("name", "episodes", "questions"),
    [
        ("squad/train_squad_v1.1_dev.jsonl.gz", 153, 2400),
        ("squad/test_squad_v2.0_dev.jsonl.gz", 55, 850),
        ("xquad_en/train.jsonl.gz", 15, 230),
    ],
)
def test_real_files(shared_data: Path, name: str, episodes: int, questions: int) -> None:
    if not (shared_data / name).is_file():
        pytest.skip(f"no {name} in {shared_data}")
    found = list(load(shared_data / name, max_chunk_tokens=1600, count_tokens=len))
    assert len(found) == episodes
    assert sum(len(episode.questions) for episode in found) > questions
    for episode in found:
        check(episode)


def check(episode: Episode) -> None:
    texts = [chunk.text for chunk in episode.chunks]
    for question in episode.questions:
        held = [texts[index] for index in question.evidence]
        assert held
        assert len(set(question.answers)) == len(question.answers)
        for answer in question.answers:
            assert score(question.metric, answer, question.answers) == 1.0
            assert places(answer, held)


def numbered(count: int) -> list[dict[str, Any]]:
    return [
        {
            "context": f"Paragraph {n} is blue.",
            "qas": [{"question": f"Colour {n} {k}", "answers": ["blue"]} for k in range(5)],
        }
        for n in range(count)
    ]


def bodies(episodes: Any) -> list[tuple[object, object]]:
    return [(episode.chunks, episode.questions) for episode in episodes]


def write(folder: Path, rows: list[Any]) -> Path:
    file = folder / "rows.jsonl"
    file.write_text(lines(rows), encoding="utf-8")
    return file
