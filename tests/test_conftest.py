"""The guard against the network holds, and lets this machine through."""

import os
import socket
import threading

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st


def test_a_connection_to_elsewhere_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"tried to reach '192\.0\.2\.1'"), socket.socket() as client:
        client.connect(("192.0.2.1", 80))


@pytest.mark.parametrize("url", ["http://example.invalid", "http://192.0.2.1:8000", "http://[2001:db8::1]/"])
def test_a_request_to_elsewhere_is_no_outage_but_an_error(url: str) -> None:
    with pytest.raises(RuntimeError, match="tried to reach"):
        httpx.get(url, trust_env=False)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_this_machine_can_be_reached(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted = threading.Thread(target=lambda: server.accept()[0].close())
        accepted.start()
        with socket.create_connection((host, server.getsockname()[1]), timeout=5) as client:
            assert client.recv(1) == b""
        accepted.join(timeout=5)


@given(st.integers())
def test_property_tests_run_under_the_guard(number: int) -> None:
    assert number == number + 0
    assert os.environ["HF_HUB_OFFLINE"] == "1"
