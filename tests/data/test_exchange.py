"""What stands around a text says nothing about it, and differs from chunk to chunk."""

import random

from memalpha.data.exchange import OPENINGS, REPLIES, SAMPLE_OPENINGS, exchange


def test_the_text_stands_whole_between_an_opening_and_a_reply() -> None:
    text = exchange("One.\n\nTwo.", random.Random(0))
    first, one, blank, two, last = text.split("\n")
    assert (one, blank, two) == ("One.", "", "Two.")
    assert first.removeprefix("<User>") in OPENINGS
    assert last.removeprefix("<Assistant>") in REPLIES
    assert exchange("x", random.Random(0), openings=["Now:"]).startswith("<User>Now:\nx\n<Assistant>")


def test_all_of_them_are_used_and_the_seed_decides() -> None:
    rng = random.Random(1)
    texts = [exchange("x", rng) for _ in range(600)]
    assert len({text.split("\n")[0] for text in texts}) == 20
    assert len({text.split("\n")[2] for text in texts}) == 20
    assert exchange("x", random.Random(5)) == exchange("x", random.Random(5))


def test_each_is_one_line_and_there_once() -> None:
    for sentences in (OPENINGS, SAMPLE_OPENINGS, REPLIES):
        assert len(set(sentences)) == len(sentences) == 20
        assert all(sentence.strip() == sentence and "\n" not in sentence for sentence in sentences)
