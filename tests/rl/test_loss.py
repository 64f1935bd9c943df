"""Losses: hand-worked numbers, slow reference twins in plain loops, gradients, and sums over micro-batches."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from memalpha.errors import ConfigError, TrainingError
from memalpha.rl.loss import (
    Aggregation,
    LossConfig,
    LossKind,
    LossOutput,
    aggregate,
    check_finite,
    cispo,
    clipped,
    denominators,
    kl_k3,
    policy_loss,
)

torch.set_num_threads(1)

CONFIGS = [
    LossConfig(),
    LossConfig(clip_high=0.28, dual_clip=None, aggregation=Aggregation.PROMPT_MEAN),
    LossConfig(kind=LossKind.CISPO, clip_high=1.0),
    LossConfig(kind=LossKind.CISPO, aggregation=Aggregation.PROMPT_MEAN, kl_weight=0.1),
]


# Reference twins: floats, one token after the other.


def reference_token(logprob: float, old: float, advantage: float, config: LossConfig) -> tuple[float, bool]:
    """The loss of one token and whether the clip acted."""
    ratio = math.exp(logprob - old)
    if config.kind is LossKind.CISPO:
        return -min(ratio, 1 + config.clip_high) * advantage * logprob, ratio > 1 + config.clip_high
    near = min(max(ratio, 1 - config.clip_low), 1 + config.clip_high)
    loss = max(-ratio * advantage, -near * advantage)
    acted = loss != -ratio * advantage
    if config.dual_clip is not None and advantage < 0 and loss > -config.dual_clip * advantage:
        return -config.dual_clip * advantage, True
    return loss, acted


def reference_mean(values: list[list[float]], groups: list[int], aggregation: Aggregation) -> float:
    """`values` holds the sampled tokens of each row only."""
    if aggregation is Aggregation.TOKEN_MEAN:
        tokens = [value for row in values for value in row]
        return sum(tokens) / len(tokens)
    means = []
    for prompt in set(groups):
        tokens = [value for row, group in zip(values, groups, strict=True) if group == prompt for value in row]
        if tokens:
            means.append(sum(tokens) / len(tokens))
    return sum(means) / len(means)


def reference_policy_loss(batch: dict[str, Tensor], config: LossConfig) -> dict[str, float]:
    losses, acted, drifts, ratios = [], [], [], []
    for n, row in enumerate(batch["mask"].tolist()):
        at = [place for place, sampled in enumerate(row) if sampled]
        new, old, reference = ([float(batch[key][n, p]) for p in at] for key in ("logprobs", "old", "reference"))
        tokens = [reference_token(a, b, float(batch["advantages"][n]), config) for a, b in zip(new, old, strict=True)]
        penalties = [config.kl_weight * (math.exp(r - a) - (r - a) - 1) for a, r in zip(new, reference, strict=True)]
        losses.append([loss + penalty for (loss, _), penalty in zip(tokens, penalties, strict=True)])
        acted.append([float(flag) for _, flag in tokens])
        drifts.append([math.exp(a - b) - (a - b) - 1 for a, b in zip(new, old, strict=True)])
        ratios += [math.exp(a - b) for a, b in zip(new, old, strict=True)]
    groups = batch["groups"].tolist()
    return {
        "loss": reference_mean(losses, groups, config.aggregation),
        "clip_share": reference_mean(acted, groups, config.aggregation),
        "approx_kl": reference_mean(drifts, groups, config.aggregation),
        "ratio_max": max(ratios),
    }


def random_batch(seed: int, rows: int = 7, length: int = 5) -> dict[str, Tensor]:
    """Rows of three prompts, at least one sampled token each, and NaN wherever nothing was sampled."""
    random = torch.Generator().manual_seed(seed)
    mask = torch.rand(rows, length, generator=random) < 0.7
    mask[:, 0] = True
    old = -3 * torch.rand(rows, length, generator=random, dtype=torch.float64)
    logprobs, reference = (
        old + 0.5 * torch.randn(rows, length, generator=random, dtype=torch.float64) for _ in range(2)
    )
    return {
        "logprobs": logprobs.where(mask, math.nan),
        "old": old.where(mask, math.nan),
        "reference": reference.where(mask, math.nan),
        "advantages": torch.randn(rows, generator=random, dtype=torch.float64),
        "mask": mask,
        "groups": torch.randint(0, 3, (rows,), generator=random),
    }


def loss_of(batch: dict[str, Tensor], config: LossConfig, *, denominator: float | Tensor | None = None) -> LossOutput:
    return policy_loss(
        batch["logprobs"],
        batch["old"],
        batch["advantages"],
        batch["mask"],
        config=config,
        group_N=batch["groups"],
        reference_NL=batch["reference"],
        denominator=denominator,
    )


# Numbers worked by hand.


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "acted"),
    [
        (1.0, 2.0, -2.0, False),
        (1.5, 2.0, -2.4, True),  # good and already likelier: clipped at 1.2
        (0.5, 2.0, -1.0, False),  # good but less likely: pulled back
        (0.5, -2.0, 1.6, True),  # bad and already less likely: clipped at 0.8
        (1.5, -2.0, 3.0, False),  # bad but likelier: pushed down
        (5.0, -2.0, 6.0, True),  # the same far away: bounded by the dual clip at 3
        (5.0, 0.0, 0.0, False),
    ],
)
def test_clipped_by_hand(ratio: float, advantage: float, loss: float, acted: bool) -> None:
    logprobs = torch.tensor([[math.log(ratio) - 1.0]], requires_grad=True)
    got, flags = clipped(
        logprobs, torch.tensor([[-1.0]]), torch.tensor([advantage]), clip_low=0.2, clip_high=0.2, dual_clip=3.0
    )
    assert got.item() == pytest.approx(loss)
    assert flags.item() is acted
    torch.autograd.backward(got.sum())
    assert logprobs.grad is not None
    # gradient of -r A is -r A; nothing where the clip acted
    assert logprobs.grad.item() == pytest.approx(0.0 if acted else -ratio * advantage)


def test_clip_higher_and_no_dual_clip_by_hand() -> None:
    logprobs, old = torch.log(torch.tensor([[1.25], [5.0]])), torch.zeros(2, 1)
    got, flags = clipped(logprobs, old, torch.tensor([1.0, -1.0]), clip_low=0.2, clip_high=0.28)
    assert got.flatten().tolist() == pytest.approx([-1.25, 5.0])
    assert flags.flatten().tolist() == [False, False]


def test_cispo_by_hand() -> None:
    # ratios 4 (cut to 2) and 0.5; -2 * 3 * log 0.4 and -0.5 * 3 * log 0.4
    logprobs = torch.log(torch.tensor([[0.4, 0.4]]))
    got, flags = cispo(logprobs, torch.log(torch.tensor([[0.1, 0.8]])), torch.tensor([3.0]), clip_high=1.0)
    assert got.flatten().tolist() == pytest.approx([5.497745, 1.374436], rel=1e-5)
    assert flags.flatten().tolist() == [True, False]


def test_cispo_gradient_is_the_cut_weight_times_the_advantage() -> None:
    logits = torch.tensor([[0.3, -0.2, 1.0], [0.0, 2.0, -1.0]], dtype=torch.float64, requires_grad=True)
    logprobs = logits.log_softmax(dim=1)[:, :1]
    old = logprobs.detach() - torch.log(torch.tensor([[3.0], [0.7]], dtype=torch.float64))
    losses, _ = cispo(logprobs, old, torch.tensor([2.0, -1.0], dtype=torch.float64), clip_high=0.5)
    torch.autograd.backward(losses.sum())
    weights, advantages = (1.5, 0.7), (2.0, -1.0)
    assert logits.grad is not None
    for n in range(2):
        probabilities = logits[n].detach().softmax(dim=0).tolist()
        for v in range(3):
            grad_logprob = (1.0 if v == 0 else 0.0) - probabilities[v]
            assert logits.grad[n, v].item() == pytest.approx(-weights[n] * advantages[n] * grad_logprob)


def test_kl_k3_by_hand() -> None:
    # d = log 2: 2 - log 2 - 1; d = 0: 0; d = -log 2: 0.5 + log 2 - 1
    got = kl_k3(torch.log(torch.tensor([[0.2, 0.5, 0.8]])), torch.log(torch.tensor([[0.4, 0.5, 0.4]])))
    assert got.flatten().tolist() == pytest.approx([0.3068528, 0.0, 0.1931472], abs=1e-6)


def test_kl_k3_is_the_divergence_on_average() -> None:
    policy = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64)
    reference = torch.tensor([[0.3, 0.3, 0.4]], dtype=torch.float64)
    exact = (policy * (policy / reference).log()).sum().item()
    assert (policy * kl_k3(policy.log(), reference.log())).sum().item() == pytest.approx(exact)


def test_both_means_by_hand() -> None:
    values = torch.tensor([[1.0, 3.0], [5.0, 99.0], [2.0, 9.0]])
    mask = torch.tensor([[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    by_token = denominators(mask.sum(dim=1), aggregation=Aggregation.TOKEN_MEAN)
    assert by_token.tolist() == [5.0, 5.0, 5.0]
    assert aggregate(values, mask, by_token).item() == pytest.approx(4.0)
    assert aggregate(values, mask, 5.0).item() == pytest.approx(4.0)
    # prompt 7 has 1 3 5, mean 3; prompt 2 has 2 9, mean 5.5
    by_prompt = denominators(mask.sum(dim=1), aggregation=Aggregation.PROMPT_MEAN, group_N=torch.tensor([7, 7, 2]))
    assert by_prompt.tolist() == [6.0, 6.0, 4.0]
    assert aggregate(values, mask, by_prompt).item() == pytest.approx(4.25)


def test_a_prompt_without_tokens_does_not_count() -> None:
    tokens, groups = torch.tensor([2, 0, 3]), torch.tensor([0, 1, 2])
    assert denominators(tokens, aggregation=Aggregation.PROMPT_MEAN, group_N=groups).tolist() == [4, 1, 6]


def test_policy_loss_by_hand() -> None:
    # ratios 1.5 (clipped at 1.2) and 1; the third token was not sampled
    got = policy_loss(
        torch.log(torch.tensor([[0.6, 0.5, math.nan]])),
        torch.log(torch.tensor([[0.4, 0.5, math.nan]])),
        torch.tensor([2.0]),
        torch.tensor([[1, 1, 0]]),
        config=LossConfig(),
    )
    assert got.loss.item() == pytest.approx(-2.2)
    assert got.clip_share.item() == pytest.approx(0.5)
    assert got.approx_kl.item() == pytest.approx((0.5 - math.log(1.5)) / 2, abs=1e-6)
    assert got.ratio_max.item() == pytest.approx(1.5)


@pytest.mark.parametrize("config", CONFIGS)
def test_tokens_may_have_advantages_of_their_own(config: LossConfig) -> None:
    batch = random_batch(4)
    one_a_token = batch["advantages"][:, None].expand(batch["mask"].shape)
    same = loss_of(batch | {"advantages": one_a_token}, config)
    assert same.loss.item() == pytest.approx(loss_of(batch, config).loss.item())
    # Ratio 1 everywhere: minus the mean of 2, 4 and -3, weighed by log p in cispo.
    logprobs = torch.full((2, 2), -0.5)
    got = policy_loss(
        logprobs,
        logprobs,
        torch.tensor([[2.0, 4.0], [-3.0, 99.0]]),
        torch.tensor([[1, 1], [1, 0]]),
        config=LossConfig(),
    )
    assert got.loss.item() == pytest.approx(-1.0)


# Twins and properties.


@pytest.mark.parametrize("config", CONFIGS)
@given(seed=st.integers(0, 2**20))
def test_policy_loss_equals_its_reference(config: LossConfig, seed: int) -> None:
    batch = random_batch(seed)
    got = loss_of(batch, config)
    for name, value in reference_policy_loss(batch, config).items():
        assert getattr(got, name).item() == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_micro_batches_add_up_to_the_whole_batch(config: LossConfig, size: int) -> None:
    batch = random_batch(3)
    whole, parts = (batch["logprobs"].clone().requires_grad_() for _ in range(2))
    expected = loss_of(batch | {"logprobs": whole}, config)
    torch.autograd.backward(expected.loss)

    denominator_N = denominators(batch["mask"].sum(dim=1), aggregation=config.aggregation, group_N=batch["groups"])
    outputs = []
    for start in range(0, len(denominator_N), size):
        rows = slice(start, start + size)
        part = {key: value[rows] for key, value in (batch | {"logprobs": parts}).items()}
        outputs.append(loss_of(part, config, denominator=denominator_N[rows]))
        torch.autograd.backward(outputs[-1].loss)

    assert whole.grad is not None
    assert parts.grad is not None
    torch.testing.assert_close(parts.grad, whole.grad, rtol=0.0, atol=1e-6)
    for name in ("loss", "clip_share", "approx_kl"):
        total = sum(getattr(output, name).item() for output in outputs)
        assert total == pytest.approx(getattr(expected, name).item(), abs=1e-6)
    assert max(output.ratio_max.item() for output in outputs) == expected.ratio_max.item()


def test_a_number_of_tokens_is_a_denominator() -> None:
    batch = random_batch(5)
    tokens = float(batch["mask"].sum())
    halves = ({key: value[rows] for key, value in batch.items()} for rows in (slice(0, 4), slice(4, None)))
    total = sum(loss_of(half, LossConfig(), denominator=tokens).loss.item() for half in halves)
    assert total == pytest.approx(loss_of(batch, LossConfig()).loss.item())


@pytest.mark.parametrize("config", CONFIGS)
def test_padding_gets_no_gradient_and_gives_no_nan(config: LossConfig) -> None:
    batch = random_batch(11)
    logprobs = batch["logprobs"].requires_grad_()
    torch.autograd.backward(loss_of(batch, config).loss)
    assert logprobs.grad is not None
    assert logprobs.grad.isfinite().all()
    assert (logprobs.grad[~batch["mask"]] == 0).all()


@pytest.mark.parametrize("kind", LossKind)
@pytest.mark.parametrize("advantage", [1.0, -1.0])
def test_a_very_distant_policy_gives_a_finite_gradient(kind: LossKind, advantage: float) -> None:
    logprobs = torch.tensor([[-0.1, -500.0]], requires_grad=True)
    old = torch.tensor([[-500.0, -0.1]])
    config = LossConfig(kind=kind)
    got = policy_loss(logprobs, old, torch.tensor([advantage]), torch.ones(1, 2), config=config)
    torch.autograd.backward(got.loss)
    assert logprobs.grad is not None
    assert logprobs.grad.isfinite().all()


def test_only_the_loss_has_a_gradient() -> None:
    batch = random_batch(2)
    batch["logprobs"].requires_grad_()
    got = loss_of(batch, LossConfig())
    assert got.loss.requires_grad
    assert not any(value.requires_grad for value in (got.clip_share, got.approx_kl, got.ratio_max))


def test_nothing_sampled_is_a_loss_of_zero() -> None:
    batch = random_batch(2)
    batch["mask"] = torch.zeros_like(batch["mask"])
    for config in CONFIGS:
        assert loss_of(batch, config).loss.item() == 0.0


# What is refused.


def test_check_finite_names_the_tensor_and_what_to_lower() -> None:
    check_finite("loss", torch.tensor([1.0, -2.0]))
    with pytest.raises(
        TrainingError, match=r"^gradient: got NaN or infinity in 2 of 3 values.*lower the learning rate"
    ):
        check_finite("gradient", torch.tensor([1.0, math.nan, math.inf]))


@pytest.mark.parametrize("name", ["logprobs", "old", "reference", "advantages"])
@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_policy_loss_names_the_input_that_is_not_finite(name: str, value: float) -> None:
    batch = random_batch(1)
    batch[name].view(-1)[0] = value
    with pytest.raises(TrainingError, match=rf"^{name}.*NaN or infinity"):
        loss_of(batch, CONFIGS[3])


def test_an_infinite_penalty_is_refused() -> None:
    batch = random_batch(1)
    batch["reference"] = batch["reference"] + 1000.0
    with pytest.raises(TrainingError, match=r"^loss: .*lower"):
        loss_of(batch, CONFIGS[3])


def test_shapes_and_missing_inputs_are_refused() -> None:
    logprobs, mask, advantages = torch.zeros(2, 3), torch.ones(2, 3), torch.zeros(2)
    with pytest.raises(TrainingError, match=r"advantages_N: got shape \(2, 1\)"):
        policy_loss(logprobs, logprobs, advantages[:, None], mask, config=LossConfig())
    with pytest.raises(TrainingError, match=r"old_logprobs_NL: got shape \(2, 2\).*\(2, 3\)"):
        policy_loss(logprobs, logprobs[:, :2], advantages, mask, config=LossConfig())
    with pytest.raises(TrainingError, match="reference_NL: got none"):
        policy_loss(logprobs, logprobs, advantages, mask, config=LossConfig(kl_weight=0.1))
    with pytest.raises(TrainingError, match="group_N: got none"):
        policy_loss(logprobs, logprobs, advantages, mask, config=LossConfig(aggregation=Aggregation.PROMPT_MEAN))


@pytest.mark.parametrize(
    ("name", "value"), [("clip_low", 1.2), ("clip_high", -0.1), ("dual_clip", 1.0), ("kl_weight", math.nan)]
)
def test_a_configuration_that_makes_no_sense_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: got {value}, expected"):
        LossConfig(**{name: value})  # type: ignore[arg-type]
