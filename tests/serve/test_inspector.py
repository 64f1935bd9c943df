"""The files of the page over HTTP: what is served, under which headers, and that nothing else is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from memalpha.serve import inspector
from memalpha.serve.inspector import HEADERS, inspector_routes, page_files
from memalpha.serve.launch import serving

FILES = page_files()


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    app = FastAPI()
    app.include_router(inspector_routes())
    with serving(app) as url:
        yield url


@pytest.mark.parametrize("name", ["", *FILES])
def test_every_file_comes_with_all_headers(base: str, name: str) -> None:
    reply = httpx.get(f"{base}/inspector/{name}")
    assert reply.status_code == 200
    assert {key: reply.headers[key] for key in HEADERS} == HEADERS
    file = FILES[name or "index.html"]
    assert (reply.content, reply.headers["content-type"]) == (file.content, file.media_type)
    head = httpx.head(f"{base}/inspector/{name}")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", file.tag)


def test_what_has_not_changed_is_not_sent_again(base: str) -> None:
    def ask(tags: str) -> httpx.Response:
        return httpx.get(f"{base}/inspector/app.js", headers={"If-None-Match": tags})

    tag = httpx.get(f"{base}/inspector/app.js").headers["etag"]
    for tags in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        reply = ask(tags)
        assert (reply.status_code, reply.content, reply.headers["etag"]) == (304, b"", tag)
        assert reply.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
    assert ask('"other"').status_code == 200


def test_the_address_without_a_slash_leads_to_the_page(base: str) -> None:
    reply = httpx.get(f"{base}/inspector")
    assert (reply.status_code, reply.headers["location"]) == (308, "inspector/")
    assert httpx.get(f"{base}/inspector", follow_redirects=True).text.startswith("<!doctype html>")


@pytest.mark.parametrize("path", ["nothing.js", "../launch.py", "..%2Flaunch.py", "%2e%2e/launch.py", "style.css%00"])
def test_nothing_else_is_served(base: str, path: str) -> None:
    assert httpx.get(f"{base}/inspector/{path}").status_code == 404


def test_nothing_is_taken(base: str) -> None:
    assert httpx.post(f"{base}/inspector/").status_code == 405


def test_the_policy_lets_nothing_in_but_the_page_itself() -> None:
    policy = dict(part.split(maxsplit=1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[kind] for kind in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert not any("unsafe" in value for value in policy.values())


def test_the_page_needs_nothing_from_elsewhere_and_nothing_inline() -> None:
    html = FILES["index.html"].content.decode()
    named = re.findall(r'(?:src|href)="([^"#]+)', html)
    assert set(named) <= set(FILES)
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=", html)
    for name, file in FILES.items():
        text = file.content.decode()
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), name
        for other in re.findall(r'from "\./([^"]+)"', text):
            assert other in FILES, f"{name} imports {other}"


def test_no_script_makes_markup_from_text() -> None:
    for name, file in FILES.items():
        found = re.search(r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval)\b", file.content.decode())
        assert not found, f"{name}: {found}"


def test_every_file_of_the_folder_is_served_and_none_is_long() -> None:
    assert set(FILES) == {each.name for each in Path(inspector.__file__).with_suffix("").iterdir()}
    for name, file in FILES.items():
        assert len(file.content.splitlines()) <= 320, f"{name}: split it by duty"
