"""One chunk: view, prompt, completion, calls, results. The only thing that is ever trained.

Each chunk is a conversation of its own with one turn (arXiv:2509.25911): whatever the writer wants to remember of the
earlier ones must come through the memory that it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from memalpha.agent.model import Completion, Model, Prompt, Sampling
from memalpha.agent.parsing import parse_calls
from memalpha.agent.prompting import fill, load
from memalpha.agent.view import DEFAULT_VIEW, View, ViewConfig, build_view, nano_prompt
from memalpha.memory.bank import Bank, Operation
from memalpha.memory.tools import Source, WriteBudget, apply, tool_schemas
from memalpha.records import Chunk, Message, Role, ToolCall, ToolResult


class PromptStyle(StrEnum):
    """How a view becomes a prompt."""

    NANO = "nano"
    """The terse lines that the shipped policy was made for."""
    CHAT = "chat"
    """Instructions, memory and numbered chunk as messages, with tools, for any chat model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one chunk led to."""

    index: int
    """Place of the chunk in the episode, the first is 0."""
    view: View
    prompt: Prompt
    completion: Completion
    calls: tuple[ToolCall, ...]
    results: tuple[ToolResult, ...]
    """One for each call."""
    operations: tuple[Operation, ...]
    """What the calls that succeeded changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterConfig:
    """What a writer is shown and how much it may write."""

    style: PromptStyle = PromptStyle.NANO
    view: ViewConfig = DEFAULT_VIEW
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=96))
    budget: float | None = None
    """Share of a chunk's tokens that may be written for it, in (0, 1]; the rest is refused. None is no limit."""
    focus: tuple[str, ...] = ()
    """Words that name what to keep, such as "facts"; empty leaves the choice to the writer, as it is trained."""


class Writer:
    """A model that keeps a bank: shows it one chunk at a time and does what it calls for."""

    def __init__(self, model: Model, config: WriterConfig | None = None) -> None:
        """`config` defaults to the shipped policy's; use `PromptStyle.CHAT` for any other model."""
        self.model = model
        self.config = config or WriterConfig()

    def write(self, bank: Bank, chunk: Chunk, index: int = 0) -> Step:
        """Read one chunk and change the bank; raises `ModelError` when the model fails, never for what it writes."""
        return self.write_batch([(bank, chunk, index)])[0]

    def write_batch(self, work: Sequence[tuple[Bank, Chunk, int]], sampling: Sampling | None = None) -> list[Step]:
        """The same for several banks at once, in one batch of the model; every bank must be another one."""
        views = [build_view(bank, chunk, self.config.view) for bank, chunk, _ in work]
        prompts = [self.prompt(bank, view, chunk) for (bank, chunk, _), view in zip(work, views, strict=True)]
        completions = self.model.complete(prompts, sampling or self.config.sampling)
        return [
            self.step(bank, chunk, index, view=view, prompt=prompt, completion=completion)
            for (bank, chunk, index), view, prompt, completion in zip(work, views, prompts, completions, strict=True)
        ]

    def prompt(self, bank: Bank, view: View, chunk: Chunk) -> Prompt:
        """What the model reads for one chunk."""
        if self.config.style is PromptStyle.NANO:
            text = nano_prompt(view, chunk, self.config.budget, self.config.focus)
            return Prompt(messages=(Message(role=Role.USER, content=text),))
        return chat_prompt(bank, view, chunk, self.config.budget, self.config.focus)

    def step(self, bank: Bank, chunk: Chunk, index: int, *, view: View, prompt: Prompt, completion: Completion) -> Step:
        """Apply the calls of one completion, in order."""
        calls = tuple(completion.tool_calls if completion.tool_calls is not None else parse_calls(completion.text))
        source = Source(chunk=chunk, index=index, shown=view.ids)
        budget = write_budget(self.config.budget, chunk, bank)
        before = bank.operation_count
        results = tuple(apply(bank, call, source, budget) for call in calls)
        return Step(
            index=index,
            view=view,
            prompt=prompt,
            completion=completion,
            calls=calls,
            results=results,
            operations=bank.operations_since(before),
        )


def write_budget(share: float | None, chunk: Chunk, bank: Bank) -> WriteBudget | None:
    """What may be written for one chunk: a share of the tokens of its lines; None is no limit."""
    return None if share is None else WriteBudget(round(share * sum(map(bank.count_tokens, chunk.lines))))


def chat_prompt(bank: Bank, view: View, chunk: Chunk, budget: float | None = None, focus: Sequence[str] = ()) -> Prompt:
    """Messages and tools for a chat model; the texts are `prompts/writer_system.md` and `prompts/writer_chunk.md`."""
    entries = [*view.related_entries, *view.newest]
    shown = "\n".join(f"{entry.kind.value} #{entry.id}: {entry.rendered}" for entry in entries)
    limit = bank.layout.core_tokens
    system = fill(
        load("writer_system"),
        core=view.core or "(empty)",
        core_limit=str(limit),
        entries=shown or "(none)",
        shown=str(len(entries)),
        total=str(len(bank)),
    )
    wishes = [] if budget is None else [f"Write at most {round(100 * budget)}% of the length of this chunk."]
    wishes += [f"Keep what concerns: {', '.join(focus)}."] if focus else []
    numbered = "\n".join(f"{number}: {line}" for number, line in enumerate(chunk.lines, start=1))
    user = fill(load("writer_chunk"), time=chunk.time or "unknown", lines=numbered, budget=" ".join(wishes))
    return Prompt(
        messages=(Message(role=Role.SYSTEM, content=system), Message(role=Role.USER, content=user)),
        tools=tuple(tool_schemas(bank.layout)),
    )
