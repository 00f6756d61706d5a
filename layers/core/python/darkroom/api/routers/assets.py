"""Assets: lists, details and changes by their owner."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.bulk import results_for_each
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.openapi.declare import KEY_OPTIONAL, declare
from darkroom.api.parameters import AssetIdInPath, Cursor, Limit
from darkroom.api.schemas.assets import (
    DescribeRequest,
    KnownKind,
    KnownSort,
)
from darkroom.api.schemas.bulk import AssetIdsRequest, BulkAssetResult, BulkAssetsResponse
from darkroom.assets import store
from darkroom.assets.model import AssetStatus
from darkroom.assets.store import ASSET_PREFIX
from darkroom.kernel.ids import is_id
from darkroom.kernel.limits import (
    PAGE_DEFAULT,
    SEARCH_LIMIT_CHARS,
    TAG_LIMIT_CHARS,
)
from darkroom.usecases.assets.delete_asset import delete_asset
from darkroom.usecases.assets.describe_asset import describe_asset
from darkroom.views import assets as views
from darkroom.views.asset_lists import AssetFilters
from darkroom.views.assets import AssetPage, AssetResponse

router = APIRouter(tags=["Assets"])
_ROUTE = "assets"


@router.get(
    "/api/assets",
    operation_id="listAssets",
    summary="List files",
    openapi_extra=declare(),
)
async def list_assets(
    app: CurrentApp,
    caller: CurrentCaller,
    status: Annotated[AssetStatus | None, Query(description="Only files in this state.")] = None,
    kind: Annotated[KnownKind | None, Query(description="Only files of this kind.")] = None,
    search: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=SEARCH_LIMIT_CHARS,
            description="Beginnings of words in name and tags, or a whole id.",
            examples=["first da"],
        ),
    ] = None,
    tag: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=TAG_LIMIT_CHARS,
            description="Only files with this tag, in any case.",
            examples=["summer"],
        ),
    ] = None,
    sort: Annotated[
        KnownSort,
        Query(description="`duration` lists the longest first, and pictures last."),
    ] = "newest",
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> AssetPage:
    """The account's assets.

    ``search`` matches the beginnings of words in names and tags, or a whole id. A search by words
    or tag covers at most a thousand files. ``sort=duration`` lists the longest first.
    """
    filters = AssetFilters(status=status, kind=kind, search=search, tag=tag, sort=sort)
    bound = {"account_id": caller.account_id, "route": _ROUTE, "filters": filters.text}
    items, position = views.list_assets(
        app,
        caller.account_id,
        filters,
        limit=limit,
        after=read_cursor(app, cursor, **bound),
        language=caller.language,
    )
    return AssetPage(items=items, next_cursor=make_cursor(app, position, **bound))


@router.get(
    "/api/assets/{assetId}",
    operation_id="getAsset",
    summary="Get a file",
    openapi_extra=declare(404),
)
async def get_asset(
    asset_id: AssetIdInPath, app: CurrentApp, caller: CurrentCaller
) -> AssetResponse:
    """One asset, with links to its clean copy once it is ``uploaded``."""
    asset = store.get_asset(caller.account_id, asset_id)
    return views.asset_with_job(app, asset, language=caller.language)


@router.patch(
    "/api/assets/{assetId}",
    operation_id="updateAsset",
    summary="Change a file",
    openapi_extra=declare(404),
)
async def patch_asset(
    asset_id: AssetIdInPath, body: DescribeRequest, app: CurrentApp, caller: CurrentCaller
) -> AssetResponse:
    """Rename a file, tag it, or put it into a folder. Lists show the change a moment later."""
    changes: dict[str, Any] = body.model_dump(exclude_unset=True)
    if body.tags is not None:
        changes["tags"] = tuple(dict.fromkeys(body.tags))
    asset = describe_asset(app, account_id=caller.account_id, asset_id=asset_id, changes=changes)
    return views.asset_with_job(app, asset, language=caller.language)


@router.delete(
    "/api/assets/{assetId}",
    operation_id="deleteAsset",
    summary="Delete a file",
    status_code=204,
    response_class=Response,
    openapi_extra=declare(404, 409, "ASSET_IN_USE"),
)
async def remove_asset(asset_id: AssetIdInPath, app: CurrentApp, caller: CurrentCaller) -> Response:
    """Delete a file. 409 ``ASSET_IN_USE`` while an active reference photo uses it."""
    delete_asset(app, account_id=caller.account_id, asset_id=asset_id)
    return Response(status_code=204)


@router.post(
    "/api/assets/bulk/delete",
    operation_id="deleteAssets",
    summary="Delete many files",
    response_model=BulkAssetsResponse,
    openapi_extra=declare(key=KEY_OPTIONAL),
)
async def remove_assets(
    body: AssetIdsRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Delete up to 100 files; each has its own result."""
    command, raw = await read_command(request, app, caller, key_required=False)

    def one(asset_id: str) -> BulkAssetResult:
        delete_asset(app, account_id=command.account_id, asset_id=asset_id)
        return BulkAssetResult(asset_id=asset_id, ok=True)

    def action() -> BulkAssetsResponse:
        results = results_for_each(
            body.asset_ids,
            one,
            refused=BulkAssetResult.refused,
            knows=lambda text: is_id(text, ASSET_PREFIX),
            language=command.language,
        )
        return BulkAssetsResponse(results=results)

    return respond_once(app, command, raw, status=200, action=action)
