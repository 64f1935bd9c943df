"""A writer to be killed: edits that follow from their number, each acknowledged on its output when it is written."""

from __future__ import annotations

import random
import sys
from itertools import count
from pathlib import Path

from memalpha.memory.bank import Bank, MemoryKind, Provenance

CORE, EPISODIC, SEMANTIC = MemoryKind.CORE, MemoryKind.EPISODIC, MemoryKind.SEMANTIC


def words(text: str) -> int:
    return len(text.split())


def edit(bank: Bank, number: int) -> None:
    """One to four operations, the same for the same bank and number."""
    rng = random.Random(number)
    said = Provenance(chunk=number, lines=(1, number + 1))
    for turn in range(rng.randint(1, 4)):
        live = bank.entries(SEMANTIC)
        text = f"{number}.{turn} " + "word " * rng.choice((3, 30, 300))
        match rng.randrange(5) if live else 0:
            case 0 | 1:
                bank.insert(rng.choice((SEMANTIC, EPISODIC)), text, said)
            case 2:
                bank.update(SEMANTIC, rng.choice(live).id, text, said)
            case 3:
                bank.delete(SEMANTIC, rng.choice(live).id, said)
            case _:
                bank.update(CORE, None, text[:200], said)


def tell(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main() -> None:
    """`workload.py FILE FIRST LAST USER`: the edits from one number up to another, keyed by their numbers."""
    from memalpha.memory.store import SQLiteDatabase, Store

    path, first, last, user = sys.argv[1:]
    scope = Store(SQLiteDatabase(Path(path)), count_tokens=words).scope("acme", user)
    tell("ready")
    for number in count(int(first)):
        if number == int(last):
            return
        if user == "shared":
            scope.insert(EPISODIC, f"{first}: {number}", Provenance(author=first))
        else:
            with scope.edit(key=str(number)) as bank:
                edit(bank, number)
        tell(number)


if __name__ == "__main__":
    main()
