"""Answers questions from a bank: retrieve, then read. The reader is frozen; only the writer learns.

`ExtractiveReader` needs no model and answers with one sentence at most, so that nothing is won by answering at length.
Both readers see what a `Selector` shows them: by default the core, and the best `k` entries of each store by BM25 (the
paper's reader takes 20).
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from memalpha.agent.model import Model, Prompt, Sampling
from memalpha.agent.prompting import fill, load
from memalpha.memory.bank import Bank, Entry
from memalpha.memory.layout import MEMALPHA, Layout
from memalpha.memory.search import tokenize
from memalpha.records import Message, Role
from memalpha.text import sentences

_FIRST = frozenset({"first", "earliest", "initial", "initially"})
_LATEST = frozenset({"latest", "last", "newest", "recent", "recently", "currently"})
_USER = re.compile(r"\bthe user(?:'s)?\b|\buser's\b", re.IGNORECASE)
_CLOSE = 0.9
"""Sentences whose score is within this share of the best one compete on time when the question asks for an order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a reader is shown for one question."""

    core: str
    entries: tuple[Entry, ...]
    """Store by store in the order of `Layout.stores`, so semantic hits before episodic ones, each best first."""

    @property
    def text(self) -> str:
        """All of it, as one text."""
        return "\n".join([self.core, *(entry.rendered for entry in self.entries)]).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer and what it was read from."""

    text: str
    shown: Shown


class Selector(Protocol):
    """Decides what of a memory is shown for each question."""

    def select(self, bank: Bank, questions: Sequence[str]) -> list[Shown]:
        """What is shown for each question, in order."""
        ...


class Reader(Protocol):
    """Anything that answers questions from a bank."""

    def read(self, bank: Bank, questions: Sequence[str]) -> list[Answer]:
        """One answer for each question, in order; raises `ModelError`, since an outage is never an answer."""
        ...


@dataclass(frozen=True, slots=True)
class BestEntries:
    """The core and the `k` best entries of each store by BM25."""

    k: int = 20

    def select(self, bank: Bank, questions: Sequence[str]) -> list[Shown]:
        """What `retrieve` finds for each question."""
        return [retrieve(bank, question, self.k) for question in questions]


def retrieve(bank: Bank, question: str, k: int) -> Shown:
    """The core and the `k` best entries of each store."""
    query = spoken_by_user(question)
    hits = [hit.entry for kind in bank.layout.stores for hit in bank.search(kind, query, k)]
    return Shown(core=bank.core_text, entries=tuple(hits))


def spoken_by_user(question: str) -> str:
    """The question with the words in which a user speaks of themselves, where it asks about "the user"."""
    return f"{question} I me my" if _USER.search(question) else question


class AnswerCache:
    """Answers by question and shown entries: a question is asked again only when what it would be shown has changed.

    May be used from several threads.
    """

    def __init__(self, limit: int = 200_000) -> None:
        """Drop everything once `limit` answers are held."""
        self._limit = limit
        self._answers: dict[tuple[str, Shown], str] = {}
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def get(self, question: str, shown: Shown) -> str | None:
        """The answer given before, if any."""
        with self._lock:
            answer = self._answers.get((question, shown))
            if answer is None:
                self.misses += 1
            else:
                self.hits += 1
            return answer

    def put(self, question: str, shown: Shown, answer: str) -> None:
        """Keep an answer."""
        with self._lock:
            if len(self._answers) >= self._limit:
                self._answers.clear()
            self._answers[question, shown] = answer


class ExtractiveReader:
    """Answers with the one sentence that shares the most telling words with the question.

    A word weighs its inverse frequency among the sentences shown, names and numbers twice that. Between equals the
    later sentence wins. A question for the first or the latest of something is answered by time among the near-best
    sentences.
    """

    def __init__(self, k: int = 20, *, selector: Selector | None = None) -> None:
        """`k` entries of each store are read for a question, or what `selector` shows."""
        self.selector = selector or BestEntries(k)

    def read(self, bank: Bank, questions: Sequence[str]) -> list[Answer]:
        """One sentence for each question; empty when the memory shares no word with it."""
        shown = self.selector.select(bank, questions)
        return [
            Answer(text=extract(question, each), shown=each) for question, each in zip(questions, shown, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Candidate:
    text: str
    words: frozenset[str]
    order: tuple[str, int, int]
    """Time, entry, place in the entry: sorts by age."""


def extract(question: str, shown: Shown) -> str:
    """The answering sentence of what is shown, with the time of its entry; empty when nothing matches."""
    words = set(tokenize(spoken_by_user(question)))
    order = _FIRST & words, _LATEST & words
    words -= _FIRST | _LATEST
    candidates = _candidates(shown)
    weights = _weights(words, candidates, question)
    scored = [(sum(weights[word] for word in words & each.words), each) for each in candidates]
    best = max((score for score, _ in scored), default=0.0)
    if best <= 0.0:
        return ""
    if order[0] or order[1]:
        near = [each for score, each in scored if score >= _CLOSE * best]
        pick = min if order[0] else max
        return pick(near, key=lambda each: each.order).text
    return max(scored, key=lambda pair: (round(pair[0], 9), pair[1].order))[1].text


def _candidates(shown: Shown) -> list[_Candidate]:
    found = [_Candidate(text, words, ("", 0, place)) for place, (text, words) in enumerate(_split(shown.core))]
    for entry in shown.entries:
        for place, (text, words) in enumerate(_split(entry.text)):
            dated = f"[{entry.time}] {text}" if entry.kind.dated and entry.time else text
            found.append(_Candidate(dated, words, (entry.time or "", entry.id, place)))
    return found


def _weights(words: set[str], candidates: list[_Candidate], question: str) -> dict[str, float]:
    """Inverse sentence frequency of each word of the question among the candidates; names and numbers count twice."""
    names = _names(question)
    n = len(candidates)
    weights = {}
    for word in words:
        df = sum(word in each.words for each in candidates)
        weights[word] = math.log(1 + (n - df + 0.5) / (df + 0.5)) * (2.0 if word in names else 1.0)
    return weights


@lru_cache(maxsize=10_000)
def _names(question: str) -> frozenset[str]:
    """Words of a question that are capitalised, its first word aside, or that hold a digit; in lower case."""
    found = re.findall(r"\w+", question)
    return frozenset(
        word.lower() for at, word in enumerate(found) if (at > 0 and word[0].isupper()) or any(map(str.isdigit, word))
    )


@lru_cache(maxsize=200_000)
def _split(text: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """The sentences of a text, line by line, each with its words."""
    return tuple(
        (sentence, frozenset(tokenize(sentence))) for line in text.splitlines() for sentence in sentences(line)
    )


class ModelReader:
    """Answers through any `Model`, in one batch; the prompt is `prompts/reader.md`."""

    def __init__(
        self, model: Model, *, k: int = 20, sampling: Sampling | None = None, selector: Selector | None = None
    ) -> None:
        """`k` entries of each store are shown for a question, or what `selector` shows."""
        self.model = model
        self.selector = selector or BestEntries(k)
        self.sampling = sampling or Sampling(max_tokens=64)
        self.cache = AnswerCache()

    @property
    def concurrency(self) -> int:
        """From how many threads at once it may be asked; 0 for a model that is not made for it."""
        return int(getattr(self.model, "concurrency", 0))

    def read(self, bank: Bank, questions: Sequence[str]) -> list[Answer]:
        """One answer for each question; only those are asked whose shown entries changed. Raises `ModelError`."""
        shown = self.selector.select(bank, questions)
        texts = [self.cache.get(question, each) for question, each in zip(questions, shown, strict=True)]
        missing = [at for at, text in enumerate(texts) if text is None]
        if missing:
            prompts = [reader_prompt(questions[at], shown[at], bank.layout) for at in missing]
            for at, completion in zip(missing, self.model.complete(prompts, self.sampling), strict=True):
                texts[at] = completion.text.strip()
                self.cache.put(questions[at], shown[at], texts[at] or "")
        return [Answer(text=text or "", shown=each) for text, each in zip(texts, shown, strict=True)]


def reader_prompt(question: str, shown: Shown, layout: Layout = MEMALPHA) -> Prompt:
    """Instructions with the memory, kind by kind as the layout has them, then the question."""
    parts = [f"Core:\n{shown.core or '(empty)'}"] if layout.singles else []
    for kind in layout.stores:
        entries = "\n".join(f"- {entry.rendered}" for entry in shown.entries if entry.kind is kind)
        parts.append(f"{kind.value.capitalize()}:\n{entries or '(none)'}")
    system = fill(load("reader"), memory="\n\n".join(parts))
    return Prompt(messages=(Message(role=Role.SYSTEM, content=system), Message(role=Role.USER, content=question)))
