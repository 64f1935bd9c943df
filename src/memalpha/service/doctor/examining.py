"""All checks of a store, one after the other: the database, the rows of each memory, then what its entries say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from memalpha.memory.bank import Bank
from memalpha.memory.entry import Entry, MemoryKind
from memalpha.memory.search import BM25Index
from memalpha.memory.store import Address, Store
from memalpha.memory.store.checks import Finding, FindingKind
from memalpha.service.doctor.statements import contradictions, repeats

Watch = Callable[[str, int, int], object]
"""Told what is looked at, how far it has come, and of how much."""

SAMPLE = 64
"""Vectors of a memory that are made again, and queries that are asked again, unless all are."""
_HITS = 10


def examine(
    store: Store, addresses: Iterable[Address] | None = None, *, every_vector: bool = False, watch: Watch | None = None
) -> Iterator[Finding]:
    """What is wrong, as it is found.

    Args:
        store: Open, and not changed.
        addresses: Whose memories are looked at; None is everybody's.
        every_vector: Whether all vectors are made again, and not a sample.
        watch: Is told of the progress.
    """
    told = watch or (lambda what, done, total: None)
    told("database", 0, 1)
    yield from store.check_database()
    everybody = tuple(store.addresses()) if addresses is None else tuple(addresses)
    for address in everybody:
        told(f"{address}: rows", 0, 1)
        yield from store.check_memory(address)
        yield from store.check_vectors(address, None if every_vector else SAMPLE)
        bank = store.scope(address.tenant, address.user).bank()
        for finding in (*_limits(bank), *_index(bank)):
            yield _at(address, *finding)
        yield from _statements(bank, address, told)
    told("done", 1, 1)


_Told = tuple[FindingKind, str, str, tuple[Entry, ...]]


def _at(address: Address, kind: FindingKind, what: str, mend: str, entries: tuple[Entry, ...] = ()) -> Finding:
    places = tuple((entry.kind, entry.id) for entry in entries)
    return Finding(kind=kind, what=what, mend=mend, address=address, places=places)


def _limits(bank: Bank) -> Iterator[_Told]:
    for block in bank.layout.blocks:
        tokens, limit = bank.tokens(block.kind), bank.layout.limit(block.kind)
        if limit is not None and tokens > limit:
            what = f"{block.kind} memory has {tokens} tokens, at most {limit} are allowed"
            yield FindingKind.OVER_FULL, what, "update it with a shorter text", ()


def _index(bank: Bank) -> Iterator[_Told]:
    """Compare what entries find as queries with what they find in an index that is made anew."""
    for kind in bank.layout.stores:
        entries = bank.entries(kind)
        fresh = BM25Index()
        for entry in entries:
            fresh.add(entry.id, entry.rendered)
        queries = [entry.rendered for entry in entries[:: max(1, len(entries) // SAMPLE)][:SAMPLE]]
        for query in queries:
            found = [(hit.entry.id, hit.score) for hit in bank.search(kind, query, _HITS)]
            if found != fresh.search(query, _HITS):
                what = f"the index of {kind} memory does not find what a new one does"
                yield FindingKind.INDEX, what, "restart what has the store open", ()
                break


def _statements(bank: Bank, address: Address, told: Watch) -> Iterator[Finding]:
    def names(older: Entry, newer: Entry) -> str:
        return f"#{older.id} {_short(older)} and #{newer.id} {_short(newer)}"

    for kind in bank.layout.stores:
        told(f"{address}: repetitions", 0, 1)
        for older, newer, evidence in repeats(bank.entries(kind)):
            what = f"{kind} {names(older, newer)} look like duplicates ({evidence})"
            shorter = min(older, newer, key=lambda entry: len(entry.text))
            mend = f"delete one of them, such as #{shorter.id}, which says no more than the other"
            yield _at(address, FindingKind.DUPLICATE, what, mend, (older, newer))
    done, total = 0, len(bank.entries(MemoryKind.SEMANTIC))

    def step() -> None:
        nonlocal done
        done += 1
        told(f"{address}: contradictions", done, total)

    for older, newer, evidence in contradictions(bank, step):
        what = f"semantic {names(older, newer)} look like a contradiction ({evidence})"
        mend = f"delete #{older.id} if it is no longer true, or leave both"
        yield _at(address, FindingKind.CONTRADICTION, what, mend, (older, newer))


def _short(entry: Entry) -> str:
    text = " ".join(entry.text.split())
    return repr(text if len(text) <= 80 else f"{text[:79]}…")
