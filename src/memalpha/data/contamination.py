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

from memalpha.data.leaks import Leak, LeakKind, Report
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

    samples: dict[str, list[str]]
    """Labelled samples as they stand, by what is left without their form, normalised; none where no label is asked."""
    telling: dict[str, str]
    """Sentences as they stand, normalised, of at least `TELLING_WORDS` words."""


def find_leaks(training: Sequence[Episode], tests: Mapping[str, Sequence[Episode]]) -> Report:
    """Compare all questions and lines of a training set with those of each test."""
    asked = [_asked(episode) for episode in training]
    lines = [_lines(episode) for episode in training]
    known = {name: [each for episode in episodes for each in _asked(episode)] for name, episodes in tests.items()}
    leaks = [
        *(_leak(training, at, name, kind, text) for at, name, kind, text in _asked_again(asked, known)),
        *(_leak(training, at, name, LeakKind.TOLD, text) for at, name, text in _told(lines, known)),
    ]
    told = {name: {line for each in episodes for line in _lines(each).telling} for name, episodes in tests.items()}
    by_test = _known_shares(lines, told)
    for name, shares in by_test.items():
        for at, share in enumerate(shares):
            if _is_known(share, lines[at]):
                leaks.append(_leak(training, at, name, LeakKind.STREAM, next(iter(lines[at].telling.values()))))
    return Report(
        leaks=tuple(sorted(leaks, key=lambda leak: leak.episode)),
        shares={
            (source, name): _mean(
                [share for share, each in zip(shares, training, strict=True) if each.source == source]
            )
            for name, shares in by_test.items()
            for source in sorted({each.source for each in training})
        },
        tests={name: len(questions) for name, questions in known.items()},
    )


def without_leaks(training: Sequence[Episode], report: Report) -> list[Episode]:
    """The training set without what the report names: questions, told samples, known streams and what is left empty."""
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
    known = {"": [each for episode in test for each in _asked(episode)]}
    return {(at, text) for at, _, _, text in _asked_again([_asked(episode) for episode in training], known)}


def known_streams(episodes: Sequence[Episode], others: Sequence[Episode]) -> set[int]:
    """Which episodes have a stream that is one of the others', by index."""
    lines = [_lines(episode) for episode in episodes]
    shares = _known_shares(lines, {"": {line for other in others for line in _lines(other).telling}})[""]
    return {at for at, share in enumerate(shares) if _is_known(share, lines[at])}


def _is_known(share: float, lines: _Lines) -> bool:
    return share >= KNOWN_STREAM and len(lines.telling) >= TELLING_LINES


def _leak(training: Sequence[Episode], at: int, test: str, kind: LeakKind, text: str) -> Leak:
    return Leak(kind=kind, episode=at, source=training[at].source, test=test, text=text)


def _asked_again(
    asked: Sequence[Sequence[_Asked]], known: Mapping[str, Sequence[_Asked]]
) -> Iterator[tuple[int, str, LeakKind, str]]:
    """Each question of a training episode that a test asks as well, once for each test, by the plainest kind."""
    own = _generic(each for some in asked for each in some)
    generic = {name: own | _generic(some) for name, some in known.items()}
    by_core: dict[str, list[tuple[str, _Asked]]] = defaultdict(list)
    for name, some in known.items():
        for other in some:
            by_core[other.core].append((name, other))
    near = _near({each.core for some in asked for each in some}, by_core)
    for at, some in enumerate(asked):
        for each in some:
            kinds: dict[str, LeakKind] = {}
            for name, other in by_core.get(each.core, ()):
                if each.text == other.text and (each.core not in generic[name] or each.agrees(other)):
                    kinds[name] = LeakKind.SAME_QUESTION
                elif each.agrees(other):
                    kinds.setdefault(name, LeakKind.SAME_ANSWER)
            for name, other in (pair for core in near[each.core] for pair in by_core[core]):
                if each.agrees(other):
                    kinds.setdefault(name, LeakKind.NEAR_QUESTION)
            yield from ((at, name, kind, each.text) for name, kind in kinds.items())


def _generic(asked: Iterable[_Asked]) -> set[str]:
    """Questions whose golds hang on the stream, such as "What is the plot?": there the golds have to agree as well."""
    first: dict[str, _Asked] = {}
    return {each.core for each in asked if not each.agrees(first.setdefault(each.core, each))}


def _told(lines: Sequence[_Lines], known: Mapping[str, Sequence[_Asked]]) -> Iterator[tuple[int, str, str]]:
    """Lines of training streams that are samples which a test asks about."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for name, some in known.items():
        for other in some:
            if not other.golds:
                wanted[other.core].add(name)
    near = _near({sample for each in lines for sample in each.samples}, wanted)
    for at, each in enumerate(lines):
        for sample, told in each.samples.items():
            names = wanted.get(sample, set()).union(*(wanted[core] for core in near[sample]))
            yield from ((at, name, line) for name in sorted(names) for line in told)


def _known_shares(lines: Sequence[_Lines], known: Mapping[str, set[str]]) -> dict[str, list[float]]:
    """For each test the share of the telling lines of each stream that its streams have, or nearly."""
    names: dict[str, set[str]] = defaultdict(set)
    for name, held in known.items():
        for line in held:
            names[line].add(name)
    near = _near({line for each in lines for line in each.telling} - names.keys(), names)
    shares: dict[str, list[float]] = {name: [] for name in known}
    for each in lines:
        found = Counter(
            name
            for line in each.telling
            for name in names.get(line, set()).union(*(names[other] for other in near[line]))
        )
        for name in known:
            shares[name].append(found[name] / max(1, len(each.telling)))
    return shares


def _near(texts: Iterable[str], others: Iterable[str]) -> dict[str, list[str]]:
    """Those of the others that are near to each text, of the texts that tell something; no text is near to itself."""
    first, second = sorted(filter(_tells, texts)), sorted(filter(_tells, others))
    near: dict[str, list[str]] = defaultdict(list)
    for pair in near_pairs(first, second):
        if first[pair.first] != second[pair.second]:
            near[first[pair.first]].append(second[pair.second])
    return near


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


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
    samples: dict[str, list[str]] = defaultdict(list)
    telling: dict[str, str] = {}
    learning = any(question.metric is Metric.LABEL for question in episode.questions)
    for chunk in episode.chunks:
        for line in chunk.lines:
            match = _SAMPLE.fullmatch(line)
            if learning and match:
                samples[normalise(match["text"])].append(line)
            for sentence in sentences(line) if not line.startswith(_HEADER) else ():
                normal = normalise(sentence)
                if _tells(normal):
                    telling.setdefault(normal, sentence)
    return _Lines(samples=samples, telling=telling)


def _tells(normal: str) -> bool:
    return normal.count(" ") + 1 >= TELLING_WORDS
