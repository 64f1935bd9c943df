"""How often a writer does what anyone would expect with everyday messages, written by hand.

    python benchmarks/everyday_messages.py nano nano-chat

The messages are in everyday_messages.json; each meets an empty memory. A statement counts when it is kept, chatter when
nothing is, and a correction when one entry is left that says the new and not the old.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from record import save

from memalpha.service import Memory

MESSAGES = Path(__file__).with_suffix(".json")


def hits(writer: str) -> dict[str, dict[str, bool]]:
    """Message by message, for each of the three groups."""
    messages = json.loads(MESSAGES.read_text(encoding="utf-8"))
    with TemporaryDirectory() as folder, Memory(Path(folder) / "memory.db", user="0", writer=writer) as memory:
        number = iter(range(10_000))

        def after(*said: Any) -> list[str]:
            own = memory.for_user(str(next(number)))
            for each in said:
                own.add(each)
            return [entry.text.removeprefix("User: ") for entry in own.get_all()]

        return {
            "kept": {said: set(after(said)) >= set(wanted) for said, wanted in messages["kept"]},
            "nothing else": {said: set(after(said)) <= set(wanted) for said, wanted in messages["kept"]},
            "dropped": {said: not after({"role": role, "content": said}) for role, said in messages["dropped"]},
            "corrected": {later: after(first, later) == [later] for first, later in messages["corrected"]},
        }


def main(writers: Sequence[str]) -> None:
    torch.set_num_threads(1)
    rows = []
    for writer in writers:
        found = hits(writer)
        for group, each in found.items():
            missed = [said for said, hit in each.items() if not hit]
            print(f"{writer:10} {group:12} {sum(each.values())} of {len(each)}", *missed, sep="\n    ")
            rows.append(
                {"writer": writer, "group": group, "hits": sum(each.values()), "of": len(each), "missed": missed}
            )
    save("everyday_messages", rows, seeds=[])


if __name__ == "__main__":
    main(sys.argv[1:] or ["nano", "nano-chat"])
