"""The marks of one episode as HTML."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

from memalpha.episode import Trace
from memalpha.evaluation.replay import OPEN_CHUNKS, replay
from memalpha.memory.bank import Bank, MemoryKind, Provenance
from memalpha.memory.layouts import MEMGPT
from memalpha.records import Chunk


def cells(page: str, name: str) -> list[str]:
    """The texts of all cells of one class."""
    found = re.findall(rf'<td role="cell" class="{name}"[^>]*>(.*?)</td>', page, re.DOTALL)
    return [unescape(re.sub(r"<[^>]+>", "", cell)) for cell in found]


def test_each_line_stands_once_with_both_fates(before: Trace, after: Trace) -> None:
    page = replay(before, after)
    assert cells(page, "text")[:5] == [
        "Ann lives in Rome.",
        "Hello <script>alert(1)</script> & co.",
        "Not Rome: Ann lives in Oslo. answers question 1",
        "Bob is 7. answers question 2",
        "Thanks.",
    ]
    assert cells(page, "side stored") == [
        "✓ stored as semantic #1, replaced in chunk 2",
        "✓ stored as episodic #1, deleted in chunk 2",
        "✓ stored as semantic #2",
    ]
    assert cells(page, "side changed") == [
        "↻ changed semantic #1was: Ann lives in Rome.now: Not Rome: Ann lives in Oslo."
    ]
    assert cells(page, "side ignored") == ["– ignored"] * 6
    assert "2 lines, 1 kept before and 1 after" in page


def test_what_is_no_line_stands_below_its_chunk(before: Trace, after: Trace) -> None:
    text = unescape(re.sub(r"<[^>]+>", "", replay(before, after)))
    assert "✗ refused (malformed): the block is not JSON" in text
    assert '<tool_call>{"name": </tool_call>' in text
    assert "− deleted episodic #1was: Hello <script>" in text
    assert "✓ stored as semantic #2in its own words: Ann and Bob talk." in text
    assert "✗ refused (duplicate): got the text that semantic #2 has already" in text


def test_questions_show_both_answers_and_why_one_is_wrong(before: Trace, after: Trace) -> None:
    page = replay(before, replace(after, scores=(1.0, 0.5)))
    assert cells(page, "text")[5:] == [
        "Where does Ann live?expected: Osloconflict resolution",
        "How old is Bob?expected: 7 or sevenaccurate retrieval",
    ]
    assert cells(page, "side wrong") == ["✗ wrong, the answer was not in what was readAnn and Bob talk."] * 2
    assert cells(page, "side right") == ["✓ rightNot Rome: Ann lives in Oslo."]
    assert cells(page, "side partly") == ["◐ partly (0.50), the answer was read, but not givenBob is 7."]


def test_the_memory_at_the_end_is_listed(before: Trace, after: Trace) -> None:
    text = unescape(re.sub(r"<[^>]+>", "\n", replay(before, after)))
    assert "semantic #1: Not Rome: Ann lives in Oslo." in text
    assert "2 entries, 9 tokens, 50% of the raw text" in text
    assert "1 entries, 4 tokens, 22% of the raw text" not in text
    assert "1 entry, 4 tokens, 22% of the raw text" in text


def test_the_memory_of_another_layout_is_listed_store_by_store(before: Trace) -> None:
    memory = Bank(count_tokens=len, layout=MEMGPT)
    memory.insert(MemoryKind.RECALL, "Ann called.", Provenance(time="2024-03-05"))
    memory.insert(MemoryKind.ARCHIVAL, "Ann sails.", Provenance())
    memory.update(MemoryKind.HUMAN, None, "Ann", Provenance())
    page = unescape(re.sub(r"<[^>]+>", "|", replay(before, replace(before, bank=memory))))
    assert re.search(r"core: human:\nAnn\|+archival #2: Ann sails\.\|+recall #1: \[2024-03-05\] Ann called\.\|", page)


def test_long_episodes_are_folded(after: Trace) -> None:
    chunks = after.episode.chunks + (Chunk(text="More."),) * OPEN_CHUNKS
    long = replace(after, episode=replace(after.episode, chunks=chunks))
    page = replay(long, long)
    # One fold for each chunk and two for the memories.
    assert page.count("<details") == OPEN_CHUNKS + 2 + 2
    assert page.count("<details open") == OPEN_CHUNKS
