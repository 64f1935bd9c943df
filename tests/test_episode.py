"""The episode loop: chunks once and in order, questions from memory alone, several episodes side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Event

import pytest

from memalpha.agent.model import Completion, Prompt, Sampling, ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.agent.reader import Answer, ExtractiveReader, ModelReader
from memalpha.agent.writer import PromptStyle, Writer, WriterConfig
from memalpha.episode import Start, finish, run_episode, run_episodes, store_first
from memalpha.errors import ModelError
from memalpha.memory.bank import Bank, Entry, MemoryKind, Provenance
from memalpha.memory.layouts import MEMAGENT
from memalpha.records import Chunk, Episode, Metric, Question, ToolCall

CHAT = WriterConfig(style=PromptStyle.CHAT)


def count(text: str) -> int:
    return len(text.split())


def quote(*lines: int) -> str:
    return render_call(ToolCall(name="memory_insert", arguments={"memory_type": "semantic", "lines": list(lines)}))


ANN = Episode(
    id="ann",
    chunks=(
        Chunk(text="Ann has a dog.\nFine weather.", time="2024-03-01"),
        Chunk(text="Bo sails to Rome.", time="2024-03-02"),
        Chunk(text="Cy digs a well.\nGood night.", time="2024-03-03"),
    ),
    questions=(
        Question(text="What does Ann have?", answers=("dog",)),
        Question(text="Where does Bo sail?", answers=("Rome",)),
        Question(text="What does Cy dig?", answers=("well",)),
        Question(text="What has Ann?", answers=("a dog or cat",), metric=Metric.TOKEN_F1),
    ),
)
DI = Episode(
    id="di",
    chunks=(Chunk(text="Di paints."),),
    questions=(Question(text="What does Di do?", answers=("paints",)),),
)


class Watching(ScriptedModel):
    """Keeps the last line of each prompt of each batch, and how it was sampled."""

    def __init__(self, script: Sequence[str]) -> None:
        super().__init__(script)
        self.batches: list[list[str]] = []
        self.samplings: list[Sampling] = []

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        self.batches.append([prompt.messages[0].content.splitlines()[-1] for prompt in prompts])
        self.samplings.append(sampling)
        return super().complete(prompts, sampling)


def test_an_episode_by_hand() -> None:
    # The second chunk is not kept. Kept are "Ann has a dog." and "Cy digs a well.", 4 words each, of 6 + 4 + 6 words.
    writer = Writer(ScriptedModel([quote(1), "nothing", quote(1)]))
    trace = run_episode(writer, ExtractiveReader(), ANN, count_tokens=count)
    assert [answer.text for answer in trace.answers] == [
        "Ann has a dog.",
        "",
        "Cy digs a well.",
        "Ann has a dog.",
    ]
    # Token F1 of {ann, has, dog} with {dog, or, cat} is 2 · 1 / 6.
    assert trace.scores == pytest.approx((1.0, 0.0, 1.0, 1 / 3))
    assert trace.score == pytest.approx(7 / 12)
    assert (trace.memory_tokens, trace.raw_tokens) == (8, 16)
    # Gold answers stand in what was shown for the first and the third question.
    assert trace.sufficiency == 0.5
    # Shown are both entries, 8 words, for each question.
    assert (trace.written_tokens, trace.read_tokens) == (8, 8.0)
    assert trace.episode is ANN
    assert [entry.provenance.chunk for entry in trace.bank.entries(MemoryKind.SEMANTIC)] == [0, 2]


def test_chunks_come_once_and_in_order_and_see_the_memory_so_far() -> None:
    model = ScriptedModel([quote(1), quote(1), quote(1)])
    trace = run_episode(Writer(model), ExtractiveReader(), ANN, count_tokens=count)
    shown = [prompt.messages[0].content for prompt in model.prompts]
    assert shown == [
        "<|chunk|>2024-03-01\nAnn has a dog. #1\nFine weather. #2\n",
        "semantic 1: Ann has a dog.\n<|chunk|>2024-03-02\nBo sails to Rome. #1\n",
        "semantic 2: Bo sails to Rome.\n<|chunk|>2024-03-03\nCy digs a well. #1\nGood night. #2\n",
    ]
    assert [step.index for step in trace.steps] == [0, 1, 2]
    assert [len(step.operations) for step in trace.steps] == [1, 1, 1]


def test_episodes_go_side_by_side_each_with_a_memory_of_its_own() -> None:
    model = Watching([quote(1), quote(1), quote(2), "", "", quote(1), ""])
    told: list[tuple[int, int]] = []
    traces = run_episodes(
        Writer(model),
        ExtractiveReader(),
        [ANN, DI, ANN],
        count_tokens=count,
        progress=lambda *at: told.append(at),
    )
    assert model.batches == [
        ["Fine weather. #2", "Di paints. #1", "Fine weather. #2"],
        ["Bo sails to Rome. #1", "Bo sails to Rome. #1"],
        ["Good night. #2", "Good night. #2"],
    ]
    assert told == [(3, 7), (5, 7), (7, 7)]
    assert [trace.episode.id for trace in traces] == ["ann", "di", "ann"]
    kept = [[entry.text for entry in trace.bank.entries(MemoryKind.SEMANTIC)] for trace in traces]
    assert kept == [["Ann has a dog.", "Cy digs a well."], ["Di paints."], ["Fine weather."]]
    assert [trace.score for trace in traces] == pytest.approx([7 / 12, 1.0, 0.0])
    assert [len(trace.steps) for trace in traces] == [3, 1, 3]


def test_the_sampling_may_hang_on_the_chunk() -> None:
    model = Watching([""] * 4)
    samplings = [Sampling(temperature=1.0, seed=n) for n in range(3)]
    run_episodes(
        Writer(model), ExtractiveReader(), [DI, ANN], count_tokens=count, sampling=lambda index: samplings[index]
    )
    assert model.samplings == samplings


def test_without_a_sampling_the_writer_samples_in_its_own_way() -> None:
    model = Watching([""])
    writer = Writer(model)
    run_episodes(writer, ExtractiveReader(), [DI], count_tokens=count)
    assert model.samplings == [writer.sampling]


def test_no_episodes_are_no_traces() -> None:
    assert run_episodes(Writer(ScriptedModel([])), ExtractiveReader(), [], count_tokens=count) == []


def test_what_is_shown_but_not_answered_is_sufficient_and_scores_nothing() -> None:
    bank = Bank(count_tokens=count)
    bank.insert(MemoryKind.SEMANTIC, "Di paints.", Provenance())
    trace = finish(DI, (), bank, ModelReader(ScriptedModel(["sails"])), count)
    assert (trace.score, trace.sufficiency, trace.raw_tokens, trace.memory_tokens) == (0.0, 1.0, 2, 2)


def test_what_fails_is_no_answer_and_no_score() -> None:
    with pytest.raises(ModelError, match="asked more often"):
        run_episode(Writer(ScriptedModel(["", ""])), ExtractiveReader(), ANN, count_tokens=count)
    with pytest.raises(ModelError, match="asked more often"):
        run_episode(Writer(ScriptedModel([""])), ModelReader(ScriptedModel([])), DI, count_tokens=count)


def test_stored_chunks_are_partly_in_memory_and_the_writer_reads_the_rest() -> None:
    model = Watching([quote(1), ""])
    filled, empty = run_episodes(
        Writer(model), ExtractiveReader(), [ANN, DI], count_tokens=count, starts=[Start(stored=2, first_id=70), Start()]
    )
    assert [step.index for step in filled.steps] == [2]
    texts = {entry.text for entry in entries(filled.bank)} - {"Cy digs a well."}
    assert texts <= {"Ann has a dog.", "Fine weather.", "Bo sails to Rome."}
    assert (filled.whole, empty.whole) == (False, True)
    assert model.batches == [["Good night. #2", "Di paints. #1"]]


def test_two_lines_in_five_are_stored_the_same_ones_each_time() -> None:
    lines = [f"Line number {number}." for number in range(500)]
    long = replace(DI, chunks=(Chunk(text="\n".join(lines[:250])), Chunk(text="\n".join(lines[250:]))))
    one, again = (store_first(long, 2, Bank(count_tokens=count)) for _ in range(2))
    kept = [(each.kind, each.text, each.provenance.chunk) for each in entries(one)]
    assert kept == [(each.kind, each.text, each.provenance.chunk) for each in entries(again)]
    assert 170 < len(kept) < 230
    assert all((number >= 250) == bool(chunk) for _, text, chunk in kept for number in [lines.index(text)])
    assert 70 < sum(kind is MemoryKind.EPISODIC for kind, _, _ in kept) < 130


def entries(bank: Bank) -> list[Entry]:
    return [*bank.entries(MemoryKind.SEMANTIC), *bank.entries(MemoryKind.EPISODIC)]


def test_what_is_written_counts_again_when_it_is_rewritten() -> None:
    # MemAgent: 3 words, then 5, then nothing new. Each of the two questions reads the 5.
    writer = Writer(ScriptedModel(["Ann: a dog", "Ann: a dog Bo: Rome", "Ann: a dog Bo: Rome"]), CHAT)
    trace = run_episode(writer, ExtractiveReader(), ANN, count_tokens=count, layout=MEMAGENT)
    assert (trace.written_tokens, trace.memory_tokens, trace.read_tokens) == (8, 5, 5.0)
    assert trace.bank.layout is MEMAGENT
    assert [len(step.calls) for step in trace.steps] == [1, 1, 0]
    assert trace.score == pytest.approx((1 + 1 + 0 + 2 / 7) / 4)


class Told:
    """A watch that remembers what it was told, without times."""

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []

    def wrote(self, episode: Episode, bank: Bank, seconds: float) -> None:
        assert seconds >= 0
        self.events.append((episode.id, len(bank)))

    def answered(self, episode: Episode, first: int, answers: Sequence[Answer], seconds: float) -> None:
        assert seconds >= 0
        self.events.append((episode.id, first, [answer.text for answer in answers]))


def test_a_watch_is_told_of_each_memory_and_each_lot_of_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memalpha.episode.ASKED_AT_ONCE", 3)
    told, replies = Told(), [quote(1), quote(1), "", ""]
    watched = run_episodes(
        Writer(ScriptedModel(replies)), ExtractiveReader(), [ANN, DI], count_tokens=count, watch=told
    )
    assert told.events == [
        ("ann", 1),
        ("di", 1),
        ("ann", 0, ["Ann has a dog.", "", ""]),
        ("ann", 3, ["Ann has a dog."]),
        ("di", 0, ["Di paints."]),
    ]
    alone = run_episodes(Writer(ScriptedModel(replies)), ExtractiveReader(), [ANN, DI], count_tokens=count)
    assert [trace.answers for trace in watched] == [trace.answers for trace in alone]


class SlowLast:
    """Completes chunks that say "slow" when nothing else is left, and not before it is let go on."""

    name = "slow last"

    def __init__(self, let_go: Event) -> None:
        self.let_go = let_go
        self.waiting: dict[int, str] = {}
        self.read: list[str] = []

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        raise AssertionError("a model with a stream is not asked in waves")

    def stream(self) -> SlowLast:
        return self

    def submit(self, key: int, prompt: Prompt, sampling: Sampling) -> None:
        self.waiting[key] = prompt.messages[-1].content

    def ready(self) -> list[tuple[int, Completion]]:
        chosen = [key for key, text in self.waiting.items() if "slow" not in text]
        if not chosen:
            assert self.let_go.wait(30)
            chosen = list(self.waiting)
        self.read += ["slow" if "slow" in self.waiting.pop(key) else "quick" for key in chosen]
        return [(key, Completion(text="")) for key in chosen]


class Answering(ExtractiveReader):
    """May be asked from a thread; lets the slow episode go on once the quick one is answered."""

    concurrency = 1

    def __init__(self, let_go: Event) -> None:
        super().__init__()
        self.let_go = let_go

    def read(self, bank: Bank, questions: Sequence[str]) -> list[Answer]:
        found = super().read(bank, questions)
        self.let_go.set()
        return found


def test_nobody_waits_for_the_slowest_and_answers_come_while_others_are_still_read() -> None:
    asked = (Question(text="q", answers=("a",)),)
    episodes = [
        Episode(id=pace, chunks=tuple(Chunk(text=f"{pace} {n}") for n in range(3)), questions=asked)
        for pace in ("slow", "quick")
    ]
    let_go = Event()
    model = SlowLast(let_go)
    traces = run_episodes(Writer(model), Answering(let_go), episodes, count_tokens=len)
    assert model.read == ["quick"] * 3 + ["slow"] * 3
    assert [trace.episode.id for trace in traces] == ["slow", "quick"]
