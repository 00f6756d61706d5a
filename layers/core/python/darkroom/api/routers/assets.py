"""Assets: lists and details, and what their owner may change of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints, model_validator

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.bulk import answer_each
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.idempotency import answer_once, read_command
from darkroom.api.openapi.responses import responses
from darkroom.api.schemas import Answer, Composed, Request
from darkroom.assets import store
from darkroom.assets.store import ASSET_PREFIX
from darkroom.kernel.ids import is_id
from darkroom.kernel.limits import (
    BULK_LIMIT,
    FOLDER_LIMIT_CHARS,
    PAGE_DEFAULT,
    PAGE_LIMIT,
    SEARCH_LIMIT_CHARS,
    TAG_LIMIT_CHARS,
    TAGS_LIMIT,
)
from darkroom.recipes.fields import broken
from darkroom.usecases.assets.delete_asset import delete_asset
from darkroom.usecases.assets.describe_asset import describe_asset
from darkroom.views import assets as views
from darkroom.views.asset_lists import AssetFilters

router = APIRouter(tags=["assets"])
_ROUTE = "assets"
AssetId = Annotated[str, Path(alias="assetId")]
# No control characters: labels are shown on one line, and lists are kept by them.
_Line = StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00-\x1f\x7f]*$")
Tag = Annotated[str, _Line, Field(max_length=TAG_LIMIT_CHARS), Composed]
Folder = Annotated[str, _Line, Field(max_length=FOLDER_LIMIT_CHARS), Composed]
Status = Literal["uploading", "checking", "uploaded", "failed"]
Kind = Literal["image", "video", "audio"]
Sort = Literal["newest", "oldest", "name", "duration"]


class LatestJob(Answer):
    job_id: str
    status: str


class AssetAnswer(Answer):
    """``downloadUrl`` is the clean copy; both links live 15 minutes.

    ``faces`` is missing while nobody has counted them. ``note`` says what is less than perfect
    with a usable file: ``NO_THUMBNAIL``, ``METADATA_KEPT`` or ``TRACKS_LEFT_OUT``.
    """

    asset_id: str
    filename: str
    kind: str
    status: str
    mime_type: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    faces: int | None = None
    is_ai_generated: bool
    generation_prompt: str | None = None
    thumbnail_url: str | None = None
    download_url: str | None = None
    tags: list[str]
    folder: str | None = None
    note: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    latest_job: LatestJob | None = None
    created_at: str
    updated_at: str


class AssetPage(Answer):
    items: list[AssetAnswer]
    next_cursor: str | None


class AssetIdsRequest(Request):
    answers_each = frozenset({"assetIds"})

    asset_ids: Annotated[list[str], Field(min_length=1, max_length=BULK_LIMIT)]


class BulkAssetResult(Answer):
    """What became of one of the files; ``code`` and ``error`` say why not."""

    asset_id: str
    ok: bool
    code: str | None = None
    error: str | None = None


class BulkAssetsAnswer(Answer):
    results: list[BulkAssetResult]


class DescribeRequest(Request):
    """What is not sent stays; ``folder: null`` takes the file out of its folder."""

    filename: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    tags: Annotated[list[Tag], Field(max_length=TAGS_LIMIT)] | None = None
    folder: Folder | None = None

    @model_validator(mode="after")
    def _names_something(self) -> DescribeRequest:
        if not self.model_fields_set:
            raise broken("NOTHING_TO_CHANGE", "filename", "tags", "folder")
        nulls = {name for name in self.model_fields_set if getattr(self, name) is None}
        if nulls - {"folder"}:
            raise broken("NOT_NULL", *sorted(nulls - {"folder"}))
        return self


@router.get("/api/assets", responses=responses(AssetPage, 200, 400, 401), response_model=None)
async def list_assets(
    app: CurrentApp,
    caller: CurrentCaller,
    status: Status | None = None,
    kind: Kind | None = None,
    search: Annotated[str | None, Query(min_length=1, max_length=SEARCH_LIMIT_CHARS)] = None,
    tag: Annotated[str | None, Query(min_length=1, max_length=TAG_LIMIT_CHARS)] = None,
    sort: Sort = "newest",
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = PAGE_DEFAULT,
) -> dict[str, Any]:
    """The account's assets. ``search`` finds the beginnings of words of names and tags, or a
    whole id; by words and tags the first thousand files are found. ``duration``: longest first.
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
    return {"items": items, "nextCursor": make_cursor(app, position, **bound)}


@router.get(
    "/api/assets/{assetId}", responses=responses(AssetAnswer, 200, 401, 404), response_model=None
)
async def get_asset(asset_id: AssetId, app: CurrentApp, caller: CurrentCaller) -> dict[str, Any]:
    """One asset, with links to its clean copy once it is ``uploaded``."""
    asset = store.get_asset(caller.account_id, asset_id)
    return views.asset_with_job(app, asset, language=caller.language)


@router.patch(
    "/api/assets/{assetId}",
    responses=responses(AssetAnswer, 200, 400, 401, 404),
    response_model=None,
)
async def patch_asset(
    asset_id: AssetId, body: DescribeRequest, app: CurrentApp, caller: CurrentCaller
) -> dict[str, Any]:
    """Rename a file, tag it, or put it into a folder. Lists follow within moments."""
    changes: dict[str, Any] = body.model_dump(exclude_unset=True)
    if body.tags is not None:
        changes["tags"] = tuple(dict.fromkeys(body.tags))
    asset = describe_asset(app, account_id=caller.account_id, asset_id=asset_id, changes=changes)
    return views.asset_with_job(app, asset, language=caller.language)


@router.delete(
    "/api/assets/{assetId}",
    status_code=204,
    response_class=Response,
    responses=responses(None, 204, 401, 404, 409),
)
async def remove_asset(asset_id: AssetId, app: CurrentApp, caller: CurrentCaller) -> Response:
    """Delete a file; 409 ``ASSET_IN_USE`` while an active reference photo is made of it."""
    delete_asset(app, account_id=caller.account_id, asset_id=asset_id)
    return Response(status_code=204)


@router.post(
    "/api/assets/bulk/delete",
    responses=responses(BulkAssetsAnswer, 200, 400, 401, 422),
    response_model=None,
)
async def remove_assets(
    body: AssetIdsRequest, request: HttpRequest, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Delete up to 100 files; each is answered on its own, as deleting it alone would be."""
    call, raw = await read_command(request, app, caller, key_required=False)

    def one(asset_id: str) -> dict[str, Any]:
        delete_asset(app, account_id=call.account_id, asset_id=asset_id)
        return {}

    def action() -> dict[str, Any]:
        return answer_each(
            body.asset_ids,
            one,
            name="assetId",
            knows=lambda each: is_id(each, ASSET_PREFIX),
            language=call.language,
        )

    return answer_once(app, call, raw, status=200, action=action)
