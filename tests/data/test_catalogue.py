"""The list of sources is what tables, builds and documents go by."""

import inspect

import pytest

from memalpha.data.catalogue import SOURCES

PAPER = ("squad", "hotpotqa", "perltqa", "longmemeval", "nlu", "trec", "pubmed-rct", "booksum")
"""The eight of arXiv:2509.25911, in the order of its Table 6."""


def test_the_papers_come_first_and_the_others_stand_in_for_one_of_them() -> None:
    assert tuple(SOURCES)[:8] == PAPER
    assert not any(SOURCES[name].stands_in_for for name in PAPER)
    assert {SOURCES[name].stands_in_for for name in SOURCES if name not in PAPER} <= {*PAPER}
    for name, source in SOURCES.items():
        if source.stands_in_for:
            assert source.competency is SOURCES[source.stands_in_for].competency, name


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_says_who_it_is_and_has_a_loader(name: str) -> None:
    source = SOURCES[name]
    assert source.title
    assert source.licence
    assert source.paper
    assert list(inspect.signature(source.load).parameters) == ["place", "seed", "count_tokens"]
