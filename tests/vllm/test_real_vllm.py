"""vLLM itself as the sampler of a policy: same log-probabilities, weights taken over, a run that trains.

Run by `make test-vllm`, in an environment of its own; nowhere else is vLLM installed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from memalpha.agent.local import LocalModel, load_local
from memalpha.agent.model import Prompt, Sampling
from memalpha.agent.tokens import NANO_FOLDER
from memalpha.agent.vllm_model import VllmModel, open_vllm
from memalpha.rl.config_file import from_tables
from memalpha.rl.train import train

pytest.importorskip("vllm", reason="vLLM is installed by `make test-vllm` only")
# Of vLLM on a CPU: a small cache, and threads that stay where the system puts them.
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")

PROMPTS = [Prompt(tokens=tuple(range(5, 5 + n))) for n in (3, 90, 40, 60)]
GREEDY = Sampling(max_tokens=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen3 of two layers with the tokenizer of the nano."""
    made = tmp_path_factory.mktemp("qwen3")
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "head_dim": 32}
    heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2}
    ends: dict[str, Any] = {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0, "max_position_embeddings": 2048}
    config = Qwen3Config(vocab_size=2048, initializer_range=0.1, tie_word_embeddings=False, **sizes, **heads, **ends)
    Qwen3ForCausalLM(config).save_pretrained(made)
    AutoTokenizer.from_pretrained(NANO_FOLDER).save_pretrained(made)
    return made


@pytest.fixture(scope="module")
def local(folder: Path) -> LocalModel:
    return load_local(folder)


@pytest.fixture(scope="module")
def model(local: LocalModel, folder: Path) -> VllmModel:
    return open_vllm(local, str(folder), memory=0.4, seed=0, dtype="float32")


def agree(model: VllmModel, local: LocalModel) -> None:
    for one, other in zip(model.complete(PROMPTS, GREEDY), local.complete(PROMPTS, GREEDY), strict=True):
        assert one.token_ids == other.token_ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_tokens_and_log_probabilities_are_those_of_the_network_before_and_after_weights_are_sent(
    model: VllmModel, local: LocalModel
) -> None:
    agree(model, local)
    with torch.no_grad():
        for each in local.network.parameters():
            each.add_(0.02 * torch.randn(each.shape, generator=torch.Generator().manual_seed(1)))
    model.take(local.network.state_dict().items())
    agree(model, local)


def test_the_same_seed_draws_the_same_and_prompts_that_are_alike_are_drawn_apart(model: VllmModel) -> None:
    sampling = Sampling(temperature=1.0, max_tokens=16, seed=3)
    one, again = (model.complete(PROMPTS * 2, sampling) for _ in range(2))
    assert [each.token_ids for each in one] == [each.token_ids for each in again]
    assert len({each.token_ids for each in one}) == 8


@pytest.mark.parametrize("rank", [0, 4])
def test_a_run_trains_what_vllm_samples(folder: Path, tmp_path: Path, rank: int) -> None:
    config = from_tables(
        {
            "run": {"model": str(folder), "steps": 3, "validate_every": 0},
            "data": {"tokens": 440, "validation_episodes": 0},
            "rollout": {"episodes": 2, "group": 4, "max_new_tokens": 24},
            "optim": {"rate": 1e-2, "lora_rank": rank, "importance_cap": 2.0, "minibatches": 1},
            "engine": {"sampler": "vllm", "threads": 1, "precision": "fp32"},
        },
        where="the test",
    )
    train(config, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 3
    # After each update vLLM samples from what was learned: the trainer gives its tokens the same likelihood.
    assert all(row["mismatch_nats"] < 1e-4 for row in rows if "mismatch_nats" in row)
    assert any("mismatch_nats" in row for row in rows)
