"""verl's agent loop, without verl's servers: one sample of an episode, every chunk an output of its own."""

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from memalpha.agent.local import load_local
from memalpha.agent.model import Prompt, Sampling
from memalpha.rl.config import RewardConfig, TrainConfig
from memalpha.rl.trajectory import from_plain
from memalpha.rl.verl.groups import FAILED, FIELD, MEASURES, STEP, STEPS
from memalpha.rl.verl.job import write_job

pytestmark = pytest.mark.verl

ROW = {"episode": 0, "step": 0, "stored": 0, "first_id": 7, "uid": "a", "session_id": 0}
WAY = {"temperature": 1.0, "top_p": 1, "top_k": -1, "logprobs": True}


class Servers:
    """Stands for verl's: samples with the policy itself."""

    def __init__(self, folder: Path) -> None:
        self._model = load_local(folder)
        self.asked: list[dict[str, Any]] = []

    async def generate(
        self, request_id: str, *, prompt_ids: list[int], sampling_params: dict[str, Any]
    ) -> SimpleNamespace:
        self.asked.append(sampling_params)
        way = Sampling(temperature=sampling_params["temperature"], max_tokens=sampling_params["max_tokens"], seed=1)
        (own,) = self._model.complete([Prompt(tokens=tuple(prompt_ids))], way)
        extra = {"global_steps": 4}
        return SimpleNamespace(token_ids=list(own.token_ids), log_probs=list(own.logprobs), extra_fields=extra)


def run(config: TrainConfig, folder: Path, servers: Servers, **row: Any) -> list[Any]:
    from memalpha.rl.verl.loop import EpisodeLoop

    job = write_job(config, folder)
    loop = EpisodeLoop(job=str(job.folder), server_manager=servers, trainer_config=None, tokenizer=None)
    return asyncio.run(loop.run(dict(WAY), **(ROW | row)))


def test_every_chunk_is_an_output_with_its_step(verl_run: TrainConfig, quoting_qwen: Path, tmp_path: Path) -> None:
    config = replace(verl_run, data=replace(verl_run.data, tokens=500))
    servers = Servers(quoting_qwen)
    outputs = run(config, tmp_path / "first", servers)
    assert len(outputs) == len(servers.asked) > 1
    for output in outputs:
        step = from_plain(output.extra_fields[FIELD][STEP])
        assert output.extra_fields[FIELD][STEPS] == len(outputs)
        assert output.prompt_ids == list(step.prompt_ids)
        assert output.response_ids == list(step.token_ids)
        assert output.response_logprobs == list(step.logprobs)
        assert output.response_mask == [1] * len(step.token_ids)
        assert (output.extra_fields["min_global_steps"], output.extra_fields["max_global_steps"]) == (4, 4)
    told = outputs[-1].extra_fields[FIELD][MEASURES]
    assert told["correctness"] == outputs[0].reward_score == outputs[-1].reward_score
    assert any(from_plain(output.extra_fields[FIELD][STEP]).choices for output in outputs)
    assert {(each["temperature"], each["max_tokens"], each["logprobs"]) for each in servers.asked} == {(1.0, 24, True)}


def test_a_filled_memory_leaves_fewer_chunks(verl_run: TrainConfig, quoting_qwen: Path, tmp_path: Path) -> None:
    config = replace(verl_run, data=replace(verl_run.data, tokens=500))
    whole = run(config, tmp_path / "first", Servers(quoting_qwen))
    assert len(run(config, tmp_path / "first", Servers(quoting_qwen), stored=1)) == len(whole) - 1


def test_a_failure_is_an_output_that_says_why(verl_run: TrainConfig, quoting_qwen: Path, tmp_path: Path) -> None:
    narrow = replace(verl_run, engine=replace(verl_run.engine, micro_batch_tokens=30))
    (output,) = run(narrow, tmp_path / "first", Servers(quoting_qwen))
    assert "expected at most 30; raise engine.micro_batch_tokens" in output.extra_fields[FIELD][FAILED]
    assert output.extra_fields["reward_extra_info"] == {FAILED: output.extra_fields[FIELD][FAILED]}
    assert output.response_mask == [0]


def test_a_reader_that_is_down_is_a_failure_too(
    verl_run: TrainConfig, quoting_qwen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memalpha.agent.endpoint._FIRST_WAIT_SECONDS", 0.0)
    config = replace(verl_run, reward=RewardConfig(reader="http://127.0.0.1:9/v1", reader_model="big"))
    (output,) = run(config, tmp_path / "first", Servers(quoting_qwen))
    assert output.extra_fields[FIELD][FAILED].startswith('the reader "big" does not answer')
