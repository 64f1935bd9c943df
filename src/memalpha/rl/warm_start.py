"""Makes the nano policy from nothing: its tokenizer, its weights, and a warm start on demonstrations at random.

The demonstrations (`memalpha.rl.demonstrations`) teach the tools and nothing about what is worth keeping: that is left
to reinforcement learning. Run as `python -m memalpha.rl.warm_start`.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Lfm2Config, Lfm2ForCausalLM, PreTrainedTokenizerFast

from memalpha.data.world import make_episode
from memalpha.rl.demonstrations import Demonstration, Mixture, demonstrations
from memalpha.rl.nano_text import CALL_TOKENS, prose_lines

log = logging.getLogger(__name__)

PAD, END, CHUNK, WRITE = "<|pad|>", "<|end|>", "<|chunk|>", "<|write|>"
CHAT_TEMPLATE = (
    "{% for m in messages %}{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}<|write|>{% endif %}"
)
VOCABULARY = 2048
STAGES = (
    (Mixture(copying=0.07, alike=0.3), 0.2),
    (Mixture(copying=0.6, alike=0.3), 0.3),
    (Mixture(copying=0.07, alike=0.3), 0.5),
)
"""What is taught in which order, with the share of the demonstrations: grammar, copying, both."""
REFINED = (Mixture(copying=0.07, alike=0.3, changing=0.5), 0.08)
"""Taught last, at a rate that rises and falls once more: half of the lines with a related entry change it.

Without it the policy has forgotten updates before its memory holds anything to correct (docs/log.md)."""
REFINED_RATE = 1e-3
MAX_TOKENS = 640
"""Longer demonstrations are left out."""


def train_tokenizer(folder: Path, *, seed: int = 0, episodes: int = 1500) -> PreTrainedTokenizerFast:
    """A byte-level BPE with single digits, trained on world text, word salad and the boilerplate of calls."""
    rng = random.Random(seed)
    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    specials = [AddedToken(token, special=True, normalized=False) for token in (PAD, END, CHUNK, WRITE)]
    boilerplate = [AddedToken(token, special=False, normalized=False) for token in CALL_TOKENS]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(CALL_TOKENS),
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = []
    for index in range(episodes):
        texts += [f"{chunk.time}\n{chunk.text} #1\n~" for chunk in make_episode(seed + index, tokens=600).chunks]
        texts.append("\n".join(prose_lines(rng)))
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens(boilerplate)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, clean_up_tokenization_spaces=False
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    return fast


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Encoded demonstrations, one after the other."""

    ids: NDArray[np.uint16]
    lengths_N: NDArray[np.int64]
    prompt_lengths_N: NDArray[np.int64]

    @property
    def starts_N(self) -> NDArray[np.int64]:
        """Where each demonstration starts in `ids`."""
        return np.concatenate([[0], np.cumsum(self.lengths_N)[:-1]])


def encode(tokenizer_file: Path, shown: Iterable[Demonstration], count: int) -> Corpus:
    """The first `count` demonstrations as token ids: prompt, write token, completion, end token."""
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    write, end = tokenizer.token_to_id(WRITE), tokenizer.token_to_id(END)
    rows, prompts = [], []
    for each in shown:
        prompt = [*tokenizer.encode(each.prompt).ids, write]
        row = [*prompt, *tokenizer.encode(each.completion).ids, end]
        if len(row) <= MAX_TOKENS:
            rows.append(np.array(row, np.uint16))
            prompts.append(len(prompt))
        if len(rows) == count:
            break
    return Corpus(
        ids=np.concatenate(rows),
        lengths_N=np.array([len(row) for row in rows]),
        prompt_lengths_N=np.array(prompts),
    )


def _encode_drawn(tokenizer_file: Path, seed: int, count: int, mixture: Mixture) -> Corpus:
    return encode(tokenizer_file, demonstrations(seed, mixture), count)


def new_policy(seed: int) -> Lfm2ForCausalLM:
    """1.1 million parameters: convolutions about as wide as a line alternate with attention (see docs/concepts.md)."""
    torch.manual_seed(seed)
    return Lfm2ForCausalLM(
        Lfm2Config(
            vocab_size=VOCABULARY,
            hidden_size=128,
            intermediate_size=384,
            block_auto_adjust_ff_dim=False,
            num_hidden_layers=4,
            layer_types=["conv", "full_attention", "conv", "full_attention"],
            num_attention_heads=4,
            num_key_value_heads=4,
            conv_L_cache=16,
            max_position_embeddings=8192,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=1,
        )
    )


def train(
    model: Lfm2ForCausalLM,
    stages: Sequence[Corpus],
    *,
    batch_tokens: int = 5000,
    peak_rate: float = 2e-3,
    prompt_weight: float = 0.1,
    seed: int = 0,
    out: Path | None = None,
) -> float:
    """Teach the demonstrations, stage by stage; prompt tokens count a tenth; `out` takes the weights now and then.

    Returns the mean completion loss of the last 100 steps, in nats.
    """
    rng = random.Random(seed)
    batches = [(corpus, batch) for corpus in stages for batch in _batches(corpus, batch_tokens, rng)]
    optimiser = torch.optim.AdamW(model.parameters(), lr=peak_rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / 200) * max(0.02, 1 - step / len(batches))
    )
    recent: list[float] = []
    started, seen = time.monotonic(), 0
    for step, (corpus, rows) in enumerate(batches):
        ids_BL, weights_BL = _tensors(corpus, rows, prompt_weight)
        with torch.autocast("cpu", torch.bfloat16):
            logits_BLV = model(input_ids=ids_BL[:, :-1]).logits
        losses_BL = torch.nn.functional.cross_entropy(
            logits_BLV.reshape(-1, VOCABULARY), ids_BL[:, 1:].reshape(-1), reduction="none"
        ).view_as(weights_BL)
        loss = (losses_BL.float() * weights_BL).sum() / weights_BL.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        own = weights_BL == 1.0
        recent = [*recent[-99:], float(losses_BL[own].mean().detach())]
        seen += ids_BL.numel()
        if step % 100 == 0:
            log.info(
                "step %d of %d, completion loss %.3f, %.1fM tokens, %.0f tokens/s",
                step, len(batches), sum(recent) / len(recent), seen / 1e6, seen / (time.monotonic() - started),
            )  # fmt: skip
        if out and step % 500 == 499:
            model.save_pretrained(out)
    return sum(recent) / len(recent)


def _batches(corpus: Corpus, batch_tokens: int, rng: random.Random) -> list[list[int]]:
    """Rows of like length together, at most `batch_tokens` tokens a batch, in random order."""
    noise = [length + rng.uniform(0, 8) for length in corpus.lengths_N]
    order = sorted(range(len(noise)), key=noise.__getitem__)
    batches: list[list[int]] = [[]]
    for row in order:
        if batches[-1] and (len(batches[-1]) + 1) * int(corpus.lengths_N[row]) > batch_tokens:
            batches.append([])
        batches[-1].append(row)
    rng.shuffle(batches)
    return batches


def _tensors(corpus: Corpus, rows: list[int], prompt_weight: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids [B, L], padded at the end, and the weight of each predicted token [B, L - 1]."""
    width = int(corpus.lengths_N[rows].max())
    ids_BL = torch.zeros(len(rows), width, dtype=torch.long)
    weights_BL = torch.zeros(len(rows), width - 1)
    starts = corpus.starts_N
    for at, row in enumerate(rows):
        length, prompt = int(corpus.lengths_N[row]), int(corpus.prompt_lengths_N[row])
        ids_BL[at, :length] = torch.from_numpy(corpus.ids[starts[row] : starts[row] + length].astype(np.int64))
        weights_BL[at, : prompt - 1] = prompt_weight
        weights_BL[at, prompt - 1 : length - 1] = 1.0
    return ids_BL, weights_BL


def _stage(options: argparse.Namespace, number: int, mixture: Mixture, share: float) -> Corpus:
    """The demonstrations of one stage, encoded in several processes."""
    shards, file = 10, options.out / "tokenizer.json"
    count = round(options.samples * share / shards)
    jobs = [(file, options.seed * 1000 + number * 100 + shard, count, mixture) for shard in range(shards)]
    with get_context("spawn").Pool(options.threads) as pool:
        parts = pool.starmap(_encode_drawn, jobs)
    return Corpus(
        ids=np.concatenate([part.ids for part in parts]),
        lengths_N=np.concatenate([part.lengths_N for part in parts]),
        prompt_lengths_N=np.concatenate([part.prompt_lengths_N for part in parts]),
    )


def main() -> None:
    """Make the tokenizer, the corpus and the warm start, and write them to a folder."""
    parser = argparse.ArgumentParser(description="Make the nano policy and its warm start from generated text.")
    parser.add_argument("--out", type=Path, required=True, help="folder for tokenizer and weights")
    parser.add_argument("--samples", type=int, default=80_000, help="demonstrations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(options.out, seed=options.seed)
    *stages, last = [_stage(options, number, *each) for number, each in enumerate((*STAGES, REFINED))]
    log.info("%.1fM tokens", sum(len(stage.ids) for stage in (*stages, last)) / 1e6)
    model = new_policy(options.seed)
    train(model, stages, seed=options.seed, out=options.out)
    loss = train(model, [last], peak_rate=REFINED_RATE, seed=options.seed, out=options.out)
    model.save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)
    facts = {"completion_loss_nats": loss, "tokens": sum(len(stage.ids) for stage in (*stages, last))}
    (options.out / "warm_start.json").write_text(json.dumps(facts, indent=2) + "\n")
    log.info("completion loss %.3f nats", loss)


if __name__ == "__main__":
    main()
