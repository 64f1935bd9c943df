"""Who answers and who judges, by configuration; a server is asked before anything else happens."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from memalpha.agent.reader import ExtractiveReader, ModelReader
from memalpha.errors import ModelError
from memalpha.memory.bank import Bank
from memalpha.rewards import JudgeValidator, RuleValidator
from memalpha.rl.config import RewardConfig
from memalpha.rl.frozen import open_frozen


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that says Paris to everything, and what it was asked."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            message = {"role": "assistant", "content": "Paris"}
            body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_without_a_server_both_are_rules() -> None:
    frozen = open_frozen(RewardConfig())
    assert isinstance(frozen.reader, ExtractiveReader)
    assert isinstance(frozen.validator, RuleValidator)


@pytest.mark.parametrize(("judge", "validator"), [(False, RuleValidator), (True, JudgeValidator)])
def test_a_served_model_reads_and_may_judge(
    served: tuple[str, list[dict[str, Any]]], judge: bool, validator: Callable[..., object]
) -> None:
    url, asked = served
    frozen = open_frozen(RewardConfig(reader=url, reader_model="big", judge=judge))
    assert [(each["model"], each["max_tokens"]) for each in asked] == [("big", 1)]
    assert isinstance(frozen.reader, ModelReader)
    assert type(frozen.validator) is validator
    (answer,) = frozen.reader.read(Bank(count_tokens=len), ["Where is it?"])
    assert answer.text == "Paris"


def test_a_server_that_does_not_answer_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memalpha.agent.endpoint._FIRST_WAIT_SECONDS", 0.0)
    with pytest.raises(ModelError) as caught:
        open_frozen(RewardConfig(reader="http://127.0.0.1:9/v1", reader_model="big"))
    assert str(caught.value).startswith('the reader "big" does not answer (http://127.0.0.1:9/v1/chat/completions')
    assert "mend reward.reader" in str(caught.value)
