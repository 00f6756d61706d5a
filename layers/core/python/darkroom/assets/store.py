"""Asset items: reads, and the writes that a change of an asset takes."""

from __future__ import annotations

from datetime import datetime

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from darkroom.assets.model import Asset, AssetStatus
from darkroom.db.due import DueItem, due_fields, due_index, due_moment, query_due
from darkroom.db.writes import RawItem, Write, delete, put
from darkroom.kernel.clock import from_iso, to_iso
from darkroom.kernel.errors import ConcurrentUpdate, DarkroomError, NotFound
from darkroom.kernel.ids import is_id

ASSET_PREFIX = "ast"


class AssetItem(DueItem):
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
    mime_type = UnicodeAttribute(null=True, attr_name="mimeType")
    size_bytes = NumberAttribute(null=True, attr_name="sizeBytes")
    width = NumberAttribute(null=True)
    height = NumberAttribute(null=True)
    clean_key = UnicodeAttribute(null=True, attr_name="cleanKey")
    thumbnail_key = UnicodeAttribute(null=True, attr_name="thumbnailKey")
    checked_etag = UnicodeAttribute(null=True, attr_name="checkedEtag")
    error_code = UnicodeAttribute(null=True, attr_name="errorCode")
    error_message = UnicodeAttribute(null=True, attr_name="errorMessage")
    checks = NumberAttribute(null=True)
    expires_at = UnicodeAttribute(null=True, attr_name="expiresAt")
    finished_at = UnicodeAttribute(null=True, attr_name="finishedAt")
    due = due_index()


def get_asset(account_id: str, asset_id: str) -> Asset:
    """The account's asset.

    Raises:
        NotFound: missing, another account's, or not an id at all.
    """
    asset = find_asset(account_id, asset_id)
    if asset is None:
        raise NotFound("no such asset")
    return asset


def find_asset(account_id: str, asset_id: str) -> Asset | None:
    if not is_id(asset_id, ASSET_PREFIX):
        return None
    try:
        return to_asset(AssetItem.get(account_id, asset_id, consistent_read=True))
    except Model.DoesNotExist:
        return None


def list_assets(
    account_id: str, *, limit: int, before: str | None = None
) -> tuple[list[Asset], str | None]:
    """Assets newest first; the second value is the id to go on before, None at the end."""
    condition = None if before is None else AssetItem.asset_id < before
    items = list(
        AssetItem.query(
            account_id,
            range_key_condition=condition,
            scan_index_forward=False,
            limit=limit + 1,
            page_size=limit + 1,
            consistent_read=True,
        )
    )
    assets = [to_asset(item) for item in items[:limit]]
    return assets, (assets[-1].asset_id if len(items) > limit else None)


def list_due(until: datetime, *, limit: int) -> list[tuple[str, str]]:
    """Keys (account id, asset id) of what should have been looked at by ``until``."""
    return [
        (item.account_id, item.asset_id) for item in query_due(AssetItem.due, until, limit=limit)
    ]


def create_write(asset: Asset, operation: str) -> Write:
    def refused(stored: RawItem | None) -> DarkroomError:
        return ConcurrentUpdate("the asset exists")

    item = _to_item(asset, operation)
    return put(item, condition=AssetItem.asset_id.does_not_exist(), refused=refused)


def save_write(before: Asset, after: Asset, operation: str) -> Write:
    """The asset as it will be, if it still is as it was read."""

    def refused(stored: RawItem | None) -> DarkroomError:
        return ConcurrentUpdate("the asset has moved on")

    item = _to_item(after, operation)
    item.version = before.version + 1
    return put(item, condition=AssetItem.version == before.version, refused=refused)


def delete_write(asset: Asset) -> Write:
    def refused(stored: RawItem | None) -> DarkroomError:
        return ConcurrentUpdate("the asset has moved on")

    item = AssetItem(asset.account_id, asset.asset_id)
    return delete(item, condition=AssetItem.version == asset.version, refused=refused)


def to_asset(item: AssetItem) -> Asset:
    return Asset(
        account_id=item.account_id,
        asset_id=item.asset_id,
        filename=item.filename,
        kind=item.kind,
        status=AssetStatus(item.status),
        declared_mime_type=item.declared_mime_type,
        declared_size_bytes=int(item.declared_size_bytes),
        created_at=from_iso(item.created_at),
        updated_at=from_iso(item.updated_at),
        version=int(item.version),
        mime_type=item.mime_type,
        size_bytes=_int(item.size_bytes),
        width=_int(item.width),
        height=_int(item.height),
        clean_key=item.clean_key,
        thumbnail_key=item.thumbnail_key,
        checked_etag=item.checked_etag,
        error_code=item.error_code,
        error_message=item.error_message,
        checks=int(item.checks or 0),
        expires_at=from_iso(item.expires_at) if item.expires_at else None,
        finished_at=from_iso(item.finished_at) if item.finished_at else None,
        next_check_at=due_moment(item),
    )


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
        mime_type=asset.mime_type,
        size_bytes=asset.size_bytes,
        width=asset.width,
        height=asset.height,
        clean_key=asset.clean_key,
        thumbnail_key=asset.thumbnail_key,
        checked_etag=asset.checked_etag,
        error_code=asset.error_code,
        error_message=asset.error_message,
        checks=asset.checks or None,
        expires_at=to_iso(asset.expires_at) if asset.expires_at else None,
        finished_at=to_iso(asset.finished_at) if asset.finished_at else None,
        **due_fields(asset.next_check_at),
        operation=operation,
    )


def _int(number: float | None) -> int | None:
    return None if number is None else int(number)
