"""SQuAD v1.1 and v2.0 (arXiv:1606.05250, arXiv:1806.03822) as streams of paragraphs from mixed articles.

Read as the official JSON, and as JSON Lines of articles, of paragraphs or of single questions. Left out: unanswerable
questions, questions with a gold answer that no chunk holds, and titles.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.answers import is_short
from memalpha.data.exchange import exchange
from memalpha.data.hub import HubSet, Place, name_of_place, read_place
from memalpha.data.passages import Filled, cut_lines, dated, expect_positive, fill, places
from memalpha.data.raw import checked, field
from memalpha.errors import EpisodeError
from memalpha.records import Episode, Question
from memalpha.text import sentences

MAX_CHUNK_TOKENS = 512
"""Paragraphs over it are cut at a sentence end: about one in twelve, counted with the nano tokenizer."""

HUB = HubSet(name="rajpurkar/squad")
PACKED_TOKENS = (100, 2048)
"""Least and most of a packed chunk, without its dressing."""
PACKED_CHUNKS = 10
"""Of one packed episode."""
PACKED_GIVEN = 50
"""Questions that the paragraphs of a packed episode have at least."""
PACKED_ASKED = (30, 100)
"""Questions of a packed episode, at least and at most."""


def load(
    path: Path,
    *,
    seed: int = 0,
    paragraphs_per_episode: int = 8,
    questions_per_paragraph: int = 2,
    max_chunk_tokens: int = MAX_CHUNK_TOKENS,
    count_tokens: Callable[[str], int] | None = None,
) -> Iterator[Episode]:
    """Episodes of one file, a paragraph a chunk and a sentence a line; the same seed gives the same episodes.

    Args:
        path: JSON or JSON Lines, gzipped when it ends with .gz.
        seed: Decides which paragraphs meet in an episode, and which questions are asked.
        paragraphs_per_episode: The last episode has what is left.
        questions_per_paragraph: At most; drawn at random, because SQuAD lists them in the order of the text.
        max_chunk_tokens: Longer paragraphs become several chunks, cut at sentence ends.
        count_tokens: Counts for that limit; None is the nano policy's tokenizer.
    """
    sizes = (("paragraphs_per_episode", paragraphs_per_episode), ("questions_per_paragraph", questions_per_paragraph))
    expect_positive((*sizes, ("max_chunk_tokens", max_chunk_tokens)))
    count = count_tokens or nano_counter()
    rng = random.Random(seed)
    paragraphs = list(read_paragraphs(path).items())
    rng.shuffle(paragraphs)
    for number, start in enumerate(range(0, len(paragraphs), paragraphs_per_episode)):
        texts: list[str] = []
        questions: list[Question] = []
        for context, asked in paragraphs[start : start + paragraphs_per_episode]:
            parts = cut_lines(sentences(context), max_chunk_tokens, count)
            drawn = _placed(rng.sample(asked, len(asked)), parts, first=len(texts))
            questions.extend(islice(drawn, questions_per_paragraph))
            texts.extend(parts)
        if questions:
            yield Episode(
                id=f"{path.name}:{seed}:{number}", chunks=dated(texts), questions=tuple(questions), source="squad"
            )


def load_packed(place: Place, *, seed: int = 0, count_tokens: Callable[[str], int] | None = None) -> Iterator[Episode]:
    """Longer episodes, many paragraphs a chunk (arXiv:2509.25911); the same seed gives the same episodes.

    Chunks hold whole paragraphs in the order of the file and are dressed as exchanges. Golds over `SHORT_WORDS` words
    are left out, and so are episodes with less to ask than the paper's. Not done here: its filter of questions that a
    model answers without the text (`memalpha.data.closed_book`).

    Args:
        place: As in `load`, or the hub.
        seed: Decides the sizes of chunks, their dressing, and which questions are asked.
        count_tokens: Counts for the sizes; None is the nano policy's tokenizer.
    """
    count = count_tokens or nano_counter()
    rng = random.Random(seed)
    paragraphs = list(read_paragraphs(place).items())
    filled = fill([sentences(context) for context, _ in paragraphs], *PACKED_TOKENS, count, rng)
    for number, start in enumerate(range(0, len(filled), PACKED_CHUNKS)):
        group = filled[start : start + PACKED_CHUNKS]
        held = sorted({index for each in group for index in each.passages})
        if sum(len(paragraphs[index][1]) for index in held) < PACKED_GIVEN:
            continue
        short = [question for index in held for question in _short(paragraphs[index][1], index, group)]
        asked = list({question.text: question for question in short}.values())
        if len(asked) >= PACKED_ASKED[0]:
            yield Episode(
                id=f"{name_of_place(place)}:{seed}:{number}",
                chunks=dated([exchange(each.text, rng) for each in group]),
                questions=tuple(rng.sample(asked, min(len(asked), PACKED_ASKED[1]))),
                source="squad",
            )


def _short(questions: Iterable[Question], paragraph: int, group: Sequence[Filled]) -> Iterator[Question]:
    """The questions with a short gold in a chunk of their paragraph, those chunks as evidence."""
    chunks = [index for index, each in enumerate(group) if paragraph in each.passages]
    texts = [group[index].text for index in chunks]
    for question in questions:
        golds = tuple(answer for answer in question.answers if is_short(answer) and places(answer, texts))
        evidence = sorted({chunks[place] for answer in golds for place in places(answer, texts)})
        if golds:
            yield Question(text=question.text, answers=golds, evidence=tuple(evidence))


def _placed(questions: Iterable[Question], parts: Sequence[str], first: int) -> Iterator[Question]:
    """The questions whose every gold answer stands in a part, with those parts as evidence."""
    for question in questions:
        found = [places(answer, parts) for answer in question.answers]
        if all(found):
            evidence = sorted({first + place for each in found for place in each})
            yield Question(text=question.text, answers=question.answers, evidence=tuple(evidence))


def read_paragraphs(place: Place) -> dict[str, list[Question]]:
    """The answerable questions of each distinct paragraph, in the order of the file."""
    found: dict[str, list[Question]] = {}
    for where, paragraph in _unpack("paragraphs", _unpack("data", read_place(place))):
        context = field(paragraph, "context", str, where)
        if not context.strip():
            raise EpisodeError(f"{where}: context: got empty text, expected a paragraph; leave the record out")
        questions = found.setdefault(context, [])
        for at, asked in _asked(paragraph, where):
            text = field(asked, "question", str, at)
            answers = _answers(asked, at)
            # The crowd left a few blank questions and answers; they are no fault of the file.
            if text.strip() and answers:
                questions.append(Question(text=text.strip(), answers=answers))
    return found


def _unpack(key: str, records: Iterable[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    """The list under `key` in place of each record that has one; other records as they are."""
    for where, record in records:
        if isinstance(record, dict) and key in record:
            items = field(record, key, list, where)
            yield from ((f"{where}: {key} {index}", item) for index, item in enumerate(items))
        else:
            yield where, record


def _asked(paragraph: object, where: str) -> list[tuple[str, object]]:
    if isinstance(paragraph, dict) and "question" in paragraph and "qas" not in paragraph:
        return [(where, paragraph)]
    return [(f"{where}: qas {index}", item) for index, item in enumerate(field(paragraph, "qas", list, where))]


def _answers(asked: object, where: str) -> tuple[str, ...]:
    """Each answer once, in order; none for an unanswerable question."""
    if isinstance(asked, dict) and asked.get("is_impossible") is True:
        return ()
    given = field(asked, "answers", object, where)
    if isinstance(given, dict):
        given = field(given, "text", list, f"{where}: answers")
    texts: list[str] = []
    for index, item in enumerate(checked(given, list, f"{where}: answers")):
        place = f"{where}: answers {index}"
        texts.append(field(item, "text", str, place) if isinstance(item, dict) else checked(item, str, place))
    return tuple(dict.fromkeys(" ".join(text.split()) for text in texts if text.strip()))
