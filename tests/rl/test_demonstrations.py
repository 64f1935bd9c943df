"""Demonstrations teach the tools and not what is worth keeping."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from memalpha.agent.parsing import parse_calls
from memalpha.data.frames import kind_of
from memalpha.memory.tools import Tool
from memalpha.memory.tools import apply as apply_call
from memalpha.records import ToolCall, ToolResult, ToolStatus
from memalpha.rl import demonstrations as module
from memalpha.rl.demonstrations import BUDGETS, Demonstration, Mixture, demonstrations

LINE = re.compile(r"^(?!~)(.*) #(\d+)$", re.MULTILINE)
SHOWN = re.compile(r"^~?(semantic|episodic) (\d+): ", re.MULTILINE)
ABOUT = re.compile(r"^<\|chunk\|>\S* about (.+)$", re.MULTILINE)
SPEAKER = re.compile(r"(?:User|Assistant): ")


@pytest.fixture(scope="module")
def many() -> list[Demonstration]:
    return list(islice(demonstrations(1), 3000))


def lines_of(shown: Demonstration) -> dict[int, str]:
    """The lines of the chunk by their numbers."""
    return {int(number): text for text, number in LINE.findall(shown.prompt)}


def about_of(shown: Demonstration) -> set[str]:
    """The kinds that the prompt asks for."""
    found = ABOUT.search(shown.prompt)
    return set(found[1].split()) if found else set()


def quoted(calls: list[ToolCall]) -> list[int]:
    return [number for call in calls for number in call.arguments.get("lines", [])]


def written(calls: list[ToolCall]) -> set[str]:
    """What was written in words instead of by number."""
    return {call.arguments[name] for call in calls for name in ("content", "new_content") if name in call.arguments}


def is_noise(line: str) -> bool:
    return kind_of(SPEAKER.sub("", line)) in {"mentions", "talk"}


def test_the_same_seed_gives_the_same_demonstrations() -> None:
    one, again, other = (list(islice(demonstrations(seed), 20)) for seed in (4, 4, 5))
    assert one == again != other


def test_every_completion_is_calls_and_the_numbers_of_lines_that_none_quotes(many: list[Demonstration]) -> None:
    for shown in many:
        rest = shown.completion
        for call in parse_calls(shown.completion):
            assert call.problem is None
            assert call.name in list(Tool)
            rest = rest.replace(call.text, "".join(map(str, call.arguments.get("lines", []))), 1)
        assert rest == "".join(map(str, sorted(lines_of(shown))))  # every line once, in order


def test_what_is_changed_is_shown_under_that_kind_and_id(many: list[Demonstration]) -> None:
    changes = 0
    for shown in many:
        entries = set(SHOWN.findall(shown.prompt))
        for call in parse_calls(shown.completion):
            if "memory_id" in call.arguments:
                changes += 1
                assert (call.arguments["memory_type"], str(call.arguments["memory_id"])) in entries
    assert changes > 300


def test_what_is_written_in_words_stands_in_the_chunk(many: list[Demonstration]) -> None:
    for shown in many:
        texts = {SPEAKER.sub("", line) for line in lines_of(shown).values()}
        assert written(parse_calls(shown.completion)) <= texts


def test_the_calls_can_be_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found: Counter[ToolStatus] = Counter()

    def watched(*given: Any) -> ToolResult:
        result = apply_call(*given)
        found[result.status] += 1
        return result

    monkeypatch.setattr(module, "apply", watched)
    for _ in islice(demonstrations(2), 2000):
        pass
    # What is left depends on the calls before it: small talk that comes twice, an entry that was just deleted.
    assert set(found) <= {ToolStatus.OK, ToolStatus.DUPLICATE, ToolStatus.UNKNOWN_ENTRY}
    assert found[ToolStatus.OK] / found.total() > 0.97
    assert found[ToolStatus.UNKNOWN_ENTRY] / found.total() < 0.003


@pytest.mark.parametrize("named", [False, True])
def test_nothing_marks_what_is_worth_keeping(many: list[Demonstration], named: bool) -> None:
    lines: Counter[bool] = Counter()
    kept: Counter[bool] = Counter()
    for shown, (number, line) in every_line(many):
        if bool(about_of(shown)) is named:
            calls = parse_calls(shown.completion)
            noise = is_noise(line)
            lines[noise] += 1
            kept[noise] += number in quoted(calls) or SPEAKER.sub("", line) in written(calls)
    assert min(lines.values()) > 1500
    assert 0.15 < kept[True] / lines[True] < 0.55
    # Kinds are kept or left as a whole: where they are named a few hundred draws decide, with a deviation of 0.03.
    assert kept[False] / lines[False] == pytest.approx(kept[True] / lines[True], abs=0.1 if named else 0.03)


def test_lines_of_the_named_kinds_are_kept_and_no_others(many: list[Demonstration]) -> None:
    wanted = quotes = 0
    for shown in many:
        lines = {number: SPEAKER.sub("", line) for number, line in lines_of(shown).items() if SPEAKER.match(line)}
        if not lines or not (kinds := about_of(shown)):
            continue  # prose has kinds of its own
        named = {number for number, line in lines.items() if kind_of(line) in kinds}
        calls = parse_calls(shown.completion)
        assert set(quoted(calls)) <= named
        assert written(calls) <= {lines[number] for number in named}
        wanted += len(named)
        quotes += len(quoted(calls)) + len(written(calls))
    assert 0.93 < quotes / wanted <= 1.0  # the others only deleted what was related to them


def test_how_often_what_is_shown_can_be_chosen() -> None:
    plain = list(islice(demonstrations(1, Mixture(copying=0.0, alike=0.0)), 200))
    assert not any(about_of(shown) for shown in plain)
    calls = [call for shown in plain for call in parse_calls(shown.completion)]
    assert {call.arguments["memory_type"] for call in calls if written([call])} <= {
        "core"
    }  # which cannot be inserted to
    alike = list(islice(demonstrations(1, Mixture(copying=1.0, alike=1.0)), 200))
    assert sum(bool(about_of(shown)) for shown in alike) > 40
    assert any(written(parse_calls(shown.completion)) for shown in alike)


@pytest.mark.parametrize("changing", [0.0, 0.5, 1.0])
def test_how_many_related_lines_change_their_entry_can_be_chosen(changing: float) -> None:
    related = changed = 0
    for shown in islice(demonstrations(3, Mixture(changing=changing)), 600):
        related += len(re.findall(r"^~", shown.prompt, re.MULTILINE))
        changed += sum("memory_id" in call.arguments for call in parse_calls(shown.completion))
    assert related > 500
    assert changed / related == pytest.approx(changing, abs=0.05)


def test_nothing_marks_the_kind(many: list[Demonstration]) -> None:
    kinds: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for shown, (number, line) in every_line(many):
        for call in parse_calls(shown.completion):
            if call.name == Tool.INSERT and number in call.arguments.get("lines", []):
                kinds[is_noise(line)][call.arguments["memory_type"]] += 1
    for found in kinds.values():
        assert found["semantic"] / found.total() == pytest.approx(0.5, abs=0.03)


def test_a_budget_is_the_share_that_is_kept(many: list[Demonstration]) -> None:
    lines: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    for shown in many:
        budget = re.search(r"^<\|chunk\|>\S* keep (\d+)%$", shown.prompt, re.MULTILINE)
        if budget and lines_of(shown):
            lines[budget[1]] += len(lines_of(shown))
            calls = parse_calls(shown.completion)
            kept[budget[1]] += len(quoted(calls)) + len(written(calls))
    assert lines.keys() == {str(round(100 * share)) for share in BUDGETS}
    for share, total in lines.items():
        assert kept[share] / total == pytest.approx(int(share) / 100, abs=0.05)


def every_line(many: list[Demonstration]) -> Iterator[tuple[Demonstration, tuple[int, str]]]:
    """Each line of conversation, which is the world's; prose has no speakers."""
    for shown in many:
        for number, line in lines_of(shown).items():
            if SPEAKER.match(line):
                yield shown, (number, line)
