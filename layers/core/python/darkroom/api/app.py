"""FastAPI apps: one per function with its own router, and all of them together for the docs."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from darkroom.api import errors
from darkroom.api.json_response import EscapingJSONResponse
from darkroom.api.strict_json import StrictJson
from darkroom.bootstrap.composition import App
from darkroom.kernel.limits import BODY_LIMIT_BYTES

TITLE = "Darkroom"
VERSION = "1.0.0"
IS_HEAD = "darkroom.is_head"
"""Set in the scope of a HEAD request, which routes see as GET."""


def create_app(*routers: APIRouter, app: App | None = None) -> FastAPI:
    """An app of these routers; ``app`` replaces the process's own App (in tests)."""
    api = FastAPI(
        title=TITLE,
        version=VERSION,
        summary="Back end of an AI photo and video app",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        default_response_class=EscapingJSONResponse,
    )
    api.state.darkroom = app
    for router in routers:
        api.include_router(router)
    errors.install(api)
    # The one added last is the first to see a request.
    api.add_middleware(StrictJson)
    api.add_middleware(BodyLimit)
    api.add_middleware(JsonBodies)
    api.add_middleware(HeadLikeGet)
    return api


class HeadLikeGet:
    """Answers HEAD as GET would be answered, without the body (RFC 9110, section 9.3.2)."""

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
    """Takes every body for JSON, because no route takes anything else: clients forget to say so.

    Callers are known by their token, never by a cookie, so no page of somebody else's can send
    what a browser would send without asking first.
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
