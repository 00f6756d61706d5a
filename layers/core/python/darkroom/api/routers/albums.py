"""Albums: CRUD, and the outputs in them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.openapi.declare import KEY_OPTIONAL, declare
from darkroom.api.parameters import AlbumIdInPath, Cursor, Limit, OutputIdInPath
from darkroom.api.schemas.albums import (
    AddOutputsRequest,
    ChangeAlbumRequest,
    ChangeOutputRequest,
    CreateAlbumRequest,
)
from darkroom.kernel.limits import PAGE_DEFAULT
from darkroom.usecases.albums.add_to_album import put_into_album
from darkroom.usecases.albums.change_album import AlbumChange, change_album
from darkroom.usecases.albums.change_album_output import change_album_output
from darkroom.usecases.albums.create_album import create_album
from darkroom.usecases.albums.delete_album import delete_album
from darkroom.usecases.albums.remove_from_album import remove_from_album
from darkroom.views import albums as views
from darkroom.views.albums import AlbumDetailResponse, AlbumOutput, AlbumPage, AlbumResponse

router = APIRouter(tags=["Albums"])
_ROUTE = "albums"
_OUTPUTS = "album-outputs"


@router.get(
    "/api/albums",
    operation_id="listAlbums",
    summary="List albums",
    openapi_extra=declare(),
)
async def list_albums(
    app: CurrentApp,
    caller: CurrentCaller,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> AlbumPage:
    """The account's albums, newest first."""
    bound = {"account_id": caller.account_id, "route": _ROUTE}
    items, position = views.list_albums(
        app, caller.account_id, limit=limit, before=read_cursor(app, cursor, **bound)
    )
    return AlbumPage(items=items, next_cursor=make_cursor(app, position, **bound))


@router.post(
    "/api/albums",
    operation_id="createAlbum",
    summary="Create an album",
    status_code=201,
    response_model=AlbumResponse,
    openapi_extra=declare(key=KEY_OPTIONAL),
)
async def post_album(
    body: CreateAlbumRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Create an empty album."""
    command, raw = await read_command(request, app, caller, key_required=False)

    def action() -> AlbumResponse:
        return views.album_summary(app, create_album(app, command, name=body.name))

    return respond_once(app, command, raw, status=201, action=action)


@router.get(
    "/api/albums/{albumId}",
    operation_id="getAlbum",
    summary="Get an album",
    openapi_extra=declare(404),
)
async def get_album(
    album_id: AlbumIdInPath,
    app: CurrentApp,
    caller: CurrentCaller,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> AlbumDetailResponse:
    """An album with a page of its outputs, sorted by position."""
    bound = {"account_id": caller.account_id, "route": _OUTPUTS, "filters": album_id}
    album, outputs, position = views.get_album(
        app, caller.account_id, album_id, limit=limit, after=read_cursor(app, cursor, **bound)
    )
    following = make_cursor(app, position, **bound)
    return AlbumDetailResponse(**dict(album), outputs=outputs, next_cursor=following)


@router.patch(
    "/api/albums/{albumId}",
    operation_id="updateAlbum",
    summary="Change an album",
    openapi_extra=declare(404),
)
async def patch_album(
    album_id: AlbumIdInPath, body: ChangeAlbumRequest, app: CurrentApp, caller: CurrentCaller
) -> AlbumResponse:
    """Rename the album or choose its cover."""
    change = AlbumChange(
        name=body.name,
        sets_cover="cover_output_id" in body.model_fields_set,
        cover_output_id=body.cover_output_id,
    )
    album = change_album(app, account_id=caller.account_id, album_id=album_id, change=change)
    return views.album_summary(app, album)


@router.delete(
    "/api/albums/{albumId}",
    operation_id="deleteAlbum",
    summary="Delete an album",
    status_code=204,
    response_class=Response,
    openapi_extra=declare(404),
)
async def remove_album(album_id: AlbumIdInPath, app: CurrentApp, caller: CurrentCaller) -> Response:
    """Delete the album; its outputs stay with their jobs."""
    delete_album(app, account_id=caller.account_id, album_id=album_id)
    return Response(status_code=204)


@router.post(
    "/api/albums/{albumId}/outputs",
    operation_id="addAlbumOutputs",
    summary="Add outputs to an album",
    openapi_extra=declare(404, 409, "ALBUM_FULL"),
)
async def post_outputs(
    album_id: AlbumIdInPath, body: AddOutputsRequest, app: CurrentApp, caller: CurrentCaller
) -> AlbumResponse:
    """Add outputs of the account's jobs at the end. Outputs already in the album do not change."""
    album = put_into_album(
        app,
        account_id=caller.account_id,
        album_id=album_id,
        output_ids=body.output_ids,
        group=body.group,
    )
    return views.album_summary(app, album)


@router.patch(
    "/api/albums/{albumId}/outputs/{outputId}",
    operation_id="updateAlbumOutput",
    summary="Change an output in an album",
    openapi_extra=declare(404),
)
async def patch_output(
    album_id: AlbumIdInPath,
    output_id: OutputIdInPath,
    body: ChangeOutputRequest,
    app: CurrentApp,
    caller: CurrentCaller,
) -> AlbumOutput:
    """Group, tag, select or move an output within the album."""
    changes: dict[str, Any] = {
        name: value
        for name, value in body.model_dump(exclude_unset=True).items()
        if name in ("group", "position")
    }
    if body.tags is not None:
        changes["tags"] = tuple(dict.fromkeys(body.tags))
    if body.selected is not None:
        changes["is_selected"] = body.selected
    entry = change_album_output(
        app,
        account_id=caller.account_id,
        album_id=album_id,
        output_id=output_id,
        changes=changes,
    )
    return views.entry_detail(app, entry)


@router.delete(
    "/api/albums/{albumId}/outputs/{outputId}",
    operation_id="removeAlbumOutput",
    summary="Remove an output from an album",
    status_code=204,
    response_class=Response,
    openapi_extra=declare(404),
)
async def remove_output(
    album_id: AlbumIdInPath, output_id: OutputIdInPath, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Remove an output from the album; it stays with its job."""
    remove_from_album(app, account_id=caller.account_id, album_id=album_id, output_id=output_id)
    return Response(status_code=204)
