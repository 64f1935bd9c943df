"""Rewards: every term by hand, the paper's rules, and which step a question is credited to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.agent.judge import Judge
from memalpha.agent.model import Completion, Prompt, ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.agent.reader import ExtractiveReader
from memalpha.agent.view import View
from memalpha.agent.writer import Step, Writer
from memalpha.episode import Trace, run_episode
from memalpha.errors import ModelError
from memalpha.memory.bank import Action, Bank, MemoryKind, Operation, Provenance
from memalpha.records import Chunk, Episode, Question, ToolCall, ToolResult, ToolStatus
from memalpha.rewards import (
    EpisodeReward,
    JudgeValidator,
    RewardPreset,
    RewardWeights,
    RuleValidator,
    StepReward,
    compression,
    content,
    own_correctness,
    reward,
    tools,
)

DEFAULT, PAPER = RewardPreset.DEFAULT, RewardPreset.PAPER
CORE, SEMANTIC, EPISODIC = MemoryKind.CORE, MemoryKind.SEMANTIC, MemoryKind.EPISODIC


def count(text: str) -> int:
    return len(text.split())


def operation(
    after: str | None, kind: MemoryKind = SEMANTIC, action: Action = Action.INSERT, time: str | None = "2024-03-05"
) -> Operation:
    return Operation(
        number=1,
        action=action,
        kind=kind,
        entry_id=1,
        before=None,
        after=after,
        provenance=Provenance(chunk=0, time=time),
    )


DELETE = operation(None, action=Action.DELETE)


def step(statuses: str, *operations: Operation, index: int = 0) -> Step:
    """A step with one call for each letter, o is OK, x failed and b was over the budget."""
    status = {"o": ToolStatus.OK, "x": ToolStatus.BAD_ARGUMENTS, "b": ToolStatus.OVER_BUDGET}
    return Step(
        index=index,
        view=View(core="", newest=(), related=()),
        prompt=Prompt(tokens=(1,)),
        completion=Completion(text=""),
        calls=(ToolCall(name="memory_insert"),) * len(statuses),
        results=tuple(ToolResult(status=status[letter], message="") for letter in statuses),
        operations=operations,
    )


@pytest.mark.parametrize(
    ("statuses", "share"), [("o", 1.0), ("x", 0.0), ("oxo", 2 / 3), ("oxxx", 0.25), ("b", 1.0), ("obx", 2 / 3)]
)
def test_r2_is_the_share_of_calls_without_a_fault(statuses: str, share: float) -> None:
    assert tools(step(statuses), DEFAULT) == tools(step(statuses), PAPER) == pytest.approx(share)


def test_no_call_scores_one_and_in_the_paper_nothing() -> None:
    assert (tools(step(""), DEFAULT), content(step(""), DEFAULT, RuleValidator())) == (1.0, 1.0)
    assert (tools(step(""), PAPER), content(step(""), PAPER, RuleValidator())) == (0.0, 0.0)


FIT, UNFIT = operation("Ann has a dog."), operation("Thanks, that helps a lot.")


def test_r4_is_the_share_of_calls_that_wrote_something_fit() -> None:
    for preset in RewardPreset:
        assert content(step("o", FIT), preset, RuleValidator()) == 1.0
        assert content(step("oo", FIT, UNFIT), preset, RuleValidator()) == 0.5
        assert content(step("oxoo", FIT, UNFIT, FIT), preset, RuleValidator()) == 0.5
        assert content(step("xx"), preset, RuleValidator()) == 0.0
        assert content(step("obob", FIT, UNFIT), preset, RuleValidator()) == 0.5
    assert (content(step("bb"), DEFAULT, RuleValidator()), content(step("bb"), PAPER, RuleValidator())) == (1.0, 0.0)


def test_a_delete_counts_in_r4_but_not_in_the_paper() -> None:
    assert content(step("oo", FIT, DELETE), DEFAULT, RuleValidator()) == 1.0
    assert content(step("oo", FIT, DELETE), PAPER, RuleValidator()) == 0.5
    assert content(step("o", DELETE), PAPER, RuleValidator()) == 0.0
    assert tools(step("o", DELETE), PAPER) == 1.0


@pytest.mark.parametrize(
    ("memory", "chunks", "r3"), [(0, 10, 1.0), (1, 10, 0.9), (10, 10, 0.0), (25, 10, -1.5), (3, 4, 0.25)]
)
def test_r3_falls_with_the_length_of_the_memory(memory: int, chunks: int, r3: float) -> None:
    assert compression(memory, chunks) == pytest.approx(r3)


@pytest.mark.parametrize(
    ("text", "kind", "time", "fit"),
    [
        ("Ann has a dog.", SEMANTIC, None, True),
        ("User: Ann's drink is tea.", SEMANTIC, None, True),
        ("Ann dog", SEMANTIC, None, False),
        ("Ann has dog", SEMANTIC, None, True),
        ("Does Ann have a dog?", SEMANTIC, None, False),
        ("Does Ann have a dog? ", CORE, None, False),
        ("Thanks, that helps a lot.", SEMANTIC, None, False),
        ("Assistant: Sure, happy to help.", SEMANTIC, None, False),
        ("user: OK then, let us see.", SEMANTIC, None, False),
        ("Thankfully Ann has a dog.", SEMANTIC, None, True),
        ("Okra is a plant.", SEMANTIC, None, True),
        ("Ann has a dog since yesterday.", SEMANTIC, None, False),
        ("Ann sails TODAY with Bo.", SEMANTIC, None, False),
        ("Ann sails today with Bo.", CORE, None, True),
        ("I met Ann today.", EPISODIC, "2024-03-05", True),
        ("I met Ann at the mill.", EPISODIC, "2024-03-05", True),
        ("I met Ann at the mill.", EPISODIC, None, False),
        ("Ann repaired the mill.", EPISODIC, "2024-03-05", True),
        ("Ann went to Rome.", EPISODIC, "2024-03-05", True),
        ("The drink of Ann is tea.", EPISODIC, "2024-03-05", False),
        ("Ann and Bo talk.", CORE, None, True),
    ],
)
def test_the_rules_of_fitness(text: str, kind: MemoryKind, time: str | None, fit: bool) -> None:
    assert RuleValidator().valid(operation(text, kind, time=time)) is fit


def test_a_judge_sees_kind_and_dated_text_and_is_not_asked_about_deletes() -> None:
    model = ScriptedModel(['{"valid": true}', '{"valid": false}'])
    validator = JudgeValidator(Judge(model))
    assert validator.valid(operation("I met Ann.", EPISODIC)) is True
    assert validator.valid(operation("Ann sails.", SEMANTIC, time=None)) is False
    assert validator.valid(DELETE) is True
    first, second = (prompt.messages[0].content for prompt in model.prompts)
    assert 'Kind of this entry: episodic\nText of this entry, as a JSON string: "[2024-03-05] I met Ann."' in first
    assert 'Kind of this entry: semantic\nText of this entry, as a JSON string: "Ann sails."' in second


EPISODE = Episode(
    id="e",
    chunks=(
        Chunk(text="Ann has a very big dog.\nFine weather all day.", time="2024-03-01"),  # 6 + 4 words
        Chunk(text="Bo sails to Rome.", time="2024-03-02"),  # 4
        Chunk(text="Thanks for all that.\nGood night to you.", time="2024-03-03"),  # 8
        Chunk(text="Cy digs a well here, not there.", time="2024-03-04"),  # 7
    ),
    questions=(
        Question(text="What does Ann have?", answers=("dog",), evidence=(0,)),
        Question(text="Where does Bo sail?", answers=("Rome",), evidence=(1,)),
        Question(text="What does Cy dig?", answers=("well",), evidence=(3,)),
        Question(text="Who has a dog, and who digs?", answers=("Di",), evidence=(0, 3)),
    ),
)


def call(name: str, **arguments: Any) -> str:
    return render_call(ToolCall(name=f"memory_{name}", arguments=arguments))


def trace() -> Trace:
    """Keeps a fact of chunk 0, nothing of chunk 1, thanks of chunk 2 (and fails once), which chunk 3 replaces."""
    replies = [
        call("insert", memory_type="semantic", lines=[1]),
        "",
        call("insert", memory_type="semantic", lines=[1]) + call("insert", memory_type="semantic", lines=[7]),
        call("update", memory_type="semantic", memory_id=2, lines=[1]),
    ]
    return run_episode(Writer(ScriptedModel(replies)), ExtractiveReader(), EPISODE, count_tokens=count)


def test_all_terms_of_an_episode_by_hand() -> None:
    made = trace()
    # Right are the first and the third question. In memory are 6 words of chunk 0 and 7 of chunk 3, of 10 + 4 + 8 + 7.
    assert made.scores == (1.0, 0.0, 1.0, 0.0)
    found = reward(made, preset=DEFAULT, validator=RuleValidator(), count_tokens=count)
    assert found.correctness == 0.5
    assert found.compression == pytest.approx(1 - 13 / 29)
    assert found.steps == (
        StepReward(tools=1.0, content=1.0, own_correctness=0.5, own_compression=pytest.approx(0.4)),
        StepReward(tools=1.0, content=1.0, own_correctness=0.0, own_compression=1.0),
        StepReward(tools=0.5, content=0.0, own_correctness=None, own_compression=1.0),
        StepReward(tools=1.0, content=1.0, own_correctness=0.5, own_compression=0.0),
    )
    paper = reward(made, preset=PAPER, validator=RuleValidator(), count_tokens=count)
    assert paper == replace(
        found, steps=(found.steps[0], replace(found.steps[1], tools=0.0, content=0.0), *found.steps[2:])
    )


def test_the_sum_by_hand() -> None:
    weights = RewardWeights(compression=0.1, content=0.2)
    found = reward(trace(), preset=DEFAULT, validator=RuleValidator(), count_tokens=count)
    shared = 0.5 + 0.1 * 16 / 29
    assert found.totals(weights) == pytest.approx([shared + 1.2, shared + 1.2, shared + 0.5, shared + 1.2])
    # With credit 1 a step has its own r1 and r3; the third has no question of its own and keeps the episode's r1.
    assert found.credited(weights, 1.0) == pytest.approx([0.5 + 0.04 + 1.2, 0.1 + 1.2, 0.5 + 0.1 + 0.5, 0.5 + 1.2])
    half = [(whole + own) / 2 for whole, own in zip(found.totals(weights), found.credited(weights, 1.0), strict=True)]
    assert found.credited(weights, 0.5) == pytest.approx(half)


def test_the_weights_of_the_paper_are_the_defaults() -> None:
    assert (RewardWeights().compression, RewardWeights().content) == (0.05, 0.1)


def test_a_question_counts_for_every_chunk_of_its_evidence() -> None:
    assert own_correctness(trace()) == [0.5, 0.0, None, 0.5]


def test_the_core_counts_as_kept_from_where_it_was_written_and_free_text_without_a_chunk_from_nowhere() -> None:
    made = trace()
    made.bank.update(CORE, None, "Ann and Bo talk.", Provenance(chunk=1))
    made.bank.insert(SEMANTIC, "Told by a user.", Provenance(chunk=None))
    found = reward(made, preset=DEFAULT, validator=RuleValidator(), count_tokens=count)
    assert [each.own_compression for each in found.steps] == pytest.approx([0.4, 0.0, 1.0, 0.0])
    assert found.compression == pytest.approx(1 - 21 / 29)


def test_a_judge_that_fails_is_no_score() -> None:
    validator = JudgeValidator(Judge(ScriptedModel([])))
    with pytest.raises(ModelError):
        reward(trace(), preset=DEFAULT, validator=validator, count_tokens=count)


unit = st.floats(0, 1)
steps = st.builds(
    StepReward,
    tools=unit,
    content=unit,
    own_correctness=st.none() | unit,
    own_compression=st.floats(-2, 1),
)
rewards = st.builds(
    EpisodeReward, correctness=unit, compression=st.floats(-2, 1), steps=st.lists(steps, max_size=5).map(tuple)
)
weightings = st.builds(RewardWeights, compression=unit, content=unit)


@given(found=rewards, weights=weightings)
def test_no_credit_is_the_plain_sum(found: EpisodeReward, weights: RewardWeights) -> None:
    assert found.credited(weights, 0.0) == found.totals(weights)


@given(found=rewards, weights=weightings, credit=unit)
def test_r2_and_r4_are_a_steps_own_whatever_the_credit(
    found: EpisodeReward, weights: RewardWeights, credit: float
) -> None:
    bare = replace(found, steps=tuple(replace(each, tools=0.0, content=0.0) for each in found.steps))
    gains = [
        with_terms - without
        for with_terms, without in zip(found.credited(weights, credit), bare.credited(weights, credit), strict=True)
    ]
    assert gains == pytest.approx([each.tools + weights.content * each.content for each in found.steps], abs=1e-9)


def test_a_bank_of_nothing_compresses_all() -> None:
    made = replace(trace(), bank=Bank(count_tokens=count))
    found = reward(made, preset=DEFAULT, validator=RuleValidator(), count_tokens=count)
    assert (found.compression, {each.own_compression for each in found.steps}) == (1.0, {1.0})
