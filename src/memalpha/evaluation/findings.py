"""What a report is made from, and what it comes to in a few plain sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memalpha.episode import Trace
from memalpha.errors import ConfigError
from memalpha.evaluation.baselines import RAG_CHUNKS
from memalpha.evaluation.harness import SystemScore
from memalpha.evaluation.tables import AFTER, BEFORE

RAG = f"RAG-Top{RAG_CHUNKS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that a report shows."""

    title: str
    rows: Sequence[SystemScore]
    """All systems, the writer before and after training among them."""
    metrics: Sequence[Mapping[str, Any]]
    """One row for each training step; may be empty."""
    before: Trace
    """One episode as the writer handled it before training."""
    after: Trace
    """The same episode after training."""
    facts: Mapping[str, str]
    """What it takes to make the result again."""

    @property
    def traces(self) -> tuple[Trace, Trace]:
        """Before and after."""
        return self.before, self.after

    @property
    def claims(self) -> list[Claim]:
        """The headline; raises `ConfigError` when there is nothing to compare."""
        return headline(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One figure and what it says."""

    title: str
    figure: str
    note: str
    """What the figure is, or by how much it changed."""
    sentence: str


def headline(rows: Sequence[SystemScore]) -> list[Claim]:
    """A claim for each pair of systems, then memory and score against the baselines; raises `ConfigError`."""
    pairs = find_pairs(rows)
    writers = {row.system for pair in pairs for row in pair}
    baselines = [row for row in rows if row.system not in writers]
    after = pairs[-1][1]
    claims = [_progress(before, after) for before, after in pairs]
    claims += [_memory(after, row) for row in baselines if row.system == RAG]
    return [*claims, _standing(after, baselines)] if baselines else claims


def find_pairs(rows: Sequence[SystemScore]) -> list[tuple[SystemScore, SystemScore]]:
    """The writers before and after training, paired by what follows `BEFORE` and `AFTER` in their names."""
    by_name = {row.system: row for row in rows}
    pairs = [
        (row, by_name[twin])
        for row in rows
        if row.system.startswith(BEFORE) and (twin := AFTER + row.system.removeprefix(BEFORE)) in by_name
    ]
    if not pairs:
        raise ConfigError(
            f"got the systems {', '.join(by_name) or '(none)'}, expected one named {BEFORE!r} and one named {AFTER!r}, "
            "with the same words behind; name the writer before and after training so"
        )
    return pairs


def _progress(before: SystemScore, after: SystemScore) -> Claim:
    old, new = f"{before.score:.3f}", f"{after.score:.3f}"
    way = before.system.removeprefix(BEFORE).strip(" ()")
    if old == new:
        change, note = f"stayed at {old}", "no change"
    else:
        change, note = f"{'rose' if after.score > before.score else 'fell'} from {old} to {new}", "from zero"
        if before.score > 0:
            note = f"×{after.score / before.score:.2f}"
            change += f", {after.score / before.score:.2f} times what it was"
    overlap = "do not overlap" if before.high < after.low or after.high < before.low else "overlap"
    episodes = "episode" if after.episodes == 1 else f"{after.episodes} episodes"
    return Claim(
        title=f"Score, {way}" if way else "Score",
        figure=f"{old} → {new}",
        note=note,
        sentence=f"On the same {episodes} the mean score {change}; the 95% intervals {overlap}.",
    )


def _memory(after: SystemScore, rag: SystemScore) -> Claim:
    share = after.memory_tokens / rag.memory_tokens if rag.memory_tokens else 0.0
    return Claim(
        title=f"Memory against {RAG}",
        figure=f"{share:.0%}",
        note="of its memory tokens",
        sentence=f"{after.system} ends with {after.memory_tokens:,.0f} tokens in memory where {RAG} keeps "
        f"{rag.memory_tokens:,.0f}, and scores {after.score:.3f} where {RAG} scores {rag.score:.3f}.",
    )


def _standing(after: SystemScore, baselines: Sequence[SystemScore]) -> Claim:
    below = [row.system for row in baselines if row.score < after.score]
    above = [row.system for row in baselines if row.score >= after.score]
    parts = [f"{way} {_listed(names)}" for way, names in (("above", below), ("not above", above)) if names]
    return Claim(
        title="Against the baselines",
        figure=f"{len(below)} of {len(baselines)}",
        note="baselines score lower",
        sentence=f"{after.system} scores {' and '.join(parts)}.",
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
