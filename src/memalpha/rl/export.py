"""A trained policy as a folder of its own: weights, tokenizer and configuration beside texts such as a model card.

What is exported is what the run folder holds, file by file; nothing is loaded into a network, so that a policy of any
size goes through. Where the folder goes from here is the matter of `memalpha.rl.hub`.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from memalpha.errors import CheckpointError, OutputError
from memalpha.rl.checkpoint import RunFolder
from memalpha.writing import writing

RECORD = "training.json"
"""The file by which an export is known as one, so that a later one may replace it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A model folder that is there whole."""

    folder: Path
    step: int | None
    """Of the checkpoint that it is from; None for the model after the last step."""
    architecture: str
    """The class of transformers, such as "Lfm2ForCausalLM"."""
    parameters: int
    template: str
    """The chat template, which says what prompts the policy reads; empty without one."""


def find_policy(run: Path) -> Policy:
    """The trained model of a run folder, or of the newest checkpoint of one that goes on; raises `CheckpointError`."""
    folder, step = run / "policy", None
    if not (folder / "config.json").is_file():
        step = RunFolder(path=run).latest()
        if step is None:
            raise CheckpointError(
                f"{run} holds no policy yet, expected policy/ or a checkpoint in it; train until the first checkpoint"
            )
        folder = RunFolder(path=run).folder(step) / "policy"
        if not folder.is_dir():
            raise CheckpointError(
                f"{folder.parent} holds low-rank matrices alone, expected a whole policy; let the run end, which adds "
                "them to the weights"
            )
    try:
        described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        architecture = str(described["architectures"][0])
        parameters = sum(_parameters(file) for file in sorted(folder.glob("*.safetensors")))
        for missing in (name for name in ("tokenizer.json", "tokenizer_config.json") if not (folder / name).is_file()):
            raise ValueError(f"{missing} is not there")
        if not parameters:
            raise ValueError("no weights are there (*.safetensors)")
    except (OSError, ValueError, LookupError, TypeError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder} is no whole model ({type(error).__name__}: {error}), expected configuration, weights and "
            "tokenizer; start the training again to have it written anew"
        ) from error
    template = folder / "chat_template.jinja"
    return Policy(
        folder=folder,
        step=step,
        architecture=architecture,
        parameters=parameters,
        template=template.read_text(encoding="utf-8") if template.is_file() else "",
    )


def write_export(policy: Policy, folder: Path, texts: Mapping[str, str]) -> None:
    """Copy the policy and write the texts by name, `RECORD` among them; the folder is there whole or not at all.

    An earlier export there is replaced, anything else is not: raises `OutputError`.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / RECORD).is_file()):
        raise OutputError(f"{folder} is there and holds something else, expected a new folder; name another one")
    draft, old = (folder.with_name(f".{folder.name}.{what}") for what in ("writing", "replaced"))
    with writing(folder):
        try:
            for rest in (draft, old):
                shutil.rmtree(rest, ignore_errors=True)
            draft.mkdir(parents=True)
            for file in sorted(policy.folder.iterdir()):
                if file.is_file():
                    shutil.copyfile(file, draft / file.name)
            for name, text in texts.items():
                (draft / name).write_text(text, encoding="utf-8")
            if folder.exists():
                folder.replace(old)
            draft.replace(folder)
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _parameters(file: Path) -> int:
    """How many numbers a file of weights holds; one that was cut raises `SafetensorError`."""
    with safe_open(str(file), framework="numpy") as weights:
        return sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
