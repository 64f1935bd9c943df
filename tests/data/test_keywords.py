"""Keywords of summaries, worked by hand."""

import math

from hypothesis import given
from hypothesis import strategies as st

from memalpha.data.keywords import MOST, Rarity, keywords
from memalpha.metrics import score
from memalpha.records import Metric

TEXT = (
    "Old Captain Berg sailed his whaler, the Elva, north. Nils hid in the whaler. Fog came, and I'm told they sank. "
    "The whaler was old, and north was fog."
)
SUMMARY = "In fog, Captain Berg takes the Elva north. There Nils's whaler sank, and a ship of Captain Berg too."


def test_names_come_first_then_what_the_text_says_often_and_others_do_not() -> None:
    others = [TEXT, *["They sailed north again."] * 3, "It sank.", "", "", ""]
    # Of eight texts at most two may have a telling word: "north" is in four, "sank" in two, "whaler" in one and there
    # three times. "There" and "ship" are not in the text, "fog" is too short.
    assert keywords(SUMMARY, TEXT, Rarity(others)) == ("Captain Berg", "Elva", "Nils", "whaler", "sank")


def test_rarity_is_the_inverse_document_frequency() -> None:
    rarity = Rarity(["a fog", "the fog, the sea", "land"])
    assert rarity("fog") == math.log(4 / 3)
    assert rarity("sea") == math.log(4 / 2)
    assert rarity("ship") == math.log(4)
    assert [rarity.telling(word) for word in ("fog", "sea")] == [False, True]


def test_a_lone_text_has_keywords_too_and_two_are_too_few() -> None:
    text = "A whaler sank in fog, near land."
    assert keywords("The whaler sank near it.", text, Rarity([text])) == ("near", "sank", "whaler")
    assert keywords("The whaler sank.", text, Rarity([text])) == ()


def test_what_opens_a_sentence_is_no_name_and_neither_are_headings_letters_and_i() -> None:
    summary = (
        "Whales sing. So I'm told by The Great Big White Heading Here. And I saw Orla’s boat with D and Elva, Nils."
    )
    text = "Whales sing, I saw. The Great Big White Heading Here. Orla’s boat; Orla and D sail. Elva. Nils."
    found = keywords(summary, text, Rarity([""] * 9))
    assert found[:3] == ("Orla", "Elva", "Nils")
    assert not {"I", "D", "Whales", "The"} & set(found)


def test_there_is_an_end() -> None:
    summary = "So it was " + ", ".join(f"Name{n}x" for n in range(40))
    assert len(keywords(summary, summary, Rarity([]))) == MOST == 12


WORDS = st.lists(st.sampled_from("the fog Orla Berg sailed north I'm 1066 whaler. Nils's So".split()), max_size=20)


@given(WORDS.map(" ".join), WORDS.map(" ".join), st.lists(WORDS.map(" ".join), max_size=6))
def test_each_stands_in_the_text_once(summary: str, text: str, others: list[str]) -> None:
    found = keywords(summary, text, Rarity([summary, *others]))
    assert len({word.lower() for word in found}) == len(found) <= MOST
    if found:
        assert score(Metric.KEYWORDS, text, found) == 1.0
        assert score(Metric.KEYWORDS, "; ".join(found), found) == 1.0
