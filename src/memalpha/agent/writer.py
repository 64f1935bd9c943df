"""One chunk: view, prompt, completion, calls, results. The only thing that is ever trained.

Each chunk is a conversation of its own with one turn (arXiv:2509.25911): whatever the writer wants to remember of the
earlier ones must come through the memory that it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from memalpha.agent.marked_calls import describe_tools, parse_marked_calls
from memalpha.agent.model import Completion, Model, Prompt, Sampling
from memalpha.agent.overview import overview
from memalpha.agent.parsing import parse_calls
from memalpha.agent.prompting import fill, load, names_in
from memalpha.agent.view import DEFAULT_VIEW, STORES, View, ViewConfig, build_view, nano_prompt
from memalpha.memory.bank import Bank, MemoryKind, Operation
from memalpha.memory.entry import Origin
from memalpha.memory.layout import Layout, Reply
from memalpha.memory.tools import Source, Tool, WriteBudget, apply, record, tool_schemas
from memalpha.records import Chunk, Message, Role, ToolCall, ToolResult
from memalpha.text import shorten

_STATE = re.compile(r"<IS>(.*?)</IS>", re.DOTALL)


class PromptStyle(StrEnum):
    """How a view becomes a prompt."""

    NANO = "nano"
    """The terse lines that the shipped policy was made for."""
    CHAT = "chat"
    """Instructions, memory and numbered chunk as messages, with tools, for any chat model."""


_NANO_MARK = "<|write|>"


def style_of(chat_template: str) -> PromptStyle:
    """How a model wants to be asked, by its template."""
    return PromptStyle.NANO if _NANO_MARK in chat_template else PromptStyle.CHAT


REPLY_TOKENS = {PromptStyle.NANO: 96, PromptStyle.CHAT: 2_048}
"""Where a reply is cut if nothing else is said: a chat model spends more on a call, and writes texts of its own."""


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
class Asked:
    """What a model is asked for one chunk."""

    view: View
    prompt: Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterConfig:
    """What a writer is shown and how much it may write."""

    style: PromptStyle = PromptStyle.NANO
    view: ViewConfig = DEFAULT_VIEW
    sampling: Sampling | None = None
    """How to draw a reply; None is greedily, at most `REPLY_TOKENS` of the style."""
    budget: float | None = None
    """Share of a chunk's tokens that may be written for it, in (0, 1]; the rest is refused. None is no limit."""
    focus: tuple[str, ...] = ()
    """Words that name what to keep, such as "facts"; empty leaves the choice to the writer, as it is trained."""
    passage_tokens: int | None = None
    """Longer chunks should reach it in passages of so many tokens (`memalpha.data.passages.limit_chunks`)."""


class Writer:
    """A model that keeps a bank: shows it one chunk at a time and does what it calls for."""

    def __init__(self, model: Model, config: WriterConfig | None = None) -> None:
        """`config` defaults to the shipped policy's; use `PromptStyle.CHAT` for any other model."""
        self.model = model
        self.config = config or WriterConfig()

    @property
    def sampling(self) -> Sampling:
        """How replies are drawn where nobody says otherwise."""
        return self.config.sampling or Sampling(max_tokens=REPLY_TOKENS[self.config.style])

    def write(self, bank: Bank, chunk: Chunk, index: int = 0, *, origins: tuple[Origin, ...] = ()) -> Step:
        """Read one chunk and change the bank; raises `ModelError` when the model fails, never for what it writes.

        `origins` says whose words each line is; empty is the user's. Text that anybody may have written changes
        nothing of what was said in the conversation (`memalpha.memory.tools`).
        """
        asked = self.ask(bank, chunk, origins)
        (completion,) = self.model.complete([asked.prompt], self.sampling)
        return self.step(bank, chunk, index, asked=asked, completion=completion, origins=origins)

    def write_batch(self, work: Sequence[tuple[Bank, Chunk, int]], sampling: Sampling | None = None) -> list[Step]:
        """The same for several banks at once, in one batch of the model; every bank must be another one."""
        asked = [self.ask(bank, chunk) for bank, chunk, _ in work]
        completions = self.model.complete([each.prompt for each in asked], sampling or self.sampling)
        return [
            self.step(bank, chunk, index, asked=each, completion=completion)
            for (bank, chunk, index), each, completion in zip(work, asked, completions, strict=True)
        ]

    def ask(self, bank: Bank, chunk: Chunk, origins: tuple[Origin, ...] = ()) -> Asked:
        """What the model is asked for one chunk, with its memory as it stands."""
        view = self.view(bank, chunk, origins)
        return Asked(view=view, prompt=self.prompt(bank, view, chunk))

    def view(self, bank: Bank, chunk: Chunk, origins: tuple[Origin, ...] = ()) -> View:
        """What the model is shown of its memory for one chunk."""
        build = build_view if set(bank.layout.stores) <= set(STORES) else overview
        return build(bank, chunk, self.config.view, said=all(origin.trusted for origin in origins))

    def prompt(self, bank: Bank, view: View, chunk: Chunk) -> Prompt:
        """What the model reads for one chunk."""
        if self.config.style is PromptStyle.NANO:
            text = nano_prompt(view, chunk, self.config.budget, self.config.focus)
            return Prompt(messages=(Message(role=Role.USER, content=text),))
        return chat_prompt(bank, view, chunk, self.config.budget, self.config.focus)

    def step(
        self,
        bank: Bank,
        chunk: Chunk,
        index: int,
        *,
        asked: Asked,
        completion: Completion,
        origins: tuple[Origin, ...] = (),
    ) -> Step:
        """Apply the calls of one completion, in order; then what the layout records by itself is kept."""
        calls = read_reply(bank, completion)
        source = Source(chunk=chunk, index=index, origins=origins)
        budget = write_budget(self.config.budget, chunk, bank)
        first = bank.next_number
        results = tuple(apply(bank, call, source, budget) for call in calls)
        operations = bank.operations_since(first)
        record(bank, source)
        return Step(
            index=index,
            view=asked.view,
            prompt=asked.prompt,
            completion=completion,
            calls=calls,
            results=results,
            operations=operations,
        )


def read_reply(bank: Bank, completion: Completion) -> tuple[ToolCall, ...]:
    """The calls of a completion; where the layout takes a text instead, the one call that rewrites the core with it.

    A text that is too long for the core is cut; none at all, or the one that stands there, is no call.
    """
    if bank.layout.reply is Reply.MARKS:
        return tuple(parse_marked_calls(completion.text))
    if bank.layout.reply is Reply.CALLS:
        return tuple(completion.tool_calls if completion.tool_calls is not None else parse_calls(completion.text))
    text = completion.text
    if bank.layout.reply is Reply.STATE:
        text = next(reversed(_STATE.findall(text)), "")
    limit = bank.layout.core_tokens
    text = text.strip() if limit is None else shorten(text.strip(), limit, bank.count_tokens)
    if text in ("", bank.core_text):
        return ()
    arguments = {"memory_type": MemoryKind.CORE.value, "new_content": text}
    return (ToolCall(name=Tool.UPDATE, arguments=arguments, text=completion.text),)


def write_budget(share: float | None, chunk: Chunk, bank: Bank) -> WriteBudget | None:
    """What may be written for one chunk: a share of the tokens of its lines; None is no limit."""
    return None if share is None else WriteBudget(round(share * sum(map(bank.count_tokens, chunk.lines))))


def chat_prompt(bank: Bank, view: View, chunk: Chunk, budget: float | None = None, focus: Sequence[str] = ()) -> Prompt:
    """Messages and tools for a chat model, from the instructions of the layout and `prompts/writer_chunk.md`."""
    layout, entries = bank.layout, [*view.related_entries, *view.newest]
    values = {
        "core": view.core or "(empty)",
        "core_limit": str(layout.core_tokens),
        "limits": _limits(bank),
        "entries": "\n".join(f"{entry.kind.value} #{entry.id}: {entry.rendered}" for entry in entries) or "(none)",
        "shown": str(len(entries)),
        "total": str(len(bank)),
    }
    instructions = load(layout.instructions)
    # Each layout's instructions tell what there is to tell of it; a name that nothing fills is still refused.
    system = fill(instructions, **{name: values[name] for name in names_in(instructions) if name in values})
    if layout.reply is Reply.MARKS:
        system += "\n\n" + describe_tools(tool_schemas(layout))
    wishes = [] if budget is None else [f"Write at most {round(100 * budget)}% of the length of this chunk."]
    wishes += [f"Keep what concerns: {', '.join(focus)}."] if focus else []
    lines = "\n".join(_numbered(layout, chunk))
    user = fill(load("writer_chunk"), time=chunk.time or "unknown", lines=lines, budget=" ".join(wishes))
    return Prompt(
        messages=(Message(role=Role.SYSTEM, content=system), Message(role=Role.USER, content=user)),
        tools=tuple(tool_schemas(layout)) if layout.reply is Reply.CALLS else (),
    )


def _limits(bank: Bank) -> str:
    """How full each limited kind is, in words."""
    limited = [(block.kind, block.max_tokens) for block in bank.layout.blocks if block.max_tokens is not None]
    return ", ".join(f"{kind.value} {bank.tokens(kind)} of {limit} tokens" for kind, limit in limited)


def _numbered(layout: Layout, chunk: Chunk) -> Iterator[str]:
    """The lines of a chunk, with numbers where a tool can quote by them."""
    quoted = layout.reply is Reply.CALLS and any(form.quotes for form in layout.tools)
    for number, line in enumerate(chunk.lines, start=1):
        yield f"{number}: {line}" if quoted else line
