"""What the OpenAI protocol lets a client ask for, as far as a local model can do it; and bad requests in one sentence.

A field that would change the answer and cannot be honoured is refused, never overlooked; fields that only describe the
request are taken and unused. `return_token_ids` is an extension, spelled as vLLM spells it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

_SHOWN_CHARACTERS = 80
_UNION_TAGS = frozenset({"str", "int"})
"""What pydantic puts into the place of an error to tell the cases of a union apart."""

_Item = TypeVar("_Item")
Listed = Annotated[list[_Item], Field(min_length=1)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StreamOptions(_Request):
    """How a streamed answer is told."""

    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class SamplingRequest(_Request):
    """What both protocols share."""

    model: str | None = Field(None, description="the name of the served model, as text")
    max_tokens: int | None = Field(None, ge=1, description="a whole number from 1")
    temperature: float | None = Field(None, ge=0, le=2, description="a number from 0 to 2")
    top_p: float | None = Field(None, gt=0, le=1, description="a number above 0, at most 1")
    n: int | None = Field(None, ge=1, le=128, description="a whole number from 1 to 128")
    seed: int | None = Field(None, ge=-(2**63), lt=2**63, description="a whole number of 64 bits")
    stop: Annotated[str, Field(min_length=1)] | list[Annotated[str, Field(min_length=1)]] | None = Field(
        None, description="a text, or a list of at most 16 texts, none of them empty"
    )
    stream: bool | None = Field(None, description="true or false")
    stream_options: StreamOptions | None = Field(None, description="an object with include_usage")
    return_token_ids: bool | None = Field(None, description="true or false")
    frequency_penalty: float | None = Field(None, ge=0, le=0, description="0, since penalties are not supported")
    presence_penalty: float | None = Field(None, ge=0, le=0, description="0, since penalties are not supported")
    logit_bias: dict[str, float] | None = Field(
        None, max_length=0, description="an empty object, since biases are not supported"
    )
    user: Any = None
    metadata: Any = None
    store: Any = None
    service_tier: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None

    @property
    def stop_texts(self) -> tuple[str, ...]:
        """The stop texts, however they were given."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def tells_usage(self) -> bool:
        """Whether a stream is to end with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    @model_validator(mode="after")
    def _check_stop(self) -> SamplingRequest:
        if len(self.stop_texts) > 16:
            raise PydanticCustomError("stop", f"got {len(self.stop_texts)} stop texts, expected at most 16; send fewer")
        return self


class CompletionRequest(SamplingRequest):
    """POST /v1/completions: texts or token ids to go on from."""

    prompt: str | Listed[str] | Listed[int] | Listed[Listed[int]] = Field(
        description="a text, a list of texts, a list of token ids, or a list of such lists, none of them empty"
    )
    logprobs: int | None = Field(None, ge=0, le=20, description="a whole number from 0 to 20")
    echo: Literal[False] | None = Field(None, description="false, since prompts are not repeated")
    suffix: Literal[""] | None = Field(None, description="null, since texts are completed at the end only")
    best_of: Literal[1] | None = Field(None, description="1, since all completions are returned; use n")

    @property
    def prompts(self) -> list[str | list[int]]:
        """One text or one list of token ids for each prompt."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        ids = [each for each in self.prompt if isinstance(each, int)]
        return [ids] if ids else [each for each in self.prompt if not isinstance(each, int)]


class TextPart(_Request):
    """A part of a message."""

    type: Literal["text"]
    text: str


class CalledFunction(_Request):
    """The function of a call that the model made earlier."""

    name: str
    arguments: str


class MadeCall(_Request):
    """A call that the model made earlier."""

    id: str | None = None
    type: Literal["function"] = "function"
    function: CalledFunction


class ChatMessage(_Request):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_calls: list[MadeCall] | None = None
    tool_call_id: str | None = None
    refusal: None = None
    annotations: Any = None
    audio: None = None
    function_call: None = None

    def for_template(self) -> dict[str, Any]:
        """The message as chat templates know it: arguments as objects, no nulls, "developer" under its older name."""
        said = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content or ())
        message: dict[str, Any] = {"role": "system" if self.role == "developer" else self.role, "content": said}
        if self.name is not None:
            message["name"] = self.name
        if self.tool_call_id is not None:
            message["tool_call_id"] = self.tool_call_id
        if self.tool_calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": call.type,
                    "function": {"name": call.function.name, "arguments": _arguments(call.function.arguments)},
                }
                for call in self.tool_calls
            ]
        return message


class Function(_Request):
    """A function that the model may call."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(_Request):
    """A tool; only functions are known."""

    type: Literal["function"]
    function: Function


class ResponseFormat(_Request):
    """Plain text; nothing constrains what a local model writes."""

    type: Literal["text"]


class ChatRequest(SamplingRequest):
    """POST /v1/chat/completions: messages, and tools that may be called."""

    messages: list[ChatMessage] = Field(
        min_length=1,
        description="a list of at least one message, each with a role (system, developer, user, assistant or tool) and "
        "its content as text",
    )
    max_completion_tokens: int | None = Field(None, ge=1, description="a whole number from 1")
    logprobs: bool | None = Field(None, description="true or false")
    top_logprobs: int | None = Field(None, ge=0, le=20, description="a whole number from 0 to 20")
    tools: list[Tool] | None = Field(
        None, description='a list of tools, each {"type": "function", "function": {"name": ..., "parameters": {...}}}'
    )
    tool_choice: Literal["auto", "none"] | None = Field(
        None, description='"auto" or "none", since nothing can make a local model call a tool'
    )
    parallel_tool_calls: Literal[True] | None = Field(
        None, description="true, since a model may call as many tools as it writes"
    )
    response_format: ResponseFormat | None = Field(
        None, description='{"type": "text"}, since nothing constrains what a local model writes'
    )
    reasoning_effort: Literal["none"] | None = Field(None, description='"none", since thinking is turned off')

    @model_validator(mode="after")
    def _check_logprobs(self) -> ChatRequest:
        if self.top_logprobs and not self.logprobs:
            raise PydanticCustomError(
                "top_logprobs", "got top_logprobs without logprobs, expected both; set logprobs to true"
            )
        return self

    @property
    def reads_calls(self) -> bool:
        """Whether calls are to be told apart from what is said."""
        return bool(self.tools) and self.tool_choice != "none"

    def shown_tools(self) -> list[dict[str, Any]]:
        """The tools as chat templates know them."""
        if not self.reads_calls:
            return []
        return [tool.model_dump(exclude_none=True) for tool in self.tools or ()]


def problem(errors: Sequence[Mapping[str, Any]], request: type[BaseModel]) -> tuple[str, str | None]:
    """The first error of a validation as one sentence, and the field it is about."""
    error = errors[0]
    where = [str(part) for part in error["loc"] if part != "body"]
    match error["type"]:
        case "json_invalid":
            return f"got a body that is not JSON ({error['ctx']['error']}), expected one JSON object", None
        case "stop" | "top_logprobs" as field:
            return error["msg"], field
        case "extra_forbidden":
            return f"got the unknown parameter {'.'.join(where)!r}, which is not supported; leave it out", where[0]
    if not where:
        return "got a body that is no JSON object, expected one, sent as Content-Type: application/json", None
    field = where[0]
    expected = request.model_fields[field].description
    if error["type"] == "missing" and len(where) == 1:
        return f"the parameter {field!r} is missing, expected {expected}", field
    place = ".".join(part for part in where if part.isidentifier() or part.isdigit() if part not in _UNION_TAGS)
    return f"got {_shown(error)} at {place}, expected {expected}", field


def _shown(error: Mapping[str, Any]) -> str:
    if error["type"] == "missing":
        return "nothing"
    text = json.dumps(error["input"], ensure_ascii=True, default=repr)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _arguments(text: str) -> Any:
    """Templates render arguments themselves; what is no JSON object was a bad call and is shown as it was."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return data if isinstance(data, dict) else text
