"""Decoding: the next token of a group of prompts, one step at a time; transformers for the network, the loop is ours.

The loop keeps what training needs and `generate` hides: the ids that were sampled, with their log-probabilities under
the distribution they were drawn from, the end-of-turn token included. Rows that have ended leave the batch. Whoever
steps decides when: `LocalModel` takes a group to its end, a server takes turns between groups.

Left out: beam search, top-k, and prompts that join a group on its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from memalpha.agent.text_stream import Decode, TextStream
from memalpha.errors import ModelError

_SMALL_BATCH = 8
"""Rows that have ended stay in a batch of this size or less: taking them out would cost more than it saves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One prompt, and how its tokens are drawn."""

    ids: Sequence[int]
    max_tokens: int
    temperature: float = 0.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    """Draws from the fewest tokens that together have this probability, in (0, 1]."""
    seed: int | None = None
    """Of the row's own generator; unused where the group has one for all."""
    likeliest: int = 0
    """How many of the likeliest tokens to tell of at each place."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One token of one row."""

    row: int
    token: int
    logprob: float
    """Under the distribution of the row's temperature, before `top_p`; of temperature 1 when the row is greedy."""
    ended: bool
    """Whether it is an end token."""
    likeliest: tuple[tuple[int, float], ...] = ()
    """The likeliest tokens of this place with their log-probabilities, the likeliest first."""


class Sample:
    """What one row has drawn so far, and its text."""

    def __init__(self, decode: Decode, stop: Sequence[str] = (), *, follow: bool = False) -> None:
        """`follow` keeps the text in step with the tokens; else it is made at the end, unless stop texts need it."""
        self._decode = decode
        self._stream = TextStream(decode, stop) if stop or follow else None
        self.drawn: list[Drawn] = []

    def take(self, drawn: Drawn) -> bool:
        """Add a token; returns whether the text has met a stop text, so that no further token is wanted."""
        self.drawn.append(drawn)
        if self._stream is not None and not drawn.ended:
            self._stream.push(drawn.token)
        return self._stopped

    @property
    def said(self) -> list[int]:
        """The tokens without the end token."""
        return [drawn.token for drawn in self.drawn if not drawn.ended]

    @property
    def finished(self) -> bool:
        """Whether it came to its own end, by the end token or a stop text; else it was cut, or goes on."""
        return self._stopped or bool(self.drawn and self.drawn[-1].ended)

    @property
    def known(self) -> int:
        """How many characters of the text are known; for one that is followed."""
        return len(self._stream.text) if self._stream else 0

    @property
    def sure(self) -> str:
        """The text so far, as far as nothing can change it; for one that is followed."""
        return self._stream.sure if self._stream else ""

    def finish(self) -> str:
        """The whole text, once no token is to come."""
        return self._stream.finish() if self._stream else self._decode(self.said)

    @property
    def _stopped(self) -> bool:
        return self._stream is not None and self._stream.stopped


class Decoder:
    """A group of rows on their way through one network."""

    def __init__(
        self,
        network: PreTrainedModel,
        rows: Sequence[Row],
        end_ids: frozenset[int],
        generator: torch.Generator | None = None,
    ) -> None:
        """`generator` draws for all rows together; None gives each row its own, so that no row hangs on the others."""
        self._network = network
        self._rows = rows
        self._end_ids = end_ids
        self._shared = generator
        self._own = [] if generator else [_generator(row.seed) for row in rows]
        self._left = [row.max_tokens for row in rows]
        self._live = [True] * len(rows)
        self._at = list(range(len(rows)))
        """The row at each place of the batch."""
        self._ids_BL, self._mask_BL = _pad_left([row.ids for row in rows], network.device)
        self._positions_BL = (self._mask_BL.cumsum(-1) - 1).clamp(min=0)
        self._cache = None

    @property
    def alive(self) -> bool:
        """Whether any row has tokens to come."""
        return any(self._live)

    def drop(self, row: int) -> None:
        """Draw nothing more for a row."""
        self._live[row] = False

    @torch.inference_mode()
    def step(self) -> list[Drawn]:
        """One more token for each row that is alive; raises `ModelError` when the network gives no finite numbers."""
        self._leave()
        out = self._network(
            input_ids=self._ids_BL,
            attention_mask=self._mask_BL,
            position_ids=self._positions_BL,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._cache = out.past_key_values
        next_B, logprobs_BV = self._draw(out.logits[:, -1].float())
        logprobs_B = logprobs_BV.gather(1, next_B[:, None])[:, 0]
        drawn = []
        for place, (token, logprob) in enumerate(zip(next_B.tolist(), logprobs_B.tolist(), strict=True)):
            row = self._at[place]
            if not self._live[row]:
                continue
            ended = token in self._end_ids
            likeliest = _likeliest(logprobs_BV[place], self._rows[row].likeliest)
            drawn.append(Drawn(row, token, logprob, ended, likeliest))
            self._left[row] -= 1
            self._live[row] = not ended and self._left[row] > 0
        self._ids_BL = next_B[:, None]
        self._mask_BL = torch.cat([self._mask_BL, self._mask_BL.new_ones(len(self._at), 1)], dim=1)
        self._positions_BL = self._positions_BL[:, -1:] + 1
        return drawn

    def _leave(self) -> None:
        """Take the rows that have ended out of the batch once they are half of it."""
        kept = [place for place, row in enumerate(self._at) if self._live[row]]
        if self._cache is None or len(kept) > len(self._at) // 2 or len(self._at) <= _SMALL_BATCH:
            return
        keep = torch.tensor(kept, device=self._ids_BL.device)
        self._cache.reorder_cache(keep)  # selects rows; unlike batch_select_indices it knows convolution states
        self._ids_BL, self._mask_BL = self._ids_BL[keep], self._mask_BL[keep]
        self._positions_BL = self._positions_BL[keep]
        self._at = [self._at[place] for place in kept]

    def _draw(self, logits_BV: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [B], and the log-probabilities [B, V] of each row's temperature."""
        rows = [self._rows[row] for row in self._at]
        temperature_B = torch.tensor([row.temperature or 1.0 for row in rows], device=logits_BV.device)
        logprobs_BV = torch.log_softmax(logits_BV / temperature_B[:, None], dim=-1)
        if logprobs_BV[:, 0].isnan().any():  # one number that is not finite makes its whole row so
            raise ModelError("the network gave numbers that are not finite; check its weights, or use another dtype")
        next_B = logits_BV.argmax(-1)
        if any(row.temperature > 0 for row in rows):
            chances_BV = logprobs_BV.exp().cpu()
            for place, row in enumerate(rows):
                if row.top_p < 1:
                    chances_BV[place] = nucleus(chances_BV[place], row.top_p)
            drawn_B = self._sample(chances_BV).to(next_B.device)
            greedy_B = torch.tensor([row.temperature == 0 for row in rows], device=next_B.device)
            next_B = torch.where(greedy_B, next_B, drawn_B)
        return next_B, logprobs_BV

    def _sample(self, chances_BV: Tensor) -> Tensor:
        """Tokens [B] drawn by their chances."""
        if self._shared is not None:
            return torch.multinomial(chances_BV, 1, generator=self._shared)[:, 0]
        pairs = zip(chances_BV, self._at, strict=True)
        return torch.cat([torch.multinomial(chances_V, 1, generator=self._own[row]) for chances_V, row in pairs])


def nucleus(chances_V: Tensor, top_p: float) -> Tensor:
    """Chances [V] with those outside the nucleus set to 0 (arXiv:1904.09751): the fewest tokens that reach `top_p`."""
    sorted_V, order_V = chances_V.sort(descending=True, stable=True)
    outside_V = sorted_V.cumsum(-1) - sorted_V >= top_p
    return chances_V.index_fill(0, order_V[outside_V], 0.0)


def _likeliest(logprobs_V: Tensor, count: int) -> tuple[tuple[int, float], ...]:
    if count == 0:
        return ()
    values, ids = logprobs_V.topk(min(count, len(logprobs_V)))
    return tuple(zip(ids.tolist(), values.tolist(), strict=True))


def _generator(seed: int | None) -> torch.Generator:
    generator = torch.Generator(device="cpu")
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator


def _pad_left(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids [B, L] and mask [B, L], padded at the start."""
    width = max(map(len, rows))
    ids_BL = torch.zeros(len(rows), width, dtype=torch.long)
    mask_BL = torch.zeros(len(rows), width, dtype=torch.long)
    for at, ids in enumerate(rows):
        ids_BL[at, width - len(ids) :] = torch.tensor(ids)
        mask_BL[at, width - len(ids) :] = 1
    return ids_BL.to(device), mask_BL.to(device)
