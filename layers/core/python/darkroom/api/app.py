"""FastAPI apps: one per function with its own routers, and one of all routers for the docs."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from darkroom.api import errors
from darkroom.api.json_response import EscapingJSONResponse
from darkroom.api.rate_limits import RateLimits
from darkroom.api.strict_json import StrictJson
from darkroom.bootstrap.composition import App
from darkroom.kernel.limits import BODY_LIMIT_BYTES

TITLE = "Darkroom"
VERSION = "0.1.0"
"""The version of the product and of its API: a breaking change is a new major version."""
VERSION_HEADER = "Darkroom-Version"
IS_HEAD = "darkroom.is_head"
"""The key in the scope that marks a HEAD request, which routes receive as GET."""


def create_app(
    *routers: APIRouter, app: App | None = None, explorer: Path | None = None
) -> FastAPI:
    """An app with these routers; in tests ``app`` replaces the App of the process. ``explorer`` is
    the folder with the script of ``/docs``, in the function that serves it."""
    api = Api(
        title=TITLE,
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        default_response_class=EscapingJSONResponse,
    )
    api.state.darkroom = app
    api.state.explorer = explorer
    for router in routers:
        api.include_router(router)
    errors.install(api)
    # The middleware added last handles a request first.
    api.add_middleware(StrictJson)
    api.add_middleware(BodyLimit)
    api.add_middleware(JsonBodies)
    api.add_middleware(HeadLikeGet)
    return api


class Api(FastAPI):
    """Adds the API's version and the rate limits to every response, also to those for unexpected
    errors, which no middleware sees."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_version(message: Message) -> None:
            if message["type"] == "http.response.start":
                version = (VERSION_HEADER.lower().encode(), VERSION.encode())
                message = {**message, "headers": [*message.get("headers", ()), version]}
            await send(message)

        # As the framework does itself, but later.
        scope["app"] = self
        await RateLimits(super().__call__)(scope, receive, send_with_version)


class HeadLikeGet:
    """Responds to HEAD as to GET, without the body (RFC 9110, section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET", IS_HEAD: True}, receive, send_head)


class JsonBodies:
    """Treats every body as JSON: no route takes anything else, and clients forget the header.

    This opens no way for cross-site requests without a preflight: callers authenticate with a
    token, never with a cookie.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "DELETE"):
            others = [pair for pair in scope["headers"] if pair[0] != b"content-type"]
            scope = {**scope, "headers": [*others, (b"content-type", b"application/json")]}
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses bodies over 1 MB before anything parses them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _declared_length(scope) > BODY_LIMIT_BYTES:
            response = errors.error_response(Request(scope), 413, "BODY_TOO_LARGE")
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _declared_length(scope: Scope) -> int:
    body = scope.get("aws.event", {}).get("body") or ""
    headers = dict(scope["headers"])
    declared = headers.get(b"content-length", b"0")
    return max(len(body.encode()), int(declared) if declared.isdigit() else 0)
