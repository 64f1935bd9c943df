"""The memory as an application uses it: `Memory`, its asynchronous twin, and OpenAI clients with a memory."""

from memalpha.service.access import Access
from memalpha.service.memory import Memory
from memalpha.service.openai_client import wrap_openai
from memalpha.service.records import Added, Ref, Refusal
from memalpha.service.snapshot import Snapshot
from memalpha.service.twin import AsyncMemory

__all__ = ["Access", "Added", "AsyncMemory", "Memory", "Ref", "Refusal", "Snapshot", "wrap_openai"]
