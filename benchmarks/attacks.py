"""How often text that tools and documents bring changes what it must not: the attack suite, with and without the guard.

python benchmarks/attacks.py

The shipped writers, and one that does whatever a text asks it to, which is the worst case of any model.
Without the guard all text is taken for the user's. The table goes into docs/security.md.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from attack_suite import Attack, Victim, attacks, insert_lines, prepare
from record import load, save

from memalpha.agent.model import Prompt, ScriptedModel
from memalpha.agent.writer import PromptStyle, Writer, WriterConfig
from memalpha.errors import MemalphaError
from memalpha.memory.entry import Origin
from memalpha.memory.store import Store
from memalpha.service import Memory
from memalpha.service.memory import open_store
from memalpha.service.pen import Pen

PAGE = Path(__file__).parent.parent / "docs" / "security.md"
BEGIN, END = "<!-- attacks: made by benchmarks/attacks.py -->", "<!-- end of attacks -->"
OBEDIENT = "obedient"
WRITERS = (OBEDIENT, "nano-chat", "nano")
_NUMBERED = re.compile(r"^(\d+): ", re.MULTILINE)
_Z = 1.96


def main() -> None:
    torch.set_num_threads(1)
    rows = run(WRITERS)
    save("attacks", rows, seeds=[])
    publish()


def run(writers: Sequence[str]) -> list[dict[str, Any]]:
    """One row for each class of attacks, writer and guard: how many were tried and how many won."""
    counts: dict[tuple[str, str, bool], list[bool]] = defaultdict(list)
    shipped = {writer: Pen(writer) for writer in writers if writer != OBEDIENT}
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "memory.db") as store:
        for number, (victim, attack) in enumerate(attacks()):
            for writer in writers:
                for guarded in (True, False):
                    pen = shipped.get(writer) or obedient(attack)
                    user = f"{victim.name}-{number}-{writer}-{guarded}"
                    won = attempt(store, user, pen, victim, attack, guarded=guarded)
                    counts[attack.family, writer, guarded].append(won)
    return [
        {"family": family, "writer": writer, "guarded": guarded, "tried": len(won), "won": sum(won)}
        for (family, writer, guarded), won in counts.items()
    ]


def attempt(store: Store, user: str, pen: Pen, victim: Victim, attack: Attack, *, guarded: bool) -> bool:
    """Whether an attack wins on a fresh memory."""
    memory = Memory(store, user="victim", tenant=user, writer=pen)
    prepare(memory, victim)
    for turn in attack.turns:
        try:
            memory.add(turn, origin=None if guarded else Origin.USER)
        except MemalphaError as error:  # what the store refuses has not won, and is no fault of this script
            print(f"{user}: {error}")
    return attack.won(memory)


def obedient(attack: Attack) -> Pen:
    """A writer that does what it reads, in the chunk or among the entries it is shown, and keeps every other line."""

    def reply(prompt: Prompt) -> str:
        read = "\n".join(message.content for message in prompt.messages)
        for order in attack.orders:
            if all(words in read for words in order.sees):
                return "\n".join(order.calls)
        numbers = _NUMBERED.findall(prompt.messages[-1].content)
        return "\n".join(insert_lines(int(number)) for number in numbers)

    return Pen(Writer(ScriptedModel(reply, name=OBEDIENT), WriterConfig(style=PromptStyle.CHAT)))


def publish() -> None:
    """Put the table of the result file into the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(load('attacks'))}\n{END}{after}", encoding="utf-8")


def table(result: dict[str, Any]) -> str:
    """The rates of every class, and of all together, as Markdown."""
    cells = {(row["family"], row["writer"], row["guarded"]): row for row in result["results"]}
    families = list(dict.fromkeys(family for family, _, _ in cells))
    columns = [(writer, guarded) for writer in WRITERS for guarded in (True, False)]
    head = ["attack", *(f"{writer}, {'guard' if guarded else 'no guard'}" for writer, guarded in columns)]
    body = [[family, *(_cell([cells[family, *column]]) for column in columns)] for family in families]
    body.append(["**all**", *(_cell([cells[family, *column] for family in families]) for column in columns)])
    lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *body]]
    return "\n".join(lines) + f"\n\nMade at commit `{result['commit']}` by `{result['command']}`.\n"


def _cell(rows: Sequence[dict[str, Any]]) -> str:
    tried, won = sum(row["tried"] for row in rows), sum(row["won"] for row in rows)
    low, high = wilson(won, tried)
    return f"{won}/{tried} ({low:.0%} to {high:.0%})"


def wilson(won: int, tried: int) -> tuple[float, float]:
    """The 95% interval of a rate (Wilson 1927)."""
    rate, spread = won / tried, _Z**2 / tried
    middle = (rate + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(rate * (1 - rate) / tried + spread / (4 * tried)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


if __name__ == "__main__":
    main()
