"""Devices that are not there, and memory that runs out: one sentence each, with what to change."""

from __future__ import annotations

import pytest
import torch

from memalpha.agent.device import memory_limit, open_device
from memalpha.errors import ConfigError, ModelError


def test_the_cpu_is_always_there() -> None:
    assert open_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "", "xpu", "cuda:one", "meta"])
def test_what_is_no_device(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"got the device '{name}', expected cpu, cuda, cuda:1 or mps"):
        open_device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match=f"got the device '{name}', but torch sees no GPU; use device=\"cpu\""):
        open_device(name)


def test_one_gpu_more_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert open_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ConfigError, match="got the device 'cuda:2', but torch sees 2 of them"):
        open_device("cuda:2")


def test_metal_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="torch sees no Metal GPU"):
        open_device("mps")


def test_memory_that_runs_out_says_during_what_and_what_to_lower() -> None:
    expected = r"^memory ran out while learning \(CUDA out of memory\. Tried much\); lower it$"
    with pytest.raises(ModelError, match=expected), memory_limit("learning", "lower it"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried much\nmore")
    with pytest.raises(ModelError, match="memory ran out while learning"), memory_limit("learning", "lower it"):
        torch.empty(2**60)  # more than any machine has
    with pytest.raises(ModelError, match=r"\(MemoryError\)"), memory_limit("learning", "lower it"):
        raise MemoryError


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shape"), memory_limit("learning", "lower it"):
        raise RuntimeError("shape mismatch")
