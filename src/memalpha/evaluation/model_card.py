"""The model card of a trained policy, filled from its run: README.md with the metadata that the hub reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memalpha.evaluation.learning import COMPARED, WINDOW, Group, PastRun, Settings
from memalpha.evaluation.learning_report import NAMES, alarm_grid, behaviour_grid, outcome_grid, setting_text
from memalpha.evaluation.tables import escape_markdown, markdown_lines

SHIPPED = ("nano", "nano-chat", "nano-warm")
LISTED_STEPS = 8
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a card is filled from."""

    name: str
    """On the hub, or of the folder."""
    run: PastRun
    defaults: Settings
    step: int
    """After which the policy is."""
    architecture: str
    parameters: int
    quotes: bool
    """Whether the policy reads the nano prompt and quotes lines by number."""
    systems: Sequence[Mapping[str, Any]]
    """Rows of the run's evaluation: system, score, low, high, memory_share, episodes; empty without one."""


def shown_settings(settings: Settings) -> dict[str, Any]:
    """The settings as they may be published: of a path its last part, of a server that there was one."""
    shown = dict(settings)
    for key in ("run.model", "data.source"):
        shown[key] = _public(str(settings[key]))
    if settings.get("reward.reader"):
        shown["reward.reader"] = "a server"
    return shown


def model_card(facts: CardFacts) -> str:
    """The whole card in Markdown."""
    run = facts.run
    group = Group(name=run.name, runs=(run,))
    parts = [
        _metadata(facts),
        f"# {escape_markdown(facts.name)}",
        f"A policy that manages the memory of a language agent: it reads a stream of text once, chunk by chunk, and "
        f"decides with tool calls what to insert, update and delete. Questions are answered afterwards from that "
        f"memory alone. It was trained by reinforcement learning (Mem-α, arXiv:2509.25911) with memalpha, "
        f"starting from {escape_markdown(_public(str(run.settings['run.model'])))}; this is the policy after step "
        f"{facts.step} of {run.settings['run.steps']}. It has {facts.parameters:,} parameters ({facts.architecture}).",
        "## How to load it",
        _loading(facts),
        "## How training went",
        f"Means over the last {WINDOW} steps, with intervals of 95% over these steps.",
        _outcome(group),
        _course(run),
    ]
    if run.alarms:
        body = [[escape_markdown(cell) for cell in row[1:]] for row in alarm_grid([group]).body]
        parts += ["Alarms that training raised:", markdown_lines(["Step", "What was wrong"], body, [True, False])]
    if facts.systems:
        parts += ["## Evaluation", *_evaluation(facts.systems)]
    parts += ["## How it was trained", *_training(facts), "## What it is for, and where it ends", _limits(facts)]
    return "\n\n".join(parts) + "\n"


def _metadata(facts: CardFacts) -> str:
    lines = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    base = str(facts.run.settings["run.model"])
    if base in SHIPPED:
        lines.append("license: apache-2.0")
    elif _HUB_NAME.fullmatch(_public(base)):
        lines.append(f"base_model: {base}")
    lines += ["tags:", *(f"- {tag}" for tag in ("memalpha", "memory", "agents", "reinforcement-learning")), "---"]
    return "\n".join(lines)


def _loading(facts: CardFacts) -> str:
    chat = (
        "The policy quotes lines by their number: memalpha makes its prompts and reads its calls."
        if facts.quotes
        else "Its prompts and tool schemas are those of memalpha, which fills them through the model's chat template."
    )
    return (
        f"{chat}\n\n```py\nfrom memalpha import Writer\nfrom memalpha.agent.local import load_local\n"
        "from memalpha.agent.writer import PromptStyle, WriterConfig\n\n"
        f'writer = Writer(load_local("{facts.name}"), '
        f"WriterConfig(style=PromptStyle.{'NANO' if facts.quotes else 'CHAT'}))\n```\n\n"
        "Weights and tokenizer alone, with transformers:\n\n```py\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f'tokenizer = AutoTokenizer.from_pretrained("{facts.name}")\n'
        f'network = AutoModelForCausalLM.from_pretrained("{facts.name}")\n```\n\n'
        f"`memalpha eval --model {facts.name}` scores it, `memalpha replay --model {facts.name}` shows what it keeps."
    )


def _outcome(group: Group) -> str:
    found = [grid([group], WINDOW) for grid in (outcome_grid, behaviour_grid)]
    body = [list(pair) for grid in found for pair in zip(grid.titles[1:], grid.body[0][1:], strict=True)]
    return markdown_lines(["", "Mean"], body, [False, True])


def _course(run: PastRun) -> str:
    """A few steps, evenly spread, the first and the last among them."""
    names = [name for name in COMPARED if any(name in row for row in run.metrics)]
    last = len(run.metrics) - 1
    places = sorted({round(at * last / (LISTED_STEPS - 1)) for at in range(LISTED_STEPS)})
    validated = [at for at, row in enumerate(run.metrics) if "validation_score" in row]
    places = sorted({*places, *validated[-LISTED_STEPS:]})
    body = [[str(run.metrics[at]["step"]), *(_number(run.metrics[at].get(name)) for name in names)] for at in places]
    return markdown_lines(["Step", *(NAMES[name] for name in names)], body, [True] * (1 + len(names)))


def _evaluation(systems: Sequence[Mapping[str, Any]]) -> list[str]:
    body = [
        [
            escape_markdown(str(row["system"])),
            f"{row['score']:.3f} [{row['low']:.3f}, {row['high']:.3f}]",
            f"{row['memory_share']:.0%}",
            str(row["episodes"]),
        ]
        for row in systems
    ]
    return [
        "All systems under one reader, on episodes that training did not show, with intervals of 95% over episodes.",
        markdown_lines(["System", "Score", "Kept", "Episodes"], body, [False, True, True, True]),
    ]


def _training(facts: CardFacts) -> list[str]:
    settings, run = shown_settings(facts.run.settings), facts.run
    source = settings["data.source"]
    data = f"synthetic streams of {settings['data.tokens']} tokens" if source == "world" else f"`{source}`"
    told = (
        f"On {data}, {run.steps} steps of {settings['rollout.episodes']} episodes with {settings['rollout.group']} "
        f"samples each, {run.seconds / 3600:.2f} hours on the device `{settings.get('engine.device', 'cpu')}`."
    )
    body = [
        [f"`{key}`", f"`{setting_text(value)}`", f"`{setting_text(facts.defaults[key])}`"]
        for key, value in settings.items()
        if key in facts.defaults and value != facts.defaults[key] and not key.startswith("engine.")
    ]
    if not body:
        return [told, "All settings are the defaults."]
    return [
        f"{told} Settings that are not the defaults:",
        markdown_lines(["Setting", "Value", "Default"], body, [False] * 3),
    ]


def _limits(facts: CardFacts) -> str:
    lines = [
        "It is for research on memory of agents: the writer of a memalpha memory, or a start for further training.",
        "What it keeps is what questions of its training asked for; on other streams it may pass over what matters.",
        "It stores what it reads: text with personal data becomes a memory with personal data.",
        "It does not answer questions, and it is no chat model for people.",
    ]
    if facts.quotes:
        lines.append("It quotes lines and writes next to nothing in its own words, on English text alone.")
    if facts.run.settings["data.source"] == "world":
        lines.append("It was trained on a synthetic world; its scores there say little of real conversations.")
    return "\n".join(f"- {line}" for line in lines)


def _public(place: str) -> str:
    """A shipped name or one on the hub as it is, of a path its last part."""
    path = Path(place)
    on_hub = bool(_HUB_NAME.fullmatch(place)) and not path.parent.is_dir()
    return place if on_hub or len(path.parts) == 1 else path.name


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.3f}"
