"""A memory for language agents, and the reinforcement learning that teaches a model to manage it.

The names below are the public API; everything else may move. None of them needs torch.

    from memalpha import Memory                                                     to use a memory
    from memalpha import Bank, ExtractiveReader, Writer, make_episode, run_episode  to train and to measure
"""

from memalpha.agent.endpoint import EndpointModel
from memalpha.agent.model import Model, ScriptedModel
from memalpha.agent.reader import ExtractiveReader, Reader
from memalpha.agent.writer import Writer
from memalpha.data.world import make_episode
from memalpha.episode import run_episode
from memalpha.errors import MemalphaError
from memalpha.memory.bank import Bank
from memalpha.memory.entry import Entry, MemoryKind
from memalpha.memory.layout import MEMALPHA, Layout
from memalpha.records import (
    Chunk,
    Competency,
    Episode,
    Message,
    Metric,
    Question,
    ToolCall,
    ToolResult,
    read_episodes,
    write_episodes,
)
from memalpha.service import AsyncMemory, Memory, wrap_openai

__version__ = "0.1.0"

__all__ = [
    "MEMALPHA",
    "AsyncMemory",
    "Bank",
    "Chunk",
    "Competency",
    "EndpointModel",
    "Entry",
    "Episode",
    "ExtractiveReader",
    "Layout",
    "MemalphaError",
    "Memory",
    "MemoryKind",
    "Message",
    "Metric",
    "Model",
    "Question",
    "Reader",
    "ScriptedModel",
    "ToolCall",
    "ToolResult",
    "Writer",
    "__version__",
    "make_episode",
    "read_episodes",
    "run_episode",
    "wrap_openai",
    "write_episodes",
]
