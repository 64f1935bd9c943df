"""What `memalpha push` does: a trained policy with its card into a folder, and from there to the hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from memalpha.cli.report import default_settings, read_run
from memalpha.errors import CheckpointError, ConfigError
from memalpha.evaluation.model_card import CardFacts, model_card, shown_settings
from memalpha.rl.export import RECORD, Policy, find_policy, write_export
from memalpha.rl.hub import check_place, upload


def push_run(
    run: Path, *, to: str | None, folder: Path | None, private: bool = False, console: Console | None = None
) -> None:
    """Export the policy of a run, and upload it where `to` names a place; `folder` is run/export if left out."""
    console = console or Console()
    if to is None and folder is None:
        raise ConfigError("got neither --to nor --folder, expected a place; give --to owner/name, or --folder DIR")
    if to is not None:
        check_place(to)
    policy = find_policy(run)
    facts = _facts(run, policy, to or (folder or run).resolve().name)
    out = folder or run / "export"
    record = {
        "step": facts.step,
        "settings": shown_settings(facts.run.settings),
        "metrics": [dict(row) for row in facts.run.metrics],
    }
    write_export(policy, out, {"README.md": model_card(facts), RECORD: json.dumps(record, indent=2) + "\n"})
    console.print(f"The model is in {out}, with its card in README.md", soft_wrap=True, markup=False)
    if to is not None:
        page = upload(out, to, private=private)
        console.print(f"It was uploaded to {page}", soft_wrap=True, markup=False)


def _facts(run: Path, policy: Policy, name: str) -> CardFacts:
    past = read_run(run, run.resolve().name)
    return CardFacts(
        name=name,
        run=past,
        defaults=default_settings(),
        step=past.steps if policy.step is None else policy.step,
        architecture=policy.architecture,
        parameters=policy.parameters,
        quotes="<|write|>" in policy.template,
        systems=_systems(run / "report.json"),
    )


def _systems(file: Path) -> list[dict[str, Any]]:
    """The table of systems of the run's report, which `memalpha demo` writes; none without it."""
    if not file.exists():
        return []
    keys = ("system", "score", "low", "high", "memory_share", "episodes")
    try:
        return [{key: row[key] for key in keys} for row in json.loads(file.read_text(encoding="utf-8"))["systems"]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(
            f"{file} is damaged ({type(error).__name__}: {error}), expected the report of memalpha demo; take it out "
            "of the run folder"
        ) from error
