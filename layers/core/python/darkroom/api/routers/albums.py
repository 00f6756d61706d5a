"""Albums: CRUD, and the outputs in them."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Response
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.docs import responses
from darkroom.api.idempotency import answer_once, read_command
from darkroom.api.schemas import Answer, Composed, Identifier, Request
from darkroom.kernel.limits import (
    ALBUM_POSITION_LIMIT,
    PAGE_DEFAULT,
    PAGE_LIMIT,
    TAG_LIMIT_CHARS,
    TAGS_LIMIT,
)
from darkroom.recipes.fields import broken
from darkroom.usecases.albums.add_to_album import put_into_album
from darkroom.usecases.albums.change_album import AlbumChange, change_album
from darkroom.usecases.albums.change_album_output import change_album_output
from darkroom.usecases.albums.create_album import create_album
from darkroom.usecases.albums.delete_album import delete_album
from darkroom.usecases.albums.remove_from_album import remove_from_album
from darkroom.views import albums as views

router = APIRouter(tags=["albums"])
_ROUTE = "albums"
_OUTPUTS = "album-outputs"
AlbumId = Annotated[str, Path(alias="albumId")]
OutputId = Annotated[str, Path(alias="outputId")]
# No control characters: names and labels are shown on one line.
_Line = StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00-\x1f\x7f]*$")
Name = Annotated[str, _Line, Field(max_length=100), Composed]
Label = Annotated[str, _Line, Field(max_length=TAG_LIMIT_CHARS), Composed]
RequestT = TypeVar("RequestT", bound=Request)


class CreateAlbumRequest(Request):
    name: Name


class ChangeAlbumRequest(Request):
    """What is not sent stays; ``coverOutputId: null`` is an album without a cover."""

    name: Name | None = None
    cover_output_id: Identifier | None = None

    @model_validator(mode="after")
    def _names_something(self) -> ChangeAlbumRequest:
        return _changing(self, never_null={"name"})


class AddOutputsRequest(Request):
    output_ids: Annotated[list[Identifier], Field(min_length=1, max_length=PAGE_LIMIT)]
    group: Label | None = None


class ChangeOutputRequest(Request):
    """What is not sent stays. Outputs are shown by ``position``, the lowest first."""

    group: Label | None = None
    tags: Annotated[list[Label], Field(max_length=TAGS_LIMIT)] | None = None
    selected: bool | None = None
    position: Annotated[int, Field(ge=0, le=ALBUM_POSITION_LIMIT)] | None = None

    @model_validator(mode="after")
    def _names_something(self) -> ChangeOutputRequest:
        return _changing(self, never_null={"tags", "selected", "position"})


def _changing(body: RequestT, *, never_null: set[str]) -> RequestT:
    if not body.model_fields_set:
        raise broken("NOTHING_TO_CHANGE", *map(to_camel, type(body).model_fields))
    nulls = {name for name in body.model_fields_set if getattr(body, name) is None}
    if nulls & never_null:
        raise broken("NOT_NULL", *map(to_camel, sorted(nulls & never_null)))
    return body


class AlbumAnswer(Answer):
    album_id: str
    name: str
    output_count: int
    cover_output_id: str | None = None
    cover_url: str | None = None
    created_at: str
    updated_at: str


class AlbumOutputAnswer(Answer):
    """``selected`` is the album's pick, not the job's."""

    output_id: str
    job_id: str
    key: str
    type: str
    mime_type: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    style: str | None = None
    role: str | None = None
    language: str | None = None
    group: str | None = None
    tags: list[str]
    selected: bool
    position: int
    added_at: str
    download_url: str


class AlbumDetailAnswer(AlbumAnswer):
    outputs: list[AlbumOutputAnswer]
    next_cursor: str | None


class AlbumPage(Answer):
    items: list[AlbumAnswer]
    next_cursor: str | None


@router.get("/api/albums", responses=responses(AlbumPage, 200, 400, 401), response_model=None)
async def list_albums(
    app: CurrentApp,
    caller: CurrentCaller,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = PAGE_DEFAULT,
) -> dict[str, Any]:
    """The account's albums, newest first."""
    bound = {"account_id": caller.account_id, "route": _ROUTE}
    items, position = views.list_albums(
        app, caller.account_id, limit=limit, before=read_cursor(app, cursor, **bound)
    )
    return {"items": items, "nextCursor": make_cursor(app, position, **bound)}


@router.post(
    "/api/albums", status_code=201, responses=responses(AlbumAnswer, 201, 400, 401, 409, 422)
)
async def post_album(
    body: CreateAlbumRequest, request: HttpRequest, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Create an empty album."""
    call, raw = await read_command(request, app, caller, key_required=False)

    def action() -> dict[str, Any]:
        return views.album_summary(app, create_album(app, call, name=body.name))

    return answer_once(app, call, raw, status=201, action=action)


@router.get(
    "/api/albums/{albumId}",
    responses=responses(AlbumDetailAnswer, 200, 400, 401, 404),
    response_model=None,
)
async def get_album(
    album_id: AlbumId,
    app: CurrentApp,
    caller: CurrentCaller,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = PAGE_DEFAULT,
) -> dict[str, Any]:
    """An album with its outputs by position, page by page."""
    bound = {"account_id": caller.account_id, "route": _OUTPUTS, "filters": album_id}
    album, position = views.get_album(
        app, caller.account_id, album_id, limit=limit, after=read_cursor(app, cursor, **bound)
    )
    return {**album, "nextCursor": make_cursor(app, position, **bound)}


@router.patch(
    "/api/albums/{albumId}",
    responses=responses(AlbumAnswer, 200, 400, 401, 404),
    response_model=None,
)
async def patch_album(
    album_id: AlbumId, body: ChangeAlbumRequest, app: CurrentApp, caller: CurrentCaller
) -> dict[str, Any]:
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
    status_code=204,
    response_class=Response,
    responses=responses(None, 204, 401, 404),
)
async def remove_album(album_id: AlbumId, app: CurrentApp, caller: CurrentCaller) -> Response:
    """Delete the album; its outputs stay with their jobs."""
    delete_album(app, account_id=caller.account_id, album_id=album_id)
    return Response(status_code=204)


@router.post(
    "/api/albums/{albumId}/outputs",
    responses=responses(AlbumAnswer, 200, 400, 401, 404, 409),
    response_model=None,
)
async def post_outputs(
    album_id: AlbumId, body: AddOutputsRequest, app: CurrentApp, caller: CurrentCaller
) -> dict[str, Any]:
    """Add outputs of the account's jobs behind the last; those that are there stay as they are."""
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
    responses=responses(AlbumOutputAnswer, 200, 400, 401, 404),
    response_model=None,
)
async def patch_output(
    album_id: AlbumId,
    output_id: OutputId,
    body: ChangeOutputRequest,
    app: CurrentApp,
    caller: CurrentCaller,
) -> dict[str, Any]:
    """Group, tag, pick or move an output within the album."""
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
    status_code=204,
    response_class=Response,
    responses=responses(None, 204, 401, 404),
)
async def remove_output(
    album_id: AlbumId, output_id: OutputId, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Take an output out of the album; it stays with its job."""
    remove_from_album(app, account_id=caller.account_id, album_id=album_id, output_id=output_id)
    return Response(status_code=204)
