"""Rows that are picked, repeated and joined go on as if alone; common starts are read once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from transformers import DynamicCache, Lfm2ForCausalLM

from memalpha.agent.row_batch import RowBatch, RowCache, read


@pytest.fixture(scope="module", params=["lfm2", "qwen3", "llama", "gpt2"])
def network(request: pytest.FixtureRequest, tiny_network: Callable[..., Any]) -> Any:
    return tiny_network(request.param)


def ids(seed: int, length: int) -> list[int]:
    return torch.randint(3, 64, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


def logits_of(network: Any, tokens: Sequence[int]) -> torch.Tensor:
    """After each token of one row, alone, without a cache."""
    with torch.inference_mode():
        return torch.as_tensor(network(input_ids=torch.tensor([list(tokens)]), use_cache=False).logits[0])


def go_on(network: Any, batch: RowBatch, tokens: list[int]) -> torch.Tensor:
    batch.next_B = torch.tensor(tokens)
    with torch.inference_mode():
        return batch.forward(network)


@torch.inference_mode()
def test_rows_that_were_picked_repeated_and_joined_go_on_as_if_alone(network: Any) -> None:
    short, long, late = ids(1, 5), ids(2, 9), ids(3, 7)
    batch, logits = read(network, [long, short])
    assert logits[0] == pytest.approx(logits_of(network, long)[-1], abs=1e-5)
    assert logits[1] == pytest.approx(logits_of(network, short)[-1], abs=1e-5)
    batch.pick(torch.tensor([1, 0, 1]))
    go_on(network, batch, [4, 5, 6])
    after = go_on(network, batch, [7, 8, 9])
    wanted = [[*short, 4, 7], [*long, 5, 8], [*short, 6, 9]]
    for found, row in zip(after, wanted, strict=True):
        assert found == pytest.approx(logits_of(network, row)[-1], abs=1e-5)
    joined = RowBatch.joined([batch, read(network, [late])[0]])
    for step in range(100):  # past the room that was made ahead
        wanted = [*[[*row, step % 50 + 3] for row in wanted], [*(late if step == 0 else wanted[3]), step % 50 + 3]][:4]
        after = go_on(network, joined, [step % 50 + 3] * 4)
        if step in (0, 1, 50, 99):
            for found, row in zip(after, wanted, strict=True):
                assert found == pytest.approx(logits_of(network, row)[-1], abs=1e-4)


@torch.inference_mode()
def test_a_common_start_is_read_once_where_nothing_looks_across_padding(network: Any) -> None:
    start = ids(7, 40)
    rows = [[*start, *ids(8, 9)], [*start, *ids(9, 4)], [*start, 3]]
    shapes: list[tuple[int, ...]] = []
    hook = network.register_forward_pre_hook(
        lambda _, __, arguments: shapes.append(tuple(arguments["input_ids"].shape)), with_kwargs=True
    )
    batch, logits = read(network, rows)
    hook.remove()
    convolves = isinstance(network, Lfm2ForCausalLM)
    assert shapes == ([(3, 49)] if convolves else [(1, 40), (3, 9)])
    for found, row in zip(logits, rows, strict=True):
        assert found == pytest.approx(logits_of(network, row)[-1], abs=1e-5)
    for found, row in zip(go_on(network, batch, [5, 6, 7]), rows, strict=True):
        expected = logits_of(network, [*row, 5 + rows.index(row)])[-1]
        assert found == pytest.approx(expected, abs=1e-5)


@torch.inference_mode()
def test_prompts_that_are_a_start_of_each_other_leave_something_to_read(network: Any) -> None:
    long = ids(5, 45)
    rows = [long, long[:40], long[:34]]
    _, logits = read(network, rows)
    for found, row in zip(logits, rows, strict=True):
        assert found == pytest.approx(logits_of(network, row)[-1], abs=1e-5)


def test_layers_that_forget_do_not_join(tiny_network: Callable[..., Any]) -> None:
    assert not RowCache(tiny_network("sliding").config).joins
    assert RowCache(tiny_network("qwen3").config).joins
    assert [type(layer) for layer in RowCache(None).layers] == [type(layer) for layer in DynamicCache().layers] == []
