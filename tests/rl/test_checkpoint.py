"""The run directory: whole or not there, damage named, full disks, and nothing lost."""

import errno
import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from memalpha.agent.local import load_local
from memalpha.errors import CheckpointError, OutputError
from memalpha.rl import checkpoint
from memalpha.rl.checkpoint import RunFolder, open_policy
from memalpha.rl.config import EngineConfig, OptimConfig, Precision, TrainConfig
from memalpha.rl.learner import Learner
from memalpha.rl.rows import Row

CONFIG = TrainConfig(optim=OptimConfig(rate=5e-4))
ROW = Row(prompt_ids=(5, 6, 3), token_ids=(9, 1), logprobs=(-7.0, -7.0), advantage=1.0, group=0)


@pytest.fixture
def learner(tiny_policy: Path) -> Learner:
    """After one update, so that the optimiser holds something."""
    made = Learner(load_local(tiny_policy), OptimConfig(minibatches=1), engine=EngineConfig(precision=Precision.FP32))
    made.update([ROW], seed=0)
    return made


@pytest.fixture(scope="module")
def saved(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the checkpoints 5 and 10, to be copied."""
    made = Learner(load_local(tiny_policy), OptimConfig(minibatches=1), engine=EngineConfig(precision=Precision.FP32))
    folder = RunFolder(path=tmp_path_factory.mktemp("saved") / "run")
    folder.open(CONFIG)
    for step in (5, 10):
        made.update([ROW], seed=step)
        folder.save(made, step)
    return folder.path


@pytest.fixture
def damaged(saved: Path, tmp_path: Path) -> RunFolder:
    """A run of one's own to do damage to."""
    return RunFolder(path=Path(shutil.copytree(saved, tmp_path / "run")))


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    made = RunFolder(path=tmp_path / "run")
    made.open(CONFIG)
    return made


def state_of(learner: Learner) -> list[Any]:
    """Everything that goes on from a checkpoint, to the last bit."""
    moments = learner.optimiser.state_dict()["state"]
    return [
        learner.updates,
        {name: value.numpy().tobytes() for name, value in learner.model.network.state_dict().items()},
        {
            at: {key: torch.as_tensor(value).numpy().tobytes() for key, value in each.items()}
            for at, each in moments.items()
        },
    ]


def resumed(run: RunFolder, step: int) -> Learner:
    made = Learner(
        run.load_policy(step, CONFIG), OptimConfig(minibatches=1), engine=EngineConfig(precision=Precision.FP32)
    )
    run.restore(made, step)
    return made


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


# Whole or not there.


def test_a_checkpoint_gives_back_weights_moments_and_counters(run: RunFolder, learner: Learner) -> None:
    run.save(learner, 3)
    assert run.latest() == 3
    again = resumed(run, 3)
    assert state_of(again) == state_of(learner)
    assert learner.updates == 1
    # And both go on alike.
    assert learner.update([ROW], seed=1) == again.update([ROW], seed=1)
    assert state_of(again) == state_of(learner)
    assert names(run.folder(3)) == ["checksums.json", "optimiser.pt", "policy", "state.json"]


def test_the_policy_of_a_checkpoint_is_a_model_folder(run: RunFolder, learner: Learner) -> None:
    run.save(learner, 1)
    model = load_local(run.folder(1) / "policy")
    assert model.tokenizer.chat_template == learner.model.tokenizer.chat_template
    assert model.tokenizer.eos_token_id == 1


def test_two_checkpoints_are_kept(run: RunFolder, learner: Learner) -> None:
    assert run.latest() is None
    for step in (5, 10, 100, 1_000_000):
        run.save(learner, step)
    assert run.latest() == 1_000_000
    assert names(run.path / "checkpoints") == ["step-000100", "step-1000000"]


def test_saving_a_step_again_replaces_it(run: RunFolder, learner: Learner) -> None:
    run.save(learner, 2)
    learner.update([ROW], seed=1)
    run.save(learner, 2)
    assert state_of(resumed(run, 2)) == state_of(learner)


@pytest.mark.parametrize("place", ["Learner.save", "torch.save", "_checksums", "sync", "Path.replace"])
def test_a_save_that_dies_leaves_the_checkpoint_before_it(
    run: RunFolder, learner: Learner, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    run.save(learner, 5)
    before = state_of(learner)
    learner.update([ROW], seed=1)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(f"memalpha.rl.checkpoint.{place}", die)
        run.save(learner, 10)
    assert names(run.path / "checkpoints") == ["step-000005", "writing-000010"]
    assert run.latest() == 5
    assert state_of(resumed(run, 5)) == before
    # The next attempt takes the place of the half that was left.
    run.save(learner, 10)
    assert names(run.path / "checkpoints") == ["step-000005", "step-000010"]
    assert state_of(resumed(run, 10)) == state_of(learner)


def low_rank_learner(config: TrainConfig) -> Learner:
    made = Learner(open_policy(config, config.run.model), config.optim, engine=config.engine)
    for value in made.low_rank.parameters() if made.low_rank else []:
        torch.nn.init.normal_(value, generator=torch.Generator().manual_seed(3))
    made.update([ROW], seed=0)
    return made


def test_low_rank_matrices_are_saved_alone_and_go_on_to_the_last_bit(tiny_policy: Path, tmp_path: Path) -> None:
    config = replace(
        CONFIG,
        run=replace(CONFIG.run, model=str(tiny_policy)),
        optim=OptimConfig(minibatches=1, lora_rank=4),
        engine=EngineConfig(precision=Precision.FP32, weights=Precision.BF16),
    )
    run, learner = RunFolder(path=tmp_path / "run"), low_rank_learner(config)
    run.open(config)
    run.save(learner, 3)
    assert names(run.folder(3)) == ["checksums.json", "low_rank.safetensors", "optimiser.pt", "state.json"]
    again = Learner(run.load_policy(3, config), config.optim, engine=config.engine)
    run.restore(again, 3)
    for each in (learner, again):
        each.update([ROW], seed=1)
    for one, other in zip(learner.model.network.parameters(), again.model.network.parameters(), strict=True):
        assert torch.equal(one, other)
    assert again.updates == 2
    other = replace(config, optim=replace(config.optim, lora_rank=8))
    with pytest.raises(CheckpointError, match=r"low-rank matrices that do not fit .* optim\.lora_rank"):
        run.restore(low_rank_learner(other), 3)


def test_older_checkpoints_go_only_once_the_new_one_is_whole(
    run: RunFolder, learner: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.save(learner, 1)
    run.save(learner, 2)
    monkeypatch.setattr(checkpoint, "sync", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run.save(learner, 3)
    assert names(run.path / "checkpoints") == ["step-000001", "step-000002", "writing-000003"]


def test_what_is_no_checkpoint_is_ignored(run: RunFolder, learner: Learner) -> None:
    run.save(learner, 4)
    for name in ("writing-000009", "step-000009.bak", "step-copy", "notes"):
        (run.path / "checkpoints" / name).mkdir()
    assert run.latest() == 4
    run.save(learner, 6)
    run.save(learner, 8)
    assert names(run.path / "checkpoints") == [
        "notes",
        "step-000006",
        "step-000008",
        "step-000009.bak",
        "step-copy",
        "writing-000009",
    ]


# Damage.


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def garble(file: Path) -> None:
    file.write_bytes(b"\x93\xff no file of ours \x00" * 50)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def remove(file: Path) -> None:
    file.unlink()


FILES = [
    "policy/model.safetensors",
    "policy/config.json",
    "policy/tokenizer.json",
    "policy/chat_template.jinja",
    "policy/generation_config.json",
    "optimiser.pt",
    "state.json",
    "checksums.json",
]


@pytest.mark.parametrize(
    ("name", "damage"),
    [(name, flip) for name in FILES]
    + [
        (name, damage)
        for name in ("policy/model.safetensors", "optimiser.pt")
        for damage in (cut, garble, empty, remove)
    ]
    + [(name, damage) for name in ("state.json", "checksums.json") for damage in (garble, empty, remove)],
)
def test_damage_is_named_with_its_folder_and_its_mend(
    damaged: RunFolder, name: str, damage: Callable[[Path], None]
) -> None:
    damage(damaged.folder(10) / name)
    with pytest.raises(CheckpointError) as caught:
        damaged.load_policy(10, CONFIG)
    message = str(caught.value)
    assert message.startswith(f"the checkpoint {damaged.folder(10)} is damaged (")
    assert message.endswith(
        "); remove that folder to resume from the one before it, or start anew under another --name"
    )
    if name != "checksums.json":
        assert f"{name} is not as it was written" in message


def test_the_mend_of_damage_works(damaged: RunFolder) -> None:
    cut(damaged.folder(10) / "policy" / "model.safetensors")
    shutil.rmtree(damaged.folder(10))
    assert damaged.latest() == 5
    assert resumed(damaged, 5).updates == 1


@pytest.mark.parametrize("sums", ["[]", "null", '"text"', "{}"])
def test_checksums_of_another_shape_are_damage(damaged: RunFolder, sums: str) -> None:
    (damaged.folder(5) / "checksums.json").write_text(sums)
    with pytest.raises(CheckpointError, match="is damaged"):
        damaged.load_policy(5, CONFIG)


def test_a_policy_that_was_never_whole_is_damage(damaged: RunFolder) -> None:
    # The checksums hold, the model does not load.
    (damaged.folder(5) / "policy" / "config.json").write_text("{}")
    sums = checkpoint._checksums(damaged.folder(5))
    (damaged.folder(5) / "checksums.json").write_text(json.dumps(sums))
    with pytest.raises(CheckpointError, match=r"is damaged \(ModelError: no model could be loaded"):
        damaged.load_policy(5, CONFIG)


@pytest.mark.parametrize("damage", [cut, garble, empty, remove])
@pytest.mark.parametrize("name", ["optimiser.pt", "state.json"])
def test_damage_after_the_weights_were_loaded_is_no_traceback_either(
    damaged: RunFolder, learner: Learner, name: str, damage: Callable[[Path], None]
) -> None:
    damage(damaged.folder(5) / name)
    with pytest.raises(CheckpointError, match=f"^the checkpoint {damaged.folder(5)} is damaged"):
        damaged.restore(learner, 5)


@pytest.mark.parametrize("state", ["[]", "{}", "3", '{"updates": "many"}', '{"updates": null}'])
def test_a_state_of_another_shape_is_damage(damaged: RunFolder, learner: Learner, state: str) -> None:
    (damaged.folder(5) / "state.json").write_text(state)
    with pytest.raises(CheckpointError, match="is damaged"):
        damaged.restore(learner, 5)


def test_an_optimiser_of_another_network_is_damage(damaged: RunFolder, learner: Learner) -> None:
    other = torch.optim.AdamW(torch.nn.Linear(2, 2).parameters())
    torch.save(other.state_dict(), damaged.folder(5) / "optimiser.pt")
    with pytest.raises(CheckpointError, match=r"is damaged \(ValueError: .*parameter group"):
        damaged.restore(learner, 5)


# The configuration of the run.


def test_the_same_configuration_opens_the_run_again_whatever_its_length_and_engine(run: RunFolder) -> None:
    run.log_metrics({"step": 1})
    run.open(CONFIG)
    run.open(replace(CONFIG, run=replace(CONFIG.run, steps=99)))
    run.open(replace(CONFIG, engine=replace(CONFIG.engine, micro_batch_tokens=7)))
    assert run.config() == CONFIG


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (replace(CONFIG, run=replace(CONFIG.run, seed=5)), "run.seed was 0 and is now 5"),
        (replace(CONFIG, optim=OptimConfig(rate=0.1)), "optim.rate was 0.0005 and is now 0.1"),
        (
            replace(CONFIG, writer=replace(CONFIG.writer, budgets=(0.5,))),
            r"writer.budgets was \(\) and is now \(0.5,\)",
        ),
    ],
)
def test_another_configuration_is_refused_by_the_field_that_differs(
    run: RunFolder, other: TrainConfig, expected: str
) -> None:
    run.log_metrics({"step": 1})
    with pytest.raises(
        CheckpointError,
        match=rf"^{run.path} holds a run with another configuration \({expected}\); give the same one to resume it, or",
    ):
        run.open(other)
    assert run.config() == CONFIG


def test_budgets_are_the_same_after_a_round_through_json(tmp_path: Path) -> None:
    config = replace(CONFIG, writer=replace(CONFIG.writer, budgets=(0.25, 1.0)))
    run = RunFolder(path=tmp_path / "run")
    run.open(config)
    run.log_metrics({"step": 1})
    run.open(config)
    assert run.config() == config


def test_a_run_without_a_step_is_no_run_yet(run: RunFolder, learner: Learner) -> None:
    other = replace(CONFIG, run=replace(CONFIG.run, model="mended"))
    run.open(other)
    assert run.config() == other
    run.save(learner, 1)
    with pytest.raises(CheckpointError, match=r"run\.model was 'mended' and is now 'nano-warm'"):
        run.open(CONFIG)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"run": 3}', '{"run": {"stepz": 3}}', '{"run": {"steps": -1}}', "\xff"]
)
def test_a_damaged_run_file_is_named(run: RunFolder, text: str) -> None:
    run.log_metrics({"step": 1})
    (run.path / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"run\.json cannot be read \(.*start anew under another --name"):
        run.open(CONFIG)


# Metrics.


def test_metrics_come_back_as_they_were_logged(run: RunFolder) -> None:
    assert run.metrics() == []
    rows = [{"step": 1, "loss": 0.1 + 0.2}, {"step": 2, "loss": float("inf")}]
    for row in rows:
        run.log_metrics(row)
    assert run.metrics() == rows


def test_a_line_cut_by_a_kill_is_left_out_and_not_kept(run: RunFolder) -> None:
    run.log_metrics({"step": 1})
    with (run.path / "metrics.jsonl").open("ab") as out:
        out.write('{"step": 2, "lö'.encode()[:-1])
    assert run.metrics() == [{"step": 1}]
    run.forget_after(1)
    run.log_metrics({"step": 2})
    assert run.metrics() == [{"step": 1}, {"step": 2}]


def test_metrics_of_steps_that_will_be_run_again_are_forgotten(run: RunFolder) -> None:
    for step in (1, 2, 3, 4):
        run.log_metrics({"step": step})
    run.forget_after(2)
    assert run.metrics() == [{"step": 1}, {"step": 2}]
    run.forget_after(0)
    assert run.metrics() == []


# Disks.

FULL = r"could not be written \(No space left on device\); nothing earlier was lost, free some space and start the same"


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def no_space_in_safetensors(*_: object, **__: object) -> None:
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("fails", [no_space, no_space_in_safetensors])
@pytest.mark.parametrize("place", ["Learner.save", "torch.save", "sync", "Path.replace"])
def test_a_full_disk_while_saving_loses_nothing(
    run: RunFolder, learner: Learner, monkeypatch: pytest.MonkeyPatch, place: str, fails: Callable[..., None]
) -> None:
    run.save(learner, 5)
    before = state_of(learner)
    with monkeypatch.context() as patched, pytest.raises(OutputError, match=f"writing-000010 {FULL}"):
        patched.setattr(f"memalpha.rl.checkpoint.{place}", fails)
        run.save(learner, 10)
    assert run.latest() == 5
    assert state_of(resumed(run, 5)) == before
    run.save(learner, 10)
    assert run.latest() == 10


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes, which libraries meet as they meet a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("what", ["weights", "optimiser", "tokenizer"])
def test_whatever_a_library_raises_for_a_write_that_fails_is_one_error(
    tmp_path: Path, run: RunFolder, learner: Learner, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    if what == "optimiser":  # the weights are larger than the limit as well
        monkeypatch.setattr(Learner, "save", lambda learner, folder: None)
    if what == "tokenizer":
        monkeypatch.setattr(learner.model.network, "save_pretrained", lambda folder: folder.mkdir())
    with largest_file(20_000), pytest.raises(OutputError, match=r"could not be written \(File too large\)"):
        run.save(learner, 5)
    assert run.latest() is None
    monkeypatch.undo()
    run.save(learner, 5)
    assert state_of(resumed(run, 5)) == state_of(learner)


def test_a_full_disk_while_logging_keeps_the_lines_before(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run.log_metrics({"step": 1})
    with (
        largest_file((run.path / "metrics.jsonl").stat().st_size + 5),
        pytest.raises(OutputError, match=r"metrics\.jsonl"),
    ):
        run.log_metrics({"step": 2})
    assert run.metrics() == [{"step": 1}]
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", no_space)
        with pytest.raises(OutputError, match=rf"metrics\.jsonl {FULL}"):
            run.log_metrics({"step": 2})
    run.forget_after(1)
    assert run.metrics() == [{"step": 1}]


def test_a_full_disk_while_forgetting_keeps_every_line(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run.log_metrics({"step": 1})
    run.log_metrics({"step": 2})
    with monkeypatch.context() as patched, pytest.raises(OutputError, match=FULL):
        patched.setattr(Path, "replace", no_space)
        run.forget_after(1)
    assert run.metrics() == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize("name", ["mkdir", "open", "replace"])
def test_a_full_disk_at_the_start_leaves_no_half_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    run = RunFolder(path=tmp_path / "new")
    with monkeypatch.context() as patched, pytest.raises(OutputError, match=rf"run\.json {FULL}"):
        patched.setattr(Path, name, no_space)
        run.open(CONFIG)
    assert not (run.path / "run.json").exists()
    run.open(CONFIG)
    assert run.config() == CONFIG


def test_a_path_that_cannot_be_written_is_told_from_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"run\.json could not be written \(.*\); .* check the path and its rights"):
        RunFolder(path=tmp_path / "file" / "run").open(CONFIG)


def test_a_policy_is_saved_as_float32_with_its_template(tmp_path: Path, learner: Learner) -> None:
    learner.save(tmp_path / "policy")
    assert json.loads((tmp_path / "policy" / "config.json").read_text())["dtype"] == "float32"
    assert (tmp_path / "policy" / "chat_template.jinja").is_file()
