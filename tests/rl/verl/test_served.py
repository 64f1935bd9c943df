"""A policy that is sampled elsewhere, through a coroutine that stands for verl's servers."""

import asyncio
import json
import threading
from pathlib import Path

import pytest
import torch

from memalpha.agent.local import load_local
from memalpha.agent.model import Completion, Prompt, Sampling
from memalpha.agent.reader import ExtractiveReader
from memalpha.data.world import make_episodes
from memalpha.episode import run_episodes
from memalpha.errors import ModelError
from memalpha.records import Message, Role
from memalpha.rl.config import TrainConfig
from memalpha.rl.train import make_writer
from memalpha.rl.verl.served import Sampled, ServedModel, load_shape

HELLO = Prompt(messages=(Message(role=Role.USER, content="Hello there"),))


def ask(model: ServedModel, loop: asyncio.AbstractEventLoop, *prompts: Prompt) -> list[Completion]:
    """From another thread, as the episode loop does."""
    return loop.run_until_complete(
        loop.run_in_executor(None, model.complete, prompts, Sampling(temperature=1.0, max_tokens=8))
    )


def test_a_completion_is_what_a_local_model_makes_of_the_same_tokens(quoting_qwen: Path) -> None:
    local, shape, loop = load_local(quoting_qwen), load_shape(str(quoting_qwen)), asyncio.new_event_loop()
    asked: list[tuple[list[int], Sampling]] = []

    async def draw(ids: list[int], sampling: Sampling) -> Sampled:
        asked.append((ids, sampling))
        (own,) = local.complete([Prompt(tokens=tuple(ids))], sampling)
        return Sampled(token_ids=own.token_ids, logprobs=own.logprobs, version=3)

    model = ServedModel(shape, draw, loop)
    greedy = Sampling(max_tokens=12)
    (found,) = loop.run_until_complete(loop.run_in_executor(None, model.complete, [HELLO], greedy))
    (expected,) = local.complete([HELLO], greedy)
    assert found == expected
    assert found.offsets
    assert asked == [(list(expected.prompt_ids), greedy)]
    assert [each.version for each in model.sampled] == [3]
    assert model.name == str(quoting_qwen)
    loop.close()


def test_whole_episodes_are_written_through_it(quoting_qwen: Path) -> None:
    local, shape, loop = load_local(quoting_qwen), load_shape(str(quoting_qwen)), asyncio.new_event_loop()

    async def draw(ids: list[int], sampling: Sampling) -> Sampled:
        (own,) = local.complete([Prompt(tokens=tuple(ids))], sampling)
        return Sampled(token_ids=own.token_ids, logprobs=own.logprobs)

    episodes = make_episodes(2, seed=1, tokens=500)
    model = ServedModel(shape, draw, loop)
    config = TrainConfig()

    def run(of: ServedModel) -> list[float]:
        writer = make_writer(shape, config, sampler=of)
        traces = run_episodes(writer, ExtractiveReader(), episodes, count_tokens=shape.counter)
        assert all(step.calls for trace in traces for step in trace.steps)
        return [trace.score for trace in traces]

    served = loop.run_until_complete(loop.run_in_executor(None, run, model))
    traces = run_episodes(make_writer(local, config), ExtractiveReader(), episodes, count_tokens=local.counter)
    assert served == [trace.score for trace in traces]
    loop.close()


def test_samples_wait_side_by_side(quoting_qwen: Path) -> None:
    loop, shape = asyncio.new_event_loop(), load_shape(str(quoting_qwen))
    together = asyncio.Barrier(3)

    async def draw(ids: list[int], sampling: Sampling) -> Sampled:
        await together.wait()  # passes only when three wait at once
        return Sampled(token_ids=(1,), logprobs=(-1.0,))

    async def all_three() -> list[list[Completion]]:
        models = [ServedModel(shape, draw, loop) for _ in range(3)]
        calls = [loop.run_in_executor(None, model.complete, [HELLO], Sampling()) for model in models]
        return await asyncio.wait_for(asyncio.gather(*calls), timeout=20)

    assert [[each.finished for each in found] for found in loop.run_until_complete(all_three())] == [[True]] * 3
    loop.close()


def test_a_prompt_that_leaves_no_room_is_told(quoting_qwen: Path) -> None:
    loop = asyncio.new_event_loop()

    async def draw(ids: list[int], sampling: Sampling) -> Sampled:
        raise AssertionError("nothing is drawn")

    model = ServedModel(load_shape(str(quoting_qwen)), draw, loop, context_tokens=9)
    with pytest.raises(ModelError, match=r"may come to \d+ tokens, expected at most 9; raise engine.micro_batch_tok"):
        ask(model, loop, HELLO)
    loop.close()


def test_what_fails_on_the_server_reaches_the_thread(quoting_qwen: Path) -> None:
    loop = asyncio.new_event_loop()

    async def draw(ids: list[int], sampling: Sampling) -> Sampled:
        raise ModelError(f"down, said {threading.current_thread().name}")

    with pytest.raises(ModelError, match="down, said MainThread"):
        ask(ServedModel(load_shape(str(quoting_qwen)), draw, loop), loop, HELLO)
    loop.close()


def test_a_shape_takes_no_memory_and_knows_every_end_token(quoting_qwen: Path, tmp_path: Path) -> None:
    shape = load_shape(str(quoting_qwen))
    assert {parameter.device for parameter in shape.network.parameters()} == {torch.device("meta")}
    assert shape.end_ids == load_local(quoting_qwen).end_ids
    told = json.loads((quoting_qwen / "generation_config.json").read_text(encoding="utf-8"))
    for file in quoting_qwen.iterdir():
        if file.name != "generation_config.json":
            (tmp_path / file.name).symlink_to(file)
    assert load_shape(str(tmp_path)).end_ids == shape.end_ids
    (tmp_path / "generation_config.json").write_text(json.dumps(told | {"eos_token_id": [1, 5]}), encoding="utf-8")
    assert load_shape(str(tmp_path)).end_ids == frozenset({1, 5})


def test_a_folder_that_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model could be loaded from"):
        load_shape(str(tmp_path))
