"""Limits are checked, files are found or named, and what is drawn keeps its order."""

import random
from pathlib import Path

import pytest

from memalpha.data.suites.suite import ABSTENTIONS, Limits, chosen, locate, own_file, refuse_length
from memalpha.errors import ConfigError, EpisodeError
from memalpha.text import normalise


@pytest.mark.parametrize("name", ["episodes", "questions", "length_tokens", "chunk_tokens"])
def test_a_limit_below_one_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"got {name}=0, expected at least 1"):
        Limits(**{name: 0})


def test_a_file_is_below_the_folder_or_is_named_itself(tmp_path: Path) -> None:
    file = tmp_path / "set" / "test.jsonl"
    file.parent.mkdir()
    file.touch()
    assert locate(tmp_path, "set/test.jsonl") == file
    assert own_file(tmp_path, "set/test.jsonl") == file
    assert own_file(file, "set/test.jsonl") == file
    for find in (locate, own_file):
        with pytest.raises(EpisodeError) as caught:
            find(tmp_path / "set", "set/test.jsonl")
        assert str(caught.value) == (
            f"{tmp_path / 'set'}: got a path without set/test.jsonl, expected the folder of data sets that holds it; "
            "check the path"
        )
    with pytest.raises(EpisodeError, match="got a path without set"):
        locate(file, "set/test.jsonl")


def test_what_is_drawn_keeps_its_order_and_hangs_on_the_seed() -> None:
    drawn = [list(chosen(range(100), 10, random.Random(seed))) for seed in (0, 0, 1)]
    assert all(each == sorted(each) and len(set(each)) == 10 for each in drawn)
    assert drawn[0] == drawn[1] != drawn[2]
    assert list(chosen("abc", 5, random.Random(0))) == list(chosen("abc", None, random.Random(0))) == ["a", "b", "c"]


def test_without_a_limit_items_are_taken_one_by_one() -> None:
    items = iter(range(3))
    assert next(chosen(items, None, random.Random(0))) == 0
    assert list(items) == [1, 2]


def test_a_length_is_refused_where_there_is_no_choice() -> None:
    refuse_length(Limits(chunk_tokens=3), "beam")
    with pytest.raises(ConfigError, match="got length_tokens=9 for beam, whose streams have the length of its records"):
        refuse_length(Limits(length_tokens=9), "beam")


def test_the_reply_that_readers_are_told_to_give_is_an_abstention() -> None:
    from memalpha.agent.prompting import load

    assert f"reply: {ABSTENTIONS[0]}" in load("reader")
    assert len({normalise(each) for each in ABSTENTIONS}) == len(ABSTENTIONS)
