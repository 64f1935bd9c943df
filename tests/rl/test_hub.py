"""The real client against a small hub on this machine, and against none."""

from __future__ import annotations

import base64
import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from memalpha.errors import ConfigError, MissingExtraError, OutputError
from memalpha.rl.hub import check_place, upload


class Hub:
    """Takes repositories and commits as the hub does: what was asked for, and by whom."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.tokens: set[str | None] = set()
        self.refuses = False
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                hub.tokens.add(self.headers.get("Authorization"))
                status, answer = hub.answer(self.path, body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if self.refuses:
            return 403, {"error": "You may not write here"}
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.repositories.setdefault(name, {})
            self.private[name] = asked.get("private", asked.get("visibility") == "private")
            return 200, {"url": f"{self.url}/{name}", "id": name}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        name = "/".join(path.split("/")[3:5])
        if "/preupload/" in path:
            files = [file["path"] for file in json.loads(body)["files"]]
            return 200, {"files": [{"path": each, "uploadMode": "regular", "shouldIgnore": False} for each in files]}
        if "/commit/" in path:
            for line in body.splitlines():
                part = json.loads(line)
                if part["key"] == "file":
                    self.repositories[name][part["value"]["path"]] = base64.b64decode(part["value"]["content"])
            return 200, {"commitUrl": f"{self.url}/{name}/commit/1", "commitOid": "1", "success": True}
        return 404, {"error": f"nothing at {path}"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    served = Hub()
    thread = threading.Thread(target=served.server.serve_forever)
    thread.start()
    yield served
    served.server.shutdown()
    thread.join()
    served.server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "export"
    found.mkdir()
    (found / "README.md").write_text("---\nlibrary_name: transformers\n---\n# x\n", encoding="utf-8")
    (found / "model.safetensors").write_bytes(bytes(range(256)))
    return found


def test_a_folder_goes_up_as_it_is(hub: Hub, folder: Path) -> None:
    page = upload(folder, "ann/first", private=True, endpoint=hub.url)
    assert page == f"{hub.url}/ann/first"
    assert hub.repositories == {"ann/first": {each.name: each.read_bytes() for each in folder.iterdir()}}
    assert hub.private == {"ann/first": True}
    assert hub.tokens == {"Bearer hf_secret"}
    # Once more: the repository is there already.
    (folder / "README.md").write_text("# y\n", encoding="utf-8")
    upload(folder, "ann/first", private=False, endpoint=hub.url)
    assert hub.repositories["ann/first"]["README.md"] == b"# y\n"


def test_a_refusal_is_one_sentence_and_the_export_stays(hub: Hub, folder: Path) -> None:
    hub.refuses = True
    with pytest.raises(OutputError, match=r"ann/first was not uploaded \(HfHubHTTPError: .*HF_TOKEN") as caught:
        upload(folder, "ann/first", private=False, endpoint=hub.url)
    assert "\n" not in str(caught.value)
    assert "hf_secret" not in str(caught.value)
    assert len(list(folder.iterdir())) == 2


def test_a_hub_out_of_reach_is_one_sentence(hub: Hub, folder: Path) -> None:
    with pytest.raises(OutputError, match=r"was not uploaded \(ConnectError: .*the export is whole in"):
        upload(folder, "ann/first", private=False, endpoint="http://127.0.0.1:9")


def test_offline_nothing_is_tried(folder: Path) -> None:
    with pytest.raises(OutputError, match="offline mode is enabled"):
        upload(folder, "ann/first", private=False)


@pytest.mark.parametrize("to", ["first", "ann/", "/first", "ann/first/one", "https://x.y/ann/first", "ann/fi rst", ""])
def test_a_place_is_an_owner_and_a_name(to: str) -> None:
    with pytest.raises(ConfigError, match="expected owner/name"):
        check_place(to)


def test_a_missing_client_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memalpha.rl.hub.find_spec", lambda name: None)
    assert importlib.util.find_spec("huggingface_hub") is not None
    with pytest.raises(MissingExtraError, match=r"pip install 'memalpha\[hub\]'"):
        check_place("ann/first")
