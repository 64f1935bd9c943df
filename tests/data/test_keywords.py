"""Keywords of summaries, worked by hand."""

import math

from hypothesis import given
from hypothesis import strategies as st

from memalpha.data.keywords import MOST, Rarity, keywords
from memalpha.metrics import score
from memalpha.records import Metric

TEXT = "Old Captain Berg sailed his whaler, the Elva, north. Nils hid in the whaler. Fog came, and I'm told they sank."
SUMMARY = "In fog, Captain Berg takes the Elva north. There Nils's whaler is lost, and the whaler of Captain Berg too."


def test_names_come_first_then_telling_words_by_how_often_and_how_rare() -> None:
    others = [SUMMARY, "They sailed north again.", "He went north.", "North it is, they say.", "Lost.", "Lost.", "", ""]
    # 8 summaries: a word tells something when at most two have it; "north" stands in four, "there" is not in the text.
    assert keywords(SUMMARY, TEXT, Rarity(others)) == ("Captain Berg", "Elva", "Nils", "whaler")


def test_rarity_is_the_inverse_document_frequency() -> None:
    rarity = Rarity(["a fog", "the fog, the sea", "land"])
    assert rarity("fog") == math.log(4 / 3)
    assert rarity("sea") == math.log(4 / 2)
    assert rarity("ship") == math.log(4)
    assert [rarity.telling(word) for word in ("fog", "sea")] == [False, True]


def test_a_lone_summary_has_keywords_too() -> None:
    found = keywords("The whaler sank.", "A whaler sank in fog.", Rarity(["The whaler sank."]))
    assert found == ("sank", "whaler")


def test_what_opens_a_sentence_is_no_name_and_neither_are_headings_and_i() -> None:
    summary = "Whales sing. So I'm told by The Great Big White Heading Here. And I saw Orla’s boat."
    text = "Whales sing, I saw. The Great Big White Heading Here. Orla’s boat; Orla sails."
    assert keywords(summary, text, Rarity([""] * 9))[0] == "Orla"
    assert "The Great" not in " ".join(keywords(summary, text, Rarity([""] * 9)))


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
