"""The benchmarks: one short module each, all of them in `SUITES`, built by `suite_episodes`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from memalpha.data.suites import beam, icl, locomo, long_context, longmemeval, memoryagentbench, mquake, qmsum, squality
from memalpha.data.suites.suite import NO_LIMITS, Limits, Suite
from memalpha.errors import ConfigError, EpisodeError
from memalpha.records import Competency, Episode, Metric

_RETRIEVAL = (Competency.ACCURATE_RETRIEVAL,)
_LEARNING = (Competency.TEST_TIME_LEARNING,)
_LONG_RANGE = (Competency.LONG_RANGE_UNDERSTANDING,)
_CONFLICT = (Competency.CONFLICT_RESOLUTION,)

SUITES: Mapping[str, Suite] = MappingProxyType(
    {
        "long-squad": Suite(
            load=long_context.load_squad,
            files=(*long_context.SQUAD_FILES, *long_context.HOTPOTQA_FILES),
            competencies=_RETRIEVAL,
            metrics=(Metric.CONTAINS,),
        ),
        "long-hotpotqa": Suite(
            load=long_context.load_hotpotqa,
            files=(*long_context.HOTPOTQA_FILES, *long_context.SQUAD_FILES),
            competencies=_RETRIEVAL,
            metrics=(Metric.CONTAINS,),
        ),
        "icl-banking77": Suite(
            load=icl.loader("icl-banking77", "banking77", "category"),
            files=icl.files("banking77"),
            competencies=_LEARNING,
            metrics=(Metric.LABEL,),
        ),
        "icl-clinc150": Suite(
            load=icl.loader("icl-clinc150", "clinc150", "intent"),
            files=icl.files("clinc150"),
            competencies=_LEARNING,
            metrics=(Metric.LABEL,),
        ),
        "icl-nlu": Suite(
            load=icl.loader("icl-nlu", "nlu", "intent"),
            files=icl.files("nlu"),
            competencies=_LEARNING,
            metrics=(Metric.LABEL,),
        ),
        "summary-squality": Suite(
            load=squality.load, files=squality.FILES, competencies=_LONG_RANGE, metrics=(Metric.KEYWORDS,)
        ),
        "summary-qmsum": Suite(load=qmsum.load, files=qmsum.FILES, competencies=_LONG_RANGE, metrics=(Metric.ROUGE_L,)),
        "conflict-mquake-single": Suite(
            load=mquake.load_single, files=mquake.FILES, competencies=_CONFLICT, metrics=(Metric.CONTAINS,)
        ),
        "conflict-mquake-multi": Suite(
            load=mquake.load_multi, files=mquake.FILES, competencies=_CONFLICT, metrics=(Metric.CONTAINS,)
        ),
        "longmemeval": Suite(
            load=longmemeval.load,
            files=longmemeval.FILES,
            competencies=(*_RETRIEVAL, *_CONFLICT),
            metrics=(Metric.CONTAINS, Metric.TOKEN_F1),
        ),
        "locomo": Suite(load=locomo.load, files=locomo.FILES, competencies=_RETRIEVAL, metrics=(Metric.TOKEN_F1,)),
        "beam": Suite(
            load=beam.load,
            files=beam.FILES,
            competencies=(*_RETRIEVAL, *_LONG_RANGE, *_CONFLICT),
            metrics=(Metric.CONTAINS, Metric.TOKEN_F1, Metric.ROUGE_L),
        ),
        "memoryagentbench": Suite(
            load=memoryagentbench.load,
            files=memoryagentbench.FILES,
            competencies=tuple(Competency),
            metrics=(
                Metric.CONTAINS,
                Metric.EXACT,
                Metric.TOKEN_F1,
                Metric.KEYWORDS,
                Metric.LABEL,
                Metric.ROUGE_L,
            ),
        ),
    }
)
"""By name. What begins with long-, icl-, summary- or conflict- is built here, and a score on it is one on that only."""


def suites_below(folder: Path) -> list[str]:
    """The suites whose files lie in a folder of data sets."""
    return [name for name, suite in SUITES.items() if all((folder / file).exists() for file in suite.files)]


def suite_episodes(
    name: str,
    path: Path,
    *,
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    count_tokens: Callable[[str], int] | None = None,
) -> tuple[Episode, ...]:
    """The episodes of one suite; never none.

    Args:
        name: A key of `SUITES`.
        path: The folder that holds the suite's files (`Suite.files`), or the one file of a suite.
        seed: Decides what is drawn, and its order; the same seed and limits give the same episodes.
        limits: How much is built.
        count_tokens: Counts for the limits; None is the nano policy's tokenizer.

    Raises:
        ConfigError: For a name that is no suite, or a limit that the suite does not have.
        EpisodeError: For a file or record that cannot be used; names file and line.
    """
    if name not in SUITES:
        raise ConfigError(f"got the suite {name!r}, expected one of {', '.join(SUITES)}")
    episodes = tuple(SUITES[name].load(path, seed=seed, limits=limits, count_tokens=count_tokens))
    if not episodes:
        raise EpisodeError(f"{path}: got no episode for {name}, expected at least one; check its files")
    return episodes
