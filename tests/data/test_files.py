"""A file or a folder of any known shape becomes episodes; anything else one sentence that names file and line."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.data.catalogue import SOURCES
from memalpha.data.files import Shape, load_episodes, tell_line, tell_shape
from memalpha.data.release import row_of, write_release
from memalpha.data.sources import hotpotqa, squad
from memalpha.errors import ConfigError, EpisodeError
from memalpha.records import Chunk, Episode, Question, episode_to_json, read_episodes, write_episodes

OWN = Episode(
    id="mine",
    source="diary",
    chunks=(Chunk(text="I moved to Oslo. It rains here.", time="2024-02-01"), Chunk(text="The cat is Milo.")),
    questions=(
        Question(text="Where?", answers=("Oslo",), evidence=(0,)),
        Question(text="Who?", answers=("Milo",), evidence=(1,)),
    ),
)
SQUAD = {
    "title": "Mint",
    "context": "Mint grows in wet soil. Its oil is sold in Lisbon.",
    "qas": [{"id": "1", "question": "Where is it sold?", "answers": ["Lisbon"]}],
}
HOTPOTQA = {
    "_id": "1",
    "question": "Which river flows there?",
    "answer": "Elva",
    "supporting_facts": [["Tromso", 0]],
    "context": [["Tromso", ["Tromso lies north.", " Its river is the Elva."]]],
}
SHAPES_NAMED = (
    "expected an episode (chunks, questions), a row of a release (chunks, questions_and_answers) or a record of squad, "
    "hotpotqa, perltqa, longmemeval, nlu, trec, pubmed-rct, booksum, csabstruct, squality, qmsum, beam or "
    "memoryagentbench"
)


def words(text: str) -> int:
    return len(text.split())


def test_our_own_episodes_are_read_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    write_episodes(file, [OWN, OWN])
    assert load_episodes(file) == tuple(read_episodes(file)) == (OWN, OWN)


@pytest.mark.parametrize("name", ["mine.jsonl.gz", "mine.json", "mine.json.gz", "mine.txt"])
def test_our_own_episodes_are_read_whatever_the_container(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / name, [episode_to_json(OWN)])
    assert load_episodes(file) == (OWN,)
    file.write_bytes(
        gzip.compress(data([OWN])) if name.endswith(".gz") else json.dumps([episode_to_json(OWN)], indent=1).encode()
    )
    assert load_episodes(file) == (OWN,)


def test_squad_and_hotpotqa_are_told_by_their_first_record(tmp_path: Path) -> None:
    one = write(tmp_path / "a.jsonl", [SQUAD])
    two = write(tmp_path / "b.json", [HOTPOTQA])
    assert load_episodes(one, seed=5, count_tokens=words) == tuple(squad.load(one, seed=5, count_tokens=words))
    assert load_episodes(two, seed=5) == tuple(hotpotqa.load(two, seed=5))


def test_a_folder_is_read_in_the_order_of_names_and_other_files_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "c.jsonl.gz", [SQUAD])
    write(tmp_path / "b.json", [HOTPOTQA])
    write(tmp_path / "a.jsonl", [episode_to_json(OWN)])
    write(tmp_path / "d.json.gz", [episode_to_json(OWN)])
    for other in ("README.md", "LICENSE", ".hidden.json", "e.jsonl.bak"):
        (tmp_path / other).write_text("no JSON", encoding="utf-8")
    (tmp_path / "folder.json").mkdir()
    found = load_episodes(tmp_path, count_tokens=words)
    assert [episode.id for episode in found] == ["mine", "b.json:0:0", "c.jsonl.gz:0:0", "mine"]


def test_the_limit_of_a_chunk_holds_for_every_shape(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [episode_to_json(OWN)])
    write(tmp_path / "b.jsonl", [SQUAD])
    write(tmp_path / "c.jsonl", [HOTPOTQA])
    found = load_episodes(tmp_path, max_tokens=5, count_tokens=words)
    assert all(words(chunk.text) <= 5 for episode in found for chunk in episode.chunks)
    assert [chunk.text for chunk in found[0].chunks] == ["I moved to Oslo.", "It rains here.", "The cat is Milo."]
    assert [question.evidence for question in found[0].questions] == [(0,), (2,)]
    with pytest.raises(ConfigError, match="got max_tokens=0, expected at least 1"):
        load_episodes(tmp_path, max_tokens=0)


@pytest.mark.parametrize(
    ("record", "shape"),
    [
        (episode_to_json(OWN), Shape.EPISODE),
        ({"chunks": []}, Shape.EPISODE),
        ({"questions": []}, Shape.EPISODE),
        (SQUAD, Shape.SQUAD),
        ({"data": []}, Shape.SQUAD),
        ({"title": "x", "paragraphs": []}, Shape.SQUAD),
        ({"qas": []}, Shape.SQUAD),
        ({"context": "x", "question": "?"}, Shape.SQUAD),
        (HOTPOTQA, Shape.HOTPOTQA),
        ({"question": "?", "context": {}}, Shape.HOTPOTQA),
        ({"supporting_facts": []}, Shape.HOTPOTQA),
        ({"chunks": "[]", "questions_and_answers": "[]", "data_source": "x"}, Shape.RELEASE),
        ({"question": "?", "answer": "x", "haystack_sessions": []}, Shape.LONGMEMEVAL),
        ({"context": "x", "questions": [], "answers": [], "metadata": {}}, Shape.MEMORYAGENTBENCH),
        ({"meeting_transcripts": []}, Shape.QMSUM),
        ({"chat": [], "probing_questions": {}}, Shape.BEAM),
        ({"metadata": {}, "document": "x", "questions": []}, Shape.SQUALITY),
        ({"abstract_id": 1, "sentences": [], "labels": []}, Shape.CSABSTRUCT),
        ({"text": "x", "summary": [], "book_title": "y"}, Shape.BOOKSUM),
        ({"chapter_path": "x", "summary_path": "y"}, Shape.BOOKSUM),
        ({"text": "x", "coarse_label": 1, "fine_label": 2}, Shape.TREC),
        ({"rasa_nlu_data": {}}, Shape.NLU),
        ({"text": "x", "intent": "y", "entities": []}, Shape.NLU),
        ({"text": "x", "scenario": "y", "label": 1}, Shape.NLU),
        ({"text": "x", "labels": 2}, Shape.PUBMED_RCT),
        ({"paragraphs": [], "question": "?"}, None),
        ({"document": "x", "questions": []}, None),
        ({"data": "x"}, None),
        ({}, None),
        ("text", None),
        (None, None),
    ],
)
def test_shapes(record: object, shape: Shape | None) -> None:
    assert tell_shape(record) is shape


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("###24293578", Shape.PUBMED_RCT),
        ("\u00ef\u00bb\u00bf###24293578 ", Shape.PUBMED_RCT),
        ("### A heading", None),
        ("userid;answerid;scenario;intent;status", Shape.NLU),
        ("userid,answerid,scenario,intent", None),
        ("DESC:manner How did it go ?", Shape.TREC),
        ("Note: this is text.", None),
        ("", None),
    ],
)
def test_lines(line: str, shape: Shape | None) -> None:
    assert tell_line(line) is shape


def test_every_source_has_a_shape() -> None:
    assert {*SOURCES} == {shape.value for shape in Shape} - {"episode", "release", "memoryagentbench"}


def test_the_authors_table_of_memoryagentbench_is_read(tmp_path: Path) -> None:
    row = {
        "context": "Orla lives in Oslo. Nils lives in Porto.",
        "questions": ["Where does Orla live?"],
        "answers": [["Oslo", "oslo"]],
        "metadata": {"source": "ruler_qa1_197K"},
    }
    [episode] = load_episodes(write(tmp_path / "rows.jsonl", [row]), max_tokens=4, count_tokens=words)
    assert episode.source == "memoryagentbench"
    assert [chunk.text for chunk in episode.chunks] == ["Orla lives in Oslo.", "Nils lives in Porto."]


def test_lines_of_text_are_read_as_the_data_set_they_are(tmp_path: Path) -> None:
    files = {
        "train_5500.label": "".join(f"NUM:count How many are {n} ?\n" for n in range(300)),
        "train.txt.gz": "###1\n" + "".join(f"METHODS\tWe tried it {n} times .\n" for n in range(3000)),
        "all.csv": "userid;answerid;scenario;intent;answer_normalised\n"
        + "".join(f"1;2;alarm;set;wake me at {n}\n" for n in range(300)),
        "mine.txt": json.dumps(episode_to_json(OWN)),
    }
    sources = {}
    for name, text in files.items():
        file = tmp_path / name
        file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        sources[name] = {episode.source for episode in load_episodes(file, count_tokens=words)}
    assert sources == {
        "train_5500.label": {"trec"},
        "train.txt.gz": {"pubmed-rct"},
        "all.csv": {"nlu"},
        "mine.txt": {"diary"},
    }
    (tmp_path / "prose.txt").write_text("Once upon a time.\n", encoding="utf-8")
    assert message(tmp_path / "prose.txt").startswith(f"{tmp_path / 'prose.txt'}:1: got text that is not JSON")


def test_a_release_is_read_and_a_built_folder_stands_for_its_training_part(tmp_path: Path) -> None:
    for name in ("train.parquet", "validation.parquet"):
        write_release(tmp_path / name, [replace(OWN, id=name)])
    assert load_episodes(tmp_path / "validation.parquet") == (replace(OWN, id="validation.parquet"),)
    assert load_episodes(tmp_path) == (replace(OWN, id="train.parquet"),)
    write_release(tmp_path / "more.parquet", [OWN])
    assert load_episodes(tmp_path) == (replace(OWN, id="train.parquet"),)
    (tmp_path / "validation.parquet").unlink()
    assert [episode.id for episode in load_episodes(tmp_path)] == ["mine", "train.parquet"]


def test_a_folder_of_perltqa_is_one_data_set(tmp_path: Path) -> None:
    asked = [{"Question": f"Who {n}?", "Memory Anchors": [{"Ada": [0, 1]}]} for n in range(20)]
    memory = {"Ada": {"events": {"1_0_0": {"summary": "Ada came.", "content": "Ada sang."}}, "dialogues": {}}}
    write(tmp_path / "perltmem_en_v2.json", [memory])
    write(tmp_path / "perltqa_en_v2.json", [{"Ada": {"events": [{"1_0_0": asked}]}}])
    [episode] = load_episodes(tmp_path, max_tokens=2, count_tokens=words)
    assert episode.source == "perltqa"
    assert [chunk.text for chunk in episode.chunks] == ["Ada came.", "Ada sang."]


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ('\n{"text": "x", "label": 3}', "a record with the keys text, label"),
        ("\n{}", "a record without keys"),
        ('\n"x"', "text"),
        ("\n12", "int"),
        ("\n[[1]]", "a list"),
    ],
)
def test_another_shape_is_named_with_line_and_those_that_are_read(tmp_path: Path, text: str, got: str) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text(text, encoding="utf-8")
    place = f"{file}:2: item 0" if "[[" in text else f"{file}:2"
    assert message(file) == f"{place}: got {got}, {SHAPES_NAMED}; convert it to one of them"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"chunks": [{"text": "x"}]}], ":1: the key 'questions' is missing; add it"),
        ([episode_to_json(OWN), {"questions": []}], ":2: the key 'chunks' is missing; add it"),
        (
            [episode_to_json(OWN), {"chunks": [], "questions": []}],
            ":2: episode '{file}:2' has no chunks; give it at least one",
        ),
        ([{"chunks": ["x"], "questions": [{"question": "?"}]}], ":1: question 0: the key 'answers' is missing; add it"),
        ([SQUAD, episode_to_json(OWN)], ":2: the key 'context' is missing; add it"),
        ([HOTPOTQA, SQUAD], ":2: the key 'question' is missing; add it"),
    ],
)
def test_a_half_valid_record_is_named_with_line_and_key(tmp_path: Path, rows: list[Any], expected: str) -> None:
    file = write(tmp_path / "rows.jsonl", rows)
    assert message(file) == f"{file}{expected.format(file=file)}"


def test_bad_json_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(data([OWN, OWN]) + b'{"chunks": \n')
    assert message(file).startswith(
        f"{file}:3: got text that is not JSON (Expecting value at column 11); mend that line"
    )


def test_damaged_gzip_is_named(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl.gz"
    file.write_bytes(gzip.compress(data([OWN] * 50))[:-9])
    assert message(file).startswith(f"{file}: got a file that cannot be read (Compressed file ended")


def test_paths_that_hold_nothing_are_named(tmp_path: Path) -> None:
    absent, folder, empty = tmp_path / "absent", tmp_path / "folder", tmp_path / "empty.jsonl"
    folder.mkdir()
    (folder / "README.md").write_text("x", encoding="utf-8")
    empty.write_text("\n", encoding="utf-8")
    assert message(absent).startswith(f"{absent}: got a path to nothing, expected a file or a folder of episodes")
    assert message(folder) == (
        f"{folder}: got a folder without episodes, expected files ending with "
        ".jsonl, .jsonl.gz, .json, .json.gz, .parquet"
    )
    assert message(empty) == f"{empty}: got an empty file, {SHAPES_NAMED}; fill it or take it away"
    empty.write_text("[]", encoding="utf-8")
    assert "got an empty file" in message(empty)


def test_a_file_whose_questions_cannot_be_answered_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", [{**SQUAD, "qas": []}])
    assert message(file).startswith(f"{file}: got no question whose answer stands in its text, expected at least one")


VALUE = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["", "Lisbon", "x y"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from("text question answers title sentences context qas role content chunks memalpha".split()),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
RECORDS: list[dict[str, Any]] = [
    episode_to_json(OWN),
    SQUAD,
    HOTPOTQA,
    dict(row_of(OWN, 0)),
    {
        "question_id": "q",
        "question_type": "single-session-user",
        "question": "Where?",
        "answer": "Oslo",
        "question_date": "2023/05/30 (Tue) 23:40",
        "haystack_session_ids": ["s"],
        "haystack_dates": ["2023/05/20 (Sat) 02:21"],
        "haystack_sessions": [[{"role": "user", "content": "I moved to Oslo.", "has_answer": True}]],
        "answer_session_ids": ["s"],
    },
    {"text": "wake me", "intent": "alarm_set"},
    {"rasa_nlu_data": {"common_examples": [{"text": "wake me", "intent": "alarm_set"}]}},
    {"text": "Who ?", "coarse_label": 3, "fine_label": 4},
    {"text": "We tried.", "labels": 2},
    {"text": "It rains. It pours.", "summary": [{"text": ["It rains and pours."]}], "book_title": "x"},
    {"chapter_path": "all_chapterized_books/x.txt", "summary_path": "finished_summaries/x.txt"},
    {"sentences": ["We tried."], "labels": ["method"]},
]
BROKEN = st.sampled_from(RECORDS).flatmap(lambda row: st.tuples(st.just(row), st.sampled_from(sorted(row)), VALUE))


@given(BROKEN)
def test_a_broken_value_is_read_or_one_sentence_that_names_the_file(
    tmp_path_factory: pytest.TempPathFactory, broken: tuple[dict[str, Any], str, Any]
) -> None:
    row, key, value = broken
    file = write(tmp_path_factory.mktemp("files") / "rows.jsonl", [{**row, key: value}])
    try:
        assert load_episodes(file, count_tokens=words)
    except EpisodeError as error:
        assert str(error).startswith(str(file))
        assert "\n" not in str(error)


def test_real_folders(shared_data: Path) -> None:
    folders = [shared_data / name for name in ("xquad_en", "hotpotqa")]
    if not all(folder.is_dir() for folder in folders):
        pytest.skip(f"xquad_en and hotpotqa are not both in {shared_data}")
    sources = [{episode.source for episode in load_episodes(folder, count_tokens=words)} for folder in folders]
    assert sources == [{"squad"}, {"hotpotqa"}]


def message(path: Path) -> str:
    with pytest.raises(EpisodeError) as caught:
        load_episodes(path, count_tokens=words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def data(episodes: list[Episode]) -> bytes:
    return "".join(json.dumps(episode_to_json(episode)) + "\n" for episode in episodes).encode()


def write(file: Path, rows: list[Any]) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file.write_bytes(gzip.compress(text) if file.name.endswith(".gz") else text)
    return file
