"""What a training set gives away of a test: its questions, the samples it asks about, its very streams.

Questions are compared as they stand, then with their golds after normalisation, then by word n-grams
(`memalpha.data.minhash`). What all questions of an episode begin or end with is a form that their builder put around
them; it is taken off first, since another builder asks about the same thing in another form. Left out: paraphrases.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from memalpha.data.minhash import near_pairs
from memalpha.records import Episode, Metric, Question
from memalpha.text import normalise, sentences

FORM_QUESTIONS = 10
"""An episode needs so many questions for what they have in common to be a form."""
TELLING_WORDS = 6
"""What is shorter is said in many places; only equal questions and samples may be."""
TELLING_LINES = 5
"""A stream needs so many telling lines to be known by them."""
KNOWN_STREAM = 0.5
"""Share of its telling lines from which on a stream is known."""

_HEADER = "[Dialogue "
"""What the dates of a release stand behind; they say nothing about a stream."""
_SAMPLE = re.compile(
    r"(?:(?:sample|sentence|text|utterance|question)\s*:\s*)?(?P<text>.*?)\s*(?:[;,|]?\s*labels?\s*:\s*\S+)?",
    re.IGNORECASE,
)


class LeakKind(StrEnum):
    """How a training episode gives a test away."""

    SAME_QUESTION = "same question"
    SAME_ANSWER = "same question and answer but for case, articles and punctuation"
    NEAR_QUESTION = "nearly the same question"
    TOLD = "tells a sample that the test asks about"
    STREAM = "is a stream of the test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One finding."""

    kind: LeakKind
    episode: int
    """Index of the training episode."""
    source: str
    """Of the training episode."""
    test: str
    """The name of what is given away."""
    text: str
    """Question or line of the training episode, as it stands; of a stream its first telling line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings."""

    leaks: tuple[Leak, ...]
    """In the order of the training episodes."""
    shares: Mapping[tuple[str, str], float]
    """By source and test: mean share of the telling lines of an episode that stand in a stream of the test."""
    tests: Mapping[str, int]
    """Questions of each test."""

    def counts(self) -> Counter[tuple[str, str, LeakKind]]:
        """How many leaks there are, by source, test and kind."""
        return Counter((leak.source, leak.test, leak.kind) for leak in self.leaks)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A question without its form."""

    text: str
    """As it stands."""
    core: str
    """Normalised."""
    golds: frozenset[str]
    """Normalised; none for labels, whose numbers mean another thing in another episode."""
    listed: bool
    """Whether the golds are parts of one answer."""

    def agrees(self, other: _Asked) -> bool:
        """Whether the answer to one answers the other."""
        if not self.golds or not other.golds:
            return self.golds == other.golds
        return self.golds == other.golds if self.listed or other.listed else bool(self.golds & other.golds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines:
    """The lines of one stream."""

    samples: dict[str, str]
    """Lines as they stand, by what is left of them without the form of a sample, normalised."""
    telling: dict[str, str]
    """Sentences as they stand, normalised, of at least `TELLING_WORDS` words."""


def find_leaks(training: Sequence[Episode], tests: Mapping[str, Sequence[Episode]]) -> Report:
    """Compare all questions and lines of a training set with those of each test."""
    asked = [_asked(episode) for episode in training]
    lines = [_lines(episode) for episode in training]
    leaks: list[Leak] = []
    shares: dict[tuple[str, str], float] = {}
    for name, episodes in tests.items():
        known = [each for episode in episodes for each in _asked(episode)]
        leaks += (_leak(training, at, name, kind, text) for at, kind, text in _asked_again(asked, known))
        leaks += (_leak(training, at, name, LeakKind.TOLD, text) for at, text in _told(lines, known))
        known_lines = {line for episode in episodes for line in _lines(episode).telling}
        by_episode = _known_shares(lines, known_lines)
        for at, share in enumerate(by_episode):
            if share >= KNOWN_STREAM and len(lines[at].telling) >= TELLING_LINES:
                leaks.append(_leak(training, at, name, LeakKind.STREAM, next(iter(lines[at].telling.values()))))
        for source in sorted({episode.source for episode in training}):
            own = [share for share, episode in zip(by_episode, training, strict=True) if episode.source == source]
            shares[source, name] = sum(own) / len(own)
    return Report(
        leaks=tuple(sorted(leaks, key=lambda leak: leak.episode)),
        shares=shares,
        tests={name: sum(len(episode.questions) for episode in episodes) for name, episodes in tests.items()},
    )


def without_leaks(training: Sequence[Episode], report: Report) -> list[Episode]:
    """The training set without what the report names: questions, told samples, known streams, and what is left empty."""
    found: dict[int, dict[LeakKind, set[str]]] = defaultdict(lambda: defaultdict(set))
    for leak in report.leaks:
        found[leak.episode][leak.kind].add(leak.text)
    cleaned = (_without(episode, found[at]) if at in found else episode for at, episode in enumerate(training))
    return [episode for episode in cleaned if episode is not None]


def _without(episode: Episode, leaks: Mapping[LeakKind, set[str]]) -> Episode | None:
    told = leaks.get(LeakKind.TOLD, set())
    asked = {text for kind, texts in leaks.items() if kind not in (LeakKind.TOLD, LeakKind.STREAM) for text in texts}
    questions = tuple(question for question in episode.questions if question.text not in asked)
    chunks = tuple(
        replace(chunk, text="\n".join(line for line in chunk.lines if line not in told))
        if told.intersection(chunk.lines)
        else chunk
        for chunk in episode.chunks
    )
    if LeakKind.STREAM in leaks or not questions or not all(chunk.text for chunk in chunks):
        return None
    return replace(episode, chunks=chunks, questions=questions)


def asked_in(training: Sequence[Episode], test: Sequence[Episode]) -> set[tuple[int, str]]:
    """Which questions of a training set a test asks as well: index of the episode and text."""
    known = [each for episode in test for each in _asked(episode)]
    found = _asked_again([_asked(episode) for episode in training], known)
    return {(at, text) for at, _, text in found}


def _leak(training: Sequence[Episode], at: int, test: str, kind: LeakKind, text: str) -> Leak:
    return Leak(kind=kind, episode=at, source=training[at].source, test=test, text=text)


def _asked_again(asked: Sequence[Sequence[_Asked]], known: Sequence[_Asked]) -> Iterator[tuple[int, LeakKind, str]]:
    """Each question of a training episode that the test asks as well, once, by the plainest kind."""
    generic = _generic(each for some in asked for each in some) | _generic(known)
    by_core: dict[str, list[_Asked]] = defaultdict(list)
    for each in known:
        by_core[each.core].append(each)
    cores = sorted({each.core for some in asked for each in some if _tells(each.core)})
    others = sorted(core for core in by_core if _tells(core))
    near: dict[str, list[_Asked]] = defaultdict(list)
    for pair in near_pairs(cores, others):
        near[cores[pair.first]].extend(by_core[others[pair.second]])
    for at, some in enumerate(asked):
        for each in some:
            same = [other for other in by_core[each.core] if each.core not in generic or each.agrees(other)]
            if any(each.text == other.text for other in same):
                yield at, LeakKind.SAME_QUESTION, each.text
            elif any(each.agrees(other) for other in same):
                yield at, LeakKind.SAME_ANSWER, each.text
            elif any(each.agrees(other) for other in near[each.core]):
                yield at, LeakKind.NEAR_QUESTION, each.text


def _generic(asked: Iterable[_Asked]) -> set[str]:
    """Questions whose golds depend on the stream, such as "What is the plot?": there the golds have to agree as well."""
    first: dict[str, _Asked] = {}
    return {each.core for each in asked if not each.agrees(first.setdefault(each.core, each))}


def _told(lines: Sequence[_Lines], known: Sequence[_Asked]) -> Iterator[tuple[int, str]]:
    """Lines of training streams that are samples which the test asks about."""
    wanted = sorted({each.core for each in known if not each.golds})
    samples = sorted({sample for each in lines for sample in each.samples if _tells(sample)})
    near = {samples[pair.first] for pair in near_pairs(samples, list(filter(_tells, wanted)))}
    held = near.union(wanted)
    for at, each in enumerate(lines):
        yield from ((at, line) for sample, line in each.samples.items() if sample in held)


def _known_shares(lines: Sequence[_Lines], known: set[str]) -> list[float]:
    """For each stream the share of its telling lines that the test's streams have, or nearly."""
    unknown = sorted({line for each in lines for line in each.telling} - known)
    near = {unknown[pair.first] for pair in near_pairs(unknown, sorted(known))}
    held = near | known
    return [sum(line in held for line in each.telling) / max(1, len(each.telling)) for each in lines]


def _asked(episode: Episode) -> list[_Asked]:
    texts = [" ".join(question.text.split()) for question in episode.questions]
    start, end = _form(texts)
    return [
        _Asked(
            text=question.text,
            core=normalise(" ".join(text.split(" ")[start : len(text.split(" ")) - end])),
            golds=_golds(question),
            listed=question.metric is Metric.KEYWORDS,
        )
        for question, text in zip(episode.questions, texts, strict=True)
    ]


def _golds(question: Question) -> frozenset[str]:
    return frozenset() if question.metric is Metric.LABEL else frozenset(map(normalise, question.answers))


def _form(texts: Sequence[str]) -> tuple[int, int]:
    """How many words at the beginning and at the end all of them have in common; none of a few texts."""
    words = [text.split(" ") for text in set(texts)]
    if len(words) < FORM_QUESTIONS:
        return 0, 0
    start = _common(words, min(map(len, words)) - 1)
    return start, _common([each[::-1] for each in words], min(map(len, words)) - 1 - start)


def _common(words: Sequence[Sequence[str]], most: int) -> int:
    return next((at for at in range(most) if len({each[at] for each in words}) > 1), most)


def _lines(episode: Episode) -> _Lines:
    samples: dict[str, str] = {}
    telling: dict[str, str] = {}
    for chunk in episode.chunks:
        for line in chunk.lines:
            match = _SAMPLE.fullmatch(line)
            samples.setdefault(normalise(match["text"] if match else line), line)
            for sentence in sentences(line) if not line.startswith(_HEADER) else ():
                normal = normalise(sentence)
                if _tells(normal):
                    telling.setdefault(normal, sentence)
    return _Lines(samples=samples, telling=telling)


def _tells(normal: str) -> bool:
    return normal.count(" ") + 1 >= TELLING_WORDS
