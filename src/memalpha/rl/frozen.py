"""The frozen half of a run: who answers the questions and who judges what was written. Only the writer learns.

Both run in this process by rule, or ask one served model: any OpenAI-compatible server, say vLLM on GPUs of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from memalpha.agent.endpoint import EndpointModel
from memalpha.agent.judge import Judge
from memalpha.agent.model import Prompt, Sampling
from memalpha.agent.reader import ExtractiveReader, ModelReader, Reader
from memalpha.errors import ModelError
from memalpha.records import Message, Role
from memalpha.rewards import JudgeValidator, RuleValidator, Validator
from memalpha.rl.config import RewardConfig

TIMEOUT_SECONDS = 300.0
"""For one answer: a server that many workers share answers late."""
CONCURRENCY = 32
"""Questions in flight from one process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A reader and a validator."""

    reader: Reader
    validator: Validator


def open_frozen(config: RewardConfig) -> Frozen:
    """What `reward.reader` and `reward.judge` name; a server is asked for one token first. Raises `ModelError`."""
    if not config.reader:
        return Frozen(reader=ExtractiveReader(), validator=RuleValidator())
    model = EndpointModel(config.reader, config.reader_model, timeout_seconds=TIMEOUT_SECONDS, concurrency=CONCURRENCY)
    try:
        model.complete([Prompt(messages=(Message(role=Role.USER, content="Hello"),))], Sampling(max_tokens=1))
    except ModelError as error:
        model.close()
        raise ModelError(
            f'the reader "{config.reader_model}" does not answer ({error}); start it, or mend reward.reader and '
            "reward.reader_model"
        ) from error
    return Frozen(
        reader=ModelReader(model), validator=JudgeValidator(Judge(model)) if config.judge else RuleValidator()
    )
