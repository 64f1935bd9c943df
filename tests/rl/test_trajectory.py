"""Traces to plain data: what is kept of them, where calls lie, and that JSON loses nothing of it."""

import json
import pickle
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.agent.model import Completion, Prompt, Sampling, ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.agent.reader import ExtractiveReader
from memalpha.agent.writer import Writer
from memalpha.episode import Trace, run_episode
from memalpha.errors import TrainingError
from memalpha.records import Chunk, Episode, Question, ToolCall
from memalpha.rewards import RewardPreset, RuleValidator, reward
from memalpha.rl.config import RewardConfig
from memalpha.rl.trajectory import (
    PASS,
    Choice,
    SampledStep,
    Trajectory,
    from_plain,
    to_plain,
    tool_names,
    trajectory_of,
)

TEA = Episode(
    id="tea",
    chunks=(
        Chunk(text="User: Ann likes tea a lot.\nUser: Hello there.", time="2024-01-01"),
        Chunk(text="User: The lamp is green.", time="2024-01-02"),
    ),
    questions=(Question(text="What does Ann like?", answers=("tea",), evidence=(0,)),),
)
PLAIN = RewardConfig(compression=0.0, content=0.0, credit=0.0, call_credit=0.5)


def insert(*lines: int) -> str:
    return render_call(ToolCall(name="memory_insert", arguments={"lines": list(lines), "memory_type": "semantic"}))


KEEP, BROKEN = insert(1), "<tool_call>{"


class Typist:
    """Replies with one text a chunk; every character is a token, and 1 ends the turn."""

    name = "typist"

    def __init__(self, replies: Sequence[str], *, offsets: bool = True) -> None:
        self._replies = iter(replies)
        self._offsets = offsets

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        (prompt,), text = prompts, next(self._replies)
        return [
            Completion(
                text=text,
                prompt_ids=tuple(map(ord, prompt.messages[0].content)),
                token_ids=(*map(ord, text), 1),
                logprobs=(-0.5,) * (len(text) + 1),
                offsets=tuple(range(len(text) + 1)) if self._offsets else (),
            )
        ]


def count(text: str) -> int:
    return len(text.split())


def of(trace: Trace, config: RewardConfig = PLAIN) -> Trajectory:
    earned = reward(trace, preset=RewardPreset.DEFAULT, validator=RuleValidator(), count_tokens=count)
    return trajectory_of(trace, earned, config, validator=RuleValidator(), count_tokens=count)


def run(*replies: str, offsets: bool = True) -> Trace:
    return run_episode(Writer(Typist(replies, offsets=offsets)), ExtractiveReader(), TEA, count_tokens=count)


def test_a_trajectory_holds_ids_rewards_and_what_each_choice_earned() -> None:
    first, second = of(run(f"so {KEEP}2", "")).steps
    assert first.token_ids == (*map(ord, f"so {KEEP}2"), 1)
    assert first.logprobs == (-0.5,) * len(first.token_ids)
    assert "Ann likes tea" in "".join(map(chr, first.prompt_ids))
    # r1 and r2 are 1. The tea was answered from the first call: one question for two chunks makes it worth 2.
    assert (first.reward, second.reward) == (2.0, 2.0)
    assert first.choices == (
        Choice(tool="memory_insert", value=2.0, first=3, stop=3 + len(KEEP)),
        Choice(tool=PASS, value=0.0, first=3 + len(KEEP), stop=4 + len(KEEP)),
    )
    assert second.choices == ()


def test_a_line_that_was_needed_and_passed_over_is_charged() -> None:
    first, _ = of(run("1", "")).steps
    assert first.choices == (Choice(tool=PASS, value=-2.0, first=0, stop=1),)


def test_without_credit_to_calls_there_are_no_choices() -> None:
    steps = of(run(KEEP, ""), replace(PLAIN, call_credit=0.0)).steps
    assert [step.choices for step in steps] == [(), ()]


def test_without_offsets_a_call_has_its_value_and_no_place() -> None:
    first, _ = of(run(KEEP, "", offsets=False)).steps
    assert first.choices == (Choice(tool="memory_insert", value=2.0),)


def test_a_model_that_tells_no_tokens_cannot_be_learned_from() -> None:
    trace = run_episode(Writer(ScriptedModel([KEEP, ""])), ExtractiveReader(), TEA, count_tokens=count)
    with pytest.raises(TrainingError, match=r"the model gave 0 token ids and 0 log-probabilities .* a local model"):
        of(trace)


def test_calls_of_no_tool_and_writing_the_core_have_no_baseline() -> None:
    core = render_call(ToolCall(name="memory_update", arguments={"lines": [1], "memory_type": "core"}))
    arguments = {"new_content": "Bo sails.", "memory_type": "semantic", "memory_id": 1}
    entry = render_call(ToolCall(name="memory_update", arguments=arguments))
    missing = render_call(ToolCall(name="memory_update", arguments=arguments | {"memory_id": 9}))
    unknown = render_call(ToolCall(name="memory_invent", arguments={}))
    trace = run(KEEP + core + entry + "2" + missing + unknown + BROKEN, "")
    assert [result.ok for result in trace.steps[0].results] == [True, True, True, False, False, False]
    names = tool_names(trace.steps[0], passed=1)
    assert names == ["memory_insert", "", "memory_update", "memory_update", "", "", PASS]


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PLACES = st.integers(0, 9)
CHOICES = st.builds(Choice, tool=st.sampled_from(["", PASS, "memory_insert"]), value=NUMBERS, first=PLACES, stop=PLACES)
STEPS = st.builds(
    SampledStep,
    prompt_ids=st.lists(PLACES).map(tuple),
    token_ids=st.lists(PLACES).map(tuple),
    logprobs=st.lists(NUMBERS).map(tuple),
    reward=NUMBERS,
    choices=st.lists(CHOICES, max_size=3).map(tuple),
)


@given(STEPS)
def test_a_step_comes_back_from_json_and_from_pickle(step: SampledStep) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(step)))) == step
    assert pickle.loads(pickle.dumps(step)) == step
