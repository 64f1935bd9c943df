"""The tools a model edits its memory with: `apply`, which does what a call asks.

Which tools there are, and the names of their arguments, is data of the layout (`ToolForm`); how a model is told of them
is in `memalpha.memory.schemas`. Whatever a model wrote becomes one typed `ToolResult` whose message tells the model how
to mend it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from memalpha.errors import (
    BankError,
    DuplicateError,
    EmptyTextError,
    NotAllowedError,
    OverBudgetError,
    OverLimitError,
    UnknownEntryError,
)
from memalpha.memory.bank import Bank
from memalpha.memory.entry import MemoryKind, Origin, Provenance, least_trusted
from memalpha.memory.layout import Edit, Layout, Tool, ToolForm
from memalpha.memory.schemas import TOOLS, argument_names, tool_schemas
from memalpha.records import Chunk, ToolCall, ToolResult, ToolStatus

__all__ = ["STREAM", "TOOLS", "Source", "Tool", "WriteBudget", "apply", "record", "tool_schemas"]

STREAM = "stream"
"""Author of what a layout records by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a writer was shown when it made a call."""

    chunk: Chunk
    index: int
    """Place of the chunk in its stream, the first is 0."""
    author: str = "writer"
    origins: tuple[Origin, ...] = ()
    """Whose words each line of the chunk is; empty is the user's."""

    def origin(self, lines: Sequence[int] = ()) -> Origin:
        """Whose words a text made of some lines is; of none named, of the whole chunk."""
        quoted = [self.origins[number - 1] for number in lines] if self.origins else []
        return least_trusted(quoted or self.origins)


class WriteBudget:
    """Tokens that may still be written, for a writer that must choose what to keep."""

    __slots__ = ("remaining_tokens",)

    def __init__(self, tokens: int) -> None:
        """Start with all of them."""
        self.remaining_tokens = tokens

    def check(self, tokens: int) -> None:
        """Raise `OverBudgetError` when fewer than these remain."""
        if tokens > self.remaining_tokens:
            raise OverBudgetError(
                f"got a text of {tokens} tokens, expected at most {self.remaining_tokens}, "
                "which is what remains to be written; write less"
            )

    def spend(self, tokens: int) -> None:
        """Take these from what remains; raises `OverBudgetError` and takes nothing when fewer remain."""
        self.check(tokens)
        self.remaining_tokens -= tokens


_STATUSES: dict[type[BankError], ToolStatus] = {
    UnknownEntryError: ToolStatus.UNKNOWN_ENTRY,
    NotAllowedError: ToolStatus.NOT_ALLOWED,
    DuplicateError: ToolStatus.DUPLICATE,
    OverLimitError: ToolStatus.OVER_LIMIT,
    OverBudgetError: ToolStatus.OVER_BUDGET,
    EmptyTextError: ToolStatus.BAD_ARGUMENTS,
}

_PAST = {
    Edit.INSERT: "inserted",
    Edit.UPDATE: "updated",
    Edit.APPEND: "appended to",
    Edit.REPLACE: "replaced in",
    Edit.DELETE: "deleted",
}
_SUFFIX = "_memory"
_ID_DIGITS = re.compile(r"#?([0-9]{1,15})")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_ID = 10**15


class _ArgumentsError(BankError):
    """Arguments that say nothing, too much or something else than the schema."""


def apply(bank: Bank, call: ToolCall, source: Source, budget: WriteBudget | None = None) -> ToolResult:
    """Do what a call asks; when it cannot be done nothing is written and the result says why.

    Args:
        bank: The memory to change.
        call: What the model wrote.
        source: The chunk that `lines` quotes and that the provenance names.
        budget: Pays for every text that is written, by `bank.count_tokens`; None is no limit.
    """
    if call.problem is not None:
        return ToolResult(status=ToolStatus.MALFORMED, message=call.problem)
    form = next((form for form in bank.layout.tools if form.name == call.name), None)
    if form is None:
        names = ", ".join(each.name for each in bank.layout.tools) or "no tool"
        return ToolResult(
            status=ToolStatus.UNKNOWN_TOOL, message=f"got the tool {_quoted(call.name)}, expected one of {names}"
        )
    try:
        return _apply(bank, form, call.arguments, source, budget)
    except BankError as error:
        status = _STATUSES.get(type(error), ToolStatus.BAD_ARGUMENTS)
        return ToolResult(status=status, message=str(error))


def record(bank: Bank, source: Source) -> None:
    """Keep the lines of a chunk in the blocks that record the stream; a line that stands there already adds nothing."""
    for block in bank.layout.blocks:
        if block.recorded:
            for number, line in enumerate(source.chunk.lines, start=1):
                with suppress(DuplicateError):
                    bank.insert(block.kind, line, _provenance(source, (number,), STREAM))


def _apply(
    bank: Bank, form: ToolForm, arguments: Mapping[str, Any], source: Source, budget: WriteBudget | None
) -> ToolResult:
    # A model that fills an optional argument with null means that it leaves it out.
    given = {name: value for name, value in arguments.items() if value is not None}
    known = argument_names(form)
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise _ArgumentsError(f"got the argument {_quoted(unknown)}, expected {', '.join(known)}")
    kind = _kind(form, given, bank.layout)
    entry_id = _entry_id(form, kind, given) if form.edit in (Edit.UPDATE, Edit.DELETE) else None
    named = kind
    if entry_id is not None and form.edit is Edit.UPDATE and not form.kinds:
        # Ids are one counter for all kinds: a number names one entry, whatever kind was said with it. A delete, which
        # leaves no earlier version to go back to, must name both.
        kind = bank.get(entry_id).kind
    _check_trust(bank, source.origin(), kind, entry_id, form.edit)
    asked, text = ((), "") if form.edit is Edit.DELETE else _text(form, given, source.chunk)
    lines, cost_tokens = asked, 0
    if budget is not None and text:
        lines, text = _affordable(asked, text, source.chunk, bank, budget)
        cost_tokens = bank.count_tokens(text)
        budget.check(cost_tokens)
    provenance = _provenance(source, lines, source.author)
    match form.edit:
        case Edit.INSERT:
            entry_id = bank.insert(kind, text, provenance).id
        case Edit.UPDATE:
            bank.update(kind, entry_id, text, provenance)
        case Edit.APPEND | Edit.REPLACE:
            _rewrite(bank, form, kind, given, text, provenance)
        case Edit.DELETE:
            bank.delete(kind, entry_id, provenance)
    if budget is not None:
        budget.spend(cost_tokens)
    name = f"{kind} #{entry_id}" if entry_id is not None else str(kind)
    notes = "" if kind is named else f", which is not {named}"
    if lines != asked:
        left_out = ", ".join(str(number) for number in asked if number not in lines)
        notes += f", without line {left_out}, for which nothing remains to be written"
    return ToolResult(status=ToolStatus.OK, message=f"{_PAST[form.edit]} {name}{notes}", entry_id=entry_id)


def _check_trust(bank: Bank, origin: Origin, kind: MemoryKind, entry_id: int | None, edit: Edit) -> None:
    """Refuse what a text that anybody may have written would change of what was said in the conversation.

    It is the chunk that counts, not the quoted lines: all of it was read before the call was made.
    """
    if origin.trusted:
        return
    entry = None if entry_id is None else bank.find(kind, entry_id)
    if kind.single or (entry is not None and entry.provenance.origin.trusted):
        name = kind if entry_id is None else f"{kind} #{entry_id}"
        raise NotAllowedError(
            f"got a call to {edit} on {name} while reading a text of the origin {origin}, which may add entries and "
            "change those of its kind; leave it as it is"
        )


def _affordable(
    lines: tuple[int, ...], text: str, chunk: Chunk, bank: Bank, budget: WriteBudget
) -> tuple[tuple[int, ...], str]:
    """Of a quote that is over the budget the lines that fit, in the order named; all of it where none or all do."""
    if bank.count_tokens(text) <= budget.remaining_tokens:
        return lines, text
    kept: tuple[int, ...] = ()
    for number in lines:
        if bank.count_tokens(_quoted_text(chunk, (*kept, number))) <= budget.remaining_tokens:
            kept = (*kept, number)
    return (kept, _quoted_text(chunk, kept)) if kept else (lines, text)


def _rewrite(
    bank: Bank, form: ToolForm, kind: MemoryKind, given: Mapping[str, Any], text: str, provenance: Provenance
) -> None:
    """Change a part of a single text."""
    single = bank.single(kind)
    before = "" if single is None else single.text
    if form.edit is Edit.APPEND:
        after = f"{before}\n{text}" if text else before
    else:
        old = _string(given.get(form.old_argument), form.old_argument)
        if not old or old not in before:
            raise _ArgumentsError(
                f"got {_quoted(old)} as {form.old_argument}, which does not stand in the {kind}; quote it exactly"
            )
        after = before.replace(old, text, 1)
    if before and not after.strip():
        bank.delete(kind, None, provenance)
    else:
        bank.update(kind, None, after, provenance)


def _provenance(source: Source, lines: tuple[int, ...], author: str) -> Provenance:
    return Provenance(
        chunk=source.index, lines=lines, time=source.chunk.time, author=author, origin=source.origin(lines)
    )


def _kind(form: ToolForm, given: Mapping[str, Any], layout: Layout) -> MemoryKind:
    if len(form.kinds) == 1:
        return form.kinds[0]
    value = given.get(form.kind_argument)
    # Without kinds of its own a tool may be called on any; what the layout does not allow, the bank refuses by name.
    if isinstance(value, str) and value.removesuffix(_SUFFIX) in (form.kinds or list(MemoryKind)):
        return MemoryKind(value.removesuffix(_SUFFIX))
    expected = ", ".join(form.kinds or [block.kind for block in layout.blocks])
    raise _ArgumentsError(f"got {_quoted(value)} as {form.kind_argument}, expected one of {expected}")


def _entry_id(form: ToolForm, kind: MemoryKind, given: Mapping[str, Any]) -> int | None:
    name, value = form.id_argument, given.get(form.id_argument)
    if kind.single:
        if value is not None:
            raise _ArgumentsError(f"got a {name} for the {kind}, which has none; leave it out")
        return None
    if isinstance(value, str) and (match := _ID_DIGITS.fullmatch(value.strip())):
        return int(match[1])
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_ID:
        return value
    raise _ArgumentsError(f"got {_quoted(value)} as {name}, expected the number of an entry, such as 7")


def _text(form: ToolForm, given: Mapping[str, Any], chunk: Chunk) -> tuple[tuple[int, ...], str]:
    """The quoted line numbers and the text to write, which the arguments of a form hold."""
    first = form.text_arguments[0]
    if form.quotes:
        if (first in given) == ("lines" in given):
            got = "both" if first in given else "neither"
            raise _ArgumentsError(f"got {got} of {first} and lines, expected exactly one of them")
        if "lines" in given:
            numbers = _line_numbers(given["lines"], len(chunk.lines))
            return numbers, _quoted_text(chunk, numbers)
    if first not in given:
        raise _ArgumentsError(f"got no {first}, expected text")
    texts = [_string(given[name], name).strip() for name in form.text_arguments if name in given]
    return (), "\n".join(text for text in texts if text)


def _quoted_text(chunk: Chunk, numbers: tuple[int, ...]) -> str:
    lines = chunk.lines
    return "\n".join(lines[number - 1] for number in numbers)


def _string(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise _ArgumentsError(f"got {_quoted(value)} as {name}, expected text")
    # Half of a surrogate pair, which JSON can spell, is no text: no tokenizer and no file takes it.
    if not value.isascii() and _SURROGATE.search(value):
        raise _ArgumentsError(f"got half of a surrogate pair in {name}, expected text; write the character itself")
    return value


def _line_numbers(value: object, last: int) -> tuple[int, ...]:
    expected = f"expected a list of numbers from 1 to {last}, each once, such as [{min(3, last)}]"
    if not isinstance(value, list) or not value:
        raise _ArgumentsError(f"got {_quoted(value)} as lines, {expected}")
    for number in value:
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= last:
            raise _ArgumentsError(f"got {_quoted(number)} in lines, {expected}")
    if len(set(value)) < len(value):
        raise _ArgumentsError(f"got a line number twice in lines, {expected}")
    return tuple(value)


def _quoted(value: object) -> str:
    """A value of a model in an error message: short, and printable whatever it is."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:40] + "…")
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) < _MAX_ID):
        return repr(value)
    if isinstance(value, list) and not value:
        return "an empty list"
    return f"a value of type {type(value).__name__}"
