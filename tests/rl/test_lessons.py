"""Lessons quote what is worth keeping, update what they correct, and say the number of every other line."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import islice

from memalpha.data.everyday import Line, make_talk
from memalpha.data.world import make_episode
from memalpha.memory.entry import MemoryKind
from memalpha.rl.lessons import first_ids, lessons, of_world

REX = Line(text="User: My sister Maria has a dog named Rex.", kind=MemoryKind.SEMANTIC, thread=0)
MAX = Line(
    text="User: My sister Maria has a dog named Max now, not Rex.", kind=MemoryKind.SEMANTIC, thread=0, corrects=True
)
OTHER = Line(text="User: My sister Maria has a dog named Bo as well.", kind=MemoryKind.SEMANTIC, thread=1)
HI = Line(text="Assistant: How nice!")
INSERT = '<tool_call>{"name": "memory_insert", "arguments": {"lines": [%d], "memory_type": "semantic"}}</tool_call>'
UPDATE = (
    '<tool_call>{"name": "memory_update", "arguments": {"lines": [%d], "memory_type": "semantic", "memory_id": %d}}'
    "</tool_call>"
)


def completions(*chunks: tuple[Line, ...]) -> list[str]:
    return [each.completion for each in lessons(chunks, ["2026-05-01"] * len(chunks), 7)]


def test_what_is_worth_it_is_quoted_and_a_correction_updates_what_it_brings_up() -> None:
    assert completions((HI, REX), (HI,), (MAX, HI)) == ["1" + INSERT % 2, "1", UPDATE % (1, 7) + "2"]


def test_a_line_like_an_entry_of_another_thread_is_inserted() -> None:
    assert completions((REX,), (OTHER,)) == [INSERT % 1, INSERT % 1]


def test_a_correction_that_brings_nothing_up_is_inserted() -> None:
    assert completions((MAX,)) == [INSERT % 1]


def test_the_prompt_shows_the_memory_that_earlier_chunks_led_to() -> None:
    prompts = [each.prompt for each in lessons(((REX,), (MAX,)), ["2026-05-01", "2026-05-02"], 7)]
    assert prompts[0] == "<|chunk|>2026-05-01\nUser: My sister Maria has a dog named Rex. #1\n"
    assert prompts[1] == (
        "semantic 7: User: My sister Maria has a dog named Rex.\n<|chunk|>2026-05-02\n"
        "User: My sister Maria has a dog named Max now, not Rex. #1\n"
        "~semantic 7: User: My sister Maria has a dog named Rex.\n"
    )


def test_lines_of_the_world_are_worth_what_its_kinds_say() -> None:
    lines = [line for seed in range(20) for chunk in of_world(make_episode(seed)) for line in chunk]
    by_text = {line.text.split(": ", 1)[1]: line.kind for line in lines}
    assert by_text["Thanks, that helps a lot."] is None
    kinds = {kind for text, kind in by_text.items() if text.startswith("I met ")}
    assert kinds == {MemoryKind.EPISODIC}
    assert {kind for text, kind in by_text.items() if text.startswith("Sample: ")} == {MemoryKind.SEMANTIC}
    corrections = [line for line in lines if line.corrects]
    assert corrections and all(re.search(r"wrong|any more|instead", line.text, re.IGNORECASE) for line in corrections)


def test_corrections_of_the_world_and_of_talk_are_shown_as_updates() -> None:
    def shown(chunks: Sequence[tuple[Line, ...]]) -> str:
        return "".join(each.completion for each in lessons(chunks, [None] * len(chunks), 1))

    world = "".join(shown(of_world(make_episode(seed))) for seed in range(10))
    talk = "".join(shown(make_talk(seed)) for seed in range(30))
    for said in (world, talk):
        assert said.count("memory_update") > 10
        assert said.count("memory_insert") > 2 * said.count("memory_update")


def test_ids_begin_anywhere() -> None:
    rng = random.Random(0)
    lengths = {len(str(first)) for first in islice(iter(lambda: first_ids(rng), None), 300)}
    assert lengths == {1, 2, 3, 4, 5}
