"""One update computed twice: by our learner, and by verl's worker with FSDP2 on gloo on one rank and on two."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from memalpha.agent.local import load_local
from memalpha.agent.reader import ExtractiveReader
from memalpha.data.world import make_episodes
from memalpha.rl.config import TrainConfig
from memalpha.rl.learner import Learner
from memalpha.rl.rollout import Collector
from memalpha.rl.rows import Row
from memalpha.rl.train import make_writer
from memalpha.rl.verl.groups import token_advantages
from memalpha.rl.verl.job import write_job

pytestmark = [pytest.mark.verl, pytest.mark.timeout(240)]

SCRIPT = str(Path(__file__).parent / "cpu" / "parity.py")


@pytest.fixture(scope="module")
def rows(verl_run: TrainConfig) -> list[Row]:
    """Experience of two episodes; an even number of rows, for two ranks."""
    model = load_local(verl_run.run.model)
    collector = Collector(verl_run, make_writer(model, verl_run), ExtractiveReader(), model.counter)
    found = list(collector.collect(make_episodes(2, seed=1, tokens=500), seed=4).rows)
    assert len(found) >= 8
    assert any(len(set(row.token_advantages)) > 1 for row in found)
    return found[: len(found) // 2 * 2]


def plain(row: Row) -> dict[str, Any]:
    return {
        "prompt_ids": row.prompt_ids,
        "token_ids": row.token_ids,
        "logprobs": row.logprobs,
        "advantages": token_advantages(row),
    }


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_update_is_the_same(
    verl_run: TrainConfig,
    rows: list[Row],
    ranks: int,
    tmp_path: Path,
    on_a_cpu: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    config = replace(verl_run, engine=replace(verl_run.engine, gpus=ranks))
    job = write_job(config, tmp_path / "run")
    (tmp_path / "rows.json").write_text(json.dumps([plain(row) for row in rows]), encoding="utf-8")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    ended = on_a_cpu([*torchrun, SCRIPT, str(job.folder), str(tmp_path / "rows.json")])
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-4000:]
    (line,) = [line for line in ended.stdout.splitlines() if line.startswith("RESULT ")]
    theirs = json.loads(line.removeprefix("RESULT "))
    here = replace(config.engine, device="cpu", gpus=1)
    ours = Learner(load_local(config.run.model), config.optim, engine=here).update(rows, seed=0)
    assert ours["loss"] != 0
    assert ours["gradient_norm"] > 0.01
    assert theirs["loss"] == pytest.approx(ours["loss"], abs=1e-5)
    assert theirs["gradient_norm"] == pytest.approx(ours["gradient_norm"], abs=1e-5)
