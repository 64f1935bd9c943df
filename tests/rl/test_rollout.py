"""Experience by hand: two samples of one episode, their rewards, and the rows each estimator makes of them."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.agent.local import load_local
from memalpha.agent.marked_calls import render_marked_call
from memalpha.agent.model import Completion, Model, Prompt, Sampling, ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.agent.reader import ExtractiveReader
from memalpha.agent.writer import PromptStyle, Writer, WriterConfig
from memalpha.data.world import make_episodes
from memalpha.episode import Trace, run_episode
from memalpha.errors import TrainingError
from memalpha.memory.bank import Bank, MemoryKind
from memalpha.records import Chunk, Episode, Question, ToolCall
from memalpha.rl.advantage import Estimator
from memalpha.rl.config import (
    DataConfig,
    LayoutName,
    OptimConfig,
    RewardConfig,
    RolloutConfig,
    TrainConfig,
    WriterSection,
)
from memalpha.rl.rollout import Collector, Experience, replay
from memalpha.rl.rows import Row
from memalpha.rl.train import make_writer

TEA = Episode(
    id="tea",
    chunks=(
        Chunk(text="User: Ann likes tea a lot.\nUser: Hello there.", time="2024-01-01"),
        Chunk(text="User: The lamp is green.", time="2024-01-02"),
    ),
    questions=(Question(text="What does Ann like?", answers=("tea",), evidence=(0,)),),
)
PLAIN = RewardConfig(compression=0.0, content=0.0, credit=0.0, call_credit=0.0)


def insert(*lines: int) -> str:
    return render_call(ToolCall(name="memory_insert", arguments={"lines": list(lines), "memory_type": "semantic"}))


KEEP, WRONG, NOTHING = insert(1), insert(9), ""
# The first sample keeps the tea and then quotes a line that is not there, the second does nothing. With r1 and r2 only,
# the rewards [G, T] are 1 + 1 and 1 + 0, then 0 + 1 and 0 + 1.
REPLIES = [[KEEP, NOTHING], [WRONG, NOTHING]]


class Typist:
    """Replies with texts, one list for each batch; every character is a token, and 1 ends the turn."""

    name = "typist"

    def __init__(self, replies: Sequence[Sequence[str]]) -> None:
        self._replies = iter(replies)
        self.prompts: list[list[str]] = []
        self.samplings: list[Sampling] = []

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        self.prompts.append([prompt.messages[0].content for prompt in prompts])
        self.samplings.append(sampling)
        texts = next(self._replies)
        assert len(texts) == len(prompts)
        return [
            Completion(
                text=text,
                prompt_ids=tuple(map(ord, prompt.messages[0].content)),
                token_ids=(*map(ord, text), 1),
                logprobs=(-0.5,) * (len(text) + 1),
                offsets=tuple(range(len(text) + 1)),
            )
            for prompt, text in zip(prompts, texts, strict=True)
        ]


def count(text: str) -> int:
    return len(text.split())


def config_of(
    estimator: Estimator = Estimator.TRAJECTORY, *, reward: RewardConfig = PLAIN, std: bool = False, branches: int = 0
) -> TrainConfig:
    return TrainConfig(
        rollout=RolloutConfig(group=2, branches=branches),
        reward=reward,
        optim=OptimConfig(estimator=estimator, normalise_std=std),
    )


def collect(
    model: Model,
    config: TrainConfig,
    episodes: Sequence[Episode] = (TEA,),
    *,
    seed: int = 0,
    budget: float | None = None,
) -> Experience:
    writer = Writer(model, WriterConfig(budget=budget))
    return Collector(config, writer, ExtractiveReader(), count).collect(episodes, seed=seed)


def advantages(rows: Sequence[Row]) -> list[tuple[str, float]]:
    """What was written and its advantage, row by row."""
    return [("".join(map(chr, row.token_ids[:-1])), row.advantage) for row in rows]


def test_a_run_may_keep_the_memory_of_the_released_model() -> None:
    keep = render_marked_call(
        ToolCall(name="new_memory_insert", arguments={"memory_type": "semantic_memory", "content": "Ann likes tea."})
    )
    replies = [[keep, NOTHING], [NOTHING, NOTHING]]
    writer = Writer(Typist(replies), WriterConfig(style=PromptStyle.CHAT))
    config = replace(
        config_of(reward=replace(PLAIN, call_credit=0.5)), writer=WriterSection(layout=LayoutName.RELEASED)
    )
    found = Collector(config, writer, ExtractiveReader(), count).collect([TEA], seed=0)
    (kept, empty) = found.groups[0].traces
    assert [entry.text for entry in kept.bank.entries(MemoryKind.SEMANTIC)] == ["Ann likes tea."]
    assert (kept.score, empty.score) == (1.0, 0.0)
    # r1 is 1 and 0: advantages are a half and minus a half, of which a half is common; the call is the other half.
    assert found.rows[0].token_advantages == pytest.approx([0.25 + 0.5] * len(keep) + [0.25], abs=1e-3)


# Rows by hand.


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        # less the mean of all four, 1.25
        (Estimator.POOLED, [(KEEP, 0.75), (WRONG, -0.25), (NOTHING, -0.25), (NOTHING, -0.25)]),
        # means 1.5 and 1, less their mean
        (Estimator.TRAJECTORY, [(KEEP, 0.25), (WRONG, 0.25), (NOTHING, -0.25), (NOTHING, -0.25)]),
        # step by step: 2 against 1, and 1 against 1, which says nothing
        (Estimator.PER_STEP, [(KEEP, 0.5), (NOTHING, -0.5)]),
    ],
)
def test_rows_by_hand(estimator: Estimator, expected: list[tuple[str, float]]) -> None:
    experience = collect(Typist(REPLIES), config_of(estimator))
    assert [name for name, _ in advantages(experience.rows)] == [name for name, _ in expected]
    assert [row.advantage for row in experience.rows] == pytest.approx([value for _, value in expected])
    assert experience.dropped_groups == 0


def test_the_deviation_is_divided_out() -> None:
    # Centred rewards 0.5, -0.5, 0, 0 with two baselines: the deviation is the root of 0.5 / 2.
    rows = collect(Typist(REPLIES), config_of(Estimator.PER_STEP, std=True)).rows
    assert [row.advantage for row in rows] == pytest.approx([1.0, -1.0], abs=1e-5)


def test_branched_rows_by_hand() -> None:
    # Before the first chunk: keeping is worth 2, nothing 1. Before the second, with the tea in memory: 2 and 1.
    model = Typist([*REPLIES, [NOTHING, KEEP], [NOTHING, WRONG]])
    experience = collect(model, config_of(Estimator.BRANCHED, branches=2))
    (group,) = experience.groups
    assert [values.tolist() for _, values in group.branches] == [[1.0, 2.0], [2.0, 1.0]]
    halves = [(KEEP, 0.125), (WRONG, 0.125), (NOTHING, -0.125), (NOTHING, -0.125)]
    local = [(NOTHING, -0.25), (KEEP, 0.25), (NOTHING, 0.25), (WRONG, -0.25)]
    assert advantages(experience.rows) == [(text, pytest.approx(value)) for text, value in halves + local]
    assert {row.group for row in experience.rows} == {0}


def test_branches_start_from_the_memory_of_the_first_sample() -> None:
    model = Typist([[insert(1), insert(2)], [NOTHING, NOTHING], [NOTHING, NOTHING], [NOTHING, NOTHING]])
    collect(model, config_of(Estimator.BRANCHED, branches=2))
    first, second, branch_first, branch_second = model.prompts
    assert branch_first == [first[0]] * 2
    assert branch_second == [second[0]] * 2
    assert "Ann likes tea" in second[0]
    assert "Ann likes tea" not in second[1]


def test_there_are_no_more_branches_than_chunks() -> None:
    model = Typist([[KEEP, NOTHING]] * 4)
    (group,) = collect(model, config_of(Estimator.BRANCHED, branches=9)).groups
    assert [[trace.steps[0].index for trace in traces] for traces, _ in group.branches] == [[0, 0], [1, 1]]


def test_a_row_is_what_was_sampled() -> None:
    model = Typist(REPLIES)
    (row, *_) = collect(model, config_of()).rows
    assert row == Row(
        prompt_ids=tuple(map(ord, model.prompts[0][0])),
        token_ids=(*map(ord, KEEP), 1),
        logprobs=(-0.5,) * (len(KEEP) + 1),
        advantage=pytest.approx(0.25),
        group=0,
    )


def test_groups_without_a_difference_are_dropped_and_the_others_keep_their_number() -> None:
    model = Typist([[KEEP, KEEP, KEEP, NOTHING], [NOTHING] * 4])
    experience = collect(model, config_of(), [TEA, replace(TEA, id="again")])
    assert experience.dropped_groups == 1
    assert advantages(experience.rows) == [
        (KEEP, pytest.approx(0.5)),
        (NOTHING, pytest.approx(0.5)),
        (NOTHING, pytest.approx(-0.5)),
        (NOTHING, pytest.approx(-0.5)),
    ]
    assert {row.group for row in experience.rows} == {1}
    assert [[each.correctness for each in group.rewards] for group in experience.groups] == [[1.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize("estimator", [Estimator.POOLED, Estimator.TRAJECTORY, Estimator.PER_STEP])
def test_nothing_but_equal_rewards_gives_no_row(estimator: Estimator) -> None:
    experience = collect(Typist([[NOTHING, NOTHING]] * 2), config_of(estimator, std=True))
    assert experience.rows == ()
    assert experience.dropped_groups == 1


def test_credit_moves_correctness_to_the_chunk_it_comes_from() -> None:
    # The second sample keeps the tea as well, so that all have r1 = 1; only compression differs, and with it the chunk.
    reward = replace(PLAIN, compression=1.0, credit=1.0)
    rows = collect(Typist([[KEEP, KEEP], [KEEP, NOTHING]]), config_of(Estimator.PER_STEP, reward=reward)).rows
    # All of the price of the lamp is paid by the chunk of the lamp: 0 of 5 words stay free there, against 5 of 5.
    assert [row.advantage for row in rows] == pytest.approx([-0.5, 0.5])
    assert all("lamp" in "".join(map(chr, row.prompt_ids)) for row in rows)


def test_the_values_of_calls_are_those_of_the_trace() -> None:
    # Both keep one line; the answer is read from one, the other is worth 0: the deviation is the root of one half.
    reward = replace(PLAIN, call_credit=0.5)
    rows = collect(Typist([[KEEP, insert(2)], [NOTHING, NOTHING]]), config_of(Estimator.PER_STEP, reward=reward)).rows
    kept, _, other, _ = rows
    worth = [0.5 * 0.5 + 0.5 * math.sqrt(2), 0.5 * -0.5]
    assert [kept.token_advantages[0], other.token_advantages[0]] == pytest.approx(worth, abs=1e-5)
    # The end of the turn belongs to no call.
    assert [kept.token_advantages[-1], other.token_advantages[-1]] == pytest.approx([0.5 * 0.5, 0.5 * -0.5])


def test_calls_that_are_worth_nothing_are_dropped_as_well() -> None:
    model = Typist([[insert(2), insert(2)], [NOTHING, NOTHING]])
    experience = collect(model, config_of(Estimator.POOLED, reward=replace(PLAIN, call_credit=0.75), std=True))
    assert experience.rows == ()
    assert experience.dropped_groups == 1


def test_a_model_that_tells_no_tokens_cannot_be_trained() -> None:
    model = ScriptedModel([KEEP, NOTHING, WRONG, NOTHING])
    with pytest.raises(TrainingError, match=r"the model gave 0 token ids and 0 log-probabilities .* a local model"):
        collect(model, config_of())


def test_progress_counts_the_chunks_of_all_samples() -> None:
    told: list[tuple[int, int]] = []
    writer = Writer(Typist(REPLIES))
    collector = Collector(config_of(), writer, ExtractiveReader(), count)
    collector.collect([TEA], seed=0, progress=lambda done, total: told.append((done, total)))
    assert told == [(2, 4), (4, 4)]


def test_the_configured_way_of_sampling_reaches_the_model() -> None:
    model = Typist(REPLIES)
    config = replace(config_of(), rollout=RolloutConfig(group=2, temperature=0.7, max_new_tokens=5))
    collect(model, config, seed=3)
    assert [(each.temperature, each.max_tokens) for each in model.samplings] == [(0.7, 5)] * 2
    assert len({each.seed for each in model.samplings}) == 2


# The same seed.


@pytest.mark.parametrize("branches", [0, 2])
def test_the_same_seed_gives_the_same_experience(short_run: TrainConfig, branches: int) -> None:
    if branches:
        short_run = replace(
            short_run,
            rollout=replace(short_run.rollout, branches=branches),
            optim=replace(short_run.optim, estimator=Estimator.BRANCHED),
        )
    model = load_local(short_run.run.model)
    collector = Collector(short_run, make_writer(model, short_run), ExtractiveReader(), count)
    episodes = make_episodes(2, seed=1, tokens=200)
    one, again, other = (collector.collect(episodes, seed=seed) for seed in (4, 4, 5))
    assert one.rows == again.rows != other.rows
    assert one.rows
    for group in one.groups:
        assert len({step.completion.token_ids for trace in group.traces for step in trace.steps}) > 1
        for traces, _ in group.branches:
            assert len({trace.steps[0].completion.prompt_ids for trace in traces}) == 1
            assert len({trace.steps[0].completion.token_ids for trace in traces}) > 1


# Replay.


def contents(bank: Bank) -> object:
    """All that a bank holds."""
    return bank.core, *(tuple(bank.entries(kind)) for kind in MemoryKind), bank.log, bank.tokens()


def snapshots(replies: Sequence[str], episode: Episode, budget: float | None) -> tuple[Trace, list[object]]:
    """A run, and the contents of its memory before each chunk and at the end."""
    seen: list[object] = []

    class Watching(Writer):
        def ask(self, bank, chunk):  # type: ignore[no-untyped-def]
            seen.append(contents(bank))
            return super().ask(bank, chunk)

    writer = Watching(ScriptedModel(replies), WriterConfig(budget=budget))
    trace = run_episode(writer, ExtractiveReader(), episode, count_tokens=count)
    return trace, [*seen, contents(trace.bank)]


STREAM = replace(
    TEA,
    chunks=tuple(Chunk(text=f"Line one of {n}.\nLine two of {n} is long.\nSame.", time="2024-01-01") for n in range(4)),
)
KINDS = st.sampled_from(["core", "semantic", "episodic"])
CALLS = st.one_of(
    st.builds(lambda kind, line: ("memory_insert", {"lines": [line], "memory_type": kind}), KINDS, st.integers(1, 4)),
    st.builds(
        lambda kind, text, to: ("memory_update", {"new_content": text, "memory_type": kind, "memory_id": to}),
        KINDS,
        st.sampled_from(["a b", "c d e", ""]),
        st.one_of(st.none(), st.integers(1, 4)),
    ),
    st.builds(lambda kind, at: ("memory_delete", {"memory_type": kind, "memory_id": at}), KINDS, st.integers(1, 4)),
)
REPLY = st.lists(CALLS, max_size=4).map(
    lambda calls: "".join(render_call(ToolCall(name=name, arguments=given)) for name, given in calls)
)


@given(replies=st.tuples(REPLY, REPLY, REPLY, REPLY), budget=st.sampled_from([None, 0.3, 0.6, 1.0]))
def test_replay_gives_the_memory_before_each_chunk(replies: Sequence[str], budget: float | None) -> None:
    trace, seen = snapshots(replies, STREAM, budget)
    for until, expected in enumerate(seen):
        assert contents(replay(trace, until, budget)) == expected


def test_a_replayed_memory_is_another_one() -> None:
    trace, _ = snapshots([KEEP, NOTHING], TEA, None)
    twin = replay(trace, 2)
    twin.delete(MemoryKind.SEMANTIC, 1, twin.get(1).provenance)
    assert len(twin) == 0
    assert len(trace.bank) == 1


def test_the_budget_of_the_writer_holds_for_branches_too() -> None:
    # Half of the 9 words of the first chunk: the first line, of 6, is refused, whoever replays it.
    model = Typist([[insert(1) + insert(2), NOTHING], [NOTHING] * 2, [NOTHING] * 2, [NOTHING] * 2])
    experience = collect(model, config_of(Estimator.BRANCHED, branches=2), budget=0.5)
    (traces, _) = experience.groups[0].branches[1]
    assert [entry.text for entry in traces[0].bank.entries(MemoryKind.SEMANTIC)] == ["User: Hello there."]


def test_filled_memories_end_with_the_run() -> None:
    chunks = tuple(Chunk(text=f"Line {n}.\nOther {n}.") for n in range(4))
    episode = Episode(id="e", chunks=chunks, questions=(Question(text="q", answers=("x",)),))
    config = replace(config_of(Estimator.PER_STEP), data=DataConfig(stored=1.0))
    for progress, read in ((0.0, [2, 3]), (1.0, [0, 1, 2, 3])):
        model = Typist([[NOTHING, NOTHING]] * len(read))
        collector = Collector(config, Writer(model), ExtractiveReader(), count, progress=progress)
        (group,) = collector.collect([episode], seed=1).groups
        assert [step.index for step in group.traces[0].steps] == read


def test_the_samples_of_an_episode_begin_with_the_same_id_which_may_have_several_digits() -> None:
    config = replace(config_of(Estimator.PER_STEP), data=DataConfig(stored=0.0))
    model = Typist([[NOTHING] * 60, [NOTHING] * 60])
    collector = Collector(config, Writer(model), ExtractiveReader(), count)
    groups = collector.collect([TEA] * 30, seed=1).groups
    first = [{trace.bank.first_id for trace in group.traces} for group in groups]
    assert all(len(ids) == 1 for ids in first)
    digits = [len(str(number)) for ids in first for number in ids]
    assert set(digits) == {1, 2, 3, 4}
    assert replay(groups[0].traces[0], 1).first_id in first[0]
