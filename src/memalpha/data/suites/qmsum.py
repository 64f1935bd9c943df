"""Long summaries of QMSum (arXiv:2104.05938): a meeting a stream, questions for all of it and for single topics.

Scored by ROUGE-L against the one reference, as its authors do. Left out: marks of the transcribers ({vocalsound}).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.dialogues import Session, Turn, session_chunks
from memalpha.data.passages import dated
from memalpha.data.raw import checked, field, read_records
from memalpha.data.suites.suite import CHUNK_TOKENS, NO_LIMITS, Limits, chosen, naming, own_file, refuse_length
from memalpha.errors import EpisodeError
from memalpha.records import Competency, Episode, Metric, Question

FILES = ("qmsum/test.jsonl.gz",)

_MARK = re.compile(r"\{[^{}]*\}")


def load(
    path: Path,
    *,
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    count_tokens: Callable[[str], int] | None = None,
) -> Iterator[Episode]:
    """`summary-qmsum`: a suite's loader, see `memalpha.data.suites.suite.Loader`."""
    refuse_length(limits, "summary-qmsum")
    file = own_file(path, FILES[0])
    rng = random.Random(seed)
    for where, record in chosen(read_records(file), limits.episodes, rng):
        meeting = Session(turns=tuple(_turns(record, where)), time=None)
        chunks, [held] = session_chunks([meeting], limits.chunk_tokens or CHUNK_TOKENS, count_tokens or nano_counter())
        questions = [*_questions(record, "general_query_list", held, where)]
        questions += _questions(record, "specific_query_list", held, where)
        with naming(where):
            episode = Episode(
                id=f"summary-qmsum:{field(record, 'meeting_id', str, where)}",
                chunks=dated([chunk.text for chunk in chunks]),
                questions=tuple(chosen(questions, limits.questions, rng)),
                source="summary-qmsum",
            )
        yield episode


def _turns(record: object, where: str) -> Iterator[Turn]:
    for number, turn in enumerate(field(record, "meeting_transcripts", list, where)):
        place = f"{where}: meeting_transcripts {number}"
        yield Turn(speaker=field(turn, "speaker", str, place), text=_MARK.sub(" ", field(turn, "content", str, place)))


def _questions(record: object, key: str, held: Sequence[range], where: str) -> Iterator[Question]:
    for number, asked in enumerate(field(record, key, list, where)):
        place = f"{where}: {key} {number}"
        text, answer = (field(asked, name, str, place).strip() for name in ("query", "answer"))
        if not text or not answer:
            raise EpisodeError(f"{place}: got an empty query or answer, expected both; leave it out")
        spans = field(asked, "relevant_text_span", list, place) if "relevant_text_span" in asked else []
        turns = {turn for span in spans for turn in _span(span, len(held), f"{place}: relevant_text_span")}
        yield Question(
            text=text,
            answers=(answer,),
            metric=Metric.ROUGE_L,
            competency=Competency.LONG_RANGE_UNDERSTANDING,
            evidence=tuple(sorted({chunk for turn in turns for chunk in held[turn]})),
        )


def _span(span: object, turns: int, where: str) -> range:
    """The turns from the first to the last, which count."""
    ends = [int(end) for end in checked(span, list, where) if isinstance(end, str) and end.isdecimal()]
    if len(ends) != 2 or not 0 <= ends[0] <= ends[1] < turns:
        raise EpisodeError(f"{where}: got {span}, expected the first and the last of {turns} turns; mend the record")
    return range(ends[0], ends[1] + 1)
