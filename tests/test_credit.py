from __future__ import annotations

from dataclasses import replace

import pytest

from memalpha.agent.model import Completion, Prompt, ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.agent.reader import ExtractiveReader
from memalpha.agent.writer import PromptStyle, Writer, WriterConfig
from memalpha.credit import Spans, call_values, pass_values, spans
from memalpha.episode import Trace, run_episode
from memalpha.records import Chunk, Episode, Question, ToolCall
from memalpha.rewards import RewardWeights, RuleValidator

WEIGHTS = RewardWeights(compression=0.5, content=0.1)


def words(text: str) -> int:
    return len(text.split())


def insert(*lines: int) -> str:
    return render_call(ToolCall(name="memory_insert", arguments={"lines": list(lines), "memory_type": "semantic"}))


def update(line: int, entry: int) -> str:
    arguments = {"lines": [line], "memory_type": "semantic", "memory_id": entry}
    return render_call(ToolCall(name="memory_update", arguments=arguments))


def trace_of(
    chunks: list[str], questions: list[tuple[str, str]], completions: list[str], budget: float | None = None
) -> Trace:
    episode = Episode(
        id="e",
        chunks=tuple(Chunk(text=text) for text in chunks),
        questions=tuple(Question(text=text, answers=(gold,)) for text, gold in questions),
    )
    writer = Writer(ScriptedModel(completions), WriterConfig(budget=budget))
    return run_episode(writer, ExtractiveReader(), episode, count_tokens=words)


def values(trace: Trace) -> list[list[float]]:
    return call_values(trace, weights=WEIGHTS, validator=RuleValidator(), count_tokens=words)


def test_the_entry_that_was_answered_from_earns_and_noise_pays_its_price() -> None:
    # One chunk of 10 words, one question: a right answer is worth 1 / 1. Each line has 5 words: price 0.5 · 5 / 10.
    trace = trace_of(
        ["Ann's drink is mint tea.\nThe weather was fine again."],
        [("What is Ann's drink?", "mint tea")],
        [insert(1) + insert(2)],
    )
    assert trace.score == 1.0
    assert values(trace) == [[pytest.approx(1 - 0.25), pytest.approx(-0.25)]]


def test_a_call_that_quotes_two_lines_is_worth_their_mean() -> None:
    trace = trace_of(
        ["Ann's drink is mint tea.\nThe weather was fine again."],
        [("What is Ann's drink?", "mint tea")],
        [insert(1, 2)],
    )
    assert values(trace) == [[pytest.approx((1 - 0.5) / 2)]]


def test_unfit_text_and_failed_calls_are_charged() -> None:
    # Two calls: the question is unfit for r4 (0.1 / 2) and costs 0.5 · 3 / 3; the duplicate fails (1 / 2).
    trace = trace_of(["Where were we?"], [("What is it?", "nothing")], [insert(1) + insert(1)])
    assert values(trace) == [[pytest.approx(-0.5 - 0.05), pytest.approx(-0.5)]]


def test_a_call_over_the_budget_is_neither_paid_nor_charged() -> None:
    # The first line takes all of the budget of 5 of 10 words; it is worth 1 - 0.5 · 5 / 10.
    trace = trace_of(
        ["Ann's drink is mint tea.\nThe weather was fine again."],
        [("What is Ann's drink?", "mint tea")],
        [insert(1) + insert(2)],
        budget=0.5,
    )
    assert [result.status for result in trace.steps[0].results] == ["ok", "over_budget"]
    assert values(trace) == [[pytest.approx(0.75), 0.0]]


def test_an_update_that_removes_an_answer_is_charged_and_the_insert_is_not() -> None:
    # Two chunks, one question: a question is worth 2 / 1. The update replaced the gold answer by something else.
    trace = trace_of(
        ["Ann's drink is mint tea.", "Ann's boat is called Hiore."],
        [("What is Ann's drink?", "mint tea")],
        [insert(1), update(1, 1)],
    )
    assert trace.score == 0.0
    assert values(trace) == [[pytest.approx(-0.5)], [pytest.approx(-2.0 - 0.5)]]


def test_the_update_that_mended_a_fact_and_the_insert_it_needed_earn_what_is_answered_from_it() -> None:
    trace = trace_of(
        ["Ann's drink is mint tea.", "Not mint tea: Ann's drink is cider."],
        [("What is Ann's drink?", "cider")],
        [insert(1), update(1, 1)],
    )
    assert trace.score == 1.0
    assert values(trace) == [[pytest.approx(2.0 - 0.5)], [pytest.approx(2.0 - 0.5)]]


def test_an_update_that_another_one_replaced_earns_nothing() -> None:
    # Three chunks and one question: it is worth 3, for the insert and the last update.
    trace = trace_of(
        ["Ann's drink is mint tea.", "Not mint tea: Ann's drink is milk.", "Not milk: Ann's drink is cider."],
        [("What is Ann's drink?", "cider")],
        [insert(1), update(1, 1), update(1, 1)],
    )
    assert trace.score == 1.0
    assert values(trace) == [[pytest.approx(3.0 - 0.5)], [pytest.approx(-0.5)], [pytest.approx(3.0 - 0.5)]]


def corrected(*chunks: str, completions: list[str]) -> Trace:
    """What is asked in the end stands in the last chunk."""
    asked = Question(text="What is Ann's drink?", answers=("cider",), evidence=(len(chunks) - 1,))
    episode = Episode(id="e", chunks=tuple(Chunk(text=text) for text in chunks), questions=(asked,))
    trace = run_episode(Writer(ScriptedModel(completions)), ExtractiveReader(), episode, count_tokens=words)
    assert trace.score == 0.0
    return trace


def test_a_correction_beside_what_it_corrects_is_charged() -> None:
    # Two chunks, one question worth 2. The old text answers; both lines cost 0.5 of their chunk.
    chunks = ("Ann's drink is mint tea.", "Not mint tea for Ann now: cider.")
    trace = corrected(*chunks, completions=[insert(1), insert(1)])
    assert [entry.id for entry in trace.steps[1].view.related[0]] == [1]
    assert values(trace) == [[pytest.approx(-0.5)], [pytest.approx(-2.0 - 0.5)]]
    # Written in its own words it had all that was shown before it.
    content = {"content": "Not mint tea for Ann now: cider.", "memory_type": "semantic"}
    free = corrected(*chunks, completions=[insert(1), render_call(ToolCall(name="memory_insert", arguments=content))])
    assert values(free) == values(trace)


def test_a_correction_is_not_charged_for_an_entry_that_its_line_did_not_bring_up() -> None:
    # The update is right; the reader is misled by noise that the second call has stored.
    chunks = ("Ann's drink is mint tea.", "Nobody knows what Ann's drink is.", "Not mint tea for Ann now: cider.")
    trace = corrected(*chunks, completions=[insert(1), insert(1), update(1, 1)])
    assert trace.answers[0].text == "Nobody knows what Ann's drink is."
    assert [entry.id for entry in trace.steps[2].view.related[0]] == [1]
    assert values(trace) == [[pytest.approx(-0.5)]] * 3


def passed_over(trace: Trace) -> list[dict[int, float]]:
    return pass_values(trace, [spans(step) for step in trace.steps])


def test_a_step_without_calls_has_no_values() -> None:
    trace = trace_of(["Hello."], [("What is it?", "nothing")], [""])
    assert values(trace) == [[]]


def test_spans_of_calls_in_sampled_tokens() -> None:
    text = "so " + insert(1) + insert(2)
    cut = len("so " + insert(1))

    class Offsets(ScriptedModel):
        def complete(self, prompts: object, sampling: object) -> list[Completion]:  # type: ignore[override]
            return [Completion(text=text, token_ids=(1, 2, 3, 4, 5), offsets=(0, 3, 10, cut, cut + 5))]

    episode = Episode(id="e", chunks=(Chunk(text="a b c\nd e f"),), questions=(Question(text="q", answers=("x",)),))
    trace = run_episode(Writer(Offsets([])), ExtractiveReader(), episode, count_tokens=words)
    assert spans(trace.steps[0]) == Spans(calls=((1, 3), (3, 5)))


def test_without_offsets_there_are_no_spans() -> None:
    trace = trace_of(["a b c"], [("q?", "x")], [insert(1)])
    assert trace.steps[0].prompt == Prompt(messages=trace.steps[0].prompt.messages)
    assert spans(trace.steps[0]) == Spans()


class Characters(ScriptedModel):
    """A scripted model whose tokens are characters."""

    def complete(self, prompts: object, sampling: object) -> list[Completion]:  # type: ignore[override]
        done = super().complete(prompts, sampling)  # type: ignore[arg-type]
        return [replace(each, token_ids=(1,) * len(each.text), offsets=tuple(range(len(each.text)))) for each in done]


def trace_of_tokens(text: str, completion: str, question: tuple[str, str]) -> Trace:
    asked = Question(text=question[0], answers=(question[1],), evidence=(0,))
    episode = Episode(id="e", chunks=(Chunk(text=text),), questions=(asked,))
    return run_episode(Writer(Characters([completion])), ExtractiveReader(), episode, count_tokens=words)


def test_bare_numbers_pass_lines_over() -> None:
    completion = "1" + insert(2, 3) + "4" + insert(5) + "6 8"  # 7 is skipped: 8 is not the next line
    trace = trace_of_tokens("\n".join(f"line {n}" for n in range(1, 9)), completion, ("q", "x"))
    after = 1 + len(insert(2, 3))
    last = after + 1 + len(insert(5))
    found = spans(trace.steps[0])
    assert found.calls == ((1, after), (after + 1, last))
    assert found.passed == {1: (0, 1), 4: (after, after + 1), 6: (last, last + 1)}


def test_a_number_in_the_words_of_a_chat_model_passes_nothing_over() -> None:
    completion = "Line 1 is news.\n" + insert(1) + "\n2 of 2 lines are read."
    chat = Writer(Characters([completion]), WriterConfig(style=PromptStyle.CHAT))
    asked = Question(text="q", answers=("x",), evidence=(0,))
    episode = Episode(id="e", chunks=(Chunk(text="a b c\nd e f"),), questions=(asked,))
    trace = run_episode(chat, ExtractiveReader(), episode, count_tokens=words)
    start = len("Line 1 is news.\n")
    assert spans(trace.steps[0]) == Spans(calls=((start, start + len(insert(1))),))


def test_numbers_of_two_digits_are_passed_over_as_well() -> None:
    trace = trace_of_tokens("\n".join(f"line {n}" for n in range(1, 13)), "123456789101112", ("q", "x"))
    passed = spans(trace.steps[0]).passed
    assert list(passed) == list(range(1, 13))
    assert (passed[9], passed[10], passed[12]) == ((8, 9), (9, 11), (13, 15))


def test_the_number_of_a_line_that_held_the_answer_is_charged() -> None:
    # One chunk, one question: what was missed is worth 1. Numbers past the last line are nothing.
    text = "Ann's drink is mint tea.\nThe weather was fine again."
    question = ("What is Ann's drink?", "mint tea")
    assert passed_over(trace_of_tokens(text, "123", question)) == [{1: -1.0, 2: 0.0}]
    assert passed_over(trace_of_tokens(text, insert(1) + "2", question)) == [{2: 0.0}]


def test_two_lines_with_the_answer_share_the_charge() -> None:
    trace = trace_of_tokens("Ann drinks mint tea.\nAnn likes mint tea.", "12", ("What does Ann drink?", "mint tea"))
    assert passed_over(trace) == [{1: -0.5, 2: -0.5}]
