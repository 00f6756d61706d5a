"""``/openapi.json`` and ``/docs``: every route of every function."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse

from darkroom.api.openapi.page import render

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
async def openapi() -> JSONResponse:
    return JSONResponse(_document())


@router.get("/docs")
async def docs() -> HTMLResponse:
    return HTMLResponse(render(_document()))


def _document() -> dict[str, Any]:
    # Imports the routers of all functions, which would slow the cold start of this one.
    from darkroom.api.openapi.document import full_openapi

    return full_openapi()
