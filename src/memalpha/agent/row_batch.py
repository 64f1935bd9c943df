"""A batch whose rows come and go: what it has read is kept, rows are picked, and batches join; transformers for layers.

The cache of transformers copies all keys with each token and keeps its rows. Here keys and values lie in room that
grows ahead, rows can be picked, repeated and dropped, and batches of unlike length join into one: all end at the same
place, the shorter ones are padded at their start.

Left out: sliding windows and recurrent states, whose layers do not end at one place; `joins` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PretrainedConfig, PreTrainedModel
from transformers.cache_utils import DynamicLayer, LinearAttentionLayer

_ROOM = 64
"""Places that are made at least when room is short."""
_SHARED = 32
"""Prompts that begin with so many tokens in common are read once as far as that, where the network allows."""


class RowBatch:
    """Rows that have been read as far as their prompts, and go through the network one token at a time from there."""

    def __init__(self, cache: RowCache, mask_BL: Tensor, positions_B: Tensor) -> None:
        """`mask_BL` is 1 on what was read, `positions_B` where the next token of each row stands."""
        self.cache = cache
        self.mask_BL = mask_BL
        self.positions_B = positions_B
        self.next_B = torch.zeros_like(positions_B)
        """The token of each row that goes through next."""

    def forward(self, network: PreTrainedModel) -> Tensor:
        """Logits [B, V] after the next token."""
        self.mask_BL = torch.nn.functional.pad(self.mask_BL, (0, 1), value=1)
        out = network(
            input_ids=self.next_B[:, None],
            attention_mask=self.mask_BL,
            position_ids=self.positions_B[:, None],
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.positions_B = self.positions_B + 1
        logits_BV: Tensor = out.logits[:, -1]
        return logits_BV

    def pick(self, rows_R: Tensor) -> None:
        """Keep these rows, in this order."""
        rows_R = rows_R.to(self.mask_BL.device)
        self.cache.pick(rows_R)
        self.mask_BL, self.positions_B, self.next_B = (
            each[rows_R] for each in (self.mask_BL, self.positions_B, self.next_B)
        )

    @staticmethod
    def joined(parts: Sequence[RowBatch]) -> RowBatch:
        """All rows as one batch; the parts are used up."""
        width = max(part.mask_BL.shape[1] for part in parts)
        masks = [torch.nn.functional.pad(part.mask_BL, (width - part.mask_BL.shape[1], 0)) for part in parts]
        made = RowBatch(
            RowCache.joined([part.cache for part in parts]),
            torch.cat(masks),
            torch.cat([part.positions_B for part in parts]),
        )
        made.next_B = torch.cat([part.next_B for part in parts])
        return made


def read(network: PreTrainedModel, prompts: Sequence[Sequence[int]]) -> tuple[RowBatch, Tensor]:
    """Prompts of like length through the network; their batch, and logits [B, V] after each."""
    ids_BL, mask_BL = _pad_left(prompts, network.device)
    cache = RowCache(network.config)
    shared = _common(prompts) if cache.shares and len(prompts) > 1 else 0
    if shared >= _SHARED:
        network(input_ids=ids_BL[:1, -len(prompts[0]) :][:, :shared], past_key_values=cache, use_cache=True)
        cache.pick(torch.zeros(len(prompts), dtype=torch.long))
        rest = [ids[shared:] for ids in prompts]
        ids_BL, rest_BL = _pad_left(rest, network.device)
        mask_BL = torch.nn.functional.pad(rest_BL, (shared, 0), value=1)
    positions_BL = (mask_BL.cumsum(-1) - 1).clamp(min=0)
    out = network(
        input_ids=ids_BL,
        attention_mask=mask_BL,
        position_ids=positions_BL[:, -ids_BL.shape[1] :],
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return RowBatch(cache, mask_BL, positions_BL[:, -1] + 1), out.logits[:, -1]


def _common(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with, the last of each left out: something must be read to go on from."""
    first, last = min(map(tuple, prompts)), max(map(tuple, prompts))
    most = min(map(len, prompts)) - 1
    return next((at for at in range(most) if first[at] != last[at]), most)


def _pad_left(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids [B, L] and mask [B, L], padded at the start."""
    width = max(map(len, rows))
    ids_BL = torch.zeros(len(rows), width, dtype=torch.long)
    mask_BL = torch.zeros(len(rows), width, dtype=torch.long)
    for at, ids in enumerate(rows):
        ids_BL[at, width - len(ids) :] = torch.tensor(ids)
        mask_BL[at, width - len(ids) :] = 1
    return ids_BL.to(device), mask_BL.to(device)


class RowCache(DynamicCache):
    """What a network remembers of each row of a batch."""

    def __init__(self, config: PretrainedConfig | None) -> None:
        """Empty; `config` is the network's."""
        super().__init__(config=config)
        self.layers = [_Growing() if type(layer) is DynamicLayer else layer for layer in self.layers]

    @property
    def joins(self) -> bool:
        """Whether batches of unlike length can go on as one."""
        return all(isinstance(layer, _Growing) or _is_convolution(layer) for layer in self.layers)

    @property
    def shares(self) -> bool:
        """Whether rows with a common start can be begun once: a convolution would look across padding."""
        return all(isinstance(layer, _Growing) for layer in self.layers)

    def pick(self, rows_R: Tensor) -> None:
        """Keep these rows, in this order; a row may be picked several times."""
        layers: list[Any] = self.layers
        for layer in layers:
            layer.reorder_cache(rows_R)

    @staticmethod
    def joined(caches: Sequence[RowCache]) -> RowCache:
        """The rows of all of them, in order."""
        first = caches[0]
        if len(caches) > 1:
            layers: list[Any] = first.layers
            for number, layer in enumerate(layers):
                parts: list[Any] = [cache.layers[number] for cache in caches]
                if isinstance(layer, _Growing):
                    layer.join(parts)
                else:
                    for state in layer.conv_states:
                        layer.conv_states[state] = torch.cat([part.conv_states[state] for part in parts])
        return first


def _is_convolution(layer: object) -> bool:
    return type(layer) is LinearAttentionLayer and not any(layer.is_recurrent_states_initialized.values())


class _Growing(DynamicLayer):
    """Keys and values [B, H, L, D] at the start of a larger room."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rooms: list[Tensor] = []

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Add the keys and values of new tokens; returns all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._rooms = [_room(key_states, 0), _room(value_states, 0)]
        held = self.get_seq_length()
        length = held + key_states.shape[-2]
        if length > self._rooms[0].shape[-2]:
            self._rooms = [_moved([room], [held], held, length) for room in self._rooms]
        for room, new in zip(self._rooms, (key_states, value_states), strict=True):
            room[..., length - new.shape[-2] : length, :] = new
        self.keys, self.values = (room[..., :length, :] for room in self._rooms)
        return self.keys, self.values

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Pick rows."""
        length = self.get_seq_length()
        self._rooms = [room.index_select(0, beam_idx.to(room.device)) for room in self._rooms]
        self.keys, self.values = (room[..., :length, :] for room in self._rooms)

    def join(self, parts: Sequence[_Growing]) -> None:
        """Take over the rows of `parts`, which may hold this very layer."""
        lengths = [part.get_seq_length() for part in parts]
        self._rooms = [_moved([part._rooms[each] for part in parts], lengths, max(lengths)) for each in range(2)]
        self.keys, self.values = (room[..., : max(lengths), :] for room in self._rooms)


def _moved(rooms: Sequence[Tensor], lengths: Sequence[int], end: int, length: int = 0) -> Tensor:
    """The rows of all rooms, all ending at `end`, in one that has room for `length` at least."""
    made = _room(rooms[0], max(end, length), rows=sum(map(len, rooms)))
    first = 0
    for room, held in zip(rooms, lengths, strict=True):
        made[first : first + len(room), :, end - held : end] = room[:, :, :held]
        first += len(room)
    return made


def _room(like: Tensor, length: int, rows: int | None = None) -> Tensor:
    """Zeros [B, H, length and more, D]: what is padded must be a number, since no mask hides NaN."""
    batch, heads, _, width = like.shape
    return like.new_zeros(rows or batch, heads, max(length + _ROOM, length * 5 // 4), width)
