"""Reference photo items: they share the assets' table under ids of their own prefix.

The index ``active`` is sparse: an inactive photo is in no list, but still exists for the jobs that
use it.
"""

from __future__ import annotations

from typing import Any

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from darkroom.assets.model import ReferencePhoto
from darkroom.db.damage import read_all, read_item
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import Write, put
from darkroom.kernel import faces
from darkroom.kernel.clock import from_iso, to_iso
from darkroom.kernel.errors import ConcurrentUpdate, NotFound
from darkroom.kernel.ids import is_id
from darkroom.kernel.shapes import checked, whole

REFERENCE_PREFIX = "ref"


class Active(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "active"
        projection = AllProjection()

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    active_key = UnicodeAttribute(range_key=True, attr_name="activeKey")


class ReferencePhotoItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    reference_photo_id = UnicodeAttribute(range_key=True, attr_name="assetId")
    of_asset_id = UnicodeAttribute(attr_name="ofAssetId")
    role = UnicodeAttribute()
    is_active = BooleanAttribute(attr_name="isActive")
    created_at = UnicodeAttribute(attr_name="createdAt")
    clean_key = UnicodeAttribute(attr_name="cleanKey")
    mime_type = UnicodeAttribute(attr_name="mimeType")
    filename = UnicodeAttribute(null=True)
    thumbnail_key = UnicodeAttribute(null=True, attr_name="thumbnailKey")
    face_box = UnicodeAttribute(null=True, attr_name="faceBox")
    """JSON: a list of one ``{x, y, width, height}``."""
    version = NumberAttribute()
    active_key = UnicodeAttribute(null=True, attr_name="activeKey")
    """``<role>#<createdAt>#<id>`` while active: lists by role, newest last."""
    active = Active()


def get_reference_photo(account_id: str, reference_photo_id: str) -> ReferencePhoto:
    """The account's reference photo, active or not.

    Raises:
        NotFound: missing, another account's, or not an id at all; Unreadable.
    """
    photo = find_reference_photo(account_id, reference_photo_id)
    if photo is None:
        raise NotFound("no such reference photo")
    return photo


def find_reference_photo(account_id: str, reference_photo_id: str) -> ReferencePhoto | None:
    """The photo, or None. Raises: Unreadable."""
    if not is_id(reference_photo_id, REFERENCE_PREFIX):
        return None
    try:
        item = ReferencePhotoItem.get(account_id, reference_photo_id, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return read_item(item, to_reference_photo)


def list_reference_photos(
    account_id: str, *, role: str | None, limit: int, before: str | None = None
) -> tuple[list[ReferencePhoto], str | None]:
    """Active photos by role, newest first in each, and the start of the next page.

    The index is eventually consistent; a read of one photo by its id is exact.
    """
    condition = None if role is None else ReferencePhotoItem.active_key.startswith(f"{role}#")
    after_key = None
    if before is not None:
        after_key = {
            "accountId": {"S": account_id},
            "activeKey": {"S": before},
            "assetId": {"S": before.rpartition("#")[2]},
        }
    items = list(
        ReferencePhotoItem.active.query(
            account_id,
            range_key_condition=condition,
            last_evaluated_key=after_key,
            scan_index_forward=False,
            limit=limit + 1,
            page_size=limit + 1,
        )
    )
    photos = read_all(items[:limit], to_reference_photo)
    return photos, (items[limit - 1].active_key if len(items) > limit else None)


def is_reference_photo(account_id: str, asset_id: str) -> bool:
    """Whether a readable active photo uses the asset. The index is eventually consistent."""
    of_asset = ReferencePhotoItem.of_asset_id == asset_id
    return any(True for _ in ReferencePhotoItem.active.query(account_id, filter_condition=of_asset))


def create_write(photo: ReferencePhoto, *, operation: str) -> Write:
    missing = ReferencePhotoItem.reference_photo_id.does_not_exist()
    return put(
        _to_item(photo, operation),
        condition=missing,
        refused=ConcurrentUpdate("the reference photo exists"),
    )


def save_write(before: ReferencePhoto, after: ReferencePhoto, *, operation: str) -> Write:
    """Save the changed photo, if it did not change since it was read."""
    item = _to_item(after, operation)
    item.version = before.version + 1
    unchanged = ReferencePhotoItem.version == before.version
    return put(
        item, condition=unchanged, refused=ConcurrentUpdate("the reference photo has moved on")
    )


def to_reference_photo(item: ReferencePhotoItem) -> ReferencePhoto:
    photo = ReferencePhoto(
        account_id=item.account_id,
        reference_photo_id=item.reference_photo_id,
        asset_id=item.of_asset_id,
        role=item.role,
        is_active=item.is_active,
        created_at=from_iso(item.created_at),
        clean_key=item.clean_key,
        mime_type=item.mime_type,
        filename=item.filename or "",
        thumbnail_key=item.thumbnail_key,
        face=next(iter(faces.boxes_from_text(item.face_box)), None),
        version=whole(item.version),
    )
    return checked(photo)


def _to_item(photo: ReferencePhoto, operation: str) -> ReferencePhotoItem:
    active_key = f"{photo.role}#{to_iso(photo.created_at)}#{photo.reference_photo_id}"
    return ReferencePhotoItem(
        photo.account_id,
        photo.reference_photo_id,
        of_asset_id=photo.asset_id,
        role=photo.role,
        is_active=photo.is_active,
        created_at=to_iso(photo.created_at),
        clean_key=photo.clean_key,
        mime_type=photo.mime_type,
        filename=photo.filename or None,
        thumbnail_key=photo.thumbnail_key,
        face_box=faces.boxes_to_text(() if photo.face is None else (photo.face,)),
        version=photo.version,
        active_key=active_key if photo.is_active else None,
        operation=operation,
    )
