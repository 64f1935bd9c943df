"""A card says what the run did, what to do with the policy, and nothing of the machine it was trained on."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from memalpha.evaluation.learning import PastRun
from memalpha.evaluation.model_card import CardFacts, model_card, shown_settings

DEFAULTS = {
    "run.model": "nano-warm",
    "run.seed": 0,
    "run.steps": 12,
    "data.source": "world",
    "data.tokens": 440,
    "rollout.episodes": 12,
    "rollout.group": 8,
    "reward.reader": "",
    "optim.rate": 1e-3,
    "engine.device": "cpu",
}


def facts(**changes: Any) -> CardFacts:
    """Of a run of twelve steps whose score rises by 0.05 a step."""
    rows = [
        {
            "step": step,
            "correctness": 0.05 * step,
            "rollout_seconds": 300.0,
            "update_seconds": 0.0,
            **({"validation_score": 0.5} if step == 10 else {}),
        }
        for step in range(1, 13)
    ]
    settings = DEFAULTS | {key.replace("__", "."): value for key, value in changes.items()}
    return CardFacts(
        name="ann/first",
        run=PastRun(name="first", settings=settings, metrics=rows),
        defaults=DEFAULTS,
        step=12,
        architecture="Lfm2ForCausalLM",
        parameters=1_119_488,
        quotes=True,
        systems=(),
    )


def metadata(card: str) -> list[str]:
    return card.split("---\n")[1].splitlines()


def test_a_card_of_the_nano_policy() -> None:
    card = model_card(facts(optim__rate=5e-4))
    assert metadata(card)[:3] == ["library_name: transformers", "pipeline_tag: text-generation", "license: apache-2.0"]
    assert "starting from nano-warm; this is the policy after step 12 of 12" in card
    assert "It has 1,119,488 parameters (Lfm2ForCausalLM)." in card
    # The steps 3 to 12: 0.05 · 7.5.
    assert re.search(r"\| Score in training \| 0\.375 \[0\.\d+, 0\.\d+\] \|", card)
    assert "| 1 | 0.050 |  |\n" in card
    assert "| 10 | 0.500 | 0.500 |\n" in card
    assert "| 12 | 0.600 |  |\n" in card
    assert "On synthetic streams of 440 tokens, 12 steps of 12 episodes with 8 samples each, 1.00 hours" in card
    assert "| `optim.rate` | `0.0005` | `0.001` |" in card
    assert 'load_local("ann/first")' in card
    assert "PromptStyle.NANO" in card
    assert "synthetic world" in card
    assert "## Evaluation" not in card
    assert "Alarms" not in card


def test_defaults_alarms_and_evaluation_are_told() -> None:
    told = facts()
    run = replace(told.run, alarms=[(7, "The writer <has> gone silent.")])
    rows = [{"system": "RAG|2", "score": 0.5, "low": 0.4, "high": 0.6, "memory_share": 1.0, "episodes": 60}]
    card = model_card(replace(told, run=run, systems=rows))
    assert "All settings are the defaults." in card
    assert "| 7 | The writer &lt;has&gt; gone silent. |" in card
    assert "| RAG\\|2 | 0.500 [0.400, 0.600] | 100% | 60 |" in card


def test_a_chat_model_of_the_hub_is_named_as_the_base() -> None:
    card = model_card(replace(facts(run__model="qwen/qwen3-4b"), quotes=False))
    assert "base_model: qwen/qwen3-4b" in metadata(card)
    assert "license: apache-2.0" not in card
    assert "PromptStyle.CHAT" in card
    assert "quotes lines" not in card


def test_nothing_of_the_machine_is_told() -> None:
    settings = {"run__model": "/home/ann/models/base", "data__source": "/home/ann/secret.jsonl"}
    told = facts(**settings, reward__reader="http://key@inside:8000/v1")
    card = model_card(told)
    assert not re.search("home|ann/models|inside|8000", card)
    assert "`secret.jsonl`" in card
    assert "base_model" not in card
    shown = shown_settings(told.run.settings)
    assert (shown["run.model"], shown["data.source"], shown["reward.reader"]) == ("base", "secret.jsonl", "a server")
    assert told.run.settings["run.model"] == "/home/ann/models/base"
