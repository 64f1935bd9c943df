"""HotpotQA (arXiv:1809.09600) as streams of paragraphs, two of which hold what a question needs.

Read in the official shape and in Hugging Face's, as a JSON array or JSON Lines. Left out: questions whose answer stands
in none of their supporting paragraphs, or whose context lacks one of these (as in the full-wiki setting).
"""

from __future__ import annotations

import html
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.answers import is_short
from memalpha.data.exchange import exchange
from memalpha.data.hub import HubSet, Place, name_of_place, read_place
from memalpha.data.passages import cut_lines, dated, expect_positive, fill, places
from memalpha.data.raw import checked, field, name_of
from memalpha.errors import EpisodeError
from memalpha.metrics import contains
from memalpha.records import Episode, Question

HUB = HubSet(name="hotpotqa/hotpot_qa", config="fullwiki")
PACKED_TOKENS = (100, 2048)
"""Least and most of a packed chunk, without its dressing."""
PACKED_LENGTH = 10_000
"""Tokens at which a packed episode takes no further question."""
PACKED_CHUNKS = 20
"""Of a packed episode at most."""
PACKED_ASKED = (10, 100)
"""Questions of a packed episode, at least and at most."""

_YES_NO = frozenset({"yes", "no"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question with its paragraphs: one record."""

    text: str
    answer: str
    paragraphs: dict[str, tuple[str, ...]]
    """Lines by title; the first one names the title."""
    supporting: frozenset[str]
    """Titles."""

    def is_placed(self, texts: Sequence[str]) -> bool:
        """Whether the answer can be read in these texts; a yes or no is concluded, not read."""
        return self.is_yes_no or bool(places(self.answer, texts))

    @property
    def is_yes_no(self) -> bool:
        """Whether the answer is a yes or a no."""
        return self.answer.lower() in _YES_NO


def load(
    path: Path,
    *,
    seed: int = 0,
    questions_per_episode: int = 4,
    keep_yes_no: bool = False,
    max_chunk_tokens: int | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> Iterator[Episode]:
    """Episodes of one file, a paragraph a chunk and a sentence a line; the same seed gives the same episodes.

    Args:
        path: JSON or JSON Lines, gzipped when it ends with .gz.
        seed: Decides which questions meet in an episode, and the order of their paragraphs.
        questions_per_episode: Each brings its own paragraphs, about ten; the last episode has what is left.
        keep_yes_no: Ask comparisons that are answered with yes or no as well.
        max_chunk_tokens: Longer paragraphs become several chunks, cut at sentence ends; None keeps them whole.
        count_tokens: Counts for that limit; None is the nano policy's tokenizer.
    """
    expect_positive((("questions_per_episode", questions_per_episode), ("max_chunk_tokens", max_chunk_tokens)))
    rng = random.Random(seed)
    asked = [each for each in read_asked(path) if keep_yes_no or not each.is_yes_no]
    rng.shuffle(asked)
    for number, start in enumerate(range(0, len(asked), questions_per_episode)):
        group = asked[start : start + questions_per_episode]
        paragraphs = {title: lines for each in reversed(group) for title, lines in each.paragraphs.items()}
        titles = sorted(paragraphs)
        rng.shuffle(titles)
        texts: list[str] = []
        chunks_of: dict[str, range] = {}
        for title in titles:
            parts = _parts(paragraphs[title], max_chunk_tokens, count_tokens)
            chunks_of[title] = range(len(texts), len(texts) + len(parts))
            texts.extend(parts)
        questions = tuple(_questions(group, texts, chunks_of))
        if questions:
            yield Episode(
                id=f"{path.name}:{seed}:{number}", chunks=dated(texts), questions=questions, source="hotpotqa"
            )


def load_packed(place: Place, *, seed: int = 0, count_tokens: Callable[[str], int] | None = None) -> Iterator[Episode]:
    """Longer episodes of the supporting paragraphs only, many a chunk (arXiv:2509.25911); the same seed, the same ones.

    What misleads in one question is what another one needs. Questions answered with yes or no are left out, and so are
    golds over `SHORT_WORDS` words and episodes of fewer than ten questions. Not done here: the paper's filter of
    questions that a model answers without the text (`memalpha.data.closed_book`).

    Args:
        place: As in `load`, or the hub.
        seed: Decides which questions meet, the order of their paragraphs, the sizes of chunks and their dressing.
        count_tokens: Counts for the sizes; None is the nano policy's tokenizer.
    """
    count = count_tokens or nano_counter()
    rng = random.Random(seed)
    asked = [each for each in read_asked(place) if not each.is_yes_no and is_short(each.answer)]
    rng.shuffle(asked)
    for number, group in enumerate(_groups(asked, count)):
        paragraphs = {title: each.paragraphs[title] for each in reversed(group) for title in each.supporting}
        titles = sorted(paragraphs)
        rng.shuffle(titles)
        filled = fill([paragraphs[title] for title in titles], *PACKED_TOKENS, count, rng)[:PACKED_CHUNKS]
        texts = [each.text for each in filled]
        held = {
            title: [index for index, each in enumerate(filled) if at in each.passages]
            for at, title in enumerate(titles)
        }
        placed = [question for each in group for question in _packed_question(each, texts, held)]
        questions = tuple({question.text: question for question in placed}.values())
        if len(questions) >= PACKED_ASKED[0]:
            yield Episode(
                id=f"{name_of_place(place)}:{seed}:{number}",
                chunks=dated([exchange(text, rng) for text in texts]),
                questions=tuple(rng.sample(questions, min(len(questions), PACKED_ASKED[1]))),
                source="hotpotqa",
            )


def _groups(asked: Sequence[Asked], count_tokens: Callable[[str], int]) -> Iterator[list[Asked]]:
    """Questions in order, until their supporting paragraphs reach the length of an episode."""
    group: list[Asked] = []
    titles: set[str] = set()
    total = 0
    for each in asked:
        total += sum(count_tokens("\n".join(each.paragraphs[title])) for title in each.supporting - titles)
        titles |= each.supporting
        group.append(each)
        if total >= PACKED_LENGTH:
            yield group
            group, titles, total = [], set(), 0
    if group:
        yield group


def _packed_question(asked: Asked, texts: Sequence[str], held: dict[str, list[int]]) -> Iterator[Question]:
    """The question when its answer stands in the chunks of its supporting paragraphs, all of which are there."""
    evidence = sorted({index for title in asked.supporting for index in held[title]})
    if all(held[title] for title in asked.supporting) and places(asked.answer, [texts[index] for index in evidence]):
        yield Question(text=asked.text, answers=(asked.answer,), evidence=tuple(evidence))


def _parts(lines: Sequence[str], max_tokens: int | None, count_tokens: Callable[[str], int] | None) -> list[str]:
    return ["\n".join(lines)] if max_tokens is None else cut_lines(lines, max_tokens, count_tokens or nano_counter())


def _questions(group: Sequence[Asked], texts: Sequence[str], chunks_of: dict[str, range]) -> Iterator[Question]:
    for each in group:
        evidence = sorted(index for title in each.supporting for index in chunks_of[title])
        # Checked once more: the limit may have cut the answer in two, and another record's text of a title may differ.
        if each.is_placed([texts[index] for index in evidence]):
            yield Question(text=each.text, answers=(each.answer,), evidence=tuple(evidence))


def read_asked(place: Place) -> Iterator[Asked]:
    """The records that can be answered from their own supporting paragraphs."""
    for where, record in read_place(place):
        text = field(record, "question", str, where).strip()
        answer = " ".join(field(record, "answer", str, where).split())
        paragraphs = {
            title: lines
            for title, given, place in _pairs(record, "context", "sentences", where)
            if (lines := _lines(title, given, place))
        }
        supporting = frozenset(title for title, _, _ in _pairs(record, "supporting_facts", "sent_id", where))
        if not (text and answer and supporting and supporting <= paragraphs.keys()):
            continue
        asked = Asked(text=text, answer=answer, paragraphs=paragraphs, supporting=supporting)
        if asked.is_placed(["\n".join(paragraphs[title]) for title in supporting]):
            yield asked


def _pairs(record: object, key: str, second: str, where: str) -> Iterator[tuple[str, object, str]]:
    """Title, its companion and the place of both, from a list of pairs or from a pair of lists."""
    given = field(record, key, object, where)
    place = f"{where}: {key}"
    if isinstance(given, dict):
        titles, others = field(given, "title", list, place), field(given, second, list, place)
        if len(titles) != len(others):
            raise EpisodeError(
                f"{place}: got {len(titles)} titles and {len(others)} {second}, expected as many of both"
            )
        given = [list(pair) for pair in zip(titles, others, strict=True)]
    for index, pair in enumerate(checked(given, list, place)):
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise EpisodeError(f"{place} {index}: got {name_of(pair)}, expected a title and its {second}")
        # Titles come with HTML entities, sentences without.
        yield " ".join(html.unescape(pair[0]).split()), pair[1], f"{place} {index}"


def _lines(title: str, given: object, where: str) -> tuple[str, ...]:
    """One line a sentence, the title before the first one unless that names it; none for a paragraph without text."""
    texts = [checked(sentence, str, f"{where}: sentences") for sentence in checked(given, list, f"{where}: sentences")]
    lines = [line for line in (" ".join(text.split()) for text in texts) if line]
    if lines and title and not contains(lines[0], [title]):
        lines[0] = f"{title}: {lines[0]}"
    return tuple(lines)
