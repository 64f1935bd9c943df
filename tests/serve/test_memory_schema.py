"""The OpenAPI document, held against the server by schemathesis: what it lets a client send is answered as it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from memalpha.serve.memory_limits import Limits

CONFIG = SchemathesisConfig.from_dict(
    {"generation": {"allow-extra-parameters": False, "with-security-parameters": False}}
)
"""Parameters that no route knows do nothing, and the key is given by the test."""


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory, start_memories: Callable[..., Any]) -> Iterator[Any]:
    """A server with something to find."""
    with start_memories(
        tmp_path_factory.mktemp("schema"), limits=Limits(requests_a_second=1e6, body_bytes=2**28)
    ) as memories:
        client = memories.client()
        for user in ("0", "ana"):
            client.post(f"/v1/users/{user}/memories", json={"text": "keep Oslo. keep Rome."})
            client.post(f"/v1/users/{user}/memories", json={"text": "", "infer": False, "wait": False})
        yield memories


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("examples", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_the_server_does_as_its_document_says(tried: Any, mode: GenerationMode, examples: int) -> None:
    headers = {"Authorization": f"Bearer {tried.key()}"}
    document = schemathesis.openapi.from_dict(tried.app.openapi(), config=CONFIG)
    answered: dict[int, int] = {}
    for result in document.get_all_operations():
        operation = result.ok()
        if mode is GenerationMode.NEGATIVE and not (list(operation.iter_parameters()) or list(operation.body)):
            continue

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def hold(case: Any) -> None:
            response = case.call(base_url=tried.url, headers=headers)
            # A schema cannot say all that a text must be: what it lets through may still be refused, in one sentence.
            case.validate_response(response, excluded_checks=[positive_data_acceptance])
            answered[response.status_code] = answered.get(response.status_code, 0) + 1

        hold()
    assert not any(status >= 500 for status in answered), answered
    assert sum(answered.values()) > examples * 10
