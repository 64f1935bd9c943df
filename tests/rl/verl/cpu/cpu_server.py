"""A sampling server on a CPU, for tests: our own decoder behind verl's replica, fed with the trainer's weights."""

import asyncio

import ray
import torch
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from verl.workers.rollout.base import BaseRollout
from verl.workers.rollout.replica import RolloutReplica, TokenOutput

TOGETHER_SECONDS = 0.05
"""Requests that come within this time are sampled in one batch."""


def name_of(replica: int) -> str:
    return f"cpu_server_{replica}"


@ray.remote
class CpuServer:
    def __init__(self, path: str) -> None:
        from memalpha.agent.local import load_local

        torch.set_num_threads(1)
        self._model = load_local(path)
        self._waiting: list = []
        self._version = 0

    async def generate(self, request_id, prompt_ids, sampling_params, **kwargs):
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((list(prompt_ids), dict(sampling_params), future))
        if len(self._waiting) == 1:
            await asyncio.sleep(TOGETHER_SECONDS)
            self._sample()
        return await future

    def _sample(self) -> None:
        from memalpha.agent.model import Prompt, Sampling

        waiting, self._waiting = self._waiting, []
        for temperature in {params["temperature"] for _, params, _ in waiting}:
            batch = [each for each in waiting if each[1]["temperature"] == temperature]
            sampling = Sampling(temperature=temperature, max_tokens=batch[0][1]["max_tokens"])
            prompts = [Prompt(tokens=tuple(ids)) for ids, _, _ in batch]
            for (_, _, future), each in zip(batch, self._model.complete(prompts, sampling), strict=True):
                future.set_result(
                    TokenOutput(
                        token_ids=list(each.token_ids),
                        log_probs=list(each.logprobs),
                        stop_reason="completed",
                        extra_fields={"global_steps": self._version},
                    )
                )

    async def update_weights(self, weights, version):
        missing, unexpected = self._model.network.load_state_dict(weights, strict=False)
        assert not unexpected, unexpected
        assert not set(missing) - {"lm_head.weight"}, missing
        self._version = version or 0

    async def sleep(self):
        pass

    async def wake_up(self, **kwargs):
        pass

    async def clear_kv_cache(self):
        pass


class CpuReplica(RolloutReplica):
    async def launch_servers(self):
        node = await self.workers[0].__ray_call__.remote(lambda self: ray.get_runtime_context().get_node_id())
        server = CpuServer.options(
            name=name_of(self.replica_rank),
            num_cpus=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node, soft=False),
        ).remote(self.model_config.path)
        self.servers = [server]
        self._server_handle = server
        self._server_address = f"{name_of(self.replica_rank)}@{node}"


class CpuRollout(BaseRollout):
    """In each trainer process: hands its weights to the server of its own replica."""

    async def resume(self, tags):
        pass

    async def release(self):
        pass

    async def update_weights(self, weights, global_steps=None, **kwargs):
        held = {name: tensor.detach().to(torch.float32).cpu().clone() for name, tensor in weights}
        server = ray.get_actor(name_of(torch.distributed.get_rank()))
        await server.update_weights.remote(held, global_steps)
