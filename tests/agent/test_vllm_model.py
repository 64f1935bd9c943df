"""vLLM as a sampler, with an engine that does what vLLM does: tokens of rows on their way, and weights taken over.

The engine itself runs in tests/vllm, where vLLM can be installed.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from memalpha.agent.decoding import Decoder, Row
from memalpha.agent.local import LocalModel, load_local
from memalpha.agent.model import Prompt, Sampling
from memalpha.agent.vllm_model import Ended, VllmModel, open_vllm
from memalpha.errors import MissingExtraError, ModelError

PROMPTS = [Prompt(tokens=tuple(range(5, 5 + n))) for n in (3, 9, 4, 6)]
SAMPLING = Sampling(temperature=1.0, max_tokens=12, seed=2)


class Network:
    """Samples with a copy of a network, row by row."""

    def __init__(self, model: LocalModel) -> None:
        self.model = LocalModel(copy.deepcopy(model.network), model.tokenizer)
        self.rows: dict[str, tuple[Decoder, list[int], list[float]]] = {}
        self.seeds: list[int | None] = []

    def add(self, key: str, ids: Sequence[int], sampling: Sampling, seed: int | None) -> None:
        assert key not in self.rows
        self.seeds.append(seed)
        row = Row(ids=ids, max_tokens=sampling.max_tokens, temperature=sampling.temperature, seed=seed)
        self.rows[key] = (self.model.start([row]), [], [])

    def step(self) -> list[Ended]:
        ended = []
        for key, (decoder, ids, logprobs) in list(self.rows.items()):
            (drawn,) = decoder.step()
            ids.append(drawn.token)
            logprobs.append(drawn.logprob)
            if not decoder.alive:
                del self.rows[key]
                ended.append(Ended(key=key, token_ids=tuple(ids), logprobs=tuple(logprobs)))
        return ended

    def load(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        self.model.network.load_state_dict({name: each.clone() for name, each in weights})


@pytest.fixture(scope="module")
def local(tiny_policy: Path) -> LocalModel:
    return load_local(tiny_policy)


def test_completions_are_those_of_the_model_whose_network_it_holds(local: LocalModel) -> None:
    engine = Network(local)
    model = VllmModel(local, engine)
    assert model.name == local.name
    before = local.tokens_sampled
    found = model.complete(PROMPTS, SAMPLING)
    assert local.tokens_sampled - before == sum(len(each.token_ids) for each in found)
    for one, other in zip(found, local.complete(PROMPTS, SAMPLING), strict=True):
        assert one.token_ids == other.token_ids
        assert (one.text, one.prompt_ids, one.offsets, one.finished) == (
            other.text,
            other.prompt_ids,
            other.offsets,
            other.finished,
        )
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
    assert len(set(engine.seeds)) == len(PROMPTS)


def test_a_text_ends_before_a_stop_text(local: LocalModel) -> None:
    model = VllmModel(local, Network(local))
    (whole,) = model.complete(PROMPTS[:1], SAMPLING)
    stop = whole.text[4:6]
    (cut,) = model.complete(PROMPTS[:1], Sampling(temperature=1.0, max_tokens=12, seed=2, stop=(stop,)))
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.finished


def test_streams_do_not_get_rows_of_each_other(local: LocalModel) -> None:
    model = VllmModel(local, Network(local))
    given_up = model.stream()
    given_up.submit(0, PROMPTS[0], Sampling(max_tokens=1))
    stream = model.stream()
    stream.submit(0, PROMPTS[1], Sampling(max_tokens=3))
    ((key, found),) = stream.ready()
    assert (key, found.prompt_ids) == (0, PROMPTS[1].tokens)
    assert stream.ready() == []


def test_weights_are_taken_over(local: LocalModel) -> None:
    other = LocalModel(copy.deepcopy(local.network), local.tokenizer)
    with torch.no_grad():
        for each in other.network.parameters():
            each.add_(torch.randn(each.shape, generator=torch.Generator().manual_seed(0)))
    model = VllmModel(local, Network(local))
    model.take(other.network.state_dict().items())
    greedy = Sampling(max_tokens=8)
    assert [each.token_ids for each in model.complete(PROMPTS, greedy)] == [
        each.token_ids for each in other.complete(PROMPTS, greedy)
    ]


def test_a_prompt_that_vllm_refuses_is_one_clear_sentence(local: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        @classmethod
        def from_engine_args(cls, arguments: object) -> Refusing:
            return cls()

        def add_request(self, *_: object) -> None:
            raise ValueError("The prompt is longer than the maximum model length of 2.\nmore")

    stand_in = SimpleNamespace(EngineArgs=dict, LLMEngine=Refusing, SamplingParams=dict)
    monkeypatch.setitem(sys.modules, "vllm", stand_in)
    model = open_vllm(local, "folder", memory=0.4, seed=0, dtype="float32")
    expected = r"vLLM refuses a prompt of 3 tokens \(The prompt is .* length of 2\.\); shorten the chunks, or lower"
    with pytest.raises(ModelError, match=expected):
        model.complete(PROMPTS[:1], SAMPLING)


def test_memory_that_runs_out_says_which_setting_decides(local: LocalModel) -> None:
    class Full(Network):
        def step(self) -> list[Ended]:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ModelError, match=r"while sampling \(CUDA out of memory\); lower engine\.sampler_memory"):
        VllmModel(local, Full(local)).complete(PROMPTS, SAMPLING)


def test_without_vllm_one_clear_sentence(local: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtraError, match=r"vllm cannot be imported .*; install it as docs/train\.md says"):
        open_vllm(local, "folder", memory=0.4, seed=0, dtype="float32")
