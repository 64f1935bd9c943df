"""A policy out of a run folder: whole, from a checkpoint, damaged; and the folder that it is written to."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from memalpha.agent.local import load_local
from memalpha.errors import CheckpointError, OutputError
from memalpha.rl.export import RECORD, find_policy, write_export

TEXTS = {"README.md": "# x\n", RECORD: "{}\n"}


@pytest.fixture
def run(tiny_policy: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    shutil.copytree(tiny_policy, folder / "policy")
    return folder


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_the_policy_after_the_last_step_is_described(run: Path) -> None:
    policy = find_policy(run)
    assert (policy.folder, policy.step, policy.architecture) == (run / "policy", None, "Lfm2ForCausalLM")
    network = load_local(run / "policy").network
    assert policy.parameters == sum(each.numel() for each in network.parameters())  # tied weights count once
    assert "<|write|>" in policy.template


def test_a_run_that_goes_on_gives_its_newest_checkpoint(run: Path) -> None:
    for step in (4, 8):
        shutil.copytree(run / "policy", run / "checkpoints" / f"step-{step:06d}" / "policy")
    shutil.rmtree(run / "policy")
    policy = find_policy(run)
    assert (policy.step, policy.folder) == (8, run / "checkpoints" / "step-000008" / "policy")


def test_low_rank_matrices_alone_are_no_policy_yet(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "step-000002").mkdir(parents=True)
    with pytest.raises(CheckpointError, match="step-000002 holds low-rank matrices alone"):
        find_policy(tmp_path)


def test_a_run_without_a_policy_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no policy yet"):
        find_policy(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "part"),
    [
        ("config.json", b"{", "JSONDecodeError"),
        ("config.json", b"{}", "KeyError"),
        ("config.json", b'{"architectures": null}', "TypeError"),
        ("tokenizer.json", None, "tokenizer.json is not there"),
        ("model.safetensors", None, "no weights are there"),
        ("model.safetensors", b"\x08\x00", "SafetensorError"),
    ],
)
def test_a_model_that_is_not_whole_is_named(run: Path, file: str, content: bytes | None, part: str) -> None:
    (run / "policy" / file).unlink()
    if content is not None:
        (run / "policy" / file).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"is no whole model .*{part}"):
        find_policy(run)


def test_weights_that_were_cut_are_named(run: Path) -> None:
    file = run / "policy" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="is no whole model"):
        find_policy(run)


def test_an_export_loads_and_a_later_one_replaces_it(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    write_export(find_policy(run), out, TEXTS)
    assert names(out) == names(run / "policy") | {"README.md", RECORD}
    assert load_local(out).name == str(out)
    (out / "stale.txt").write_text("x", encoding="utf-8")
    write_export(find_policy(run), out, {**TEXTS, "README.md": "# y\n"})
    assert (out / "README.md").read_text(encoding="utf-8") == "# y\n"
    assert "stale.txt" not in names(out)
    assert names(out.parent) == {"out"}


def test_nothing_else_is_written_over(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    write_export(find_policy(run), out, TEXTS)  # an empty folder is free
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("x", encoding="utf-8")
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    for taken in (other, file):
        with pytest.raises(OutputError, match="is there and holds something else"):
            write_export(find_policy(run), taken, TEXTS)
    assert names(other) == {"thesis.tex"}


def test_a_full_disk_leaves_the_export_that_was_there(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write_export(find_policy(run), out, TEXTS)

    def full(*args: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OutputError, match="No space left"):
        write_export(find_policy(run), out, {**TEXTS, "README.md": "# y\n"})
    assert (out / "README.md").read_text(encoding="utf-8") == "# x\n"
    assert names(tmp_path) == {"run", "out"}
