"""An account's reference photos, as the API shows them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from darkroom.assets import reference_store
from darkroom.assets.model import ReferencePhoto
from darkroom.bootstrap.composition import App
from darkroom.kernel.clock import to_iso
from darkroom.views.base import (
    AssetId,
    Link,
    LinksEnd,
    NextCursor,
    Omittable,
    PictureLink,
    ReferencePhotoId,
    ResponseBody,
    Timestamp,
    described,
)
from darkroom.views.links import picture_link

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
    thumbnail_url: Omittable[PictureLink] = Field(
        default=None,
        description="Signed link to a small JPEG of the picture. Photos that were registered with "
        "earlier versions have none.",
    )
    download_url: Annotated[Link, described("Signed link to the clean copy of the picture.")]
    expires_at: LinksEnd
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
    link = app.storage.download_link(
        photo.clean_key, file_name=file_name, mime_type=photo.mime_type
    )
    small = photo.thumbnail_key and picture_link(app, photo.thumbnail_key, stem=photo.role).url
    return ReferencePhotoResponse(
        reference_photo_id=photo.reference_photo_id,
        asset_id=photo.asset_id,
        role=photo.role,
        is_active=photo.is_active,
        thumbnail_url=small,
        download_url=link.url,
        expires_at=to_iso(link.expires_at),
        created_at=to_iso(photo.created_at),
    )
