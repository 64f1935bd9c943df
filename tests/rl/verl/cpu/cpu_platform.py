"""verl on a CPU, for tests: a platform without an accelerator, gloo in place of NCCL, and our own sampling server.

Loaded in every process by VERL_USE_EXTERNAL_MODULES, with VERL_PLATFORM=cpu and VERL_ENGINE_DEVICE=cuda, so that the
FSDP engine that verl registers for GPUs is the one that runs. Ray actors are in another module: one that is unpickled
first would import verl while this module is half imported.
"""

import json
import os
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
import torch.distributed
from verl.plugin.platform.platform_base import PlatformBase
from verl.plugin.platform.platform_manager import PlatformRegistry

device = ModuleType("cpu_device")
device.__dict__.update({name: getattr(torch.cpu, name) for name in dir(torch.cpu) if not name.startswith("__")})
device.__dict__.update(
    is_available=lambda: False,
    get_device_name=lambda *_: "CPU",
    empty_cache=lambda: None,
    memory_allocated=lambda *_: 0,
    memory_reserved=lambda *_: 0,
    max_memory_allocated=lambda *_: 0,
    max_memory_reserved=lambda *_: 0,
    reset_peak_memory_stats=lambda *_: None,
    mem_get_info=lambda *_: (1, 1),
    get_rng_state=torch.get_rng_state,
    set_rng_state=torch.set_rng_state,
    manual_seed=torch.manual_seed,
    manual_seed_all=torch.manual_seed,
)


@PlatformRegistry.register(platform="cpu")
class CpuPlatform(PlatformBase):
    device_name = "cpu"
    vendor_name = "none"
    device_module = device

    def is_available(self):
        return True

    def current_device(self):
        return "cpu"

    def device_count(self):
        return 1

    def set_device(self, device_index):
        pass

    def synchronize(self, device_index=None):
        pass

    def manual_seed(self, seed):
        torch.manual_seed(seed)

    def manual_seed_all(self, seed):
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings):
        pass

    def empty_cache(self):
        pass

    def get_device_capability(self, device_index=0):
        return None, None

    def communication_backend_name(self):
        return "gloo"

    def visible_devices_envvar(self):
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, msg):
        yield

    def profiler_start(self):
        pass

    def profiler_stop(self):
        pass

    def ray_resource_name(self):
        return "GPU"  # of which Ray is told there are some

    def ray_noset_envvars(self):
        return []

    def is_ipc_supported(self):
        return False

    def cudart(self):
        return None


_init = torch.distributed.init_process_group


def _init_gloo(backend=None, *args, **kwargs):
    return _init("gloo" if backend and "gloo" in backend else backend, *args, **kwargs)


torch.distributed.init_process_group = _init_gloo


def _replica():
    from cpu_server import CpuReplica

    return CpuReplica


from verl.workers.rollout.base import _ROLLOUT_REGISTRY  # noqa: E402 -- the platform must be known first
from verl.workers.rollout.replica import RolloutReplicaRegistry  # noqa: E402

RolloutReplicaRegistry.register("cpu", _replica)
_ROLLOUT_REGISTRY["cpu", "async"] = "cpu_server.CpuRollout"

from verl.workers.utils import losses  # noqa: E402 -- before the workers take the loss by its name

_loss = losses.ppo_loss


def _watched_loss(config, model_output, data, dp_group=None):
    """The loss of verl; what advantages reached it is noted for the test."""
    if "SEEN_BY_THE_LOSS" in os.environ:
        rows = zip(data["advantages"].unbind(), data["response_mask"].unbind(), strict=True)
        seen = [advantages[mask.bool()].tolist() for advantages, mask in rows]
        with Path(f"{os.environ['SEEN_BY_THE_LOSS']}-{os.getpid()}").open("a") as out:
            out.write(json.dumps(seen) + "\n")
    return _loss(config, model_output, data, dp_group)


losses.ppo_loss = _watched_loss
