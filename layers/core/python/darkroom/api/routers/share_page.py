"""``/s/{token}``: the public page behind a shared link, and the files on it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from darkroom.api.app import IS_HEAD
from darkroom.api.auth import CurrentApp
from darkroom.api.messages import preferred_language
from darkroom.api.routers.shares import visitor_of
from darkroom.api.share_page import SharePage, policy, render, render_missing
from darkroom.bootstrap.composition import App
from darkroom.kernel.errors import NotFound
from darkroom.usecases.shares.view_share import find_shared, view_share
from darkroom.views.shares import share_title, shared_files, shared_link

# A page for people, not a part of the API for clients.
router = APIRouter(include_in_schema=False)
_HEADERS = {
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # The URL is a secret: it must not leak to other sites or search engines.
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
Number = Annotated[int, Path(ge=1)]


@router.get("/s/{token}")
async def show_share(token: str, request: Request, app: CurrentApp) -> HTMLResponse:
    """The page. A GET counts as a view, once for each link, visitor and day; HEAD and requests for
    files do not."""
    language = preferred_language(request.headers.get("accept-language"))
    is_head = bool(request.scope.get(IS_HEAD))
    try:
        family = find_shared(app, token) if is_head else view_share(app, token, visitor_of(request))
    except NotFound:
        return _page(app, render_missing(language), language, status=404)
    page = SharePage(
        address=f"{_public_base(app, request)}/s/{token}",
        title=share_title(family, language),
        made_at=family.job.finished_at or family.job.created_at,
        language=language,
        files=tuple(shared_files(family)),
    )
    return _page(app, render(page), language)


@router.get("/s/{token}/{number}")
async def show_shared_file(
    token: str, number: Number, app: CurrentApp, download: bool = False
) -> Response:
    """Redirect to one file of the page with a new link, because a page may stay open for long."""
    link = shared_link(app, find_shared(app, token), number, inline=not download)
    headers = {name: _HEADERS[name] for name in ("Cache-Control", "Referrer-Policy")}
    return RedirectResponse(link, status_code=302, headers=headers)


def _public_base(app: App, request: Request) -> str:
    """The base URL of shared links: the console's, or else that of the request."""
    return (app.settings.console_url or str(request.base_url)).rstrip("/")


def _page(app: App, html: str, language: str, *, status: int = 200) -> HTMLResponse:
    headers = {
        **_HEADERS,
        "Content-Language": language,
        "Content-Security-Policy": policy(_storage_origin(app)),
    }
    return HTMLResponse(html, status_code=status, headers=headers)


def _storage_origin(app: App) -> str:
    """The origin of presigned links."""
    link = urlsplit(app.storage.source_url("x"))
    return f"{link.scheme}://{link.netloc}"
