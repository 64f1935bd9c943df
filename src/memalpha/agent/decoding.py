"""Decoding: the next token of a group of prompts, one step at a time; transformers for the network, the loop is ours.

The loop keeps what training needs and `generate` hides: the ids that were sampled, with their log-probabilities under
the distribution they were drawn from, the end-of-turn token included. Rows that have ended leave the batch and others
join it; a prompt that several rows share is read once. Whoever steps decides when.

Left out: beam search and top-k.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from memalpha.agent.lots import lots
from memalpha.agent.row_batch import RowBatch, RowCache, read
from memalpha.agent.text_stream import Decode, TextStream
from memalpha.errors import ModelError

READ_TOKENS = 4_096
"""Tokens of prompts that are read at once: more leave the cache of a core, and keep a GPU no busier."""
_SMALL_BATCH = 8
"""Rows that have ended stay in a batch of this size or less: taking them out would cost more than it saves."""
_EXACT = {"mps": torch.float32}
"""In what chances are added up on devices without float64."""


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
    """Of the row's own draws, so that no row hangs on the others."""
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
    """Rows on their way through one network; further rows may join them at any time."""

    def __init__(
        self, network: PreTrainedModel, rows: Sequence[Row], end_ids: frozenset[int], *, batch_tokens: int = 48_000
    ) -> None:
        """`batch_tokens` bounds the prompt tokens that are read at once, padding included, as `READ_TOKENS` does."""
        self._network = network
        self._end_ids = end_ids
        self._batch_tokens = min(batch_tokens, READ_TOKENS)
        self._rows: list[Row] = []
        self._draws: list[random.Random] = []
        self._left: list[int] = []
        self._arrived: list[int] = []
        """Rows that have not been read yet."""
        self._at: list[int] = []
        """The row at each place of the batch."""
        self._live: list[bool] = []
        self._batch: RowBatch | None = None
        self._joins = RowCache(network.config).joins
        self.admit(rows)

    @property
    def alive(self) -> bool:
        """Whether any row has tokens to come."""
        return any(self._live)

    @property
    def takes(self) -> bool:
        """Whether rows may join now: always, unless the network has layers that cannot be joined."""
        return self._joins or not self.alive

    def admit(self, rows: Sequence[Row]) -> range:
        """Let rows join; returns their numbers, which go on from those before."""
        numbers = range(len(self._rows), len(self._rows) + len(rows))
        self._rows += rows
        self._draws += [random.Random(row.seed) for row in rows]
        self._left += [row.max_tokens for row in rows]
        self._live += [True] * len(rows)
        self._arrived += numbers
        return numbers

    def drop(self, row: int) -> None:
        """Draw nothing more for a row."""
        self._live[row] = False

    @torch.inference_mode()
    def step(self) -> list[Drawn]:
        """One more token for each row that is alive, or the first of those that joined; in the order of their numbers.

        Raises `ModelError` when the network gives no finite numbers.
        """
        arrived, self._arrived = [row for row in self._arrived if self._live[row]], []
        if arrived:
            self._leave()
            places = range(len(self._at), len(self._at) + len(arrived))
            logits_BV = self._read(arrived)
        else:
            if self._crowded:
                self._leave()
            places = range(len(self._at))
            logits_BV = self._batch.forward(self._network) if self._batch else torch.zeros(0, 0)
        rows = [self._at[place] for place in places]
        tokens_B, logprobs_BV = self._draw(rows, logits_BV.float())
        if self._batch is not None:
            self._batch.next_B[places.start : places.stop] = tokens_B
        return sorted(self._drawn(rows, tokens_B, logprobs_BV), key=lambda each: each.row)

    def _drawn(self, rows: Sequence[int], tokens_B: Tensor, logprobs_BV: Tensor) -> Iterator[Drawn]:
        logprobs_B = logprobs_BV.gather(1, tokens_B[:, None])[:, 0]
        for place, (row, token, logprob) in enumerate(zip(rows, tokens_B.tolist(), logprobs_B.tolist(), strict=True)):
            if not self._live[row]:
                continue
            ended = token in self._end_ids
            self._left[row] -= 1
            self._live[row] = not ended and self._left[row] > 0
            yield Drawn(row, token, logprob, ended, _likeliest(logprobs_BV[place], self._rows[row].likeliest))

    @property
    def _crowded(self) -> bool:
        """Whether half of the rows of a large batch have ended."""
        return len(self._at) > max(_SMALL_BATCH, 2 * sum(self._live[row] for row in self._at) - 1)

    def _leave(self) -> None:
        """Take the rows that have ended out of the batch."""
        kept = [place for place, row in enumerate(self._at) if self._live[row]]
        if self._batch is None or len(kept) == len(self._at):
            return
        self._at = [self._at[place] for place in kept]
        if kept:
            self._batch.pick(torch.tensor(kept))
        else:
            self._batch = None

    def _read(self, rows: Sequence[int]) -> Tensor:
        """Read the prompts of rows that joined, each different prompt once; returns logits [B, V] of their first token.

        Prompts of like length go together, all of them where batches cannot join.
        """
        places: dict[tuple[int, ...], list[int]] = {}
        for row in rows:
            places.setdefault(tuple(self._rows[row].ids), []).append(row)
        parts, logits = [] if self._batch is None else [self._batch], []
        prompts = list(places)
        together = (
            lots([len(ids) for ids in prompts], budget=self._batch_tokens) if self._joins else [range(len(prompts))]
        )
        for chosen in together:
            lot = [prompts[at] for at in chosen]
            batch, logits_BV = read(self._network, lot)
            repeated_B = torch.tensor([at for at, ids in enumerate(lot) for _ in places[ids]])
            batch.pick(repeated_B)
            self._at += [row for ids in lot for row in places[ids]]
            parts.append(batch)
            logits.append(logits_BV[repeated_B.to(logits_BV.device)])
        self._batch = RowBatch.joined(parts)
        return torch.cat(logits)

    def _draw(self, numbers: Sequence[int], logits_BV: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [B], and the log-probabilities [B, V] of each row's temperature."""
        rows = [self._rows[row] for row in numbers]
        temperature_B = torch.tensor([row.temperature or 1.0 for row in rows], device=logits_BV.device)
        logprobs_BV = torch.log_softmax(logits_BV / temperature_B[:, None], dim=-1)
        if logprobs_BV[:, :1].isnan().any():  # one number that is not finite makes its whole row so
            raise ModelError("the network gave numbers that are not finite; check its weights, or use another dtype")
        next_B = logits_BV.argmax(-1)
        if any(row.temperature > 0 for row in rows):
            chances_BV = logprobs_BV.exp()
            for place, row in enumerate(rows):
                if row.top_p < 1:
                    chances_BV[place] = nucleus(chances_BV[place], row.top_p)
            draws_B = [self._draws[number].random() for number in numbers]
            drawn_B = inverse(chances_BV, torch.tensor(draws_B, dtype=torch.float64, device=logits_BV.device))
            greedy_B = torch.tensor([row.temperature == 0 for row in rows], device=next_B.device)
            next_B = torch.where(greedy_B, next_B, drawn_B)
        return next_B, logprobs_BV


def inverse(chances_BV: Tensor, draws_B: Tensor) -> Tensor:
    """Tokens [B] at which the sum of chances passes the draws in [0, 1), taken as shares of the whole sum."""
    sums_BV = chances_BV.to(_EXACT.get(chances_BV.device.type, torch.float64)).cumsum(-1)
    wanted_B1 = (draws_B.to(sums_BV.dtype) * sums_BV[:, -1])[:, None]
    # Behind the last token with a chance there may be others without one, where rounding could lead.
    last_B1 = (sums_BV < sums_BV[:, -1:]).sum(-1, keepdim=True)
    return torch.searchsorted(sums_BV, wanted_B1, right=True).minimum(last_B1)[:, 0]


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
