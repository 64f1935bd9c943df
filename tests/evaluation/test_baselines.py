"""What each baseline keeps and reads, worked by hand; a token is a word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.agent.model import Completion, Prompt, Sampling, ScriptedModel
from memalpha.agent.reader import ExtractiveReader, ModelReader, Selector
from memalpha.agent.writer import Writer, WriterConfig
from memalpha.episode import Trace
from memalpha.evaluation.baselines import (
    READ_ENTRIES,
    FilledSystem,
    WriterSystem,
    embedding_rag,
    lead_selection,
    long_context,
    no_memory,
    rag,
    random_selection,
    sentence_control,
    sentence_embedding,
)
from memalpha.memory.bank import MemoryKind
from memalpha.memory.embedding import Vectors, unit_rows
from memalpha.records import Chunk, Episode, Question


def words(text: str) -> int:
    return len(text.split())


def episode(*chunks: str, question: str = "Ann lives where?", answer: str = "Oslo") -> Episode:
    return Episode(
        id="e",
        chunks=tuple(Chunk(text=text, time=f"2024-03-0{day}") for day, text in enumerate(chunks, start=1)),
        questions=(Question(text=question, answers=(answer,)),),
    )


MOVES = episode(
    "Ann lives in Oslo.\nThanks.", "Bob lives in Rome.", "It rained.\nAnn was away.", "Cy sings.", "Di digs."
)


def run(system: FilledSystem, asked: Episode = MOVES) -> Trace:
    (trace,) = system.run([asked])
    return trace


def kept(trace: Trace) -> list[str]:
    return [entry.text for entry in trace.bank.entries(MemoryKind.EPISODIC)]


def read(trace: Trace) -> list[str]:
    return [entry.text for entry in trace.answers[0].shown.entries]


def test_long_context_keeps_all_and_reads_the_end() -> None:
    # From the end 2, 2 and 5 words, then 4 of which 1 would fit; the answer, in the first chunk, is out of reach.
    trace = run(long_context(words, window_tokens=10))
    assert kept(trace) == ["\n".join(chunk.lines) for chunk in MOVES.chunks]
    assert read(trace) == ["It rained.\nAnn was away.", "Cy sings.", "Di digs."]
    assert (trace.memory_tokens, trace.raw_tokens, trace.score, trace.sufficiency) == (18, 18, 0.0, 0.0)
    whole = run(long_context(words, window_tokens=18))
    assert read(whole) == kept(whole)
    assert (whole.score, whole.answers[0].text) == (1.0, "[2024-03-01] Ann lives in Oslo.")
    assert long_context(words).read_budget == "last 30,000 tokens"


def test_rag_keeps_all_and_reads_the_two_best_chunks() -> None:
    trace = run(rag(words))
    assert trace.memory_tokens == 18
    # "Ann" and "lives" are in two chunks each: the first has both, and of the others the shorter one scores higher.
    assert read(trace) == ["Ann lives in Oslo.\nThanks.", "Bob lives in Rome."]
    assert trace.score == 1.0
    assert (rag(words).name, rag(words, 5).name, rag(words, 5).read_budget) == ("RAG-Top2", "RAG-Top5", "5 chunks")


class Places:
    """A vector says whether Oslo, Rome or rain stands in a text, or "where", which is like Rome."""

    name = "places"
    dimensions = 3

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = [["Oslo" in text, "Rome" in text or "where" in text, "rain" in text] for text in texts]
        return unit_rows(np.array(rows, dtype=np.float32))


def test_embedding_rag_reads_the_two_nearest_chunks() -> None:
    trace = run(embedding_rag(words, Places()))
    assert trace.memory_tokens == 18
    # Only Rome is near "Ann lives where?"; of the others, all alike, the oldest.
    assert read(trace) == ["Bob lives in Rome.", "Ann lives in Oslo.\nThanks."]
    system = embedding_rag(words, Places(), 1)
    assert read(run(system)) == ["Bob lives in Rome."]
    assert (system.name, system.read_budget) == ("Embedding RAG-Top1 (places)", "1 chunks")


def test_sentences_can_be_read_by_vectors_too() -> None:
    system = sentence_embedding(words, Places())
    trace = run(system)
    assert kept(trace) == kept(run(sentence_control(words)))
    assert read(trace)[:2] == ["Bob lives in Rome.", "Ann lives in Oslo."]
    assert (system.name, system.read_budget) == ("Sentence embedding (places)", "40 entries")


def test_no_memory_keeps_and_reads_nothing() -> None:
    trace = run(no_memory(words))
    assert (kept(trace), read(trace), trace.memory_tokens, trace.read_tokens, trace.score) == ([], [], 0, 0.0, 0.0)


def test_any_model_can_read_for_any_baseline() -> None:
    model = ScriptedModel(["Oslo", "Rome"])

    def reader_of(selector: Selector) -> ModelReader:
        return ModelReader(model, selector=selector)

    assert run(no_memory(words, reader_of=reader_of)).score == 1.0
    assert run(rag(words, reader_of=reader_of)).score == 0.0
    assert "Episodic:\n(none)" in model.prompts[0].messages[0].content
    assert (
        "Episodic:\n- [2024-03-01] Ann lives in Oslo.\nThanks.\n- [2024-03-02]" in model.prompts[1].messages[0].content
    )


def test_the_control_keeps_every_line_with_its_origin() -> None:
    trace = run(sentence_control(words))
    assert kept(trace) == [
        "Ann lives in Oslo.",
        "Thanks.",
        "Bob lives in Rome.",
        "It rained.",
        "Ann was away.",
        "Cy sings.",
        "Di digs.",
    ]
    places = [(entry.provenance.chunk, entry.provenance.lines) for entry in trace.bank.entries(MemoryKind.EPISODIC)]
    assert places == [(0, (1,)), (0, (2,)), (1, (1,)), (2, (1,)), (2, (2,)), (3, (1,)), (4, (1,))]
    assert len(read(trace)) == 7
    assert trace.steps == ()


def test_the_control_reads_as_many_entries_as_a_writer_may() -> None:
    trace = run(sentence_control(words), episode("\n".join(f"line {number}" for number in range(60))))
    assert len(read(trace)) == READ_ENTRIES == 40


def test_the_same_line_is_kept_once() -> None:
    trace = run(sentence_control(words), episode("Sure.\nSure.", "Sure.\nAnn lives in Oslo."))
    assert kept(trace) == ["Sure.", "Ann lives in Oslo."]
    assert kept(run(rag(words), episode("Sure.", "Sure."))) == ["Sure."]


def test_lead_keeps_what_fits_from_the_top() -> None:
    chunk = episode("one one\ntwo two two\nthree\nfour four four four")
    # Half of 10 words: 2 and 3. Three tenths: 2, not 3 more, then 1.
    assert kept(run(lead_selection(words, 0.5), chunk)) == ["one one", "two two two"]
    assert kept(run(lead_selection(words, 0.3), chunk)) == ["one one", "three"]
    assert kept(run(lead_selection(words, 1.0), chunk)) == list(chunk.chunks[0].lines)
    assert lead_selection(words, 0.25).name == "Lead 25%"


def test_random_selection_depends_on_seed_and_episode_only() -> None:
    chunk = episode("\n".join(f"line {number}" for number in range(30)))
    first = kept(run(random_selection(words, 0.5), chunk))
    assert first == kept(run(random_selection(words, 0.5), chunk))
    assert first != kept(run(random_selection(words, 0.5, seed=1), chunk))
    assert first == sorted(first, key=lambda text: int(text.split()[1]))
    assert len(first) == 15
    assert random_selection(words, 0.5).name == "Random 50%"


@given(
    st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=8),
    st.floats(0, 1),
    st.sampled_from([random_selection, lead_selection]),
)
def test_a_selection_never_keeps_more_than_its_share(lines: list[str], share: float, make: object) -> None:
    system = make(words, share)
    trace = run(system, episode("\n".join(lines)))
    assert trace.memory_tokens <= round(share * sum(map(words, lines)))
    assert set(kept(trace)) <= set(lines)


class Listening:
    """A model that writes nothing and remembers how it was to sample."""

    name = "listening"

    def __init__(self) -> None:
        self.heard: list[tuple[int, Sampling]] = []

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        self.heard.append((len(prompts), sampling))
        return [Completion(text="") for _ in prompts]


@pytest.mark.parametrize(("seed", "temperature"), [(None, 0.0), (3, 1.0)])
def test_a_writer_decodes_greedily_unless_it_has_a_seed(seed: int | None, temperature: float) -> None:
    model = Listening()
    writer = Writer(model, WriterConfig(sampling=Sampling(max_tokens=7)))
    system = WriterSystem(name="w", writer=writer, count_tokens=words, reader=ExtractiveReader(), sample_seed=seed)
    traces = system.run([MOVES, episode("Ann lives in Oslo.")])
    assert [len(trace.steps) for trace in traces] == [5, 1]
    assert [size for size, _ in model.heard] == [2, 1, 1, 1, 1]
    samplings = [sampling for _, sampling in model.heard]
    assert {(sampling.temperature, sampling.max_tokens) for sampling in samplings} == {(temperature, 7)}
    # Each round of chunks has a seed of its own, far from those of another sample_seed.
    expected = [None] * 5 if seed is None else [3_000_009 + index for index in range(5)]
    assert [sampling.seed for sampling in samplings] == expected
    assert (traces[0].score, traces[0].memory_tokens, traces[0].raw_tokens) == (0.0, 0, 18)


@pytest.mark.parametrize(("passage_tokens", "rounds"), [(None, 1), (8, 2), (4, 3)])
def test_a_writer_reads_long_chunks_in_passages(passage_tokens: int | None, rounds: int) -> None:
    model = Listening()
    writer = Writer(model, WriterConfig(passage_tokens=passage_tokens))
    system = WriterSystem(name="w", writer=writer, count_tokens=words, reader=ExtractiveReader())
    asked = episode("Ann lives in Oslo.\nBob lives in Rome.\nCy sings.\nDi digs.")
    (trace,) = system.run([asked])
    assert len(model.heard) == rounds
    assert [chunk.time for chunk in trace.episode.chunks] == ["2024-03-01"] * rounds
    assert "\n".join(chunk.text for chunk in trace.episode.chunks) == asked.chunks[0].text
