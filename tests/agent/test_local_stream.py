"""Rows of one decoder that come and go: each as if alone, none waiting for the longest."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from memalpha.agent.local import LocalModel
from memalpha.agent.model import Prompt, Sampling
from memalpha.agent.stream import complete_all
from memalpha.agent.tokens import NANO_FOLDER

END = 1


class Countdown(torch.nn.Module):
    """Token 100 + n is followed by 100 + n - 1, and 100 by the end; counts the rows of each pass."""

    device, config = torch.device("cpu"), None
    generation_config = SimpleNamespace(eos_token_id=END)

    def __init__(self) -> None:
        super().__init__()
        self.passes: list[tuple[int, ...]] = []

    def forward(self, *, input_ids: torch.Tensor, **_: Any) -> SimpleNamespace:
        self.passes.append(tuple(input_ids.shape))
        last = input_ids[:, -1]
        logits = torch.full((len(last), 1, 2048), -1e9)
        logits[range(len(last)), 0, torch.where(last > 100, last - 1, END)] = 0.0
        return SimpleNamespace(logits=logits)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(NANO_FOLDER)


def counting(tokenizer: Any, **more: int) -> LocalModel:
    return LocalModel(Countdown(), tokenizer, **more)  # type: ignore[arg-type]


def start(n: int) -> Prompt:
    return Prompt(tokens=(100 + n,))


GREEDY = Sampling(max_tokens=50)


def test_who_ends_first_comes_first_and_makes_room(tokenizer: Any) -> None:
    model = counting(tokenizer)
    stream = model.stream()
    for key, n in ((7, 9), (8, 1), (9, 4)):
        stream.submit(key, start(n), GREEDY)
    assert [(key, len(found.token_ids)) for key, found in stream.ready()] == [(8, 2)]
    stream.submit(10, start(2), GREEDY)
    # The new row joins the two on their way: its first token while they wait, two more beside theirs.
    assert [(key, len(found.token_ids)) for key, found in stream.ready()] == [(10, 3)]
    assert [(key, len(found.token_ids)) for key, found in stream.ready()] == [(9, 5)]
    assert [(key, len(found.token_ids)) for key, found in stream.ready()] == [(7, 10)]
    assert stream.ready() == []
    assert model.tokens_sampled == 2 + 5 + 3 + 10


def test_a_few_wait_until_joining_pays(tokenizer: Any) -> None:
    model = counting(tokenizer)
    stream = model.stream()
    for key in range(8):
        stream.submit(key, start(10 + key), GREEDY)
    stream.submit(90, start(1), GREEDY)
    assert [key for key, _ in stream.ready()] == [90]
    stream.submit(91, start(0), GREEDY)  # one beside eight: less than a quarter
    assert [key for key, _ in stream.ready()] == [0]
    stream.submit(92, start(0), GREEDY)  # two beside seven
    assert sorted(key for key, _ in stream.ready()) == [91, 92]


def test_no_more_tokens_are_on_their_way_than_may_be(tokenizer: Any) -> None:
    model = counting(tokenizer, sample_tokens=30)
    sampling = Sampling(max_tokens=9)
    found = complete_all(model.stream(), [start(n) for n in range(8)], sampling)
    assert [len(each.token_ids) for each in found] == [min(n + 1, 9) for n in range(8)]
    network: Any = model.network
    assert max(rows for rows, _ in network.passes) == 3
    alone = complete_all(counting(tokenizer, sample_tokens=1).stream(), [start(2), start(3)], sampling)
    assert [len(each.token_ids) for each in alone] == [3, 4]


@pytest.mark.parametrize("family", ["lfm2", "sliding"])
def test_a_row_draws_the_same_whenever_it_joins(tokenizer: Any, tiny_network: Callable[..., Any], family: str) -> None:
    network = tiny_network(family, vocab_size=2048)
    network.generation_config.eos_token_id = [*range(1, 200)]
    model = LocalModel(network, tokenizer)
    prompts = [Prompt(tokens=tuple(range(300 + 7 * n, 303 + 9 * n))) for n in range(12)]
    sampling = Sampling(temperature=1.0, max_tokens=12, seed=5)
    alone = {}
    for key, prompt in enumerate(prompts):
        stream = model.stream()
        stream.submit(key, prompt, sampling)
        alone.update(stream.ready())
    together, stream = {}, model.stream()
    for key in range(6):
        stream.submit(key, prompts[key], sampling)
    late = iter(range(6, 12))
    while found := stream.ready():
        together.update(found)
        for key in [each for _, each in zip(found, late, strict=False)]:
            stream.submit(key, prompts[key], sampling)
    assert together.keys() == alone.keys()
    for key, completion in alone.items():
        assert together[key].token_ids == completion.token_ids
        assert together[key].logprobs == pytest.approx(completion.logprobs, abs=1e-5)
    assert len({completion.token_ids for completion in alone.values()}) > 6
