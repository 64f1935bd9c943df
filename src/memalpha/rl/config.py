"""The configuration of a training run as small records; `memalpha.rl.config_file` reads them from TOML.

    [run]  [data]  [writer]  [rollout]  [reward]  [optim]  [engine]     one table for each record below

The first six say what is learned, in at most 40 fields; the last says on what it runs, in at most 15. A test counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from memalpha.errors import ConfigError
from memalpha.rewards import RewardPreset
from memalpha.rl.advantage import Estimator
from memalpha.rl.objective import Aggregation, LossKind


class Precision(StrEnum):
    """A number format."""

    FP32 = "fp32"
    BF16 = "bf16"


class LayoutName(StrEnum):
    """A memory that writers are trained for (`memalpha.memory.layouts`)."""

    MEMALPHA = "memalpha"
    RELEASED = "released"
    """With the tools and the way of calling of the released Memalpha-4B."""


class Sampler(StrEnum):
    """What draws the completions."""

    TRANSFORMERS = "transformers"
    """The network that is trained, in this process."""
    VLLM = "vllm"
    """vLLM in this process, on the same device; takes the weights over after each update."""


class Tracker(StrEnum):
    """Keeps the curves of runs."""

    TENSORBOARD = "tensorboard"
    WANDB = "wandb"
    """Weights & Biases."""
    MLFLOW = "mlflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """What is trained, and for how long."""

    model: str = "nano-warm"
    """A shipped name (nano, nano-chat, nano-warm), or the folder or hub name of a causal model with a chat template."""
    steps: int = 40
    """Rounds of sampling and learning."""
    seed: int = 0
    """Decides episodes, sampling and order; the same seed gives the same run on the same machine."""
    validate_every: int = 10
    """Steps between greedy evaluations on held-out episodes; 0 for never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Where episodes come from."""

    source: str = "world"
    """"world" for the synthetic one, else a file or folder: Episode JSONL, a built set or a data set as published."""
    tokens: int = 440
    """Length of a world episode; ignored for files."""
    validation_episodes: int = 16
    """Held out from training; of files at most a tenth."""
    stored: float = 0.0
    """Share of the training episodes that begin with a filled memory (`memalpha.episode.store_first`), in their middle.

    It falls to 0 over the run: corrections need something to correct long before the writer keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterSection:
    """What the writer is shown and may write (`memalpha.agent.view.ViewConfig`)."""

    layout: LayoutName = LayoutName.MEMALPHA
    """What its memory is made of, and how it calls; "released" is for the released Memalpha-4B."""
    newest: int = 1
    related: int = 1
    overlap: float = 0.6
    budgets: tuple[float, ...] = ()
    """Shares of a chunk that may be written; steps take them in turn. Empty is no limit."""
    passage: int = 200
    """The nano policy reads longer chunks in passages of so many tokens; models with a chat prompt read whole ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutConfig:
    """How experience is gathered."""

    episodes: int = 12
    """Different episodes of one step."""
    group: int = 8
    """Samples of each episode, compared with each other (GRPO, arXiv:2402.03300)."""
    temperature: float = 1.0
    max_new_tokens: int = 96
    """A completion is cut there; cut completions are counted in the metrics."""
    branches: int = 0
    """Places of each episode where a group is sampled from one and the same memory; for estimator = "branched"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardConfig:
    """r = r1 + r2 + β·r3 + γ·r4."""

    preset: RewardPreset = RewardPreset.DEFAULT
    compression: float = 0.05
    """β, weight of r3."""
    content: float = 0.1
    """γ, weight of r4."""
    call_credit: float = 0.85
    """Share of the advantage of a call that is the value of that very call (`memalpha.credit`); 0 is the paper's."""
    credit: float = 0.7
    """Share of r1 and r3 that a step earns by the questions on its own chunk; 0 is the paper's."""
    reader: str = ""
    """URL of an OpenAI-compatible server that answers the questions; empty is the extractive reader."""
    reader_model: str = ""
    """The model asked there."""
    judge: bool = False
    """Lets that model judge r4 in place of the rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimConfig:
    """How the policy learns from it."""

    estimator: Estimator = Estimator.PER_STEP
    normalise_std: bool = True
    mix: float = 0.5
    """Weight of the global term in the branched estimator."""
    loss: LossKind = LossKind.CLIPPED
    aggregation: Aggregation = Aggregation.TOKEN_MEAN
    clip_low: float = 0.2
    clip_high: float = 0.28
    """Above clip_low: clip-higher (DAPO, arXiv:2503.14476)."""
    kl: float = 0.0
    """Weight of the k3 distance to the initial policy."""
    rate: float = 1e-3
    """Peak learning rate of AdamW, reached after warm_up updates."""
    warm_up: int = 2
    minibatches: int = 6
    """Optimiser updates of one step."""
    importance_cap: float = 0.0
    """For a sampler that computes otherwise than the trainer: each token counts by its likelihood under the trainer
    over that under the sampler, at most this (truncated importance sampling); 0 takes both for the same."""
    lora_rank: int = 0
    """Trains low-rank matrices beside every linear layer (LoRA, arXiv:2106.09685); 0 trains all weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What a run runs on: decides time and memory, not what is learned, and may change when a run is resumed."""

    device: str = "cpu"
    """"cpu", "cuda", "cuda:1" or "mps"."""
    threads: int = 2
    """CPU threads; more than there are free cores is much slower than one."""
    precision: Precision = Precision.BF16
    """In what the update computes; bf16 is autocast, several times quicker on a recent CPU or GPU."""
    weights: Precision = Precision.FP32
    """In what the network is held, and samples; bf16 needs optim.lora_rank, whose own matrices stay in fp32."""
    sampler: Sampler = Sampler.TRANSFORMERS
    sampler_memory: float = 0.4
    """Share of the device's memory that vLLM may take, for weights and cache."""
    sample_tokens: int = 48_000
    """Tokens of prompts and completions that are sampled at once; lower it when memory runs out in sampling."""
    micro_batch_tokens: int = 4_000
    """Tokens that are learned from at once; lower it when memory runs out in the update."""
    gradient_checkpointing: bool = False
    """Computes activations again instead of keeping them: a third slower, a fraction of the memory."""
    checkpoint_every: int = 5
    """Steps between checkpoints; the last two are kept."""
    trackers: tuple[Tracker, ...] = (Tracker.TENSORBOARD,)
    """Who is told the metrics, beside metrics.jsonl."""
    nodes: int = 1
    """Machines of a cluster; more than one needs --engine verl."""
    gpus: int = 1
    """GPUs of each machine; more than one needs --engine verl."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """All of it."""

    run: RunConfig = field(default_factory=RunConfig)
    data: DataConfig = field(default_factory=DataConfig)
    writer: WriterSection = field(default_factory=WriterSection)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)

    def __post_init__(self) -> None:
        """Refuse combinations that cannot work."""
        for name, least in _LEAST.items():
            _check(self._get(name) >= least, f"{name} is {self._get(name)}", f"at least {least}")
        for name in ("data.stored", "reward.credit", "reward.call_credit", "optim.mix", "optim.clip_low"):
            _check(0 <= self._get(name) <= 1, f"{name} is {self._get(name)}", "0 to 1")
        for name in ("rollout.temperature", "optim.rate", "engine.sampler_memory"):
            _check(self._get(name) > 0, f"{name} is {self._get(name)}", "above 0")
        _check(
            all(0 < share <= 1 for share in self.writer.budgets),
            f"writer.budgets is {list(self.writer.budgets)}",
            "shares above 0 and at most 1",
        )
        _check(
            bool(self.reward.reader) == bool(self.reward.reader_model),
            f'reward.reader is "{self.reward.reader}" and reward.reader_model is "{self.reward.reader_model}"',
            "both or neither",
        )
        _check(not self.reward.judge or bool(self.reward.reader), "reward.judge is true", "reward.reader to ask")
        branched = self.optim.estimator is Estimator.BRANCHED
        _check(
            branched == (self.rollout.branches > 0),
            f'optim.estimator is "{self.optim.estimator}" and rollout.branches is {self.rollout.branches}',
            'branches above 0 with estimator = "branched", and 0 with any other',
        )
        _check(
            self.engine.weights is Precision.FP32 or self.optim.lora_rank > 0,
            'engine.weights is "bf16" and optim.lora_rank is 0',
            "a rank above 0, or fp32 weights: updates smaller than a rounding step would be lost",
        )

    def _get(self, name: str) -> float:
        table, key = name.split(".")
        value: float = getattr(getattr(self, table), key)
        return value


_LEAST = {
    "run.steps": 1,
    "run.validate_every": 0,
    "data.validation_episodes": 0,
    "writer.newest": 0,
    "writer.related": 0,
    "writer.passage": 1,
    "rollout.episodes": 1,
    "rollout.group": 2,
    "rollout.max_new_tokens": 1,
    "rollout.branches": 0,
    "optim.clip_high": 0,
    "optim.kl": 0,
    "optim.warm_up": 0,
    "optim.minibatches": 1,
    "optim.importance_cap": 0,
    "optim.lora_rank": 0,
    "engine.threads": 1,
    "engine.sample_tokens": 1,
    "engine.micro_batch_tokens": 1,
    "engine.checkpoint_every": 1,
    "engine.nodes": 1,
    "engine.gpus": 1,
}
"""Least values; two samples are needed to compare one with another."""


def _check(good: bool, got: str, expected: str) -> None:
    if not good:
        raise ConfigError(f"{got}, expected {expected}")
