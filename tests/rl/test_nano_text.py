"""Word salad with the look of prose, and the pieces of calls that are one token each."""

import random
import re

import pytest

from memalpha.agent.parsing import render_call
from memalpha.data.words import Pools, Split
from memalpha.records import ToolCall
from memalpha.rl.nano_text import CALL_TOKENS, COMMON, prose_line, prose_lines


def test_prose_is_the_same_for_the_same_seed() -> None:
    one, again, other = (prose_lines(random.Random(seed)) for seed in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize("seed", range(30))
def test_a_sentence_has_6_to_45_words_and_looks_like_one(seed: int) -> None:
    rng = random.Random(seed)
    line = prose_line(rng, Pools(rng, Split.TRAIN))
    assert 6 <= len(line.split()) <= 45
    assert re.fullmatch(r"[A-Z0-9][\w ,]*\.", line)


@pytest.mark.parametrize("seed", range(10))
def test_a_paragraph_has_2_to_9_sentences(seed: int) -> None:
    lines = prose_lines(random.Random(seed))
    assert 2 <= len(lines) <= 9
    assert all(line.strip() == line and "\n" not in line for line in lines)


def test_a_paragraph_keeps_to_three_names() -> None:
    lines = [
        line for seed in range(50) for line in prose_lines(random.Random(seed)) if line.split()[0].lower() not in COMMON
    ]
    openings = [
        {
            line.split()[0]
            for line in prose_lines(random.Random(seed))
            if re.match(r"[A-Z]\w+ (?:report|study|city)", line)
        }
        for seed in range(50)
    ]
    assert lines
    assert max(map(len, openings)) <= 3


def test_prose_has_names_numbers_and_commas_but_mostly_common_words() -> None:
    text = " ".join(line for seed in range(200) for line in prose_lines(random.Random(seed)))
    words = re.findall(r"\w+", text)
    shares = {
        "common": sum(word.lower() in COMMON for word in words) / len(words),
        "number": sum(word.isdecimal() for word in words) / len(words),
    }
    assert 0.6 < shares["common"] < 0.8  # 0.72 drawn, less what is put in front of a sentence
    assert 0.03 < shares["number"] < 0.07
    assert 0.04 < text.count(",") / len(words) < 0.08


def test_no_line_says_what_the_world_says() -> None:
    # A demonstration on prose must not carry the speakers by which the world's lines can be told.
    text = "\n".join(line for seed in range(200) for line in prose_lines(random.Random(seed)))
    assert "User:" not in text
    assert "Assistant:" not in text
    assert not any(token in text for token in CALL_TOKENS if "<" in token or '"' in token)


@pytest.mark.parametrize(
    ("call", "pieces"),
    [
        (
            ToolCall(name="memory_insert", arguments={"lines": [7], "memory_type": "semantic"}),
            [CALL_TOKENS[0], "7", CALL_TOKENS[5], "semantic", CALL_TOKENS[8]],
        ),
        (
            ToolCall(name="memory_insert", arguments={"content": "x", "memory_type": "episodic"}),
            [CALL_TOKENS[1], "x", CALL_TOKENS[6], "episodic", CALL_TOKENS[8]],
        ),
        (
            ToolCall(name="memory_update", arguments={"lines": [7], "memory_type": "semantic", "memory_id": 3}),
            [CALL_TOKENS[2], "7", CALL_TOKENS[5], "semantic", CALL_TOKENS[7], "3", CALL_TOKENS[9]],
        ),
        (
            ToolCall(name="memory_update", arguments={"new_content": "x", "memory_type": "core"}),
            [CALL_TOKENS[3], "x", CALL_TOKENS[6], "core", CALL_TOKENS[8]],
        ),
        (
            ToolCall(name="memory_delete", arguments={"memory_type": "semantic", "memory_id": 3}),
            [CALL_TOKENS[4], "semantic", CALL_TOKENS[7], "3", CALL_TOKENS[9]],
        ),
    ],
)
def test_every_call_is_made_of_the_pieces(call: ToolCall, pieces: list[str]) -> None:
    assert render_call(call) == "".join(pieces)
