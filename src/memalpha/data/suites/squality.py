"""Long summaries of SQuALITY (arXiv:2205.11465): a story a stream, questions about plot, setting and people.

Scored as arXiv:2509.25911 scores summaries, by the share of keywords that the answer contains. There a language model
wrote the keywords; here they are the words that most of a question's four reference answers share. Left out: words that
most texts have, words of the question, words that are not in the story, and questions that fewer than three remain for.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.passages import dated, pack
from memalpha.data.raw import field, read_records
from memalpha.data.suites.suite import CHUNK_TOKENS, NO_LIMITS, Limits, chosen, naming, own_file, refuse_length
from memalpha.errors import EpisodeError
from memalpha.records import Competency, Episode, Metric, Question
from memalpha.text import normalise, sentences

FILES = ("squality/test.jsonl.gz",)

_SHORTEST = 4
"""Letters of a keyword."""
_FEWEST = 3
"""Keywords of a question."""
_COMMON = frozenset(
    "able about after again against also another around away back because become becomes been before being between "
    "both came come comes could does doing down during each even ever every find finds first from gets give gives goes "
    "going have having here himself herself however into itself just know knows later like made make makes many more "
    "most much must near never next once only onto other others over says seem seems should since some still such "
    "take takes tells tell than that their them themselves then there these they thing things this those through "
    "together told took toward towards under until upon very want wants well went were what when where which while "
    "whom whose will with within without would your".split()
)


def load(
    path: Path,
    *,
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    count_tokens: Callable[[str], int] | None = None,
) -> Iterator[Episode]:
    """`summary-squality`: a suite's loader, see `memalpha.data.suites.suite.Loader`."""
    refuse_length(limits, "summary-squality")
    file = own_file(path, FILES[0])
    rng = random.Random(seed)
    for where, record in chosen(read_records(file), limits.episodes, rng):
        story = field(record, "document", str, where)
        questions = list(_questions(record, frozenset(normalise(story).split()), where))
        if questions:
            texts, _ = pack([sentences(story)], limits.chunk_tokens or CHUNK_TOKENS, count_tokens or nano_counter())
            uid = field(field(record, "metadata", dict, where), "passage_id", str, f"{where}: metadata")
            with naming(where):
                episode = Episode(
                    id=f"summary-squality:{uid}",
                    chunks=dated(texts),
                    questions=tuple(chosen(questions, limits.questions, rng)),
                    source="summary-squality",
                )
            yield episode


def keywords(question: str, references: Sequence[str], story_words: frozenset[str]) -> tuple[str, ...]:
    """The telling words of the story that more than half of the references have and the question does not, sorted."""
    shared = Counter(word for reference in references for word in set(normalise(reference).split()))
    given = _COMMON.union(normalise(question).split())
    found = {
        word
        for word, count in shared.items()
        if 2 * count > len(references) and len(word) >= _SHORTEST and word in story_words and word not in given
    }
    return tuple(sorted(word for word in found if not (word.endswith("s") and word[:-1] in found)))  # ship, not ships


def _questions(record: object, story_words: frozenset[str], where: str) -> Iterator[Question]:
    for number, asked in enumerate(field(record, "questions", list, where)):
        place = f"{where}: questions {number}"
        text = field(asked, "question_text", str, place).strip()
        references = [
            field(response, "response_text", str, f"{place}: responses {index}")
            for index, response in enumerate(field(asked, "responses", list, place))
        ]
        if not text or not references:
            raise EpisodeError(f"{place}: got no question or no response, expected both; leave it out")
        words = keywords(text, references, story_words)
        if len(words) >= _FEWEST:
            yield Question(
                text=text, answers=words, metric=Metric.KEYWORDS, competency=Competency.LONG_RANGE_UNDERSTANDING
            )
