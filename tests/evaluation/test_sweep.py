"""The harness: what is asked, what is kept, and that an interruption changes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from memalpha.agent.judge import Judge
from memalpha.agent.model import Completion, Prompt, Sampling, ScriptedModel
from memalpha.agent.reader import ModelReader
from memalpha.agent.writer import PromptStyle, Writer, WriterConfig
from memalpha.episode import Trace, Watch
from memalpha.errors import CheckpointError, EpisodeError, ModelError
from memalpha.evaluation.baselines import WatchedSystem, WriterSystem, rag
from memalpha.evaluation.ledger import Ledger
from memalpha.evaluation.recorded import RecordedModel
from memalpha.evaluation.sweep import Cell, Observer, Pace, plan, run_sweep
from memalpha.memory.layouts import MEMAGENT
from memalpha.records import Chunk, Episode, Question


def words(text: str) -> int:
    return len(text.split())


def episode(name: str, questions: int = 2) -> Episode:
    """One fact a chunk; every question has its own number for an answer, and all of them stand in the first chunk."""
    facts = "\n".join(f"The code of door {name}{number} is {number}." for number in range(questions))
    return Episode(
        id=name,
        chunks=(Chunk(text=facts), Chunk(text=f"Nothing more about {name}.")),
        questions=tuple(
            Question(text=f"What is the code of door {name}{number}?", answers=(str(number),))
            for number in range(questions)
        ),
    )


class Failing(ScriptedModel):
    """Writes back what it reads, and answers with the question; from the n-th prompt on it is down."""

    def __init__(self, lasts: int) -> None:
        super().__init__(lambda prompt: prompt.messages[-1].content)
        self.lasts = lasts

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        done = []
        for prompt in prompts:
            if len(self.prompts) >= self.lasts:
                raise ModelError("the server is down")
            done += super().complete([prompt], sampling)
        return done


CELLS = [
    Cell(suite="one", seed=0, episodes=(episode("a", 20), episode("b", 1))),
    Cell(suite="two", seed=1, episodes=(episode("c", 3),)),
]
CHAT = WriterConfig(style=PromptStyle.CHAT)


def systems(model: ScriptedModel, folder: Path) -> dict[str, WatchedSystem]:
    kept = RecordedModel(model, folder / "completions.jsonl")
    writer = WriterSystem(
        name="MemAgent", writer=Writer(kept, CHAT), count_tokens=words, reader=ModelReader(kept), layout=MEMAGENT
    )
    return {"rag-top2": rag(words), "memagent": writer}


def sweep(folder: Path, model: ScriptedModel, **more: object) -> Ledger:
    ledger = Ledger(folder, {})
    run_sweep(systems(model, folder), CELLS, ledger, count_tokens=words, **more)  # type: ignore[arg-type]
    return ledger


def rows(ledger: Ledger) -> tuple[dict[object, object], dict[object, object]]:
    """All rows but their times."""
    return (
        {key: replace(row, seconds=0.0) for key, row in ledger.memories.items()},
        {key: replace(row, seconds=0.0) for key, row in ledger.questions.items()},
    )


def test_every_question_is_a_row_and_every_memory(tmp_path: Path) -> None:
    ledger = sweep(tmp_path, Failing(10_000))
    assert len(ledger.questions) == 2 * 24
    assert len(ledger.memories) == 2 * 3
    memory = ledger.memories["rag-top2", "one", 0, "b"]
    # "The code of door b0 is 0." and "Nothing more about b." have 7 and 4 words.
    assert (memory.raw_tokens, memory.memory_tokens, memory.written_tokens) == (11, 11, 11)
    row = ledger.questions["rag-top2", "two", 1, "c", 2]
    assert (row.answer, row.score, row.sufficient, row.read_tokens) == ("The code of door c2 is 2.", 1.0, True, 25)
    # This reader repeats the question, which holds no code, and was shown it all the same.
    assert ledger.questions["memagent", "two", 1, "c", 2].score == 0.0


def test_the_first_episode_of_a_cell_leaves_its_trace(tmp_path: Path) -> None:
    sweep(tmp_path, Failing(10_000))
    kept = {file.stem: json.loads(file.read_text()) for file in (tmp_path / "traces").iterdir()}
    assert {name: trace["episode"]["id"] for name, trace in kept.items()} == {
        "one-seed-0-rag-top2": "a",
        "one-seed-0-memagent": "a",
        "two-seed-1-rag-top2": "c",
        "two-seed-1-memagent": "c",
    }
    assert len(kept["one-seed-0-rag-top2"]["answers"]) == 20
    assert kept["one-seed-0-rag-top2"]["steps"] == []
    assert [step["chunk"] for step in kept["two-seed-1-memagent"]["steps"]] == [0, 1]


@pytest.mark.parametrize("lasts", [0, 1, 3, 5, 12, 25, 29])
@pytest.mark.parametrize("pace", [Pace(), Pace(side_by_side=1), Pace(side_by_side=1, workers=3)])
def test_an_outage_leaves_what_goes_on_to_the_same_rows(tmp_path: Path, lasts: int, pace: Pace) -> None:
    whole = sweep(tmp_path / "whole", model := Failing(10_000))
    with pytest.raises(ModelError, match="the server is down"):
        sweep(tmp_path / "cut", Failing(lasts), pace=pace)
    left = Ledger(tmp_path / "cut", {})
    assert len(left.questions) < 48
    again = Failing(10_000)
    assert rows(sweep(tmp_path / "cut", again, pace=pace)) == rows(whole)
    if pace.workers == 1:
        # Completions are kept in lots of 32, so that at most the lot of the outage is paid again.
        assert len(again.prompts) >= len(model.prompts) - lasts
    assert len((tmp_path / "cut" / "questions.jsonl").read_text().splitlines()) == 48


@dataclass
class Grouped:
    """RAG that notes which episodes come together."""

    inner: WatchedSystem
    groups: list[list[str]] = field(default_factory=list)
    name: str = "grouped"
    read_budget: str = ""

    def run(self, episodes: Sequence[Episode], watch: Watch | None = None) -> list[Trace]:
        self.groups.append([each.id for each in episodes])
        return self.inner.run(episodes, watch)


@pytest.mark.parametrize(
    ("size", "groups"), [(8, [["a", "b", "c"], ["a", "d"]]), (2, [["a", "b"], ["c", "a"], ["d"]]), (1, [*"abcad"])]
)
def test_episodes_of_several_suites_go_side_by_side(tmp_path: Path, size: int, groups: list[object]) -> None:
    last = Cell(suite="three", seed=0, episodes=(episode("a", 2), episode("d", 1)))
    system, ledger = Grouped(rag(words)), Ledger(tmp_path, {})
    run_sweep({"rag-top2": system}, [*CELLS, last], ledger, count_tokens=words, pace=Pace(side_by_side=size))
    assert system.groups == [list(group) for group in groups]
    answered = {(suite, seed, name, number) for _, suite, seed, name, number in ledger.questions}
    assert {key for key in answered if key[2] == "a"} == {
        *(("one", 0, "a", number) for number in range(20)), *(("three", 0, "a", number) for number in range(2))
    }  # fmt: skip
    assert ledger.memories["rag-top2", "three", 0, "a"].suite == "three"


def test_what_is_there_is_not_asked(tmp_path: Path) -> None:
    class Seen(Observer):
        def __init__(self) -> None:
            self.told: list[object] = []

        def on_system(self, name: str, asked: int, total: int) -> None:
            self.told.append((name, asked, total))

        def on_answers(self, count: int) -> None:
            self.told.append(count)

    first, second = Seen(), Seen()
    sweep(tmp_path, Failing(10_000), observer=first)
    # 20 questions go in lots of 16 and 4.
    assert first.told == [("rag-top2", 0, 24), 16, 4, 1, 3, ("memagent", 0, 24), 16, 4, 1, 3]
    sweep(tmp_path, model := Failing(0), observer=second)
    assert second.told == [("rag-top2", 24, 24), ("memagent", 24, 24)]
    assert not model.prompts


def test_only_the_missing_questions_are_asked(tmp_path: Path) -> None:
    sweep(tmp_path, Failing(10_000))
    file = tmp_path / "questions.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    whole = rows(Ledger(tmp_path, {}))
    file.write_text("".join(line for at, line in enumerate(lines) if at not in (2, 17, 30)))
    (tmp_path / "completions.jsonl").unlink()
    model = Failing(10_000)
    assert rows(sweep(tmp_path, model)) == whole
    # Two were of RAG; for the third the two chunks are written again, and it alone is asked.
    assert len(model.prompts) == 3


def test_a_judge_is_asked_of_each_answer_and_its_outage_is_no_verdict(tmp_path: Path) -> None:
    judge = Judge(ScriptedModel(lambda prompt: '{"correct": true}'))
    ledger = Ledger(tmp_path / "judged", {})
    run_sweep({"rag-top2": rag(words)}, CELLS, ledger, count_tokens=words, judge=judge)
    assert {row.judged for row in ledger.questions.values()} == {True}
    assert {row.judged for row in sweep(tmp_path / "plain", Failing(10_000)).questions.values()} == {None}
    ledger = Ledger(tmp_path / "down", {})
    with pytest.raises(ModelError, match="asked more often"):
        run_sweep(
            {"rag-top2": rag(words)},
            CELLS,
            ledger,
            count_tokens=words,
            judge=Judge(ScriptedModel(['{"correct": false}'])),
        )
    assert [row.judged for row in ledger.questions.values()] == [False]


def test_data_that_changed_is_refused(tmp_path: Path) -> None:
    sweep(tmp_path, Failing(10_000))
    other = Cell(suite="two", seed=1, episodes=(replace(CELLS[1].episodes[0], chunks=(Chunk(text="Else."),)),))
    with pytest.raises(CheckpointError, match="holds another episode 'c' of two, seed 1"):
        run_sweep({"rag-top2": rag(words)}, [other], Ledger(tmp_path, {}), count_tokens=words)


def test_what_an_earlier_seed_drew_is_not_drawn_again() -> None:
    def load(suite: str, seed: int) -> list[Episode]:
        return [episode("a")] if suite == "fixed" else [episode("a"), episode(f"b{seed}")]

    cells = plan(["fixed", "drawn"], [0, 1], load)
    drawn = [(cell.suite, cell.seed, [each.id for each in cell.episodes]) for cell in cells]
    assert drawn == [("fixed", 0, ["a"]), ("drawn", 0, ["a", "b0"]), ("drawn", 1, ["b1"])]
    assert [cell.questions for cell in cells] == [2, 4, 2]
    with pytest.raises(EpisodeError, match="x: got two episodes with the id 'a'"):
        plan(["x"], [0], lambda suite, seed: [episode("a"), episode("a", 3)])
