"""The table of systems and one trace for a terminal, as rich renderables; no text is ever read as markup."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from memalpha.episode import Trace
from memalpha.evaluation.harness import SystemScore
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
    visible,
)
from memalpha.evaluation.tables import COMPETENCIES, KEPT, SCORE, SYSTEM, TOKENS, table_cells

_STYLES = {
    Fate.STORED: "green",
    Fate.CHANGED: "yellow",
    Fate.IGNORED: "dim",
    Verdict.RIGHT: "green",
    Verdict.PARTLY: "yellow",
    Verdict.WRONG: "red",
}


def rich_table(rows: Sequence[SystemScore]) -> Table:
    """System, score with half the width of its interval, competencies and memory; the best of each column in bold."""
    columns = (SYSTEM, SCORE, *COMPETENCIES, TOKENS, KEPT)
    table = Table(header_style="bold")
    for column in columns:
        table.add_column(
            column.title, justify="right" if column.number else "left", no_wrap=column.number, overflow="fold"
        )
    for row, cells in zip(rows, table_cells(rows, columns), strict=True):
        texts = [Text(visible(cell.text), style="bold" if cell.best else "") for cell in cells]
        texts[1] = Text(f"{row.score:.3f} ±{(row.high - row.low) / 2:.3f}", style=texts[1].style)
        table.add_row(*texts)
    return table


def show_trace(trace: Trace) -> RenderableType:
    """The trace chunk by chunk with marks, then its questions and one line of sums."""
    parts: list[RenderableType] = [_chunk(marks) for marks in mark_chunks(trace)]
    share = trace.memory_tokens / trace.raw_tokens
    sums = (
        f"score {trace.score:.2f}   memory {trace.memory_tokens:,} of {trace.raw_tokens:,} tokens ({share:.0%})   "
        f"answers in what was read {trace.sufficiency:.0%}"
    )
    return Group(
        *parts, Rule(Text("Questions", style="bold"), align="left"), _questions(trace), Text(sums, style="bold")
    )


def _chunk(marks: ChunkMarks) -> Group:
    title = Text(f"Chunk {marks.index + 1}", style="bold")
    title.append(f"  {visible(marks.time or '')}  {marks.kept} of {len(marks.lines)} lines kept", style="not bold dim")
    grid = Table.grid(padding=(0, 1))
    for ratio, justify in ((None, "right"), (3, "left"), (2, "left")):
        grid.add_column(ratio=ratio, justify=justify)  # type: ignore[arg-type]
    grid.expand = True
    for line in marks.lines:
        style = _STYLES[line.fate]
        grid.add_row(Text(str(line.number), style="dim"), Text(visible(line.text), style=style), _fate(line))
    return Group(Rule(title, align="left"), grid, *_notes(marks), Text())


def _fate(line: LineMark) -> Text:
    if not line.writes:
        return Text(f"{ICONS[Fate.IGNORED]} {Fate.IGNORED}", style=_STYLES[Fate.IGNORED])
    return Text("\n").join([_write(write) for write in line.writes])


def _write(write: Write) -> Text:
    later = f", {write.afterwards}" if write.afterwards else ""
    if write.replaces is None:
        return Text(f"{ICONS[Fate.STORED]} stored as {write.target}{later}", style=_STYLES[Fate.STORED])
    text = Text(f"{ICONS[Fate.CHANGED]} changed {write.target}{later}", style=_STYLES[Fate.CHANGED])
    return text.append(f"\n  was: {visible(write.replaces)}", style="dim")


def _notes(marks: ChunkMarks) -> list[Text]:
    """What was done beside quoting lines: own words, deletes, refused calls."""
    notes = []
    for write in marks.own_words:
        notes.append(_write(write).append(f"\n  in its own words: {visible(write.operation.after or '')}"))
    for write in marks.deletes:
        notes.append(Text(f"− deleted {write.target}: {visible(write.operation.before or '')}", style="yellow"))
    for call, result in marks.refused:
        notes.append(Text(f"✗ refused ({result.status}): {visible(result.message)}", style="red"))
        if call.text:
            notes.append(Text(f"  {visible(call.text)}", style="dim"))
    return notes


def _questions(trace: Trace) -> Table:
    table = Table(header_style="bold", expand=True)
    for title, ratio in (("#", None), ("Question", 3), ("Expected", 2), ("Answer", 3), ("", 2)):
        table.add_column(title, ratio=ratio)
    for mark in mark_answers(trace):
        answers = " or ".join(mark.question.answers)
        texts = [visible(text) for text in (mark.question.text, answers, mark.text or "(no answer)")]
        table.add_row(str(mark.number), *(Text(text) for text in texts), _verdict(mark))
    return table


def _verdict(mark: AnswerMark) -> Text:
    score = f" ({mark.score:.2f})" if mark.verdict is Verdict.PARTLY else ""
    text = Text(f"{ICONS[mark.verdict]} {mark.verdict}{score}", style=_STYLES[mark.verdict])
    return text.append(f"\n{mark.reason}", style="dim") if mark.reason else text
