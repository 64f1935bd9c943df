"""From a request of the OpenAI protocol to jobs for the worker; what cannot be answered is refused, not queued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memalpha.agent.decoding import Row
from memalpha.agent.local import LocalModel
from memalpha.errors import ConfigError, ModelError
from memalpha.serve.openai_choices import ChatChoice, Choice, TextChoice, Wanted
from memalpha.serve.openai_errors import RefusedError
from memalpha.serve.openai_replies import Head, Protocol
from memalpha.serve.openai_requests import ChatRequest, CompletionRequest, SamplingRequest
from memalpha.serve.scheduler import Job

TEXT_TOKENS = 16
"""What a completion without `max_tokens` may come to, as the protocol has it; a chat may fill the context."""
UNBOUNDED_TOKENS = 4096
"""The same for a chat with a network that does not tell its context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that can be answered."""

    head: Head
    prompt_tokens: int
    """Of all prompts together."""
    jobs: tuple[Job, ...]
    """As many for each prompt as were asked for, prompt after prompt."""
    choices: tuple[Choice, ...]
    """One for each job."""
    extra: dict[str, Any]
    """What stands at the top of the answer by extension."""
    tells_usage: bool
    """Whether a stream ends with the usage."""


def ask_chat(model: LocalModel, request: ChatRequest) -> Asked:
    """The jobs of a chat; raises `RefusedError` for what cannot be answered."""
    _check_model(model, request)
    try:
        ids = model.encode_chat([message.for_template() for message in request.messages], request.shown_tools())
    except (ConfigError, ModelError) as error:
        raise RefusedError(str(error), param="messages") from error
    wanted = Wanted(
        calls=request.reads_calls, logprobs=bool(request.logprobs), token_ids=bool(request.return_token_ids)
    )
    most = request.max_completion_tokens or request.max_tokens
    jobs = _jobs(model, request, ids, "messages", max_tokens=most, likeliest=request.top_logprobs or 0)
    return Asked(
        head=Head.new(Protocol.CHAT, model.name),
        prompt_tokens=len(ids),
        jobs=tuple(jobs),
        choices=tuple(ChatChoice(index, wanted, model) for index in range(len(jobs))),
        extra={"prompt_token_ids": ids} if request.return_token_ids else {},
        tells_usage=request.tells_usage,
    )


def ask_text(model: LocalModel, request: CompletionRequest) -> Asked:
    """The jobs of a completion; raises `RefusedError` for what cannot be answered."""
    _check_model(model, request)
    prompts = [_prompt_ids(model, prompt) for prompt in request.prompts]
    wanted = Wanted(logprobs=request.logprobs is not None, token_ids=bool(request.return_token_ids))
    jobs: list[Job] = []
    choices: list[Choice] = []
    for ids in prompts:
        most = request.max_tokens or TEXT_TOKENS
        likeliest = request.logprobs or 0
        own = _jobs(model, request, ids, "prompt", max_tokens=most, likeliest=likeliest, first=len(jobs))
        choices += [TextChoice(index, wanted, model, ids) for index in range(len(jobs), len(jobs) + len(own))]
        jobs += own
    return Asked(
        head=Head.new(Protocol.TEXT, model.name),
        prompt_tokens=sum(map(len, prompts)),
        jobs=tuple(jobs),
        choices=tuple(choices),
        extra={},
        tells_usage=request.tells_usage,
    )


def _check_model(model: LocalModel, request: SamplingRequest) -> None:
    if request.model not in (None, model.name):
        raise RefusedError(
            f"got the model {request.model!r}, expected {model.name!r}, which is the one served here",
            status=404,
            code="model_not_found",
            param="model",
        )


def _prompt_ids(model: LocalModel, prompt: str | Sequence[int]) -> list[int]:
    if isinstance(prompt, str):
        try:
            return model.encode_text(prompt)
        except ModelError as error:
            raise RefusedError(str(error), param="prompt") from error
    wrong = next((token for token in prompt if not 0 <= token < model.vocabulary), None)
    if wrong is not None:
        raise RefusedError(
            f"got the token id {wrong}, expected 0 to {model.vocabulary - 1}, which the model knows", param="prompt"
        )
    return list(prompt)


def _jobs(
    model: LocalModel,
    request: SamplingRequest,
    ids: list[int],
    param: str,
    *,
    max_tokens: int | None,
    likeliest: int,
    first: int = 0,
) -> list[Job]:
    """One job for each choice of one prompt; `first` is the number of the first one in the answer."""
    limit = model.context_tokens
    if not ids:
        raise RefusedError("got an empty prompt, expected at least one token; send some text", param=param)
    if limit is not None and len(ids) + (max_tokens or 1) > limit:
        raise RefusedError(
            f"got a prompt of {len(ids)} tokens and {max_tokens or 1} to be written, expected at most {limit} "
            "together, which is the model's context; send a shorter prompt or ask for less",
            code="context_length_exceeded",
            param=param,
        )
    room = UNBOUNDED_TOKENS if limit is None else limit - len(ids)
    jobs = []
    for index in range(first, first + (request.n or 1)):
        row = Row(
            ids=ids,
            max_tokens=max_tokens or room,
            temperature=1.0 if request.temperature is None else request.temperature,
            top_p=request.top_p or 1.0,
            # One seed for all would make the choices of an answer copies of each other.
            seed=None if request.seed is None else (request.seed + index) % 2**63,
            likeliest=likeliest,
        )
        jobs.append(Job(row=row, stop=request.stop_texts))
    return jobs
