"""Devices that networks run on: whether one is there, and what to lower when its memory is full."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from memalpha.errors import ConfigError, ModelError
from memalpha.text import first_line

_KINDS = ("cpu", "cuda", "mps")


def open_device(name: str) -> torch.device:
    """The device of this name, such as "cuda:1"; raises `ConfigError` for one that is not there."""
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in _KINDS:
        raise ConfigError(f"got the device {name!r}, expected cpu, cuda, cuda:1 or mps; name one of these")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        there = f"{torch.cuda.device_count()} of them" if torch.cuda.is_available() else "no GPU"
        raise ConfigError(f'got the device {name!r}, but torch sees {there}; use device="cpu" or mend the installation')
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(f'got the device {name!r}, but torch sees no Metal GPU; use device="cpu"')
    return device


@contextmanager
def memory_limit(work: str, mend: str) -> Iterator[None]:
    """Turn the running out of memory into a `ModelError` that says during which work, and how to mend it."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _full(work, mend, error) from error
    except RuntimeError as error:
        if "DefaultCPUAllocator" not in str(error):  # on a CPU torch has no class for it
            raise
        raise _full(work, mend, error) from error


def _full(work: str, mend: str, error: BaseException) -> ModelError:
    first = first_line(error)
    return ModelError(f"memory ran out while {work} ({first}); {mend}")
