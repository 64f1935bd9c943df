"""PerLTQA on one person written by hand in the shape of the two published files."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.hub import HubSet
from memalpha.data.sources import perltqa
from memalpha.data.sources.perltqa import is_perltqa, load
from memalpha.errors import EpisodeError
from memalpha.records import Chunk, Competency, Episode, Metric, Question

MEMORY: dict[str, Any] = {
    "Orla Berg": {
        "profile": {"Protagonist": "Orla Berg", "Age": 28},
        "profile_description": "Orla is a baker.",
        "social_relationship": {"7_0": {"Supporting Characters": "Nils", "Relationship": "brother"}},
        "events": {
            "7_0_0": {
                "content": "Orla and Nils sailed to Tromso. They saw three whales.",
                "summary": "A trip to sea",
                "Characters": ["7_0"],
                "Creation Time": "May 12, 2022",
            },
            "7_0_1": {"content": "Nils bought a boat.", "summary": "", "Creation Time": "2021"},
            "7_1_0": {"content": "Orla baked bread.", "summary": "Baking", "Creation Time": "during spring"},
        },
        "dialogues": {
            "7_0_0#0": {
                "events": "7_0_0",
                "contents": {
                    "2022-05-13 09:00": ["Orla: The whales were huge.", "Nils:  Yes, and the fog! "],
                    "2022-05-12 10:00": ["Orla: Look."],
                },
            },
            "7_0_1#1": {"events": "7_0_1", "contents": {"2021-03-01 08:00": ["Nils: She is called Elva."]}},
        },
    },
    "Nobody asks": {"events": {}, "dialogues": {}},
}


def asked(question: str, *anchors: str) -> dict[str, Any]:
    return {
        "Question": question,
        "Answer": "In a sentence.",
        "Reference Memory": "['x']",
        "Memory Anchors": [{anchor: [-1, -1]} for anchor in anchors],
    }


QUESTIONS: list[dict[str, Any]] = [
    {
        "Orla Berg": {
            "profile": [asked("How old is Orla?", "28")],
            "social_relationship": [{"7_0": [asked("Who is Nils?", "brother"), asked("With whom?", "Nils")]}],
            "events": [
                {"7_0_0": [asked("What was seen?", "three whales", "a shark"), asked("Which mood?", "joy")]},
                {"7_1_0": [asked("What was baked?", "Bread")]},
            ],
            "dialogues": [{"7_0_0#0": [asked("What was there?", "Orla&#39;s", " the  fog ")]}],
        }
    },
    {"Unknown person": {"events": []}},
]


def write(folder: Path, memory: object = MEMORY, questions: object = QUESTIONS) -> Path:
    (folder / "perltmem_en_v2.json").write_text(json.dumps(memory, indent=1), encoding="utf-8")
    (folder / "perltqa_en_v2.json").write_text(json.dumps(questions, indent=1), encoding="utf-8")
    return folder


def keywords(text: str, answers: tuple[str, ...], evidence: tuple[int, ...]) -> Question:
    return Question(
        text=text,
        answers=answers,
        metric=Metric.KEYWORDS,
        competency=Competency.ACCURATE_RETRIEVAL,
        evidence=evidence,
    )


def test_events_become_chunks_and_anchors_keywords(
    tmp_path: Path, prove: Callable[..., list[Episode]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perltqa, "ASKED", (1, 100))
    [episode] = prove(load, write(tmp_path))
    assert (episode.id, episode.source) == ("perltqa:3:Orla Berg", "perltqa")
    assert episode.chunks == (
        Chunk(text="Baking\nOrla baked bread."),
        Chunk(text="Nils bought a boat.\n[2021-03-01 08:00]\nNils: She is called Elva.", time="2021-03-01T08:00"),
        Chunk(
            text="A trip to sea\nOrla and Nils sailed to Tromso.\nThey saw three whales.\n[2022-05-13 09:00]\n"
            "Orla: The whales were huge.\nNils: Yes, and the fog!\n[2022-05-12 10:00]\nOrla: Look.",
            time="2022-05-12T10:00",
        ),
    )
    assert sorted(episode.questions, key=lambda question: question.text) == [
        keywords("What was baked?", ("Bread",), (0,)),
        keywords("What was seen?", ("three whales",), (2,)),
        keywords("What was there?", ("the fog",), (2,)),
        keywords("With whom?", ("Nils",), (1, 2)),
    ]


def test_persons_with_few_questions_are_left_out_and_many_are_drawn_from(
    tmp_path: Path, prove: Callable[..., list[Episode]]
) -> None:
    questions = deepcopy(QUESTIONS)
    events = questions[0]["Orla Berg"]["events"]
    events[1]["7_1_0"] = [asked(f"What was baked {n}?", "bread") for n in range(16)]
    assert list(load(write(tmp_path, questions=questions))) == []  # 19 with the three others
    events[1]["7_1_0"].append(asked("What then?", "bread"))
    [episode] = prove(load, write(tmp_path, questions=questions))
    assert len(episode.questions) == 20
    events[1]["7_1_0"] = [asked(f"What was baked {n}?", "bread") for n in range(200)]
    write(tmp_path, questions=questions)
    drawn = [{question.text for question in next(load(tmp_path, seed=seed)).questions} for seed in (1, 1, 2)]
    assert [len(each) for each in drawn] == [100] * 3
    assert drawn[0] == drawn[1] != drawn[2]


def test_thirty_events_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perltqa, "ASKED", (1, 100))
    memory = deepcopy(MEMORY)
    memory["Orla Berg"]["events"] |= {f"8_0_{n}": {"content": f"Day {n}.", "summary": ""} for n in range(40)}
    [episode] = load(write(tmp_path, memory))
    assert len(episode.chunks) == 30


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("events", "7_0_0"), {}, "events 7_0_0: the key 'summary' is missing; add it"),
        (("events", "7_0_0", "content"), 3, "events 7_0_0: content: got int, expected text"),
        (("dialogues", "7_0_0#0"), {"contents": {"x": []}}, "dialogues 7_0_0#0: the key 'events' is missing; add it"),
        (("dialogues",), [], "dialogues: got a list, expected a JSON object"),
    ],
)
def test_a_memory_of_the_wrong_shape_is_named(
    tmp_path: Path, path: tuple[str, ...], value: object, message: str
) -> None:
    memory = deepcopy(MEMORY)
    change(memory["Orla Berg"], path, value)
    assert failure(write(tmp_path, memory)) == f"{tmp_path / 'perltmem_en_v2.json'}:1: Orla Berg: {message}"


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("events", {}, "events: got a JSON object, expected a list"),
        ("events", ["x"], "events 0: got text, expected a JSON object"),
        ("events", [{"7_0_0": [{}]}], "events 7_0_0 0: the key 'Memory Anchors' is missing; add it"),
        ("events", [{"7_0_0": [{"Memory Anchors": []}]}], "events 7_0_0 0: the key 'Question' is missing; add it"),
    ],
)
def test_a_question_of_the_wrong_shape_is_named(tmp_path: Path, section: str, value: object, message: str) -> None:
    questions = deepcopy(QUESTIONS)
    questions[0]["Orla Berg"][section] = value
    place = f"{tmp_path / 'perltqa_en_v2.json'}:1: item 0: Orla Berg"
    assert failure(write(tmp_path, questions=questions)) == f"{place}: {message}"


def test_a_folder_without_the_two_files_is_named(tmp_path: Path) -> None:
    assert not is_perltqa(tmp_path)
    assert failure(tmp_path) == f"{tmp_path}: got 0 files perltqa*.json*, expected one; leave one version there"
    write(tmp_path)
    assert is_perltqa(tmp_path)
    expected = "got no folder, expected one with perltmem*.json* and perltqa*.json*; give their folder"
    assert failure(tmp_path / "perltqa_en_v2.json") == f"{tmp_path / 'perltqa_en_v2.json'}: {expected}"
    with pytest.raises(EpisodeError, match="got no folder"):
        list(load(HubSet(name="o/n")))


def failure(folder: Path) -> str:
    with pytest.raises(EpisodeError) as caught:
        list(load(folder))
    return str(caught.value)


def change(record: Any, path: tuple[str, ...], value: object) -> None:
    for key in path[:-1]:
        record = record[key]
    record[path[-1]] = value
