"""What `eval`, `replay` and `demo` share: models by name, episodes by source, systems side by side."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console

from memalpha.agent.encoder import load_embedder
from memalpha.agent.endpoint import EndpointModel
from memalpha.agent.local import LocalModel, load_local
from memalpha.agent.model import Model
from memalpha.agent.reader import ExtractiveReader
from memalpha.agent.writer import PromptStyle, Writer
from memalpha.data.files import load_episodes
from memalpha.data.words import Split
from memalpha.data.world import make_episodes
from memalpha.errors import ConfigError
from memalpha.evaluation.baselines import (
    LONG_CONTEXT_TOKENS,
    System,
    WatchedSystem,
    WriterSystem,
    long_context,
    rag,
    sentence_control,
)
from memalpha.evaluation.harness import compare
from memalpha.evaluation.report import markdown_table, rich_table, show_trace
from memalpha.evaluation.systems import LOCAL, Setup, build_systems
from memalpha.memory.layout import MEMALPHA
from memalpha.records import Episode
from memalpha.rl.checkpoint import RunFolder
from memalpha.rl.config import LayoutName, TrainConfig
from memalpha.rl.rollout import LAYOUTS
from memalpha.rl.train import make_writer
from memalpha.writing import write_whole, writing

UNTRAINED = "nano-warm"
"""The shipped writer before training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which episodes a command was asked for."""

    data: str
    """"world", or a file or folder."""
    tokens: int
    """Length of a world episode."""
    episodes: int
    """How many at most."""
    seed: int
    """Which ones."""

    def open(self) -> tuple[Episode, ...]:
        """The episodes themselves."""
        return open_episodes(self.data, tokens=self.tokens, episodes=self.episodes, seed=self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivals:
    """Which systems a command was asked for by name, and what they need."""

    names: str
    """With commas between; "all" is every system that needs no server and no other package."""
    server: str | None = None
    served: str | None = None
    """Name of the model on the server."""
    answers: bool = False
    """Whether that model answers for every system, in place of the extractive rules."""
    embedder: Path | None = None
    window_tokens: int = LONG_CONTEXT_TOKENS

    @property
    def listed(self) -> list[str]:
        """The names one by one."""
        return [name.strip() for name in self.names.split(",")] if self.names != "all" else list(LOCAL)

    def open(self, stack: ExitStack) -> EndpointModel:
        """The model on the server; raises `ConfigError` without one."""
        if self.server is None or self.served is None:
            raise ConfigError("got no server, expected one; add --server and --served")
        return stack.enter_context(EndpointModel(self.server, self.served))

    def build(
        self,
        model: LocalModel,
        budget: float | None,
        config: TrainConfig | None,
        stack: ExitStack,
        *,
        wrap: Callable[[Model], Model] = lambda model: model,
    ) -> list[WatchedSystem]:
        """The systems; `stack` closes what they hold open, `wrap` goes around each model. Raises `ConfigError`."""
        if (self.server is None) != (self.served is None):
            raise ConfigError("got one of --server and --served, expected both or neither; add the other one")
        if config and config.writer.layout is not LayoutName.MEMALPHA:
            raise ConfigError(
                f'got a writer for the layout "{config.writer.layout}", expected "{LayoutName.MEMALPHA}" beside other '
                "systems; leave --systems out, or serve it with memalpha serve-model and name memalpha-released"
            )
        names, trained = self.listed, writer_of(model, budget, config)
        setup = Setup(
            count_tokens=model.counter,
            writer=Writer(wrap(model), trained.config),
            window_tokens=self.window_tokens,
        )
        if self.embedder is not None:
            setup = replace(setup, embedder=load_embedder(self.embedder))
        if "memalpha-untrained" in names:
            untrained = open_model(UNTRAINED)
            setup = replace(setup, untrained=Writer(wrap(untrained), writer_of(untrained, budget).config))
        if self.server is not None:
            asked = wrap(self.open(stack))
            setup = replace(setup, model=asked, answerer=asked if self.answers else None)
        elif self.answers:
            raise ConfigError("got --answers without a server, expected one; add --server and --served")
        return build_systems(names, setup)


def open_model(name: str) -> LocalModel:
    """A model by shipped name, by run folder (its policy/) or by model folder."""
    policy = Path(name) / "policy"
    return load_local(policy if policy.is_dir() else name)


def open_episodes(data: str, *, tokens: int, episodes: int, seed: int) -> tuple[Episode, ...]:
    """Test episodes of the world, or those of a file or folder."""
    if data == "world":
        return make_episodes(episodes, seed=seed, tokens=tokens, split=Split.TEST)
    return load_episodes(Path(data), seed=seed)[:episodes]


def config_of(name: str) -> TrainConfig | None:
    """The configuration that a run folder was trained with, None for any other model."""
    folder = Path(name)
    return RunFolder(path=folder).config() if (folder / "run.json").exists() else None


def writer_of(model: LocalModel, budget: float | None = None, config: TrainConfig | None = None) -> Writer:
    """A writer with the view and the length of reply of `config`, or of the defaults; a chat model may say more.

    Raises `ConfigError` for a share outside (0, 1].
    """
    if budget is not None and not 0 < budget <= 1:
        raise ConfigError(f"got --budget {budget}, expected a share above 0, at most 1, such as 0.5")
    known = config or TrainConfig()
    budgets = () if budget is None else (budget,)
    writer = make_writer(model, replace(known, writer=replace(known.writer, budgets=budgets)))
    if config is None and writer.config.style is PromptStyle.CHAT:
        return Writer(model, replace(writer.config, sampling=None))
    return writer


def writer_system(
    name: str,
    model: LocalModel,
    *,
    budget: float | None = None,
    sampled: bool = False,
    config: TrainConfig | None = None,
) -> WriterSystem:
    """The model as a system to compare; `sampled` draws at temperature 1 as in training, else it decodes greedily."""
    return WriterSystem(
        name=name,
        writer=writer_of(model, budget, config),
        count_tokens=model.counter,
        reader=ExtractiveReader(),
        sample_seed=1 if sampled else None,
        layout=LAYOUTS[config.writer.layout] if config else MEMALPHA,
    )


def baseline_systems(model: LocalModel) -> list[System]:
    """Long-Context, RAG-Top2 and the sentence control, counted with the model's tokenizer."""
    count = model.counter
    return [long_context(count), rag(count), sentence_control(count)]


def evaluate_model(
    name: str,
    asked: Asked,
    *,
    budget: float | None,
    baselines: bool,
    rivals: Rivals | None,
    threads: int,
    out: Path | None,
) -> None:
    """Print the table of one model and the baselines, or of the systems that were named."""
    torch.set_num_threads(threads)
    console = Console()
    model = open_model(name)
    episodes = asked.open()
    with ExitStack() as stack, console.status("scoring") as status:
        if rivals is not None:
            systems: list[System] = [*rivals.build(model, budget, config_of(name), stack)]
        else:
            systems = [writer_system(name, model, budget=budget, config=config_of(name))]
            systems += baseline_systems(model) if baselines else []
        rows, _ = compare(systems, episodes, progress=lambda system: status.update(f"scoring {system}"))
    console.print(rich_table(rows))
    if out is not None:
        with writing(out):
            write_whole(out, markdown_table(rows) + "\n")


def show_episode(name: str, asked: Asked, *, budget: float | None, threads: int) -> None:
    """Print the first episode as the writer handled it."""
    torch.set_num_threads(threads)
    model = open_model(name)
    traces = writer_system(name, model, budget=budget, config=config_of(name)).run(asked.open()[:1])
    Console().print(show_trace(traces[0]))
