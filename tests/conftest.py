"""What every test runs under: one thread, no model hub, no network; and the fixture for real data."""

import os

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")  # read by torch on import
os.environ["HF_HUB_OFFLINE"] = "1"

import shutil
import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


class NetworkBlockedError(RuntimeError):
    """A test reached beyond this machine. Not an OSError, so that no code under test takes it for an outage."""


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves this machine, unless the test is marked `network`."""
    if request.node.get_closest_marker("network"):
        return
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _local_only(getattr(socket.socket, name)))
    resolve = socket.getaddrinfo

    def resolve_local(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_remote(host)
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_local)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("MEMALPHA_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no data sets at {folder}; set MEMALPHA_DATA to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def tiny_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a policy that writes garbage: random weights, two layers, the nano tokenizer. Not to be changed."""
    import torch
    from transformers import Lfm2Config, Lfm2ForCausalLM

    folder = tmp_path_factory.mktemp("policy")
    torch.manual_seed(0)
    config = Lfm2Config(
        vocab_size=2048,
        hidden_size=32,
        intermediate_size=64,
        block_auto_adjust_ff_dim=False,
        num_hidden_layers=2,
        layer_types=["conv", "full_attention"],
        num_attention_heads=4,
        num_key_value_heads=4,
        conv_L_cache=3,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=1,
    )
    Lfm2ForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(ROOT / "src" / "memalpha" / "agent" / "nano" / name, folder)
    return folder


def _local_only(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any, *args: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse_remote(address[0])
        return connect(self, address, *args)

    return guarded


def _refuse_remote(host: str | bytes | None) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return
    try:
        local = ip_address(str(name)).is_loopback
    except ValueError:
        local = False
    if not local:
        raise NetworkBlockedError(f"a test tried to reach {name!r}; serve it on 127.0.0.1 or mark the test `network`")


@pytest.fixture(scope="session")
def tiny_network() -> Callable[..., Any]:
    """Makes a random network of a family, of two layers: tiny_network("qwen3", vocab_size=2048)."""
    import torch
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        Lfm2Config,
        Lfm2ForCausalLM,
        LlamaConfig,
        LlamaForCausalLM,
        MistralConfig,
        MistralForCausalLM,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

    shape: dict[str, Any] = {
        "vocab_size": 64,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.3,
    }
    gpt2: dict[str, Any] = {"vocab_size": 64, "n_embd": 16, "n_layer": 2, "n_head": 4, "initializer_range": 0.3}
    convolved: dict[str, Any] = {"layer_types": ["conv", "full_attention"], "conv_L_cache": 3}
    families: dict[str, Callable[..., Any]] = {
        "qwen3": lambda **more: Qwen3ForCausalLM(Qwen3Config(**{**shape, "head_dim": 8, **more})),
        "lfm2": lambda **more: Lfm2ForCausalLM(Lfm2Config(**{**shape, **convolved, **more})),
        "llama": lambda **more: LlamaForCausalLM(LlamaConfig(**{**shape, **more})),
        "sliding": lambda **more: MistralForCausalLM(MistralConfig(**{**shape, "sliding_window": 6, **more})),
        "gpt2": lambda **more: GPT2LMHeadModel(GPT2Config(**{**gpt2, **more})),
    }

    def make(family: str, **more: Any) -> Any:
        torch.manual_seed(0)
        return families[family](**more).eval()

    return make
