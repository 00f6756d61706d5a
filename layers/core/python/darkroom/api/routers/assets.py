"""Reads of assets."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.docs import responses
from darkroom.api.schemas import Answer
from darkroom.assets import store
from darkroom.kernel.limits import PAGE_DEFAULT, PAGE_LIMIT
from darkroom.views import assets as views

router = APIRouter(tags=["assets"])
_ROUTE = "assets"
AssetId = Annotated[str, Path(alias="assetId")]


class AssetAnswer(Answer):
    """``downloadUrl`` is the clean copy; both links live 15 minutes."""

    asset_id: str
    filename: str
    kind: str
    status: str
    mime_type: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    thumbnail_url: str | None = None
    download_url: str | None = None
    tags: list[str]
    error_code: str | None = None
    error_message: str | None = None
    created_at: str
    updated_at: str


class AssetPage(Answer):
    items: list[AssetAnswer]
    next_cursor: str | None


@router.get("/api/assets", responses=responses(AssetPage, 200, 400, 401), response_model=None)
async def list_assets(
    app: CurrentApp,
    caller: CurrentCaller,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = PAGE_DEFAULT,
) -> dict[str, Any]:
    """The account's assets, newest first."""
    bound = {"account_id": caller.account_id, "route": _ROUTE}
    items, position = views.list_assets(
        app,
        caller.account_id,
        limit=limit,
        before=read_cursor(app, cursor, **bound),
        language=caller.language,
    )
    return {"items": items, "nextCursor": make_cursor(app, position, **bound)}


@router.get(
    "/api/assets/{assetId}", responses=responses(AssetAnswer, 200, 401, 404), response_model=None
)
async def get_asset(asset_id: AssetId, app: CurrentApp, caller: CurrentCaller) -> dict[str, Any]:
    """One asset, with links to its clean copy once it is ``uploaded``."""
    asset = store.get_asset(caller.account_id, asset_id)
    return views.asset_detail(app, asset, language=caller.language)
