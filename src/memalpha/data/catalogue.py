"""The sources of training episodes: who they are from, under which licence, and the function that reads each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from memalpha.data.hub import HubSet, Place
from memalpha.data.sources import (
    beam,
    booksum,
    csabstruct,
    hotpotqa,
    longmemeval,
    nlu,
    perltqa,
    pubmed_rct,
    qmsum,
    squad,
    squality,
    trec,
)
from memalpha.records import Competency, Episode, Metric


class Loader(Protocol):
    """How every source is read; the same place and seed give the same episodes."""

    def __call__(
        self, place: Place, *, seed: int = 0, count_tokens: Callable[[str], int] | None = None
    ) -> Iterator[Episode]:
        """Episodes of one file, folder or split of the hub; raises `EpisodeError` that names file and line."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One data set."""

    title: str
    load: Loader
    competency: Competency
    metric: Metric
    """Of most of its questions."""
    files: tuple[str, ...]
    """What its training files are called; none where their folder is read as one."""
    licence: str
    paper: str
    hub: HubSet | None = None
    """None where it is not on the hub in a shape that is read here."""
    stands_in_for: str = ""
    """The source of arXiv:2509.25911 that it is used in place of."""


_TRAIN = ("train*",)

SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "squad": Source(
            title="SQuAD",
            load=squad.load_packed,
            competency=Competency.ACCURATE_RETRIEVAL,
            metric=Metric.CONTAINS,
            files=_TRAIN,
            licence="CC BY-SA 4.0",
            paper="arXiv:1606.05250",
            hub=squad.HUB,
        ),
        "hotpotqa": Source(
            title="HotpotQA",
            load=hotpotqa.load_packed,
            competency=Competency.ACCURATE_RETRIEVAL,
            metric=Metric.CONTAINS,
            files=("train*", "hotpot_train*"),
            licence="CC BY-SA 4.0",
            paper="arXiv:1809.09600",
            hub=hotpotqa.HUB,
        ),
        "perltqa": Source(
            title="PerLTQA",
            load=perltqa.load,
            competency=Competency.ACCURATE_RETRIEVAL,
            metric=Metric.KEYWORDS,
            files=(),
            licence="CC BY-NC 4.0",
            paper="arXiv:2402.16288",
        ),
        "longmemeval": Source(
            title="LongMemEval-train",
            load=longmemeval.load,
            competency=Competency.ACCURATE_RETRIEVAL,
            metric=Metric.CONTAINS,
            files=("longmemeval_oracle*", "train*"),
            licence="MIT",
            paper="arXiv:2410.10813",
        ),
        "nlu": Source(
            title="NLU",
            load=nlu.load,
            competency=Competency.TEST_TIME_LEARNING,
            metric=Metric.LABEL,
            files=("train*", "NLU-Data-Home-Domain-Annotated-All.csv*"),
            licence="CC BY 4.0",
            paper="arXiv:1903.05566",
            hub=nlu.HUB,
        ),
        "trec": Source(
            title="TREC-Coarse",
            load=trec.load,
            competency=Competency.TEST_TIME_LEARNING,
            metric=Metric.LABEL,
            files=_TRAIN,
            licence="none stated",
            paper="Li and Roth 2002",
            hub=trec.HUB,
        ),
        "pubmed-rct": Source(
            title="PubMed-RCT",
            load=pubmed_rct.load,
            competency=Competency.TEST_TIME_LEARNING,
            metric=Metric.LABEL,
            files=_TRAIN,
            licence="none stated; abstracts may be under copyright",
            paper="arXiv:1710.06071",
            hub=pubmed_rct.HUB,
        ),
        "booksum": Source(
            title="BookSum",
            load=booksum.load,
            competency=Competency.LONG_RANGE_UNDERSTANDING,
            metric=Metric.KEYWORDS,
            files=("train*", "chapter_summary_aligned_train*"),
            licence="research only",
            paper="arXiv:2105.08209",
            hub=booksum.HUB,
        ),
        "csabstruct": Source(
            title="CSAbstruct",
            load=csabstruct.load,
            competency=Competency.TEST_TIME_LEARNING,
            metric=Metric.LABEL,
            files=_TRAIN,
            licence="Apache-2.0",
            paper="arXiv:1909.04054",
            hub=csabstruct.HUB,
            stands_in_for="pubmed-rct",
        ),
        "squality": Source(
            title="SQuALITY",
            load=squality.load,
            competency=Competency.LONG_RANGE_UNDERSTANDING,
            metric=Metric.KEYWORDS,
            files=_TRAIN,
            licence="CC BY 4.0; stories under the Project Gutenberg licence",
            paper="arXiv:2205.11465",
            stands_in_for="booksum",
        ),
        "qmsum": Source(
            title="QMSum",
            load=qmsum.load,
            competency=Competency.LONG_RANGE_UNDERSTANDING,
            metric=Metric.KEYWORDS,
            files=_TRAIN,
            licence="MIT",
            paper="arXiv:2104.05938",
            stands_in_for="booksum",
        ),
        "beam": Source(
            title="BEAM",
            load=beam.load,
            competency=Competency.ACCURATE_RETRIEVAL,
            metric=Metric.CONTAINS,
            files=_TRAIN,
            licence="CC BY-SA 4.0, by others than its authors",
            paper="arXiv:2510.27246",
            stands_in_for="longmemeval",
        ),
    }
)
"""By name, in the order of tables: the eight of arXiv:2509.25911, then those that stand in for one of them."""
