"""What a policy loss is made of, as data that needs no torch; `memalpha.rl.loss` computes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from memalpha.errors import ConfigError


class LossKind(StrEnum):
    """What is clipped when the policy has moved away from the one that sampled."""

    CLIPPED = "clipped"
    """The update of the token (PPO): beyond the clip it gives no gradient."""
    CISPO = "cispo"
    """The importance weight: every token keeps a gradient."""


class Aggregation(StrEnum):
    """How the losses of tokens become one number."""

    TOKEN_MEAN = "token_mean"
    """Each token weighs the same."""
    PROMPT_MEAN = "prompt_mean"
    """Each prompt weighs the same, whatever the number of its rows and tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossConfig:
    """The loss; the defaults are those of the paper and its code, save the KL term, which the paper discards."""

    kind: LossKind = LossKind.CLIPPED
    """`clipped` (PPO) or `cispo`."""
    aggregation: Aggregation = Aggregation.TOKEN_MEAN
    """`token_mean` or `prompt_mean`."""
    clip_low: float = 0.2
    """The ratio is clipped below 1 - clip_low; `cispo` has no lower bound."""
    clip_high: float = 0.2
    """The ratio is clipped above 1 + clip_high; larger than clip_low is the clip-higher of DAPO."""
    dual_clip: float | None = 3.0
    """Bounds the loss of a bad token whose ratio has grown beyond this; none: no bound. Only for `clipped`."""
    kl_weight: float = 0.0
    """Weight of the KL divergence to the reference policy; 0 needs no reference."""

    def __post_init__(self) -> None:
        """Refuse what would turn the clip around."""
        if not 0.0 <= self.clip_low <= 1.0:
            raise ConfigError(f"clip_low: got {self.clip_low}, expected a number from 0 to 1, such as 0.2")
        if not self.clip_high >= 0.0:
            raise ConfigError(f"clip_high: got {self.clip_high}, expected a number of at least 0, such as 0.2")
        if self.dual_clip is not None and not self.dual_clip > 1.0:
            raise ConfigError(f"dual_clip: got {self.dual_clip}, expected a number above 1, such as 3.0, or none")
        if not self.kl_weight >= 0.0:
            raise ConfigError(f"kl_weight: got {self.kl_weight}, expected a number of at least 0, such as 0.001")
