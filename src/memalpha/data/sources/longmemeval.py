"""LongMemEval-train (arXiv:2509.25911): several questions of LongMemEval over the sessions that hold their answers.

Read from the authors' longmemeval_oracle.json, as for the suite; a build whose tests hold LongMemEval or
MemoryAgentBench refuses or drops the questions that they share. Left out: abstentions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from memalpha.agent.tokens import nano_counter
from memalpha.data.hub import Place, file_of_place
from memalpha.data.suites import longmemeval
from memalpha.records import Chunk, Episode, Question

TOKENS = (10_000, 30_000)
"""Of an episode: below the least another question joins, above the most none does."""
QUESTIONS = 4
"""Of an episode at least, as far as its tokens allow."""


def load(place: Place, *, seed: int = 0, count_tokens: Callable[[str], int] | None = None) -> Iterator[Episode]:
    """Episodes of several questions, all their sessions by date; the same seed gives the same episodes.

    Args:
        place: JSON as published, gzipped when it ends with .gz.
        seed: Decides which questions meet.
        count_tokens: Counts for the sizes; None is the nano policy's tokenizer.
    """
    file = file_of_place(place)
    count = count_tokens or nano_counter()
    asked = [each for each in longmemeval.load(file, seed=seed, count_tokens=count) if each.questions[0].evidence]
    random.Random(seed).shuffle(asked)
    for number, group in enumerate(_groups(asked, count)):
        yield _joined(group, f"{file.name}:{seed}:{number}")


def _groups(asked: Sequence[Episode], count_tokens: Callable[[str], int]) -> Iterator[list[Episode]]:
    group: list[Episode] = []
    held: dict[Chunk, int] = {}
    for each in asked:
        new = {chunk: count_tokens(chunk.text) for chunk in each.chunks if chunk not in held}
        total = sum(held.values())
        enough = len(group) >= QUESTIONS and total >= TOKENS[0]
        if group and (enough or total + sum(new.values()) > TOKENS[1]):
            yield group
            group, held = [], {}
            new = {chunk: count_tokens(chunk.text) for chunk in each.chunks}
        group.append(each)
        held |= new
    if group:
        yield group


def _joined(group: Sequence[Episode], id: str) -> Episode:
    """All chunks by date, each once, and all questions."""
    chunks = sorted({chunk: None for each in group for chunk in each.chunks}, key=lambda chunk: chunk.time or "")
    places = {chunk: at for at, chunk in enumerate(chunks)}

    def moved(question: Question, episode: Episode) -> Question:
        return replace(question, evidence=tuple(sorted({places[episode.chunks[at]] for at in question.evidence})))

    questions = {each.questions[0].text: moved(each.questions[0], each) for each in group}
    return Episode(id=id, chunks=tuple(chunks), questions=tuple(questions.values()), source="longmemeval")
