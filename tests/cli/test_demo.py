from __future__ import annotations

from pathlib import Path

import pytest

from memalpha.cli.demo import commit, demo_config, run_demo

SMALL = {
    "run.steps": "1",
    "engine.threads": "1",
    "rollout.episodes": "1",
    "rollout.group": "2",
    "data.tokens": "200",
    "data.validation_episodes": "1",
}


def test_the_shipped_demo_configuration_loads() -> None:
    config = demo_config({})
    assert config.run.model == "nano-warm"
    assert config.data.tokens <= 2000


def test_a_commit_is_a_short_hash_or_unknown() -> None:
    found = commit()
    assert found == "unknown" or (len(found) >= 7 and int(found, 16) >= 0)


@pytest.mark.slow
def test_the_demo_measures_trains_compares_and_reports(tmp_path: Path) -> None:
    rows = run_demo(tmp_path / "run", SMALL, episodes=2)
    names = [row.system for row in rows]
    assert names[0] == "Warm start (sampled)"
    assert {"After RL (sampled)", "After RL (greedy)", "Long-Context", "RAG-Top2", "Sentence BM25"} <= set(names)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "RAG-Top2" in page
    assert "<svg" in page
    assert '<th scope="row">alarms</th><td>none</td>' in page
