"""Which call earned what: the part of an episode's reward that would be missing without one single call.

A completion holds several calls, and a reward for the whole of it praises noise that was stored beside a fact. Here
each call is valued on its own: by the answers that were read from what it wrote, less its price in tokens, less what it
destroyed. Related: hindsight credit to the operation that made the evidence (Mem-T, arXiv:2601.23014; Fine-Mem,
arXiv:2601.08435). The rules are ours. No label of the writer's work is needed: only what the reader was shown, what it
answered and the gold answers.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from memalpha.agent.reader import Answer
from memalpha.agent.writer import Step
from memalpha.episode import Count, Trace
from memalpha.memory.bank import Action, Entry, MemoryKind, Operation
from memalpha.metrics import contains
from memalpha.records import Question, Role, ToolCall
from memalpha.rewards import RewardWeights, Validator

_DATE = re.compile(r"^\[[^\]]*\] ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """First and last-plus-one sampled token of each choice in a completion."""

    calls: tuple[tuple[int, int], ...] = ()
    passed: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """By line: the bare numbers with which the nano policy passes lines over."""


_Place = tuple[int, int]
"""Step and call."""


@dataclass(frozen=True, slots=True)
class _Written:
    place: _Place
    operation: Operation


def call_values(
    trace: Trace, *, weights: RewardWeights, validator: Validator, count_tokens: Count
) -> list[list[float]]:
    """For each step the value of each of its calls, in the unit of the step's own reward.

    A question that was answered with score s is worth s · (chunks / questions), shared by the shown entries in which
    the answer stands; an entry's part goes to the call that last wrote it and, whole again, to the call that made it,
    without which there had been nothing to update. A question that went wrong charges (1 - s) · (chunks / questions) to
    the updates and deletes that removed its answer from a text, and as much to the calls that took it from the evidence
    in vain, since the entry that was read instead stood before the writer's eyes and was left as it was: a correction
    beside what it corrects is worth no more than one that was passed over. Every call pays β for its tokens as a share
    of the chunk, and its part of r2 when it was at fault and of γ·r4 when its text is unfit.
    """
    written = tuple(_written(trace))
    values = [[0.0] * len(step.calls) for step in trace.steps]
    for (at, call), share in _shares(trace, written):
        values[at][call] += share
    for each in written:
        at, call = each.place
        net = values[at][call] - _price(trace, each, weights, count_tokens)
        if not validator.valid(each.operation):
            net -= weights.content / len(trace.steps[at].calls)
        # A call that quotes several lines is worth their mean, or quoting noise along with a fact would pay.
        values[at][call] = net / max(1, len(each.operation.provenance.lines))
    for at, call in _failed(trace):
        values[at][call] -= 1.0 / len(trace.steps[at].results)
    return values


def spans(step: Step) -> Spans:
    """Where the sampled tokens of each call and of each line passed over lie; none for native calls.

    Bare numbers past the last line are no choices and count as nothing, or saying them would be free. A model that was
    given instructions passes a line over without a word: a number in what it says is one among other words.
    """
    instructed = any(message.role is Role.SYSTEM for message in step.prompt.messages)
    completion, lines = step.completion, 0 if instructed else len(step.view.related)
    if not completion.offsets or completion.tool_calls is not None:
        return Spans()
    waiting, found, passed, said, cursor = list(step.calls), [], {}, 0, 0
    while cursor < len(completion.text):
        number, start = str(said + 1), cursor
        if waiting and completion.text.startswith(waiting[0].text, cursor):
            call = waiting.pop(0)
            cursor += max(1, len(call.text))
            said = max([said, *_quoted(call)])
            found.append(_tokens(completion.offsets, start, cursor))
        elif said < lines and completion.text.startswith(number, cursor):
            cursor += len(number)
            said += 1
            passed[said] = _tokens(completion.offsets, start, cursor)
        else:
            cursor += 1
    return Spans(calls=tuple(found), passed=passed)


def _tokens(offsets: Sequence[int], start: int, stop: int) -> tuple[int, int]:
    """First and last-plus-one of the tokens that begin in text[start:stop]."""
    return bisect_left(offsets, start), bisect_left(offsets, stop)


def pass_values(trace: Trace, spans_T: Sequence[Spans]) -> list[dict[int, float]]:
    """For each step the value of each line that was passed over by its number: 0, or less where an answer stood in it.

    A question that was answered with score s charges the lines of its evidence in which the gold answer stands,
    together with (1 - s) · (chunks / questions): what it would have brought the calls that keep such lines.
    """
    unit = len(trace.episode.chunks) / len(trace.episode.questions)
    values = [dict.fromkeys(each.passed, 0.0) for each in spans_T]
    passed = {step.index: value for step, value in zip(trace.steps, values, strict=True)}
    for question, score in zip(trace.episode.questions, trace.scores, strict=True):
        if score < 1:
            missed = [
                (index, number)
                for index in question.evidence
                if index in passed
                for number, line in enumerate(trace.episode.chunks[index].lines, start=1)
                if number in passed[index] and contains(line, question.answers)
            ]
            for index, number in missed:
                passed[index][number] -= (1 - score) * unit / len(missed)
    return values


def _quoted(call: ToolCall) -> list[int]:
    lines = call.arguments.get("lines")
    return [each for each in lines if type(each) is int] if isinstance(lines, list) else []


def _written(trace: Trace) -> Iterator[_Written]:
    """Every operation with the call that made it, in order: calls that succeeded made one operation each."""
    for at, step in enumerate(trace.steps):
        operations = iter(step.operations)
        for call, result in enumerate(step.results):
            if result.ok:
                yield _Written((at, call), next(operations))


def _failed(trace: Trace) -> Iterator[_Place]:
    for at, step in enumerate(trace.steps):
        yield from ((at, call) for call, result in enumerate(step.results) if result.faulty)


def _shares(trace: Trace, written: Sequence[_Written]) -> Iterator[tuple[_Place, float]]:
    """What each question brings a call, or takes from it, question by question."""
    unit = len(trace.episode.chunks) / len(trace.episode.questions)
    writers = _writers(written)
    for question, answer, score in zip(trace.episode.questions, trace.answers, trace.scores, strict=True):
        if score > 0:
            earners = [writers[key] for key in _supporting(answer) if key in writers]
            yield from ((place, score * unit / len(earners)) for places in earners for place in places)
        if score < 1:
            guilty = [each.place for each in written if _lost(each.operation, question.answers)]
            yield from ((place, -(1 - score) * unit / len(guilty)) for place in guilty)
            misled = {entry_id for _, entry_id in _supporting(answer)}
            vain = [each.place for each in written if _in_vain(trace, each, question, misled)]
            yield from ((place, -(1 - score) * unit / len(vain)) for place in vain)


def _writers(written: Sequence[_Written]) -> dict[tuple[MemoryKind, int | None], frozenset[_Place]]:
    """Who wrote each entry as it stands: the call that made it and the last that changed it; of the core the last."""
    found: dict[tuple[MemoryKind, int | None], frozenset[_Place]] = {}
    made: dict[tuple[MemoryKind, int | None], _Place] = {}
    for each in written:
        key = _key(each.operation)
        if each.operation.action is Action.INSERT:
            made[key] = each.place
        found[key] = frozenset({made.get(key, each.place), each.place})
    return found


def _price(trace: Trace, written: _Written, weights: RewardWeights, count_tokens: Count) -> float:
    """What the tokens of a call cost, as a share of its chunk."""
    chunk = trace.episode.chunks[trace.steps[written.place[0]].index]
    return weights.compression * count_tokens(written.operation.after or "") / count_tokens(chunk.text)


def _key(operation: Operation) -> tuple[MemoryKind, int | None]:
    return operation.kind, operation.entry_id


def _supporting(answer: Answer) -> list[tuple[MemoryKind, int | None]]:
    """The shown entries, and the core, in which the answer stands word for word."""
    found: list[tuple[MemoryKind, int | None]] = [
        (entry.kind, entry.id) for entry in answer.shown.entries if _holds(entry, answer.text)
    ]
    if answer.shown.core and contains(answer.shown.core, [answer.text]):
        found.append((MemoryKind.CORE, None))
    return found


def _holds(entry: Entry, text: str) -> bool:
    # The time in front belongs to the entry, not to each of its sentences.
    return contains(entry.text, [_DATE.sub("", text)]) > 0


def _in_vain(trace: Trace, written: _Written, question: Question, misled: Collection[int | None]) -> bool:
    """Whether the call kept the answer from its evidence, but left an entry it saw from which a wrong one was read."""
    step = trace.steps[written.place[0]]
    if step.index not in question.evidence or not contains(written.operation.after or "", question.answers):
        return False
    return any(entry.id in misled for entry in _seen(step, written.operation))


def _seen(step: Step, operation: Operation) -> Iterator[Entry]:
    """The entries that the quoted lines brought up; all that were shown when no line is quoted."""
    if not operation.provenance.lines:
        yield from (*step.view.newest, *step.view.related_entries)
    for number in operation.provenance.lines:
        yield from step.view.related[number - 1]


def _lost(operation: Operation, golds: tuple[str, ...]) -> bool:
    """Whether the operation took a gold answer out of the memory."""
    if operation.action is Action.INSERT or operation.before is None:
        return False
    return contains(operation.before, golds) > 0 and contains(operation.after or "", golds) == 0
