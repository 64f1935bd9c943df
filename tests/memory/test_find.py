"""Search over all lists: evidence, filters, recency, explanation, and a fusion that equals its slow twin."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.errors import ConfigError
from memalpha.memory.bank import Bank, MemoryKind, Provenance
from memalpha.memory.entry import Origin
from memalpha.memory.find import RECENCY, VECTOR_SHARE, SignalName, Where, find, fuse, read_time

CORE, SEMANTIC, EPISODIC = MemoryKind.CORE, MemoryKind.SEMANTIC, MemoryKind.EPISODIC


def bank() -> Bank:
    made = Bank(count_tokens=len)
    made.insert(SEMANTIC, "Ann lives in Oslo", Provenance(time="2026-01-01"))
    made.insert(EPISODIC, "Bo moved to Rome", Provenance(time="2026-02-01T10:00+01:00"))
    made.insert(SEMANTIC, "Cy sings", Provenance(time="some day"))
    made.insert(SEMANTIC, "Di paints", Provenance())
    return made


def bank_of(*texts: str) -> Bank:
    made = Bank(count_tokens=len)
    for text in texts:
        made.insert(SEMANTIC, text, Provenance())
    return made


def ids(query: str, k: int = 9, **where: object) -> list[int]:
    return [found.entry.id for found in find(bank(), query, k, Where(**where))]  # type: ignore[arg-type]


def found_in(made: Bank, query: str, k: int = 9, **more: object) -> list[int]:
    return [found.entry.id for found in find(made, query, k, **more)]  # type: ignore[arg-type]


def test_only_what_matches_is_found() -> None:
    assert ids("Oslo") == [1]
    assert set(ids("Oslo Rome")) == {1, 2}
    assert ids("Tokyo") == []
    assert ids("") == []
    assert ids("Oslo", 0) == []


def test_function_words_are_no_evidence_but_count_beside_it() -> None:
    made = bank_of("the boat of Ann", "Bo rows the canoes", "boat Ann has bought")
    assert found_in(made, "the boat of Ann") == [1, 3]
    assert found_in(made, "the boat of Ann", where=Where(kinds=(EPISODIC,))) == []


def test_other_forms_of_a_word_count_a_little_less() -> None:
    made = bank_of("Ann is living here", "Ann lives here", "Bo sings now")
    lives, living = find(made, "lives", 9, explain=True)
    assert (lives.entry.id, living.entry.id) == (2, 1)
    # Two of 3 texts, which have 10 words, have a form of it; 0.25 + 0.75 * words * 3 / 10 is the norm of a length.
    ratio = (1 + 1.5 * (0.25 + 0.75 * 9 / 10)) / (1 + 1.5 * (0.25 + 0.75 * 12 / 10))
    assert living.signals[0].score / lives.signals[0].score == pytest.approx(0.7 * ratio)
    assert lives.signals[0].score == pytest.approx(1 / (1 + 1.5 * (0.25 + 0.75 * 9 / 10)))
    assert found_in(made, "did Bo sing?") == [3]


def test_where_nothing_speaks_for_an_entry_any_word_finds_it_with_a_low_score() -> None:
    made = bank_of("I moved to Lisbon", "Cy sings", "I like tea and figs")
    strong, weak = (find(made, query, 9, explain=True) for query in ("where did Cy sing?", "where do I live?"))
    assert [found.entry.id for found in strong] == [2]
    assert [found.entry.id for found in weak] == [3, 1]  # the newer first: words that say so little outweigh no time
    # Of 3 texts of 11 words "i" is in two; "where", "do" and "live" in none, and weigh log(1 + 3.5 / 0.5) each.
    # The norm of the first, which has 4 words, is 1.5 (0.25 + 0.75 * 4 * 3 / 11).
    word = math.log(1 + 1.5 / 2.5)
    expected = word * 2.5 / (1 + 1.5 * (0.25 + 9 / 11)) / (2.5 * (word + 3 * math.log(8)))
    assert weak[1].signals[0].score == pytest.approx(expected) == pytest.approx(0.0269, abs=1e-4)
    assert found_in(made, "where do you live?") == []
    assert found_in(made, "where do I live?", near=[(2, 0.1)]) == [2]


def test_what_filters_leave_is_found_by_any_word() -> None:
    made = Bank(count_tokens=len)
    made.insert(EPISODIC, "Ann sails to Rome", Provenance())
    made.insert(SEMANTIC, "to be or not", Provenance())
    assert found_in(made, "to Rome") == [1]
    assert found_in(made, "to Rome", where=Where(kinds=(SEMANTIC,))) == [2]


def test_what_documents_repeat_makes_no_word_common() -> None:
    made = bank_of("Ann likes tea")
    for number in range(40):
        made.insert(SEMANTIC, f"Ann likes water {number}", Provenance(origin=Origin.DOCUMENT))
    assert made.others == 40
    assert found_in(made, "Ann tea", 50)[0] == 1
    assert len(found_in(made, "Ann", 50)) == 41
    for number in range(30, 35):
        made.update(SEMANTIC, number, f"Bo sings {number}", Provenance())
        made.delete(SEMANTIC, number - 10, Provenance())
    assert made.others == made.fork().others == 30


def test_words_of_many_entries_are_no_evidence() -> None:
    made = bank_of(*(f"Ann likes thing{number}" for number in range(11)))
    assert found_in(made, "Ann thing3") == [4]  # "Ann" is in 11 entries, more than 10 and more than a tenth of them
    assert len(found_in(made, "Ann", 20)) == 11  # for want of better
    made.delete(SEMANTIC, 11, Provenance())
    assert len(found_in(made, "Ann", 20)) == 10


def test_the_only_entry_is_found() -> None:
    assert found_in(bank_of("Ann lives in Oslo"), "oslo") == [1]


def test_a_score_worked_by_hand() -> None:
    made = bank_of("oslo rome", "oslo bern bern", "paris")
    (first, second) = find(made, "oslo bern", 9, explain=True)
    # 3 texts with 2 words on average: oslo is in two of them, bern in one; the norm of 3 words is
    # 1.5 (0.25 + 0.75 * 3 / 2) = 2.0625, that of 2 words 1.5.
    oslo, bern = math.log(1 + 1.5 / 2.5), math.log(1 + 2.5 / 1.5)
    expected = (oslo * 2.5 / (1 + 2.0625) + bern * 2 * 2.5 / (2 + 2.0625)) / (2.5 * (oslo + bern))
    assert (first.entry.id, second.entry.id) == (2, 1)
    assert first.signals[0].score == pytest.approx(expected)
    assert second.signals[0].score == pytest.approx(oslo * 2.5 / (1 + 1.5) / (2.5 * (oslo + bern)))
    assert first.score == pytest.approx(expected + RECENCY)
    assert second.score == pytest.approx(second.signals[0].score + RECENCY / 2)


def test_of_equals_the_newest_comes_first_and_newness_outweighs_no_evidence() -> None:
    made = Bank(count_tokens=len)
    made.insert(SEMANTIC, "Ann lives in Oslo", Provenance(time="2026-03-01"))
    made.insert(SEMANTIC, "Ann lives in Rome", Provenance(time="2026-05-01"))
    made.insert(SEMANTIC, "Ann lives in Bern", Provenance(time="2026-04-01"))
    assert found_in(made, "Ann lives") == [2, 3, 1]
    assert found_in(made, "Ann lives Oslo") == [1, 2, 3]


def test_among_many_equals_the_newest_are_looked_at() -> None:
    made = bank_of(*(f"oslo {number}" for number in range(60)), *(f"rome {number}" for number in range(600)))
    assert found_in(made, "oslo", 3) == [60, 59, 58]


def test_what_is_near_is_found_and_shares_the_score_with_bm25() -> None:
    plain = find(bank(), "Oslo", 9, explain=True)[0]
    (first, second) = find(bank(), "Oslo", 9, near=[(3, 1.0), (1, 0.5)], explain=True)
    assert [first.entry.id, second.entry.id] == [1, 3]
    assert first.score == pytest.approx((1 - VECTOR_SHARE) * plain.signals[0].score + VECTOR_SHARE * 0.5 + RECENCY)
    assert [(signal.name, signal.rank, signal.share) for signal in second.signals] == [
        (SignalName.BM25, None, 0.0),
        (SignalName.VECTOR, 1, VECTOR_SHARE),
        (SignalName.RECENCY, 2, RECENCY / 2),
    ]
    assert found_in(bank(), "Oslo", near=[(99, 1.0)]) == [1]  # an entry that is gone


def test_kinds_and_times_are_filters() -> None:
    everything = "Ann Bo Cy Di"
    assert set(ids(everything, kinds=(SEMANTIC,))) == {1, 3, 4}
    assert ids(everything, since=datetime(2026, 2, 1, 9, tzinfo=UTC)) == [2]
    assert ids(everything, since=datetime(2026, 2, 1, 9, 1, tzinfo=UTC)) == []
    assert ids(everything, until=datetime(2026, 1, 1, tzinfo=UTC)) == [1]
    near = [(2, 1.0), (1, 0.5)]
    assert found_in(bank(), "nothing", where=Where(kinds=(SEMANTIC,)), near=near) == [1]
    assert found_in(bank(), "nothing", where=Where(until=datetime(2026, 1, 9, tzinfo=UTC)), near=near) == [1]
    day = datetime(2030, 1, 1, tzinfo=UTC)
    assert found_in(bank(), "Oslo", where=Where(since=day), valid=lambda entry: day) == [1]


def test_a_filter_looks_beyond_the_best_of_a_list() -> None:
    made = Bank(count_tokens=len)
    for number in range(600):
        text = f"oslo {number}" if number < 60 else f"filler {number}"
        made.insert(SEMANTIC, text, Provenance(time=f"2026-01-{1 + (number == 0):02d}"))
    assert found_in(made, "oslo", 3, where=Where(since=datetime(2026, 1, 2, tzinfo=UTC))) == [1]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"kinds": (CORE,)}, "got core to search, which is always in view"),
        ({"since": datetime(2026, 1, 1)}, "2026-01-01T00:00:00, which has no time zone"),
        ({"until": datetime(2026, 1, 1)}, "no time zone"),
    ],
)
def test_what_cannot_be_searched_is_refused(where: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Where(**where)  # type: ignore[arg-type]


def test_an_explanation_names_the_signal_and_its_rank() -> None:
    (found,) = find(bank(), "Oslo", 3, explain=True)
    assert [(signal.name, signal.rank) for signal in found.signals] == [(SignalName.BM25, 1), (SignalName.RECENCY, 1)]
    assert found.score == pytest.approx(sum(signal.share for signal in found.signals))
    assert find(bank(), "Oslo", 3)[0].signals == ()


def test_times_are_read_in_utc_unless_they_say_otherwise() -> None:
    assert read_time("2026-01-01") == datetime(2026, 1, 1, tzinfo=UTC)
    assert read_time("2026-01-01T10:00+01:00") == datetime(2026, 1, 1, 9, tzinfo=UTC)
    assert read_time("some day") is None
    assert read_time(None) is None


ranked = st.dictionaries(st.integers(1, 12), st.integers(0, 4).map(lambda number: number / 4), max_size=8).map(
    lambda scores: sorted(scores.items(), key=lambda hit: -hit[1])
)


@given(st.dictionaries(st.sampled_from(SignalName), ranked), st.integers(1, 15))
def test_a_fusion_equals_its_slow_twin(lists: dict[SignalName, list[tuple[int, float]]], k: int) -> None:
    weights = {SignalName.BM25: 0.75, SignalName.VECTOR: 0.25, SignalName.RECENCY: 0.01}
    fused = fuse(lists, weights, k)
    assert [(each, pytest.approx(score)) for each, score, _ in fused] == slow_fusion(lists, weights)[:k]
    for each, score, signals in fused:
        assert [signal.name for signal in signals] == list(lists)
        assert score == pytest.approx(sum(signal.share for signal in signals))
        for signal in signals:
            place = [key for key, _ in lists[signal.name]]
            assert signal.rank == (place.index(each) + 1 if each in place else None)


def slow_fusion(
    lists: dict[SignalName, list[tuple[int, float]]], weights: dict[SignalName, float]
) -> list[tuple[int, float]]:
    everything = {each for hits in lists.values() for each, _ in hits}
    scores = {
        each: sum(weights[name] * dict(hits).get(each, 0.0) for name, hits in lists.items()) for each in everything
    }
    return sorted(scores.items(), key=lambda item: (-round(item[1], 9), -item[0]))
