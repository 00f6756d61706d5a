"""Asset items: reads, and the writes of changes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pynamodb.attributes import ListAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model

from darkroom.assets.model import Asset, AssetStatus, DamagedAsset
from darkroom.db.damage import DAMAGE, read_all, read_item, read_or
from darkroom.db.due import Due, DueItem, due_fields, due_index, due_moment, list_due_items
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import Write, check, delete, put, update
from darkroom.kernel import faces
from darkroom.kernel.clock import from_iso, to_iso
from darkroom.kernel.errors import (
    ConcurrentUpdate,
    Conflict,
    NotFound,
    Unreadable,
)
from darkroom.kernel.ids import is_id
from darkroom.kernel.limits import COUNTED_LIMIT_BYTES, UPLOAD_URL_SECONDS
from darkroom.kernel.media_types import suffixes_of
from darkroom.kernel.object_keys import is_owner_tag
from darkroom.kernel.shapes import checked, whole, whole_or_none

ASSET_PREFIX = "ast"
TOMBSTONE = "grave#"
_MOVED_ON = ConcurrentUpdate("the asset has moved on")


class AssetItem(SalvagedItem, DueItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    asset_id = UnicodeAttribute(range_key=True, attr_name="assetId")
    filename = UnicodeAttribute()
    kind = UnicodeAttribute()
    status = UnicodeAttribute()
    declared_mime_type = UnicodeAttribute(attr_name="declaredMimeType")
    declared_size_bytes = NumberAttribute(attr_name="declaredSizeBytes")
    created_at = UnicodeAttribute(attr_name="createdAt")
    updated_at = UnicodeAttribute(attr_name="updatedAt")
    version = NumberAttribute()
    upload_id = UnicodeAttribute(null=True, attr_name="uploadId")
    part_size_bytes = NumberAttribute(null=True, attr_name="partSizeBytes")
    owner_tag = UnicodeAttribute(null=True, attr_name="ownerTag")
    counted_bytes = NumberAttribute(null=True, attr_name="countedBytes")
    counted_uploads = NumberAttribute(null=True, attr_name="countedUploads")
    mime_type = UnicodeAttribute(null=True, attr_name="mimeType")
    size_bytes = NumberAttribute(null=True, attr_name="sizeBytes")
    width = NumberAttribute(null=True)
    height = NumberAttribute(null=True)
    duration_ms = NumberAttribute(null=True, attr_name="durationMs")
    faces = NumberAttribute(null=True)
    face_boxes = UnicodeAttribute(null=True, attr_name="faceBoxes")
    """JSON: a list of ``{x, y, width, height}``."""
    face_counts_requested = NumberAttribute(null=True, attr_name="facesAsked")
    tags: Any = ListAttribute(of=UnicodeAttribute, null=True)
    folder = UnicodeAttribute(null=True)
    references = NumberAttribute(null=True)
    clean_key = UnicodeAttribute(null=True, attr_name="cleanKey")
    clean_mime_type = UnicodeAttribute(null=True, attr_name="cleanMimeType")
    note = UnicodeAttribute(null=True)
    thumbnail_key = UnicodeAttribute(null=True, attr_name="thumbnailKey")
    made_from = UnicodeAttribute(null=True, attr_name="madeFrom")
    generation_prompt = UnicodeAttribute(null=True, attr_name="generationPrompt")
    checked_etag = UnicodeAttribute(null=True, attr_name="checkedEtag")
    error_code = UnicodeAttribute(null=True, attr_name="errorCode")
    error_message = UnicodeAttribute(null=True, attr_name="errorMessage")
    checks = NumberAttribute(null=True)
    expires_at = UnicodeAttribute(null=True, attr_name="expiresAt")
    finished_at = UnicodeAttribute(null=True, attr_name="finishedAt")
    due = due_index()


class TombstoneItem(SalvagedItem, DueItem):
    """The marker of a deleted asset while its files are being removed."""

    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    tombstone_id = UnicodeAttribute(range_key=True, attr_name="assetId")
    """``grave#<asset id>``"""
    deleted_at = UnicodeAttribute(attr_name="deletedAt")
    upload_id = UnicodeAttribute(null=True, attr_name="uploadId")
    """Of a multipart upload that may still be open."""
    made_from = UnicodeAttribute(null=True, attr_name="madeFrom")
    """The output that the asset was made of: such a tombstone stays, or it would be made again."""
    owner_tag = UnicodeAttribute(null=True, attr_name="ownerTag")
    due = due_index()


@dataclass(frozen=True, kw_only=True)
class Tombstone:
    account_id: str
    asset_id: str
    upload_id: str | None
    made_from: str | None = None
    owner_tag: str | None = None

    @property
    def owner(self) -> str:
        """The second part of its object keys."""
        return self.owner_tag or self.account_id


def get_asset(account_id: str, asset_id: str) -> Asset:
    """The account's asset.

    Raises:
        NotFound: missing, another account's, or not an id at all; Unreadable.
    """
    asset = find_asset(account_id, asset_id)
    if asset is None:
        raise NotFound("no such asset")
    return asset


def find_asset(account_id: str, asset_id: str) -> Asset | None:
    """The asset, or None. Raises: Unreadable, so that a damaged asset is not taken for a deleted
    one."""
    item = _find_item(account_id, asset_id)
    return None if item is None else read_item(item, to_asset)


def find_asset_to_delete(account_id: str, asset_id: str) -> Asset | DamagedAsset | None:
    """The asset, what is readable of it if it is damaged, or None."""
    item = _find_item(account_id, asset_id)
    if item is None:
        return None
    try:
        return read_item(item, to_asset)
    except Unreadable:
        return _damaged(item)


def _find_item(account_id: str, asset_id: str) -> AssetItem | None:
    if not is_id(asset_id, ASSET_PREFIX):
        return None
    try:
        return AssetItem.get(account_id, asset_id, consistent_read=True)
    except Model.DoesNotExist:
        return None


def _damaged(item: AssetItem) -> DamagedAsset:
    tags = [item.owner_tag or "", *(item.clean_key or "").split("/")[1:2]]
    tag = next(filter(is_owner_tag, tags), None)
    had_tag = "owner_tag" in item.attribute_values or "ownerTag" in item.unreadable
    made_from = "unreadable" if "madeFrom" in item.unreadable else item.made_from
    return DamagedAsset(
        account_id=item.account_id,
        asset_id=item.asset_id,
        version=_count_or_none(item.version),
        upload_id=item.upload_id or None,
        owner_tag=tag,
        is_owner_tag_lost=had_tag and tag is None,
        made_from=made_from,
        counted_bytes=_count_or_none(item.counted_bytes, limit=COUNTED_LIMIT_BYTES) or 0,
        counted_uploads=_count_or_none(item.counted_uploads, limit=1) or 0,
    )


def _count_or_none(stored: float | None, *, limit: float = math.inf) -> int | None:
    try:
        count = whole(stored)
    except DAMAGE:
        return None
    return count if 0 <= count <= limit else None


def is_stored(account_id: str, asset_id: str) -> bool:
    """Whether the asset exists, readable or not."""
    try:
        return find_asset(account_id, asset_id) is not None
    except Unreadable:
        return True


def list_assets(
    account_id: str, *, limit: int, after: str | None = None, descending: bool = True
) -> tuple[list[Asset], str | None]:
    """Assets by date, and the id after which the next page starts, None at the end."""
    after_key = None
    if after is not None:
        after_key = {"accountId": {"S": account_id}, "assetId": {"S": after}}
    items = list(
        AssetItem.query(
            account_id,
            # Reference photos are in the same table, under ids of another prefix.
            range_key_condition=AssetItem.asset_id.startswith(f"{ASSET_PREFIX}_"),
            last_evaluated_key=after_key,
            scan_index_forward=not descending,
            limit=limit + 1,
            page_size=limit + 1,
            consistent_read=True,
        )
    )
    page = items[:limit]
    return read_all(page, to_asset), (page[-1].asset_id if len(items) > limit else None)


def find_assets(account_id: str, asset_ids: Iterable[str]) -> dict[str, Asset]:
    """The existing assets, by id."""
    known = (asset_id for asset_id in asset_ids if is_id(asset_id, ASSET_PREFIX))
    keys = [(account_id, asset_id) for asset_id in dict.fromkeys(known)]
    items = AssetItem.batch_get(keys, consistent_read=True) if keys else ()
    return {asset.asset_id: asset for asset in read_all(items, to_asset)}


def find_tombstone(account_id: str, asset_id: str) -> Tombstone | None:
    """Raises: Unreadable."""
    if not is_id(asset_id, ASSET_PREFIX):
        return None
    try:
        item = TombstoneItem.get(account_id, TOMBSTONE + asset_id, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return read_item(item, to_tombstone)


def has_tombstone(account_id: str, asset_id: str) -> bool:
    """Whether the asset was deleted, even if its tombstone is damaged."""
    try:
        return find_tombstone(account_id, asset_id) is not None
    except Unreadable:
        return True


def to_tombstone(item: TombstoneItem) -> Tombstone:
    return Tombstone(
        account_id=item.account_id,
        asset_id=item.tombstone_id.removeprefix(TOMBSTONE),
        upload_id=item.upload_id,
        made_from=item.made_from,
        owner_tag=item.owner_tag,
    )


def list_due(until: datetime, *, limit: int) -> list[Due]:
    """Items (account id, asset id or key of a tombstone) that are due by ``until``."""
    return list_due_items(AssetItem.due, until, limit=limit)


def create_write(asset: Asset, *, operation: str) -> Write:
    item = _to_item(asset, operation)
    return put(
        item,
        condition=AssetItem.asset_id.does_not_exist(),
        refused=ConcurrentUpdate("the asset exists"),
    )


def save_write(before: Asset, after: Asset, *, operation: str, counted: bool = False) -> Write:
    """Save the changed asset, if it did not change since it was read.

    Its share of the account's counters may differ only if the same transaction changes them
    (``counted``).
    """
    assert counted or _counted(before) == _counted(after), "the counters have to move along"

    item = _to_item(after, operation)
    item.version = before.version + 1
    return put(item, condition=AssetItem.version == before.version, refused=_MOVED_ON)


def delete_write(asset: Asset | DamagedAsset) -> Write:
    item = AssetItem(asset.account_id, asset.asset_id)
    condition: Condition = AssetItem.version == asset.version
    if asset.version is None:
        # There is no version to compare, and a damaged asset is only ever deleted.
        condition = AssetItem.asset_id.exists()
    return delete(item, condition=condition, refused=_MOVED_ON)


def tombstone_writes(asset: Asset | DamagedAsset, *, now: datetime, operation: str) -> list[Write]:
    """Delete the asset; its tombstone is due when no content for it can arrive any more."""
    tombstone = TombstoneItem(
        asset.account_id,
        TOMBSTONE + asset.asset_id,
        deleted_at=to_iso(now),
        upload_id=asset.upload_id,
        made_from=asset.made_from,
        owner_tag=asset.owner_tag,
        **due_fields(now + timedelta(seconds=UPLOAD_URL_SECONDS)),
        operation=operation,
    )
    return [delete_write(asset), put(tombstone)]


def no_tombstone_write(account_id: str, asset_id: str) -> Write:
    """Check that the asset was never deleted; changes nothing."""
    return check(
        TombstoneItem(account_id, TOMBSTONE + asset_id),
        condition=TombstoneItem.tombstone_id.does_not_exist(),
        refused=Conflict("the asset was deleted"),
    )


def rest_write(account_id: str, asset_id: str) -> Write:
    """Keep the tombstone, but remove it from the ``due`` index."""
    return update(
        TombstoneItem(account_id, TOMBSTONE + asset_id),
        [TombstoneItem.due_shard.remove(), TombstoneItem.next_check_at.remove()],
        condition=TombstoneItem.deleted_at.exists(),
        refused=ConcurrentUpdate("the tombstone has moved on"),
    )


def forget_tombstone_write(account_id: str, asset_id: str) -> Write:
    return delete(TombstoneItem(account_id, TOMBSTONE + asset_id))


def read_asset(item: AssetItem) -> Asset | None:
    """The asset; None for an unreadable item, which is reported."""
    return read_or(item, to_asset, None)


def to_asset(item: AssetItem) -> Asset:
    asset = Asset(
        account_id=item.account_id,
        asset_id=item.asset_id,
        filename=item.filename,
        kind=item.kind,
        status=AssetStatus(item.status),
        declared_mime_type=item.declared_mime_type,
        declared_size_bytes=whole(item.declared_size_bytes),
        created_at=from_iso(item.created_at),
        updated_at=from_iso(item.updated_at),
        version=whole(item.version),
        upload_id=item.upload_id,
        part_size_bytes=whole_or_none(item.part_size_bytes),
        owner_tag=item.owner_tag,
        counted_bytes=whole(item.counted_bytes or 0),
        counted_uploads=whole(item.counted_uploads or 0),
        mime_type=item.mime_type,
        size_bytes=whole_or_none(item.size_bytes),
        width=whole_or_none(item.width),
        height=whole_or_none(item.height),
        duration_ms=whole_or_none(item.duration_ms),
        faces=whole_or_none(item.faces),
        face_boxes=faces.boxes_from_text(item.face_boxes),
        face_counts_requested=whole(item.face_counts_requested or 0),
        tags=tuple(item.tags or ()),
        folder=item.folder,
        references=whole(item.references or 0),
        clean_key=item.clean_key,
        clean_mime_type=_known_type(item.clean_mime_type),
        note=item.note,
        thumbnail_key=item.thumbnail_key,
        made_from=item.made_from,
        generation_prompt=item.generation_prompt,
        checked_etag=item.checked_etag,
        error_code=item.error_code,
        error_message=item.error_message,
        checks=whole(item.checks or 0),
        expires_at=from_iso(item.expires_at) if item.expires_at else None,
        finished_at=from_iso(item.finished_at) if item.finished_at else None,
        next_check_at=due_moment(item),
    )
    return checked(asset)


def _known_type(mime_type: str | None) -> str | None:
    """The type of a clean copy, for which there are endings of file names.

    Raises:
        LookupError: there are none.
    """
    if mime_type is not None:
        suffixes_of(mime_type)
    return mime_type


def _to_item(asset: Asset, operation: str) -> AssetItem:
    return AssetItem(
        asset.account_id,
        asset.asset_id,
        filename=asset.filename,
        kind=asset.kind,
        status=asset.status.value,
        declared_mime_type=asset.declared_mime_type,
        declared_size_bytes=asset.declared_size_bytes,
        created_at=to_iso(asset.created_at),
        updated_at=to_iso(asset.updated_at),
        version=asset.version,
        upload_id=asset.upload_id,
        part_size_bytes=asset.part_size_bytes,
        owner_tag=asset.owner_tag,
        counted_bytes=asset.counted_bytes or None,
        counted_uploads=asset.counted_uploads or None,
        mime_type=asset.mime_type,
        size_bytes=asset.size_bytes,
        width=asset.width,
        height=asset.height,
        duration_ms=asset.duration_ms,
        faces=asset.faces,
        face_boxes=faces.boxes_to_text(asset.face_boxes),
        face_counts_requested=asset.face_counts_requested or None,
        tags=list(asset.tags) or None,
        folder=asset.folder,
        references=asset.references or None,
        clean_key=asset.clean_key,
        clean_mime_type=asset.clean_mime_type,
        note=asset.note,
        thumbnail_key=asset.thumbnail_key,
        made_from=asset.made_from,
        generation_prompt=asset.generation_prompt,
        checked_etag=asset.checked_etag,
        error_code=asset.error_code,
        error_message=asset.error_message,
        checks=asset.checks or None,
        expires_at=to_iso(asset.expires_at) if asset.expires_at else None,
        finished_at=to_iso(asset.finished_at) if asset.finished_at else None,
        **due_fields(asset.next_check_at),
        operation=operation,
    )


def _counted(asset: Asset) -> tuple[int, int]:
    return asset.counted_bytes, asset.counted_uploads
