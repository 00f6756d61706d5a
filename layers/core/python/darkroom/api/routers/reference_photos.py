"""Reference photos: register, list, deactivate."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.openapi.declare import KEY_OPTIONAL, declare
from darkroom.api.parameters import Cursor, Limit, ReferencePhotoIdInPath
from darkroom.api.schemas.reference_photos import (
    ROLE_PATTERN,
    RegisterRequest,
)
from darkroom.kernel.limits import PAGE_DEFAULT
from darkroom.usecases.assets.deactivate_reference_photo import deactivate_reference_photo
from darkroom.usecases.assets.register_reference_photo import register_reference_photo
from darkroom.views import reference_photos as views
from darkroom.views.reference_photos import ReferencePhotoPage, ReferencePhotoResponse

router = APIRouter(tags=["Reference photos"])
_ROUTE = "reference-photos"


@router.post(
    "/api/reference-photos",
    operation_id="createReferencePhoto",
    summary="Register a reference photo",
    status_code=201,
    response_model=ReferencePhotoResponse,
    openapi_extra=declare(
        "NO_FACE",
        "MULTIPLE_FACES",
        "ASSET_NOT_READY",
        "ASSET_FAILED",
        "FACE_CHECK_UNAVAILABLE",
        key=KEY_OPTIONAL,
    ),
)
async def register(
    body: RegisterRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Register a checked picture of exactly one person for portraits. It is free.

    400 ``NO_FACE`` or ``MULTIPLE_FACES`` with ``faces`` for other pictures. 503
    ``FACE_CHECK_UNAVAILABLE``: faces are being counted again; repeat after ``Retry-After``.
    """
    command, raw = await read_command(request, app, caller, key_required=False)

    def action() -> ReferencePhotoResponse:
        photo = register_reference_photo(
            app, account_id=caller.account_id, asset_id=body.asset_id, role=body.role
        )
        return views.reference_photo_detail(app, photo)

    return respond_once(app, command, raw, status=201, action=action)


@router.get(
    "/api/reference-photos",
    operation_id="listReferencePhotos",
    summary="List reference photos",
    openapi_extra=declare(),
)
async def list_reference_photos(
    app: CurrentApp,
    caller: CurrentCaller,
    role: Annotated[
        str | None,
        Query(pattern=ROLE_PATTERN, description="Only photos in this role.", examples=["bride"]),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> ReferencePhotoPage:
    """The account's active photos, by role and newest first in each role."""
    bound = {"account_id": caller.account_id, "route": _ROUTE, "filters": role or ""}
    items, position = views.list_reference_photos(
        app,
        caller.account_id,
        role=role,
        limit=limit,
        before=read_cursor(app, cursor, **bound),
    )
    return ReferencePhotoPage(items=items, next_cursor=make_cursor(app, position, **bound))


@router.delete(
    "/api/reference-photos/{referencePhotoId}",
    operation_id="deactivateReferencePhoto",
    summary="Deactivate a reference photo",
    openapi_extra=declare(404),
)
async def deactivate(
    reference_photo_id: ReferencePhotoIdInPath,
    app: CurrentApp,
    caller: CurrentCaller,
) -> ReferencePhotoResponse:
    """Deactivate a photo: no new portraits are made from it. Safe to repeat."""
    photo = deactivate_reference_photo(
        app, account_id=caller.account_id, reference_photo_id=reference_photo_id
    )
    return views.reference_photo_detail(app, photo)
