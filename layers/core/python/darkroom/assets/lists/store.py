"""The lists of assets: entries by list and place, in a table of their own without a stream.

Entries are derived from the asset, any number of times. Readers also read the assets themselves, so
a late or superfluous entry shows nothing wrong.
"""

from __future__ import annotations

import json

from pynamodb.attributes import BooleanAttribute, UnicodeAttribute
from pynamodb.models import Model

from darkroom.assets.lists.facets import Entry, asset_of
from darkroom.db.damage import read_or
from darkroom.db.items import SalvagedItem
from darkroom.db.raw import page_raw
from darkroom.kernel.shapes import checked

_KNOWN = "\x1fknown"


class AssetEntryItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    list_name = UnicodeAttribute(hash_key=True, attr_name="list")
    place = UnicodeAttribute(range_key=True)
    entries = UnicodeAttribute(null=True)
    """Only under ``<account>known``: the entries of the asset, so that old ones are found."""
    is_written = BooleanAttribute(null=True, attr_name="isWritten")
    """Beside ``entries``: they are all in the lists, and no others."""


def replace_entries(account_id: str, asset_id: str, wanted: set[Entry]) -> int:
    """Make these the asset's entries; returns how many changed.

    The record of entries first names the old and the new ones together, as not written yet. If this
    stops at any point, the next call finds all that may exist, and writes all that may be missing.
    """
    known, is_written = _known(account_id, asset_id)
    if known == wanted and is_written:
        return 0
    missing = wanted - known if is_written else wanted
    _remember(account_id, asset_id, known | wanted, is_written=False)
    with AssetEntryItem.batch_write() as batch:
        for entry in sorted(missing):
            batch.save(AssetEntryItem(entry.list, entry.place))
        for entry in sorted(known - wanted):
            batch.delete(AssetEntryItem(entry.list, entry.place))
    _remember(account_id, asset_id, wanted, is_written=True)
    return len(missing) + len(known - wanted)


def list_places(
    name: str, *, limit: int, after: str | None, descending: bool, beginning: str = ""
) -> list[str]:
    """Places in the list with this prefix, in order."""
    condition = AssetEntryItem.place.startswith(beginning) if beginning else None
    after_key = None if after is None else {"list": {"S": name}, "place": {"S": after}}
    items = AssetEntryItem.query(
        name,
        range_key_condition=condition,
        last_evaluated_key=after_key,
        scan_index_forward=not descending,
        limit=limit,
        page_size=limit,
        consistent_read=True,
    )
    return [item.place for item in items]


def list_ids(name: str, beginning: str, *, limit: int) -> list[str]:
    """The distinct assets at places with this prefix, at most ``limit``."""
    places = list_places(name, limit=limit, after=None, descending=False, beginning=beginning)
    return list(dict.fromkeys(asset_of(place) for place in places))


def list_known(account_id: str, *, limit: int) -> list[str]:
    """Assets of the account that may be in lists."""
    items = page_raw(AssetEntryItem, account_id + _KNOWN, limit=limit)
    return [item["place"]["S"] for item in items]


def _known(account_id: str, asset_id: str) -> tuple[set[Entry], bool]:
    """The entries that the asset may have, and whether it has exactly these.

    If the record is damaged, all entries are written again; an old one that may be left is
    harmless.
    """
    try:
        item = AssetEntryItem.get(account_id + _KNOWN, asset_id, consistent_read=True)
    except Model.DoesNotExist:
        return set(), True
    nothing: tuple[set[Entry], bool] = (set(), False)
    return read_or(item, _to_known, nothing)


def _to_known(item: AssetEntryItem) -> tuple[set[Entry], bool]:
    entries = {checked(Entry(*entry)) for entry in json.loads(item.entries or "[]")}
    return entries, bool(item.is_written)


def _remember(account_id: str, asset_id: str, entries: set[Entry], *, is_written: bool) -> None:
    item = AssetEntryItem(account_id + _KNOWN, asset_id)
    if entries:
        item.entries = json.dumps([[entry.list, entry.place] for entry in sorted(entries)])
        item.is_written = is_written
        item.save()
    else:
        item.delete()
