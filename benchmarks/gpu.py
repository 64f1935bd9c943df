"""Speed and correctness on one GPU: a random-weight network of the shape of Qwen3-4B.

    python benchmarks/gpu.py                        on the GPU; says so and ends where there is none
    python benchmarks/gpu.py --device cpu --shape tiny

First a small network is compared with float32 on the CPU: log-probabilities, then the loss and gradient norm of one
update. Then the rate of a large matrix product, which the rest is measured against; tokens a second of sampling and of
the update, with LoRA and with all weights. The result is written after each part, so that a run that is cut leaves
what it has.

Not measured: what the network writes. Random weights seldom end a completion, so that each has the full length.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from record import save
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase, Qwen3Config

from memalpha.agent.local import LocalModel, load_local
from memalpha.agent.model import Prompt, Sampling
from memalpha.errors import ModelError
from memalpha.rl.batch import micro_batches, padding_share
from memalpha.rl.config import EngineConfig, OptimConfig, Precision
from memalpha.rl.learner import Learner, sampled_logprobs
from memalpha.rl.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A network, and what it is asked to do."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    intermediate: int
    vocabulary: int
    sequences: int
    """Sampled together."""
    prompt: tuple[int, int]
    """Shortest and longest prompt, in tokens."""
    completion: int
    """Tokens of each completion."""
    matrix: int
    """Side of the matrices whose product is timed."""
    trained: int
    """Sequences of an update."""
    micro_batch: int
    """Tokens of a micro-batch."""

    def config(self) -> Qwen3Config:
        return Qwen3Config(
            hidden_size=self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            head_dim=self.head,
            intermediate_size=self.intermediate,
            vocab_size=self.vocabulary,
            max_position_embeddings=32_768,
            tie_word_embeddings=True,
            eos_token_id=None,
            pad_token_id=None,
        )


SHAPES = {
    "qwen3-4b": Shape(
        hidden=2560, layers=36, heads=32, kv_heads=8, head=128, intermediate=9728, vocabulary=151_936,
        sequences=64, prompt=(600, 2400), completion=256, matrix=8192, trained=32, micro_batch=8192,
    ),
    "tiny": Shape(
        hidden=32, layers=2, heads=4, kv_heads=2, head=8, intermediate=64, vocabulary=2048,
        sequences=4, prompt=(10, 40), completion=6, matrix=128, trained=4, micro_batch=128,
    ),
}  # fmt: skip
"""`qwen3-4b` has the numbers of that model's configuration and prompts of the length of the paper's chunks."""
SMALL = SHAPES["tiny"]
"""What is compared with the CPU."""
LOGPROB_TOLERANCE, UPDATE_TOLERANCE = 1e-4, 1e-3
"""In nats, and as a share: float32 on both, summed in another order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to train."""

    name: str
    lora_rank: int
    gradient_checkpointing: bool
    weights: Precision


SETTINGS = (
    Setting(name="LoRA 16", lora_rank=16, gradient_checkpointing=False, weights=Precision.BF16),
    Setting(name="LoRA 16, checkpointing", lora_rank=16, gradient_checkpointing=True, weights=Precision.BF16),
    Setting(name="all weights, checkpointing", lora_rank=0, gradient_checkpointing=True, weights=Precision.FP32),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", default="qwen3-4b", choices=list(SHAPES))
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("torch sees no GPU, so that there is nothing to measure; run this on a machine that has one")
        return
    if options.device == "cpu":
        torch.set_num_threads(1)
    results: dict[str, Any] = {"device": device_name(options.device), "shape": options.shape}
    for part, found in measure(options.device, SHAPES[options.shape]):
        results[part] = found
        print(part, found, flush=True)
        save(f"gpu_{options.shape}" if options.shape == "tiny" else "gpu", results, seeds=[0])


def measure(device: str, shape: Shape) -> Any:
    """Yields the parts, one after the other, with what was found."""
    yield "correctness", correctness(device)
    rate = matrix_rate(device, shape.matrix)
    yield "matrix_tflops", rate / 1e12
    yield "sampling", sampling(device, shape, rate)
    updates: list[dict[str, Any]] = []
    for setting in SETTINGS:
        try:
            updates.append(update(device, shape, setting, rate))
        except ModelError as error:  # memory ran out
            updates.append({**asdict(setting), "error": str(error)})
        yield "updates", list(updates)


def device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def network(shape: Shape, *, dtype: torch.dtype, device: str) -> LocalModel:
    """Random weights, the same for the same shape; the tokenizer only names ids."""
    torch.manual_seed(0)
    with torch.device(device):
        made: Any = AutoModelForCausalLM.from_config(shape.config(), dtype=dtype)
    tokenizer: PreTrainedTokenizerBase = load_local("nano-warm").tokenizer
    return LocalModel(made.eval(), tokenizer, name="random")


def rows_of(shape: Shape, count: int) -> list[Row]:
    """Random prompts and completions of the lengths of the shape, in groups of 8."""
    rng = random.Random(0)
    return [
        Row(
            prompt_ids=tuple(rng.randrange(2, 2000) for _ in range(rng.randint(*shape.prompt))),
            token_ids=tuple(rng.randrange(2, 2000) for _ in range(shape.completion)),
            logprobs=(-7.0,) * shape.completion,
            advantage=rng.choice((-1.0, 1.0)),
            group=number // 8,
        )
        for number in range(count)
    ]


def correctness(device: str) -> dict[str, float]:
    """Largest differences of a small network in float32 to the CPU; raises where they are too large."""
    rows = rows_of(SMALL, SMALL.trained)
    engine = EngineConfig(precision=Precision.FP32, micro_batch_tokens=SMALL.micro_batch)
    found = []
    for place in ("cpu", device):
        model = network(SMALL, dtype=torch.float32, device="cpu")  # made on the CPU: devices draw unlike numbers
        moved: Any = model.network
        moved.to(place)
        with torch.no_grad():
            logprobs_NC = [
                sampled_logprobs(model.network, batch, Precision.FP32).cpu()
                for batch in micro_batches(rows, token_budget=SMALL.micro_batch)
            ]
        learner = Learner(model, OptimConfig(minibatches=1), engine=engine)
        found.append((logprobs_NC, learner.update(rows, seed=0)))
    (mine, ours), (theirs, others) = found
    differences = {
        "logprob": max(float((a - b).abs().max()) for a, b in zip(mine, theirs, strict=True)),
        "loss": relative(ours["loss"], others["loss"]),
        "gradient_norm": relative(ours["gradient_norm"], others["gradient_norm"]),
    }
    if differences["logprob"] > LOGPROB_TOLERANCE or max(differences.values()) > UPDATE_TOLERANCE:
        raise SystemExit(f"{device} does not compute what the CPU computes: {differences}")
    return differences


def relative(one: float, other: float) -> float:
    return abs(one - other) / max(abs(one), abs(other), 1e-12)


def matrix_rate(device: str, side: int) -> float:
    """Operations a second of a product of square bfloat16 matrices."""
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = best(lambda: left @ right, device, times=10)
    return float(2 * side**3 / seconds)


def sampling(device: str, shape: Shape, rate: float) -> dict[str, Any]:
    """Completions of full length, in bfloat16."""
    model = network(shape, dtype=torch.bfloat16, device=device)
    prompts = [Prompt(tokens=row.prompt_ids) for row in rows_of(shape, shape.sequences)]
    model.complete(prompts[:2], Sampling(temperature=1.0, max_tokens=2, seed=0))  # warm up
    forget_peak(device)
    first = time_of(lambda: model.complete(prompts, Sampling(temperature=1.0, max_tokens=1, seed=0)), device)
    whole = time_of(
        lambda: model.complete(prompts, Sampling(temperature=1.0, max_tokens=shape.completion, seed=0)), device
    )
    read = sum(len(prompt.tokens or ()) for prompt in prompts)
    written = len(prompts) * (shape.completion - 1)
    return {
        "sequences": len(prompts),
        "prompt_tokens_per_second": read / first,
        "completion_tokens_per_second": written / max(whole - first, 1e-9),
        "tokens_per_second": len(prompts) * shape.completion / whole,
        "prompt_share_of_matrix_rate": 2 * weights(model) * read / first / rate,
        "peak_gib": peak(device),
    }


def update(device: str, shape: Shape, setting: Setting, rate: float) -> dict[str, Any]:
    """One optimiser update in bfloat16, after one that warms up."""
    dtype = torch.bfloat16 if setting.weights is Precision.BF16 else torch.float32
    model = network(shape, dtype=dtype, device=device)
    count = weights(model)
    engine = EngineConfig(
        precision=Precision.BF16,
        weights=setting.weights,
        gradient_checkpointing=setting.gradient_checkpointing,
        micro_batch_tokens=shape.micro_batch,
    )
    learner = Learner(model, OptimConfig(lora_rank=setting.lora_rank, minibatches=1), engine=engine)
    rows = rows_of(shape, shape.trained)
    forget_peak(device)
    learner.update(rows[:2], seed=0)
    seconds = time_of(lambda: learner.update(rows, seed=0), device)
    tokens = sum(len(row.prompt_ids) + len(row.token_ids) for row in rows)
    # Forward 2 and backward 4 operations a weight and token; frozen weights need no gradient of their own.
    operations = (4 if setting.lora_rank else 6) * count * tokens
    return {
        **asdict(setting),
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
        "share_of_matrix_rate": operations / seconds / rate,
        "padding_share": padding_share(micro_batches(rows, token_budget=shape.micro_batch)),
        "peak_gib": peak(device),
    }


def weights(model: LocalModel) -> int:
    """Of the layers: the head is asked for a few places only, and embeddings are looked up."""
    network: Any = model.network
    return sum(each.numel() for each in network.model.layers.parameters())


def best(work: Callable[[], Any], device: str, *, times: int) -> float:
    """Least seconds of one call."""
    return min(time_of(work, device) for _ in range(times))


def time_of(work: Callable[[], Any], device: str) -> float:
    wait(device)
    began = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - began


def wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def forget_peak(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: str) -> float | None:
    """GiB of the card's memory at most, None on the CPU."""
    return torch.cuda.max_memory_allocated(device) / 2**30 if device.startswith("cuda") else None


if __name__ == "__main__":
    main()
