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
from memalpha.data.passages import cut_lines, dated, expect_positive, places
from memalpha.data.raw import checked, field, read_records
from memalpha.errors import EpisodeError
from memalpha.records import Episode, Question
from memalpha.text import sentences

MAX_CHUNK_TOKENS = 512
"""Paragraphs over it are cut at a sentence end: about one in twelve, counted with the nano tokenizer."""


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


def _placed(questions: Iterable[Question], parts: Sequence[str], first: int) -> Iterator[Question]:
    """The questions whose every gold answer stands in a part, with those parts as evidence."""
    for question in questions:
        found = [places(answer, parts) for answer in question.answers]
        if all(found):
            evidence = sorted({first + place for each in found for place in each})
            yield Question(text=question.text, answers=question.answers, evidence=tuple(evidence))


def read_paragraphs(path: Path) -> dict[str, list[Question]]:
    """The answerable questions of each distinct paragraph, in the order of the file."""
    found: dict[str, list[Question]] = {}
    for where, paragraph in _unpack("paragraphs", _unpack("data", read_records(path))):
        context = field(paragraph, "context", str, where)
        if not context.strip():
            raise EpisodeError(f"{where}: context: got empty text, expected a paragraph; leave the record out")
        questions = found.setdefault(context, [])
        for place, asked in _asked(paragraph, where):
            text = field(asked, "question", str, place)
            answers = _answers(asked, place)
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
