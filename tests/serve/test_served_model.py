"""`EndpointModel` over real HTTP against the served nano: the same completions, calls, memories and scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from memalpha.agent.endpoint import EndpointModel
from memalpha.agent.local import LocalModel
from memalpha.agent.model import Completion, Prompt, Sampling
from memalpha.agent.parsing import parse_calls
from memalpha.agent.reader import ExtractiveReader
from memalpha.agent.tokens import nano_counter
from memalpha.agent.writer import Writer
from memalpha.data.words import Split
from memalpha.data.world import make_episodes
from memalpha.episode import Trace, run_episodes
from memalpha.errors import ModelError
from memalpha.memory.bank import MemoryKind
from memalpha.memory.tools import TOOLS
from memalpha.records import Message, Role

EPISODES = make_episodes(3, seed=11, tokens=300, split=Split.TEST)
GREEDY = Sampling(max_tokens=96)


@pytest.fixture
def endpoint(served: str) -> Iterator[Callable[..., EndpointModel]]:
    opened: list[EndpointModel] = []

    def start(**more: object) -> EndpointModel:
        opened.append(EndpointModel(served, "nano", retries=0, **more))  # type: ignore[arg-type]
        return opened[-1]

    yield start
    for model in opened:
        model.close()


@pytest.fixture(scope="module")
def local(nano: LocalModel) -> list[Trace]:
    """The episodes as the model in process writes them."""
    return run(Writer(nano))


def run(writer: Writer) -> list[Trace]:
    return run_episodes(writer, ExtractiveReader(), EPISODES, count_tokens=nano_counter())


def memory(trace: Trace) -> list[tuple[int, str, str]]:
    return [(entry.id, entry.kind.value, entry.rendered) for kind in MemoryKind for entry in trace.bank.entries(kind)]


def same(one: Completion, other: Completion) -> None:
    """Equal but for the last digits of the log-probabilities, which hang on what else was in the batch."""
    assert (one.text, one.finished, one.tool_calls) == (other.text, other.finished, other.tool_calls)
    assert (one.prompt_ids, one.token_ids, one.offsets) == (other.prompt_ids, other.token_ids, other.offsets)
    assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_a_writer_over_http_writes_what_it_writes_in_process(
    endpoint: Callable[..., EndpointModel], local: list[Trace]
) -> None:
    traces = run(Writer(endpoint()))
    assert sum(trace.score for trace in local) > 2.0  # there is something to lose
    for here, there in zip(local, traces, strict=True):
        assert [step.calls for step in there.steps] == [step.calls for step in here.steps]
        assert [step.results for step in there.steps] == [step.results for step in here.steps]
        assert memory(there) == memory(here)
        assert there.scores == here.scores


def test_token_ids_and_log_probabilities_come_along(endpoint: Callable[..., EndpointModel], local: list[Trace]) -> None:
    steps = [step for trace in local for step in trace.steps]
    told = endpoint(token_ids=True).complete([step.prompt for step in steps], GREEDY)
    for step, completion in zip(steps, told, strict=True):
        assert completion.offsets
        same(completion, step.completion)


def test_prompts_of_token_ids_go_to_the_other_protocol(
    endpoint: Callable[..., EndpointModel], local: list[Trace]
) -> None:
    steps = local[0].steps
    prompts = [Prompt(tokens=step.completion.prompt_ids) for step in steps]
    for step, completion in zip(steps, endpoint(token_ids=True).complete(prompts, GREEDY), strict=True):
        same(completion, step.completion)
    plain = endpoint().complete(prompts[:1], GREEDY)
    assert plain == [Completion(text=steps[0].completion.text)]


def test_with_tools_the_calls_are_native_and_the_same(
    endpoint: Callable[..., EndpointModel], local: list[Trace]
) -> None:
    steps = [step for step in local[0].steps if step.calls]
    prompts = [Prompt(messages=step.prompt.messages, tools=TOOLS) for step in steps]
    for step, completion in zip(steps, endpoint().complete(prompts, GREEDY), strict=True):
        assert completion.tool_calls is not None
        expected = parse_calls(step.completion.text)
        assert [(call.name, call.arguments) for call in completion.tool_calls] == [
            (call.name, call.arguments) for call in expected
        ]
        assert "<tool_call>" not in completion.text


def test_samples_of_one_prompt_differ_and_are_repeatable(
    endpoint: Callable[..., EndpointModel], local: list[Trace]
) -> None:
    prompt = local[0].steps[0].prompt
    sampling = Sampling(temperature=1.5, max_tokens=24, seed=3)
    model = endpoint(token_ids=True, concurrency=4)
    first, again = (model.complete([prompt] * 6, sampling) for _ in range(2))
    assert [each.token_ids for each in first] == [each.token_ids for each in again]
    assert len({each.token_ids for each in first}) > 2


def test_cut_and_stopped_completions(endpoint: Callable[..., EndpointModel], nano: LocalModel) -> None:
    prompt = Prompt(messages=(Message(role=Role.USER, content="<|chunk|>\nUser: Ann sails. #1\nUser: Hi. #2\n"),))
    model = endpoint(token_ids=True)
    (whole,) = nano.complete([prompt], GREEDY)
    for sampling in (Sampling(max_tokens=2), Sampling(max_tokens=40, stop=(whole.text[-5:],))):
        same(model.complete([prompt], sampling)[0], nano.complete([prompt], sampling)[0])


def test_what_the_server_refuses_is_told_once(endpoint: Callable[..., EndpointModel], served: str) -> None:
    prompt = Prompt(messages=(Message(role=Role.USER, content="x"),))
    with pytest.raises(ModelError, match=r"status 400 \(check the request\).*expected at most 8192 together"):
        endpoint().complete([prompt], Sampling(max_tokens=9000))
    with EndpointModel(served, "gpt") as model, pytest.raises(ModelError, match=r"status 404.*expected 'nano'"):
        model.complete([prompt], GREEDY)
