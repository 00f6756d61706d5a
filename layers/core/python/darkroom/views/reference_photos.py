"""An account's reference photos, as the API shows them."""

from __future__ import annotations

from typing import Any

from darkroom.assets import reference_store
from darkroom.assets.model import ReferencePhoto
from darkroom.bootstrap.composition import App
from darkroom.kernel.clock import to_iso


def list_reference_photos(
    app: App, account_id: str, *, role: str | None, limit: int, before: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the account's active photos, and where the next page starts."""
    photos, position = reference_store.list_reference_photos(
        account_id, role=role, limit=limit, before=before
    )
    return [reference_photo_detail(app, photo) for photo in photos], position


def reference_photo_detail(app: App, photo: ReferencePhoto) -> dict[str, Any]:
    file_name = f"{photo.role}.jpg"
    return {
        "referencePhotoId": photo.reference_photo_id,
        "assetId": photo.asset_id,
        "role": photo.role,
        "isActive": photo.is_active,
        "downloadUrl": app.storage.download_url(
            photo.clean_key, file_name=file_name, mime_type=photo.mime_type
        ),
        "createdAt": to_iso(photo.created_at),
    }
