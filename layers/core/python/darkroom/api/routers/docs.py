"""``/openapi.json`` and ``/docs``: every route of every function."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse

from darkroom.api.auth import CurrentApp
from darkroom.api.openapi.page import render
from darkroom.bootstrap.composition import App

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
async def openapi(app: CurrentApp) -> JSONResponse:
    return JSONResponse(_document(app))


@router.get("/docs")
async def docs(app: CurrentApp) -> HTMLResponse:
    return HTMLResponse(render(_document(app)))


def _document(app: App) -> dict[str, Any]:
    """The document of what this stack has: test hooks only if it has them."""
    # Imports the routers of all functions, which would slow the cold start of this one.
    from darkroom.api.openapi.document import full_openapi, public_openapi

    return full_openapi() if app.settings.test_hooks else public_openapi()
