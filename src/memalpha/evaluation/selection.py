"""What a reader is shown of a memory, other than by BM25: nothing, the end of it, what is nearest, what fits a budget.

Any of them serves any reader. Texts that are always in view, such as the core, are shown by all but `Nothing`. Tokens
are those of the texts; ids and times are not counted, as in `Bank.tokens`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memalpha.agent.reader import Selector, Shown, spoken_by_user
from memalpha.memory.bank import Bank, Entry, MemoryKind
from memalpha.memory.embedding import Embedder, Vectors, nearest


@dataclass(frozen=True, slots=True)
class Nothing:
    """Shows nothing: what remains is what a reader knows by itself."""

    def select(self, bank: Bank, questions: Sequence[str]) -> list[Shown]:
        """Nothing for each question."""
        return [Shown(core="", entries=())] * len(questions)


@dataclass(frozen=True, slots=True)
class LastTokens:
    """Shows whole entries from the end of the memory, as many as fit the window, whatever is asked."""

    window_tokens: int

    def select(self, bank: Bank, questions: Sequence[str]) -> list[Shown]:
        """The same for each question, in the order in which it was stored."""
        kept: list[Entry] = []
        left = self.window_tokens - bank.count_tokens(bank.core_text)
        for entry in bank.newest(len(bank)):
            left -= bank.count_tokens(entry.text)
            if left < 0:
                break
            kept.append(entry)
        return [Shown(core=bank.core_text, entries=tuple(reversed(kept)))] * len(questions)


class Nearest:
    """Shows the `k` entries of each store whose vectors have the largest cosine with the question's."""

    def __init__(self, embedder: Embedder, k: int) -> None:
        """Embed with this embedder; vectors of the entries are kept as long as the next selection needs them."""
        self.embedder = embedder
        self.k = k
        self._vectors: dict[str, Vectors] = {}

    def select(self, bank: Bank, questions: Sequence[str]) -> list[Shown]:
        """The nearest of each store, store by store, the nearest first."""
        stores = [bank.entries(kind) for kind in bank.layout.stores]
        self._embed([entry.rendered for entries in stores for entry in entries])
        queries_QD = self.embedder.embed([spoken_by_user(question) for question in questions])
        found: list[list[Entry]] = [[] for _ in questions]
        for entries in stores:
            if entries:
                vectors_ND = np.stack([self._vectors[entry.rendered] for entry in entries])
                for shown, best in zip(found, nearest(vectors_ND, queries_QD, self.k), strict=True):
                    shown += [entries[at] for at in best]
        return [Shown(core=bank.core_text, entries=tuple(shown)) for shown in found]

    def _embed(self, texts: Sequence[str]) -> None:
        """Know the vectors of these texts and of no others, each embedded once."""
        new = list(dict.fromkeys(text for text in texts if text not in self._vectors))
        known = self._vectors | (dict(zip(new, self.embedder.embed(new), strict=True)) if new else {})
        self._vectors = {text: known[text] for text in texts}


@dataclass(frozen=True, slots=True)
class Capped:
    """Shows what another selector shows, as far as it fits a number of tokens.

    The core comes first; then the best entry of each store, then the second best of each, as long as they fit: as if
    the number of entries read were lowered until all fits (arXiv:2509.25911, appendix). The order shown stays.
    """

    selector: Selector
    max_tokens: int

    def select(self, bank: Bank, questions: Sequence[str]) -> list[Shown]:
        """The capped selection for each question."""
        return [self._fit(bank, shown) for shown in self.selector.select(bank, questions)]

    def _fit(self, bank: Bank, shown: Shown) -> Shown:
        places: dict[MemoryKind, int] = defaultdict(int)
        ranked: list[tuple[int, int]] = []
        for at, entry in enumerate(shown.entries):
            ranked.append((places[entry.kind], at))
            places[entry.kind] += 1
        left = self.max_tokens - bank.count_tokens(shown.core)
        kept: set[int] = set()
        for _, at in sorted(ranked):
            left -= bank.count_tokens(shown.entries[at].text)
            if left < 0:
                break
            kept.add(at)
        if len(kept) == len(shown.entries):
            return shown
        return Shown(core=shown.core, entries=tuple(entry for at, entry in enumerate(shown.entries) if at in kept))
