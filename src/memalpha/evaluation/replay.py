"""One episode chunk by chunk as HTML, before and after training side by side, then the questions and the memory.

No mark is told by colour alone: each has an icon and a word.
"""

from __future__ import annotations

from collections.abc import Sequence

from memalpha.episode import Trace
from memalpha.evaluation.marks import (
    ICONS,
    AnswerMark,
    ChunkMarks,
    Fate,
    LineMark,
    Verdict,
    Write,
    mark_answers,
    mark_chunks,
)
from memalpha.evaluation.markup import Html, el, join
from memalpha.evaluation.tables import title_of
from memalpha.records import ToolCall, ToolResult

SIDES = ("Before RL", "After RL")
OPEN_CHUNKS = 6
"""So many chunks are unfolded."""


def replay(before: Trace, after: Trace) -> Html:
    """The section of one episode."""
    traces = (before, after)
    chunks = zip(mark_chunks(before), mark_chunks(after), strict=True)
    return join(
        el("p", _summary(before, after), class_="lead"),
        _key(),
        *(_chunk(pair, index < OPEN_CHUNKS) for index, pair in enumerate(chunks)),
        el("h3", "The questions, answered from memory alone"),
        _questions(traces),
        el("h3", "What is in memory at the end"),
        *(_memory(side, trace) for side, trace in zip(SIDES, traces, strict=True)),
    )


def _summary(before: Trace, after: Trace) -> str:
    told = [
        f"{side} it scores {trace.score:.2f} with {trace.memory_tokens:,} tokens in memory"
        for side, trace in zip(SIDES, (before, after), strict=True)
    ]
    return (
        f"Episode {after.episode.id}: {len(after.episode.chunks)} chunks of {after.raw_tokens:,} tokens in all, "
        f"{len(after.episode.questions)} questions. {told[0]}; {told[1][0].lower()}{told[1][1:]}."
    )


def _key() -> Html:
    words = {
        Fate.STORED: "stored as a new entry",
        Fate.CHANGED: "changed an earlier entry",
        Fate.IGNORED: "ignored",
    }
    items = [el("li", _icon(fate), text, class_=fate.value) for fate, text in words.items()]
    return el("ul", *items, class_="key", aria_label="Marks")


def _icon(mark: Fate | Verdict) -> Html:
    return el("span", f"{ICONS[mark]} ", aria_hidden="true")


def _chunk(pair: tuple[ChunkMarks, ChunkMarks], unfolded: bool) -> Html:
    first = pair[0]
    title = f"Chunk {first.index + 1}"
    when = f"{first.time}, " if first.time else ""
    kept = f"{when}{len(first.lines)} lines, {pair[0].kept} kept before and {pair[1].kept} after"
    lines = zip(*(marks.lines for marks in pair), strict=True)
    parts = [
        el("summary", f"{title} ", el("span", kept)),
        _table("lines", title, ("Line", "Text", *SIDES), [_line(both) for both in lines]),
    ]
    notes = [_notes(marks) for marks in pair]
    if any(notes):
        sides = [
            el("div", el("h4", side), el("ul", *items) if items else el("p", "nothing else"))
            for side, items in zip(SIDES, notes, strict=True)
        ]
        parts.append(el("div", *sides, class_="sides"))
    return el("details", *parts, open="" if unfolded else None)


def _table(name: str, caption: str, titles: Sequence[str], rows: Sequence[Html]) -> Html:
    """A table that is still one to a screen reader where a narrow page shows it as blocks."""
    head = el("tr", *(el("th", title, scope="col", role="columnheader") for title in titles), role="row")
    return el(
        "table",
        el("caption", caption, class_="hidden"),
        el("thead", head, role="rowgroup"),
        el("tbody", *rows, role="rowgroup"),
        class_=name,
        role="table",
    )


def _line(both: tuple[LineMark, LineMark]) -> Html:
    line = both[0]
    chips = [
        part
        for number in line.answers
        for part in (" ", el("a", f"answers question {number}", href=f"#question-{number}", class_="chip"))
    ]
    return el(
        "tr",
        el("th", str(line.number), scope="row", role="rowheader", class_="at"),
        el("td", line.text, *chips, role="cell", class_="text"),
        *(_side(side, mark.fate, _fate(mark)) for side, mark in zip(SIDES, both, strict=True)),
        role="row",
    )


def _side(side: str, mark: Fate | Verdict, content: Html) -> Html:
    return el("td", content, role="cell", class_=f"side {mark.value}", data_side=side)


def _fate(line: LineMark) -> Html:
    if not line.writes:
        return join(_icon(Fate.IGNORED), Fate.IGNORED.value)
    return join(*(_write(write) for write in line.writes))


def _write(write: Write) -> Html:
    """What one operation did to an entry, for a line that says its text already."""
    later = f", {write.afterwards}" if write.afterwards else ""
    if write.replaces is None:
        return el("div", _icon(Fate.STORED), el("span", "stored", class_="word"), f" as {write.target}{later}")
    return el(
        "div",
        _icon(Fate.CHANGED),
        el("span", "changed", class_="word"),
        f" {write.target}{later}",
        el("span", "was: ", el("del", write.replaces), class_="small"),
        el("span", "now: ", el("ins", write.operation.after or ""), class_="small"),
    )


def _notes(marks: ChunkMarks) -> list[Html]:
    """What was done on a chunk beside quoting its lines."""
    return [
        *(el("li", _own_words(write), class_=_colour(write)) for write in marks.own_words),
        *(_deleted(write) for write in marks.deletes),
        *(_refused(call, result) for call, result in marks.refused),
    ]


def _colour(write: Write) -> str:
    return (Fate.STORED if write.replaces is None else Fate.CHANGED).value


def _own_words(write: Write) -> Html:
    if write.replaces is not None:
        return _write(write)
    return join(_write(write), el("span", "in its own words: ", write.operation.after or "", class_="small"))


def _deleted(write: Write) -> Html:
    text = el("span", "was: ", el("del", write.operation.before or ""), class_="small")
    icon = el("span", "− ", aria_hidden="true")
    return el("li", icon, el("span", "deleted", class_="word"), f" {write.target}", text, class_=Fate.CHANGED.value)


def _refused(call: ToolCall, result: ToolResult) -> Html:
    icon = el("span", "✗ ", aria_hidden="true")
    said = f" ({result.status.value.replace('_', ' ')}): {result.message}"
    asked = [el("span", el("code", call.text), class_="small")] if call.text else []
    return el("li", icon, el("span", "refused", class_="word"), said, *asked, class_="refused")


def _questions(traces: tuple[Trace, Trace]) -> Html:
    pairs = zip(*(mark_answers(trace) for trace in traces), strict=True)
    table = _table(
        "lines", "Questions", ("Number", "Question and expected answer", *SIDES), [_question(p) for p in pairs]
    )
    return el("div", table, class_="card")


def _question(pair: tuple[AnswerMark, AnswerMark]) -> Html:
    first = pair[0]
    competency = title_of(first.question.competency).lower()
    return el(
        "tr",
        el("th", str(first.number), scope="row", role="rowheader", class_="at"),
        el(
            "td",
            first.question.text,
            el("span", "expected: ", el("strong", " or ".join(first.question.answers)), class_="small"),
            el("span", competency, class_="small lead"),
            role="cell",
            class_="text",
        ),
        *(_side(side, mark.verdict, _answer(mark)) for side, mark in zip(SIDES, pair, strict=True)),
        role="row",
        id=f"question-{first.number}",
    )


def _answer(mark: AnswerMark) -> Html:
    verdict = mark.verdict
    score = f" ({mark.score:.2f})" if verdict is Verdict.PARTLY else ""
    reason = f", {mark.reason}" if mark.reason else ""
    word = el("span", verdict.value + score, class_="word")
    return join(_icon(verdict), word, reason, el("span", mark.text or "(no answer)", class_="small"))


def _memory(side: str, trace: Trace) -> Html:
    core = [f"core: {trace.bank.core_text}"] if trace.bank.core_text else []
    items = core + [
        f"{kind.value} #{entry.id}: {entry.rendered}"
        for kind in trace.bank.layout.stores
        for entry in trace.bank.entries(kind)
    ]
    share = trace.memory_tokens / trace.raw_tokens
    entries = "1 entry" if len(trace.bank) == 1 else f"{len(trace.bank)} entries"
    size = f"{entries}, {trace.memory_tokens:,} tokens, {share:.0%} of the raw text"
    listed = el("ul", *(el("li", text, class_="plain") for text in items)) if items else el("p", "Nothing.")
    return el("details", el("summary", f"{side} ", el("span", size)), el("div", listed, class_="sides"))
