"""The training loop, top to bottom: episodes, groups of rollouts, rewards, advantages, update, checkpoint.

Everything random is a function of the seed and the step, so that a run that was killed and started again gives the
metrics of one that was not. Progress is told to an `Observer`; the loop itself prints nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from memalpha.agent.local import SHIPPED, LocalModel
from memalpha.agent.model import Model, Sampling
from memalpha.agent.reader import Reader
from memalpha.agent.tokens import TokenCounter
from memalpha.agent.view import ViewConfig
from memalpha.agent.vllm_model import VllmModel, open_vllm
from memalpha.agent.writer import PromptStyle, Writer, WriterConfig, style_of
from memalpha.data.files import load_episodes
from memalpha.data.passages import limit_chunks
from memalpha.data.words import Split
from memalpha.data.world import make_episodes
from memalpha.episode import Trace, run_episodes
from memalpha.errors import CheckpointError, ConfigError, EpisodeError
from memalpha.records import Episode
from memalpha.rewards import Validator
from memalpha.rl.alarms import Alarm, fresh
from memalpha.rl.checkpoint import DTYPES, RunFolder, open_policy
from memalpha.rl.config import LayoutName, Sampler, TrainConfig
from memalpha.rl.frozen import open_frozen
from memalpha.rl.learner import Learner
from memalpha.rl.rollout import LAYOUTS, Collector, Experience
from memalpha.rl.trackers import need_trackers, open_boards
from memalpha.traces import keep_best_and_worst, keep_trace
from memalpha.writing import writing

TIMINGS = ("rollout_seconds", "update_seconds", "sampled_tokens_per_second")
"""Metrics that differ from run to run; all others are the same for the same seed and machine."""


class Observer:
    """Is told how a run goes; override what you care for."""

    def on_start(self, first_step: int, steps: int) -> None:
        """The run starts, or resumes, with this step."""

    def on_rollout(self, done: int, total: int) -> None:
        """So many of this step's chunks have been read."""

    def on_step(self, metrics: dict[str, float]) -> None:
        """A step is over."""

    def on_alarm(self, alarm: Alarm) -> None:
        """Something began to go wrong with that step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSource:
    """Training and validation episodes of one configuration."""

    config: TrainConfig
    training: tuple[Episode, ...]
    """All of them when they come from files; empty for the world, which makes new ones for each step."""
    validation: tuple[Episode, ...]

    def batch(self, step: int) -> tuple[Episode, ...]:
        """The episodes of one step."""
        size = self.config.rollout.episodes
        if not self.training:
            seed = self.config.run.seed * 1000 + step
            return make_episodes(size, seed=seed, tokens=self.config.data.tokens, split=Split.TRAIN)
        size = min(size, len(self.training))
        places = [divmod(step * size + n, len(self.training)) for n in range(size)]
        orders = {around: self._order(around) for around, _ in places}
        return tuple(self.training[orders[around][at]] for around, at in places)

    def cut(self, max_tokens: int | None, count_tokens: TokenCounter) -> EpisodeSource:
        """The same with longer chunks in passages; None leaves them whole."""
        if max_tokens is None:
            return self
        training, validation = (
            tuple(limit_chunks(episode, max_tokens, count_tokens) for episode in part)
            for part in (self.training, self.validation)
        )
        return replace(self, training=training, validation=validation)

    def _order(self, around: int) -> list[int]:
        """The order of the episodes of files in this round; each round shuffles anew."""
        shuffled = torch.Generator().manual_seed(self.config.run.seed + around)
        order: list[int] = torch.randperm(len(self.training), generator=shuffled).tolist()
        return order


def open_source(config: TrainConfig) -> EpisodeSource:
    """Load or prepare the episodes of a run; raises `EpisodeError`."""
    wanted = config.data.validation_episodes
    if config.data.source == "world":
        held_out = make_episodes(wanted, seed=7, tokens=config.data.tokens, split=Split.VALIDATION)
        return EpisodeSource(config=config, training=(), validation=held_out)
    episodes = load_episodes(Path(config.data.source), seed=config.run.seed)
    count = min(wanted, len(episodes) // 10)
    training = episodes[count:]
    if not training:
        raise EpisodeError(f"{config.data.source}: holds no episode to train on; give it at least one")
    return EpisodeSource(config=config, training=training, validation=episodes[:count])


def make_writer(model: LocalModel, config: TrainConfig, step: int = 0, sampler: Model | None = None) -> Writer:
    """The writer of one step: the configured view, and the budget whose turn it is; `sampler` speaks for the model.

    Raises `ConfigError` for a model without a chat template, and for a layout that is not the model's.
    """
    section = config.writer
    style = style_of(model.chat_template)
    nano = style is PromptStyle.NANO
    if nano and section.layout is not LayoutName.MEMALPHA:
        raise ConfigError(
            f'writer.layout is "{section.layout}", but {model.name} was made for "{LayoutName.MEMALPHA}"; use that '
            "layout, or a chat model"
        )
    return Writer(
        sampler or model,
        WriterConfig(
            style=style,
            view=ViewConfig(newest=section.newest, related=section.related, overlap=section.overlap),
            sampling=Sampling(max_tokens=config.rollout.max_new_tokens),
            budget=section.budgets[step % len(section.budgets)] if section.budgets else None,
            passage_tokens=section.passage if nano else None,
        ),
    )


def train(
    config: TrainConfig,
    folder: Path,
    *,
    reader: Reader | None = None,
    validator: Validator | None = None,
    observer: Observer | None = None,
) -> LocalModel:
    """Run, or resume, one training run in `folder`; returns the trained model, which is also in `folder`/policy.

    `reader` and `validator` replace those that the configuration names. Raises `CheckpointError`, `ConfigError`,
    `EpisodeError`, `ModelError`, `TrainingError` or `OutputError`; the last checkpoint stays.
    """
    need_trackers(config.engine.trackers)
    torch.set_num_threads(config.engine.threads)
    if config.engine.nodes * config.engine.gpus > 1:
        raise ConfigError(
            f"engine.nodes is {config.engine.nodes} and engine.gpus is {config.engine.gpus}, expected 1 of each with "
            "--engine local; train with --engine verl"
        )
    observer = observer or Observer()
    if reader is None or validator is None:
        frozen = open_frozen(config.reward)
        reader, validator = reader or frozen.reader, validator or frozen.validator
    run = RunFolder(path=folder)
    if run.by_verl:
        raise CheckpointError(f"{folder} was begun by verl; add --engine verl to go on, or give another --name")
    source = open_source(config)
    run.open(config)
    done = run.latest()
    learner = _open_learner(config, run, done)
    model = learner.model
    run.forget_after(done or 0)
    count_tokens = model.counter
    source = source.cut(make_writer(model, config).config.passage_tokens, count_tokens)
    sampler = _open_sampler(config, learner)
    history = run.metrics()
    with open_boards(config, folder, history) as boards:
        observer.on_start(done or 0, config.run.steps)
        for step in range(done or 0, config.run.steps):
            writer = make_writer(model, config, step, sampler)
            progress = step / config.run.steps
            collector = Collector(config, writer, reader, count_tokens, validator=validator, progress=progress)
            last, every = step + 1 == config.run.steps, config.run.validate_every
            looked_at = last or bool(every and _is_due(step, every))
            metrics = _step(step, collector, learner, source.batch(step), observer, folder if looked_at else None)
            if isinstance(sampler, VllmModel):
                learner.share(sampler.take)
            if source.validation and every and looked_at:
                traces = _validate(config, model, sampler, reader, source.validation)
                metrics["validation_score"] = _mean([trace.score for trace in traces])
                metrics["validation_memory_share"] = _mean([trace.memory_tokens / trace.raw_tokens for trace in traces])
                name = f"step-{step + 1:06d}-validation"
                keep_trace(folder, name, traces[0], collector.reward(traces[0]), collector.weights)
            run.log_metrics(metrics)
            history.append(metrics)
            alarms = fresh(history)
            run.log_alarms(alarms)
            boards.write(metrics)
            if last or _is_due(step, config.engine.checkpoint_every):
                run.save(learner, step + 1)
            observer.on_step(metrics)
            for alarm in alarms:
                observer.on_alarm(alarm)
    with writing(folder / "policy"):
        learner.save(folder / "policy")
    return model


def _step(
    step: int, collector: Collector, learner: Learner, episodes: Sequence[Episode], observer: Observer, out: Path | None
) -> dict[str, float]:
    """Sample, reward and learn once; the metrics of it, which start with the number of the step (the first is 1).

    Two traces of the first group go into the run folder `out`.
    """
    run = collector.config.run
    seed, before, started = run.seed * 1_000_000 + step, learner.model.tokens_sampled, time.monotonic()
    experience = collector.collect(episodes, seed=seed, progress=observer.on_rollout)
    sampled, rolled_out = learner.model.tokens_sampled - before, time.monotonic()
    if out is not None:
        group = experience.groups[0]
        keep_best_and_worst(out, f"step-{step + 1:06d}", group.traces, group.rewards, collector.weights)
    update = learner.update(experience.rows, seed=seed, progress=step / run.steps)
    return {
        "step": step + 1,
        **summary(experience),
        **update,
        "rollout_seconds": rolled_out - started,
        "update_seconds": time.monotonic() - rolled_out,
        "sampled_tokens_per_second": sampled / (rolled_out - started),
    }


def _is_due(step: int, every: int) -> bool:
    """Whether something that happens `every` so many steps happens after this one."""
    return (step + 1) % every == 0


def summary(experience: Experience) -> dict[str, float]:
    """What one step's rollouts looked like: reward terms apart, and how the writer behaves.

    Episodes that began with a filled memory are left out, unless there are no others.
    """
    whole = [group for group in experience.groups if all(trace.whole for trace in group.traces)] or experience.groups
    rewards = [each for group in whole for each in group.rewards]
    traces = [trace for group in whole for trace in group.traces]
    steps = [step for trace in traces for step in trace.steps]
    results = [result for step in steps for result in step.results]
    operations = [each for step in steps for each in step.operations]
    drawn = [logprob for step in steps for logprob in step.completion.logprobs]
    terms = [term for each in rewards for term in each.steps]
    return {
        "correctness": _mean([each.correctness for each in rewards]),
        "tools": _mean([each.tools for each in terms]),
        "compression": _mean([each.compression for each in rewards]),
        "content": _mean([each.content for each in terms]),
        "correctness_spread": _mean([_spread([each.correctness for each in group.rewards]) for group in whole]),
        "memory_share": _mean([trace.memory_tokens / trace.raw_tokens for trace in traces]),
        "write_rate": _mean([float(bool(step.calls)) for step in steps]),
        "calls_per_chunk": len(results) / len(steps),
        "valid_share": _mean([float(result.ok) for result in results]),
        "inserts_per_chunk": sum(each.action.value == "insert" for each in operations) / len(steps),
        "updates_per_chunk": sum(each.action.value == "update" for each in operations) / len(steps),
        "deletes_per_chunk": sum(each.action.value == "delete" for each in operations) / len(steps),
        "completion_tokens": _mean([float(len(step.completion.token_ids)) for step in steps]),
        "truncated_share": _mean([float(not step.completion.finished) for step in steps]),
        "surprise_nats": -_mean(drawn),
        "rows": float(len(experience.rows)),
        "dropped_groups": float(experience.dropped_groups),
    }


def _validate(
    config: TrainConfig, model: LocalModel, sampler: Model, reader: Reader, episodes: Sequence[Episode]
) -> list[Trace]:
    """Greedy traces of the configured writer."""
    return run_episodes(
        make_writer(model, config, sampler=sampler),
        reader,
        episodes,
        count_tokens=model.counter,
        layout=LAYOUTS[config.writer.layout],
    )


def _open_learner(config: TrainConfig, run: RunFolder, done: int | None) -> Learner:
    """The learner as it was after the step `done`, or at the start of a run."""
    # A reference of its own is needed where the policy is no longer the initial one, and low-rank matrices do not
    # keep that one below them.
    apart = done is not None and config.optim.kl > 0 and not config.optim.lora_rank
    learner = Learner(
        open_policy(config, config.run.model) if done is None else run.load_policy(done, config),
        config.optim,
        engine=config.engine,
        temperature=config.rollout.temperature,
        reference=open_policy(config, config.run.model) if apart else None,
    )
    if done is not None:
        run.restore(learner, done)
    return learner


def _open_sampler(config: TrainConfig, learner: Learner) -> Model:
    """What completions are drawn by, holding the policy of the learner."""
    model, engine = learner.model, config.engine
    if engine.sampler is Sampler.TRANSFORMERS:
        return model
    folder = str(SHIPPED.get(config.run.model, config.run.model))
    dtype = DTYPES[engine.precision]
    sampler = open_vllm(model, folder, memory=engine.sampler_memory, seed=config.run.seed, dtype=dtype)
    learner.share(sampler.take)
    return sampler


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _spread(values: Sequence[float]) -> float:
    """Standard deviation over the whole group."""
    middle = _mean(values)
    return math.sqrt(_mean([(value - middle) ** 2 for value in values]))
