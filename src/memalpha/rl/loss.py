"""Policy losses on sampled tokens: pure functions from tensors to tensors, the configuration as an argument.

Axes: N rows (one completion each), L tokens of the longest completion. `mask_NL` is 1 on the tokens that the model
sampled, the end-of-turn token among them, and 0 elsewhere; what stands in the other places, even NaN, has no effect.
Log-probabilities belong in float32 or better: a ratio of bfloat16 values is mostly rounding.

Left out: an entropy bonus (the paper's weight is 0; watch the entropy and widen `clip_high` instead), value losses,
and ratios of whole sequences.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from memalpha.errors import TrainingError
from memalpha.rl.objective import Aggregation, LossConfig, LossKind

__all__ = [
    "Aggregation",
    "LossConfig",
    "LossKind",
    "LossOutput",
    "aggregate",
    "check_finite",
    "cispo",
    "clipped",
    "denominators",
    "kl_k3",
    "policy_loss",
    "truncated_weights",
]

LOWER = "lower the learning rate or the limit on the gradient norm"
"""How to mend most of what is not finite."""
MAX_LOG_RATIO = 20.0
"""Log ratios are cut here: an infinite ratio times the zero gradient of a clipped token would be NaN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossOutput:
    """Scalars of one (micro-)batch; with the denominators of the whole batch all but `ratio_max` add up."""

    loss: Tensor
    """To be minimised; the only one with a gradient."""
    clip_share: Tensor
    """Share of the tokens on which the clip acted."""
    approx_kl: Tensor
    """k3 estimate of the KL divergence from the sampling policy to the current one, in nats a token."""
    distance: Tensor
    """Mean absolute difference of the log-probabilities from the recorded ones, in nats a token."""
    ratio_max: Tensor
    """The largest ratio of a token; 0 without tokens."""


def policy_loss(
    logprobs_NL: Tensor,
    old_logprobs_NL: Tensor,
    advantages_N: Tensor,
    mask_NL: Tensor,
    *,
    config: LossConfig,
    group_N: Tensor | None = None,
    reference_NL: Tensor | None = None,
    denominator: float | Tensor | None = None,
) -> LossOutput:
    """The loss of a batch, or one summand of it when `denominator` belongs to a larger batch.

    Args:
        logprobs_NL: Log-probabilities of the sampled tokens under the current policy, with a gradient.
        old_logprobs_NL: The same under the policy that sampled, as recorded when sampling.
        advantages_N: One advantage for each row [N], or one for each token [N, L].
        mask_NL: 1 (or true) on sampled tokens.
        config: Which loss.
        group_N: Integers; rows of one prompt share one. Needed for `prompt_mean` without `denominator`.
        reference_NL: Log-probabilities under the reference policy. Needed when `kl_weight` is not 0.
        denominator: What each row's sum is divided by: the number of tokens of the whole batch, or the slice of
            `denominators` that belongs to these rows. Without it, these rows are the whole batch.
    """
    mask_NL = mask_NL.bool()
    logprobs_NL = _sampled("logprobs_NL", logprobs_NL, mask_NL)
    old_logprobs_NL = _sampled("old_logprobs_NL", old_logprobs_NL, mask_NL, mend="look at the sampling engine")
    if advantages_N.shape not in (mask_NL.shape[:1], mask_NL.shape):
        raise TrainingError(
            f"advantages_N: got shape {tuple(advantages_N.shape)}, expected one a row, {len(mask_NL)}, or one a token"
        )
    check_finite("advantages_N", advantages_N, mend="leave out the rows of failed rollouts")

    if config.kind is LossKind.CISPO:
        values_NL, acted_NL = cispo(logprobs_NL, old_logprobs_NL, advantages_N, clip_high=config.clip_high)
    else:
        values_NL, acted_NL = clipped(
            logprobs_NL,
            old_logprobs_NL,
            advantages_N,
            clip_low=config.clip_low,
            clip_high=config.clip_high,
            dual_clip=config.dual_clip,
        )
    if config.kl_weight > 0.0:
        if reference_NL is None:
            raise TrainingError("reference_NL: got none, expected log-probabilities; pass them or set kl_weight to 0")
        reference_NL = _sampled("reference_NL", reference_NL, mask_NL)
        values_NL = values_NL + config.kl_weight * kl_k3(logprobs_NL, reference_NL)

    if denominator is None:
        denominator = denominators(mask_NL.sum(dim=1), aggregation=config.aggregation, group_N=group_N)
    loss = aggregate(values_NL, mask_NL, denominator)
    check_finite("loss", loss)
    with torch.no_grad():
        return LossOutput(
            loss=loss,
            clip_share=aggregate(acted_NL.to(values_NL.dtype), mask_NL, denominator),
            approx_kl=aggregate(kl_k3(old_logprobs_NL, logprobs_NL), mask_NL, denominator),
            distance=aggregate((logprobs_NL - old_logprobs_NL).abs(), mask_NL, denominator),
            ratio_max=(_ratio(logprobs_NL, old_logprobs_NL) * mask_NL).max(),
        )


def clipped(
    logprobs_NL: Tensor,
    old_logprobs_NL: Tensor,
    advantages_N: Tensor,
    *,
    clip_low: float,
    clip_high: float,
    dual_clip: float | None = None,
) -> tuple[Tensor, Tensor]:
    """PPO's clipped loss of each token [N, L] and whether the clip took its gradient [N, L].

    -min(r A, clip(r, 1 - low, 1 + high) A) with r the ratio of probabilities (arXiv:1707.06347, equation 7); unequal
    bounds are DAPO's clip-higher (arXiv:2503.14476); `dual_clip` c bounds the loss by -c A where A < 0
    (arXiv:1912.09729).
    """
    ratio_NL = _ratio(logprobs_NL, old_logprobs_NL)
    advantages_N1 = _columns(advantages_N)
    near_NL = ratio_NL.clamp(1.0 - clip_low, 1.0 + clip_high)
    objective_NL = torch.minimum(ratio_NL * advantages_N1, near_NL * advantages_N1)
    up, down = advantages_N1 > 0, advantages_N1 < 0
    acted_NL = (up & (ratio_NL > 1.0 + clip_high)) | (down & (ratio_NL < 1.0 - clip_low))
    if dual_clip is not None:
        objective_NL = torch.where(down, torch.maximum(objective_NL, dual_clip * advantages_N1), objective_NL)
        acted_NL = acted_NL | (down & (ratio_NL > dual_clip))
    return -objective_NL, acted_NL


def _columns(advantages: Tensor) -> Tensor:
    """[N, 1] from one advantage a row; one a token [N, L] stays."""
    return advantages if advantages.dim() == 2 else advantages[:, None]


def cispo(
    logprobs_NL: Tensor, old_logprobs_NL: Tensor, advantages_N: Tensor, *, clip_high: float
) -> tuple[Tensor, Tensor]:
    """CISPO's loss of each token [N, L] and whether its weight was cut [N, L].

    -sg(min(r, 1 + high)) A log p (MiniMax-M1, arXiv:2506.13585, equations 4 and 5), sg being the stop of the gradient,
    which therefore is -w A grad log p for every token. No lower bound, as in their experiments. The value by itself
    tells little: it follows log p, not the quality of the policy.
    """
    ratio_NL = _ratio(logprobs_NL, old_logprobs_NL).detach()
    weights_NL = ratio_NL.clamp(max=1.0 + clip_high)
    return -weights_NL * _columns(advantages_N) * logprobs_NL, ratio_NL > 1.0 + clip_high


def truncated_weights(trainer_NL: Tensor, sampler_NL: Tensor, *, cap: float) -> Tensor:
    """What the advantage of each token [N, L] counts where sampler and trainer compute otherwise.

    min(trainer / sampler, cap), which scales every loss here, since each is proportional to the advantage.

    Token-level truncated importance sampling: exp of the difference of the two log-probabilities of the same policy,
    cut above, so that no token that the sampler thought unlikely by mistake decides an update.
    """
    return _ratio(trainer_NL, sampler_NL).clamp(max=cap)


def kl_k3(logprobs_NL: Tensor, reference_NL: Tensor) -> Tensor:
    """The k3 estimate [N, L] of KL(policy || reference) on tokens that the policy sampled.

    exp(d) - d - 1 with d = log reference - log policy (arXiv:2402.03300, equation 4): never negative, right on average.
    """
    difference_NL = reference_NL - logprobs_NL
    return torch.expm1(difference_NL) - difference_NL


def aggregate(values_NL: Tensor, mask_NL: Tensor, denominator: float | Tensor) -> Tensor:
    """The sum over rows of each row's sum over sampled tokens divided by its denominator (a number, or one a row)."""
    return ((values_NL * mask_NL).sum(dim=1) / denominator).sum()


def denominators(tokens_N: Tensor, *, aggregation: Aggregation, group_N: Tensor | None = None) -> Tensor:
    """What `aggregate` divides each row's sum by [N] to get the mean that `aggregation` names.

    The token mean divides by all tokens; the prompt mean (ScaleRL, arXiv:2510.13786), the mean over prompts of the mean
    over each prompt's tokens, by the number of prompts times the tokens of the row's prompt.

    Computed once for all rows of an optimiser step from their numbers of sampled tokens. The slices then go with the
    micro-batches to `policy_loss`, and their losses and gradients add up to those of the whole batch, also when the
    rows of one prompt are spread over several micro-batches.
    """
    if aggregation is Aggregation.TOKEN_MEAN:
        return tokens_N.sum().clamp(min=1).expand(len(tokens_N))
    if group_N is None:
        raise TrainingError("group_N: got none, expected the prompt of each row; pass it or use token_mean")
    groups, index_N = torch.unique(group_N, return_inverse=True)
    tokens_P = tokens_N.new_zeros(len(groups)).index_add(0, index_N, tokens_N)
    prompts = (tokens_P > 0).sum()
    return (prompts * tokens_P[index_N]).clamp(min=1)


def check_finite(name: str, tensor: Tensor, *, mend: str = LOWER) -> None:
    """Raise `TrainingError` that names the tensor, and how to mend it, if it holds NaN or an infinite value."""
    finite = tensor.isfinite()
    if not bool(finite.all()):
        wrong = f"{int((~finite).sum())} of {tensor.numel()} values"
        raise TrainingError(f"{name}: got NaN or infinity in {wrong}, expected numbers; {mend}")


def _sampled(name: str, values_NL: Tensor, mask_NL: Tensor, *, mend: str = LOWER) -> Tensor:
    """The values at sampled tokens and 0 elsewhere, so that padding reaches neither the loss nor the gradient."""
    if values_NL.shape != mask_NL.shape:
        raise TrainingError(f"{name}: got shape {tuple(values_NL.shape)}, expected the mask's, {tuple(mask_NL.shape)}")
    values_NL = values_NL.where(mask_NL, 0.0)
    check_finite(name, values_NL, mend=mend)
    return values_NL


def _ratio(logprobs_NL: Tensor, old_logprobs_NL: Tensor) -> Tensor:
    return (logprobs_NL - old_logprobs_NL).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
