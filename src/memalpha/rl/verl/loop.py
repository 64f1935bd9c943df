"""verl's agent loop for one sample of an episode: our episode loop in a thread, every chunk a sequence of its own.

Registered by the `agent.yaml` of a job (`memalpha.rl.verl.job`); needs verl.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from verl.experimental.agent_loop import AgentLoopBase, AgentLoopOutput
from verl.experimental.agent_loop.agent_loop import AgentLoopMetrics

from memalpha.agent.local import LocalModel
from memalpha.agent.model import Sampling
from memalpha.episode import Start, Trace, run_episodes
from memalpha.errors import MemalphaError
from memalpha.records import Episode, read_episodes
from memalpha.rewards import reward
from memalpha.rl.config import TrainConfig
from memalpha.rl.frozen import Frozen, open_frozen
from memalpha.rl.rollout import LAYOUTS, Experience, Group
from memalpha.rl.train import make_writer, summary
from memalpha.rl.trajectory import SampledStep, to_plain, trajectory_of
from memalpha.rl.verl.groups import FAILED, FIELD, MEASURES, STEP, STEPS
from memalpha.rl.verl.job import EPISODES, read_job
from memalpha.rl.verl.served import Sampled, ServedModel, load_shape

THREADS = 512
"""Samples of one process that go side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What the samples of one process share."""

    config: TrainConfig
    episodes: tuple[Episode, ...]
    shape: LocalModel
    frozen: Frozen
    threads: ThreadPoolExecutor


@cache
def workplace(job: str) -> Workplace:
    """Opened once in each process; raises `ModelError` when the reader does not answer."""
    config = read_job(Path(job))
    return Workplace(
        config=config,
        episodes=tuple(read_episodes(Path(job) / EPISODES)),
        shape=load_shape(config.run.model),
        frozen=open_frozen(config.reward),
        threads=ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="memalpha-sample"),
    )


class EpisodeLoop(AgentLoopBase):  # type: ignore[misc] # verl has no types of its own
    """Runs one sample of one planned episode."""

    def __init__(self, *, job: str, server_manager: Any, **unused: Any) -> None:
        """`job` is the folder of the job; of what verl gives, only the servers are of use.

        verl's own constructor prepares chats of several turns, which asks of a tokenizer what not every one has.
        """
        self._job = job
        self.server_manager = server_manager

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> list[AgentLoopOutput]:
        """One output for each chunk that was read.

        A failure becomes an output that says so, which the trainer raises: verl itself would go on without the sample.
        """
        try:
            place = workplace(self._job)
            model = ServedModel(
                place.shape,
                self._draw,
                asyncio.get_running_loop(),
                context_tokens=place.config.engine.micro_batch_tokens,
            )
            way = Sampling(
                temperature=float(sampling_params["temperature"]), max_tokens=place.config.rollout.max_new_tokens
            )
            work = partial(_sample, place, model, way, row)
            trace, steps, told = await asyncio.get_running_loop().run_in_executor(place.threads, work)
        except MemalphaError as error:
            return [_failure(str(error))]
        return _outputs(trace, steps, told, model.sampled)

    async def _draw(self, ids: list[int], sampling: Sampling) -> Sampled:
        drawn = await self.server_manager.generate(
            request_id=uuid4().hex,
            prompt_ids=ids,
            sampling_params={
                "temperature": sampling.temperature,
                "top_p": 1.0,
                "top_k": -1,
                "repetition_penalty": 1.0,
                "logprobs": True,
                "max_tokens": sampling.max_tokens,
            },
        )
        return Sampled(
            token_ids=tuple(drawn.token_ids),
            logprobs=tuple(drawn.log_probs),
            version=int(drawn.extra_fields.get("global_steps") or 0),
        )


def _sample(
    place: Workplace, model: ServedModel, way: Sampling, row: Mapping[str, Any]
) -> tuple[Trace, Sequence[SampledStep], dict[str, float]]:
    """In a thread: the episode, its rewards, and what is told of it."""
    config, count_tokens, validator = place.config, place.shape.counter, place.frozen.validator
    (trace,) = run_episodes(
        make_writer(place.shape, config, int(row["step"]), model),
        place.frozen.reader,
        [place.episodes[int(row["episode"])]],
        count_tokens=count_tokens,
        sampling=lambda turn: way,
        starts=[Start(stored=int(row["stored"]), first_id=int(row["first_id"]))],
        layout=LAYOUTS[config.writer.layout],
    )
    earned = reward(trace, preset=config.reward.preset, validator=validator, count_tokens=count_tokens)
    steps = trajectory_of(trace, earned, config.reward, validator=validator, count_tokens=count_tokens).steps
    alone = Experience(groups=(Group(traces=(trace,), rewards=(earned,)),), rows=(), dropped_groups=0)
    return trace, steps, summary(alone)


def _outputs(
    trace: Trace, steps: Sequence[SampledStep], told: dict[str, float], sampled: Sequence[Sampled]
) -> list[AgentLoopOutput]:
    info = {"memory_share": trace.memory_tokens / trace.raw_tokens}
    outputs = [
        _output(step, each.version, {STEP: to_plain(step), STEPS: len(steps)}, trace.score, info)
        for step, each in zip(steps, sampled, strict=True)
    ]
    outputs[-1].extra_fields[FIELD][MEASURES] = told
    return outputs


def _failure(reason: str) -> AgentLoopOutput:
    """A row of one token that no loss counts."""
    nothing = SampledStep(prompt_ids=(0,), token_ids=(0,), logprobs=(0.0,), reward=0.0)
    output = _output(nothing, 0, {FAILED: reason}, 0.0, {FAILED: reason})
    output.response_mask = [0]
    return output


def _output(
    step: SampledStep, version: int, ours: dict[str, Any], score: float, info: dict[str, Any]
) -> AgentLoopOutput:
    return AgentLoopOutput(
        prompt_ids=list(step.prompt_ids),
        response_ids=list(step.token_ids),
        response_mask=[1] * len(step.token_ids),
        response_logprobs=list(step.logprobs),
        reward_score=score,
        num_turns=2,
        metrics=AgentLoopMetrics(),
        extra_fields={
            FIELD: ours,
            "reward_extra_info": info,
            "min_global_steps": version,
            "max_global_steps": version,
        },
    )
