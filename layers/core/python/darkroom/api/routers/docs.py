"""``/openapi.json`` and ``/docs``: every route of every function."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse

from darkroom.api.docs_page import render

router = APIRouter(include_in_schema=False)


@cache
def full_openapi() -> dict[str, Any]:
    """The OpenAPI document of all functions together (OpenAPI 3.1)."""
    from darkroom.api.app import create_app
    from darkroom.api.routers import everything

    document = create_app(*everything.ROUTERS).openapi()
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "ticket": {"type": "apiKey", "in": "query", "name": "ticket"},
    }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path not in everything.PUBLIC_PATHS:
                operation["security"] = [{"bearer": []}]
            if path in everything.SELF_CHECKED_PATHS:
                operation["security"].append({"ticket": []})
            # Invalid input is 400 in the documented shape here, never FastAPI's own 422.
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    return document


@router.get("/openapi.json")
async def openapi() -> JSONResponse:
    return JSONResponse(full_openapi())


@router.get("/docs")
async def docs() -> HTMLResponse:
    return HTMLResponse(render(full_openapi()))
