"""A model behind an OpenAI-compatible server: messages go to {base_url}/chat/completions, token ids to /completions.

Outages are retried, then raised. Token ids and log-probabilities come with a completion when they are asked for and the
server knows `return_token_ids`, as `memalpha serve-model` and vLLM do.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx

from memalpha.agent.endpoint_reply import read_reply
from memalpha.agent.model import Completion, Prompt, Sampling
from memalpha.agent.stream import Futures, complete_all
from memalpha.errors import ConfigError, ModelError

_RETRIED_STATUSES = frozenset({408, 409, 429})
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 60.0
_SHOWN_CHARACTERS = 300


class EndpointModel:
    """A chat model on a server, asked for up to `concurrency` completions at a time.

    Close it, or use it in a `with` block.
    """

    def __init__(  # noqa: PLR0913 -- two say what to ask, the rest has defaults
        self,
        base_url: str,
        model: str,
        *,
        api_key_env: str | None = "OPENAI_API_KEY",
        timeout_seconds: float = 60.0,
        retries: int = 4,
        concurrency: int = 8,
        token_ids: bool = False,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Point at a server; nothing is sent yet.

        Args:
            base_url: Such as "http://localhost:8000/v1".
            model: The name that the server knows the model by.
            api_key_env: The environment variable that holds the secret key; unset or None sends no key.
            timeout_seconds: For one attempt, from sending to the last byte.
            retries: Further attempts after an outage, a timeout, or status 408, 409, 429 or 5xx.
            concurrency: Most requests in flight, over all threads that use this model.
            token_ids: Ask for token ids and log-probabilities, and raise `ModelError` when the server tells none.
            transport: Replaces the network, for tests.
            sleep: Waits between attempts, for tests.
        """
        if not base_url.startswith(("http://", "https://")):
            raise ConfigError(f"got base_url {base_url!r}, expected one that starts with http:// or https://")
        if concurrency < 1 or retries < 0 or timeout_seconds <= 0:
            raise ConfigError(
                f"got concurrency {concurrency}, retries {retries}, timeout_seconds {timeout_seconds}; "
                "expected at least 1, at least 0 and more than 0"
            )
        url = httpx.URL(base_url.rstrip("/"))
        key = os.environ.get(api_key_env, "").strip() if api_key_env else ""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._model = model
        self._key_env = api_key_env
        self._key = key
        self._url = url
        self._shown_url = str(url.copy_with(userinfo=b""))
        self._token_ids = token_ids
        self._timeout_seconds = timeout_seconds
        self._retries = retries
        self._sleep = sleep
        self.concurrency = concurrency
        """Most requests in flight."""
        self._client = httpx.Client(
            transport=transport,
            timeout=timeout_seconds,
            headers=headers,
            limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        )
        self._pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="memalpha-endpoint")

    @property
    def name(self) -> str:
        """The name that the server knows the model by."""
        return self._model

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """One completion for each prompt, in order; the first failure raises and drops what has not been sent."""
        return complete_all(self.stream(), prompts, sampling)

    def stream(self) -> Futures:
        """Prompts that come and completions that go at any time; the first failure drops what has not been sent."""
        return Futures(self._send)

    def _send(self, prompt: Prompt, sampling: Sampling, key: int) -> Future[Completion]:
        if self._client.is_closed:
            raise ModelError(f"the model at {self._shown_url} has been closed; open a new one")
        return self._pool.submit(self._complete_one, self._request(prompt, sampling, key))

    def close(self) -> None:
        """End the threads and the connections."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._client.close()

    def __enter__(self) -> Self:
        """Nothing to open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _request(self, prompt: Prompt, sampling: Sampling, index: int) -> _Request:
        payload: dict[str, Any] = {
            "model": self._model,
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
        }
        if sampling.seed is not None:
            # One seed for all would make the samples of a group copies of each other.
            payload["seed"] = sampling.seed + index
        if sampling.stop:
            payload["stop"] = list(sampling.stop)
        if self._token_ids:
            payload["return_token_ids"] = True
        if prompt.tokens is not None:
            told = {"logprobs": 0} if self._token_ids else {}
            return _Request(path="/completions", payload=payload | {"prompt": list(prompt.tokens)} | told)
        payload["messages"] = [{"role": message.role.value, "content": message.content} for message in prompt.messages]
        if prompt.tools:
            payload["tools"] = [dict(tool) for tool in prompt.tools]
        if self._token_ids:
            payload["logprobs"] = True
        return _Request(path="/chat/completions", payload=payload)

    def _complete_one(self, request: _Request) -> Completion:
        problem, asked_wait, url = "", 0.0, self._shown_url + request.path
        for attempt in range(self._retries + 1):
            if attempt:
                self._sleep(max(asked_wait, backoff_seconds(attempt - 1, random.random())))
            asked_wait = 0.0
            try:
                reply = self._post(request)
            except httpx.TimeoutException:
                problem = f"no answer within {self._timeout_seconds} s (raise timeout_seconds or lower the load)"
                continue
            except httpx.RequestError as error:
                problem = f"{type(error).__name__}: {error} (check that the server runs and that base_url is right)"
                continue
            if 200 <= reply.status < 300:
                return self._completion(url, reply.body)
            problem = f"status {reply.status} ({self._mend(reply.status)}): {self._shown(reply.body)}"
            if reply.status < 500 and reply.status not in _RETRIED_STATUSES:
                raise ModelError(f"{url} gave {problem}")
            asked_wait = retry_after_seconds(reply.retry_after, datetime.now(UTC))
        raise ModelError(f"{url} failed {self._retries + 1} times, the last time with {problem}")

    def _post(self, request: _Request) -> _Reply:
        """One attempt; the deadline holds for the whole answer, since some servers trickle blanks to stay connected."""
        deadline = time.monotonic() + self._timeout_seconds
        body = bytearray()
        content = json.dumps(request.payload).encode()
        url = self._url.copy_with(path=self._url.path + request.path)
        with self._client.stream("POST", url, content=content) as response:
            for piece in response.iter_bytes():
                body += piece
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer took too long", request=response.request)
            return _Reply(
                status=response.status_code, body=bytes(body), retry_after=response.headers.get("retry-after", "")
            )

    def _completion(self, url: str, body: bytes) -> Completion:
        try:
            return read_reply(json.loads(body), with_tokens=self._token_ids)
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{url} gave status 200 with a malformed body ({type(error).__name__}: {error}), expected an OpenAI "
                f"completion; check that base_url is of such a server: {self._shown(body)}"
            ) from error

    def _mend(self, status: int) -> str:
        mends = {
            401: f"check the key in {self._key_env}" if self._key_env else "name the key's variable in api_key_env",
            403: "check that the key may use this model",
            404: f"check base_url and the model name {self._model!r}",
            413: "send a shorter prompt",
            429: "lower concurrency or wait",
        }
        return mends.get(status, "check the server's log" if status >= 500 else "check the request")

    def _shown(self, body: bytes) -> str:
        """The start of a body for a message; servers may echo the key, which no log should hold."""
        text = " ".join(body.decode("utf-8", errors="replace").split())
        return (text.replace(self._key, "***") if self._key else text)[:_SHOWN_CHARACTERS] or "an empty body"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    path: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    status: int
    body: bytes
    retry_after: str


def backoff_seconds(attempt: int, draw: float) -> float:
    """0.5 s after attempt 0, doubled after each further one, at most 60 s; `draw` in [0, 1) keeps half to all of it."""
    return min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0**attempt) * (0.5 + draw / 2)


def retry_after_seconds(header: str, now: datetime) -> float:
    """What a Retry-After header asks for, seconds or a date, at most 60 s; 0 when it asks for nothing readable."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            when = parsedate_to_datetime(header)
        except ValueError:
            return 0.0
        seconds = (when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds()
    return min(_LONGEST_WAIT_SECONDS, max(0.0, seconds))
