"""Albums and their entries: reads, and the writes of changes.

An album's number of outputs changes in the transaction that adds or removes them, and the album's
version decides between concurrent changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pynamodb.models import Model

from darkroom.albums.items import (
    ALBUM,
    ALBUM_PREFIX,
    ENTRY,
    AlbumItem,
    EntryItem,
    TombstoneItem,
    album_from_item,
    album_key,
    album_to_item,
    entry_from_item,
    entry_key,
    entry_to_item,
    output_of,
    tombstone_key,
)
from darkroom.albums.model import Album, Entry
from darkroom.db.damage import read_all, read_item, read_or
from darkroom.db.due import Due, due_fields, list_due_items
from darkroom.db.writes import Write, delete, put
from darkroom.kernel.errors import ConcurrentUpdate, NotFound
from darkroom.kernel.ids import is_id

ITEM_CLASSES = (AlbumItem, TombstoneItem, EntryItem)
OUTPUT_PREFIX = "out"
_MOVED_ON = ConcurrentUpdate("the album has moved on")


def get_album(account_id: str, album_id: str) -> Album:
    """The account's album.

    Raises:
        NotFound: missing, deleted, another account's, or not an id at all; Unreadable.
    """
    album = find_album(account_id, album_id)
    if album is None:
        raise NotFound("no such album")
    return album


def find_album(account_id: str, album_id: str) -> Album | None:
    """Raises: Unreadable."""
    item = _find_item(account_id, album_id)
    return None if item is None else read_item(item, album_from_item)


def is_stored(account_id: str, album_id: str) -> bool:
    """Whether the album exists, readable or not."""
    return _find_item(account_id, album_id) is not None


def _find_item(account_id: str, album_id: str) -> AlbumItem | None:
    if not is_id(album_id, ALBUM_PREFIX):
        return None
    try:
        return AlbumItem.get(account_id, album_key(album_id), consistent_read=True)
    except Model.DoesNotExist:
        return None


def list_albums(
    account_id: str, *, limit: int, before: str | None = None
) -> tuple[list[Album], str | None]:
    """Albums newest first, and the id before which the next page starts, None at the end."""
    after_key = None
    if before is not None:
        after_key = {"accountId": {"S": account_id}, "sk": {"S": album_key(before)}}
    items = list(
        AlbumItem.query(
            account_id,
            range_key_condition=AlbumItem.sort_key.startswith(ALBUM),
            last_evaluated_key=after_key,
            scan_index_forward=False,
            limit=limit + 1,
            page_size=limit + 1,
            consistent_read=True,
        )
    )
    albums = read_all(items[:limit], album_from_item)
    last = items[limit - 1].sort_key.removeprefix(ALBUM) if len(items) > limit else None
    return albums, last


def get_entry(account_id: str, album_id: str, output_id: str) -> Entry:
    """The entry of an output that is in the album.

    Raises:
        NotFound: it is not in the album (any more).
    """
    entry = find_entry(account_id, album_id, output_id)
    if entry is None or entry.is_removed:
        raise NotFound("no such output in the album")
    return entry


def find_entry(account_id: str, album_id: str, output_id: str) -> Entry | None:
    """The entry, or the marker of a removed one.

    Raises:
        Unreadable.
    """
    if not (is_id(album_id, ALBUM_PREFIX) and is_id(output_id, OUTPUT_PREFIX)):
        return None
    try:
        item = EntryItem.get(account_id, entry_key(album_id, output_id), consistent_read=True)
    except Model.DoesNotExist:
        return None
    return read_item(item, entry_from_item)


def find_entries(
    account_id: str, album_id: str, output_ids: Sequence[str]
) -> dict[str, Entry | None]:
    """The existing entries and markers by output id; None for a damaged one."""
    keys = [(account_id, entry_key(album_id, output_id)) for output_id in output_ids]
    items = EntryItem.batch_get(keys, consistent_read=True) if keys else ()
    return {output_of(item): read_or(item, entry_from_item, None) for item in items}


def list_entries(
    account_id: str, album_id: str, *, limit: int, after: tuple[str, str] | None = None
) -> tuple[list[Entry], tuple[str, str] | None]:
    """Entries by position, and the start of the next page (order key, output id).

    The index is eventually consistent; a read of one entry by its id is exact.
    """
    after_key = None
    if after is not None:
        after_key = {
            "accountId": {"S": account_id},
            "orderKey": {"S": after[0]},
            "sk": {"S": entry_key(album_id, after[1])},
        }
    items = list(
        EntryItem.ordered.query(
            account_id,
            range_key_condition=EntryItem.order_key.startswith(f"{album_id}#"),
            last_evaluated_key=after_key,
            limit=limit + 1,
            page_size=limit + 1,
        )
    )
    entries = read_all(items[:limit], entry_from_item)
    if len(items) <= limit:
        return entries, None
    last = items[limit - 1]
    assert last.order_key is not None
    return entries, (last.order_key, output_of(last))


def list_entries_beginning(
    account_id: str, album_id: str, output_beginning: str, *, limit: int
) -> list[Entry]:
    """Entries and markers of outputs whose ids have this prefix."""
    begins = EntryItem.sort_key.startswith(f"{ENTRY}{album_id}#{output_beginning}")
    items = EntryItem.query(
        account_id, range_key_condition=begins, limit=limit, consistent_read=True
    )
    return read_all(items, entry_from_item)


def list_output_ids(account_id: str, album_id: str, *, limit: int) -> list[str]:
    """Ids of outputs with an entry or a marker, readable or not."""
    begins = EntryItem.sort_key.startswith(f"{ENTRY}{album_id}#")
    items = EntryItem.query(
        account_id, range_key_condition=begins, limit=limit, consistent_read=True
    )
    return [output_of(item) for item in items]


def list_due(until: datetime, *, limit: int) -> list[Due]:
    """Tombstones (account id, sort key) of albums that still have entries to be removed."""
    return list_due_items(TombstoneItem.due, until, limit=limit)


def has_tombstone(account_id: str, album_id: str) -> bool:
    if not is_id(album_id, ALBUM_PREFIX):
        return False
    try:
        TombstoneItem.get(account_id, tombstone_key(album_id), consistent_read=True)
    except Model.DoesNotExist:
        return False
    return True


def create_write(album: Album, *, operation: str) -> Write:
    item = album_to_item(album, operation)
    return put(item, condition=AlbumItem.sort_key.does_not_exist(), refused=_MOVED_ON)


def save_write(before: Album, after: Album, *, operation: str) -> Write:
    """Save the changed album, if it did not change since it was read."""
    item = album_to_item(after, operation)
    item.version = before.version + 1
    return put(item, condition=AlbumItem.version == before.version, refused=_MOVED_ON)


def tombstone_writes(
    account_id: str, album_id: str, *, now: datetime, operation: str
) -> list[Write]:
    """Delete the album in any state; its tombstone is due until its entries are removed."""
    item = AlbumItem(account_id, album_key(album_id))
    tombstone = TombstoneItem(
        account_id, tombstone_key(album_id), **due_fields(now), operation=operation
    )
    return [
        delete(item, condition=AlbumItem.sort_key.exists(), refused=_MOVED_ON),
        put(tombstone),
    ]


def forget_tombstone_write(account_id: str, album_id: str) -> Write:
    return delete(TombstoneItem(account_id, tombstone_key(album_id)))


def add_entry_write(entry: Entry, *, operation: str) -> Write:
    item = entry_to_item(entry, operation)
    return put(item, condition=EntryItem.sort_key.does_not_exist(), refused=_MOVED_ON)


def save_entry_write(before: Entry, after: Entry, *, operation: str) -> Write:
    item = entry_to_item(after, operation)
    item.version = before.version + 1
    return put(item, condition=EntryItem.version == before.version, refused=_MOVED_ON)


def delete_entry_write(account_id: str, album_id: str, output_id: str) -> Write:
    """Remove the entry without a marker, because its album was deleted."""
    item = EntryItem(account_id, entry_key(album_id, output_id))
    return delete(item)
