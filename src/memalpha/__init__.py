"""A memory for language agents, and the reinforcement learning that teaches a model to manage it.

The names below are the public API; everything else may move. None of them needs torch.

    from memalpha import Bank, ExtractiveReader, Writer, make_episode, run_episode
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

__version__ = "0.1.0"

__all__ = [
    "MEMALPHA",
    "Bank",
    "Chunk",
    "Competency",
    "EndpointModel",
    "Entry",
    "Episode",
    "ExtractiveReader",
    "Layout",
    "MemalphaError",
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
    "write_episodes",
]
