"""Conflict resolution like FactConsolidation (arXiv:2507.05257): numbered facts of MQuAKE (arXiv:2305.14795).

An edited fact stands in the stream as it was and, later and under a higher number, as it is now, among facts that
nobody edits. `conflict-mquake-single` asks for the newest object of one edited fact, `conflict-mquake-multi` for the
end of a chain of facts; both have the same stream. Golds hold for the whole stream, whichever cases meet in it. Left
out: questions whose outdated answer would score as well.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.passages import dated, pack
from memalpha.data.raw import checked, field, read_records
from memalpha.data.suites.suite import CHUNK_TOKENS, NO_LIMITS, QUESTIONS, Limits, own_file
from memalpha.errors import ConfigError, EpisodeError
from memalpha.metrics import contains
from memalpha.records import Competency, Episode, Question

FILES = ("mquake_hard/test.jsonl.gz",)


@dataclass(frozen=True, slots=True)
class _Fact:
    """A statement without its full stop, in two parts."""

    stem: str
    """Subject and relation: "The capital of Elbonia is". What two facts conflict in."""
    object: str

    def __str__(self) -> str:
        return f"{self.stem} {self.object}."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One record."""

    edits: tuple[tuple[_Fact, _Fact, str], ...]
    """Each as it was, as it is now, and the question for it."""
    hops: tuple[_Fact, ...]
    """The chain before the edits."""
    new_hops: tuple[_Fact, ...]
    questions: tuple[str, ...]
    """For the end of the chain, in several wordings."""
    outdated: str
    answers: tuple[str, ...]
    aliases: dict[str, tuple[str, ...]]
    """Other names of objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    """The facts that the cases of one stream tell, together."""

    cases: tuple[_Case, ...]
    versions: dict[str, tuple[_Fact, ...]]
    """By stem, the newest last."""

    def newest(self, stem: str) -> _Fact:
        return self.versions[stem][-1]

    def is_outdated(self, stem: str, answers: Sequence[str]) -> bool:
        """Whether an earlier version of the fact would pass for one of the answers."""
        return any(contains(str(fact), answers) > 0 for fact in self.versions[stem][:-1])


def load_single(
    path: Path,
    *,
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    count_tokens: Callable[[str], int] | None = None,
) -> Iterator[Episode]:
    """`conflict-mquake-single`: a suite's loader, see `memalpha.data.suites.suite.Loader`."""
    yield from _episodes("conflict-mquake-single", _single, path, seed, limits, count_tokens or nano_counter())


def load_multi(
    path: Path,
    *,
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    count_tokens: Callable[[str], int] | None = None,
) -> Iterator[Episode]:
    """`conflict-mquake-multi`: a suite's loader, see `memalpha.data.suites.suite.Loader`."""
    yield from _episodes("conflict-mquake-multi", _multi, path, seed, limits, count_tokens or nano_counter())


_Asked = tuple[str, tuple[str, ...], tuple[_Fact, ...]]
"""Question, answers, and the facts that they follow from."""


def _episodes(
    name: str,
    ask: Callable[[_World, random.Random], Iterator[_Asked]],
    path: Path,
    seed: int,
    limits: Limits,
    count: Callable[[str], int],
) -> Iterator[Episode]:
    cases = list(_read(own_file(path, FILES[0])))
    for number in range(limits.episodes or 1):
        rng = random.Random(f"{seed}:{number}")  # of both suites alike
        world = _choose(rng.sample(cases, len(cases)), limits.length_tokens, count)
        facts = _order(world, rng)
        lines = [[f"{at}. {fact}"] for at, fact in enumerate(facts)]
        texts, held = pack(lines, limits.chunk_tokens or CHUNK_TOKENS, count)
        chunks_of = dict(zip(facts, held, strict=True))
        asked = list(ask(world, rng))
        questions = tuple(
            Question(
                text=text,
                answers=answers,
                competency=Competency.CONFLICT_RESOLUTION,
                evidence=tuple(sorted({index for fact in needed for index in chunks_of[fact]})),
            )
            for text, answers, needed in rng.sample(asked, min(len(asked), limits.questions or QUESTIONS))
        )
        if questions:
            yield Episode(id=f"{name}:{seed}:{number}", chunks=dated(texts), questions=questions, source=name)


def _single(world: _World, rng: random.Random) -> Iterator[_Asked]:
    aliases = {name: others for case in world.cases for name, others in case.aliases.items()}
    asked = {old.stem: question for case in world.cases for old, _, question in case.edits}
    for stem, question in asked.items():
        fact = world.newest(stem)
        answers = (fact.object, *aliases.get(fact.object, ()))
        if not world.is_outdated(stem, answers):
            yield question, answers, (fact,)


def _multi(world: _World, rng: random.Random) -> Iterator[_Asked]:
    for case in world.cases:
        holds = all(world.newest(fact.stem) == fact for fact in case.new_hops)
        outdated = contains(case.outdated, case.answers) > 0 or any(
            world.is_outdated(fact.stem, case.answers) for fact in case.new_hops
        )
        if holds and not outdated:
            yield rng.choice(case.questions), case.answers, case.new_hops


def _choose(cases: Sequence[_Case], length: int | None, count: Callable[[str], int]) -> _World:
    """As many of the cases, in order, as the length allows; raises `ConfigError` for one that they do not fill."""
    world = _world(cases)
    if length is None:
        return world
    most = _tokens(world, count)
    if length > most:
        raise ConfigError(f"got length_tokens={length}, expected at most {most}, all that there is; choose less")
    least, many = 0, len(cases) + 1  # by halves: the first `least` cases fit, the first `many` do not
    while many - least > 1:
        middle = (least + many) // 2
        least, many = (middle, many) if _tokens(_world(cases[:middle]), count) <= length else (least, middle)
    if not least:
        raise ConfigError(f"got length_tokens={length}, expected room for the facts of one case; choose a longer one")
    return _world(cases[:least])


def _world(cases: Sequence[_Case]) -> _World:
    """Edits of the same fact follow each other in the order of the cases."""
    versions: dict[str, list[_Fact]] = defaultdict(list)
    for case in cases:
        for old, new, _ in case.edits:
            known = versions[old.stem]
            known.extend(fact for fact in ((new,) if known else (old, new)) if fact not in known[-1:])
    for case in cases:
        for fact in (*case.hops, *case.new_hops):
            if fact.stem not in versions:
                versions[fact.stem].append(fact)
    return _World(cases=tuple(cases), versions={stem: tuple(facts) for stem, facts in versions.items()})


def _tokens(world: _World, count: Callable[[str], int]) -> int:
    facts = (fact for versions in world.versions.values() for fact in versions)
    return sum(count(f"{at}. {fact}\n") for at, fact in enumerate(facts))


def _order(world: _World, rng: random.Random) -> list[_Fact]:
    """All facts mixed, the versions of each in their order."""
    stems = [stem for stem, facts in world.versions.items() for _ in facts]
    rng.shuffle(stems)
    left = {stem: iter(facts) for stem, facts in world.versions.items()}
    return [next(left[stem]) for stem in stems]


def _read(file: Path) -> Iterator[_Case]:
    for where, record in read_records(file):
        hops, aliases = _hops(record, "single_hops", where)
        new_hops, new_aliases = _hops(record, "new_single_hops", where)
        questions = _texts(record, "questions", where)
        if not questions:
            raise EpisodeError(f"{where}: questions: got none, expected at least one; leave the record out")
        yield _Case(
            edits=tuple(_edits(record, where)),
            hops=hops,
            new_hops=new_hops,
            questions=questions,
            outdated=_line(record, "answer", where),
            answers=(_line(record, "new_answer", where), *_texts(record, "new_answer_alias", where)),
            aliases=aliases | new_aliases,
        )


def _edits(record: object, where: str) -> Iterator[tuple[_Fact, _Fact, str]]:
    for number, edit in enumerate(field(record, "requested_rewrite", list, where)):
        place = f"{where}: requested_rewrite {number}"
        stem = _line(edit, "prompt", place).replace("{}", _line(edit, "subject", place))
        old, new = (
            _Fact(stem, _line(field(edit, key, dict, place), "str", f"{place}: {key}"))
            for key in ("target_true", "target_new")
        )
        yield old, new, _line(edit, "question", place)


def _hops(record: object, key: str, where: str) -> tuple[tuple[_Fact, ...], dict[str, tuple[str, ...]]]:
    facts: list[_Fact] = []
    aliases: dict[str, tuple[str, ...]] = {}
    for number, hop in enumerate(field(record, key, list, where)):
        place = f"{where}: {key} {number}"
        facts.append(_Fact(_line(hop, "cloze", place), _line(hop, "answer", place)))
        aliases[facts[-1].object] = _texts(hop, "answer_alias", place)
    return tuple(facts), aliases


def _texts(record: object, key: str, where: str) -> tuple[str, ...]:
    """A list of texts, each on one line, without blank ones."""
    items = field(record, key, list, where)
    texts = [" ".join(checked(item, str, f"{where}: {key} {number}").split()) for number, item in enumerate(items)]
    return tuple(text for text in texts if text)


def _line(record: object, key: str, where: str) -> str:
    """A text on one line, which must not be blank."""
    line = " ".join(field(record, key, str, where).split())
    if not line:
        raise EpisodeError(f"{where}: {key}: got empty text, expected a name or a sentence; leave the record out")
    return line
