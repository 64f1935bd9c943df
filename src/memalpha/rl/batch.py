"""Rows to tensors: micro-batches of like length within a token budget, padded at the end.

The ids that are trained on are the ids that were sampled. Logits are only ever computed for the sampled positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from memalpha.agent.lots import PADDING, lots
from memalpha.rl.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBatch:
    """Rows that go through the network together."""

    rows: tuple[int, ...]
    """Places in the sequence of rows it was made from."""
    ids_NL: Tensor
    """[N, L] prompt and completion, padded at the end."""
    attention_NL: Tensor
    """[N, L] 1 on real tokens."""
    positions_NC: Tensor
    """[N, C] where the logits of each sampled token are: one place before the token."""
    targets_NC: Tensor
    """[N, C] sampled ids, 0 where padded."""
    mask_NC: Tensor
    """[N, C] 1 on sampled tokens, the end-of-turn token included."""
    logprobs_NC: Tensor
    """[N, C] of the policy that sampled."""
    advantages_NC: Tensor
    """[N, C] of each sampled token, 0 where padded."""
    groups_N: Tensor


def micro_batches(rows: Sequence[Row], *, token_budget: int, padding: float = PADDING) -> list[MicroBatch]:
    """All rows once, longest first; a micro-batch holds at most `token_budget` tokens, padding included.

    At most `padding` of its places hold no token, so that rows of unlike length do not go together. A row longer than
    the budget is a micro-batch of its own.
    """
    lengths = [len(row.prompt_ids) + len(row.token_ids) for row in rows]
    return [_pack(rows, lot) for lot in lots(lengths, budget=token_budget, padding=padding)]


def padding_share(batches: Sequence[MicroBatch]) -> float:
    """Share of the places that hold no token, in [0, 1)."""
    places = sum(batch.ids_NL.numel() for batch in batches)
    return 1.0 - sum(float(batch.attention_NL.sum()) for batch in batches) / places if places else 0.0


def _pack(rows: Sequence[Row], part: Sequence[int]) -> MicroBatch:
    length = max(len(rows[at].prompt_ids) + len(rows[at].token_ids) for at in part)
    width = max(len(rows[at].token_ids) for at in part)
    ids_NL = torch.zeros(len(part), length, dtype=torch.long)
    attention_NL = torch.zeros(len(part), length, dtype=torch.long)
    positions_NC = torch.zeros(len(part), width, dtype=torch.long)
    targets_NC = torch.zeros(len(part), width, dtype=torch.long)
    mask_NC = torch.zeros(len(part), width)
    logprobs_NC = torch.zeros(len(part), width)
    advantages_NC = torch.zeros(len(part), width)
    for n, at in enumerate(part):
        row = rows[at]
        start, sampled = len(row.prompt_ids), len(row.token_ids)
        ids_NL[n, : start + sampled] = torch.tensor([*row.prompt_ids, *row.token_ids])
        attention_NL[n, : start + sampled] = 1
        positions_NC[n, :sampled] = torch.arange(start - 1, start - 1 + sampled)
        targets_NC[n, :sampled] = torch.tensor(row.token_ids)
        mask_NC[n, :sampled] = 1.0
        logprobs_NC[n, :sampled] = torch.tensor(row.logprobs)
        advantages_NC[n, :sampled] = torch.tensor(row.token_advantages or [row.advantage] * sampled)
    return MicroBatch(
        rows=tuple(part),
        ids_NL=ids_NL,
        attention_NL=attention_NL,
        positions_NC=positions_NC,
        targets_NC=targets_NC,
        mask_NC=mask_NC,
        logprobs_NC=logprobs_NC,
        advantages_NC=advantages_NC,
        groups_N=torch.tensor([rows[at].group for at in part]),
    )
