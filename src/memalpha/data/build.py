"""The merged training set of arXiv:2509.25911: sources read, split and limited by a seed, then kept apart from tests.

Every source is split on its own, so that training and validation have the same mixture; what validation asks is asked
nowhere in training. Left out: the loop that trains on it, and what the files look like (`memalpha.data.release`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from memalpha.agent.model import Model
from memalpha.agent.tokens import nano_counter
from memalpha.data.catalogue import SOURCES
from memalpha.data.closed_book import without_known
from memalpha.data.contamination import asked_in, find_leaks, known_streams, without_leaks
from memalpha.data.hub import Place
from memalpha.data.leaks import LeakPolicy, Report
from memalpha.data.passages import expect_positive
from memalpha.data.suites import suite_episodes, suites_below
from memalpha.data.suites.suite import Limits
from memalpha.errors import ConfigError, EpisodeError
from memalpha.records import Episode

MOST_TOKENS = 30_000
"""Of one episode; longer ones are split between chunks."""
HELD_OUT = 0.1
"""Share of the episodes of each source that are for validation."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done and how much there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a set is built."""

    seed: int = 42
    """Decides the episodes of every source, the split and the order."""
    limit: int | None = 100
    """Training episodes of one source at most; None is no limit. Validation is not limited."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Other limits, by source."""
    leaks: LeakPolicy = LeakPolicy.REFUSE

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; raises `ConfigError`."""
        expect_positive((("limit", self.limit), *self.limits.items()))
        for name in self.limits:
            known_source(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A set and what was found on the way."""

    training: tuple[Episode, ...]
    validation: tuple[Episode, ...]
    report: Report
    """Of both, before anything was dropped for it."""
    asked_twice: int
    """Questions left out of training because validation asks them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One source of one part, as in Table 6 of the paper."""

    source: str
    episodes: int
    chunks: float
    """Of an episode, mean."""
    tokens: float
    """Of a chunk, mean."""
    questions: float
    """Of an episode, mean."""


def known_source(name: str) -> str:
    """The name itself when it is a source; raises `ConfigError`."""
    if name not in SOURCES:
        raise ConfigError(f"got the source {name!r}, expected one of {', '.join(SOURCES)}")
    return name


def sources_in(folder: Path) -> dict[str, list[Place]]:
    """The training files of each source below a folder of data sets, in a folder of its name or one that begins so."""
    found: dict[str, list[Place]] = {}
    folders = sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
    for name, source in SOURCES.items():
        for each in folders:
            if each.name == name or each.name.startswith((f"{name}_", f"{name}-")):
                files = {file for pattern in source.files for file in each.glob(pattern)}
                places = sorted(files) if source.files else [each]
                if places:
                    found.setdefault(name, []).extend(places)
    return found


def suites_in(folder: Path, *, seed: int = 0, progress: Progress | None = None) -> dict[str, tuple[Episode, ...]]:
    """All suites whose files lie below a folder of data sets, with every question that they can ask."""
    names = suites_below(folder)
    found = {}
    for number, name in enumerate(names):
        if progress:
            progress(f"reading the test {name}", number, len(names))
        # Contexts of chosen length end where their questions do; the others are as many as there are records.
        limits = Limits(questions=_ALL, episodes=_ALL if name.startswith("long-") else None)
        found[name] = suite_episodes(name, folder, seed=seed, limits=limits)
    return found


def build(
    given: Mapping[str, Sequence[Place]],
    tests: Mapping[str, Sequence[Episode]],
    plan: Plan,
    *,
    count_tokens: Callable[[str], int] | None = None,
    closed_book: Model | None = None,
    progress: Progress | None = None,
) -> Built:
    """Read, split, limit and check; the same files and plan give the same set.

    Args:
        given: Where each source is read from; the keys are those of `SOURCES`.
        tests: What must not be given away, by name.
        plan: Seed, limits, and what becomes of leaks.
        count_tokens: Counts for the sizes of chunks and episodes; None is the nano policy's tokenizer.
        closed_book: What this model answers by itself is not asked; None asks everything.
        progress: Told what is being done.

    Raises:
        EpisodeError: For a file or record that cannot be used, a source without episodes, or a leak.
        ConfigError: For an unknown source.
        ModelError: For a model that fails.
    """
    count = count_tokens or nano_counter()
    training: list[Episode] = []
    validation: list[Episode] = []
    for number, (name, places) in enumerate(given.items()):
        if progress:
            progress(f"reading {name}", number, len(given))
        episodes = _episodes(name, places, plan.seed, count)
        held = _held_out(len(episodes))
        validation += episodes[:held]
        training += episodes[held:][: plan.limits.get(name, plan.limit)]
    if closed_book:
        training, validation = (_unknown(part, closed_book, progress) for part in (training, validation))
    if progress:
        progress(f"comparing with {len(tests)} tests", len(given), len(given))
    twice = asked_in(training, validation)
    training = [each for at, episode in enumerate(training) if (each := _unasked(episode, at, twice)) is not None]
    report = find_leaks([*training, *validation], tests)
    if report.leaks and plan.leaks is LeakPolicy.REFUSE:
        raise EpisodeError(_refusal(report))
    if plan.leaks is LeakPolicy.DROP:
        validation = without_leaks(validation, _from(report, len(training)))
        training = without_leaks(training, _from(report, 0, len(training)))
    random.Random(plan.seed).shuffle(training)
    return Built(training=tuple(training), validation=tuple(validation), report=report, asked_twice=len(twice))


def table(episodes: Sequence[Episode], count_tokens: Callable[[str], int]) -> list[Row]:
    """One row a source, in the order of `SOURCES`, and others behind."""
    names = dict.fromkeys([*SOURCES, *(episode.source for episode in episodes)])
    rows = []
    for name in names:
        own = [episode for episode in episodes if episode.source == name]
        chunks = [chunk for episode in own for chunk in episode.chunks]
        if own:
            rows.append(
                Row(
                    source=name,
                    episodes=len(own),
                    chunks=len(chunks) / len(own),
                    tokens=sum(count_tokens(chunk.text) for chunk in chunks) / len(chunks),
                    questions=sum(len(episode.questions) for episode in own) / len(own),
                )
            )
    return rows


def split_long(episode: Episode, most: int, count_tokens: Callable[[str], int]) -> Iterator[Episode]:
    """The episode itself, or parts of consecutive chunks of at most `most` tokens, a single longer chunk excepted.

    A question goes with the part that holds all of its evidence; one without evidence, or with some in two parts, is
    left out, and so is a part without questions.
    """
    sizes = [count_tokens(chunk.text) for chunk in episode.chunks]
    if sum(sizes) <= most:
        yield episode
        return
    start = number = 0
    while start < len(sizes):
        end, total = start + 1, sizes[start]
        while end < len(sizes) and total + sizes[end] <= most:
            end, total = end + 1, total + sizes[end]
        questions = tuple(
            replace(question, evidence=tuple(at - start for at in question.evidence))
            for question in episode.questions
            if question.evidence and all(start <= at < end for at in question.evidence)
        )
        if questions:
            yield replace(episode, id=f"{episode.id}/{number}", chunks=episode.chunks[start:end], questions=questions)
        start, number = end, number + 1


_ALL = 1_000_000


def _episodes(name: str, places: Sequence[Place], seed: int, count: Callable[[str], int]) -> list[Episode]:
    """The episodes of one source in random order; of a stream that two files have, only the first."""
    source = SOURCES[known_source(name)]
    found: list[Episode] = []
    for place in places:
        loaded = source.load(place, seed=seed, count_tokens=count)
        new = [part for episode in loaded for part in split_long(episode, MOST_TOKENS, count)]
        known = known_streams(new, found)
        found += [episode for at, episode in enumerate(new) if at not in known]
    if not found:
        raise EpisodeError(
            f"{', '.join(map(str, places))}: got no episode of {name}, expected at least one; give other files or more"
        )
    random.Random(f"{seed} {name}").shuffle(found)
    return found


def _unknown(episodes: Sequence[Episode], model: Model, progress: Progress | None) -> list[Episode]:
    tell = progress and partial(progress, f"asking {model.name} with nothing to read")
    return without_known(episodes, model, tell)


def _held_out(count: int) -> int:
    return max(round(HELD_OUT * count), 1) if count > 1 else 0


def _unasked(episode: Episode, at: int, twice: set[tuple[int, str]]) -> Episode | None:
    """The episode without questions that validation asks; None when nothing is left to ask."""
    questions = tuple(question for question in episode.questions if (at, question.text) not in twice)
    return replace(episode, questions=questions) if questions else None


def _from(report: Report, start: int, end: int | None = None) -> Report:
    """What the report says of some of the episodes, which are counted anew."""
    return replace(
        report,
        leaks=tuple(
            replace(leak, episode=leak.episode - start)
            for leak in report.leaks
            if start <= leak.episode and (end is None or leak.episode < end)
        ),
    )


def _refusal(report: Report) -> str:
    (source, test, kind), count = report.counts().most_common(1)[0]
    first = next(leak.text for leak in report.leaks if (leak.source, leak.test, leak.kind) == (source, test, kind))
    return (
        f"got {len(report.leaks)} leaks into {len({leak.test for leak in report.leaks})} tests, expected none: most "
        f"are from {source} into {test} ({count}, {kind}), such as {first[:80]!r}; leave them out with --leaks drop"
    )
