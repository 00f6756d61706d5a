"""The items of albums by account: albums, tombstones of deleted albums, and entries."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from pynamodb.attributes import BooleanAttribute, ListAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from darkroom.albums.model import Album, Cover, Entry, Picture
from darkroom.db.due import DueItem, due_index
from darkroom.db.items import SalvagedItem
from darkroom.kernel.clock import from_iso, to_iso
from darkroom.kernel.shapes import checked, whole

ALBUM_PREFIX = "alb"
ALBUM, TOMBSTONE, ENTRY = "album#", "grave#", "entry#"
_POSITION_DIGITS = 16


class AlbumItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    sort_key = UnicodeAttribute(range_key=True, attr_name="sk")
    """``album#<id>``"""
    name = UnicodeAttribute()
    created_at = UnicodeAttribute(attr_name="createdAt")
    updated_at = UnicodeAttribute(attr_name="updatedAt")
    output_count = NumberAttribute(attr_name="outputCount")
    last_position = NumberAttribute(attr_name="lastPosition")
    cover = UnicodeAttribute(null=True)
    version = NumberAttribute()


class TombstoneItem(SalvagedItem, DueItem):
    """The marker of a deleted album while its entries are being removed."""

    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    sort_key = UnicodeAttribute(range_key=True, attr_name="sk")
    """``grave#<id>``"""
    due = due_index()


class Ordered(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "ordered"
        projection = AllProjection()

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    order_key = UnicodeAttribute(range_key=True, attr_name="orderKey")


class EntryItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    sort_key = UnicodeAttribute(range_key=True, attr_name="sk")
    """``entry#<album>#<output>``: a job's output ids share a prefix, so they are found together."""
    picture = UnicodeAttribute()
    position = NumberAttribute()
    added_at = UnicodeAttribute(attr_name="addedAt")
    group = UnicodeAttribute(null=True)
    tags: Any = ListAttribute(of=UnicodeAttribute, default=list)
    is_selected = BooleanAttribute(attr_name="isSelected")
    is_removed = BooleanAttribute(attr_name="isRemoved")
    has_thumbnail = BooleanAttribute(null=True, attr_name="hasThumbnail")
    """Apart from ``picture``, in which the previous version accepts no other field."""
    version = NumberAttribute()
    order_key = UnicodeAttribute(null=True, attr_name="orderKey")
    """``<album>#<position>#<output>`` unless it was removed."""
    ordered = Ordered()


def class_of_key(sort_key: str) -> type[SalvagedItem]:
    """The class of the item under a sort key."""
    classes: dict[str, type[SalvagedItem]] = {ALBUM: AlbumItem, TOMBSTONE: TombstoneItem}
    return classes.get(sort_key.partition("#")[0] + "#", EntryItem)


def album_key(album_id: str) -> str:
    return f"{ALBUM}{album_id}"


def tombstone_key(album_id: str) -> str:
    return f"{TOMBSTONE}{album_id}"


def entry_key(album_id: str, output_id: str) -> str:
    return f"{ENTRY}{album_id}#{output_id}"


def order_key(album_id: str, position: int, output_id: str) -> str:
    return f"{album_id}#{position:0{_POSITION_DIGITS}d}#{output_id}"


def album_to_item(album: Album, operation: str) -> AlbumItem:
    return AlbumItem(
        album.account_id,
        album_key(album.album_id),
        name=album.name,
        created_at=to_iso(album.created_at),
        updated_at=to_iso(album.updated_at),
        output_count=album.output_count,
        last_position=album.last_position,
        cover=None if album.cover is None else json.dumps(asdict(album.cover)),
        version=album.version,
        operation=operation,
    )


def album_from_item(item: AlbumItem) -> Album:
    album = Album(
        account_id=item.account_id,
        album_id=item.sort_key.removeprefix(ALBUM),
        name=item.name,
        created_at=from_iso(item.created_at),
        updated_at=from_iso(item.updated_at),
        output_count=whole(item.output_count),
        last_position=whole(item.last_position),
        cover=None if item.cover is None else checked(Cover(**json.loads(item.cover))),
        version=whole(item.version),
    )
    return checked(album)


def entry_to_item(entry: Entry, operation: str) -> EntryItem:
    output_id = entry.picture.output_id
    shown: dict[str, Any] = {
        name: value for name, value in asdict(entry.picture).items() if value is not None
    }
    del shown["has_thumbnail"]
    return EntryItem(
        entry.account_id,
        entry_key(entry.album_id, output_id),
        picture=json.dumps(shown),
        position=entry.position,
        added_at=to_iso(entry.added_at),
        group=entry.group,
        tags=list(entry.tags),
        is_selected=entry.is_selected,
        is_removed=entry.is_removed,
        has_thumbnail=entry.picture.has_thumbnail or None,
        version=entry.version,
        order_key=(
            None if entry.is_removed else order_key(entry.album_id, entry.position, output_id)
        ),
        operation=operation,
    )


def album_of_tombstone(item: TombstoneItem) -> str:
    """The id of the album that was deleted."""
    album_id: str = item.sort_key.removeprefix(TOMBSTONE)
    return album_id


def output_of(item: EntryItem) -> str:
    """The id of the entry's output, which is a part of its key."""
    output_id: str = item.sort_key.removeprefix(ENTRY).partition("#")[2]
    return output_id


def entry_from_item(item: EntryItem) -> Entry:
    album_id = item.sort_key.removeprefix(ENTRY).partition("#")[0]
    has_thumbnail = bool(item.has_thumbnail)
    picture = checked(Picture(**json.loads(item.picture), has_thumbnail=has_thumbnail))
    if picture.output_id != output_of(item):
        raise ValueError("the picture of another output")
    entry = Entry(
        account_id=item.account_id,
        album_id=album_id,
        picture=picture,
        position=whole(item.position),
        added_at=from_iso(item.added_at),
        group=item.group,
        tags=tuple(item.tags or ()),
        is_selected=item.is_selected,
        is_removed=item.is_removed,
        version=whole(item.version),
    )
    return checked(entry)
