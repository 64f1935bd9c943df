"""What the terminal shows, as plain text."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console, RenderableType

from memalpha.episode import Trace
from memalpha.evaluation.harness import SystemScore
from memalpha.evaluation.terminal import rich_table, show_trace


def shown(renderable: RenderableType) -> str:
    out = StringIO()
    Console(width=120, file=out).print(renderable)
    return out.getvalue()


def test_the_table(rows: list[SystemScore]) -> None:
    table = rich_table(rows)
    titles = [column.header for column in table.columns]
    assert titles == ["System", "Score", "AR", "TTL", "LRU", "CR", "Memory tokens", "Kept"]
    text = shown(table)
    assert [" ".join(line.replace("│", " ").split()) for line in text.splitlines() if "0." in line] == [
        "Warm start 0.200 ±0.100 0.30 – – 0.10 40 20%",
        "After RL 0.500 ±0.100 0.50 – – 0.50 60 30%",
        "RAG-Top2 0.400 ±0.100 0.80 – – 0.00 200 100%",
        "Sentence BM25 0.600 ±0.100 0.80 – – 0.40 180 90%",
    ]
    assert [str(cell.style) for cell in table.columns[1].cells] == ["", "", "", "bold"]


def test_names_are_shown_as_they_are(rows: list[SystemScore]) -> None:
    assert "[red]x[/]" in shown(rich_table([replace(rows[0], system="[red]x[/]")]))


def test_a_trace_chunk_by_chunk(after: Trace) -> None:
    text = shown(show_trace(after))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0].startswith("Chunk 1 2024-03-05 1 of 2 lines kept")
    assert "1 Ann lives in Rome. ✓ stored as semantic #1, replaced in chunk 2" in lines
    assert "2 Hello <script>alert(1)</script> & co. – ignored" in lines
    assert "1 Not Rome: Ann lives in Oslo. ↻ changed semantic #1" in lines
    assert "was: Ann lives in Rome." in lines
    assert text.count("✓ right") == 2
    # 6 words for Ann, 3 for Bob; 4 + 4 and 6 + 3 + 1 in the chunks.
    assert lines[-1] == "score 1.00 memory 9 of 18 tokens (50%) answers in what was read 100%"


def test_refused_calls_deletes_and_own_words(before: Trace) -> None:
    text = " ".join(shown(show_trace(before)).split())
    assert "✗ refused (malformed): the block is not JSON" in text
    assert "✗ refused (duplicate): got the text that semantic #2 has already" in text
    assert "− deleted episodic #1: Hello <script>" in text
    assert "✓ stored as semantic #2 in its own words: Ann and Bob talk." in text
    assert "✗ wrong" in text


def test_partial_answers_show_their_score(after: Trace) -> None:
    assert "◐ partly (0.50)" in shown(show_trace(replace(after, scores=(0.5, 1.0))))
