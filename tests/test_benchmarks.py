"""The benchmarks of speed: what they compare is the same thing, and they run where there is no GPU."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from memalpha.agent.local import load_local
from memalpha.agent.model import Prompt, Sampling
from memalpha.cli.demo import demo_config
from memalpha.rl.config import TrainConfig
from memalpha.rl.rollout import Row

FOLDER = Path(__file__).parent.parent / "benchmarks"
if str(FOLDER) not in sys.path:
    sys.path.append(str(FOLDER))

import engines  # noqa: E402
import gpu  # noqa: E402
import record  # noqa: E402
import speed  # noqa: E402
import speed_tables  # noqa: E402


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.set_num_threads(1)
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmark.py"])
    return tmp_path


def config(**more: str) -> TrainConfig:
    return demo_config({"engine.threads": "1", "engine.precision": "fp32", "optim.minibatches": "2", **more})


def sampled() -> list[Row]:
    """Four completions of the warm start, two of each of two prompts of unlike length."""
    model = load_local("nano-warm")
    prompts = [Prompt(tokens=tuple(model.encode_text(text))) for text in ("Ann lives in Rome. #1\n", "Bo? #1\n")]
    completions = model.complete([prompts[at] for at in (0, 0, 1, 1)], Sampling(temperature=1.0, max_tokens=12, seed=3))
    return [
        Row(
            prompt_ids=each.prompt_ids,
            token_ids=each.token_ids,
            logprobs=each.logprobs,
            advantage=(-1.0) ** number,
            group=number // 2,
        )
        for number, each in enumerate(completions)
    ]


def test_engines_learn_the_same_from_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.Padded, "_retokenised", lambda self, row: row)
    rows = sampled()
    made: list[Any] = [engines.Ours(config()), engines.Padded(config(), micro_batch_rows=3)]
    scored = [engine.score([replace(row, logprobs=(0.0,) * len(row.logprobs)) for row in rows]) for engine in made[1:]]
    for row, again in zip(rows, scored[0], strict=True):
        assert again.logprobs == pytest.approx(row.logprobs, abs=1e-4)
    start = {name: value.clone() for name, value in made[0].model.network.state_dict().items()}
    for engine in made:
        engine.update(rows, seed=0)
    moved, others = (
        [weight - start[name] for name, weight in engine.model.network.state_dict().items()] for engine in made
    )
    assert max(float(each.abs().max()) for each in moved) > 1e-4
    # Adam turns a gradient near zero into a full step of either sign, so that single weights may differ.
    one, other = (torch.cat([each.flatten() for each in part]) for part in (moved, others))
    assert float((one - other).norm() / one.norm()) < 0.05


def test_the_padded_engine_trains_on_its_own_tokens() -> None:
    engine = engines.Padded(config())
    row = replace(sampled()[0], token_ids=(), token_advantages=())
    end = engine.model.tokenizer.eos_token_id
    said = tuple(engine.model.encode_text("Rome", special_tokens=False))
    again = engine._retokenised(replace(row, token_ids=(*said, end)))
    assert again.token_ids == said
    assert engine._retokenised(replace(row, token_ids=(end,))).token_ids == (end,)


def test_the_padded_engine_as_published_adds_the_frozen_policy() -> None:
    engine = engines.AsPublished(config())
    scored = engine.score(sampled())
    frozen = [values[: len(row.token_ids)] for row, values in engine._frozen_logprobs.items()]
    assert [list(row.logprobs) for row in scored] == [pytest.approx(values) for values in frozen]
    start = {name: value.clone() for name, value in engine.model.network.state_dict().items()}
    engine.update(scored, seed=0)
    assert any(not torch.equal(value, start[name]) for name, value in engine.model.network.state_dict().items())


def test_a_generating_model_ends_where_the_library_does() -> None:
    prompts = [Prompt(tokens=row.prompt_ids) for row in sampled()[1:3]]
    greedy = Sampling(max_tokens=12)
    ours = load_local("nano-warm").complete(prompts, greedy)
    theirs = engines.generating("nano-warm").complete(prompts, greedy)
    assert [each.token_ids for each in theirs] == [each.token_ids for each in ours]
    assert [each.text for each in theirs] == [each.text for each in ours]


def test_parts_of_a_step_are_timed_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "recorded", lambda config: sampled())
    *_, found = speed.timings(config(**{"rollout.max_new_tokens": "6"}), [engines.Ours, engines.Padded], 2)
    names = [engines.Ours.name, engines.Padded.name]
    assert [(each["engine"], each["repetition"]) for each in found] == [(name, n) for n in (1, 2) for name in names]
    assert all(each["sample_seconds"] > 0 and each["update_seconds"] > 0 for each in found)


@pytest.mark.slow
def test_what_was_learned_is_compared_with_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        speed, "SETTINGS", {"engine.threads": "1", "rollout.episodes": "1", "rollout.group": "4", "data.tokens": "200"}
    )
    options = argparse.Namespace(seeds=[0], steps=1, episodes=2)
    *_, found = speed.learning(config(**{"data.tokens": "200"}), [engines.Ours, engines.Padded], options)
    assert [(each["engine"], each["steps"]) for each in found] == [(engines.Ours.name, 1), (engines.Padded.name, 1)]
    assert (found[0]["difference"], found[0]["difference_low"], found[0]["difference_high"]) == (0.0, 0.0, 0.0)
    assert found[1]["difference"] == pytest.approx(found[1]["score"] - found[0]["score"])


def test_the_table_tells_medians_and_ratios_of_the_same_repetition() -> None:
    seconds = {"ours": [(1.0, 0.0, 1.0), (2.0, 0.0, 2.0), (1.0, 0.0, 2.0)], "theirs": [(2.0, 1.0, 3.0)] * 3}
    timings = [
        {"engine": name, "repetition": n, **dict(zip(speed_tables.PARTS, parts, strict=True))}
        for name, rows in seconds.items()
        for n, parts in enumerate(rows)
    ]
    lines = speed_tables.speed({"sequences": 12, "timings": timings}).splitlines()
    assert "| ours | 1.0 | 0.0 | 2.0 | 3.0 | 4.0 | 1.00 (1.00 to 1.00) |" in lines
    assert "| theirs | 2.0 | 1.0 | 3.0 | 6.0 | 2.0 | 2.00 (1.50 to 3.00) |" in lines


def test_the_table_of_learning_ends_with_the_seeds_together() -> None:
    rows = [
        {"engine": "ours", "seed": seed, "steps": 3, "episodes": 5, "score": score, "low": 0.1, "high": 0.9,
         "difference": 0.0, "difference_low": 0.0, "difference_high": 0.0}
        for seed, score in enumerate([0.5, 0.5, 0.5])
    ]  # fmt: skip
    lines = speed_tables.learning(rows).splitlines()
    assert "| ours | 1 | 0.500 [0.100, 0.900] | +0.000 [+0.000, +0.000] |" in lines
    assert "| ours | 3 seeds | 0.500 ± 0.000 | 0.000 ± 0.000 |" in lines


def test_a_part_of_the_gpu_that_ran_out_of_memory_says_so() -> None:
    results = {
        "device": "a card",
        "correctness": {"logprob": 1e-6, "loss": 2e-6, "gradient_norm": 3e-6},
        "updates": [{"name": "LoRA 16", "weights": "bf16", "error": "memory ran out while updating"}],
    }
    assert "| LoRA 16 | bf16 | memory ran out while updating |" in speed_tables.gpu(results)


def test_a_gpu_that_is_not_there_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu.main()
    assert capsys.readouterr().out.startswith("torch sees no GPU")
    assert not list(results.iterdir())


def test_the_gpu_benchmark_runs_on_a_cpu(monkeypatch: pytest.MonkeyPatch, results: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--shape", "tiny"])
    gpu.main()
    found = json.loads((results / "gpu_tiny.json").read_text())["results"]
    assert found["correctness"] == {"logprob": 0.0, "loss": 0.0, "gradient_norm": 0.0}
    assert [each["name"] for each in found["updates"]] == [each.name for each in gpu.SETTINGS]
    assert found["sampling"]["tokens_per_second"] > 0
    assert all(each["tokens_per_second"] > 0 and each["padding_share"] < 0.05 for each in found["updates"])


def test_a_device_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([0.0, 0.1])
    monkeypatch.setattr(gpu, "sampled_logprobs", lambda *_: torch.full((1, 1), next(drawn)))
    monkeypatch.setattr(gpu, "micro_batches", lambda rows, token_budget: [rows])
    with pytest.raises(SystemExit, match="does not compute what the CPU computes"):
        gpu.correctness("cpu")
