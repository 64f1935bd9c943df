"""The Inspector: the files of a web page that looks into memories and runs, and the headers that keep it to itself.

The page asks the same server for all it shows, with the key of whoever looks; its own files hold nothing secret and
need none. Nothing is built: what stands in `inspector/` is what a browser reads.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

PATH = "/inspector/"
MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
"""By the ends of the names of its files."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}
"""Of every file: no script and no style but its own, no other origin, and texts that can never become markup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFile:
    """One file of the page."""

    content: bytes
    media_type: str
    tag: str
    """Its ETag: another one for other content."""


def page_files() -> dict[str, PageFile]:
    """Every file of the page by its name."""
    found = {}
    for each in (files("memalpha.serve") / "inspector").iterdir():
        media_type = MEDIA_TYPES.get(each.name.rpartition(".")[2])
        if media_type is not None:
            content = each.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            found[each.name] = PageFile(content=content, media_type=media_type, tag=tag)
    return found


def inspector_routes() -> APIRouter:
    """The page at /inspector/."""
    routes, kept = APIRouter(include_in_schema=False), page_files()

    @routes.get(PATH.rstrip("/"))
    @routes.head(PATH.rstrip("/"))
    async def without_slash() -> Response:
        # A relative address, since the server may stand behind another one.
        return RedirectResponse("inspector/", status_code=308)

    @routes.get(PATH)
    @routes.head(PATH)
    async def page(http: Request) -> Response:
        return _answer(kept["index.html"], http)

    @routes.get(PATH + "{name}")
    @routes.head(PATH + "{name}")
    async def part(name: str, http: Request) -> Response:
        if name not in kept:
            raise HTTPException(404, f"got {PATH}{name}, expected a file of the page; open {PATH}")
        return _answer(kept[name], http)

    return routes


def _answer(file: PageFile, http: Request) -> Response:
    headers = HEADERS | {"ETag": file.tag}
    known = [tag.strip().removeprefix("W/") for tag in http.headers.get("if-none-match", "").split(",")]
    if file.tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
