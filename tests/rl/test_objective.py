"""What a loss is made of is read without torch; what is refused is in `test_loss.py`, where the numbers are."""

from memalpha.rl import loss, objective
from memalpha.rl.objective import Aggregation, LossConfig, LossKind


def test_the_defaults_are_the_paper_s() -> None:
    assert LossConfig() == LossConfig(
        kind=LossKind.CLIPPED,
        aggregation=Aggregation.TOKEN_MEAN,
        clip_low=0.2,
        clip_high=0.2,
        dual_clip=3.0,
        kl_weight=0.0,
    )


def test_the_names_are_those_of_the_loss() -> None:
    assert loss.LossConfig is objective.LossConfig
    assert loss.LossKind is objective.LossKind
    assert loss.Aggregation is objective.Aggregation
