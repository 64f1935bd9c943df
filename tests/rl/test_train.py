"""The loop on a policy of two layers: a run that was interrupted equals one that was not, and what a step reports."""

import errno
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.tensorboard import SummaryWriter

from memalpha.agent.local import load_local
from memalpha.agent.model import Completion, Prompt, Sampling
from memalpha.agent.parsing import render_call
from memalpha.agent.reader import ExtractiveReader
from memalpha.agent.writer import PromptStyle, Writer
from memalpha.data.world import make_episode
from memalpha.episode import run_episodes
from memalpha.errors import CheckpointError, ConfigError, EpisodeError, ModelError, OutputError
from memalpha.records import Chunk, Episode, Question, ToolCall, write_episodes
from memalpha.rewards import RewardPreset, RuleValidator, reward
from memalpha.rl.advantage import Estimator
from memalpha.rl.alarms import Alarm
from memalpha.rl.checkpoint import RunFolder
from memalpha.rl.config import DataConfig, LayoutName, TrainConfig
from memalpha.rl.config_file import to_tables
from memalpha.rl.learner import Learner
from memalpha.rl.rollout import Collector, Experience, Group
from memalpha.rl.train import TIMINGS, EpisodeSource, Observer, make_writer, open_source, summary, train

TEA = Episode(
    id="tea",
    chunks=(
        Chunk(text="User: Ann likes tea a lot.\nUser: Hello there.", time="2024-01-01"),
        Chunk(text="User: The lamp is green.", time="2024-01-02"),
    ),
    questions=(Question(text="What does Ann like?", answers=("tea",), evidence=(0,)),),
)


def count(text: str) -> int:
    return len(text.split())


def timeless(folder: Path) -> list[dict[str, Any]]:
    """The metrics of a run without those that measure time."""
    return [
        {name: value for name, value in row.items() if name not in TIMINGS} for row in RunFolder(path=folder).metrics()
    ]


def weights(folder: Path) -> dict[str, bytes]:
    network = load_local(folder / "policy").network
    return {name: value.detach().numpy().tobytes() for name, value in network.named_parameters()}


def varied(config: TrainConfig, **tables: dict[str, Any]) -> TrainConfig:
    """The configuration with some fields changed, table by table."""
    return replace(config, **{name: replace(getattr(config, name), **values) for name, values in tables.items()})


class Interrupt(Observer):
    """Stops the run in the middle of the rollouts of one step."""

    def __init__(self, at_step: int) -> None:
        self._at_step = at_step
        self._step = 0

    def on_start(self, first_step: int, steps: int) -> None:
        self._step = first_step

    def on_rollout(self, done: int, total: int) -> None:
        if self._step == self._at_step and 2 * done >= total:
            raise KeyboardInterrupt

    def on_step(self, metrics: dict[str, float]) -> None:
        self._step += 1


@pytest.fixture(scope="session")
def half_policy(quoting_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quoting policy in bfloat16, as the shipped ones are saved."""
    folder = tmp_path_factory.mktemp("half") / "policy"
    model = load_local(quoting_policy)
    model.tokenizer.save_pretrained(folder)
    model.network.bfloat16().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def whole_run(short_run: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `short_run` run in one go."""
    folder = tmp_path_factory.mktemp("whole")
    train(short_run, folder)
    return folder


# Interrupted and resumed.


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optim": {"kl": 0.1}},
        {"rollout": {"temperature": 0.8}, "engine": {"checkpoint_every": 1}},
        {"writer": {"budgets": (0.5, 1.0, 0.25)}},
        {"rollout": {"branches": 1}, "optim": {"estimator": Estimator.BRANCHED}},
    ],
    ids=["plain", "kl", "temperature", "budgets", "branched"],
)
def test_a_run_that_was_interrupted_equals_one_that_was_not(
    short_run: TrainConfig, half_policy: Path, tmp_path: Path, changes: dict[str, dict[str, Any]]
) -> None:
    config = varied(varied(short_run, run={"model": str(half_policy)}), **changes)
    train(config, tmp_path / "whole")
    for step in (1, 3):  # before the first checkpoint, then after it
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "parts", observer=Interrupt(step))
    assert [row["step"] for row in timeless(tmp_path / "parts")] == [1, 2, 3]
    train(config, tmp_path / "parts")
    whole = timeless(tmp_path / "whole")
    assert [row["step"] for row in whole] == [1, 2, 3, 4]
    assert all("gradient_norm" in row for row in whole)
    assert timeless(tmp_path / "parts") == whole
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


@pytest.mark.parametrize("place", ["Learner.update", "RunFolder.log_metrics", "RunFolder.save"])
def test_wherever_it_was_interrupted(
    short_run: TrainConfig, whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    kind = {"Learner": Learner, "RunFolder": RunFolder}[place.split(".")[0]]
    name = place.split(".")[1]
    before, calls = getattr(kind, name), []

    def die(self: Any, *args: Any, **more: Any) -> Any:
        calls.append(0)
        if len(calls) == 2:  # of four updates, four lines, two checkpoints
            raise KeyboardInterrupt
        return before(self, *args, **more)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(kind, name, die)
        train(short_run, tmp_path)
    train(short_run, tmp_path)
    assert timeless(tmp_path) == timeless(whole_run)
    assert weights(tmp_path) == weights(whole_run)


CHILD = """
import json, os, signal, sys
from pathlib import Path
from memalpha.rl import checkpoint
from memalpha.rl.config_file import from_tables
from memalpha.rl.train import Observer, train

kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)

class Killed(Observer):
    def on_start(self, first_step, steps):
        self.step = first_step
    def on_rollout(self, done, total):
        if sys.argv[3] == f"rollout {self.step}" and 2 * done >= total:
            kill()
    def on_step(self, metrics):
        self.step += 1
        if sys.argv[3] == f"save {self.step}":
            checkpoint.sync = kill

train(from_tables(json.loads(sys.argv[1]), where="child"), Path(sys.argv[2]), observer=Killed())
"""


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on_where_it_was(short_run: TrainConfig, whole_run: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"

    def child(killed: str) -> int:
        command = [sys.executable, "-c", CHILD, json.dumps(to_tables(short_run)), str(parts), killed]
        return subprocess.run(command, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode

    # In the middle of the third step, which is the first after a checkpoint; then while the second one is written.
    assert child("rollout 2") == -signal.SIGKILL
    assert RunFolder(path=parts).latest() == 2
    assert child("save 3") == -signal.SIGKILL
    assert sorted(each.name for each in (parts / "checkpoints").iterdir()) == ["step-000002", "writing-000004"]
    assert child("never") == 0
    assert timeless(parts) == timeless(whole_run)
    assert weights(parts) == weights(whole_run)


@pytest.mark.parametrize("place", ["torch.save", "RunFolder.log_metrics", "SummaryWriter.flush"])
def test_a_full_disk_loses_nothing(
    short_run: TrainConfig, whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    kind, name = {"torch": torch, "RunFolder": Path, "SummaryWriter": SummaryWriter}[place.split(".")[0]], "open"
    name = name if kind is Path else place.split(".")[1]
    before, calls = getattr(kind, name), []

    def full(*args: Any, **more: Any) -> Any:
        if kind is not Path or (args[0].name == "metrics.jsonl" and args[1:] == ("a",)):
            calls.append(0)
            if len(calls) == 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return before(*args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(kind, name, full)
        with pytest.raises(OutputError, match=r"could not be written \(No space left on device\); nothing earlier was"):
            train(short_run, tmp_path)
    train(short_run, tmp_path)
    assert timeless(tmp_path) == timeless(whole_run)
    assert weights(tmp_path) == weights(whole_run)


def test_more_steps_go_on_from_the_end(short_run: TrainConfig, tmp_path: Path) -> None:
    # They are not those of a longer run, since the learning rate falls over the length of a run.
    train(varied(short_run, run={"steps": 2}), tmp_path)
    before = timeless(tmp_path)
    train(varied(short_run, run={"steps": 3}), tmp_path)
    after = timeless(tmp_path)
    assert [row["step"] for row in after] == [1, 2, 3]
    assert after[:2] == before


def test_a_run_that_is_over_is_left_as_it_is(short_run: TrainConfig, tmp_path: Path) -> None:
    short_run = varied(short_run, run={"steps": 2})
    train(short_run, tmp_path)
    metrics, policy = RunFolder(path=tmp_path).metrics(), weights(tmp_path)
    train(short_run, tmp_path)
    assert RunFolder(path=tmp_path).metrics() == metrics
    assert weights(tmp_path) == policy


def test_another_configuration_and_damage_are_named(short_run: TrainConfig, tmp_path: Path) -> None:
    train(varied(short_run, run={"steps": 2}), tmp_path)
    with pytest.raises(CheckpointError, match=r"another configuration \(rollout.group was 4 and is now 5\)"):
        train(varied(short_run, rollout={"group": 5}), tmp_path)
    (tmp_path / "checkpoints" / "step-000002" / "optimiser.pt").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"step-000002 is damaged \(ValueError: optimiser.pt is not as it was"):
        train(short_run, tmp_path)


def test_a_mistyped_model_can_be_mended(short_run: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere.*expected a folder with config\.json, weights"):
        train(varied(short_run, run={"model": str(tmp_path / "nowhere")}), tmp_path / "run")
    train(varied(short_run, run={"steps": 1}), tmp_path / "run")


def test_a_run_that_verl_began_is_not_gone_on_with(short_run: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "verl" / "checkpoints").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"was begun by verl; add --engine verl to go on, or give another --name"):
        train(short_run, tmp_path)


# What a run does.


def test_a_run_leaves_its_folder_and_tells_its_observer(short_run: TrainConfig, tmp_path: Path) -> None:
    told: list[tuple[Any, ...]] = []

    class Listener(Observer):
        def on_start(self, first_step: int, steps: int) -> None:
            told.append(("start", first_step, steps))

        def on_rollout(self, done: int, total: int) -> None:
            told.append(("rollout", done, total))

        def on_step(self, metrics: dict[str, float]) -> None:
            told.append(("step", metrics["step"]))

    config = varied(short_run, run={"steps": 2}, engine={"checkpoint_every": 1})
    model = train(config, tmp_path, observer=Listener())
    assert [each for each in told if each[0] != "rollout"] == [("start", 0, 2), ("step", 1), ("step", 2)]
    # Two episodes of two chunks, four samples each.
    first = told[1 : told.index(("step", 1))]
    assert [done for _, done, _ in first] == sorted({done for _, done, _ in first})
    assert first[-1] == ("rollout", 16, 16)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "alarms.jsonl",
        "checkpoints",
        "metrics.jsonl",
        "policy",
        "run.json",
        "tensorboard",
        "traces",
    ]
    assert RunFolder(path=tmp_path).config() == config
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
    trained = dict(model.network.named_parameters())
    assert all(value.numpy(force=True).tobytes() == weights(tmp_path)[name] for name, value in trained.items())
    first, second = RunFolder(path=tmp_path).metrics()
    assert set(TIMINGS) < set(first)
    assert all(first[name] > 0 for name in TIMINGS)
    # Each step trains on every chunk of every sample whose advantage is not 0: at most 2 · 4 · 2 of them.
    assert 0 < first["rows"] <= 16
    assert "validation_score" in second
    assert "validation_score" not in first


def test_validation_comes_every_so_many_steps_and_at_the_end(short_run: TrainConfig, tmp_path: Path) -> None:
    def validated(every: int, episodes: int = 1) -> list[int]:
        folder = tmp_path / f"{every}-{episodes}"
        train(
            varied(short_run, run={"validate_every": every, "steps": 3}, data={"validation_episodes": episodes}), folder
        )
        return [row["step"] for row in timeless(folder) if "validation_score" in row]

    assert validated(2) == [2, 3]
    assert validated(0) == []
    assert validated(1, episodes=0) == []


def test_steps_that_are_validated_leave_traces(short_run: TrainConfig, tmp_path: Path) -> None:
    train(varied(short_run, run={"validate_every": 2, "steps": 3}, data={"validation_episodes": 1}), tmp_path)
    kept = {file.stem: json.loads(file.read_text()) for file in (tmp_path / "traces").iterdir()}
    assert {"step-000002-validation", "step-000003-validation", "step-000003-best"} <= set(kept)
    assert not any(name.startswith("step-000001") for name in kept)
    validated = [row for row in timeless(tmp_path) if "validation_score" in row]
    # One validation episode: its score is that of the step.
    assert [kept[f"step-00000{row['step']}-validation"]["score"] for row in validated] == [
        row["validation_score"] for row in validated
    ]


def test_a_model_that_writes_only_garbage_trains_and_scores_nothing(
    short_run: TrainConfig, tiny_policy: Path, tmp_path: Path
) -> None:
    for preset in RewardPreset:
        config = varied(short_run, run={"model": str(tiny_policy), "steps": 2}, reward={"preset": preset})
        train(config, tmp_path / preset)
        for row in timeless(tmp_path / preset):
            assert (row["correctness"], row["memory_share"], row["valid_share"]) == (0.0, 0.0, 0.0)
            assert row["truncated_share"] > 0.9
            assert row["surprise_nats"] == pytest.approx(math.log(2048), abs=0.3)
            assert all(math.isfinite(value) for value in row.values())
        assert timeless(tmp_path / preset)[-1]["validation_score"] == 0.0


def test_a_step_from_which_nothing_can_be_learned_changes_no_weight(
    short_run: TrainConfig, tiny_policy: Path, tmp_path: Path
) -> None:
    # One token of garbage is no call: all rewards are equal.
    config = varied(short_run, run={"model": str(tiny_policy), "steps": 1, "validate_every": 0})
    train(varied(config, rollout={"max_new_tokens": 1}), tmp_path)
    (row,) = timeless(tmp_path)
    assert (row["write_rate"], row["rows"], row["dropped_groups"]) == (0.0, 0.0, 2.0)
    assert "loss" not in row
    start = dict(load_local(tiny_policy).network.named_parameters())
    assert weights(tmp_path) == {name: value.numpy(force=True).tobytes() for name, value in start.items()}


def test_the_seed_decides_the_run(short_run: TrainConfig, tmp_path: Path) -> None:
    config = varied(short_run, run={"steps": 1})
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        train(varied(config, run={"seed": seed}), tmp_path / name)
    assert timeless(tmp_path / "one") == timeless(tmp_path / "again") != timeless(tmp_path / "other")


def test_the_learning_rate_falls_over_the_run(
    short_run: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    before = Learner.update

    def watched(self: Learner, rows: Any, *, seed: int, progress: float) -> dict[str, float]:
        told.append(progress)
        return before(self, rows, seed=seed, progress=progress)

    monkeypatch.setattr(Learner, "update", watched)
    train(short_run, tmp_path)
    assert told == [0.0, 0.25, 0.5, 0.75]


def test_the_update_is_at_the_temperature_of_the_rollouts(short_run: TrainConfig, tmp_path: Path) -> None:
    config = varied(short_run, run={"steps": 1}, rollout={"temperature": 0.5}, optim={"minibatches": 1})
    train(config, tmp_path)
    (row,) = timeless(tmp_path)
    assert row["ratio_max"] == pytest.approx(1.0, abs=1e-4)
    assert row["approx_kl"] == pytest.approx(0.0, abs=1e-6)


def test_the_reader_and_the_validator_given_are_asked(short_run: TrainConfig, tmp_path: Path) -> None:
    class Counting(ExtractiveReader):
        asked = 0

        def read(self, bank: Any, questions: Sequence[str]) -> Any:
            Counting.asked += 1
            return super().read(bank, questions)

    class Refusing(RuleValidator):
        def valid(self, operation: Any) -> bool:
            return False

    config = varied(short_run, run={"steps": 1, "validate_every": 0})
    train(config, tmp_path, reader=Counting(), validator=Refusing())
    assert Counting.asked == 8
    (row,) = timeless(tmp_path)
    assert row["content"] == pytest.approx(1.0 - row["write_rate"])  # only chunks without a call are fit


# Episodes.


def source_of(config: TrainConfig, episodes: int, size: int) -> EpisodeSource:
    made = tuple(replace(TEA, id=str(number)) for number in range(episodes))
    return EpisodeSource(config=varied(config, rollout={"episodes": size}), training=made, validation=())


@given(episodes=st.integers(1, 9), size=st.integers(1, 12), seed=st.integers(0, 3))
def test_every_episode_of_a_file_comes_once_before_any_comes_again(episodes: int, size: int, seed: int) -> None:
    source = source_of(varied(TrainConfig(), run={"seed": seed}), episodes, size)
    batches = [source.batch(step) for step in range(2 * episodes)]
    assert {len(batch) for batch in batches} == {min(size, episodes)}
    stream = [episode.id for batch in batches for episode in batch]
    for start in range(0, len(stream) - episodes + 1, episodes):
        assert sorted(stream[start : start + episodes]) == sorted(map(str, range(episodes)))
    assert [source.batch(step) for step in range(2 * episodes)] == batches


def test_each_time_around_has_an_order_of_its_own() -> None:
    source = source_of(TrainConfig(), 9, 9)
    orders = {tuple(episode.id for episode in source.batch(step)) for step in range(4)}
    assert len(orders) == 4


def test_the_world_has_new_episodes_for_each_step_and_validation_shares_none(short_run: TrainConfig) -> None:
    source = open_source(short_run)
    assert source.training == ()
    ids = [[episode.id for episode in source.batch(step)] for step in (0, 1, 0)]
    assert ids[0] == ids[2]
    assert not set(ids[0]) & set(ids[1])
    assert len(source.batch(0)) == 2
    assert [episode.id.split("-")[1] for episode in source.validation] == ["validation"] * 2
    other = open_source(varied(short_run, run={"seed": 1}))
    assert not {episode.id for episode in other.batch(0)} & set(ids[0])
    assert other.validation == source.validation


@pytest.mark.parametrize(("episodes", "held_out"), [(1, 0), (9, 0), (10, 1), (25, 2), (60, 3)])
def test_of_a_file_at_most_a_tenth_is_held_out(tmp_path: Path, episodes: int, held_out: int) -> None:
    made = [replace(TEA, id=str(number)) for number in range(episodes)]
    write_episodes(tmp_path / "own.jsonl", made)
    source = open_source(TrainConfig(data=DataConfig(source=str(tmp_path / "own.jsonl"), validation_episodes=3)))
    assert source.validation == tuple(made[:held_out])
    assert source.training == tuple(made[held_out:])


def test_long_chunks_of_files_are_cut_and_those_of_the_world_are_left(short_run: TrainConfig) -> None:
    long = replace(TEA, chunks=(Chunk(text="Ann drinks tea with milk.\nBob drinks milk.\nCy sings."),))
    source = EpisodeSource(config=TrainConfig(), training=(long,), validation=(TEA, long))
    cut = source.cut(9, lambda text: len(text.split()))
    texts = ["Ann drinks tea with milk.\nBob drinks milk.", "Cy sings."]
    assert [[chunk.text for chunk in each.chunks] for each in cut.training] == [texts]
    assert cut.validation == (TEA, cut.training[0])
    assert source.cut(None, len) is source
    world = open_source(short_run)
    assert world.cut(1, len).batch(0) == world.batch(0)


@pytest.mark.parametrize(("template", "passage_tokens"), [("<|write|>", 70), ("{{ messages }}", None)])
def test_passages_are_for_the_nano_policy(quoting_policy: Path, template: str, passage_tokens: int | None) -> None:
    model = load_local(quoting_policy)
    model.tokenizer.chat_template = template
    config = varied(TrainConfig(), writer={"passage": 70})
    assert make_writer(model, config).config.passage_tokens == passage_tokens


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match=r"gone\.jsonl"):
        open_source(TrainConfig(data=DataConfig(source=str(tmp_path / "gone.jsonl"))))


def test_a_run_on_a_file_resumes_as_well(short_run: TrainConfig, tmp_path: Path) -> None:
    write_episodes(tmp_path / "own.jsonl", [make_episode(seed, tokens=200) for seed in range(3)])
    config = varied(short_run, data={"source": str(tmp_path / "own.jsonl")})
    train(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "parts", observer=Interrupt(3))
    train(config, tmp_path / "parts")
    assert timeless(tmp_path / "parts") == timeless(tmp_path / "whole")
    assert "validation_score" not in timeless(tmp_path / "whole")[-1]  # of three episodes none is held out


# The writer.


def test_budgets_take_turns(short_run: TrainConfig) -> None:
    model = load_local(short_run.run.model)
    config = varied(short_run, writer={"budgets": (0.25, 0.5), "newest": 3, "related": 0, "overlap": 0.7})
    assert [make_writer(model, config, step).config.budget for step in range(4)] == [0.25, 0.5, 0.25, 0.5]
    assert make_writer(model, short_run, 3).config.budget is None
    view = make_writer(model, config).config.view
    assert (view.newest, view.related, view.overlap) == (3, 0, 0.7)


def test_each_step_has_the_writer_whose_turn_it_is(
    short_run: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets: list[float | None] = []
    before = Collector.collect

    def watched(self: Collector, *args: Any, **more: Any) -> Experience:
        budgets.append(self.writer.config.budget)
        return before(self, *args, **more)

    monkeypatch.setattr(Collector, "collect", watched)
    train(varied(short_run, run={"steps": 3}, writer={"budgets": (0.25, 0.5)}), tmp_path)
    assert budgets == [0.25, 0.5, 0.25]


def test_the_template_tells_the_style(short_run: TrainConfig) -> None:
    model = load_local(short_run.run.model)
    assert make_writer(model, short_run).config.style is PromptStyle.NANO
    model.tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    assert make_writer(model, short_run).config.style is PromptStyle.CHAT


def test_the_nano_policy_knows_one_layout(short_run: TrainConfig) -> None:
    model = load_local(short_run.run.model)
    released = varied(short_run, writer={"layout": LayoutName.RELEASED})
    with pytest.raises(ConfigError, match=r'writer\.layout is "released", but .* was made for "memalpha"; use that'):
        make_writer(model, released)
    model.tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    assert make_writer(model, released).config.style is PromptStyle.CHAT


def test_a_model_without_a_template_is_refused_before_anything_is_sampled(short_run: TrainConfig) -> None:
    model = load_local(short_run.run.model)
    model.tokenizer.chat_template = None
    with pytest.raises(ConfigError, match="has no chat template; use a model that was made for chat"):
        make_writer(model, short_run)


def test_evaluation_is_greedy(short_run: TrainConfig) -> None:
    model = load_local(short_run.run.model)
    episodes = [make_episode(1, tokens=200)] * 2
    writer = make_writer(model, short_run)  # type: ignore[arg-type]
    one, other = run_episodes(writer, ExtractiveReader(), episodes, count_tokens=count)
    assert one.steps == other.steps


# The summary, by hand.


class Scripted:
    """Replies by chunk and sample, with so many tokens of such a log-probability each; "…" is cut."""

    name = "scripted"

    def __init__(self, replies: Sequence[Sequence[tuple[str, int, float]]]) -> None:
        self._replies = iter(replies)

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        return [
            Completion(
                text=text, token_ids=(7,) * tokens, logprobs=(logprob,) * tokens, finished=not text.endswith("…")
            )
            for text, tokens, logprob in next(self._replies)
        ]


def call(name: str, **arguments: object) -> str:
    return render_call(ToolCall(name=f"memory_{name}", arguments=arguments))


def test_summary_by_hand() -> None:
    keep = call("insert", lines=[1], memory_type="semantic")  # 6 of the 14 words of the episode
    wrong = call("insert", lines=[9], memory_type="semantic") + "…"
    rewrite = call("update", new_content="tea is fine today", memory_type="core") + call("delete", memory_type="core")
    model = Scripted([[(keep, 3, -1.0), (rewrite, 5, -0.5)], [(wrong, 4, -1.0), ("", 2, -0.5)]])
    traces = run_episodes(Writer(model), ExtractiveReader(), [TEA, TEA], count_tokens=count)
    rewards = [
        reward(trace, preset=RewardPreset.PAPER, validator=RuleValidator(), count_tokens=count) for trace in traces
    ]
    group = Group(traces=tuple(traces), rewards=tuple(rewards))
    got = summary(Experience(groups=(group,), rows=(), dropped_groups=1))
    assert got == pytest.approx(
        {
            "correctness": (1 + 0) / 2,
            "correctness_spread": 0.5,
            "tools": (1 + 0 + 1 + 0) / 4,  # kept, refused, both done, no call
            "compression": ((1 - 6 / 14) + 1) / 2,
            "content": (1 + 0 + 1 / 2 + 0) / 4,  # the paper scores a delete 0
            "memory_share": (6 / 14 + 0) / 2,
            "write_rate": 3 / 4,
            "calls_per_chunk": 4 / 4,
            "valid_share": 3 / 4,
            "inserts_per_chunk": 1 / 4,
            "updates_per_chunk": 1 / 4,
            "deletes_per_chunk": 1 / 4,
            "completion_tokens": (3 + 5 + 4 + 2) / 4,
            "truncated_share": 1 / 4,
            "surprise_nats": (7 * 1.0 + 7 * 0.5) / 14,
            "rows": 0.0,
            "dropped_groups": 1.0,
        }
    )


def test_the_spread_is_within_groups_and_not_between_them() -> None:
    keep, nothing = (call("insert", lines=[1], memory_type="semantic"), 1, -1.0), ("", 1, -1.0)
    model = Scripted([[keep, keep, nothing, nothing], [nothing] * 4])
    traces = run_episodes(Writer(model), ExtractiveReader(), [TEA] * 4, count_tokens=count)
    rewards = [
        reward(trace, preset=RewardPreset.DEFAULT, validator=RuleValidator(), count_tokens=count) for trace in traces
    ]
    groups = tuple(Group(traces=tuple(traces[at : at + 2]), rewards=tuple(rewards[at : at + 2])) for at in (0, 2))
    got = summary(Experience(groups=groups, rows=(), dropped_groups=2))
    assert got["correctness"] == 0.5
    assert got["correctness_spread"] == 0.0


def test_a_step_without_any_experience_of_a_kind_has_no_nan(short_run: TrainConfig, tiny_policy: Path) -> None:
    silent = varied(short_run, rollout={"max_new_tokens": 1})  # no call is as short
    collector = Collector(silent, make_writer(load_local(tiny_policy), silent), ExtractiveReader(), count)
    got = summary(collector.collect([TEA], seed=0))
    assert all(value == value for value in got.values())
    assert (got["tools"], got["content"]) == (1.0, 1.0)  # doing nothing is a valid action


class Listener(Interrupt):
    """Notes the alarms too."""

    def __init__(self, at_step: int) -> None:
        super().__init__(at_step)
        self.alarms: list[tuple[int, str]] = []

    def on_alarm(self, alarm: Alarm) -> None:
        self.alarms.append((alarm.step, alarm.kind))


def test_alarms_are_told_and_logged_and_those_of_steps_run_anew_replaced(
    short_run: TrainConfig, tmp_path: Path
) -> None:
    # Two tokens are no whole call, so that nothing is ever written and all samples score alike.
    config = varied(
        short_run, run={"steps": 6, "validate_every": 0}, rollout={"max_new_tokens": 2}, optim={"rate": 1e-9}
    )
    expected = [(5, "samples_alike"), (5, "refused_calls"), (5, "cut_off")]
    first, second = Listener(5), Listener(-1)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path, observer=first)
    assert first.alarms == expected
    train(config, tmp_path, observer=second)  # goes on after step 4
    assert second.alarms == expected
    logged = [json.loads(line) for line in (tmp_path / "alarms.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(each["step"], each["kind"]) for each in logged] == expected
    assert logged[2]["sentence"].startswith("Completions run into rollout.max_new_tokens (")
