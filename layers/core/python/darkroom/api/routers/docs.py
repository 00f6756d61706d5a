"""``/openapi.json`` and ``/docs``: every route of every function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from darkroom.api.auth import CurrentApp
from darkroom.api.openapi import explorer
from darkroom.bootstrap.composition import App
from darkroom.kernel.errors import NotFound

router = APIRouter(include_in_schema=False)
_NO_SNIFF = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_FOREVER = "public, max-age=31536000, immutable"


@router.get("/openapi.json")
async def openapi(app: CurrentApp) -> JSONResponse:
    return JSONResponse(_document(app))


@router.get("/docs")
async def docs(request: Request, script: str | None = None) -> Response:
    """The page, or the one script that it loads from here."""
    if script is not None:
        return _script(request, script)
    headers = {"Content-Security-Policy": explorer.POLICY, "Cache-Control": "no-cache", **_NO_SNIFF}
    return HTMLResponse(explorer.PAGE, headers=headers)


def _script(request: Request, name: str) -> Response:
    folder: Path | None = request.app.state.explorer
    if name != explorer.SCRIPT or folder is None:
        raise NotFound("no such script")
    compressed = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding", **_NO_SNIFF}
    if compressed:
        headers["Content-Encoding"] = "gzip"
    content = explorer.script(folder, compressed=compressed)
    return Response(content, headers=headers, media_type="text/javascript")


def _document(app: App) -> dict[str, Any]:
    """The document of what this stack has: test hooks only if it has them."""
    # Imports the routers of all functions, which would slow the cold start of this one.
    from darkroom.api.openapi.document import full_openapi, public_openapi

    return full_openapi() if app.settings.test_hooks else public_openapi()
