from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from memalpha.agent.reader import ModelReader
from memalpha.agent.writer import REPLY_TOKENS, PromptStyle
from memalpha.cli.measure import Asked, Rivals, config_of, evaluate_model, open_episodes, open_model, writer_of
from memalpha.errors import ConfigError, ModelError
from memalpha.evaluation.baselines import FilledSystem
from memalpha.rl.checkpoint import RunFolder
from memalpha.rl.config import TrainConfig
from memalpha.rl.config_file import load_config


def test_the_shipped_models_are_there_and_differ() -> None:
    trained, warm = open_model("nano"), open_model("nano-warm")
    assert 1_000_000 <= sum(value.numel() for value in trained.network.parameters()) <= 3_000_000
    assert any(not a.equal(b) for a, b in zip(trained.network.parameters(), warm.network.parameters(), strict=True))


def test_a_run_is_scored_with_the_view_that_it_was_trained_with(tmp_path: Path) -> None:
    config = load_config(None, {"writer.newest": "5", "writer.related": "0"})
    RunFolder(path=tmp_path / "run").open(config)
    assert config_of(str(tmp_path / "run")) == config
    assert config_of("nano") is None
    view = writer_of(open_model("nano"), config=config).config.view
    assert (view.newest, view.related) == (5, 0)


def test_a_budget_is_a_share() -> None:
    assert writer_of(open_model("nano"), 0.5).config.budget == 0.5
    with pytest.raises(ConfigError, match="above 0, at most 1"):
        writer_of(open_model("nano"), 1.5)


def test_a_chat_model_that_no_run_knows_may_say_more_than_the_nano() -> None:
    model = open_model("nano")
    assert writer_of(model).sampling.max_tokens == TrainConfig().rollout.max_new_tokens
    model.tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    assert writer_of(model).sampling.max_tokens == REPLY_TOKENS[PromptStyle.CHAT]
    assert writer_of(model, config=TrainConfig()).sampling.max_tokens == TrainConfig().rollout.max_new_tokens


def test_a_writer_of_another_layout_is_not_set_beside_other_systems() -> None:
    released = load_config(None, {"writer.layout": "released"})
    with pytest.raises(ConfigError, match='got a writer for the layout "released", expected "memalpha" beside other'):
        Rivals(names="rag-top2").build(open_model("nano"), None, released, ExitStack())


def test_a_model_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(ModelError, match="no model could be loaded"):
        open_model("absent")


def test_world_episodes_are_those_of_the_test_split() -> None:
    episodes = open_episodes("world", tokens=200, episodes=2, seed=3)
    assert [episode.id.startswith("world-test-200-") for episode in episodes] == [True, True]


def table(folder: Path, names: str) -> list[str]:
    """The systems of the table that the command writes."""
    out = folder / "table.md"
    asked = Asked(data="world", tokens=200, episodes=1, seed=3)
    evaluate_model("nano", asked, budget=None, baselines=True, rivals=Rivals(names=names), threads=1, out=out)
    return [line.split(" | ")[0].removeprefix("| ") for line in out.read_text().splitlines()[2:]]


def test_systems_are_scored_by_name_instead_of_the_baselines(tmp_path: Path) -> None:
    assert table(tmp_path, "rag-top2, memalpha,memgpt-rule") == ["RAG-Top2", "Mem-α", "MemGPT-style, rule"]


def test_all_systems_that_need_no_server(tmp_path: Path) -> None:
    systems = table(tmp_path, "all")
    assert systems[0] == "No-Memory"
    assert systems[-2:] == ["Mem-α", "Mem-α, untrained"]


def test_a_prompted_system_needs_a_server() -> None:
    with ExitStack() as stack:
        model = open_model("nano")
        with pytest.raises(ConfigError, match="no model to write the memory of MIRIX-style"):
            Rivals(names="mirix").build(model, None, TrainConfig(), stack)
        with pytest.raises(ConfigError, match="one of --server and --served"):
            Rivals(names="mirix", server="http://127.0.0.1:9/v1").build(model, None, TrainConfig(), stack)
        with pytest.raises(ConfigError, match="--answers without a server"):
            Rivals(names="rag-top2", answers=True).build(model, None, TrainConfig(), stack)
        rivals = Rivals(names="mirix,rag-top2", server="http://127.0.0.1:9/v1", served="qwen", answers=True)
        system, baseline = rivals.build(model, None, TrainConfig(), stack)
        assert system.name == "MIRIX-style (qwen)"
        assert isinstance(baseline, FilledSystem)
        assert isinstance(baseline.reader, ModelReader)
        with pytest.raises(ConfigError, match="has no config"):
            Rivals(names="embedding-rag", embedder=Path("absent")).build(model, None, TrainConfig(), stack)
