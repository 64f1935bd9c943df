"""Each way of giving a test away, worked by hand; and the leak of the data that Mem-α published."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from memalpha.data.contamination import asked_in, find_leaks, known_streams, without_leaks
from memalpha.data.leaks import Leak, LeakKind, Report
from memalpha.data.release import read_release
from memalpha.records import Chunk, Competency, Episode, Metric, Question

WHALE = "Which whale did Orla hear in the bay of Tromso?"


def episode(
    texts: Sequence[str], questions: Sequence[Question | tuple[str, str]], source: str = "mine", id: str = "e"
) -> Episode:
    return Episode(
        id=id,
        source=source,
        chunks=tuple(Chunk(text=text) for text in texts),
        questions=tuple(q if isinstance(q, Question) else Question(text=q[0], answers=(q[1],)) for q in questions),
    )


def label(text: str, number: str) -> Question:
    return Question(
        text=text, answers=(number,), metric=Metric.LABEL, competency=Competency.TEST_TIME_LEARNING, evidence=(0,)
    )


def kinds(training: Episode, test: Episode) -> list[LeakKind]:
    return [leak.kind for leak in find_leaks([training], {"test": [test]}).leaks]


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ((WHALE, "the blue one"), LeakKind.SAME_QUESTION),
        ((WHALE, "another gold"), LeakKind.SAME_QUESTION),
        (("which whale did Orla hear, in the bay of Tromso", "Blue one!"), LeakKind.SAME_ANSWER),
        (("which whale did Orla hear, in the bay of Tromso", "another gold"), None),
        (("So which whale did Orla hear in the bay of Tromso at night?", "blue one"), LeakKind.NEAR_QUESTION),
        (("So which whale did Orla hear in the bay of Tromso at night?", "grey one"), None),
        (("Which ship did Nils sail to the bay of Porto?", "blue one"), None),
    ],
)
def test_a_question_that_is_asked_again(asked: tuple[str, str], kind: LeakKind | None) -> None:
    found = kinds(episode(["x"], [asked, ("Anything else?", "no")]), episode(["y"], [(WHALE, "the blue one")]))
    assert found == ([] if kind is None else [kind])


def test_a_finding_names_where_it_is() -> None:
    training = [episode(["x"], [("Else?", "no")]), episode(["x"], [("Who?", "Ada"), (WHALE, "blue")], "squad")]
    report = find_leaks(training, {"one": [episode(["y"], [("What?", "x")])], "two": [episode(["y"], [(WHALE, "b")])]})
    leak = Leak(kind=LeakKind.SAME_QUESTION, episode=1, source="squad", test="two", text=WHALE)
    assert report.leaks == (leak,)
    assert report.counts() == Counter({("squad", "two", LeakKind.SAME_QUESTION): 1})
    assert report.tests == {"one": 1, "two": 1}


def test_a_question_whose_answer_hangs_on_the_stream_leaks_with_its_answer_only() -> None:
    plot = "What is the plot of the story?"
    tests = {"test": [episode(["y"], [(plot, "love")]), episode(["z"], [(plot, "war")])]}
    assert find_leaks([episode(["x"], [(plot, "travel")])], tests).leaks == ()
    assert [leak.kind for leak in find_leaks([episode(["x"], [(plot, "war")])], tests).leaks] == [
        LeakKind.SAME_QUESTION
    ]
    training = [episode(["x"], [(plot, "travel")]), episode(["x"], [(plot, "food")])]
    assert find_leaks(training, {"test": tests["test"][:1]}).leaks == ()


def test_a_list_of_keywords_agrees_as_a_whole() -> None:
    def told(text: str, *words: str) -> Question:
        return Question(text=text, answers=words, metric=Metric.KEYWORDS)

    test = [episode(["y"], [told("Sum it up", "fog", "whale")]), episode(["y"], [told("Sum it up", "war")])]
    for words, leaks in ((("fog", "boat"), 0), (("whale", "Fog"), 1)):
        report = find_leaks([episode(["x"], [told("sum it up!", *words)])], {"test": test})
        assert len(report.leaks) == leaks


def utterances(form: str, first: int = 0) -> list[Question]:
    words = "red blue warm cold dark loud slow deep soft wild thin fine".split()
    return [label(form.format(f"make it {word} {n}"), str(n)) for n, word in enumerate(words, start=first)]


def test_the_form_around_questions_is_taken_off() -> None:
    ours = episode(["x"], utterances("Sample: {}; which label?"))
    theirs = episode(["y"], utterances("Sentence: {}\nWhat is its label? Answer with a number."))
    bare = episode(["y"], utterances("{}"))
    other = episode(["y"], utterances("Sentence: {}\nWhat is its label?", first=50))
    assert kinds(ours, theirs) == kinds(ours, bare) == kinds(bare, theirs) == [LeakKind.SAME_ANSWER] * 12
    assert kinds(ours, ours) == [LeakKind.SAME_QUESTION] * 12
    assert kinds(ours, other) == []


def test_labels_need_not_agree_since_their_numbers_mean_another_thing_elsewhere() -> None:
    training = episode(["x"], [label("turn on the red light in my hall", "3")])
    assert kinds(training, episode(["y"], [label("turn on the red light in my hall", "7")])) == [LeakKind.SAME_QUESTION]
    assert kinds(training, episode(["y"], [label("please turn on the red light in my hall now", "7")])) == [
        LeakKind.NEAR_QUESTION
    ]
    assert kinds(training, episode(["y"], [("turn on the red light in my hall", "7")])) == [LeakKind.SAME_QUESTION]


def test_a_sample_that_the_test_asks_about_is_told() -> None:
    lines = [
        "<User>Some more labelled samples:",
        "Sample: wake me; label: 3",
        "Sample: play the song of the whale in my room; label: 4",
        "Sample: stop; label: 1",
        "Sample: Wake me.; label: 3",
    ]
    training = episode(["\n".join(lines)], [label("Sample: go on; which label?", "1")])
    test = episode(["y"], [label("wake me!", "8"), label("please play the song of the whale in my room", "2")])
    report = find_leaks([training], {"test": [test]})
    assert [(leak.kind, leak.text) for leak in report.leaks] == [(LeakKind.TOLD, lines[at]) for at in (1, 4, 2)]
    published = episode(["Sentence: wake me\nLabel: 3"], [label("go on", "1")])
    assert kinds(published, test) == [LeakKind.TOLD]
    assert kinds(training, episode(["y"], [("wake me", "x")])) == []  # no sample: what is asked of a text stands in it
    [cleaned] = without_leaks([training], report)
    assert cleaned.chunks[0].lines == (lines[0], lines[3])
    assert cleaned.questions == training.questions
    assert find_leaks([cleaned], {"test": [test]}).leaks == ()


def stream(first: int, count: int) -> list[str]:
    return [f"On day {n} the crew of the ship saw whale number {n}{n}." for n in range(first, first + count)]


@pytest.mark.parametrize(("shared", "known"), [(4, False), (5, True), (10, True)])
def test_a_stream_is_known_when_half_of_its_lines_are(shared: int, known: bool) -> None:
    training = episode([" ".join(stream(0, 4)), "\n".join(["Hello.", *stream(4, 6)])], [("Who?", "Ada")])
    test = episode(["\n".join(stream(10 - shared, 20))], [("What?", "x")])
    report = find_leaks([training], {"test": [test]})
    assert report.shares == {("mine", "test"): shared / 10}
    assert [leak.kind for leak in report.leaks] == [LeakKind.STREAM] * known
    assert without_leaks([training], report) == ([] if known else [training])


def test_streams_that_others_have_are_named_by_index() -> None:
    same, other = ("\n".join(stream(first, 10)) for first in (0, 50))
    episodes = [episode([text], [("Who?", "Ada")]) for text in (other, same, "Short.")]
    assert known_streams(episodes, [episode(["\n".join(stream(4, 10))], [("What?", "x")])]) == {1}
    assert known_streams(episodes, []) == set()


def test_few_lines_make_no_known_stream() -> None:
    text = "\n".join(stream(0, 4))
    assert kinds(episode([text], [("Who?", "Ada")]), episode([text], [("What?", "x")])) == []


def test_cleaning_takes_questions_away_and_episodes_without_any() -> None:
    training = [episode(["x"], [(WHALE, "blue"), ("Who?", "Ada")]), episode(["x"], [(WHALE, "blue")])]
    report = find_leaks([*training, training[0]], {"test": [episode(["y"], [(WHALE, "blue")])]})
    cleaned = without_leaks([*training, training[0]], report)
    assert [[question.text for question in each.questions] for each in cleaned] == [["Who?"], ["Who?"]]
    assert find_leaks(cleaned, {"test": [episode(["y"], [(WHALE, "blue")])]}).leaks == ()


def test_what_is_asked_in_another_part() -> None:
    training = [episode(["x"], [("Who?", "Ada"), (WHALE, "blue")]), episode(["x"], [("Why?", "fog")])]
    assert asked_in(training, [episode(["y"], [(WHALE, "blue"), ("why", "Fog")])]) == {(0, WHALE), (1, "Why?")}


def test_nothing_leaks_into_nothing() -> None:
    training = [episode(["x"], [("Who?", "Ada")])]
    assert find_leaks(training, {}) == Report(leaks=(), shares={}, tests={})
    assert find_leaks([], {"test": training}).leaks == ()
    assert find_leaks(training, {"empty": []}).leaks == ()


SOURCES = ("icl_trec_coarse_6600shot_balance", "icl_nlu_8296shot_balance")


def published_rows(order: int) -> list[dict[str, object]]:
    """Training rows as the published set has them: the benchmark's own questions and samples, wrapped anew.

    All rows of a source ask the same questions; their streams are drawn from the one context of the benchmark.
    """
    rows = []
    for number, source in enumerate(SOURCES):
        context, questions = benchmark(number)
        some = context[order * 20 : order * 20 + 40]
        chunks = [
            f"[Dialogue between User and Assistant on 2024-01-0{day + 1} 00:00]\n<User>Learn these:\n"
            + "\n\n".join(f"Sentence: {text}\nLabel: {answer}" for text, answer in some[day::4])
            + "\n<Assistant>Yes."
            for day in range(4)
        ]
        asked = [
            {
                "question": f"Sentence: {text}\nWhat is the label of the sentence above? End with the answer.",
                "answer": answer,
                "evidence_idx": 0,
            }
            for text, answer in questions
        ]
        rows.append(row(len(SOURCES) * order + number, source, chunks, asked))
    return rows


def benchmark(number: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    def utterance(n: int) -> tuple[str, str]:
        return f"ask {number} about the {n} ships of the old king {n * 7}", str(n % 6)

    return [utterance(n) for n in range(100)], [utterance(n) for n in range(1000, 1100)]


def row(number: int, source: str, chunks: list[str], asked: list[dict[str, object]]) -> dict[str, object]:
    return {
        "instance_id": number,
        "prompt": "x",
        "chunks": json.dumps(chunks),
        "questions_and_answers": json.dumps(asked),
        "data_source": source,
        "metadata": "{}",
        "num_chunks": len(chunks),
        "num_questions": len(asked),
    }


def test_the_leak_of_the_published_set_is_caught(tmp_path: Path) -> None:
    train, test = tmp_path / "train.parquet", tmp_path / "memoryagentbench.parquet"
    clean = row(9, "squad", ["The crew heard a whale in the bay."], [{"question": WHALE, "answer": "blue"}])
    parquet.write_table(pyarrow.Table.from_pylist([*published_rows(0), clean, *published_rows(2)]), train)
    rows = []
    for number, source in enumerate(SOURCES):
        context, questions = benchmark(number)
        text = "\n".join(f"{text}\nlabel: {answer}" for text, answer in context)
        rows.append(row(number, source, [text], [{"question": q, "answer": [a]} for q, a in questions]))
    parquet.write_table(pyarrow.Table.from_pylist(rows), test)
    training = list(read_release(train))
    report = find_leaks(training, {"MemoryAgentBench": list(read_release(test))})
    assert report.counts() == {
        (source, "MemoryAgentBench", kind): count
        for source in SOURCES
        for kind, count in ((LeakKind.SAME_ANSWER, 200), (LeakKind.STREAM, 2))
    }
    assert [report.shares[source, "MemoryAgentBench"] for source in (*SOURCES, "squad")] == [1.0, 1.0, 0.0]
    assert without_leaks(training, report) == [training[2]]
