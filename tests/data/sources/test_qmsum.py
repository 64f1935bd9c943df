"""QMSum as a source: keywords of each reference, by hand on meetings of three topics; then on the real file."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from memalpha.data.hub import HubSet
from memalpha.data.sources.qmsum import load
from memalpha.errors import EpisodeError
from memalpha.records import Competency, Episode, Metric

TOPICS = ("whaler harpoon anchor", "violin sonata concert", "turbine voltage circuit", "pasture barley tractor")


def record(number: int) -> dict[str, object]:
    topic = TOPICS[number]
    first, second, third = topic.split()
    said = [f"We should speak of the {word} {{vocalsound}} now ." for word in topic.split()] * 4
    return {
        "meeting_id": f"M{number}",
        "topic_list": [],
        "general_query_list": [
            {"query": "Summarize the meeting", "answer": f"Of {first}, {second} and {third} they speak."}
        ],
        "specific_query_list": [
            {
                "query": f"What of the {first}?",
                "answer": f"The {first}, the {second} and the {third} should be spoken of.",
                "relevant_text_span": [["0", "2"]],
            },
            {"query": "What else?", "answer": "Nothing that we know.", "relevant_text_span": [["0", "1"]]},
        ],
        "meeting_transcripts": [{"speaker": "Ada", "content": text} for text in said],
    }


def test_references_become_keywords_and_evidence_is_what_a_question_is_about(
    tmp_path: Path, prove: Callable[..., list[Episode]]
) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps(record(n)) + "\n" for n in range(4)), encoding="utf-8")
    episodes = prove(load, file)
    assert [(episode.id, episode.source) for episode in episodes] == [(f"train.jsonl:M{n}", "qmsum") for n in range(4)]
    for episode, topic in zip(episodes, TOPICS, strict=True):
        assert [question.text for question in episode.questions] == [
            "Summarize the meeting",
            f"What of the {topic.split()[0]}?",  # "What else?" has no keyword
        ]
        for question in episode.questions:
            assert question.answers == tuple(sorted(topic.split()))
            assert (question.metric, question.competency) == (Metric.KEYWORDS, Competency.LONG_RANGE_UNDERSTANDING)
        assert episode.questions[0].evidence == tuple(range(len(episode.chunks)))
        assert episode.questions[1].evidence == (0,)


def test_the_hub_is_refused() -> None:
    with pytest.raises(EpisodeError, match=r"^hub:o/n:train: got a place on the hub, expected a file"):
        list(load(HubSet(name="o/n")))


def test_real_file(shared_data: Path, prove: Callable[..., list[Episode]]) -> None:
    file = shared_data / "qmsum" / "test.jsonl.gz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    episodes = prove(load, file)
    assert len(episodes) >= 34
    assert all(3 <= len(question.answers) <= 12 for episode in episodes for question in episode.questions)
