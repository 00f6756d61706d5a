"""An account's reference photos, as the API shows them."""

from __future__ import annotations

from typing import Annotated

from darkroom.assets import reference_store
from darkroom.assets.model import ReferencePhoto
from darkroom.bootstrap.composition import App
from darkroom.kernel.clock import to_iso
from darkroom.views.base import (
    AssetId,
    Link,
    NextCursor,
    ReferencePhotoId,
    ResponseBody,
    Timestamp,
    described,
)

RoleName = Annotated[
    str,
    described(
        "Who the person is in the pictures to be made. `GET /api/recipes` has labels for the usual "
        "ones; any other is as good.",
        "bride",
    ),
]


class ReferencePhotoResponse(ResponseBody):
    """A picture of one person. Inactive ones are kept for the jobs that were made from them."""

    reference_photo_id: ReferencePhotoId
    asset_id: Annotated[AssetId, described("Id of the picture it was registered from.")]
    role: RoleName
    is_active: Annotated[bool, described("Whether new portraits can be made from it.")]
    download_url: Annotated[Link, described("Signed link to the clean copy of the picture.")]
    created_at: Annotated[Timestamp, described("When it was registered.")]


class ReferencePhotoPage(ResponseBody):
    items: Annotated[
        list[ReferencePhotoResponse],
        described("Active photos, by role and newest first in each role."),
    ]
    next_cursor: NextCursor


def list_reference_photos(
    app: App, account_id: str, *, role: str | None, limit: int, before: str | None
) -> tuple[list[ReferencePhotoResponse], str | None]:
    """A page of the account's active photos, and where the next page starts."""
    photos, position = reference_store.list_reference_photos(
        account_id, role=role, limit=limit, before=before
    )
    return [reference_photo_detail(app, photo) for photo in photos], position


def reference_photo_detail(app: App, photo: ReferencePhoto) -> ReferencePhotoResponse:
    file_name = f"{photo.role}.jpg"
    return ReferencePhotoResponse(
        reference_photo_id=photo.reference_photo_id,
        asset_id=photo.asset_id,
        role=photo.role,
        is_active=photo.is_active,
        download_url=app.storage.download_url(
            photo.clean_key, file_name=file_name, mime_type=photo.mime_type
        ),
        created_at=to_iso(photo.created_at),
    )
