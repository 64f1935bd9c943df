"""What a writer sees of a memory with stores of other systems."""

from __future__ import annotations

from memalpha.agent.overview import overview
from memalpha.agent.view import ViewConfig
from memalpha.memory.bank import Bank, MemoryKind, Provenance
from memalpha.memory.entry import Origin
from memalpha.memory.layouts import MIRIX
from memalpha.records import Chunk

CHUNK = Chunk(text="Ann sails again.\nNothing else.")


def bank() -> Bank:
    """Vault 1 and 2, procedural 3, semantic 4, and a text about the user."""
    made = Bank(count_tokens=len, layout=MIRIX)
    made.insert(MemoryKind.VAULT, "Ann has locker 12.", Provenance())
    made.insert(MemoryKind.VAULT, "Bo has locker 13.", Provenance())
    made.insert(MemoryKind.PROCEDURAL, "Ann sails by the wind.", Provenance())
    made.insert(MemoryKind.SEMANTIC, "Cy digs.", Provenance())
    made.update(MemoryKind.HUMAN, None, "Di", Provenance())
    return made


def test_the_newest_of_each_store_come_oldest_first() -> None:
    view = overview(bank(), CHUNK, ViewConfig(newest=1, related=0))
    assert [entry.id for entry in view.newest] == [2, 3, 4]
    assert (view.core, view.related) == ("human:\nDi", ((), ()))


def test_each_line_brings_up_what_shares_its_words_in_any_store() -> None:
    # "Ann" and "sails" are in entry 3, "Ann" alone in 1; the second line shares no word with anything.
    view = overview(bank(), CHUNK, ViewConfig(newest=0, related=2))
    assert [[entry.id for entry in entries] for entries in view.related] == [[3, 1], []]
    assert [entry.id for entry in overview(bank(), CHUNK, ViewConfig(newest=0, related=1)).related_entries] == [3]


def test_beside_the_conversation_only_its_own_entries_are_shown() -> None:
    made = bank()
    made.insert(MemoryKind.PROCEDURAL, "Ann sails again and again.", Provenance(origin=Origin.DOCUMENT))
    config = ViewConfig(newest=1, related=1)
    assert [entry.id for entry in overview(made, CHUNK, config, said=False).newest] == [2, 4, 5]
    view = overview(made, CHUNK, config)
    assert [entry.id for entry in view.newest] == [2, 3, 4]
    assert view.related == ((made.get(3),), ())
