"""BEAM (arXiv:2510.27246) as it is read for its suite: long dated chats. Stands in for LongMemEval-train.

A score on it is none on LongMemEval: other chats, and questions of other kinds. Left out: abstentions, and questions
whose answer is found in no message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from memalpha.data.hub import Place, file_of_place
from memalpha.data.suites import beam
from memalpha.records import Episode


def load(place: Place, *, seed: int = 0, count_tokens: Callable[[str], int] | None = None) -> Iterator[Episode]:
    """One episode a chat, which is longer than most policies are trained on (`memalpha.data.build.split_long`).

    Args:
        place: JSON Lines, a chat a line, gzipped when it ends with .gz.
        seed: Not needed: all is read.
        count_tokens: Counts for the size of chunks; None is the nano policy's tokenizer.
    """
    file = file_of_place(place)
    for chat in beam.load(file, seed=seed, count_tokens=count_tokens):
        questions = tuple({each.text: each for each in chat.questions if each.evidence}.values())
        if questions:
            yield replace(chat, id=f"{file.name}:{chat.id.split(':')[-1]}", questions=questions, source="beam")
