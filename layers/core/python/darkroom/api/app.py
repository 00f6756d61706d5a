"""FastAPI apps: one per function with its own router, and all of them together for the docs."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from darkroom.api import errors
from darkroom.api.bodies import StrictJson
from darkroom.bootstrap import App
from darkroom.kernel.limits import BODY_LIMIT_BYTES

TITLE = "Darkroom"
VERSION = "1.0.0"


def create_app(*routers: APIRouter, app: App | None = None) -> FastAPI:
    """An app of these routers; ``app`` replaces the process's own App (in tests)."""
    api = FastAPI(
        title=TITLE,
        version=VERSION,
        summary="Back end of an AI photo and video app",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    api.state.darkroom = app
    for router in routers:
        api.include_router(router)
    errors.install(api)
    # The one added last is the first to see a request.
    api.add_middleware(StrictJson)
    api.add_middleware(BodyLimit)
    return api


class BodyLimit:
    """Refuses bodies over 1 MB before anything parses them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _declared_length(scope) > BODY_LIMIT_BYTES:
            answer = errors.answer(Request(scope), 413, "BODY_TOO_LARGE")
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _declared_length(scope: Scope) -> int:
    body = scope.get("aws.event", {}).get("body") or ""
    headers = dict(scope["headers"])
    declared = headers.get(b"content-length", b"0")
    return max(len(body.encode()), int(declared) if declared.isdigit() else 0)
