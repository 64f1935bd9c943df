"""The update on a policy of two layers: same log-probabilities as when sampling, same update however it is cut."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from memalpha.agent.local import LocalModel, load_local
from memalpha.agent.model import Completion, Prompt, Sampling
from memalpha.errors import ConfigError, ModelError, TrainingError
from memalpha.records import Message, Role
from memalpha.rl.batch import micro_batches
from memalpha.rl.config import EngineConfig, OptimConfig, Precision
from memalpha.rl.learner import STOP_KL, Learner, sampled_logprobs
from memalpha.rl.loss import kl_k3
from memalpha.rl.objective import Aggregation, LossKind
from memalpha.rl.rows import Row

END = 1
PROMPTS = ("a", "User: the lamp is green #1\n" * 5, "short", "Note that my desk plant is brass pillow. #1\n" * 2)
ONE_UPDATE = OptimConfig(minibatches=1, warm_up=0, rate=1e-3)


@pytest.fixture
def model(quoting_policy: Path) -> LocalModel:
    return load_local(quoting_policy)


def sampled(model: LocalModel, *, temperature: float = 1.0, count: int = 12) -> list[Completion]:
    """Completions of prompts of several lengths, in one batch."""
    texts = [PROMPTS[n % len(PROMPTS)] for n in range(count)]
    prompts = [Prompt(messages=(Message(role=Role.USER, content=text),)) for text in texts]
    return model.complete(prompts, Sampling(temperature=temperature, max_tokens=24, seed=3))


def as_rows(completions: list[Completion], advantage: Callable[[int], float] = lambda n: (-1.0) ** n) -> list[Row]:
    return [
        Row(
            prompt_ids=each.prompt_ids,
            token_ids=each.token_ids,
            logprobs=each.logprobs,
            advantage=advantage(n),
            group=n // 4,
        )
        for n, each in enumerate(completions)
    ]


def learner_of(model: LocalModel, optim: OptimConfig = ONE_UPDATE, *, budget: int = 4_000, **more: float) -> Learner:
    engine = EngineConfig(precision=Precision.FP32, micro_batch_tokens=budget)
    return Learner(model, optim, engine=engine, **more)  # type: ignore[arg-type]


def logprobs_of(model: LocalModel, rows: list[Row], temperature: float = 1.0) -> list[list[float]]:
    """Log-probabilities of the sampled tokens, row by row, each row in a batch of its own."""
    found = []
    for row in rows:
        (batch,) = micro_batches([row], token_budget=1)
        with torch.no_grad():
            found.append(sampled_logprobs(model.network, batch, Precision.FP32, temperature)[0].tolist())
    return found


def weights_of(model: LocalModel) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.network.named_parameters()}


def assert_untouched(model: LocalModel, before: dict[str, Tensor]) -> None:
    for name, value in model.network.named_parameters():
        assert torch.equal(value, before[name]), name


# Log-probabilities.


@pytest.mark.parametrize("temperature", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("budget", [1, 150, 100_000])
def test_log_probabilities_are_those_recorded_when_sampling(model: LocalModel, temperature: float, budget: int) -> None:
    rows = as_rows(sampled(model, temperature=temperature))
    assert len({len(row.prompt_ids) for row in rows}) == len(PROMPTS)
    assert all(row.token_ids[-1] == END for row in rows[:2])
    for batch in micro_batches(rows, token_budget=budget):
        with torch.no_grad():
            got_NC = sampled_logprobs(model.network, batch, Precision.FP32, temperature or 1.0)
        torch.testing.assert_close(got_NC, batch.logprobs_NC, rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize("family", ["qwen3", "lfm2", "llama"])
def test_sampler_and_trainer_agree_for_every_family_before_and_after_an_update(
    model: LocalModel, tiny_network: Callable[..., Any], family: str, rank: int
) -> None:
    network = tiny_network(family, vocab_size=2048, hidden_size=32)
    network.generation_config.eos_token_id = [END, *range(100, 400)]
    policy = LocalModel(network, model.tokenizer)
    learner = learner_of(policy, replace(ONE_UPDATE, lora_rank=rank, rate=1e-2))
    for seed in range(2):
        for temperature in (0.0, 1.0):
            rows = as_rows(sampled(policy, temperature=temperature))
            told = [[pytest.approx(row.logprobs, abs=1e-5)] for row in rows]
            assert [[each] for each in logprobs_of(policy, rows)] == told
        learner.update(rows, seed=seed)
    assert len({row.token_ids for row in rows}) > 4


def test_a_policy_of_garbage_gives_the_same_log_probabilities(tiny_policy: Path) -> None:
    model = load_local(tiny_policy)
    (batch,) = micro_batches(as_rows(sampled(model)), token_budget=100_000, padding=1.0)
    with torch.no_grad():
        got_NC = sampled_logprobs(model.network, batch, Precision.FP32)
    torch.testing.assert_close(got_NC, batch.logprobs_NC, rtol=0.0, atol=1e-5)
    assert got_NC[batch.mask_NC.bool()].mean() == pytest.approx(-math.log(2048), abs=0.2)


def test_bfloat16_is_near(model: LocalModel) -> None:
    (batch,) = micro_batches(as_rows(sampled(model)), token_budget=100_000, padding=1.0)
    with torch.no_grad():
        got_NC = sampled_logprobs(model.network, batch, Precision.BF16)
    assert got_NC.dtype is torch.float32
    torch.testing.assert_close(got_NC, batch.logprobs_NC, rtol=0.0, atol=0.1)


def test_the_first_update_is_on_policy(model: LocalModel) -> None:
    for temperature in (0.6, 1.0):
        rows = as_rows(sampled(model, temperature=temperature))
        metrics = learner_of(model, replace(ONE_UPDATE, rate=1e-9), temperature=temperature).update(rows, seed=0)
        assert metrics["clip_share"] == 0.0
        assert metrics["approx_kl"] == pytest.approx(0.0, abs=1e-6)
        assert metrics["ratio_max"] == pytest.approx(1.0, abs=1e-5)
        # With ratio 1 a token's loss is minus its advantage; even rows have advantage 1, odd ones -1.
        signed = sum((-1.0) ** n * len(row.token_ids) for n, row in enumerate(rows))
        assert metrics["loss"] == pytest.approx(-signed / sum(len(row.token_ids) for row in rows), abs=1e-5)


# Sampler and trainer.


def test_the_mismatch_is_the_mean_difference_in_nats(model: LocalModel) -> None:
    rows = as_rows(sampled(model))
    assert learner_of(model, ONE_UPDATE).update(rows, seed=0)["mismatch_nats"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("cap", [0.0, 2.0])
def test_a_mismatch_is_seen_whether_or_not_it_is_made_up_for(model: LocalModel, cap: float) -> None:
    rows = [replace(row, logprobs=tuple(each - 0.25 for each in row.logprobs)) for row in as_rows(sampled(model))]
    metrics = learner_of(model, replace(ONE_UPDATE, importance_cap=cap)).update(rows, seed=0)
    assert metrics["mismatch_nats"] == pytest.approx(0.25, abs=1e-5)
    # Made up for, the trainer's own log-probabilities are what the first ratio is taken to.
    assert metrics["ratio_max"] == pytest.approx(1.0 if cap else math.exp(0.25), abs=1e-5)


def test_rows_as_if_the_trainer_had_sampled_them_by_hand(model: LocalModel) -> None:
    (row,) = as_rows(sampled(model, count=1))[:1]
    count = len(row.token_ids)
    shifts = [math.log(4.0), -math.log(2.0), *[0.0] * (count - 2)][:count]
    told = replace(row, logprobs=tuple(own - shift for own, shift in zip(row.logprobs, shifts, strict=True)))
    learner = learner_of(model, replace(ONE_UPDATE, importance_cap=2.0))
    (corrected,) = learner.corrected([told])
    assert corrected.logprobs == pytest.approx(row.logprobs, abs=1e-5)
    # Four times as likely under the trainer counts the cap, half as likely a half, the rest one.
    assert corrected.token_advantages == pytest.approx([2.0, 0.5, *[1.0] * (count - 2)][:count], abs=1e-4)


# Memory.


def test_activations_that_are_computed_again_give_the_same_update(model: LocalModel) -> None:
    rows, updated = as_rows(sampled(model)), []
    for again in (False, True):
        twin = LocalModel(copy.deepcopy(model.network), model.tokenizer)
        engine = EngineConfig(precision=Precision.FP32, gradient_checkpointing=again)
        learner = Learner(twin, ONE_UPDATE, engine=engine)
        learner.update(rows, seed=0)
        updated.append((weights_of(twin), twin))
    for name, value in updated[0][0].items():
        torch.testing.assert_close(updated[1][0][name], value, rtol=0.0, atol=1e-6)
    # And sampling goes on with a cache, in evaluation mode.
    assert not any(each.training for each in updated[1][1].network.modules())
    assert [each.token_ids for each in sampled(updated[1][1])] == [each.token_ids for each in sampled(updated[0][1])]


def test_memory_that_runs_out_says_what_to_lower_and_moves_no_weight(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    learner, before = learner_of(model, budget=123), weights_of(model)
    rows = as_rows(sampled(model))
    monkeypatch.setattr("memalpha.rl.learner.sampled_logprobs", full)
    with pytest.raises(
        ModelError,
        match=r"ran out while learning \(CUDA .*\); lower engine\.micro_batch_tokens, now 123 \(or set .*resumes",
    ):
        learner.update(rows, seed=0)
    assert_untouched(model, before)


@pytest.mark.parametrize("weights", [torch.float32, torch.bfloat16])
def test_low_rank_matrices_learn_and_the_reference_is_the_network_without_them(
    model: LocalModel, weights: torch.dtype
) -> None:
    twin = LocalModel(copy.deepcopy(model.network).to(weights), model.tokenizer)
    rows = as_rows(sampled(twin), lambda n: 1.0)
    learner = learner_of(twin, replace(ONE_UPDATE, lora_rank=4, kl=0.5, rate=0.05))
    frozen = {name: each.clone() for name, each in twin.network.named_parameters() if not each.requires_grad}
    first = learner.update(rows, seed=0)
    second = learner.update(rows, seed=0)
    assert second["loss"] < first["loss"] or second["approx_kl"] > 0
    assert all(torch.equal(each, frozen[name]) for name, each in twin.network.named_parameters() if name in frozen)
    batch = micro_batches(rows, token_budget=100_000)[0]
    torch.testing.assert_close(
        learner._reference_logprobs(batch), batch.logprobs_NC, rtol=0.0, atol=1e-5 if weights is torch.float32 else 0.2
    )
    with torch.no_grad():
        now = learner._logprobs(twin.network, batch)
    assert float((now - batch.logprobs_NC).abs().max()) > 0.01


def test_a_policy_with_low_rank_matrices_is_saved_as_one_network(model: LocalModel, tmp_path: Path) -> None:
    twin = LocalModel(copy.deepcopy(model.network), model.tokenizer)
    learner = learner_of(twin, replace(ONE_UPDATE, lora_rank=4, rate=0.05))
    rows = as_rows(sampled(twin))
    for seed in range(3):
        learner.update(rows, seed=seed)
    learner.save(tmp_path / "policy")
    again = load_local(tmp_path / "policy")
    assert logprobs_of(again, rows) == [pytest.approx(each, abs=1e-4) for each in logprobs_of(twin, rows)]
    assert logprobs_of(again, rows) != [pytest.approx(each, abs=1e-3) for each in logprobs_of(model, rows)]


# Updates.


@pytest.mark.parametrize("aggregation", Aggregation)
@pytest.mark.parametrize("loss", LossKind)
def test_micro_batches_do_not_change_the_update(model: LocalModel, aggregation: Aggregation, loss: LossKind) -> None:
    rows = as_rows(sampled(model))
    updated, metrics = [], []
    for budget in (100_000, 150, 1):
        twin = LocalModel(copy.deepcopy(model.network), model.tokenizer)
        optim = replace(ONE_UPDATE, aggregation=aggregation, loss=loss, kl=0.1, rate=1.0)
        learner = learner_of(twin, optim, budget=budget)
        # Plain descent, since Adam divides each gradient by its size and so blows up what is only rounding.
        learner.optimiser = torch.optim.SGD(twin.network.parameters())  # type: ignore[assignment]
        metrics.append(learner.update(rows, seed=0))
        updated.append(weights_of(twin))
    whole = updated[0]
    assert max(float((whole[name] - value).abs().max()) for name, value in weights_of(model).items()) > 0.01
    for parts in updated[1:]:
        for name, value in whole.items():
            torch.testing.assert_close(parts[name], value, rtol=0.0, atol=1e-6, msg=name)
    for name in ("loss", "clip_share", "approx_kl", "ratio_max", "gradient_norm"):
        assert metrics[2][name] == pytest.approx(metrics[0][name], abs=1e-5), name
    assert metrics[2]["padding_share"] == 0.0 < metrics[0]["padding_share"]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_positive_advantage_raises_the_likelihood_of_its_tokens_and_a_negative_one_lowers_it(
    model: LocalModel, sign: float
) -> None:
    rows = as_rows(sampled(model, count=4), lambda n: sign)
    before = logprobs_of(model, rows)
    learner_of(model).update(rows, seed=0)
    after = logprobs_of(model, rows)
    for one, other in zip(before, after, strict=True):
        assert sign * (sum(other) - sum(one)) > 0.0


def test_the_end_of_the_turn_is_trained(model: LocalModel) -> None:
    # A completion that is nothing but the end of the turn: the policy learns to say nothing.
    (first, *_) = sampled(model, count=1)
    row = Row(prompt_ids=first.prompt_ids, token_ids=(END,), logprobs=(math.log(0.15),), advantage=1.0, group=0)
    ((before,),) = logprobs_of(model, [row])
    assert before == pytest.approx(math.log(0.15), abs=0.1)
    learner_of(model).update([row], seed=0)
    ((after,),) = logprobs_of(model, [row])
    assert after > before + 0.01


def test_prompts_are_not_trained(model: LocalModel) -> None:
    # Only the distance of the sampled positions moves the weights: other prompt tokens behind them change nothing.
    (completion, *_) = sampled(model, count=1)
    (batch,) = micro_batches(as_rows([completion]), token_budget=1)
    logits_at: list[int] = []
    head = model.network.lm_head.register_forward_pre_hook(lambda _, given: logits_at.append(len(given[0])))
    sampled_logprobs(model.network, batch, Precision.FP32)
    head.remove()
    assert logits_at == [len(completion.token_ids)]


def test_each_row_is_used_once_in_as_many_updates_as_asked_for(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = as_rows(sampled(model, count=5))
    learner = learner_of(model, replace(ONE_UPDATE, minibatches=2))
    seen: list[list[Row]] = []
    once = learner._update_once
    monkeypatch.setattr(learner, "_update_once", lambda part: seen.append(list(part)) or once(part))
    learner.update(rows, seed=0)
    assert [len(part) for part in seen] == [3, 2]
    assert sorted((row for part in seen for row in part), key=rows.index) == rows
    assert learner.updates == 2
    learner.optim = replace(ONE_UPDATE, minibatches=9)
    learner.update(rows[:3], seed=0)
    assert learner.updates == 5  # three rows make three updates at most


def test_the_order_is_a_function_of_the_seed(model: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = as_rows(sampled(model, count=8))
    learner = learner_of(model, replace(ONE_UPDATE, minibatches=4))
    orders: list[list[int]] = []

    def once(part: list[Row]) -> dict[str, float]:
        orders[-1] += [rows.index(row) for row in part]
        return {"approx_kl": 0.0, "ratio_max": 1.0, "distance": 0.0}

    monkeypatch.setattr(learner, "_update_once", once)
    for seed in (5, 5, 6):
        orders.append([])
        learner.update(rows, seed=seed)
    assert orders[0] == orders[1] != orders[2]


def test_metrics_of_several_updates_are_means_and_the_ratio_is_the_largest(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = as_rows(sampled(model, count=2))
    learner = learner_of(model, replace(ONE_UPDATE, minibatches=2))
    found = iter(
        [
            {"approx_kl": 0.0, "ratio_max": 1.5, "distance": 0.02},
            {"approx_kl": 0.01, "ratio_max": 1.1, "distance": 0.4},
        ]
    )
    monkeypatch.setattr(learner, "_update_once", lambda part: next(found))
    # The mismatch is what the first update found, before any weight had moved.
    assert learner.update(rows, seed=0) == {"approx_kl": 0.005, "ratio_max": 1.5, "mismatch_nats": 0.02}


def test_the_rate_warms_up(model: LocalModel) -> None:
    rows = as_rows(sampled(model, count=4))
    learner = learner_of(model, replace(ONE_UPDATE, rate=0.04, warm_up=4))
    rates = []
    for seed in range(5):
        learner.update(rows, seed=seed)
        rates.append(learner.optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.04])


@pytest.mark.parametrize(("progress", "rate"), [(0.0, 0.04), (0.25, 0.032), (0.5, 0.024), (1.0, 0.008)])
def test_the_rate_falls_to_a_fifth(model: LocalModel, progress: float, rate: float) -> None:
    learner = learner_of(model, replace(ONE_UPDATE, rate=0.04))
    learner.update(as_rows(sampled(model, count=2)), seed=0, progress=progress)
    assert learner.optimiser.param_groups[0]["lr"] == pytest.approx(rate)


def test_updates_stop_once_the_policy_is_far_from_the_one_that_sampled(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = learner_of(model, replace(ONE_UPDATE, minibatches=4))
    drifts = iter([0.0, STOP_KL - 0.001, STOP_KL + 0.001, 0.0])
    monkeypatch.setattr(
        learner, "_update_once", lambda part: {"approx_kl": next(drifts), "ratio_max": 1.0, "distance": 0.0}
    )
    metrics = learner.update(as_rows(sampled(model, count=8)), seed=0)
    assert next(drifts) == 0.0  # the fourth was never made
    assert metrics["approx_kl"] == pytest.approx(2 * STOP_KL / 3)


def test_no_rows_change_nothing(model: LocalModel) -> None:
    before = weights_of(model)
    learner = learner_of(model)
    assert learner.update([], seed=0) == {}
    assert learner.updates == 0
    assert_untouched(model, before)


def test_weights_lie_in_memory_alike_wherever_they_were_loaded_from(tiny_policy: Path) -> None:
    # As a file is mapped they lie at odd addresses, where kernels round otherwise; then a resumed run is another one.
    model = load_local(tiny_policy)
    before = weights_of(model)
    learner_of(model)
    assert {value.data_ptr() % 64 for value in model.network.parameters()} == {0}
    assert_untouched(model, before)
    assert model.network.lm_head.weight is model.network.model.embed_tokens.weight  # still one and the same


def test_sampling_follows_the_update(model: LocalModel) -> None:
    # Whoever is rewarded for ending at once ends at once: the network that samples is the one that learns.
    (first, *_) = sampled(model, count=1)
    row = Row(prompt_ids=first.prompt_ids, token_ids=(END,), logprobs=(math.log(0.15),), advantage=1.0, group=0)
    learner = learner_of(model, replace(ONE_UPDATE, rate=0.05))
    for seed in range(10):
        ((now,),) = logprobs_of(model, [row])
        learner.update([replace(row, logprobs=(now,))], seed=seed)
    assert not model.network.training
    assert sampled(model, temperature=0.0, count=1)[0].token_ids == (END,)


# The distance to the reference.


@pytest.mark.parametrize("given", [False, True])
def test_the_kl_term_is_against_the_frozen_reference_by_hand(model: LocalModel, given: bool) -> None:
    start = LocalModel(copy.deepcopy(model.network), model.tokenizer)
    rows = as_rows(sampled(model), lambda n: 1.0)
    learner = Learner(
        model,
        replace(ONE_UPDATE, rate=0.01, kl=0.5),
        engine=EngineConfig(precision=Precision.FP32),
        reference=LocalModel(copy.deepcopy(model.network), model.tokenizer) if given else None,
    )
    first = learner.update(rows, seed=0)
    assert first["loss"] == pytest.approx(-1.0, abs=1e-5)  # ratio 1, advantage 1, distance 0
    # Rows of the policy as it is now: ratio 1 again, and the distance to the start by hand.
    now = logprobs_of(model, rows)
    again = [replace(row, logprobs=tuple(logprobs)) for row, logprobs in zip(rows, now, strict=True)]
    distance = torch.cat(
        [
            kl_k3(torch.tensor(one), torch.tensor(other))
            for one, other in zip(now, logprobs_of(start, rows), strict=True)
        ]
    )
    assert distance.mean() > 0.001
    second = learner.update(again, seed=1)
    assert second["loss"] == pytest.approx(-1.0 + 0.5 * float(distance.mean()), abs=1e-5)


def test_a_strong_kl_term_pulls_the_policy_back(model: LocalModel) -> None:
    rows = as_rows(sampled(model), lambda n: 1.0)
    start = logprobs_of(model, rows)

    def distance(kl: float) -> float:
        twin = LocalModel(copy.deepcopy(model.network), model.tokenizer)
        learner = learner_of(twin, replace(ONE_UPDATE, rate=0.003, kl=kl))
        for seed in range(8):
            learner.update(rows, seed=seed)
        pairs = zip(start, logprobs_of(twin, rows), strict=True)
        return sum(abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True))

    assert distance(100.0) < 0.5 * distance(0.0)


# What is not finite.


def poison_advantage(model: LocalModel, rows: list[Row]) -> list[Row]:
    return [replace(rows[0], advantage=math.nan), *rows[1:]]


def poison_logprob(model: LocalModel, rows: list[Row]) -> list[Row]:
    return [*rows[:-1], replace(rows[-1], logprobs=(-math.inf, *rows[-1].logprobs[1:]))]


def poison_gradient(value: float) -> Callable[[LocalModel, list[Row]], list[Row]]:
    def poison(model: LocalModel, rows: list[Row]) -> list[Row]:
        weight = next(iter(model.network.parameters()))
        weight.register_hook(lambda gradient: gradient + value)
        return rows

    return poison


@pytest.mark.parametrize("budget", [1, 100_000])
@pytest.mark.parametrize(
    ("poison", "expected"),
    [
        (poison_advantage, "advantages_N: got NaN or infinity in .* leave out the rows"),
        (poison_logprob, "old_logprobs_NL: got NaN or infinity in 1 of .* look at the sampling engine"),
        (poison_gradient(math.inf), "the gradient norm is inf at update 1, which changed no weight; start a new run"),
        (poison_gradient(math.nan), "the gradient norm is nan at update 1, which changed no weight"),
        (poison_gradient(3e38), "the gradient norm is inf at update 1"),
    ],
)
def test_what_is_not_finite_raises_and_changes_no_weight(
    model: LocalModel, poison: Callable[[LocalModel, list[Row]], list[Row]], expected: str, budget: int
) -> None:
    rows = poison(model, as_rows(sampled(model)))
    before = weights_of(model)
    learner = learner_of(model, budget=budget)
    with pytest.raises(TrainingError, match=f"^{expected}"):
        learner.update(rows, seed=0)
    assert_untouched(model, before)
    assert not learner.optimiser.state  # no moments either
    assert learner.updates == 0


def test_weights_that_are_not_finite_raise(model: LocalModel) -> None:
    rows = as_rows(sampled(model))
    with torch.no_grad():
        model.network.lm_head.weight[5, 0] = math.nan
    with pytest.raises(TrainingError, match=r"^logprobs_NL: got NaN or infinity in .* lower the learning rate"):
        learner_of(model).update(rows, seed=0)


def test_after_an_error_the_next_update_starts_clean(model: LocalModel) -> None:
    rows = as_rows(sampled(model))
    twin = LocalModel(copy.deepcopy(model.network), model.tokenizer)
    learner = learner_of(model, budget=1)
    with pytest.raises(TrainingError):
        learner.update(poison_logprob(model, rows), seed=0)  # after gradients of other rows were gathered
    learner.update(rows, seed=0)
    other = learner_of(twin, budget=1)
    other.update(rows, seed=0)
    assert_untouched(model, weights_of(twin))


def test_a_network_of_another_build_is_refused(model: LocalModel) -> None:
    (batch,) = micro_batches(as_rows(sampled(model, count=1)), token_budget=1)
    network = torch.nn.Linear(2, 2)
    with pytest.raises(
        ConfigError, match="got a network of class Linear, expected a decoder with `model` and `lm_head`"
    ):
        sampled_logprobs(network, batch, Precision.FP32)
