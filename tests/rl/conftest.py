"""A policy that writes calls, so that there is something to reward, and the configuration of a very short run."""

import math
import shutil
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import Lfm2Config, Lfm2ForCausalLM, PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from memalpha.rl.config import DataConfig, EngineConfig, OptimConfig, Precision, RolloutConfig, RunConfig, TrainConfig

torch.set_num_threads(1)

INSERT = '<tool_call>{"name": "memory_insert", "arguments": {"lines": ['
FOLLOWS = {
    ("<|write|>",): {(INSERT,): 0.85, ("<|end|>",): 0.15},
    (INSERT,): {tuple("123456789"): 1.0},
    tuple("123456789"): {('], "memory_type": "',): 1.0},
    ('], "memory_type": "',): {("semantic", "episodic"): 1.0},
    ("semantic", "episodic"): {('"}}</tool_call>',): 1.0},
    ('"}}</tool_call>',): {(INSERT,): 0.4, ("<|end|>",): 0.6},
}
"""Which tokens follow which, and how likely: inserts that quote a line at random, some of them out of range."""


def _teach(network: PreTrainedModel, folder: Path) -> None:
    """Write `FOLLOWS` into the embeddings and the head of a network."""
    ids = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    embedding_VD = network.model.embed_tokens.weight.detach()
    head_VD = network.lm_head.weight.detach()
    width = embedding_VD.shape[1]
    for axis, (tokens, following) in enumerate(FOLLOWS.items()):
        # Tokens that go on alike point along one axis; after the last norm their length is the root of the width.
        for token in tokens:
            embedding_VD[ids[token]] = 0.0
            embedding_VD[ids[token], axis] = 1.0
        for names, share in following.items():
            for name in names:
                logit = math.log(share / len(names)) + 14.0
                head_VD[ids[name], axis] = logit / math.sqrt(width)


@pytest.fixture(scope="session")
def quoting_policy(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a policy that quotes lines at random: `tiny_policy` with `FOLLOWS` written into its weights."""
    folder = tmp_path_factory.mktemp("quoting") / "policy"
    shutil.copytree(tiny_policy, folder)
    torch.manual_seed(1)
    network = Lfm2ForCausalLM(Lfm2Config.from_pretrained(folder, tie_word_embeddings=False))
    _teach(network, folder)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def short_run(quoting_policy: Path) -> TrainConfig:
    """Four steps of two episodes with four samples each."""
    return TrainConfig(
        run=RunConfig(
            model=str(quoting_policy),
            steps=4,
            validate_every=2,
        ),
        engine=EngineConfig(threads=1, precision=Precision.FP32, checkpoint_every=2),
        data=DataConfig(tokens=200, validation_episodes=2),
        rollout=RolloutConfig(episodes=2, group=4, max_new_tokens=24),
        optim=OptimConfig(rate=1e-2),
    )


@pytest.fixture(scope="session")
def quoting_qwen(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a Qwen3 of two layers."""
    folder = tmp_path_factory.mktemp("qwen") / "policy"
    shutil.copytree(tiny_policy, folder)
    torch.manual_seed(2)
    config = Qwen3Config(
        vocab_size=2048,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        tie_word_embeddings=False,
        max_position_embeddings=4096,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=1,
    )
    network = Qwen3ForCausalLM(config)
    _teach(network, folder)
    network.save_pretrained(folder)
    return folder
