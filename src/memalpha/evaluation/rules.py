"""Writers without a model: rules that fill the layouts of other systems, so that each can be scored without one.

A rule is no stand-in for the model of the original. It shows what the shape of a memory is worth by itself under the
common reader, and it stands in tables as "rule". Each reads the stream once, chunk by chunk, and knows no question.
Single texts hold no times: they would take a third of the room.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from memalpha.errors import ConfigError, DuplicateError
from memalpha.memory.bank import Bank, MemoryKind, Provenance
from memalpha.memory.tools import STREAM, Source, record
from memalpha.records import Chunk, Episode
from memalpha.text import sentences

_WORD = re.compile(r"\w+")
_FIRST_PERSON = re.compile(r"\b(?:I|I'm|I've|I'd|I'll|My|my|Mine|mine|me)\b")
_SPEAKER = re.compile(r"^\w+: ")
_ASSISTANT = "Assistant:"

_TO_THE_LETTER = re.compile(
    r"\S+@\S+\.\w|https?://|\b(?:password|passcode|code|pin|account|phone|address|license|licence|serial)\b|\d{5,}",
    re.IGNORECASE,
)
_STEPS = re.compile(r"\bhow to\b|\bstep\b|\bfirst\b.*\bthen\b|\binstructions?\b|\bin order to\b", re.IGNORECASE)
_EVENT = re.compile(
    r"\b(?:today|yesterday|tonight|tomorrow|ago|last (?:night|week|month|year|time))\b"
    r"|\b(?:I|we|he|she|they) (?:met|went|saw|bought|made|took|came|won|lost|had|was|were|\w+ed)\b",
    re.IGNORECASE,
)
_RESOURCE_WORDS = 60
"""A line as long as this is material rather than a statement."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    """One sentence on its way through an overwritten paragraph."""

    text: str
    place: int
    """Counts the sentences of the stream, so that a larger one is newer."""
    tokens: int
    telling: float
    """Names and numbers a token."""
    personal: bool
    """In the first person, and not said by the assistant."""


def keep_newest(episode: Episode, bank: Bank) -> None:
    """A core that always holds the newest sentences of the stream that fit its limit."""
    _overwrite(episode, bank, lambda each: (each.place,))


def keep_salient(episode: Episode, bank: Bank) -> None:
    """A core that always holds the sentences with the most names and numbers a token that fit its limit.

    A name is a capitalised word that does not open the sentence, a number any word with a digit; each counts once a
    sentence. Between equals the newer sentence stays.
    """
    _overwrite(episode, bank, lambda each: (each.telling, each.place))


def keep_file(episode: Episode, bank: Bank) -> None:
    """A file with a heading for each time and a bullet for each line; when it is full, its oldest lines go.

    A line that the file has already is not written again.
    """
    heading = None
    for index, chunk in enumerate(episode.chunks):
        if chunk.time is not None and chunk.time != heading:
            heading = chunk.time
            _append(bank, f"## {heading}", Provenance(chunk=index, time=chunk.time))
        for number, line in enumerate(chunk.lines, start=1):
            _append(bank, f"- {line}", Provenance(chunk=index, lines=(number,), time=chunk.time))


def page_out(episode: Episode, bank: Bank) -> None:
    """Everything on record, and in the text about the user the newest sentences in the first person that fit.

    What a line beginning with "Assistant:" says is not about the user.
    """
    about: list[_Sentence] = []
    for index, chunk, found in _stream(episode, bank):
        record(bank, Source(chunk=chunk, index=index))
        about = _about_user(bank, [*about, *found])
        _write(bank, MemoryKind.HUMAN, about, Provenance(chunk=index, time=chunk.time, author=STREAM))


def sort_by_kind(episode: Episode, bank: Bank) -> None:
    """Each line in one of the five stores by what it looks like, and the text about the user as in `page_out`.

    The first that holds: the vault for codes, addresses and long numbers; a resource for 60 words and more; a procedure
    for steps; an episode for what somebody did and for words such as "yesterday"; else the semantic memory.
    """
    about: list[_Sentence] = []
    for index, chunk, found in _stream(episode, bank):
        for number, line in enumerate(chunk.lines, start=1):
            provenance = Provenance(chunk=index, lines=(number,), time=chunk.time)
            try:
                bank.insert(kind_of(line), line, provenance)
            except DuplicateError:
                continue  # the same text again adds nothing that could be read
        about = _about_user(bank, [*about, *found])
        _write(bank, MemoryKind.HUMAN, about, Provenance(chunk=index, time=chunk.time))


def kind_of(line: str) -> MemoryKind:
    """Which of the five stores of `MIRIX` a line belongs to."""
    if _TO_THE_LETTER.search(line):
        return MemoryKind.VAULT
    if len(line.split()) >= _RESOURCE_WORDS:
        return MemoryKind.RESOURCE
    if _STEPS.search(line):
        return MemoryKind.PROCEDURAL
    return MemoryKind.EPISODIC if _EVENT.search(line) else MemoryKind.SEMANTIC


_Rank = Callable[[_Sentence], tuple[float, ...]]


def _overwrite(episode: Episode, bank: Bank, rank: _Rank) -> None:
    """Rewrite the core after each chunk with the highest sentences of what it held and what the chunk adds."""
    kept: list[_Sentence] = []
    for index, chunk, found in _stream(episode, bank):
        kept = _keep(bank, MemoryKind.CORE, [*kept, *found], rank)
        _write(bank, MemoryKind.CORE, kept, Provenance(chunk=index, time=chunk.time))


def _about_user(bank: Bank, found: list[_Sentence]) -> list[_Sentence]:
    """The newest sentences in the first person that fit the text about the user."""
    return _keep(bank, MemoryKind.HUMAN, [each for each in found if each.personal], lambda each: (each.place,))


def _stream(episode: Episode, bank: Bank) -> Iterator[tuple[int, Chunk, list[_Sentence]]]:
    """Each chunk with its sentences that the stream has not had before."""
    seen: set[str] = set()
    for index, chunk in enumerate(episode.chunks):
        found = []
        for line in chunk.lines:
            for text in sentences(line):
                if text not in seen:
                    seen.add(text)
                    tokens = bank.count_tokens(f"{text}\n")
                    personal = _FIRST_PERSON.search(text) is not None and not line.startswith(_ASSISTANT)
                    found.append(_Sentence(text, len(seen), tokens, _telling(text) / max(1, tokens), personal))
        yield index, chunk, found


def _keep(bank: Bank, kind: MemoryKind, found: list[_Sentence], rank: _Rank) -> list[_Sentence]:
    """The highest sentences that fit the limit of a single text, in the order of the stream."""
    limit = bank.layout.limit(kind)
    if limit is None:
        raise ConfigError(f"got the layout {bank.layout.name!r} without a limit for {kind}, expected one; give it one")
    kept, left = [], limit
    for each in sorted(found, key=rank, reverse=True):
        if each.tokens <= left:
            left -= each.tokens
            kept.append(each)
    # In a sub-word vocabulary the counts of the lines do not quite add up to the count of the whole.
    while kept and bank.count_tokens(_joined(kept)) > limit:
        kept.pop()
    return sorted(kept, key=lambda each: each.place)


def _joined(kept: list[_Sentence]) -> str:
    return "\n".join(each.text for each in kept)


def _write(bank: Bank, kind: MemoryKind, kept: list[_Sentence], provenance: Provenance) -> None:
    """Make a single text say these sentences, a line each."""
    text = _joined(kept)
    single = bank.single(kind)
    if text and (single is None or single.text != text):
        bank.update(kind, None, text, provenance)


def _append(bank: Bank, line: str, provenance: Provenance) -> None:
    """Add a line to the file, after taking as many from its start as have to go."""
    limit, size_tokens = bank.layout.limit(MemoryKind.FILE), bank.count_tokens(line)
    if limit is not None:
        if size_tokens > limit:
            return  # a line that no file could hold
        for entry in bank.entries(MemoryKind.FILE):
            if bank.tokens(MemoryKind.FILE) + size_tokens <= limit:
                break
            bank.delete(MemoryKind.FILE, entry.id, provenance)
    try:
        bank.insert(MemoryKind.FILE, line, provenance)
    except DuplicateError:
        return  # the same line again adds nothing that could be read


def _telling(sentence: str) -> int:
    """How many names and numbers a sentence has."""
    words = _WORD.findall(_SPEAKER.sub("", sentence))
    marked = {word for at, word in enumerate(words) if any(map(str.isdigit, word)) or (at > 0 and word[0].isupper())}
    return len(marked - {"I"})
